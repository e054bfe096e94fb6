#ifndef SN_CLAIMS_H
#define SN_CLAIMS_H 1

/* Who wants which flows.
 *
 * Each owner claims a set of flows and replaces it as a whole:
 *
 *     claims_begin(claims, "container:xray");
 *     claims_add(claims, flow);  ...
 *     claims_end(claims);
 *
 * Several owners may claim the same key (table, priority, match).  What the
 * switch gets is then the union if all of them are conjunctions, else the
 * claim with the lowest cookie, whatever the order of the claims.
 *
 * The set of wanted flows is kept up to date at claims_resolve(), at a cost
 * that follows what changed; claims_take_delta() tells the difference since
 * it was last called. */

#include <stdbool.h>
#include <stddef.h>
#include "openvswitch/hmap.h"
#include "openvswitch/list.h"
#include "flows/compiler.h"
#include "flows/object-claims.h"

struct claim_owner;

struct claims {
    struct hmap owners;         /* struct claim_owner, by name. */
    struct hmap slots;          /* struct claim_slot, by key. */
    struct ovs_list dirty;      /* Of struct claim_slot. */
    struct flow_set flows;      /* What the switch should have. */
    struct flow_set before;     /* As at the last claims_take_delta() ... */
    struct flow_set fresh;      /* ... of keys touched since then: had a flow,
                                 * or had none. */

    unsigned int round;
    struct claim_owner *current;
    struct ovs_list stale;      /* Claims of 'current' before this time. */

    struct object_claims objects;   /* Of the same owners. */
};

void claims_init(struct claims *);
void claims_destroy(struct claims *);
void claims_begin(struct claims *, const char *owner);
void claims_add(struct claims *, struct sn_flow *); /* Takes ownership. */
void claims_end(struct claims *);
void claims_drop_owner(struct claims *, const char *owner);
/* Between these two, all owners that still want anything are replaced; the end
 * drops the others. */
void claims_begin_round(struct claims *);
void claims_end_round(struct claims *);
/* After all of that; then claims_resolve().  Returns true if groups or meters
 * have other numbers now: all owners must be replaced again before. */
bool claims_renumber(struct claims *);
void claims_resolve(struct claims *);
void claims_take_delta(struct claims *, struct flow_set *added,
                       struct flow_set *removed);
size_t claims_count_owner(const struct claims *, const char *owner);

#endif /* flows/claims.h */
