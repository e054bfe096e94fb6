#ifndef SN_EXPECT_H
#define SN_EXPECT_H 1

/* What the state itself says that one host's bridge should do: sets of packets
 * (flows/header.h) made from the model alone, to hold the compiled flows
 * against.  Nothing here looks at a flow, at identities or at anything else of
 * the compiler but which containers it has on which ports.
 *
 * Sets with a source or destination are of IP packets. */

#include <stdbool.h>
#include <stddef.h>
#include "flows/header.h"
#include "openvswitch/shash.h"

struct flow_ports;
struct model;
struct model_container;
struct model_exit;
struct model_raw_flow;
struct model_selector;

/* Of a model, whichever the host: who satisfies which selector. */
struct expect_rules;
struct expect_rules *expect_rules_create(const struct model *);
void expect_rules_destroy(struct expect_rules *);

struct expect_endpoint {        /* A container that is plugged in. */
    const struct model_container *container;
    ofp_port_t port;
    struct eth_addr mac;
    const struct model_exit *exit;      /* The one it leaves by, or NULL. */
    space_set from;             /* Its port, MAC and one of its addresses. */
    space_set to;               /* Its addresses, from anybody. */
    space_set raw;              /* What raw flows deliver to it. */
};

struct expect_exit {
    const struct model_exit *exit;
    ofp_port_t port;
    space_set members;          /* The ports of those that may use it. */
    space_set raw;              /* What raw flows send by it. */
};

enum expect_role { EXPECT_SRC, EXPECT_DST, EXPECT_N_ROLES };

struct expect {
    struct space *space;
    const struct model *model;
    const char *node;
    const struct flow_ports *ports;
    struct expect_rules *rules;
    struct shash selectors;     /* Cache: role and selector -> set. */

    struct expect_endpoint *endpoints;
    size_t n_endpoints;
    struct expect_exit *exits;
    size_t n_exits;

    space_set ip;
    space_set from_ports;       /* In by a container's port... */
    space_set from_uplinks;     /* ...by an unmanaged one... */
    space_set from_host;        /* ...by the host's own. */
    space_set own[EXPECT_N_ROLES];      /* This host's addresses. */
    space_set mesh[EXPECT_N_ROLES];     /* Whatever is not the internet. */
    space_set guests[EXPECT_N_ROLES];
    space_set services[EXPECT_N_ROLES]; /* Where virtual addresses are. */
    space_set local[EXPECT_N_ROLES];    /* This host's containers. */
    space_set remote_src;       /* Of the mesh, and not of this host. */
    /* In other nodes' subnets, but of nobody: flows may say of the whole
     * subnet what holds for everybody in it. */
    space_set nobody[EXPECT_N_ROLES];

    /* Where routes lead, by the destination. */
    space_set to_host;          /* The host, or beyond it the mesh... */
    space_set to_local;         /* ...a container here... */
    space_set to_exit;          /* ...the internet; else nowhere. */

    space_set egress;           /* Connections that the rules allow: from
                                 * containers here... */
    space_set ingress;          /* ...and to them from elsewhere. */

    space_set neighbours;       /* IPv6 neighbour discovery. */
    space_set multicast;        /* By its destination; broadcast as well. */
    space_set refusals;         /* The host's, in the name of a service. */
    space_set odd;              /* What the guard may stop, whatever rules
                                 * say, of containers... */
    space_set odd_host;         /* ...and of the host. */

    /* Raw flows. */
    space_set raw;              /* What they decide, dropping included. */
    space_set raw_dropped;
    space_set raw_host;         /* Allowed to the host's own addresses. */
    space_set raw_mesh;         /* Allowed to a container elsewhere. */
    space_set raw_unproven;     /* Nobody knows: see 'unproven'. */
    const struct model_raw_flow **unproven;     /* They look at more than
                                                 * sets of packets have. */
    size_t n_unproven;
};

/* 'pending' has the containers without flows (compiler_pending()).  All but
 * the space must outlive it. */
void expect_init(struct expect *, struct space *, struct expect_rules *,
                 const char *node, const struct flow_ports *,
                 const struct shash *pending);
void expect_uninit(struct expect *);

/* Among the files of expect. */
void expect_make_rules(struct expect *);
void expect_make_raw(struct expect *);
space_set expect_selector(struct expect *, enum expect_role, bool local_only,
                          const struct model_selector *);
/* The addresses of all containers, trusted or not. */
space_set expect_containers(struct expect *, enum expect_role);
bool expect_is_trusted(const struct expect *, const struct model_container *);
const struct model *expect_rules_model(const struct expect_rules *);
/* The containers that satisfy a selector: not to be freed. */
const struct model_container *const *expect_rules_find(
    struct expect_rules *, const struct model_selector *, size_t *ret_n);

#endif /* flows/expect.h */
