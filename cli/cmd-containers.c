#include <config.h>

#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include "cli/command.h"
#include "cli/output.h"
#include "cli/session.h"
#include "cli/status-rows.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/json.h"
#include "openvswitch/shash.h"
#include "ovsdb-sync/socknet-idl.h"
#include "packets.h"
#include "state/model.h"
#include "util.h"

struct containers_args {
    const char *name;           /* One container, or NULL. */
    const char *node;           /* One node, or NULL. */
};

static int
parse_args(int argc, char *argv[], struct containers_args *args)
{
    static const struct option options[] = {
        { "node", required_argument, NULL, 'n' },
        { NULL, 0, NULL, 0 },
    };

    for (int c; (c = command_getopt(argc, argv, options)) != -1; ) {
        if (c == '?') {
            return EXIT_ERROR;
        }
        args->node = optarg;
    }
    if (argc - optind > 1) {
        return command_misused("containers", "containers takes one NAME");
    }
    args->name = argv[optind];
    return EXIT_OK;
}

static void
output_addresses(struct output *out, const struct model_container *container)
{
    struct sset set = SSET_INITIALIZER(&set);

    for (size_t i = 0; i < container->n_addresses; i++) {
        sset_add_and_free(&set,
                          sn_prefix_to_string(&container->addresses[i]));
    }
    output_strings(out, "addresses", "addresses", &set);
    sset_destroy(&set);
}

static void
output_mac(struct output *out, const struct model_container *container)
{
    struct eth_addr mac = container->has_hwaddr ? container->hwaddr
                          : container->seen_hwaddr;
    char text[ETH_ADDR_STRLEN + 1];

    snprintf(text, sizeof text, ETH_ADDR_FMT, ETH_ADDR_ARGS(mac));
    output_string(out, "mac", "mac", eth_addr_is_zero(mac) ? NULL : text);
}

/* The segments that it is in: together with its name and tags, these are what
 * rules can name it by. */
static void
output_segments(struct output *out, const struct model *model,
                const struct model_container *container, bool shown)
{
    struct sset set = SSET_INITIALIZER(&set);
    const struct shash_node *node;

    SHASH_FOR_EACH (node, &model->segments) {
        const struct model_segment *segment = node->data;
        for (size_t i = 0; i < segment->n_members; i++) {
            if (model_selector_matches(model, &segment->members[i],
                                       container)) {
                sset_add(&set, segment->name);
            }
        }
    }
    output_strings(out, "segments", shown ? "segments" : NULL, &set);
    sset_destroy(&set);
}

/* In order of preference. */
static void
output_exits(struct output *out, const struct model_container *container)
{
    struct json *array = json_array_create_empty();
    struct ds s = DS_EMPTY_INITIALIZER;
    const char *exit;
    size_t i;

    SVEC_FOR_EACH (i, exit, &container->exits) {
        json_array_add(array, json_string_create(exit));
        ds_put_format(&s, "%s%s", i ? ", " : "", exit);
    }
    if (!container->exits.n) {
        ds_put_char(&s, '-');
    }
    output_value(out, "exits", "exit", array, ds_steal_cstr(&s));
}

static void
put_limit(struct ds *s, const char *what, uint32_t kbps)
{
    if (kbps) {
        char *rate = sn_rate_to_string((struct sn_rate) { .kbps = kbps });

        ds_put_format(s, "%s%s %s", s->length ? ", " : "", what, rate);
        free(rate);
    }
}

static void
output_limits(struct output *out, const struct model_container *container,
              bool shown)
{
    const struct model_limits *limits = &container->limits;
    struct ds s = DS_EMPTY_INITIALIZER;

    put_limit(&s, "egress", limits->egress_kbps);
    put_limit(&s, "ingress", limits->ingress_kbps);
    if (limits->egress_pps) {
        ds_put_format(&s, "%s%"PRIu32" packets per second",
                      s.length ? ", " : "", limits->egress_pps);
    }
    output_string(out, "rate", shown ? "rate" : NULL,
                  s.length ? ds_cstr(&s) : NULL);
    output_string(out, "class", shown ? "class" : NULL,
                  model_class_to_string(container->class));
    ds_destroy(&s);
}

/* 'whole': with what is too wide for a table. */
static void
print_container(const struct session *session,
                const struct model_container *container, bool whole,
                struct output *out)
{
    const struct sndb_port_status *row
        = session_port_status(session, container->node,
                                      container->veth);
    bool has_ofport = row && row->n_ofport;
    char *location = sn_loc_to_string(&container->loc);

    output_record(out);
    output_string(out, "name", "container", container->name);
    output_string(out, "id", "id", container->id);
    output_string(out, "node", "node", container->node);
    output_addresses(out, container);
    output_string(out, "port", "port", container->veth);
    output_value(out, "ofport", "ofport",
                 has_ofport ? json_integer_create(row->ofport[0])
                 : json_null_create(),
                 has_ofport ? xasprintf("%"PRId64, row->ofport[0])
                 : xstrdup("-"));
    output_mac(out, container);
    output_string(out, "state", "state", row ? row->state : NULL);
    output_boolean(out, "adopted",
                   whole || session_model(session)->mesh.adopt ? "adopted"
                   : NULL, container->adopted);
    output_string(out, "reason", whole ? "reason" : NULL,
                  row ? row->reason : NULL);
    output_strings(out, "tags", "tags", &container->tags);
    output_segments(out, session_model(session), container, whole);
    output_exits(out, container);
    output_limits(out, container, whole);
    output_string(out, "location", whole ? "written at" : NULL, location);
    free(location);
}

/* Ports of the bridges that are nobody's. */
static void
print_strangers(const struct session *session, const char *node,
                struct output *out)
{
    const struct sndb_port_status *row;

    output_begin(out, "strangers", OUTPUT_TABLE, "Ports that are nobody's");
    SNDB_PORT_STATUS_FOR_EACH (row, session_idl(session)) {
        if (!row->container && (!node || !strcmp(row->node, node))) {
            output_record(out);
            output_string(out, "node", "node", row->node);
            output_string(out, "port", "port", row->name);
            output_string(out, "mac", "mac", row->mac);
            output_string(out, "state", "state", row->state);
            output_string(out, "reason", "reason", row->reason);
        }
    }
}

static int
print_containers(const struct command_context *ctx,
                 const struct session *session,
                 const struct containers_args *args)
{
    const struct model *model = session_model(session);
    const struct shash_node **nodes;

    if (args->name && !model_get_container(model, args->name)) {
        return command_fail("no container \"%s\" in the state: `socknet "
                            "containers` lists them", args->name);
    }

    struct output *out = output_create(ctx->json, "containers");
    output_begin(out, "containers",
                 args->name ? OUTPUT_LIST : OUTPUT_TABLE, NULL);
    nodes = shash_sort(&model->containers);
    for (size_t i = 0; i < shash_count(&model->containers); i++) {
        const struct model_container *container = nodes[i]->data;
        if ((!args->name || !strcmp(args->name, container->name))
            && (!args->node || !strcmp(args->node, container->node))) {
            print_container(session, container, args->name != NULL, out);
        }
    }
    free(nodes);
    if (!args->name) {
        print_strangers(session, args->node, out);
    }
    session_output_emptiness(session, out);
    output_finish(out);
    return EXIT_OK;
}

int
cmd_containers(struct command_context *ctx, int argc, char *argv[])
{
    struct containers_args args = { NULL, NULL };

    if (parse_args(argc, argv, &args)) {
        return EXIT_ERROR;
    }

    struct session *session = session_open_at(ctx, args.node);
    if (!session) {
        return EXIT_ERROR;
    }
    int status = print_containers(ctx, session, &args);
    session_close(session);
    return status;
}
