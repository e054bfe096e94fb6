#ifndef SN_COMPILER_PRIVATE_H
#define SN_COMPILER_PRIVATE_H 1

/* What the stages and the compiler share.  A stage's function gives the flows
 * of one owner in that stage: it reads the model, the ports and the policy,
 * and writes with 'emit'. */

#include "flows/claims.h"
#include "flows/compiler.h"
#include "flows/cookie.h"
#include "flows/emit.h"
#include "flows/points.h"
#include "flows/policy.h"
#include "state/model.h"

struct compiler {
    char *node_name;
    char *local_name;           /* Of the bridge's own port, or NULL. */
    struct claims claims;
    struct policy policy;
    struct points points;
    struct idreg endpoints;     /* Containers of this node by name. */
    struct shash places;        /* Container's name -> struct place. */
    struct shash veths;         /* This node's: veth -> sset of containers. */
    struct sset uplinks;
    struct sset revoked;        /* Other nodes that nobody trusts. */
    struct sset raw_names;      /* Ports that raw flows name... */
    struct sset raw_targets;    /* ...and containers they deliver to. */
    struct shash pending;       /* Container's name -> reason. */
    bool has_meters;            /* Of the switch. */
    uint32_t new_connections;   /* Of the mesh, as containers have it. */
    bool has_vips[2];           /* Services with an address: IPv6, IPv4. */
    bool inited;

    /* Owners to recompute. */
    struct sset dirty_containers;
    struct sset dirty_exits;
    struct sset dirty_nodes;    /* Others' only. */
    struct sset dirty_services;
    bool dirty_all_containers;
    bool dirty_all_nodes;
    bool dirty_all_services;
    bool dirty_raw;             /* All raw flows: a few. */
    bool dirty_base;            /* Also this node's own addresses. */
    bool dirty_topology;        /* There may be other points. */
    struct hmapx dirty_points;  /* struct point. */
    struct hmapx moved;         /* Places that joined points. */

    /* Valid within compiler_run(). */
    const struct model *model;
    const struct flow_ports *ports;
    const struct model_node *node;      /* NULL: not in the model. */
    const struct flow_port *local;      /* NULL: no bridge. */
    struct emit emit;
};

/* What the longest match around an address says: see points.h. */
struct cover {
    struct point *point;        /* Not compared. */
    uint32_t flags;
    uint32_t ids[N_ROLES];
    bool is_host;
};

/* What the compiler remembers of a container, to know what a change undoes or
 * alters. */
struct place {
    const char *name;           /* The container's, as in compiler->places. */
    char *veth;
    bool local;
    struct cover *covers;       /* One per address, or NULL: not known. */
    size_t n_covers;
    const struct policy_ident *pooled;  /* In all pools of 'covers', ... */
    bool in_pools;              /* ...if it is. */
};

/* A container of this node that is plugged in and may send. */
struct endpoint {
    const struct model_container *container;
    const struct flow_port *port;
    struct eth_addr mac;
    uint32_t number;
};

/* All that is derived from the model, but not the claims. */
void compiler_init_state(struct compiler *);
void compiler_destroy_state(struct compiler *);
/* Take in changes, mark the owners that they touch. */
void compiler_take_changes(struct compiler *, const struct model_changes *,
                           const struct sset *changed_ports);
void compiler_take_all(struct compiler *);
/* Identities of containers were found: brings the pools up to date... */
void compiler_update_pools(struct compiler *);
/* ...and marks the points that say other things than they did, and the
 * containers around whose addresses they do. */
void compiler_check_points(struct compiler *);
void place_free(struct place *);

/* Fills in '*ret_ep' or returns why it cannot have flows (static text). */
const char *compiler_get_endpoint(const struct compiler *,
                                  const struct model_container *,
                                  struct endpoint *ret_ep);
/* The exit is enabled, has its port on this bridge, and this node's agent does
 * not say that it is down. */
bool compiler_exit_is_usable(const struct compiler *,
                             const struct model_exit *);
/* It has flows here: it is this node's, or another's with a port for it. */
bool compiler_exit_is_here(const struct compiler *,
                           const struct model_exit *);
/* The exit that a container uses now: the first of its list that is usable.
 * If none is, the first that is here, where its packets then end: with one
 * exit in the list, nothing but the exit's own flow depends on its being up.
 * NULL: none is here. */
const struct model_exit *compiler_get_exit(const struct compiler *,
                                           const struct model_container *);
/* Of this node's containers, the one that has 'veth', or NULL. */
const char *compiler_veth_owner(const struct compiler *, const char *veth);
uint32_t exit_number(const struct model_exit *);
/* This host's own addresses: of the mesh and gateways.  Stores a malloc'd
 * array and returns its length. */
size_t compiler_own_addresses(const struct compiler *,
                              struct sn_prefix **ret_addresses);

/* Declares a group or meter of the owner whose flows are being made, and
 * returns its number for them: see objects.h. */
uint32_t compiler_add_object(struct compiler *, enum sn_object_kind,
                             const char *name, uint64_t cookie,
                             const char *spec);

/* Stages.  The owner is the last argument, or the host itself. */
void stage_classify_base(struct compiler *);
void stage_classify_container(struct compiler *, const struct endpoint *);
void stage_classify_quarantine(struct compiler *,
                               const struct model_container *);
void stage_classify_exit(struct compiler *, const struct model_exit *);
void stage_guard_base(struct compiler *);
void stage_guard_node(struct compiler *, const struct model_node *);
void stage_guard_container(struct compiler *, const struct endpoint *);
void stage_guard_stray(struct compiler *, const struct model_container *,
                       const struct sn_prefix *);
void stage_arp_nd_base(struct compiler *);
void stage_arp_nd_container(struct compiler *, const struct endpoint *);
void stage_arp_nd_node(struct compiler *, const struct model_node *);
void stage_arp_nd_stray(struct compiler *, const struct model_container *,
                        const struct sn_prefix *);
void stage_conntrack_base(struct compiler *);
void stage_conntrack_node(struct compiler *, const struct model_node *);
void stage_conntrack_stray(struct compiler *, const struct model_container *,
                           const struct sn_prefix *);
void stage_service_base(struct compiler *);
void stage_service(struct compiler *, const struct model_service *);
void stage_user_base(struct compiler *);
void stage_user_raw(struct compiler *, const struct model_raw_flow *,
                    const char *key);
void stage_identity_base(struct compiler *);
void stage_identity_point(struct compiler *, const struct point *);
void stage_identity_container(struct compiler *,
                              const struct model_container *);
void stage_policy_base(struct compiler *);
void stage_policy_clause(struct compiler *, const struct policy_clause *);
void stage_policy_ident(struct compiler *, const struct policy_ident *);
void stage_route_base(struct compiler *);
void stage_route_node(struct compiler *, const struct model_node *);
void stage_route_revoked(struct compiler *, const struct model_node *);
void stage_route_container(struct compiler *, const struct endpoint *);
void stage_route_stray(struct compiler *, const struct model_container *,
                       const struct sn_prefix *);
void stage_commit_base(struct compiler *);
void stage_deliver_base(struct compiler *);
void stage_commit_container(struct compiler *, const struct endpoint *);
void stage_deliver_container(struct compiler *, const struct endpoint *);
void stage_deliver_exit(struct compiler *, const struct model_exit *);

/* Cookies of the usual owners. */
uint64_t cookie_base(enum sn_table, enum sn_reason);
uint64_t cookie_endpoint(const struct endpoint *, enum sn_reason);
uint64_t cookie_container(const struct compiler *,
                          const struct model_container *, enum sn_reason);
uint32_t cookie_container_number(const struct model_container *);
uint64_t cookie_node(const struct model_node *, enum sn_reason);
uint64_t cookie_exit(const struct model_exit *, enum sn_reason);

#endif /* flows/compiler-private.h */
