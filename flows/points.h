#ifndef SN_POINTS_H
#define SN_POINTS_H 1

/* Addresses and networks that are no container's: hosts, their subnets, the
 * mesh, the CIDRs that rules name, the internet.  A longest prefix match over
 * them says of any address where it belongs and which identity it has.
 *
 * Built as a whole; few, and they change seldom. */

#include <stdbool.h>
#include <stdint.h>
#include "lib/prefix.h"
#include "openvswitch/hmap.h"

struct model;
struct policy;
struct policy_ident;

struct point {
    struct hmap_node node;      /* In points->map, by prefix. */
    struct sn_prefix prefix;
    uint32_t flags;             /* SN_F_SRC_*. */
    bool fixed;                 /* Stands also if no rule needs it. */
    char *owner;                /* A node: whose own address, or NULL. */
    struct policy_ident *ident;
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

#endif /* flows/points.h */
