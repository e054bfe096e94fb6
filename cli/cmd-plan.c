#include <config.h>

#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "cli/affected.h"
#include "cli/command.h"
#include "cli/connections.h"
#include "cli/offline.h"
#include "cli/output.h"
#include "cli/plan-file.h"
#include "cli/proposal.h"
#include "cli/prove-run.h"
#include "cli/reach-output.h"
#include "cli/session.h"
#include "cli/state-file.h"
#include "cli/verify.h"
#include "flows/compiler.h"
#include "flows/diff.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/json.h"
#include "openvswitch/shash.h"
#include "packets.h"
#include "state/model.h"
#include "sset.h"
#include "util.h"

struct plan_args {
    const char *path;
    const char *from;           /* A file instead of the database. */
    const char *node;
    const char *out;            /* The plan goes there, or NULL. */
    bool flows;
    bool no_proof;
    bool verify;
};

static bool
plan_parse(int argc, char *argv[], struct plan_args *args)
{
    static const struct option options[] = {
        {"from", required_argument, NULL, 'f'},
        {"node", required_argument, NULL, 'n'},
        {"flows", no_argument, NULL, 'F'},
        {"no-proof", no_argument, NULL, 'P'},
        {"out", required_argument, NULL, 'o'},
        {"verify", no_argument, NULL, 'v'},
        {NULL, 0, NULL, 0},
    };

    for (int c; (c = command_getopt(argc, argv, options)) != -1; ) {
        switch (c) {
        case 'f':
            args->from = optarg;
            break;
        case 'n':
            args->node = optarg;
            break;
        case 'F':
            args->flows = true;
            break;
        case 'P':
            args->no_proof = true;
            break;
        case 'o':
            args->out = optarg;
            break;
        case 'v':
            args->verify = true;
            break;
        default:
            return false;
        }
    }
    if (argc - optind != 1) {
        command_misused("plan", "plan takes one PATH");
        return false;
    }
    if (args->out && args->from) {
        command_misused("plan", "--out keeps what the database holds now, and "
                        "does not go with --from");
        return false;
    }
    args->path = argv[optind];
    return true;
}

/* (a) Objects. */

static void *
get_object(struct model *model, enum model_kind kind, const char *key)
{
    return kind != MODEL_MESH ? shash_find_data(model_table(model, kind), key)
           : model->mesh.name ? &model->mesh : NULL;
}

static const char *
describe_change(enum model_kind kind, const void *was, void *is)
{
    return !was ? "added" : !is ? "removed"
           : affected_is_moved(kind, was, is) ? NULL : "changed";
}

/* Returns how many differ, but for their place in the file. */
static size_t
output_objects(struct model *old, struct model *new, struct output *out)
{
    struct model_changes diff;
    size_t n = 0, n_moved = 0;

    model_changes_init(&diff);
    model_diff(old, new, &diff);
    output_begin(out, "objects", OUTPUT_TABLE, "Objects");
    for (enum model_kind kind = 0; kind < MODEL_N_KINDS; kind++) {
        const char **keys = sset_sort(&diff.keys[kind]);

        for (size_t i = 0; i < sset_count(&diff.keys[kind]); i++) {
            const char *change
                = describe_change(kind, get_object(old, kind, keys[i]),
                                  get_object(new, kind, keys[i]));

            n += change != NULL;
            n_moved += !change;
            if (!change) {
                continue;
            }
            output_record(out);
            output_string(out, "change", "change", change);
            output_string(out, "kind", "kind", model_kind_to_string(kind));
            output_string(out, "name", "name",
                          kind == MODEL_MESH ? new->mesh.name : keys[i]);
        }
        free(keys);
    }
    model_changes_destroy(&diff);
    output_attach(out, "moved", json_integer_create(n_moved));
    return n;
}

/* (d) Flows. */

/* With the port numbers of 'like' (may be NULL). */
static struct offline *
compile(struct model *model, const char *node, const struct offline *like)
{
    struct offline *offline = offline_create(node);

    if (like) {
        offline_number_like(offline, like);
    }
    offline_invent_macs(offline, model);
    if (model_get_node(model, node)) {
        offline_run(offline, model);
    }
    return offline;
}

static void
output_flow(const char *sign, const char *node, const struct sn_flow *flow,
            const struct offline *offline, struct output *out)
{
    struct ds s = DS_EMPTY_INITIALIZER;

    ds_put_format(&s, "%s ", sign);
    sn_flow_format(flow, offline_port_map(offline), false, &s);
    output_record(out);
    output_string(out, "node", NULL, node);
    output_string(out, "flow", "flow", ds_cstr(&s));
    ds_destroy(&s);
}

static void
output_flows_of(struct model *old, struct model *new, const char *node,
                struct output *out)
{
    struct offline *before = compile(old, node, NULL);
    struct offline *after = compile(new, node, before);
    const struct flow_set *installed
        = compiler_flows(offline_compiler(before));
    struct flow_op *ops;
    size_t n = flow_diff(compiler_flows(offline_compiler(after)), installed,
                         &ops);
    char *caption = xasprintf("Flows of vmbr0 at %s: %"PRIuSIZE" differ",
                              node, n);
    char *key = xasprintf("flows %s", node);

    if (n) {
        output_note(out, "%s", "");
        output_note(out, "%s", caption);
    }
    output_begin(out, key, OUTPUT_LINES, NULL);
    for (size_t i = 0; i < n; i++) {
        const struct sn_flow *flow = ops[i].flow;

        if (ops[i].type == FLOW_OP_MODIFY) {
            output_flow("-", node, flow_set_find(installed, flow), before,
                        out);
        }
        if (ops[i].type == FLOW_OP_DELETE) {
            output_flow("-", node, flow, before, out);
        } else {
            output_flow("+", node, flow, after, out);
        }
    }
    free(ops);
    free(key);
    free(caption);
    offline_destroy(before);
    offline_destroy(after);
}

static void
output_flows(struct model *old, struct model *new, struct output *out)
{
    struct sset nodes = SSET_INITIALIZER(&nodes);
    const struct shash_node *item;

    SHASH_FOR_EACH (item, &old->nodes) {
        sset_add(&nodes, item->name);
    }
    SHASH_FOR_EACH (item, &new->nodes) {
        sset_add(&nodes, item->name);
    }
    const char **names = sset_sort(&nodes);
    for (size_t i = 0; i < sset_count(&nodes); i++) {
        output_flows_of(old, new, names[i], out);
    }
    free(names);
    sset_destroy(&nodes);
}

/* What hosts report is none of the state: both are compared as if all were
 * well, with the same MAC addresses. */
static void
level_status(struct model *old, struct model *new)
{
    struct model *models[] = { old, new };
    const struct shash_node *item;

    for (size_t i = 0; i < ARRAY_SIZE(models); i++) {
        SHASH_FOR_EACH (item, &models[i]->containers) {
            struct model_container *container = item->data;

            container->quarantined = false;
            container->seen_hwaddr = eth_addr_zero;
            model_container_set_port(container, NULL);
        }
        SHASH_FOR_EACH (item, &models[i]->exits) {
            struct model_exit *exit = item->data;
            sset_clear(&exit->down_at);
        }
        SHASH_FOR_EACH (item, &models[i]->services) {
            struct model_service *service = item->data;
            sset_clear(&service->down);
        }
    }
}

/* A switch of our own tries the new flows. */

static struct json *
verify_to_json(const struct verify_result *r)
{
    struct json *json = json_object_create();

    json_object_put_string(json, "open_vswitch", r->version);
    json_object_put(json, "nodes", json_integer_create(r->n_nodes));
    json_object_put(json, "flows", json_integer_create(r->n_flows));
    json_object_put(json, "groups_and_meters",
                    json_integer_create(r->n_objects));
    json_object_put(json, "packets", json_integer_create(r->n_packets));
    json_object_put(json, "allowed_pairs",
                    json_integer_create(r->n_allowed));
    json_object_put(json, "allowed_pairs_tried",
                    json_integer_create(r->n_tried));
    return json;
}

static void
output_differences(const struct verify_result *r, struct output *out)
{
    output_begin(out, "differences", OUTPUT_TABLE,
                 "Open vSwitch does otherwise");
    for (size_t i = 0; i < r->n_differences; i++) {
        const struct verify_difference *diff = &r->differences[i];

        output_record(out);
        output_string(out, "packet", "packet", diff->packet);
        output_string(out, "node", "at", diff->node);
        output_string(out, "computed", "computed", diff->ours);
        output_string(out, "traced", "Open vSwitch", diff->theirs);
    }
}

/* Returns whether all is as computed; if not, something was said. */
static bool
output_verification(struct model *new, struct output *out)
{
    struct verify_result r;
    char *error = verify_run(new, &r);
    bool ok = !error && !r.n_differences;

    if (error) {
        command_fail("cannot verify: %s", error);
        output_attach(out, "verified", json_null_create());
        free(error);
    } else {
        output_attach(out, "verified", verify_to_json(&r));
        output_note(out, "Verified in Open vSwitch %s: %"PRIuSIZE" flows of "
                    "%"PRIuSIZE" hosts, %"PRIuSIZE" packets, %"PRIuSIZE" of "
                    "%"PRIuSIZE" allowed pairs: %s", r.version, r.n_flows,
                    r.n_nodes, r.n_packets, r.n_tried, r.n_allowed,
                    ok ? "all as computed." : "there are differences.");
        output_differences(&r, out);
        if (!ok) {
            command_fail("Open vSwitch does not do what was computed in %"
                         PRIuSIZE" cases: do not apply this", r.n_differences);
        }
    }
    verify_result_destroy(&r);
    return ok;
}

static int
plan_compare(const struct command_context *ctx, const struct plan_args *args,
             struct session *session, struct model *old, struct model *new)
{
    /* First, as the session takes in what is new meanwhile. */
    struct connections *open = session ? connections_read(session) : NULL;

    level_status(old, new);
    struct output *out = output_create(ctx->json, "plan");
    size_t n = output_objects(old, new, out);

    if (n) {
        reach_output(old, new, out);
        if (open) {
            connections_output_cut(open, old, new, out);
        } else {
            output_note(out, "Open connections are not looked at: that takes "
                        "the database, and no --from.");
        }
        if (args->flows) {
            output_flows(old, new, out);
        }
    } else {
        output_note(out, "nothing to change");
    }
    bool ok = args->no_proof || prove_run(new, true, out);
    if (args->verify) {
        ok &= output_verification(new, out);
    }
    output_attach(out, "changes", json_boolean_create(n > 0));
    if (args->out) {
        output_attach(out, "plan_file", json_string_create(args->out));
        output_note(out, "`socknet apply %s` carries this out.", args->out);
    }
    output_finish(out);
    connections_destroy(open);
    return !ok ? EXIT_ERROR : n ? EXIT_PENDING : EXIT_OK;
}

/* 'session' and 'base' NULL: of a file, not of the database. */
static int
plan_run(const struct command_context *ctx, const struct plan_args *args,
         struct session *session, struct model *old,
         const struct plan_base *base)
{
    int status = EXIT_ERROR;
    struct proposal p;

    if (proposal_read(&p, args->path, args->node)) {
        if (plan_file_is_plan(&p.files)) {
            command_fail("%s is a plan already: `socknet apply %s` carries it "
                         "out", args->path, args->path);
        } else if (proposal_load(&p, old,
                                 ": this state would not be applied")) {
            char *error = args->out ? plan_file_write(args->out, base, &p)
                          : NULL;

            status = error ? command_fail("%s", error)
                     : plan_compare(ctx, args, session, old, p.model);
            free(error);
        }
    }
    proposal_destroy(&p);
    return status;
}

static int
plan_from_database(const struct command_context *ctx,
                   const struct plan_args *args)
{
    struct session *session = session_open(ctx);
    struct plan_base base;

    if (!session) {
        return EXIT_ERROR;
    }
    plan_base_read(&base, session);
    int status = plan_run(ctx, args, session,
                          CONST_CAST(struct model *, session_model(session)),
                          &base);
    plan_base_destroy(&base);
    session_close(session);
    return status;
}

int
cmd_plan(struct command_context *ctx, int argc, char *argv[])
{
    struct plan_args args = { .path = NULL };

    if (!plan_parse(argc, argv, &args)) {
        return EXIT_ERROR;
    } else if (!args.from) {
        return plan_from_database(ctx, &args);
    }
    struct model *old = state_file_load(args.from, args.node);
    int status = old ? plan_run(ctx, &args, NULL, old, NULL) : EXIT_ERROR;
    model_destroy(old);
    return status;
}
