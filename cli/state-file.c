#include <config.h>

#include "cli/state-file.h"

#include <stdio.h>
#include "lib/diag.h"
#include "state/load.h"
#include "state/model.h"

struct model *
state_file_load(const char *path, const char *node)
{
    struct diags diags;

    diags_init(&diags);
    struct model *model = state_load(path, node, &diags);
    if (model) {
        model_assign_addresses(model, NULL, &diags);
        if (diags.n_errors) {
            model_destroy(model);
            model = NULL;
        }
    }
    diags_print(&diags, stderr);
    diags_destroy(&diags);
    return model;
}
