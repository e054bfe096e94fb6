#ifndef SN_MODEL_H
#define SN_MODEL_H 1

/* The model: what the operator asked for, checked and with names resolved.
 *
 * It is built from a state file (state/load.h) or from the central database
 * (ovsdb-sync/model-sync.h) and is the input of the flow compiler.  Objects
 * are found by key; an object never points at another, it names it, so that
 * one can be replaced without touching the rest. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "lib/diag.h"
#include "lib/prefix.h"
#include "lib/rate.h"
#include "openvswitch/shash.h"
#include "openvswitch/types.h"
#include "simap.h"
#include "sset.h"
#include "svec.h"

enum model_policy { MODEL_DENY, MODEL_ALLOW };

enum model_kind {
    MODEL_MESH,                 /* Key "". */
    MODEL_NODE,                 /* Key: name. */
    MODEL_EXIT,                 /* Key: "NODE/NAME". */
    MODEL_CONTAINER,            /* Key: name. */
    MODEL_SEGMENT,              /* Key: name. */
    MODEL_ACL,                  /* Key: name. */
    MODEL_RAW_FLOW,             /* Key: "NODE/HASH". */
    MODEL_SERVICE,              /* Key: name. */
    MODEL_CLIENT,               /* Key: name. */
    MODEL_N_KINDS
};

struct model_adopt {            /* Tags of containers that nobody declared. */
    char *match;                /* Glob over their names and numbers. */
    struct sset tags;
};

struct model_mesh {
    struct sn_loc loc;
    char *name;
    struct sn_prefix prefix;    /* Tunnel addresses of the nodes. */
    char *interface;            /* "nm-privacy". */
    uint16_t listen_port;
    char *domain;
    bool names;                 /* Agents serve DNS (default true). */
    struct svec resolvers;      /* Addresses, in order; none: the host's. */
    struct sn_prefix service4, service6; /* Where virtual addresses are. */
    enum model_policy default_policy;
    bool adopt;                 /* Containers that nobody declared. */
    struct model_adopt *adopts; /* In the order of the file. */
    size_t n_adopts;
    bool preshared_keys;        /* WireGuard's, for each pair of nodes. */
    uint32_t new_connections;   /* Per second and container; 0: any. */
    char *other;                /* JSON object: sections kept verbatim. */
};

struct model_route {
    struct sn_loc loc;
    struct sn_prefix dst;
    char *via;                  /* Interface name. */
    uint32_t metric;
};

/* Where a node lets guests in: phones and laptops with WireGuard. */
struct model_vpn {
    char *interface;
    uint16_t listen_port;
    struct sn_prefix *pools;    /* At most one per family; of each, the first
                                 * address is the node's. */
    size_t n_pools;
    bool auto_provision;        /* `socknet client add` may add to it. */
    char *endpoint;             /* HOST or HOST:PORT, or NULL: the node's. */
    char *exit;                 /* "NODE/NAME": how guests get to the
                                 * internet, or NULL. */
    struct svec dns;            /* Addresses for their profiles. */
};

/* A SOCKS5 proxy on a node, whose connections leave by an exit. */
struct model_socks {
    bool enabled;               /* False: there is none. */
    struct sn_prefix listen;    /* plen 0: the node's tunnel address. */
    uint16_t port;
    struct svec exits;          /* "NODE/NAME" in order of preference. */
    struct svec allow;          /* Selectors: who may connect. */
};

struct model_node {
    struct sn_loc loc;
    char *name;
    char *endpoint;             /* HOST or HOST:PORT; NULL: behind NAT. */
    uint16_t listen_port;       /* 0: the mesh's. */
    struct sn_prefix address;   /* Tunnel address, host; plen 0: unassigned. */
    struct sn_prefix *subnets;  /* Networks, at most one per family today. */
    size_t n_subnets;
    struct sn_prefix *gateways; /* One per subnet, same order. */
    struct model_route *routes;
    size_t n_routes;
    struct sset uplinks;        /* Physical ports of vmbr0. */
    struct model_vpn *vpn;      /* NULL: no guests. */
    uint32_t mesh_kbps;         /* At most into the mesh; 0: no queues. */
    bool ip_forward;            /* Agent sets forwarding (default true). */

    /* What `socknet node` asks for. */
    uint32_t key_epoch;         /* Rotations of its key. */
    bool revoked;               /* The other nodes know it no more. */
    bool says_revoked;          /* The file does; not compared. */
    struct sset refused_keys;   /* Public keys that nobody takes again. */
    bool relay;                 /* For others (default: has an endpoint). */
    struct model_socks socks;
    char *other;                /* JSON object: kept verbatim. */

    /* Status, from its agent: ports of virtual machines that no name tells
     * from a container's. */
    struct sset machines;
};

/* How an exit's health is found out: 0, NULL and none stand for the agent's
 * defaults. */
struct model_probe {
    bool disabled;
    struct svec targets;        /* "ADDRESS:PORT" of TCP; one is enough. */
    uint32_t interval_s;
    uint32_t down_after, up_after;      /* Probes in a row. */
    char *seen_by;              /* URL that answers with one's address. */
};

struct model_exit {
    struct sn_loc loc;
    char *node;
    char *name;                 /* "warp". */
    char *interface;            /* "warp0": a WireGuard device of the host. */
    char *profile;              /* wg-quick's file that makes it, or NULL. */
    bool enabled;
    struct model_probe probe;
    char *other;

    /* Status: the nodes whose agents say that they cannot leave by it. */
    struct sset down_at;
};

struct model_port {             /* A service that a container declares. */
    char *name;
    uint8_t ip_proto;           /* IPPROTO_TCP, … */
    uint16_t port;
};

/* What goes before what where packets queue; see DSCPs in model.c. */
enum model_class {
    CLASS_NONE,                 /* As the container marks its packets. */
    CLASS_REALTIME,
    CLASS_INTERACTIVE,
    CLASS_NORMAL,
    CLASS_BULK,
    N_CLASSES
};
const char *model_class_to_string(enum model_class);    /* "bulk" */
enum model_class model_class_from_string(const char *); /* Or CLASS_NONE. */
uint8_t model_class_dscp(enum model_class);

/* Of a container; 0: no limit, or for the burst a fifth of the rate. */
struct model_limits {
    uint32_t egress_kbps;       /* Sent. */
    uint32_t ingress_kbps;      /* Received. */
    uint32_t egress_pps;
    uint32_t burst_kbit;        /* Of either direction. */
};

struct model_container {
    struct sn_loc loc;
    char *name;                 /* Unique over the mesh. */
    char *id;                   /* VMID or LXC name. */
    char *node;
    char *bridge;               /* "vmbr0". */
    char *veth;                 /* Host side interface. */
    bool any_veth;              /* LXC gives it any name: port-name.h, until
                                 * the agent says which. */
    bool adopted;               /* Nobody declared it. */
    bool has_hwaddr;
    struct eth_addr hwaddr;     /* Declared. */
    struct sn_prefix *addresses; /* With the subnet's prefix length. */
    size_t n_addresses;
    char *gateway;              /* As written, or NULL. */
    struct sset tags;
    struct svec exits;          /* "NODE/NAME" in order of preference. */
    char *exits_from;           /* The segment that gave them, or NULL. */
    bool no_exit;               /* "exit: none": not from a segment either. */
    struct model_port *services;
    size_t n_services;
    struct model_limits limits;
    enum model_class class;     /* Of what it sends. */
    char *other;

    /* Status, from the node's agent (zero when compiled offline). */
    struct eth_addr seen_hwaddr; /* All zero: not seen. */
    bool quarantined;
};

enum selector_kind {
    SEL_ANY,                    /* "*" */
    SEL_CONTAINER,              /* container's name */
    SEL_TAG,                    /* tag:x */
    SEL_SEGMENT,                /* segment's name */
    SEL_SERVICE,                /* service's name: its backends (with a port
                                 * of its own: those at that port) */
    SEL_NODE,                   /* node:NAME */
    SEL_INTERNET,               /* internet */
    SEL_CLIENT,                 /* client:NAME */
    SEL_CIDR,
    SEL_GLOB,                   /* glob over container names */
};

struct model_port_range { uint16_t first, last; };

struct model_selector {
    struct sn_loc loc;
    enum selector_kind kind;
    char *text;                 /* Canonical, without ports: "tag:web". */
    struct sn_prefix prefix;    /* SEL_CIDR. */
    struct model_port_range *ports; /* dst only; none: every port. */
    size_t n_ports;
};

enum model_internet { INTERNET_UNSET, INTERNET_EXIT, INTERNET_DENY };

struct model_segment {
    struct sn_loc loc;
    char *name;
    struct model_selector *members;
    size_t n_members;
    struct svec isolated_from;  /* Segment names. */
    enum model_internet internet;
    struct svec exits;          /* Of members without one: as written. */
    char *other;
};

enum model_tier { TIER_EMERGENCY, TIER_SEGMENTS, TIER_ACLS, TIER_DEFAULT };
enum model_action { ACTION_ACCEPT, ACTION_DENY };

struct model_acl {
    struct sn_loc loc;
    char *name;
    enum model_tier tier;       /* TIER_EMERGENCY or TIER_ACLS. */
    enum model_action action;
    struct model_selector *src;
    size_t n_src;
    struct model_selector *dst;
    size_t n_dst;
    uint8_t ip_proto;           /* 0: any; IPPROTO_ICMP stands for both. */
    struct sn_rate rate;        /* Of all its connections on one host. */
    enum model_class class;     /* Of the same, before the container's. */
    char *other;
};

struct model_raw_flow {
    struct sn_loc loc;          /* Of the text within the YAML scalar. */
    char *node;
    char *bridge;
    int position;               /* Order in the file. */
    char *text;                 /* As written. */
};

enum model_health_type { HEALTH_NONE, HEALTH_TCP, HEALTH_HTTP };

struct model_health {           /* How agents probe a backend. */
    enum model_health_type type;
    uint16_t port;              /* 0: that of the backend. */
    char *path;                 /* HEALTH_HTTP; or NULL. */
    unsigned int interval, timeout;     /* In seconds. */
    unsigned int rise, fall;    /* So many in a row make it up or down. */
};

struct model_service {          /* See state/service.h. */
    struct sn_loc loc;
    char *name;
    struct sn_prefix *vips;     /* Hosts, one per family; none: only names. */
    size_t n_vips;
    uint8_t ip_proto;
    uint16_t port;
    struct model_selector *backends;    /* At most one port each. */
    size_t n_backends;
    struct simap weights;       /* Selector or container -> 0 (drains)... */
    struct model_health health;
    bool affinity;              /* A client keeps its backend. */
    bool prefer_local;          /* Backends of the client's own node. */
    bool discovered;            /* Follows from what containers declare. */
    char *other;

    /* Status, from the backends' agents. */
    struct sset down;           /* Containers that do not answer. */
    struct sset silent;         /* Those of nodes whose agent is silent. */
    struct sset unheard;        /* "NODE CONTAINER": where that is silent. */
};

struct model_client {           /* A guest. */
    struct sn_loc loc;          /* No file: by `socknet client`. */
    char *name;
    char *node;                 /* Whose vpn_server. */
    char *public_key;           /* Base64. */
    struct sn_prefix *addresses; /* Hosts, at most one per family. */
    size_t n_addresses;
    struct sset tags;
    int64_t expires;            /* Unix seconds; 0: never. */
    bool revoked;
    bool says_revoked;          /* The file does; not compared. */
    char *other;
};

enum model_expect { EXPECT_ACCEPT, EXPECT_DENY, EXPECT_EXIT };

/* What must hold.  Only of a state that was read from files. */
struct model_test {
    struct sn_loc loc;
    struct model_selector src;
    struct model_selector dst;
    uint8_t ip_proto;           /* 0: any; IPPROTO_ICMP stands for both. */
    enum model_expect expect;
    char *exit;                 /* EXPECT_EXIT: NAME or NODE/NAME. */
};

struct model {
    struct model_mesh mesh;
    struct shash nodes;         /* struct model_node. */
    struct shash exits;         /* struct model_exit. */
    struct shash containers;    /* struct model_container. */
    struct shash segments;      /* struct model_segment. */
    struct shash acls;          /* struct model_acl. */
    struct shash raw_flows;     /* struct model_raw_flow. */
    struct shash services;      /* struct model_service. */
    struct shash clients;       /* struct model_client. */
    struct model_test *tests;
    size_t n_tests;
};

/* Objects of the model that were added, replaced or removed: a set of keys per
 * kind.  'all' stands for everything (first run). */
struct model_changes {
    bool all;
    struct sset keys[MODEL_N_KINDS];
};

struct model *model_create(void);   /* The mesh has its defaults. */
void model_destroy(struct model *);
struct shash *model_table(struct model *, enum model_kind); /* Not MESH. */

/* Takes ownership of 'object' (a struct of the kind) under 'key', replacing
 * and freeing what was there. */
void model_put(struct model *, enum model_kind, const char *key, void *object);
void model_remove(struct model *, enum model_kind, const char *key);
/* Which port a container has to which LXC gives any; NULL: not known.  Returns
 * true if that changes it. */
bool model_container_set_port(struct model_container *, const char *name);
/* An object with every member initialised and empty (a mesh: its defaults). */
void *model_object_create(enum model_kind);
void model_object_free(enum model_kind, void *object);
/* Content equality, the object's file:line:column and status included.  The
 * order of addresses, ports, selectors and the like does not count, nor do the
 * places of selectors and routes within their object. */
bool model_object_equals(enum model_kind, const void *, const void *);
/* The key of a raw flow: "NODE/HASH"; caller frees. */
char *model_raw_flow_key(const char *node, const char *text);

const struct model_node *model_get_node(const struct model *, const char *);
const struct model_exit *model_get_exit(const struct model *,
                                        const char *node_slash_name);
/* The device by which 'node' reaches the internet by an exit: its own device,
 * or a tunnel to the node that has it.  Caller frees. */
char *model_exit_device(const struct model_exit *, const char *node);
/* The port of 'node's bridge that leads there.  Caller frees. */
char *model_exit_port(const struct model_exit *, const char *node);
/* Whether it is an exit of 'node', or a container or the proxy there names
 * it. */
bool model_exit_is_used(const struct model *, const struct model_exit *,
                        const char *node);
void model_socks_init(struct model_socks *);
void model_socks_destroy(struct model_socks *);
bool model_socks_equals(const struct model_socks *,
                        const struct model_socks *);
/* Parses "ADDRESS:PORT", "[ADDRESS]:PORT".  NULL or an error to free. */
char *model_probe_target_parse(const char *, struct sn_prefix *ret_address,
                               uint16_t *ret_port);
const struct model_container *model_get_container(const struct model *,
                                                  const char *);
/* That has an address (a host), by a search among all. */
const struct model_container *model_find_container(const struct model *,
                                                   const struct sn_prefix *);
/* Whether a container would ask for the address itself, and not its gateway
 * for the way. */
bool model_container_is_on_link(const struct model_container *,
                                const struct sn_prefix *address);
/* A container as seen from node 'from': containers of another node that was
 * revoked are not there. */
const struct model_container *model_get_trusted(const struct model *,
                                                const char *name,
                                                const char *from);
const struct model_segment *model_get_segment(const struct model *,
                                              const char *);
const struct model_client *model_get_client(const struct model *,
                                            const char *);
const struct model_acl *model_get_acl(const struct model *, const char *);
const struct model_service *model_get_service(const struct model *,
                                              const char *);

void model_changes_init(struct model_changes *);
void model_changes_destroy(struct model_changes *);
void model_changes_clear(struct model_changes *);
void model_changes_add(struct model_changes *, enum model_kind,
                       const char *key);
bool model_changes_is_empty(const struct model_changes *);
/* The objects in which 'a' and 'b' differ (adds to 'changes'). */
void model_diff(const struct model *a, const struct model *b,
                struct model_changes *changes);

const char *model_kind_to_string(enum model_kind);  /* "container", … */

/* Gives every node without a tunnel address one: that of the same node in
 * 'previous' (may be NULL), else the next free one of the mesh's prefix in
 * order of 'loc'. */
void model_assign_addresses(struct model *, const struct model *previous,
                            struct diags *);

/* What `socknet node` and `socknet client` wrote lasts until the file speaks
 * of it: take it over from 'previous'.  That a node is revoked meanwhile is no
 * fault of the file: its tests are to be run before it is. */
void model_inherit_clients(struct model *, const struct model *previous,
                           struct diags *);
void model_inherit_nodes(struct model *, const struct model *previous);
/* Gives every client without an address the next free ones of its node's
 * pools; those of the same client in 'previous' (may be NULL), if it has.  The
 * first is for one client that is to be put into the model. */
void model_assign_client_address(const struct model *,
                                 struct model_client *, struct diags *);
void model_assign_client_addresses(struct model *,
                                   const struct model *previous,
                                   struct diags *);

/* Text to selector and back; ports only when 'with_ports'.  Returns NULL or an
 * error to free.  Which of the plain names is a container, a segment or a
 * service is resolved against the model. */
char *model_selector_parse(const struct model *, const char *text,
                           bool with_ports, struct model_selector *ret_sel);
char *model_selector_to_string(const struct model_selector *);
void model_selector_destroy(struct model_selector *);
bool model_selector_has_port(const struct model_selector *, uint16_t port);
/* Whether a container satisfies a selector (not SEL_INTERNET). */
bool model_selector_matches(const struct model *,
                            const struct model_selector *,
                            const struct model_container *);
/* Whether a client does. */
bool model_selector_matches_client(const struct model *,
                                   const struct model_selector *,
                                   const struct model_client *);

#endif /* state/model.h */
