#include <config.h>

#include <getopt.h>
#include "cli/command.h"
#include "cli/output.h"
#include "lib/diag.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/json.h"
#include "openvswitch/shash.h"
#include "openvswitch/util.h"
#include "state/load.h"
#include "state/model.h"

static void
put_count(struct ds *s, size_t n, const char *noun)
{
    ds_put_format(s, "%s%"PRIuSIZE" %s%s", s->length ? ", " : "", n, noun,
                  n == 1 ? "" : "s");
}

/* "2 errors, 1 warning", or what a file without errors describes. */
static char *
describe_result(const struct model *model, const struct diags *diags)
{
    struct ds s = DS_EMPTY_INITIALIZER;

    if (model) {
        put_count(&s, shash_count(&model->nodes), "node");
        put_count(&s, shash_count(&model->containers), "container");
        put_count(&s, shash_count(&model->segments), "segment");
        put_count(&s, shash_count(&model->acls), "acl");
        put_count(&s, shash_count(&model->raw_flows), "raw flow");
    }
    if (diags->n_errors) {
        put_count(&s, diags->n_errors, "error");
    }
    if (diags->n_warnings) {
        put_count(&s, diags->n_warnings, "warning");
    }
    if (model && !diags->n_warnings) {
        ds_put_cstr(&s, ", nothing to complain about");
    }
    return ds_steal_cstr(&s);
}

static void
print_result(const struct command_context *ctx, const char *path,
             const struct model *model, const struct diags *diags)
{
    struct output *out = output_create(ctx->json, "check");
    char *result = describe_result(model, diags);

    if (!ctx->json) {
        diags_print(diags, stdout);
    }
    output_attach(out, "path", json_string_create(path));
    output_attach(out, "valid", json_boolean_create(model != NULL));
    output_attach(out, "errors", json_integer_create(diags->n_errors));
    output_attach(out, "warnings", json_integer_create(diags->n_warnings));
    output_attach(out, "diagnostics", diags_to_json(diags));
    output_note(out, "%s: %s", path, result);
    output_finish(out);
    free(result);
}

int
cmd_check(struct command_context *ctx, int argc, char *argv[])
{
    static const struct option options[] = {
        { "node", required_argument, NULL, 'n' },
        { NULL, 0, NULL, 0 },
    };
    const char *node = NULL;
    struct diags diags;

    for (int c; (c = command_getopt(argc, argv, options)) != -1; ) {
        if (c == '?') {
            return EXIT_ERROR;
        }
        node = optarg;
    }
    if (argc - optind != 1) {
        return command_misused("check", "check takes one PATH");
    }

    const char *path = argv[optind];
    diags_init(&diags);
    struct model *model = state_load(path, node, &diags);
    if (model) {
        model_assign_addresses(model, NULL, &diags);
        if (diags.n_errors) {
            model_destroy(model);
            model = NULL;
        }
    }
    print_result(ctx, path, model, &diags);

    int status = diags.n_errors ? EXIT_ERROR : EXIT_OK;
    model_destroy(model);
    diags_destroy(&diags);
    return status;
}
