#include <config.h>

#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include "cli/cause.h"
#include "cli/choose-node.h"
#include "cli/command.h"
#include "cli/flow-list.h"
#include "cli/object-list.h"
#include "cli/offline.h"
#include "cli/output.h"
#include "cli/state-source.h"
#include "dirs.h"
#include "flows/compiler.h"
#include "flows/explain.h"
#include "flows/tables.h"
#include "openvswitch/json.h"
#include "state/model.h"
#include "util.h"

struct flows_args {
    const char *node;           /* As chosen; in the model. */
    const char *from;           /* State file, or NULL: the database. */
    const char *target;         /* Of the switch, or NULL: compiled flows. */
    bool explain;

    /* Filters; NULL or -1: none. */
    const char *container;
    const char *rule;
    int table;
};

static int
parse_table(const char *s, int *tablep)
{
    char *end;
    unsigned long int id = strtoul(s, &end, 10);

    *tablep = end != s && !*end && id < 255 ? id : sn_table_from_name(s);
    if (*tablep < 0) {
        return command_misused("flows", "--table: no table \"%s\"", s);
    }
    return EXIT_OK;
}

static const char *
default_target(void)
{
    static char *target;

    if (!target) {
        target = xasprintf("unix:%s/vmbr0.mgmt", ovs_rundir());
    }
    return target;
}

static int
parse_option(int c, struct flows_args *args)
{
    switch (c) {
    case 'n':
        args->node = optarg;
        return EXIT_OK;
    case 'f':
        args->from = optarg;
        return EXIT_OK;
    case 's':
        args->target = optarg ? optarg : default_target();
        return EXIT_OK;
    case 'c':
        args->container = optarg;
        return EXIT_OK;
    case 'r':
        args->rule = optarg;
        return EXIT_OK;
    case 'e':
        args->explain = true;
        return EXIT_OK;
    case 't':
        return parse_table(optarg, &args->table);
    default:
        return EXIT_ERROR;
    }
}

static int
parse_args(int argc, char *argv[], struct flows_args *args)
{
    static const struct option options[] = {
        { "node", required_argument, NULL, 'n' },
        { "from", required_argument, NULL, 'f' },
        { "switch", optional_argument, NULL, 's' },
        { "container", required_argument, NULL, 'c' },
        { "rule", required_argument, NULL, 'r' },
        { "table", required_argument, NULL, 't' },
        { "explain", no_argument, NULL, 'e' },
        { NULL, 0, NULL, 0 },
    };

    for (int c; (c = command_getopt(argc, argv, options)) != -1; ) {
        if (parse_option(c, args)) {
            return EXIT_ERROR;
        }
    }
    if (argc > optind) {
        return command_misused("flows", "unexpected \"%s\"", argv[optind]);
    }
    return EXIT_OK;
}

/* Filters. */

struct filter {
    const struct model *model;
    struct explainer *explainer;
    const struct flows_args *args;
    const struct model_container *container;
};

static bool
selectors_match(const struct model *model, const struct model_selector *sels,
                size_t n, const struct model_container *container)
{
    for (size_t i = 0; i < n; i++) {
        if (sels[i].kind == SEL_ANY
            || model_selector_matches(model, &sels[i], container)) {
            return true;
        }
    }
    return false;
}

/* Whether the flow's cause is the container itself or a rule that names it. */
static bool
cause_concerns(const struct filter *f, const struct cause *cause)
{
    if (!cause->object) {
        return false;
    }
    if (!strcmp(cause->kind, "container")) {
        return !strcmp(cause->object, f->container->name);
    }
    if (!strcmp(cause->kind, "raw flow")) {
        return strstr(cause->object, f->container->veth) != NULL;
    }
    if (!strcmp(cause->kind, "acl")) {
        const struct model_acl *acl = model_get_acl(f->model, cause->object);
        return acl && (selectors_match(f->model, acl->src, acl->n_src,
                                       f->container)
                       || selectors_match(f->model, acl->dst, acl->n_dst,
                                          f->container));
    }
    if (!strcmp(cause->kind, "segment")) {
        const struct model_segment *segment
            = model_get_segment(f->model, cause->object);
        return segment && selectors_match(f->model, segment->members,
                                          segment->n_members, f->container);
    }
    return false;
}

static bool
filter_keep(const struct flow_line *line, void *f_)
{
    const struct filter *f = f_;
    struct cause cause;
    bool keep = f->args->table < 0 || f->args->table == line->table_id;

    if (keep && (f->args->rule || f->container)) {
        cause_find(f->explainer, line->cookie, &cause);
        if (f->args->rule) {
            keep = cause.object && !strcmp(cause.object, f->args->rule)
                   && strcmp(cause.kind, "container");
        }
        if (keep && f->container) {
            keep = cause_concerns(f, &cause);
        }
        cause_destroy(&cause);
    }
    return keep;
}

static int
check_filter(const struct model *model, const struct flows_args *args,
             struct filter *f)
{
    *f = (struct filter) { .model = model, .args = args };
    if (args->container) {
        f->container = model_get_container(model, args->container);
        if (!f->container) {
            return command_fail("no container \"%s\" in the state: "
                                "`socknet containers` lists them",
                                args->container);
        }
    }
    if (args->rule && !model_get_acl(model, args->rule)
        && !model_get_segment(model, args->rule)) {
        return command_fail("no acl or segment \"%s\" in the state",
                            args->rule);
    }
    return EXIT_OK;
}

/* Sources of flows. */

static void
add_compiled(const struct model *model, const struct flows_args *args,
             struct flow_list *list, struct object_list *objects,
             struct output *out)
{
    struct offline *offline = offline_create(args->node);

    offline_run(offline, model);
    offline_output_notes(offline, out);
    flow_list_add_set(list, compiler_flows(offline_compiler(offline)),
                      offline_port_map(offline), true);
    object_list_add_set(objects,
                        compiler_objects(offline_compiler(offline)));
    offline_destroy(offline);
}

static int
add_installed(const struct command_context *ctx,
              const struct flows_args *args, struct flow_list *list,
              struct object_list *objects)
{
    return command_finish(flow_list_add_switch(list, objects, args->target,
                                               ctx->timeout_ms));
}

static int
print_flows(const struct command_context *ctx, const struct model *model,
            const struct flows_args *args)
{
    struct object_list objects;
    struct flow_list list;
    struct filter filter;

    int status = check_filter(model, args, &filter);
    if (status) {
        return status;
    }

    struct output *out = output_create(ctx->json, "flows");
    flow_list_init(&list);
    object_list_init(&objects);
    if (args->target) {
        output_attach(out, "switch", json_string_create(args->target));
        status = add_installed(ctx, args, &list, &objects);
    } else {
        add_compiled(model, args, &list, &objects, out);
    }
    if (!status) {
        filter.explainer = explainer_create(model);
        flow_list_filter(&list, filter_keep, &filter);
        flow_list_sort(&list);
        object_list_output(&objects, filter.explainer, out);
        flow_list_output(&list, filter.explainer, args->explain, out);
        explainer_destroy(filter.explainer);
        output_finish(out);
    } else {
        output_abort(out);
    }
    flow_list_destroy(&list);
    object_list_destroy(&objects);
    return status;
}

int
cmd_flows(struct command_context *ctx, int argc, char *argv[])
{
    struct flows_args args = { .table = -1 };

    if (parse_args(argc, argv, &args)) {
        return EXIT_ERROR;
    }

    struct state_source source;
    if (!state_source_open(&source, ctx, args.from, args.node)) {
        return EXIT_ERROR;
    }

    const struct model *model = state_source_model(&source);
    int status = EXIT_ERROR;
    if (!args.target || args.node) {
        args.node = choose_node(model, args.node);
    }
    if (args.target || args.node) {
        status = print_flows(ctx, model, &args);
    }
    state_source_close(&source);
    return status;
}
