#ifndef SN_PLAN_H
#define SN_PLAN_H 1

/* What one node's kernel should hold, computed from the model.
 *
 * plan_create() is pure: no system call, no clock.  The other modules compare
 * the plan with what they find. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "agent/exit-health.h"
#include "agent/plan-services.h"
#include "agent/wg.h"
#include "lib/host-bridge.h"
#include "lib/prefix.h"
#include "openvswitch/shash.h"
#include "openvswitch/types.h"
#include "sset.h"
#include "state/model.h"
#include "svec.h"

struct plan;
struct smap;

/* Each exit has a routing table of its own: this, plus a number below 250 that
 * follows from the interface's name.  The exit port's address is
 * 169.254.83.<that number + 1>. */
#define PLAN_EXIT_TABLE_BASE 53000
#define PLAN_EXIT_TABLES 250
/* The same for the answers to other nodes. */
#define PLAN_RETURN_TABLE_BASE 53300

struct plan_prefixes {
    struct sn_prefix *prefixes;
    size_t n, allocated;
};

/* Unless it is there already. */
void plan_prefixes_add(struct plan_prefixes *, const struct sn_prefix *);
void plan_sources_destroy(struct shash *);
const struct plan_sources *plan_get_sources(const struct plan *,
                                            const char *tunnel);
/* 0.0.0.0/0 or ::/0. */
struct sn_prefix plan_default_prefix(bool is_v4);

struct plan_peer {
    char *node;
    bool has_key;               /* False: its agent has not reported yet. */
    struct wg_key key;
    bool has_next_key;          /* It is about to take another key. */
    struct wg_key next_key;
    bool has_former;            /* It had this one: see agent/handover.h. */
    struct wg_key former_key;
    /* By psks_run().  Known but zero: none. */
    bool psk_known, next_psk_known;
    struct wg_key psk, next_psk;
    char *endpoint;             /* HOST:PORT; NULL: behind NAT. */
    bool relay;                 /* It relays for others. */
    struct plan_prefixes allowed;
};

struct plan_route {
    struct sn_prefix dst;
    char *device;               /* "": there is no way. */
    uint32_t metric;
};

/* How an exit is probed, with the defaults filled in. */
struct plan_probe {
    bool enabled;
    struct svec targets;        /* "ADDRESS:PORT". */
    struct exit_health_config health;
    char *seen_by;              /* URL. */
};

void plan_probe_clone(struct plan_probe *, const struct plan_probe *);
bool plan_probe_equals(const struct plan_probe *, const struct plan_probe *);
void plan_probe_destroy(struct plan_probe *);

/* The addresses of another node that may leave by an exit of this one. */
struct plan_grant {
    char *node;
    struct plan_prefixes sources;
};

struct plan_exit {
    char *key;                  /* "oo1424oo/warp". */
    char *name;                 /* "warp"; of another node: as 'key'. */
    char *tunnel;               /* "warp0". */
    char *port;                 /* "x-warp0". */
    bool enabled;
    uint32_t table;
    struct sn_prefix address;   /* Of the port, in the host. */
    struct eth_addr mac;        /* Of the port. */
    struct plan_probe probe;
    char *profile;              /* File that makes 'tunnel', or NULL. */

    /* Of another node. */
    char *remote;               /* That node, or NULL. */
    struct sn_prefix remote_address;    /* In the mesh; plen 0: none. */
    uint16_t remote_port, local_port;   /* UDP. */

    /* Of this node, if others may use it. */
    char *inlet;                /* "xr-...", where they come in, or NULL. */
    uint16_t inlet_port;        /* UDP. */
    uint32_t return_table;      /* Routes of the answers to them. */
    struct plan_grant *grants;
    size_t n_grants;
};

/* Addresses that a tunnel has, or had lately. */
struct plan_sources {
    struct plan_prefixes all;
    struct plan_prefixes own;   /* No other kind of interface has them. */
};

/* Who may reach this host by the mesh: see plan-host.h. */
struct plan_host_rule {
    bool accept;
    bool any_src, any_dst;
    struct plan_prefixes src;   /* Hosts and networks, sorted. */
    struct plan_prefixes dst;   /* Of this host's own addresses. */
    uint8_t ip_proto;           /* 0: any; IPPROTO_ICMP stands for both. */
    struct model_port_range *ports;     /* None: all. */
    size_t n_ports;
};

struct plan_client {
    char *name;
    bool has_key;
    struct wg_key key;
    struct plan_prefixes allowed;
    int64_t expires;            /* Unix seconds; 0: never. */
    bool revoked;
};

/* What a guest may do with the internet: the flows do not see that.  Tried in
 * order. */
struct plan_guest_rule {
    bool any_src, any_dst;
    struct sn_prefix src, dst;
    uint8_t ip_proto;           /* 0: any. */
    struct model_port_range ports; /* 0-0: any. */
    bool accept;
};

struct plan_guest_rules {
    struct plan_guest_rule *rules;
    size_t n, allocated;
};

/* Guests of this node. */
struct plan_guests {
    char *interface;            /* NULL: this node lets nobody in. */
    uint16_t listen_port;
    const struct plan_exit *exit; /* To the internet, or NULL. */
    bool names;                 /* They may ask the gateways. */
    struct plan_prefixes addresses; /* Of the interface. */
    struct plan_prefixes pools;
    struct plan_client *clients; /* In order of names. */
    size_t n_clients;
    struct plan_guest_rules internet; /* What none matches is accepted. */
    struct plan_guest_rules between; /* What none matches is dropped. */
};

/* Guests' addresses, and the device to which alone packets to them go. */
struct plan_pool {
    char interface[16];
    struct sn_prefix prefix;
};

/* Their routing table: no exit has it. */
#define PLAN_GUEST_TABLE (PLAN_EXIT_TABLE_BASE + PLAN_EXIT_TABLES)
/* The SOCKS5 proxy of this host: see socks.h. */
struct plan_socks {
    struct sn_prefix listen;
    uint16_t port;
    struct svec exits;          /* Keys, in order of preference. */
    struct plan_prefixes allowed;
};

/* Where its connections come from, and where it asks for names: an address of
 * vmbr0 that nobody else uses. */
#define PLAN_SOCKS_ADDRESS "169.254.84.1"
#define PLAN_SOCKS_TABLE 53290

struct plan {
    char *node;
    char *mesh;                 /* Name of the mesh, and of the key file. */
    char *interface;            /* "nm-privacy". */
    uint16_t listen_port;
    bool behind_nat;
    bool revoked;               /* No peers: they refuse this node. */
    bool preshared_keys;
    uint32_t key_epoch;         /* Rotations of the key asked for. */
    struct sset refused_keys;   /* Of all nodes: not to be used. */
    bool relay;                 /* This node relays for others. */
    bool ip_forward;
    uint32_t mesh_kbps;         /* At most into the mesh; 0: no queues. */
    bool has_ipv6;              /* Some subnet of the mesh is IPv6. */
    struct plan_prefixes tunnel;    /* Addresses of the mesh interface. */
    struct plan_prefixes gateways;  /* Addresses of vmbr0. */
    struct plan_prefixes local;     /* Where this node's containers live. */
    struct plan_prefixes services;  /* Of virtual addresses, if any. */
    struct plan_vip *vips;
    size_t n_vips;
    struct plan_route *routes;
    size_t n_routes, allocated_routes;
    struct plan_peer *peers;
    size_t n_peers;
    struct sset veths;          /* Of this node's containers. */
    struct plan_prefixes hosts; /* Addresses of the other nodes, sorted. */
    struct plan_host_rule *host_rules;  /* The first that matches decides. */
    size_t n_host_rules, allocated_host_rules;
    struct plan_exit *exits;    /* Disabled ones as well. */
    size_t n_exits;
    /* struct plan_sources by the tunnel's name: by exit_sources_run(). */
    struct shash sources;
    struct plan_guests guests;
    struct plan_pool *pools;    /* By guest_pools_run(), sorted. */
    size_t n_pools;
    struct plan_socks *socks;   /* NULL: none. */
};

/* 'keys' has the public key (base64) of each node that told its own.  Adds to
 * 'problems' what cannot be carried out.  NULL if the model has no mesh or no
 * node 'node'. */
struct plan *plan_create(const struct model *, const char *node,
                         const struct smap *keys, struct sset *problems);
void plan_destroy(struct plan *);

/* The same for the key that a node is about to take. */
void plan_set_next_keys(struct plan *, const struct smap *next_keys);

/* Among the files of the plan. */
void plan_prefixes_add(struct plan_prefixes *, const struct sn_prefix *);
void plan_guests_init(struct plan *, const struct model *,
                      const struct model_node *self);
void plan_guests_destroy(struct plan_guests *);

#endif /* agent/plan.h */
