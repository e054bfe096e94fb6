#include <config.h>

#include "flows/claims.h"

#include <stdlib.h>
#include <string.h>
#include "flows/flow-key.h"
#include "hash.h"
#include "openvswitch/ofp-actions.h"
#include "openvswitch/ofpbuf.h"
#include "openvswitch/util.h"
#include "util.h"

struct claim_owner {
    struct hmap_node node;      /* In claims->owners. */
    char *name;
    unsigned int round;         /* claims->round when last replaced. */
    struct ovs_list claims;     /* Of struct claim. */
};

/* All claims on one key. */
struct claim_slot {
    struct hmap_node node;      /* In claims->slots. */
    struct ovs_list claims;     /* Of struct claim. */
    struct ovs_list dirty_node; /* In claims->dirty, if 'dirty'. */
    bool dirty;
    struct sn_flow *wanted;     /* In claims->flows, or NULL. */
};

struct claim {
    struct ovs_list owner_node; /* In the owner's list or claims->stale. */
    struct ovs_list slot_node;
    struct claim_slot *slot;
    struct claim_owner *owner;
    struct sn_flow *flow;
};

void
claims_init(struct claims *c)
{
    hmap_init(&c->owners);
    hmap_init(&c->slots);
    ovs_list_init(&c->dirty);
    flow_set_init(&c->flows);
    flow_set_init(&c->before);
    flow_set_init(&c->fresh);
    c->current = NULL;
    c->round = 0;
    ovs_list_init(&c->stale);
    object_claims_init(&c->objects);
}

static struct claim_slot *
claim_slot_get(struct claims *c, const struct sn_flow *flow)
{
    uint32_t hash = sn_flow_hash_key(flow);
    struct claim_slot *slot;

    HMAP_FOR_EACH_WITH_HASH (slot, node, hash, &c->slots) {
        struct claim *first = CONTAINER_OF(ovs_list_front(&slot->claims),
                                           struct claim, slot_node);
        if (sn_flow_same_key(first->flow, flow)) {
            return slot;
        }
    }
    slot = xzalloc(sizeof *slot);
    ovs_list_init(&slot->claims);
    hmap_insert(&c->slots, &slot->node, hash);
    return slot;
}

static void
claim_slot_mark(struct claims *c, struct claim_slot *slot)
{
    if (!slot->dirty) {
        slot->dirty = true;
        ovs_list_push_back(&c->dirty, &slot->dirty_node);
    }
}

/* Unlinks the claim from its owner; the slot keeps it as a tombstone with no
 * owner until claims_resolve(), so that a slot always knows its key. */
static void
claim_retire(struct claims *c, struct claim *claim)
{
    ovs_list_remove(&claim->owner_node);
    claim->owner = NULL;
    claim_slot_mark(c, claim->slot);
}

static void
claim_free(struct claim *claim)
{
    ovs_list_remove(&claim->slot_node);
    sn_flow_free(claim->flow);
    free(claim);
}

void
claims_destroy(struct claims *c)
{
    struct claim_owner *owner;
    struct claim_slot *slot;

    HMAP_FOR_EACH_POP (owner, node, &c->owners) {
        free(owner->name);
        free(owner);
    }
    hmap_destroy(&c->owners);
    HMAP_FOR_EACH_POP (slot, node, &c->slots) {
        struct claim *claim;
        LIST_FOR_EACH_SAFE (claim, slot_node, &slot->claims) {
            claim_free(claim);
        }
        free(slot);
    }
    hmap_destroy(&c->slots);
    flow_set_destroy(&c->flows);
    flow_set_destroy(&c->before);
    flow_set_destroy(&c->fresh);
    object_claims_destroy(&c->objects);
}

static struct claim_owner *
claim_owner_find(const struct claims *c, const char *name)
{
    struct claim_owner *owner;

    HMAP_FOR_EACH_WITH_HASH (owner, node, hash_string(name, 0), &c->owners) {
        if (!strcmp(owner->name, name)) {
            return owner;
        }
    }
    return NULL;
}

void
claims_begin(struct claims *c, const char *name)
{
    ovs_assert(!c->current);
    c->current = claim_owner_find(c, name);
    if (!c->current) {
        c->current = xmalloc(sizeof *c->current);
        c->current->name = xstrdup(name);
        ovs_list_init(&c->current->claims);
        hmap_insert(&c->owners, &c->current->node, hash_string(name, 0));
    }
    c->current->round = c->round;
    ovs_list_init(&c->stale);
    ovs_list_push_back_all(&c->stale, &c->current->claims);
    object_claims_begin(&c->objects, name);
}

void
claims_add(struct claims *c, struct sn_flow *flow)
{
    struct claim_slot *slot = claim_slot_get(c, flow);
    struct claim *claim;

    LIST_FOR_EACH (claim, slot_node, &slot->claims) {
        if (claim->owner == c->current) {
            if (!sn_flow_same_content(claim->flow, flow)) {
                sn_flow_free(claim->flow);
                claim->flow = flow;
                claim_slot_mark(c, slot);
            } else {
                sn_flow_free(flow);
            }
            ovs_list_remove(&claim->owner_node);
            ovs_list_push_back(&c->current->claims, &claim->owner_node);
            return;
        }
    }
    claim = xmalloc(sizeof *claim);
    claim->slot = slot;
    claim->owner = c->current;
    claim->flow = flow;
    ovs_list_push_back(&slot->claims, &claim->slot_node);
    ovs_list_push_back(&c->current->claims, &claim->owner_node);
    claim_slot_mark(c, slot);
}

void
claims_end(struct claims *c)
{
    struct claim *claim;

    LIST_FOR_EACH_SAFE (claim, owner_node, &c->stale) {
        claim_retire(c, claim);
    }
    object_claims_end(&c->objects);
    if (ovs_list_is_empty(&c->current->claims)) {
        hmap_remove(&c->owners, &c->current->node);
        free(c->current->name);
        free(c->current);
    }
    c->current = NULL;
}

void
claims_drop_owner(struct claims *c, const char *name)
{
    if (claim_owner_find(c, name)) {
        claims_begin(c, name);
        claims_end(c);
    }
}

void
claims_begin_round(struct claims *c)
{
    c->round++;
    object_claims_begin_round(&c->objects);
}

void
claims_end_round(struct claims *c)
{
    struct claim_owner *owner;

    HMAP_FOR_EACH_SAFE (owner, node, &c->owners) {
        if (owner->round != c->round) {
            struct claim *claim;

            LIST_FOR_EACH_SAFE (claim, owner_node, &owner->claims) {
                claim_retire(c, claim);
            }
            hmap_remove(&c->owners, &owner->node);
            free(owner->name);
            free(owner);
        }
    }
    object_claims_end_round(&c->objects);
}

bool
claims_renumber(struct claims *c)
{
    return object_claims_renumber(&c->objects);
}

size_t
claims_count_owner(const struct claims *c, const char *name)
{
    const struct claim_owner *owner = claim_owner_find(c, name);
    return owner ? ovs_list_size(&owner->claims) : 0;
}

static bool
flow_is_conjunctive(const struct sn_flow *flow)
{
    return flow->ofpacts_len && flow->ofpacts->type == OFPACT_CONJUNCTION;
}

/* Lower is better; total, so that the winner does not depend on the order. */
static int
compare_claims(const struct sn_flow *a, const struct sn_flow *b)
{
    if (a->cookie != b->cookie) {
        return a->cookie < b->cookie ? -1 : 1;
    } else if (a->ofpacts_len != b->ofpacts_len) {
        return a->ofpacts_len < b->ofpacts_len ? -1 : 1;
    }
    return a->ofpacts_len
           ? memcmp(a->ofpacts, b->ofpacts, a->ofpacts_len) : 0;
}

static int
compare_conjunctions(const void *a_, const void *b_)
{
    const struct ofpact_conjunction *a = *(struct ofpact_conjunction **) a_;
    const struct ofpact_conjunction *b = *(struct ofpact_conjunction **) b_;

    if (a->id != b->id) {
        return a->id < b->id ? -1 : 1;
    }
    return a->clause < b->clause ? -1 : a->clause > b->clause;
}

/* Replaces the actions of 'flow' by all the conjunctions of the slot's
 * claims. */
static void
merge_conjunctions(const struct claim_slot *slot, struct sn_flow *flow)
{
    const struct ofpact_conjunction **conjs = NULL, *last = NULL;
    size_t n = 0, allocated = 0;
    const struct claim *claim;
    const struct ofpact *a;
    struct ofpbuf acts;

    LIST_FOR_EACH (claim, slot_node, &slot->claims) {
        OFPACT_FOR_EACH (a, claim->flow->ofpacts, claim->flow->ofpacts_len) {
            if (a->type == OFPACT_CONJUNCTION) {
                if (n >= allocated) {
                    conjs = x2nrealloc(conjs, &allocated, sizeof *conjs);
                }
                conjs[n++] = ofpact_get_CONJUNCTION(a);
            }
        }
    }
    qsort(conjs, n, sizeof *conjs, compare_conjunctions);
    ofpbuf_init(&acts, n * OFPACT_ALIGN(sizeof *last));
    for (size_t i = 0; i < n; i++) {
        if (!last || compare_conjunctions(&last, &conjs[i])) {
            ofpbuf_put(&acts, conjs[i], OFPACT_ALIGN(sizeof *last));
        }
        last = conjs[i];
    }
    free(conjs);
    free(flow->ofpacts);
    flow->ofpacts_len = acts.size;
    flow->ofpacts = ofpbuf_steal_data(&acts);
}

/* The flow that a slot's claims make, or NULL. */
static struct sn_flow *
claim_slot_resolve(const struct claim_slot *slot)
{
    const struct sn_flow *best = NULL;
    bool conjunctive = true;
    const struct claim *claim;
    size_t n = 0;

    LIST_FOR_EACH (claim, slot_node, &slot->claims) {
        n++;
        conjunctive = conjunctive && flow_is_conjunctive(claim->flow);
        if (!best || compare_claims(claim->flow, best) < 0) {
            best = claim->flow;
        }
    }
    if (!best) {
        return NULL;
    }
    struct sn_flow *flow = sn_flow_clone(best);
    if (n > 1 && conjunctive) {
        merge_conjunctions(slot, flow);
    }
    return flow;
}

/* Remembers how 'key' was when the delta was last taken. */
static void
claims_remember(struct claims *c, const struct sn_flow *key,
                const struct sn_flow *now)
{
    if (!flow_set_find(&c->before, key) && !flow_set_find(&c->fresh, key)) {
        flow_set_put(now ? &c->before : &c->fresh,
                     sn_flow_clone(now ? now : key));
    }
}

static void
claims_resolve_slot(struct claims *c, struct claim_slot *slot)
{
    struct claim *claim;

    slot->dirty = false;
    LIST_FOR_EACH_SAFE (claim, slot_node, &slot->claims) {
        if (!claim->owner) {
            claim_free(claim);
        }
    }
    struct sn_flow *wanted = claim_slot_resolve(slot);
    if (wanted && slot->wanted && sn_flow_same_content(wanted, slot->wanted)) {
        sn_flow_free(wanted);
    } else if (wanted || slot->wanted) {
        claims_remember(c, wanted ? wanted : slot->wanted, slot->wanted);
        if (wanted) {
            flow_set_put(&c->flows, wanted);
        } else {
            flow_set_remove(&c->flows, slot->wanted);
        }
        slot->wanted = wanted;
    }
    if (ovs_list_is_empty(&slot->claims)) {
        hmap_remove(&c->slots, &slot->node);
        free(slot);
    }
}

void
claims_resolve(struct claims *c)
{
    struct claim_slot *slot;

    LIST_FOR_EACH_POP (slot, dirty_node, &c->dirty) {
        claims_resolve_slot(c, slot);
    }
    object_claims_resolve(&c->objects);
}

void
claims_take_delta(struct claims *c, struct flow_set *added,
                  struct flow_set *removed)
{
    const struct sn_flow *old, *now;

    HMAP_FOR_EACH (old, hmap_node, &c->before.flows) {
        now = flow_set_find(&c->flows, old);
        if (!now) {
            flow_set_put(removed, sn_flow_clone(old));
        } else if (!sn_flow_same_content(old, now)) {
            flow_set_put(added, sn_flow_clone(now));
        }
    }
    HMAP_FOR_EACH (old, hmap_node, &c->fresh.flows) {
        now = flow_set_find(&c->flows, old);
        if (now) {
            flow_set_put(added, sn_flow_clone(now));
        }
    }
    flow_set_destroy(&c->before);
    flow_set_destroy(&c->fresh);
    flow_set_init(&c->before);
    flow_set_init(&c->fresh);
}
