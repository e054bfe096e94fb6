#include <config.h>

#include "cli/proposal.h"

#include <stdio.h>
#include <stdlib.h>
#include "cli/policy-tests.h"
#include "lib/diag.h"
#include "state/model.h"
#include "util.h"

/* Nodes and clients keep what 'base' gave them, and tests have to pass. */
static void
complete(struct model *model, const struct model *base, struct diags *diags)
{
    model_inherit_clients(model, base, diags);
    model_assign_addresses(model, base, diags);
    model_assign_client_addresses(model, base, diags);
    if (!diags->n_errors) {
        policy_tests_run(model, diags);
    }
    model_inherit_nodes(model, base);
}

static void
print_errors(struct diags *diags, const char *verdict)
{
    diags_print(diags, stderr);
    if (diags->n_errors) {
        fprintf(stderr, "socknet: error: %"PRIuSIZE" error%s%s\n",
                diags->n_errors, diags->n_errors > 1 ? "s" : "", verdict);
    }
    diags_destroy(diags);
}

bool
proposal_read(struct proposal *p, const char *path, const char *node)
{
    struct diags diags;

    *p = (struct proposal) { .node = nullable_xstrdup(node) };
    diags_init(&diags);
    bool ok = state_files_read(path, &p->files, &diags);
    print_errors(&diags, "; nothing was changed");
    return ok;
}

bool
proposal_load(struct proposal *p, const struct model *base,
              const char *verdict)
{
    struct diags diags;

    diags_init(&diags);
    p->model = state_files_load(&p->files, p->node, &diags);
    if (p->model) {
        complete(p->model, base, &diags);
    }
    if (diags.n_errors) {
        model_destroy(p->model);
        p->model = NULL;
    }
    print_errors(&diags, verdict);
    return p->model != NULL;
}

void
proposal_destroy(struct proposal *p)
{
    state_files_destroy(&p->files);
    free(p->node);
    model_destroy(p->model);
}
