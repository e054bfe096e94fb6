#include <config.h>

#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "cli/command.h"
#include "cli/db-health.h"
#include "cli/local-daemon.h"
#include "cli/output.h"
#include "cli/pairs.h"
#include "cli/problems.h"
#include "cli/session.h"
#include "cli/status-rows.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/json.h"
#include "openvswitch/shash.h"
#include "ovsdb-sync/socknet-idl.h"
#include "state/model.h"
#include "timeval.h"
#include "util.h"

/* Rows of the table of nodes, for people. */
enum { MAX_NODES_SHOWN = 16 };
enum { MAX_PAIRS_SHOWN = 8 };

static void
print_mesh(const struct session *session, struct output *out)
{
    const struct model *model = session_model(session);
    const struct model_mesh *mesh = &model->mesh;
    int64_t generation = session_generation(session);
    char *prefix = sn_prefix_to_string(&mesh->prefix);
    const char *policy = mesh->default_policy == MODEL_ALLOW ? "allow"
                         : "deny";
    struct json *json = json_object_create();

    json_object_put_string(json, "name", mesh->name ? mesh->name : "");
    json_object_put_string(json, "prefix", prefix);
    json_object_put_string(json, "interface",
                           mesh->interface ? mesh->interface : "");
    json_object_put_string(json, "default_policy", policy);
    json_object_put(json, "generation", json_integer_create(generation));
    json_object_put(json, "n_nodes",
                    json_integer_create(shash_count(&model->nodes)));
    json_object_put(json, "n_containers",
                    json_integer_create(shash_count(&model->containers)));
    output_attach(out, "mesh", json);

    if (!shash_is_empty(&model->nodes)) {
        output_note(out, "mesh %s: %s on %s, %"PRIuSIZE" nodes, %"PRIuSIZE
                    " containers, default policy %s",
                    mesh->name ? mesh->name : "-", prefix,
                    mesh->interface ? mesh->interface : "-",
                    shash_count(&model->nodes),
                    shash_count(&model->containers), policy);
        output_note(out, "desired generation %"PRId64, generation);
    }
    free(prefix);
}

/* A state that is about to be undone. */
static void
print_pending(const struct session *session, struct output *out)
{
    const struct sndb_mesh *mesh = session_pending(session);

    if (mesh) {
        long long int left = mesh->confirm_by[0] - time_wall();

        output_attach(out, "confirm_by",
                      json_integer_create(mesh->confirm_by[0]));
        if (left > 0) {
            output_note(out, "generation %"PRId64" waits to be confirmed, "
                        "%lld s left: `socknet confirm` keeps it",
                        mesh->generation, left);
        } else {
            output_note(out, "generation %"PRId64" was not confirmed: the "
                        "hosts are back at the state before; `socknet "
                        "rollback` makes it last", mesh->generation);
        }
    }
}

struct tally {
    size_t up;
    size_t all;
};

static void
output_tally(struct output *out, const char *key, const char *heading,
             const struct tally *tally)
{
    struct json *json = json_object_create();

    json_object_put(json, "up", json_integer_create(tally->up));
    json_object_put(json, "all", json_integer_create(tally->all));
    output_value(out, key, heading, json,
                 xasprintf("%"PRIuSIZE"/%"PRIuSIZE, tally->up, tally->all));
}

static struct tally
count_containers(const struct session *session, const char *node)
{
    struct tally tally = { 0, 0 };
    const struct shash_node *item;

    SHASH_FOR_EACH (item, &session_model(session)->containers) {
        const struct model_container *container = item->data;
        if (!strcmp(container->node, node)) {
            const struct sndb_port_status *row
                = session_port_status(session, container->node,
                                      container->veth);
            tally.up += row && !strcmp(row->state, "up");
            tally.all++;
        }
    }
    return tally;
}

static struct tally
count_peers(const struct session *session, const char *node)
{
    struct tally tally = { 0, shash_count(&session_model(session)->nodes) };
    const struct sndb_peer_status *row;

    tally.all -= tally.all > 0;         /* Itself. */
    SNDB_PEER_STATUS_FOR_EACH (row, session_idl(session)) {
        tally.up += !strcmp(row->node, node) && row->latest_handshake;
    }
    return tally;
}

/* What a daemon has enforced; '-' if it never reported ('generation' NULL). */
static void
output_generation(struct output *out, const char *key, const char *heading,
                  const int64_t *generation, int64_t seen)
{
    const char *silent = status_rows_is_silent(seen) ? " (silent)" : "";

    output_value(out, key, heading,
                 generation ? json_integer_create(*generation)
                 : json_null_create(),
                 generation ? xasprintf("%"PRId64"%s", *generation, silent)
                 : xstrdup("-"));
}

static void
output_seen(struct output *out, const char *key, int64_t seen)
{
    output_value(out, key, NULL, seen ? json_integer_create(seen)
                 : json_null_create(), NULL);
}

static const char *
describe_switch(const struct sndb_bridge_status *bridge)
{
    return (!bridge ? "-"
            : status_rows_is_silent(bridge->seen) ? "unknown"
            : bridge->connected ? "connected" : "away");
}

static void
print_node(const struct session *session, const char *name,
           struct output *out)
{
    const struct sndb_node_status *agent
        = status_rows_node(session_idl(session), name);
    const struct sndb_bridge_status *bridge
        = status_rows_bridge(session_idl(session), name);
    struct tally containers = count_containers(session, name);
    struct tally peers = count_peers(session, name);

    output_record(out);
    output_string(out, "name", "node", name);
    output_generation(out, "agent_generation", "agent",
                      agent ? &agent->generation : NULL,
                      agent ? agent->seen : 0);
    output_seen(out, "agent_seen", agent ? agent->seen : 0);
    output_generation(out, "controller_generation", "controller",
                      bridge ? &bridge->generation : NULL,
                      bridge ? bridge->seen : 0);
    output_seen(out, "controller_seen", bridge ? bridge->seen : 0);
    output_value(out, "connected", "switch",
                 json_boolean_create(bridge && bridge->connected),
                 xstrdup(describe_switch(bridge)));
    output_integer(out, "n_flows", "flows", bridge ? bridge->n_flows : 0);
    output_tally(out, "containers", "containers", &containers);
    output_tally(out, "peers", "peers", &peers);
}

/* For people, a big mesh still fits a screen: nodes that are fine are left
 * out first. */
static void
print_nodes(const struct command_context *ctx, const struct session *session,
            const struct problems *problems, struct output *out)
{
    const struct shash *all = &session_model(session)->nodes;
    const struct shash_node **nodes = shash_sort(all);
    bool fits = ctx->json || shash_count(all) <= MAX_NODES_SHOWN;
    size_t n_shown = 0;

    output_begin(out, "nodes", OUTPUT_TABLE, NULL);
    for (size_t i = 0; i < shash_count(all); i++) {
        if (fits || (n_shown < MAX_NODES_SHOWN
                     && problems_has_node(problems, nodes[i]->name))) {
            print_node(session, nodes[i]->name, out);
            n_shown++;
        }
    }
    if (n_shown < shash_count(all)) {
        output_note(out, "%"PRIuSIZE" nodes are not shown; `socknet nodes` "
                    "lists all of them.", shash_count(all) - n_shown);
    }
    free(nodes);
}

/* What the host does while there is no database to ask. */
static void
print_local_daemon(struct output *out, const char *name,
                   enum local_daemon_state state, const char *text)
{
    char *database, *generation;

    database = local_daemon_value(text, "central database");
    generation = local_daemon_value(text, "generation");
    if (!generation) {
        generation = local_daemon_value(text, "  generation");
    }
    output_record(out);
    output_string(out, "daemon", "daemon", name);
    output_boolean(out, "answers", NULL, state == LOCAL_DAEMON_ANSWERS);
    output_string(out, "database", "central database",
                  database ? database
                  : state == LOCAL_DAEMON_ABSENT ? "(it does not run here)"
                  : "(it does not answer)");
    output_string(out, "generation", "generation", generation);
    free(generation);
    free(database);
}

static int
print_without_database(const struct command_context *ctx)
{
    static const char *const names[] = {
        "socknet-agent", "socknet-controller",
    };
    enum local_daemon_state states[ARRAY_SIZE(names)];
    char *texts[ARRAY_SIZE(names)];
    bool any = false;

    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        states[i] = local_daemon_ask(names[i], "status", &texts[i]);
        any |= states[i] != LOCAL_DAEMON_ABSENT;
    }
    if (any) {
        struct output *out = output_create(ctx->json, "status");

        output_begin(out, "local", OUTPUT_TABLE,
                     "This host goes on without it:");
        for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
            print_local_daemon(out, names[i], states[i], texts[i]);
        }
        output_finish(out);
    }
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        free(texts[i]);
    }
    return EXIT_ERROR;
}

/* Relayed pairs work; that they do not directly is worth a line. */
static void
print_pairs(const struct session *session, struct output *out)
{
    struct json *json = json_object_create();
    struct ds names = DS_EMPTY_INITIALIZER;
    size_t n, n_relayed = 0, n_none = 0;
    struct pair *pairs = pairs_find(session, NULL, &n);

    for (size_t i = 0; i < n; i++) {
        const char *path = pair_path(&pairs[i]);

        n_none += !strcmp(path, "none");
        if (strstr(path, "relay") && ++n_relayed <= MAX_PAIRS_SHOWN) {
            ds_put_format(&names, "%s%s-%s", names.length ? ", " : "",
                          pairs[i].a, pairs[i].b);
        }
    }
    if (n_relayed) {
        output_note(out, "%"PRIuSIZE" of %"PRIuSIZE" pairs of nodes are "
                    "relayed: %s%s; `socknet peers` says why.", n_relayed, n,
                    ds_cstr(&names), n_relayed > MAX_PAIRS_SHOWN ? ", ..."
                    : "");
    }
    json_object_put(json, "all", json_integer_create(n));
    json_object_put(json, "relayed", json_integer_create(n_relayed));
    json_object_put(json, "none", json_integer_create(n_none));
    output_attach(out, "pairs", json);
    ds_destroy(&names);
    free(pairs);
}

/* The server that this host's programs talk to may be unwell although it
 * answers. */
static void
find_in_database(const struct command_context *ctx,
                 struct problems *problems)
{
    struct db_health health;

    if (!strncmp(ctx->db, "unix:", 5) && !strchr(ctx->db, ',')) {
        free(db_health_read(ctx->db, &health));
        if (health.problem) {
            problems_add_database(problems, health.problem);
        }
        db_health_destroy(&health);
    }
}

int
cmd_status(struct command_context *ctx, int argc, char *argv[])
{
    static const struct option options[] = {
        { "check", no_argument, NULL, 'c' },
        { NULL, 0, NULL, 0 },
    };
    bool check = false;

    for (int c; (c = command_getopt(argc, argv, options)) != -1; ) {
        if (c == '?') {
            return EXIT_ERROR;
        }
        check = true;
    }
    if (argc > optind) {
        return command_misused("status", "unexpected \"%s\"", argv[optind]);
    }

    struct session *session = session_open(ctx);
    if (!session) {
        return print_without_database(ctx);
    }

    struct output *out = output_create(ctx->json, "status");
    struct problems problems;

    problems_find(session, NULL, &problems);
    find_in_database(ctx, &problems);
    print_mesh(session, out);
    print_pending(session, out);
    print_nodes(ctx, session, &problems, out);
    print_pairs(session, out);
    problems_output(&problems, out);
    session_output_emptiness(session, out);
    output_finish(out);

    int status = check && problems.n ? EXIT_ERROR : EXIT_OK;
    problems_destroy(&problems);
    session_close(session);
    return status;
}
