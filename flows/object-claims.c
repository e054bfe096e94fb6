#include <config.h>

#include "flows/object-claims.h"

#include <stdlib.h>
#include <string.h>
#include "openvswitch/util.h"
#include "util.h"

/* A name that somebody declares, or did until the next resolve. */
struct object_slot {
    struct shash claims;        /* Owner -> struct object_claim. */
    struct sn_object *wanted;   /* In claims->objects, or NULL. */
};

struct object_claim {
    uint64_t cookie;
    char *spec;
};

struct object_owner {
    unsigned int round;         /* claims->round when last replaced. */
    struct sset names[SN_N_OBJECT_KINDS];
    struct sset stale[SN_N_OBJECT_KINDS];   /* Declared before this time. */
};

void
object_claims_init(struct object_claims *oc)
{
    memset(oc, 0, sizeof *oc);
    for (int kind = 0; kind < SN_N_OBJECT_KINDS; kind++) {
        shash_init(&oc->slots[kind]);
        idreg_init(&oc->ids[kind]);
        sset_init(&oc->dirty[kind]);
    }
    shash_init(&oc->owners);
    object_set_init(&oc->objects);
}

static void
object_claim_free(struct object_claim *claim)
{
    if (claim) {
        free(claim->spec);
        free(claim);
    }
}

static void
object_slot_free(struct object_slot *slot)
{
    struct shash_node *node;

    SHASH_FOR_EACH (node, &slot->claims) {
        object_claim_free(node->data);
    }
    shash_destroy(&slot->claims);
    free(slot);
}

static void
object_owner_free(struct object_owner *owner)
{
    for (int kind = 0; kind < SN_N_OBJECT_KINDS; kind++) {
        sset_destroy(&owner->names[kind]);
        sset_destroy(&owner->stale[kind]);
    }
    free(owner);
}

void
object_claims_destroy(struct object_claims *oc)
{
    struct shash_node *node;

    for (int kind = 0; kind < SN_N_OBJECT_KINDS; kind++) {
        SHASH_FOR_EACH (node, &oc->slots[kind]) {
            object_slot_free(node->data);
        }
        shash_destroy(&oc->slots[kind]);
        idreg_destroy(&oc->ids[kind]);
        sset_destroy(&oc->dirty[kind]);
    }
    SHASH_FOR_EACH (node, &oc->owners) {
        object_owner_free(node->data);
    }
    shash_destroy(&oc->owners);
    object_set_destroy(&oc->objects);
    free(oc->current_name);
}

void
object_claims_begin(struct object_claims *oc, const char *owner)
{
    oc->current = shash_find_data(&oc->owners, owner);
    oc->current_name = xstrdup(owner);
    if (oc->current) {
        oc->current->round = oc->round;
        for (int kind = 0; kind < SN_N_OBJECT_KINDS; kind++) {
            sset_swap(&oc->current->names[kind], &oc->current->stale[kind]);
        }
    }
}

static struct object_owner *
object_owner_get(struct object_claims *oc)
{
    if (!oc->current) {
        oc->current = xzalloc(sizeof *oc->current);
        oc->current->round = oc->round;
        for (int kind = 0; kind < SN_N_OBJECT_KINDS; kind++) {
            sset_init(&oc->current->names[kind]);
            sset_init(&oc->current->stale[kind]);
        }
        shash_add(&oc->owners, oc->current_name, oc->current);
    }
    return oc->current;
}

uint32_t
object_claims_add(struct object_claims *oc, enum sn_object_kind kind,
                  const char *name, uint64_t cookie, const char *spec)
{
    struct object_owner *owner = object_owner_get(oc);
    struct object_slot *slot = shash_find_data(&oc->slots[kind], name);

    if (!slot) {
        slot = xzalloc(sizeof *slot);
        shash_init(&slot->claims);
        shash_add(&oc->slots[kind], name, slot);
        idreg_add(&oc->ids[kind], name, sn_object_preferred_id(name));
    }
    sset_add(&owner->names[kind], name);
    sset_find_and_delete(&owner->stale[kind], name);

    struct object_claim *claim = shash_find_data(&slot->claims,
                                                 oc->current_name);
    if (!claim || claim->cookie != cookie || strcmp(claim->spec, spec)) {
        if (!claim) {
            claim = xzalloc(sizeof *claim);
            shash_add(&slot->claims, oc->current_name, claim);
        }
        claim->cookie = cookie;
        free(claim->spec);
        claim->spec = xstrdup(spec);
        sset_add(&oc->dirty[kind], name);
    }
    return idreg_get(&oc->ids[kind], name);
}

static void
object_claim_drop(struct object_claims *oc, enum sn_object_kind kind,
                  const char *name, const char *owner)
{
    struct object_slot *slot = shash_find_data(&oc->slots[kind], name);

    object_claim_free(shash_find_and_delete(&slot->claims, owner));
    sset_add(&oc->dirty[kind], name);
}

void
object_claims_end(struct object_claims *oc)
{
    struct object_owner *owner = oc->current;

    if (owner) {
        bool any = false;

        for (int kind = 0; kind < SN_N_OBJECT_KINDS; kind++) {
            const char *name;

            SSET_FOR_EACH (name, &owner->stale[kind]) {
                object_claim_drop(oc, kind, name, oc->current_name);
            }
            sset_clear(&owner->stale[kind]);
            any |= !sset_is_empty(&owner->names[kind]);
        }
        if (!any) {
            shash_find_and_delete(&oc->owners, oc->current_name);
            object_owner_free(owner);
        }
    }
    free(oc->current_name);
    oc->current_name = NULL;
    oc->current = NULL;
}

void
object_claims_begin_round(struct object_claims *oc)
{
    oc->round++;
}

void
object_claims_end_round(struct object_claims *oc)
{
    struct shash_node *node;

    SHASH_FOR_EACH_SAFE (node, &oc->owners) {
        const struct object_owner *owner = node->data;

        if (owner->round != oc->round) {
            char *name = xstrdup(node->name);

            object_claims_begin(oc, name);
            object_claims_end(oc);
            free(name);
        }
    }
}

/* What nobody declares gives its number back. */
static void
object_slots_collect(struct object_claims *oc, enum sn_object_kind kind)
{
    const char *name;

    SSET_FOR_EACH (name, &oc->dirty[kind]) {
        struct object_slot *slot = shash_find_data(&oc->slots[kind], name);

        if (slot && shash_is_empty(&slot->claims)) {
            if (slot->wanted) {
                object_set_remove(&oc->objects, slot->wanted);
                oc->seqno++;
            }
            idreg_remove(&oc->ids[kind], name);
            shash_find_and_delete(&oc->slots[kind], name);
            object_slot_free(slot);
        }
    }
}

/* Objects are found by number, which may be another one now. */
static void
object_slots_move(struct object_claims *oc, enum sn_object_kind kind)
{
    struct shash_node *node;

    idreg_assign(&oc->ids[kind]);
    SHASH_FOR_EACH (node, &oc->slots[kind]) {
        sset_add(&oc->dirty[kind], node->name);
    }
}

bool
object_claims_renumber(struct object_claims *oc)
{
    bool moved = false;

    for (int kind = 0; kind < SN_N_OBJECT_KINDS; kind++) {
        object_slots_collect(oc, kind);
        if (oc->ids[kind].collided) {
            object_slots_move(oc, kind);
            moved = true;
        }
    }
    return moved;
}

/* The claim that counts: its result does not depend on the order. */
static const struct object_claim *
object_slot_best(const struct object_slot *slot)
{
    const struct object_claim *best = NULL;
    const struct shash_node *node;

    SHASH_FOR_EACH (node, &slot->claims) {
        const struct object_claim *claim = node->data;
        int cmp = best ? strcmp(claim->spec, best->spec) : -1;

        if (cmp < 0 || (!cmp && claim->cookie < best->cookie)) {
            best = claim;
        }
    }
    return best;
}

static void
object_resolve(struct object_claims *oc, enum sn_object_kind kind,
               const char *name, struct object_set *fresh)
{
    struct object_slot *slot = shash_find_data(&oc->slots[kind], name);
    const struct object_claim *claim = object_slot_best(slot);
    struct sn_object *old = slot->wanted;

    slot->wanted = sn_object_create(kind, idreg_get(&oc->ids[kind], name),
                                    name, claim->cookie, claim->spec);
    if (!old || old->id != slot->wanted->id
        || !sn_object_same_content(old, slot->wanted)) {
        oc->seqno++;
    }
    if (old) {
        object_set_remove(&oc->objects, old);
    }
    object_set_put(fresh, slot->wanted);
}

void
object_claims_resolve(struct object_claims *oc)
{
    struct object_set fresh;
    struct sn_object *obj;

    /* All that go make place before any comes: a number may change hands. */
    object_set_init(&fresh);
    for (int kind = 0; kind < SN_N_OBJECT_KINDS; kind++) {
        const char *name;

        SSET_FOR_EACH (name, &oc->dirty[kind]) {
            if (shash_find(&oc->slots[kind], name)) {
                object_resolve(oc, kind, name, &fresh);
            }
        }
        sset_clear(&oc->dirty[kind]);
    }
    HMAP_FOR_EACH_SAFE (obj, node, &fresh.map) {
        hmap_remove(&fresh.map, &obj->node);
        object_set_put(&oc->objects, obj);
    }
    object_set_destroy(&fresh);
}
