#include <config.h>

#include "cli/problems.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include "cli/output.h"
#include "cli/session.h"
#include "cli/status-rows.h"
#include "openvswitch/compiler.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/json.h"
#include "openvswitch/shash.h"
#include "ovsdb-sync/socknet-idl.h"
#include "state/model.h"
#include "svec.h"
#include "timeval.h"
#include "util.h"

/* Names of nodes that have the same problem, for people. */
enum { MAX_NODES_SHOWN = 4 };

static void OVS_PRINTF_FORMAT(4, 5)
problems_add(struct problems *problems, const char *node, const char *remedy,
             const char *format, ...)
{
    va_list args;

    if (problems->n >= problems->allocated) {
        problems->items = x2nrealloc(problems->items, &problems->allocated,
                                     sizeof *problems->items);
    }
    va_start(args, format);
    problems->items[problems->n++] = (struct problem) {
        .node = xstrdup(node),
        .text = xvasprintf(format, args),
        .remedy = nullable_xstrdup(remedy),
    };
    va_end(args);
}

/* A daemon that was seen at 'seen' and not since. */
static void
add_silent(struct problems *problems, const char *node, const char *daemon,
           int64_t seen)
{
    char *remedy = xasprintf("is socknet-%s running on that host, and can it "
                             "reach the database?", daemon);

    if (seen) {
        problems_add(problems, node, remedy,
                     "the %s was last heard of %"PRId64" s ago", daemon,
                     (int64_t) time_wall() - seen);
    } else {
        problems_add(problems, node, remedy,
                     "the %s has not been heard of since the database "
                     "started", daemon);
    }
    free(remedy);
}

static void
find_in_agent(const struct session *session, const char *node,
              struct problems *problems)
{
    const struct sndb_node_status *row
        = status_rows_node(session_idl(session), node);
    int64_t generation = session_generation(session);

    if (!row) {
        problems_add(problems, node, "start socknet-agent on that host",
                     "no agent has reported");
        return;
    }
    if (status_rows_is_silent(row->seen)) {
        add_silent(problems, node, "agent", row->seen);
    } else if (row->generation < generation) {
        problems_add(problems, node,
                     "is socknet-agent running on that host?  Its log says "
                     "more",
                     "the agent has not yet enforced generation %"PRId64
                     " (it is at %"PRId64")", generation, row->generation);
    }
    for (size_t i = 0; i < row->n_problems; i++) {
        problems_add(problems, node, NULL, "agent: %s", row->problems[i]);
    }
}

static void
find_in_controller(const struct session *session, const char *node,
                   struct problems *problems)
{
    const struct sndb_bridge_status *row
        = status_rows_bridge(session_idl(session), node);
    int64_t generation = session_generation(session);

    if (!row) {
        problems_add(problems, node, "start socknet-controller on that host",
                     "no controller has reported");
        return;
    }
    if (status_rows_is_silent(row->seen)) {
        add_silent(problems, node, "controller", row->seen);
    } else if (!row->connected) {
        problems_add(problems, node, "is ovs-vswitchd running there, and has "
                     "it the bridge?  (ovs-vsctl show)",
                     "the controller does not reach bridge %s", row->bridge);
    } else if (row->generation < generation) {
        problems_add(problems, node,
                     "is socknet-controller running on that host?  Its log "
                     "says more",
                     "the switch has not yet confirmed generation %"PRId64
                     " (it is at %"PRId64")", generation, row->generation);
    }
    for (size_t i = 0; i < row->n_problems; i++) {
        problems_add(problems, node, NULL, "controller: %s",
                     row->problems[i]);
    }
}

static void
find_in_exits(const struct session *session, const char *node,
              struct problems *problems)
{
    const struct shash_node **nodes
        = shash_sort(&session_model(session)->exits);
    size_t n = shash_count(&session_model(session)->exits);

    for (size_t i = 0; i < n; i++) {
        const struct model_exit *exit = nodes[i]->data;
        if (!exit->enabled
            || !model_exit_is_used(session_model(session), exit, node)) {
            continue;
        }

        const struct sndb_exit_status *row
            = status_rows_exit(session_idl(session), node, exit);
        if (row && strcmp(row->state, "up")) {
            problems_add(problems, node, "containers without another have no "
                         "internet now: wg show on that host",
                         "exit %s is %s%s%s", row->name, row->state,
                         row->reason ? ": " : "",
                         row->reason ? row->reason : "");
        }
    }
    free(nodes);
}

static void
find_in_containers(const struct session *session, const char *node,
                   struct problems *problems)
{
    const struct shash_node **nodes
        = shash_sort(&session_model(session)->containers);
    size_t n = shash_count(&session_model(session)->containers);

    for (size_t i = 0; i < n; i++) {
        const struct model_container *container = nodes[i]->data;
        if (strcmp(container->node, node)) {
            continue;
        }

        const struct sndb_port_status *row
            = session_port_status(session, container->node,
                                      container->veth);
        if (row && !strcmp(row->state, "quarantine")) {
            problems_add(problems, node,
                         "its packets are dropped until the state file and "
                         "the host agree",
                         "container %s is in quarantine: %s", container->name,
                         row->reason ? row->reason : "no reason given");
        }
    }
    free(nodes);
}

/* Silence of a peer is no problem as long as nothing is sent to it. */
static void
find_in_peers(const struct session *session, const char *node,
              struct problems *problems)
{
    const struct sndb_peer_status *row;

    SNDB_PEER_STATUS_FOR_EACH (row, session_idl(session)) {
        if (strcmp(row->node, node)) {
            continue;
        } else if (row->path && !strcmp(row->path, "none") && row->reason
                   && strncmp(row->reason, "trying", 6)) {
            problems_add(problems, node, "socknet peers says how the others "
                         "are connected", "no path to %s: %s", row->peer,
                         row->reason);
        } else if (!row->latest_handshake && row->tx_bytes > 0) {
            problems_add(problems, node,
                         "does its endpoint's UDP port get through the "
                         "firewalls?",
                         "peer %s (%s) has never answered", row->peer,
                         row->endpoint ? row->endpoint : "endpoint unknown");
        }
    }
}

static void
add_stray(struct problems *problems, const char *node, const char *daemon)
{
    problems_add(problems, node, "its --node must be a node of the state "
                 "(default: that host's name)",
                 "a %s calls itself so, but the state has no such node",
                 daemon);
}

/* Daemons whose --node, or host's name, is not in the state. */
static void
find_strays(const struct session *session, struct problems *problems)
{
    const struct model *model = session_model(session);
    const struct sndb_bridge_status *bridge;
    const struct sndb_node_status *agent;

    SNDB_NODE_STATUS_FOR_EACH (agent, session_idl(session)) {
        if (!model_get_node(model, agent->node)
            && !status_rows_is_silent(agent->seen)) {
            add_stray(problems, agent->node, "agent");
        }
    }
    SNDB_BRIDGE_STATUS_FOR_EACH (bridge, session_idl(session)) {
        if (!model_get_node(model, bridge->node)
            && !status_rows_is_silent(bridge->seen)) {
            add_stray(problems, bridge->node, "controller");
        }
    }
}

/* Of what it says of itself nothing counts. */
static void
add_revoked(struct problems *problems, const char *node)
{
    char *remedy = xasprintf("`socknet node restore %s` lets it come back",
                             node);

    problems_add(problems, node, remedy,
                 "the node is revoked: the others refuse it");
    free(remedy);
}

void
problems_find(const struct session *session, const char *node,
              struct problems *problems)
{
    const struct shash *all = &session_model(session)->nodes;
    const struct shash_node **nodes = shash_sort(all);

    *problems = (struct problems) { .n = 0 };
    for (size_t i = 0; i < shash_count(all); i++) {
        const char *name = nodes[i]->name;
        const struct model_node *mn = nodes[i]->data;

        if (node && strcmp(node, name)) {
            continue;
        } else if (mn->revoked) {
            add_revoked(problems, name);
        } else {
            find_in_agent(session, name, problems);
            find_in_controller(session, name, problems);
            find_in_exits(session, name, problems);
            find_in_containers(session, name, problems);
            find_in_peers(session, name, problems);
        }
    }
    free(nodes);
    if (!node && !shash_is_empty(all)) {
        find_strays(session, problems);
    }
}

void
problems_add_database(struct problems *problems, const char *text)
{
    problems_add(problems, "database", "`socknet db status` tells more",
                 "%s", text);
}

void
problems_destroy(struct problems *problems)
{
    for (size_t i = 0; i < problems->n; i++) {
        free(problems->items[i].node);
        free(problems->items[i].text);
        free(problems->items[i].remedy);
    }
    free(problems->items);
}

bool
problems_has_node(const struct problems *problems, const char *node)
{
    for (size_t i = 0; i < problems->n; i++) {
        if (!strcmp(problems->items[i].node, node)) {
            return true;
        }
    }
    return false;
}

/* "a, b, c and 97 more: TEXT", with what to do below it. */
static char *
describe_group(const struct problem *p, const struct svec *nodes)
{
    struct ds s = DS_EMPTY_INITIALIZER;
    size_t n = nodes->n <= MAX_NODES_SHOWN + 1 ? nodes->n : MAX_NODES_SHOWN;

    for (size_t i = 0; i < n; i++) {
        ds_put_format(&s, "%s%s", i ? ", " : "", nodes->names[i]);
    }
    if (n < nodes->n) {
        ds_put_format(&s, " and %"PRIuSIZE" more", nodes->n - n);
    }
    ds_put_format(&s, ": %s", p->text);
    if (p->remedy) {
        ds_put_format(&s, "\n    %s", p->remedy);
    }
    return ds_steal_cstr(&s);
}

/* The nodes of each problem, by its text. */
static void
group_by_text(const struct problems *problems, struct shash *groups)
{
    shash_init(groups);
    for (size_t i = 0; i < problems->n; i++) {
        const struct problem *p = &problems->items[i];
        struct svec *nodes = shash_find_data(groups, p->text);

        if (!nodes) {
            nodes = xmalloc(sizeof *nodes);
            svec_init(nodes);
            shash_add(groups, p->text, nodes);
        }
        svec_add(nodes, p->node);
    }
}

void
problems_output(const struct problems *problems, struct output *out)
{
    struct shash_node *node;
    struct shash groups;

    group_by_text(problems, &groups);
    output_begin(out, "problems", OUTPUT_LINES, NULL);
    if (problems->n) {
        output_note(out, "\nProblems");
    }
    for (size_t i = 0; i < problems->n; i++) {
        const struct problem *p = &problems->items[i];
        const struct svec *nodes = shash_find_data(&groups, p->text);
        bool first = !strcmp(nodes->names[0], p->node);

        output_record(out);
        output_value(out, "text", first ? "" : NULL,
                     json_string_create(p->text), describe_group(p, nodes));
        output_string(out, "node", NULL, p->node);
        output_string(out, "remedy", NULL, p->remedy);
    }
    SHASH_FOR_EACH (node, &groups) {
        svec_destroy(node->data);
    }
    shash_destroy_free_data(&groups);
}
