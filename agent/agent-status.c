#include <config.h>
#include "agent/agent.h"

#include <inttypes.h>
#include <stdlib.h>

#include "agent/agent-private.h"
#include "agent/bridge.h"
#include "agent/central.h"
#include "agent/discover.h"
#include "agent/exit-watch.h"
#include "agent/guests.h"
#include "agent/keys.h"
#include "agent/mesh.h"
#include "agent/names.h"
#include "agent/node-watch.h"
#include "agent/paths.h"
#include "agent/plan.h"
#include "agent/relay.h"
#include "agent/vswitch.h"
#include "openvswitch/dynamic-string.h"
#include "ovsdb-sync/found.h"
#include "ovsdb-sync/status-sync.h"
#include "packets.h"
#include "smap.h"
#include "state/model.h"
#include "timeval.h"
#include "util.h"

/* What the agent found, to the central database and to unixctl. */

static void
report_node(struct agent *a, struct ovsdb_idl_txn *txn)
{
    const struct keyring *ring = mesh_keyring(a->mesh);
    enum wg_backend backend = mesh_backend(a->mesh);
    char *key = rotation_public_key(&a->rotation, ring);
    char *next_key = rotation_next_key(&a->rotation, ring);
    struct status_node status = {
        .node = a->node,
        .listen_port = a->plan->listen_port,
        .next_public_key = next_key,
        .key_epoch = rotation_epoch(&a->rotation, a->plan),
        .generation = a->enforced,
        .datapath = bridge_datapath_type(a->sw),
        .wireguard = backend == WG_NONE ? NULL : wg_backend_name(backend),
        .addresses = &a->addresses,
        .unreachable = node_watch_get_unreachable(a->nodes),
        .problems = &a->problems,
    };

    /* One that cannot be read now: to withdraw it would end the tunnels that
     * work. */
    status.public_key = key ? key : smap_get(central_keys(a->central),
                                             a->node);
    const struct wg_key *vpn_key = a->plan->guests.interface
                                   ? guests_public_key(a->guests) : NULL;
    char vpn_text[WG_KEY_LEN_BASE64];
    if (vpn_key) {
        wg_key_to_base64(vpn_key, vpn_text);
        status.vpn_public_key = vpn_text;
    }
    status_sync_node(txn, &status);
    free(key);
    free(next_key);
}

static void
report_ports(struct agent *a, struct ovsdb_idl_txn *txn)
{
    size_t n;
    const struct port_report *ports = discover_get_ports(a->discover, &n);
    struct status_port *rows = xcalloc(n + 1, sizeof *rows);

    for (size_t i = 0; i < n; i++) {
        rows[i] = (struct status_port) {
            .name = ports[i].name,
            .container = ports[i].container,
            .ofport = ports[i].ofport,
            .mac = ports[i].mac,
            .state = port_state_to_string(ports[i].state),
            .reason = ports[i].reason,
        };
    }
    status_sync_ports(txn, a->node, rows, n);
    free(rows);
}

static void
report_found(struct agent *a, struct ovsdb_idl_txn *txn)
{
    size_t n, n_found = 0;
    const struct port_report *ports = discover_get_ports(a->discover, &n);
    const struct model_container **found = xcalloc(n + 1, sizeof *found);

    for (size_t i = 0; i < n; i++) {
        if (ports[i].found && ports[i].found->has_hwaddr) {
            found[n_found++] = ports[i].found;
        }
    }
    status_sync_found(txn, a->node, found, n_found);
    free(found);
}

static void
report_peers(struct agent *a, struct ovsdb_idl_txn *txn)
{
    const struct plan *plan = a->plan;
    struct status_peer *rows = xcalloc(plan->n_peers + 1, sizeof *rows);
    struct ds *endpoints = xcalloc(plan->n_peers + 1, sizeof *endpoints);
    char (*next_keys)[WG_KEY_LEN_BASE64]
        = xcalloc(plan->n_peers + 1, sizeof *next_keys);
    size_t n = 0;

    for (size_t i = 0; i < plan->n_peers; i++) {
        const struct plan_peer *pp = &plan->peers[i];
        const struct wg_peer *peer
            = pp->has_key ? wg_device_find_peer(mesh_device(a->mesh),
                                                &pp->key) : NULL;

        if (peer) {
            struct psk_report psk = psks_get_report(&a->psks, pp->node, peer);

            if (pp->has_next_key
                && (!plan->preshared_keys || pp->next_psk_known)) {
                wg_key_to_base64(&pp->next_key, next_keys[n]);
            }
            struct path_status path = paths_get_status(a->paths, pp->node);

            wg_endpoint_format(&peer->endpoint, &endpoints[n]);
            rows[n] = (struct status_peer) {
                .peer = pp->node,
                .endpoint = ds_cstr(&endpoints[n]),
                .next_public_key = next_keys[n][0] ? next_keys[n] : NULL,
                .preshared_key = psk.offer,
                .next_preshared_key = psk.next_offer,
                .preshared_key_taken = psk.taken,
                .path = path_kind_to_string(path.kind),
                .relay = path.relay,
                .reason = path.reason,
                .latest_handshake = peer->handshake,
                .rx_bytes = peer->rx_bytes,
                .tx_bytes = peer->tx_bytes,
            };
            n++;
        }
    }
    status_sync_peers(txn, a->node, rows, n, &a->next_counters_ms);
    for (size_t i = 0; i < n; i++) {
        ds_destroy(&endpoints[i]);
    }
    free(endpoints);
    free(next_keys);
    free(rows);
}

static void
report_exits(struct agent *a, struct ovsdb_idl_txn *txn)
{
    const struct plan *plan = a->plan;
    struct status_exit *rows = xcalloc(plan->n_exits + 1, sizeof *rows);
    size_t n = 0;

    for (size_t i = 0; i < plan->n_exits; i++) {
        const struct plan_exit *x = &plan->exits[i];
        struct exit_view view;

        if (exit_watch_get(a->exits, x->name, &view) && view.known) {
            rows[n++] = (struct status_exit) {
                .name = x->name,
                .port = x->port,
                .state = view.up ? "up" : "down",
                .reason = view.reason,
                .since = view.since,
            };
        }
    }
    status_sync_exits(txn, a->node, rows, n);
    free(rows);
}

static void
report_guests(struct agent *a, struct ovsdb_idl_txn *txn)
{
    const struct plan_guests *g = &a->plan->guests;
    struct status_client *rows = xcalloc(g->n_clients + 1, sizeof *rows);
    struct ds *endpoints = xcalloc(g->n_clients + 1, sizeof *endpoints);

    for (size_t i = 0; i < g->n_clients; i++) {
        const struct plan_client *c = &g->clients[i];
        const struct wg_peer *peer
            = c->has_key ? wg_device_find_peer(guests_device(a->guests),
                                               &c->key) : NULL;

        rows[i].client = c->name;
        rows[i].state = guests_client_state(c);
        if (peer) {
            wg_endpoint_format(&peer->endpoint, &endpoints[i]);
            rows[i].endpoint = ds_cstr(&endpoints[i]);
            rows[i].latest_handshake = peer->handshake;
            rows[i].rx_bytes = peer->rx_bytes;
            rows[i].tx_bytes = peer->tx_bytes;
        }
    }
    status_sync_clients(txn, a->node, rows, g->n_clients,
                        &a->next_guest_counters_ms);
    for (size_t i = 0; i < g->n_clients; i++) {
        ds_destroy(&endpoints[i]);
    }
    free(endpoints);
    free(rows);
}

void
agent_report(struct agent *a)
{
    struct ovsdb_idl_txn *txn = central_txn(a->central);

    if (a->plan) {
        report_node(a, txn);
        if (discover_is_ready(a->discover)) {
            report_ports(a, txn);
            report_found(a, txn);
        }
        report_peers(a, txn);
        relay_report(a->relay, txn, a->node);
        report_guests(a, txn);
        report_exits(a, txn);
        agent_report_services(a, txn);
    }
}

void
agent_format_status(const struct agent *a, struct ds *ds)
{
    const char *datapath = bridge_datapath_type(a->sw);
    const char *problem;

    ds_put_format(ds, "node: %s\n", a->node);
    central_format_status(a->central, ds);
    ds_put_format(ds, "switch database: %s\n",
                  vswitch_is_connected(a->sw) ? "connected" : "away");
    ds_put_format(ds, "generation: %"PRId64" of %"PRId64"\n", a->enforced,
                  central_generation(a->central));
    ds_put_format(ds, "datapath: %s\n", datapath ? datapath : "none");
    ds_put_format(ds, "wireguard: %s\n",
                  wg_backend_name(mesh_backend(a->mesh)));
    ds_put_format(ds, "problems: %"PRIuSIZE"\n", sset_count(&a->problems));
    SSET_FOR_EACH (problem, &a->problems) {
        ds_put_format(ds, "  %s\n", problem);
    }
}

bool
agent_summarize(const struct agent *a, struct ds *ds)
{
    bool enforcing = a->plan && a->enforced == central_generation(a->central);

    central_format_status(a->central, ds);
    ds_chomp(ds, '\n');
    if (!a->plan) {
        ds_put_format(ds, "; no state for node %s yet, nothing is touched",
                      a->node);
    } else {
        ds_put_format(ds, "; generation %"PRId64" of %"PRId64" in force",
                      a->enforced, central_generation(a->central));
    }
    if (!sset_is_empty(&a->problems)) {
        const char **sorted = sset_sort(&a->problems);

        ds_put_format(ds, "; %"PRIuSIZE" problems, among them: %s",
                      sset_count(&a->problems), sorted[0]);
        free(sorted);
    }
    return enforcing;
}

void
agent_format_peers(const struct agent *a, struct ds *ds)
{
    for (size_t i = 0; a->plan && i < a->plan->n_peers; i++) {
        const struct plan_peer *pp = &a->plan->peers[i];
        const struct wg_peer *peer
            = pp->has_key ? wg_device_find_peer(mesh_device(a->mesh),
                                                &pp->key) : NULL;

        ds_put_format(ds, "%s:", pp->node);
        if (!peer) {
            ds_put_format(ds, " %s\n", pp->has_key ? "not configured yet"
                          : "its agent has not reported a key");
            continue;
        }
        struct path_status path = paths_get_status(a->paths, pp->node);
        ds_put_format(ds, " %s,", path_kind_to_string(path.kind));
        if (!wg_key_is_zero(&peer->preshared_key)) {
            ds_put_cstr(ds, " pre-shared key,");
        }
        ds_put_cstr(ds, " endpoint ");
        if (peer->endpoint.ss_family) {
            wg_endpoint_format(&peer->endpoint, ds);
        } else {
            ds_put_cstr(ds, "unknown");
        }
        if (peer->handshake) {
            ds_put_format(ds, ", handshake %lld s ago",
                          (long long int) time_wall() - peer->handshake);
        } else {
            ds_put_cstr(ds, ", no handshake");
        }
        ds_put_format(ds, ", %"PRIu64" B received, %"PRIu64" B sent%s%s\n",
                      peer->rx_bytes, peer->tx_bytes,
                      path.reason[0] ? "; " : "", path.reason);
    }
}

void
agent_format_exits(const struct agent *a, struct ds *ds)
{
    for (size_t i = 0; a->plan && i < a->plan->n_exits; i++) {
        const struct plan_exit *x = &a->plan->exits[i];
        struct exit_view view;

        ds_put_format(ds, "%s: tunnel %s, port %s, table %"PRIu32, x->name,
                      x->tunnel, x->port, x->table);
        if (!x->enabled) {
            ds_put_cstr(ds, ", disabled\n");
        } else if (!exit_watch_get(a->exits, x->name, &view) || !view.known) {
            ds_put_cstr(ds, ", not probed yet\n");
        } else {
            ds_put_format(ds, ", %s%s%s\n", view.up ? "up" : "down",
                          view.reason[0] ? ": " : "", view.reason);
        }
    }
}

void
agent_format_ports(const struct agent *a, struct ds *ds)
{
    size_t n;
    const struct port_report *ports = discover_get_ports(a->discover, &n);

    for (size_t i = 0; i < n; i++) {
        const struct port_report *r = &ports[i];

        ds_put_format(ds, "%s: %s, ofport %"PRId64", mac "ETH_ADDR_FMT
                      ", %s%s%s\n", r->name,
                      r->container[0] ? r->container : "undeclared",
                      r->ofport, ETH_ADDR_ARGS(r->mac),
                      port_state_to_string(r->state),
                      r->reason[0] ? ": " : "", r->reason);
    }
}

void
agent_format_names(const struct agent *a, struct ds *ds)
{
    names_format(a->names, ds);
}
