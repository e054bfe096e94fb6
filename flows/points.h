#ifndef SN_POINTS_H
#define SN_POINTS_H 1

/* Addresses and networks that are no container's: hosts, their subnets, the
 * mesh, the CIDRs that rules name, the internet.  A longest prefix match over
 * them says of any address where it belongs and which identity it has.
 *
 * Built as a whole; few, and they change seldom.
 *
 * Where most containers of another node's subnet have the same identity, the
 * subnet's point says it for them, and only the others need flows. */

#include <stdbool.h>
#include <stdint.h>
#include "lib/prefix.h"
#include "flows/policy.h"
#include "openvswitch/hmap.h"
#include "sset.h"

struct model;
struct policy;
struct policy_ident;

struct point {
    struct hmap_node node;      /* In points->map, by prefix. */
    struct sn_prefix prefix;
    uint32_t flags;             /* SN_F_SRC_*. */
    bool fixed;                 /* Stands also if no rule needs it. */
    char *owner;                /* A node: whose own address, or NULL. */
    char *client;               /* Whose address, or NULL. */
    struct policy_ident *ident;

    /* Subnets of other nodes: the identities of the containers in it. */
    bool pools;
    struct hmap pool;           /* struct pool_entry. */
    struct sset members;        /* Names of these containers. */
    uint32_t said[2];           /* point_id() at points_check_pools(). */
};

struct points {
    struct hmap map;
    uint8_t n4[33], n6[129];    /* Which prefix lengths there are. */
};

void points_init(struct points *);
void points_destroy(struct points *);
/* Replaces the points; holds their identities in 'policy'. */
void points_build(struct points *, struct policy *, const struct model *,
                  const char *this_node);
/* The longest match of an address; never NULL once built. */
const struct point *points_lookup(const struct points *,
                                  const struct sn_prefix *);

/* The number of the identity that a point stands for, 0 if no rule in force
 * here needs it. */
uint32_t point_id(const struct point *, enum policy_role);
/* Container 'name' has an address in a point that pools, as 'ident'. */
void point_pool_add(struct point *, const char *name,
                    const struct policy_ident *);
void point_pool_remove(struct point *, const char *name,
                       const struct policy_ident *);
/* Adds to 'names' the members of those whose point_id() is not what it was
 * last time; returns whether there were any such points. */
bool points_check_pools(struct points *, struct sset *names);

#endif /* flows/points.h */
