/* State files: whatever the bytes, no crash; a model comes back exactly when
 * no error was reported; and what a model is written out as loads again, to
 * the same text. */

#include <config.h>

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/diag-fix.h"
#include "lib/diag.h"
#include "openvswitch/vlog.h"
#include "state/load.h"
#include "state/model.h"
#include "util.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
print_all(const struct diags *diags)
{
    static FILE *null;

    if (!null) {
        null = fopen("/dev/null", "w");
    }
    diags_print(diags, null);
}

static struct model *
load(const char *text)
{
    struct diags diags;

    diags_init(&diags);
    struct model *model = state_load_string(text, "fuzz.yaml", "node",
                                            &diags);
    ovs_assert(!model == (diags.n_errors > 0));
    print_all(&diags);
    size_t n_fixes;
    free(diags_apply_fixes(&diags, "fuzz.yaml", text, &n_fixes));
    diags_destroy(&diags);
    return model;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static bool quiet;

    if (!quiet) {
        vlog_set_levels(NULL, VLF_ANY_DESTINATION, VLL_OFF);
        quiet = true;
    }

    char *text = xmemdup0((const char *) data, n);
    struct model *model = load(text);
    free(text);
    if (!model) {
        return 0;
    }

    char *first = state_to_yaml(model);
    model_destroy(model);
    model = load(first);
    ovs_assert(model);
    char *second = state_to_yaml(model);
    ovs_assert(!strcmp(first, second));
    model_destroy(model);
    free(first);
    free(second);
    return 0;
}
