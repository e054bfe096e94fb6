#include <config.h>

#include <getopt.h>
#include <stdlib.h>
#include "cli/command.h"
#include "cli/fix-file.h"
#include "cli/output.h"
#include "cli/policy-tests.h"
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

struct check_options {
    const char *path;
    const char *node;
    bool fix;
    bool dry_run;
};

static void
print_result(const struct command_context *ctx, const struct check_options *o,
             const struct model *model, const struct diags *diags,
             size_t n_fixes, const char *diff)
{
    const char *path = o->path;
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
    if (o->fix) {
        output_attach(out, "fixes", json_integer_create(n_fixes));
        output_attach(out, "diff", json_string_create(diff));
    }
    output_note(out, "%s: %s", path, result);
    output_finish(out);
    free(result);
}

static struct model *
load(const struct check_options *o, struct diags *diags)
{
    struct model *model = state_load(o->path, o->node, diags);

    if (model) {
        model_assign_addresses(model, NULL, diags);
        if (!diags->n_errors) {
            policy_tests_run(model, diags);
        }
        if (diags->n_errors) {
            model_destroy(model);
            model = NULL;
        }
    }
    return model;
}

/* Prints what is corrected, and corrects it unless that is only to be shown.
 * '*ret_n' is how many corrections there are; programs get the rest by 'out'.
 */
static char *
fix(const struct command_context *ctx, const struct check_options *o,
    const struct diags *diags, size_t *ret_n, char **ret_diff)
{
    struct fix_files files;
    char *error = NULL;

    fix_files_find(&files, diags, o->path, o->node);
    *ret_n = files.n;
    *ret_diff = fix_files_diff(&files);
    if (files.n && !o->dry_run) {
        error = fix_files_write(&files);
    }
    if (!ctx->json && !error) {
        fputs(*ret_diff, stdout);
        if (!files.n) {
            printf("%s: there is nothing of which the correction is "
                   "certain\n", o->path);
        } else if (o->dry_run) {
            printf("%s: %"PRIuSIZE" corrections, not made (--dry-run)\n",
                   o->path, files.n);
        } else {
            printf("%s: %"PRIuSIZE" corrections; what was there before is in "
                   "FILE~\n", o->path, files.n);
        }
    }
    fix_files_destroy(&files);
    return error;
}

static int
check(const struct command_context *ctx, const struct check_options *o)
{
    struct diags diags;
    char *error = NULL, *diff = NULL;
    size_t n_fixes = 0;

    diags_init(&diags);
    struct model *model = load(o, &diags);
    if (o->fix) {
        error = fix(ctx, o, &diags, &n_fixes, &diff);
        if (!error && n_fixes && !o->dry_run) {
            /* What is left. */
            model_destroy(model);
            diags_destroy(&diags);
            diags_init(&diags);
            model = load(o, &diags);
        }
    }

    int status = diags.n_errors ? EXIT_ERROR : EXIT_OK;
    if (error) {
        status = command_fail("%s", error);
    } else {
        print_result(ctx, o, model, &diags, n_fixes, diff);
    }
    free(diff);
    free(error);
    model_destroy(model);
    diags_destroy(&diags);
    return status;
}

int
cmd_check(struct command_context *ctx, int argc, char *argv[])
{
    static const struct option options[] = {
        { "node", required_argument, NULL, 'n' },
        { "fix", no_argument, NULL, 'f' },
        { "dry-run", no_argument, NULL, 'd' },
        { NULL, 0, NULL, 0 },
    };
    struct check_options o = { .node = NULL };

    for (int c; (c = command_getopt(argc, argv, options)) != -1; ) {
        switch (c) {
        case 'n':
            o.node = optarg;
            break;
        case 'f':
            o.fix = true;
            break;
        case 'd':
            o.dry_run = true;
            break;
        default:
            return EXIT_ERROR;
        }
    }
    if (argc - optind != 1) {
        return command_misused("check", "check takes one PATH");
    } else if (o.dry_run && !o.fix) {
        return command_misused("check", "--dry-run goes with --fix: without "
                               "it nothing is written anyway");
    }
    o.path = argv[optind];
    return check(ctx, &o);
}
