#include <config.h>

#include "ovsdb-sync/status-sync.h"

#include "openvswitch/dynamic-string.h"
#include "openvswitch/shash.h"
#include "ovsdb-idl.h"
#include "ovsdb-sync/socknet-idl.h"
#include "packets.h"
#include "sset.h"
#include "timeval.h"
#include "util.h"

#define COUNTERS_INTERVAL_MS 60000

/* Who was not seen for STATUS_SEEN_S is not running.  Several writes fit in,
 * so that one that is lost or late raises no alarm. */
#define SEEN_INTERVAL_S (STATUS_SEEN_S / 3)

/* Tracked, so that the order in which modules register a column that both want
 * does not matter; written only when the value is another one. */
static void
add_columns(struct ovsdb_idl *idl, const struct ovsdb_idl_column columns[],
            size_t n)
{
    for (size_t i = 0; i < n; i++) {
        ovsdb_idl_track_add_column(idl, &columns[i]);
        ovsdb_idl_set_write_changed_only(idl, &columns[i], true);
    }
}

void
status_sync_add_bridge_columns(struct ovsdb_idl *idl)
{
    add_columns(idl, sndb_bridge_status_columns,
                SNDB_BRIDGE_STATUS_N_COLUMNS);
    ovsdb_idl_omit_alert(idl, &sndb_bridge_status_col_seen);
}

void
status_sync_add_columns(struct ovsdb_idl *idl)
{
    status_sync_add_bridge_columns(idl);
    add_columns(idl, sndb_node_status_columns, SNDB_NODE_STATUS_N_COLUMNS);
    add_columns(idl, sndb_port_status_columns, SNDB_PORT_STATUS_N_COLUMNS);
    add_columns(idl, sndb_exit_status_columns, SNDB_EXIT_STATUS_N_COLUMNS);
    add_columns(idl, sndb_peer_status_columns, SNDB_PEER_STATUS_N_COLUMNS);
    add_columns(idl, sndb_relay_status_columns,
                SNDB_RELAY_STATUS_N_COLUMNS);
    add_columns(idl, sndb_service_status_columns,
                SNDB_SERVICE_STATUS_N_COLUMNS);
    add_columns(idl, sndb_client_status_columns,
                SNDB_CLIENT_STATUS_N_COLUMNS);
    add_columns(idl, sndb_found_container_columns,
                SNDB_FOUND_CONTAINER_N_COLUMNS);
    /* Everyone's counters go on all the time: nobody wakes up for them. */
    ovsdb_idl_omit_alert(idl, &sndb_peer_status_col_rx_bytes);
    ovsdb_idl_omit_alert(idl, &sndb_peer_status_col_tx_bytes);
    ovsdb_idl_omit_alert(idl, &sndb_client_status_col_rx_bytes);
    ovsdb_idl_omit_alert(idl, &sndb_client_status_col_tx_bytes);
    ovsdb_idl_omit_alert(idl, &sndb_node_status_col_seen);
    ovsdb_idl_omit_alert(idl, &sndb_service_status_col_connections);
}

void
status_sync_limit(struct ovsdb_idl *idl, const struct sset *nodes)
{
    struct ovsdb_idl_condition client = OVSDB_IDL_CONDITION_INIT(&client);
    struct ovsdb_idl_condition port = OVSDB_IDL_CONDITION_INIT(&port);
    struct ovsdb_idl_condition exit = OVSDB_IDL_CONDITION_INIT(&exit);
    struct ovsdb_idl_condition bridge = OVSDB_IDL_CONDITION_INIT(&bridge);
    const char *node;

    SSET_FOR_EACH (node, nodes) {
        sndb_client_status_add_clause_node(&client, OVSDB_F_EQ, node);
        sndb_port_status_add_clause_node(&port, OVSDB_F_EQ, node);
        sndb_exit_status_add_clause_node(&exit, OVSDB_F_EQ, node);
        sndb_bridge_status_add_clause_node(&bridge, OVSDB_F_EQ, node);
    }
    sndb_client_status_set_condition(idl, &client);
    sndb_port_status_set_condition(idl, &port);
    sndb_exit_status_set_condition(idl, &exit);
    sndb_bridge_status_set_condition(idl, &bridge);
    ovsdb_idl_condition_destroy(&client);
    ovsdb_idl_condition_destroy(&port);
    ovsdb_idl_condition_destroy(&exit);
    ovsdb_idl_condition_destroy(&bridge);
}

static const char *
null_if_empty(const char *s)
{
    return s && s[0] ? s : NULL;
}

static size_t
strings_array(const struct sset *strings, const char ***ret_array)
{
    *ret_array = strings ? sset_array(strings) : NULL;
    return strings ? sset_count(strings) : 0;
}

/* A value that the schema would refuse must not spoil the transaction that
 * carries the rest. */
static int64_t
count(int64_t value)
{
    return MAX(value, 0);
}

/* The time for "seen": 'was', unless that is too old or in the future. */
static int64_t
seen_now(int64_t was)
{
    int64_t now = time_wall();

    return was > now || now - was >= SEEN_INTERVAL_S ? now : was;
}

void
status_sync_bridge(struct ovsdb_idl_txn *txn, const struct status_bridge *st)
{
    struct ovsdb_idl *idl = ovsdb_idl_txn_get_idl(txn);
    const struct sndb_bridge_status *row = NULL;

    SNDB_BRIDGE_STATUS_FOR_EACH (row, idl) {
        if (!strcmp(row->node, st->node) && !strcmp(row->bridge, st->bridge)) {
            break;
        }
    }
    if (!row) {
        row = sndb_bridge_status_insert(txn);
        sndb_bridge_status_set_node(row, st->node);
        sndb_bridge_status_set_bridge(row, st->bridge);
    }
    sndb_bridge_status_set_connected(row, st->connected);
    sndb_bridge_status_set_generation(row, count(st->generation));
    sndb_bridge_status_set_n_flows(row, count(st->n_flows));
    sndb_bridge_status_set_n_repairs(row, count(st->n_repairs));
    sndb_bridge_status_set_seen(row, seen_now(row->seen));

    const char **problems;
    size_t n = strings_array(st->problems, &problems);
    sndb_bridge_status_set_problems(row, problems, n);
    free(problems);
}

void
status_sync_node(struct ovsdb_idl_txn *txn, const struct status_node *st)
{
    struct ovsdb_idl *idl = ovsdb_idl_txn_get_idl(txn);
    const struct sndb_node_status *row = NULL;
    int64_t listen_port = st->listen_port;

    SNDB_NODE_STATUS_FOR_EACH (row, idl) {
        if (!strcmp(row->node, st->node)) {
            break;
        }
    }
    if (!row) {
        row = sndb_node_status_insert(txn);
        sndb_node_status_set_node(row, st->node);
    }
    sndb_node_status_set_public_key(row, null_if_empty(st->public_key));
    sndb_node_status_set_next_public_key(row,
                                         null_if_empty(st->next_public_key));
    sndb_node_status_set_vpn_public_key(row,
                                        null_if_empty(st->vpn_public_key));
    sndb_node_status_set_key_epoch(row, count(st->key_epoch));
    sndb_node_status_set_listen_port(row, &listen_port, listen_port > 0);
    sndb_node_status_set_generation(row, count(st->generation));
    sndb_node_status_set_seen(row, seen_now(row->seen));
    sndb_node_status_set_datapath(row, null_if_empty(st->datapath));
    sndb_node_status_set_wireguard(row, null_if_empty(st->wireguard));

    const char **strings;
    size_t n = strings_array(st->addresses, &strings);
    sndb_node_status_set_addresses(row, strings, n);
    free(strings);
    n = strings_array(st->unreachable, &strings);
    sndb_node_status_set_unreachable(row, strings, n);
    free(strings);
    n = strings_array(st->problems, &strings);
    sndb_node_status_set_problems(row, strings, n);
    free(strings);
}

static void
write_port(const struct sndb_port_status *row, const struct status_port *st)
{
    int64_t ofport = st->ofport;
    char mac[ETH_ADDR_STRLEN + 1];

    snprintf(mac, sizeof mac, ETH_ADDR_FMT, ETH_ADDR_ARGS(st->mac));
    sndb_port_status_set_container(row, null_if_empty(st->container));
    sndb_port_status_set_ofport(row, &ofport, ofport >= 1 && ofport <= 65535);
    sndb_port_status_set_mac(row, eth_addr_is_zero(st->mac) ? NULL : mac);
    sndb_port_status_set_state(row, st->state);
    sndb_port_status_set_reason(row, null_if_empty(st->reason));
}

void
status_sync_ports(struct ovsdb_idl_txn *txn, const char *node,
                  const struct status_port *ports, size_t n)
{
    struct ovsdb_idl *idl = ovsdb_idl_txn_get_idl(txn);
    const struct sndb_port_status *row;
    struct shash rows = SHASH_INITIALIZER(&rows);
    struct shash_node *gone;

    SNDB_PORT_STATUS_FOR_EACH (row, idl) {
        if (!strcmp(row->node, node)) {
            shash_add(&rows, row->name, row);
        }
    }
    for (size_t i = 0; i < n; i++) {
        row = shash_find_and_delete(&rows, ports[i].name);
        if (!row) {
            row = sndb_port_status_insert(txn);
            sndb_port_status_set_node(row, node);
            sndb_port_status_set_name(row, ports[i].name);
        }
        write_port(row, &ports[i]);
    }
    SHASH_FOR_EACH (gone, &rows) {
        sndb_port_status_delete(gone->data);
    }
    shash_destroy(&rows);
}

static bool
peer_is_news(const struct sndb_peer_status *row, const struct status_peer *st)
{
    return row->latest_handshake != count(st->latest_handshake)
           || !nullable_string_is_equal(row->next_public_key,
                                        st->next_public_key)
           || !nullable_string_is_equal(row->preshared_key,
                                        st->preshared_key)
           || !nullable_string_is_equal(row->next_preshared_key,
                                        st->next_preshared_key)
           || !nullable_string_is_equal(row->preshared_key_taken,
                                        st->preshared_key_taken)
           || !nullable_string_is_equal(row->endpoint,
                                        null_if_empty(st->endpoint))
           || !nullable_string_is_equal(row->path, null_if_empty(st->path))
           || !nullable_string_is_equal(row->relay, null_if_empty(st->relay))
           || !nullable_string_is_equal(row->reason,
                                        null_if_empty(st->reason));
}

static void
write_peer(const struct sndb_peer_status *row, const struct status_peer *st)
{
    sndb_peer_status_set_endpoint(row, null_if_empty(st->endpoint));
    sndb_peer_status_set_next_public_key(row, st->next_public_key);
    sndb_peer_status_set_preshared_key(row, st->preshared_key);
    sndb_peer_status_set_next_preshared_key(row, st->next_preshared_key);
    sndb_peer_status_set_preshared_key_taken(row, st->preshared_key_taken);
    sndb_peer_status_set_path(row, null_if_empty(st->path));
    sndb_peer_status_set_relay(row, null_if_empty(st->relay));
    sndb_peer_status_set_reason(row, null_if_empty(st->reason));
    sndb_peer_status_set_latest_handshake(row, count(st->latest_handshake));
    sndb_peer_status_set_rx_bytes(row, count(st->rx_bytes));
    sndb_peer_status_set_tx_bytes(row, count(st->tx_bytes));
}

void
status_sync_peers(struct ovsdb_idl_txn *txn, const char *node,
                  const struct status_peer *peers, size_t n,
                  long long int *next_counters_ms)
{
    struct ovsdb_idl *idl = ovsdb_idl_txn_get_idl(txn);
    bool counters = time_msec() >= *next_counters_ms;
    const struct sndb_peer_status *row;
    struct shash rows = SHASH_INITIALIZER(&rows);
    struct shash_node *gone;

    SNDB_PEER_STATUS_FOR_EACH (row, idl) {
        if (!strcmp(row->node, node)) {
            shash_add(&rows, row->peer, row);
        }
    }
    for (size_t i = 0; i < n; i++) {
        bool new = false;

        row = shash_find_and_delete(&rows, peers[i].peer);
        if (!row) {
            row = sndb_peer_status_insert(txn);
            sndb_peer_status_set_node(row, node);
            sndb_peer_status_set_peer(row, peers[i].peer);
            new = true;
        }
        if (new || counters || peer_is_news(row, &peers[i])) {
            write_peer(row, &peers[i]);
        }
    }
    SHASH_FOR_EACH (gone, &rows) {
        sndb_peer_status_delete(gone->data);
    }
    shash_destroy(&rows);
    if (counters) {
        *next_counters_ms = time_msec() + COUNTERS_INTERVAL_MS;
    }
}

static void
write_client(const struct sndb_client_status *row,
             const struct status_client *st, bool counters)
{
    sndb_client_status_set_state(row, st->state);
    sndb_client_status_set_endpoint(row, null_if_empty(st->endpoint));
    sndb_client_status_set_latest_handshake(row,
                                            count(st->latest_handshake));
    if (counters) {
        sndb_client_status_set_rx_bytes(row, count(st->rx_bytes));
        sndb_client_status_set_tx_bytes(row, count(st->tx_bytes));
    }
}

void
status_sync_clients(struct ovsdb_idl_txn *txn, const char *node,
                    const struct status_client *clients, size_t n,
                    long long int *next_counters_ms)
{
    struct ovsdb_idl *idl = ovsdb_idl_txn_get_idl(txn);
    bool counters = time_msec() >= *next_counters_ms;
    const struct sndb_client_status *row;
    struct shash rows = SHASH_INITIALIZER(&rows);
    struct shash_node *gone;

    SNDB_CLIENT_STATUS_FOR_EACH (row, idl) {
        if (!strcmp(row->node, node)) {
            shash_add(&rows, row->client, row);
        }
    }
    for (size_t i = 0; i < n; i++) {
        row = shash_find_and_delete(&rows, clients[i].client);
        if (!row) {
            row = sndb_client_status_insert(txn);
            sndb_client_status_set_node(row, node);
            sndb_client_status_set_client(row, clients[i].client);
        }
        write_client(row, &clients[i], counters);
    }
    SHASH_FOR_EACH (gone, &rows) {
        sndb_client_status_delete(gone->data);
    }
    shash_destroy(&rows);
    if (counters) {
        *next_counters_ms = time_msec() + COUNTERS_INTERVAL_MS;
    }
}

void
status_sync_exits(struct ovsdb_idl_txn *txn, const char *node,
                  const struct status_exit *exits, size_t n)
{
    struct ovsdb_idl *idl = ovsdb_idl_txn_get_idl(txn);
    const struct sndb_exit_status *row;
    struct shash rows = SHASH_INITIALIZER(&rows);
    struct shash_node *gone;

    SNDB_EXIT_STATUS_FOR_EACH (row, idl) {
        if (!strcmp(row->node, node)) {
            shash_add(&rows, row->name, row);
        }
    }
    for (size_t i = 0; i < n; i++) {
        row = shash_find_and_delete(&rows, exits[i].name);
        if (!row) {
            row = sndb_exit_status_insert(txn);
            sndb_exit_status_set_node(row, node);
            sndb_exit_status_set_name(row, exits[i].name);
        }
        sndb_exit_status_set_port(row, null_if_empty(exits[i].port));
        sndb_exit_status_set_state(row, exits[i].state);
        sndb_exit_status_set_reason(row, null_if_empty(exits[i].reason));
        int64_t since = exits[i].since;
        sndb_exit_status_set_since(row, &since, since > 0);
    }
    SHASH_FOR_EACH (gone, &rows) {
        sndb_exit_status_delete(gone->data);
    }
    shash_destroy(&rows);
}

static void
write_relay(const struct sndb_relay_status *row,
            const struct status_relay *st)
{
    int64_t port = st->port;

    sndb_relay_status_set_port(row, &port, port > 0);
    sndb_relay_status_set_heard_a(row, null_if_empty(st->heard_a));
    sndb_relay_status_set_heard_b(row, null_if_empty(st->heard_b));
    sndb_relay_status_set_reason(row, null_if_empty(st->reason));
}

void
status_sync_relays(struct ovsdb_idl_txn *txn, const char *node,
                   const struct status_relay *relays, size_t n)
{
    struct ovsdb_idl *idl = ovsdb_idl_txn_get_idl(txn);
    const struct sndb_relay_status *row;
    struct shash rows = SHASH_INITIALIZER(&rows);
    struct shash_node *gone;

    SNDB_RELAY_STATUS_FOR_EACH (row, idl) {
        if (!strcmp(row->node, node)) {
            shash_add_nocopy(&rows, xasprintf("%s %s", row->a, row->b), row);
        }
    }
    for (size_t i = 0; i < n; i++) {
        char *key = xasprintf("%s %s", relays[i].a, relays[i].b);

        row = shash_find_and_delete(&rows, key);
        free(key);
        if (!row) {
            row = sndb_relay_status_insert(txn);
            sndb_relay_status_set_node(row, node);
            sndb_relay_status_set_a(row, relays[i].a);
            sndb_relay_status_set_b(row, relays[i].b);
        }
        write_relay(row, &relays[i]);
    }
    SHASH_FOR_EACH (gone, &rows) {
        sndb_relay_status_delete(gone->data);
    }
    shash_destroy(&rows);
}
