#include <config.h>

#include <getopt.h>
#include <stdio.h>

#include "cli/apply-run.h"
#include "cli/command.h"
#include "cli/policy-tests.h"
#include "cli/session.h"
#include "lib/diag.h"
#include "state/load.h"
#include "state/model.h"
#include "util.h"

/* The model of 'files', its nodes with the addresses that they have already.
 * Returns NULL after having printed every error. */
static struct model *
load_model(const char *path, const char *node, const struct session *session,
           struct state_files *files)
{
    struct model *model = NULL;
    struct diags diags;

    diags_init(&diags);
    if (state_files_read(path, files, &diags)) {
        model = state_files_load(files, node, &diags);
    }
    if (model) {
        model_inherit_clients(model, session_model(session), &diags);
        model_assign_addresses(model, session_model(session), &diags);
        model_assign_client_addresses(model, session_model(session), &diags);
        if (!diags.n_errors) {
            policy_tests_run(model, &diags);
        }
        model_inherit_nodes(model, session_model(session));
    }
    diags_print(&diags, stderr);
    if (diags.n_errors) {
        fprintf(stderr, "socknet: error: %"PRIuSIZE" error%s; nothing was "
                "changed\n", diags.n_errors, diags.n_errors > 1 ? "s" : "");
        model_destroy(model);
        model = NULL;
    }
    diags_destroy(&diags);
    return model;
}

static int
apply_path(const struct command_context *ctx, const char *path,
           struct apply_job *job)
{
    struct session *session = session_open(ctx);
    struct state_files files;
    int status = EXIT_ERROR;

    if (!session) {
        return EXIT_ERROR;
    }
    struct model *model = load_model(path, job->node, session, &files);
    if (model) {
        job->files = &files;
        status = apply_run(ctx, session, model, job);
    }
    model_destroy(model);
    state_files_destroy(&files);
    session_close(session);
    return status;
}

int
cmd_apply(struct command_context *ctx, int argc, char *argv[])
{
    enum { OPT_NODE = 256 };
    static const struct option options[] = {
        {"node", required_argument, NULL, OPT_NODE},
        APPLY_OPTIONS,
        {NULL, 0, NULL, 0},
    };
    struct apply_job job = { .action = "apply" };
    int c;

    while ((c = command_getopt(argc, argv, options)) != -1) {
        if (c == OPT_NODE) {
            job.node = optarg;
        } else if (!apply_parse_option(argv[0], c, &job)) {
            return EXIT_ERROR;
        }
    }
    if (argc - optind != 1) {
        return command_misused(argv[0], "apply takes one PATH");
    }
    return apply_check_options(argv[0], &job)
           ? apply_path(ctx, argv[optind], &job) : EXIT_ERROR;
}
