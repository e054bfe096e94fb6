#include <config.h>

#include <getopt.h>
#include <inttypes.h>
#include <string.h>
#include "cli/command.h"
#include "cli/output.h"
#include "cli/problems.h"
#include "cli/session.h"
#include "cli/status-rows.h"
#include "openvswitch/json.h"
#include "openvswitch/shash.h"
#include "ovsdb-sync/socknet-idl.h"
#include "state/model.h"
#include "util.h"

static void
output_subnets(struct output *out, const struct model_node *node)
{
    struct sset subnets = SSET_INITIALIZER(&subnets);

    for (size_t i = 0; i < node->n_subnets; i++) {
        sset_add_and_free(&subnets, sn_prefix_to_string(&node->subnets[i]));
    }
    output_strings(out, "subnets", "subnets", &subnets);
    sset_destroy(&subnets);
}

static const char *
node_key_state(const struct model_node *node,
               const struct sndb_node_status *agent)
{
    return (node->revoked ? "revoked"
            : !agent || !agent->public_key ? NULL
            : agent->key_epoch < node->key_epoch ? "rotating" : "in use");
}

static void
print_node(const struct session *session, const struct model_node *node,
           struct output *out)
{
    const struct sndb_node_status *agent
        = status_rows_node(session_idl(session), node->name);
    const struct sndb_bridge_status *bridge
        = status_rows_bridge(session_idl(session), node->name);
    char *address = node->address.plen
                    ? sn_prefix_addr_to_string(&node->address) : NULL;

    output_record(out);
    output_string(out, "name", "node", node->name);
    output_value(out, "endpoint", "endpoint",
                 node->endpoint ? json_string_create(node->endpoint)
                 : json_null_create(),
                 xstrdup(node->endpoint ? node->endpoint : "(behind NAT)"));
    output_string(out, "address", "address", address);
    output_subnets(out, node);
    output_integer(out, "agent_generation", NULL,
                   agent ? agent->generation : 0);
    output_integer(out, "controller_generation", NULL,
                   bridge ? bridge->generation : 0);
    output_boolean(out, "connected", NULL, bridge && bridge->connected);
    output_string(out, "datapath", "datapath",
                  agent ? agent->datapath : NULL);
    output_string(out, "wireguard", "wireguard",
                  agent ? agent->wireguard : NULL);
    output_string(out, "key_state", "key", node_key_state(node, agent));
    output_string(out, "public_key", NULL, agent ? agent->public_key : NULL);
    output_integer(out, "n_flows", "flows", bridge ? bridge->n_flows : 0);
    output_integer(out, "n_repairs", "repairs",
                   bridge ? bridge->n_repairs : 0);
    free(address);
}

static void
print_nodes(const struct session *session, const char *only,
            struct output *out)
{
    const struct shash *all = &session_model(session)->nodes;
    const struct shash_node **nodes = shash_sort(all);

    output_begin(out, "nodes", OUTPUT_TABLE, NULL);
    for (size_t i = 0; i < shash_count(all); i++) {
        if (!only || !strcmp(only, nodes[i]->name)) {
            print_node(session, nodes[i]->data, out);
        }
    }
    free(nodes);
}

static void
print_peers(const struct session *session, const char *only,
            struct output *out)
{
    const struct shash *all = &session_model(session)->nodes;
    const struct shash_node **nodes = shash_sort(all);
    const struct sndb_peer_status *row;

    output_begin(out, "peers", OUTPUT_TABLE, NULL);
    for (size_t i = 0; i < shash_count(all); i++) {
        if (only && strcmp(only, nodes[i]->name)) {
            continue;
        }
        SNDB_PEER_STATUS_FOR_EACH (row, session_idl(session)) {
            if (strcmp(row->node, nodes[i]->name)) {
                continue;
            }
            output_record(out);
            output_string(out, "node", "node", row->node);
            output_string(out, "peer", "peer", row->peer);
            output_string(out, "endpoint", "endpoint", row->endpoint);
            output_time(out, "latest_handshake", "handshake",
                        row->latest_handshake);
            output_integer(out, "rx_bytes", "received", row->rx_bytes);
            output_integer(out, "tx_bytes", "sent", row->tx_bytes);
        }
    }
    free(nodes);
}

static void
print_exit(const struct session *session, const char *node,
           const struct model_exit *exit, struct output *out)
{
    const struct sndb_exit_status *row
        = status_rows_exit(session_idl(session), node, exit);
    char *device = model_exit_device(exit, node);
    char *name = (strcmp(exit->node, node)
                  ? xasprintf("%s/%s", exit->node, exit->name)
                  : xstrdup(exit->name));

    output_record(out);
    output_string(out, "node", "node", node);
    output_string(out, "name", "exit", name);
    output_string(out, "interface", "interface", device);
    output_string(out, "port", "port", row ? row->port : NULL);
    output_string(out, "state", "state", !exit->enabled ? "disabled"
                  : row ? row->state : NULL);
    output_time(out, "since", "since",
                row && row->n_since ? row->since[0] : 0);
    output_string(out, "reason", "reason", row ? row->reason : NULL);
    free(device);
    free(name);
}

/* Those of each node and those of others that its containers use. */
static void
print_exits(const struct session *session, const char *only,
            struct output *out)
{
    const struct model *model = session_model(session);
    const struct shash_node **nodes = shash_sort(&model->nodes);
    const struct shash_node **exits = shash_sort(&model->exits);

    output_begin(out, "exits", OUTPUT_TABLE, NULL);
    for (size_t i = 0; i < shash_count(&model->nodes); i++) {
        const char *node = nodes[i]->name;

        for (size_t j = 0; j < shash_count(&model->exits); j++) {
            const struct model_exit *exit = exits[j]->data;

            if ((!only || !strcmp(only, node))
                && model_exit_is_used(model, exit, node)) {
                print_exit(session, node, exit, out);
            }
        }
    }
    free(nodes);
    free(exits);
}

int
cmd_nodes(struct command_context *ctx, int argc, char *argv[])
{
    static const struct option options[] = { { NULL, 0, NULL, 0 } };

    if (command_getopt(argc, argv, options) != -1) {
        return EXIT_ERROR;
    }
    if (argc - optind > 1) {
        return command_misused("nodes", "nodes takes one NAME");
    }

    const char *only = argv[optind];
    struct session *session = session_open_at(ctx, only);
    if (!session) {
        return EXIT_ERROR;
    }

    struct output *out = output_create(ctx->json, "nodes");
    struct problems problems;

    print_nodes(session, only, out);
    print_peers(session, only, out);
    print_exits(session, only, out);
    problems_find(session, only, &problems);
    problems_output(&problems, out);
    session_output_emptiness(session, out);
    output_finish(out);
    problems_destroy(&problems);
    session_close(session);
    return EXIT_OK;
}
