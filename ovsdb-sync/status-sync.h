#ifndef SN_STATUS_SYNC_H
#define SN_STATUS_SYNC_H 1

/* Status rows: what agents and controllers report.  Each function brings the
 * row(s) of one node to the values given inside the open transaction 'txn'
 * (as ovsdb_idl_loop_run() returns it), writing only columns that differ, so
 * that a call with nothing new sends nothing, except, three times in
 * STATUS_SEEN_S, that the daemon lives.  Rows of the node that are not among
 * those given are deleted. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "openvswitch/types.h"

struct ovsdb_idl;
struct ovsdb_idl_txn;
struct sset;

/* Registers all status tables, with change tracking: agents and commands. */
void status_sync_add_columns(struct ovsdb_idl *);
/* Registers only what status_sync_bridge() writes: controllers. */
void status_sync_add_bridge_columns(struct ovsdb_idl *);
/* From now on, receive only the Port_Status, Exit_Status and Bridge_Status
 * rows of 'nodes': a host's own programs need no others. */
void status_sync_limit(struct ovsdb_idl *, const struct sset *nodes);

/* Seconds after which a daemon that was not seen is taken to be down.  Its
 * loop has to come by status_sync_node() or status_sync_bridge() in time. */
#define STATUS_SEEN_S 90

struct status_bridge {          /* Written by the controller. */
    const char *node, *bridge;
    bool connected;
    int64_t generation;         /* Enforced. */
    int64_t n_flows;
    int64_t n_repairs;
    const struct sset *problems;
};
void status_sync_bridge(struct ovsdb_idl_txn *,
                        const struct status_bridge *);

struct status_node {            /* Written by the agent. */
    const char *node;
    const char *public_key;     /* Base64. */
    const char *next_public_key; /* That it is about to take, or NULL. */
    int64_t key_epoch;          /* Rotation that 'public_key' came from. */
    const char *vpn_public_key; /* Of its vpn_server, or NULL. */
    uint16_t listen_port;
    int64_t generation;
    const char *datapath;       /* "system" or "netdev". */
    const char *wireguard;      /* "kernel" or "wireguard-go". */
    const struct sset *addresses;   /* Of its interfaces. */
    const struct sset *unreachable; /* Nodes that do not answer it. */
    const struct sset *problems;
};
void status_sync_node(struct ovsdb_idl_txn *, const struct status_node *);

struct status_port {
    const char *name;           /* Interface name. */
    const char *container;      /* "" when nobody declared it. */
    int64_t ofport;             /* 0: none. */
    struct eth_addr mac;        /* Of the container's side; zero: unknown. */
    const char *state;          /* up, down, missing, quarantine */
    const char *reason;         /* "" or why. */
};
void status_sync_ports(struct ovsdb_idl_txn *, const char *node,
                       const struct status_port *, size_t n);

struct status_peer {
    const char *peer;           /* Node name. */
    const char *endpoint;       /* As seen; "" unknown. */
    const char *next_public_key; /* Its next key, if it is configured. */
    /* Encrypted for it, or NULL: what it is offered, and for the next key of
     * either; the digest of what it offered and is in use. */
    const char *preshared_key, *next_preshared_key, *preshared_key_taken;
    const char *path;           /* path_kind_to_string(). */
    const char *relay;          /* Hub in use or asked for; "" none. */
    const char *reason;         /* Why the path is not a better one; "". */
    int64_t latest_handshake;   /* Unix seconds; 0: never. */
    int64_t rx_bytes, tx_bytes;
};
/* Counters alone are a reason to write only once a minute; a changed endpoint
 * or handshake at once.  '*next_counters_ms' remembers when: the caller keeps
 * it, from 0. */
void status_sync_peers(struct ovsdb_idl_txn *, const char *node,
                       const struct status_peer *, size_t n,
                       long long int *next_counters_ms);

struct status_relay {           /* Of a hub. */
    const char *a, *b;
    uint16_t port;              /* 0: not open. */
    const char *heard_a, *heard_b;      /* "udp", "tcp" or "". */
    const char *reason;
};
void status_sync_relays(struct ovsdb_idl_txn *, const char *node,
                        const struct status_relay *, size_t n);
struct status_client {
    const char *client;
    const char *state;          /* admitted, expired, revoked */
    const char *endpoint;       /* As for a peer, as the rest. */
    int64_t latest_handshake;
    int64_t rx_bytes, tx_bytes;
};
void status_sync_clients(struct ovsdb_idl_txn *, const char *node,
                         const struct status_client *, size_t n,
                         long long int *next_counters_ms);

struct status_exit {
    const char *name;           /* "warp"; of another node: "NODE/warp". */
    const char *port;           /* "x-warp0". */
    const char *state;          /* up, down */
    const char *reason;
    int64_t since;              /* Unix seconds. */
};
void status_sync_exits(struct ovsdb_idl_txn *, const char *node,
                       const struct status_exit *, size_t n);

#endif /* ovsdb-sync/status-sync.h */
