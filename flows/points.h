#ifndef SN_POINTS_H
#define SN_POINTS_H 1

/* Addresses and networks that are no container's: hosts, their subnets, the
 * mesh, the CIDRs that rules name, the internet.  A longest prefix match over
 * them says of any address where it belongs and which identity it has.
 *
 * Made anew as a whole, since few things change them, but what is as it was
 * stays: whoever has an address only hears of it if its longest match, or what
 * that says, is another now.
 *
 * Where most containers of another node's subnet have the same identity, the
 * subnet's point says it for them, and only the others need flows. */

#include <stdbool.h>
#include <stdint.h>
#include "lib/prefix.h"
#include "flows/policy.h"
#include "hmapx.h"
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
    struct hmapx members;       /* Whose longest match it is: the caller's. */

    /* Subnets of other nodes: the identities of the containers in it. */
    bool pools;
    struct hmap pool;           /* struct pool_entry. */
    size_t n_pooled;
    const struct policy_ident *spoken;  /* That it speaks for, if 'counted'. */
    bool counted;

    uint32_t said[2];           /* point_id() at points_check(). */
    bool is_new;                /* Since then; or otherwise altered. */
};

struct points {
    struct hmap map;
    size_t n4[33], n6[129];     /* How many there are of each length. */
    struct hmapx dirty;         /* That may say something else now. */
    struct hmapx dead;          /* Not in 'map' any more. */
    struct sset gone;           /* Owners' names of those. */
};

void points_init(struct points *);
void points_destroy(struct points *);
/* Brings the points up to date; holds their identities in 'policy'.  Adds to
 * 'moved' the members of points that may have another longest match now: they
 * leave their points and join those that points_lookup() finds, and then
 * points_reap() frees the points that are no more. */
void points_update(struct points *, struct policy *, const struct model *,
                   const char *this_node, struct hmapx *moved);
void points_reap(struct points *);
/* The longest match of an address; never NULL once built. */
const struct point *points_lookup(const struct points *,
                                  const struct sn_prefix *);

/* The number of the identity that a point stands for, 0 if no rule in force
 * here needs it. */
uint32_t point_id(const struct point *, enum policy_role);
bool point_is_host(const struct point *);       /* One address. */
/* 'member' has an address whose longest match is 'point'; as 'ident' it counts
 * there, if 'pooled' and the point pools. */
void points_join(struct points *, struct point *, void *member, bool pooled,
                 const struct policy_ident *);
void points_leave(struct points *, struct point *, void *member, bool pooled,
                  const struct policy_ident *);
/* Adds to 'changed' the points that are new, or do not say what they did the
 * last time.  'all': identities may be needed that were not, or the other way
 * round. */
void points_check(struct points *, bool all, struct hmapx *changed);

/* Whose flows those of a point are: the caller frees it. */
char *point_owner_name(const struct point *);

#endif /* flows/points.h */
