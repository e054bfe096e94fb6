#include <config.h>

#include <getopt.h>
#include <stdlib.h>
#include "cli/choose-node.h"
#include "cli/command.h"
#include "cli/flow-list.h"
#include "cli/object-list.h"
#include "cli/state-file.h"
#include "cli/offline.h"
#include "cli/output.h"
#include "flows/compiler.h"
#include "flows/explain.h"
#include "state/model.h"
#include "svec.h"
#include "util.h"

struct compile_args {
    const char *path;
    const char *node;
    struct svec ports;
    bool explain;
};

static int
parse_args(int argc, char *argv[], struct compile_args *args)
{
    static const struct option options[] = {
        { "node", required_argument, NULL, 'n' },
        { "port", required_argument, NULL, 'p' },
        { "explain", no_argument, NULL, 'e' },
        { NULL, 0, NULL, 0 },
    };

    for (int c; (c = command_getopt(argc, argv, options)) != -1; ) {
        switch (c) {
        case 'n':
            args->node = optarg;
            break;
        case 'p':
            svec_add(&args->ports, optarg);
            break;
        case 'e':
            args->explain = true;
            break;
        default:
            return EXIT_ERROR;
        }
    }
    if (argc - optind != 1) {
        return command_misused("compile", "compile takes one PATH");
    }
    args->path = argv[optind];
    return EXIT_OK;
}

static void
print_flows(const struct command_context *ctx,
            const struct compile_args *args, const struct model *model,
            const struct offline *offline)
{
    struct output *out = output_create(ctx->json, "compile");
    struct object_list objects;
    struct flow_list list;

    output_note(out, "# vmbr0 of node %s, from %s", args->node, args->path);
    offline_output_notes(offline, out);

    flow_list_init(&list);
    flow_list_add_set(&list, compiler_flows(offline_compiler(offline)),
                      offline_port_map(offline), false);
    flow_list_sort(&list);

    struct explainer *explainer = explainer_create(model);
    object_list_init(&objects);
    object_list_add_set(&objects,
                        compiler_objects(offline_compiler(offline)));
    object_list_output(&objects, explainer, out);
    flow_list_output(&list, explainer, args->explain, out);
    explainer_destroy(explainer);
    flow_list_destroy(&list);
    object_list_destroy(&objects);
    output_finish(out);
}

static int
compile_model(const struct command_context *ctx,
              const struct compile_args *args, struct model *model)
{
    struct offline *offline = offline_create(args->node);
    int status = EXIT_OK;
    const char *spec;
    size_t i;

    SVEC_FOR_EACH (i, spec, &args->ports) {
        char *error = offline_add_port(offline, spec);
        if (error) {
            status = command_misused("compile", "--port: %s", error);
            free(error);
        }
    }
    if (!status) {
        offline_invent_macs(offline, model);
        offline_run(offline, model);
        print_flows(ctx, args, model, offline);
    }
    offline_destroy(offline);
    return status;
}

int
cmd_compile(struct command_context *ctx, int argc, char *argv[])
{
    struct compile_args args = { .ports = SVEC_EMPTY_INITIALIZER };

    int status = parse_args(argc, argv, &args);
    if (!status) {
        struct model *model = state_file_load(args.path, args.node);
        if (!model) {
            status = EXIT_ERROR;
        } else {
            args.node = choose_node(model, args.node);
            status = args.node ? compile_model(ctx, &args, model)
                     : EXIT_ERROR;
            model_destroy(model);
        }
    }
    svec_destroy(&args.ports);
    return status;
}
