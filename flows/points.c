#include <config.h>

#include "flows/points.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include "flows/policy.h"
#include "flows/regs.h"
#include "hash.h"
#include "lib/work-set.h"
#include "openvswitch/util.h"
#include "state/model.h"
#include "util.h"

void
points_init(struct points *points)
{
    memset(points, 0, sizeof *points);
    hmap_init(&points->map);
    hmapx_init(&points->dirty);
    hmapx_init(&points->dead);
    sset_init(&points->gone);
}

char *
point_owner_name(const struct point *point)
{
    char *prefix = sn_prefix_to_string(&point->prefix);
    char *name = xasprintf("point:%s", prefix);

    free(prefix);
    return name;
}

/* How many containers have an identity (NULL: none). */
struct pool_entry {
    struct hmap_node node;      /* In point->pool. */
    const struct policy_ident *ident;
    size_t n;
};

static void
point_free(struct point *point)
{
    struct pool_entry *entry;

    HMAP_FOR_EACH_POP (entry, node, &point->pool) {
        free(entry);
    }
    hmap_destroy(&point->pool);
    hmapx_destroy(&point->members);
    free(point->owner);
    free(point->client);
    free(point);
}

void
points_reap(struct points *points)
{
    const struct hmapx_node *node;

    HMAPX_FOR_EACH (node, &points->dead) {
        point_free(node->data);
    }
    work_ptrs_reset(&points->dead);
}

void
points_destroy(struct points *points)
{
    struct point *point;

    HMAP_FOR_EACH_POP (point, node, &points->map) {
        point_free(point);
    }
    hmap_destroy(&points->map);
    points_reap(points);
    hmapx_destroy(&points->dirty);
    hmapx_destroy(&points->dead);
    sset_destroy(&points->gone);
}

static struct point *
points_find(const struct points *points, const struct sn_prefix *prefix)
{
    struct point *point;

    HMAP_FOR_EACH_WITH_HASH (point, node, sn_prefix_hash(prefix, 0),
                             &points->map) {
        if (sn_prefix_equals(&point->prefix, prefix)) {
            return point;
        }
    }
    return NULL;
}

static size_t *
points_count(struct points *points, const struct point *point)
{
    return &(point->prefix.is_v4 ? points->n4
             : points->n6)[point->prefix.plen];
}

static void
points_insert(struct points *points, struct point *point)
{
    hmap_insert(&points->map, &point->node,
                sn_prefix_hash(&point->prefix, 0));
    ++*points_count(points, point);
}

static void
points_remove(struct points *points, struct point *point)
{
    hmap_remove(&points->map, &point->node);
    --*points_count(points, point);
    hmapx_find_and_delete(&points->dirty, point);
}

static struct point *
points_add(struct points *points, const struct sn_prefix *prefix)
{
    struct sn_prefix network = sn_prefix_network(prefix);
    struct point *point = points_find(points, &network);

    if (!point) {
        point = xzalloc(sizeof *point);
        point->prefix = network;
        hmap_init(&point->pool);
        hmapx_init(&point->members);
        point->is_new = true;
        points_insert(points, point);
    }
    return point;
}

static struct point *
points_lookup_up_to(const struct points *points, const struct sn_prefix *addr,
                    int plen)
{
    struct sn_prefix prefix = *addr;

    for (; plen >= 0; plen--) {
        if ((prefix.is_v4 ? points->n4 : points->n6)[plen]) {
            prefix = *addr;
            prefix.plen = plen;
            prefix = sn_prefix_network(&prefix);
            struct point *point = points_find(points, &prefix);
            if (point) {
                return point;
            }
        }
    }
    return NULL;
}

const struct point *
points_lookup(const struct points *points, const struct sn_prefix *addr)
{
    return points_lookup_up_to(points, addr, addr->is_v4 ? 32 : 128);
}

static void
points_add_fixed(struct points *points, const struct sn_prefix *prefix,
                 uint32_t flags, const char *owner)
{
    struct point *point = points_add(points, prefix);

    point->fixed = true;
    point->flags |= flags;
    if (owner && !point->owner) {
        point->owner = xstrdup(owner);
    }
}

static void
points_add_node(struct points *points, const struct model_node *node,
                bool own)
{
    uint32_t host = SN_F_SRC_MESH | (own ? SN_F_SRC_HOST : 0);

    for (size_t i = 0; i < node->n_subnets; i++) {
        struct sn_prefix gateway = sn_prefix_host(&node->gateways[i]);

        points_add_fixed(points, &node->subnets[i],
                         SN_F_SRC_MESH | (own ? SN_F_SRC_LOCAL : 0), NULL);
        if (!own) {
            points_add(points, &node->subnets[i])->pools = true;
        }
        points_add_fixed(points, &gateway, host, node->name);
    }
    if (node->address.plen) {
        struct sn_prefix address = sn_prefix_host(&node->address);
        points_add_fixed(points, &address, host, node->name);
    }
    for (size_t i = 0; node->vpn && i < node->vpn->n_pools; i++) {
        points_add_fixed(points, &node->vpn->pools[i],
                         SN_F_SRC_MESH | SN_F_SRC_GUEST, NULL);
    }
}

/* Whoever is not let in any more is nobody. */
static void
points_add_client(struct points *points, const struct model *model,
                  const struct model_client *client)
{
    const struct model_node *node = model_get_node(model, client->node);

    if (!node || node->revoked || client->revoked) {
        return;
    }
    for (size_t i = 0; i < client->n_addresses; i++) {
        points_add_fixed(points, &client->addresses[i],
                         SN_F_SRC_MESH | SN_F_SRC_GUEST, NULL);
        struct point *point = points_find(points, &client->addresses[i]);
        if (!point->client) {
            point->client = xstrdup(client->name);
        }
    }
}

static void
points_add_selector(struct points *points, const struct model *model,
                    const struct model_selector *sel)
{
    if (sel->kind == SEL_CIDR) {
        points_add(points, &sel->prefix);
    } else if (sel->kind == SEL_SEGMENT) {
        const struct model_segment *segment = model_get_segment(model,
                                                                sel->text);
        for (size_t i = 0; segment && i < segment->n_members; i++) {
            if (segment->members[i].kind == SEL_CIDR) {
                points_add(points, &segment->members[i].prefix);
            }
        }
    }
}

static bool
point_matches(const struct point *point, const struct model *model,
              const struct model_selector *sel)
{
    const struct model_segment *segment;

    if (point->client && sel->kind != SEL_INTERNET) {
        return model_selector_matches_client(
            model, sel, model_get_client(model, point->client));
    }
    switch (sel->kind) {
    case SEL_NODE:
        return (point->owner
                && !strcmp(point->owner, sel->text + strlen("node:")));
    case SEL_INTERNET:
        return !(point->flags & SN_F_SRC_MESH);
    case SEL_CIDR:
        return sn_prefix_contains(&sel->prefix, &point->prefix);
    case SEL_SEGMENT:
        segment = model_get_segment(model, sel->text);
        for (size_t i = 0; segment && i < segment->n_members; i++) {
            if (segment->members[i].kind != SEL_SEGMENT
                && point_matches(point, model, &segment->members[i])) {
                return true;
            }
        }
        return false;
    case SEL_ANY:
    case SEL_CONTAINER:
    case SEL_TAG:
    case SEL_GLOB:
    case SEL_SERVICE:
    case SEL_CLIENT:
        return false;
    }
    OVS_NOT_REACHED();
}

static struct policy_ident *
point_get_ident(const struct point *point, struct policy *policy,
                const struct model *model)
{
    struct policy_sel **sels = NULL;
    size_t n = 0, allocated = 0;
    const struct hmapx_node *node;

    HMAPX_FOR_EACH (node, point->client ? &policy->guest_sels
                          : &policy->point_sels) {
        struct policy_sel *sel = node->data;
        if (sel->n_refs && point_matches(point, model, &sel->sel)) {
            if (n >= allocated) {
                sels = x2nrealloc(sels, &allocated, sizeof *sels);
            }
            sels[n++] = sel;
        }
    }
    if (n) {
        qsort(sels, n, sizeof *sels, policy_compare_sels);
    }
    struct policy_ident *ident = policy_get_ident(policy, sels, n);
    free(sels);
    return ident;
}

/* A network that a rule names lies where the longest fixed one around it
 * does. */
static void
point_inherit_flags(struct points *points, struct point *point)
{
    int plen = point->prefix.plen;

    while (plen-- > 0) {
        const struct point *outer = points_lookup_up_to(points,
                                                        &point->prefix, plen);
        if (!outer) {
            return;
        } else if (outer->fixed) {
            point->flags = outer->flags & ~SN_F_SRC_HOST;
            return;
        }
        plen = outer->prefix.plen;
    }
}

/* The points as the model and the rules are now, without identities. */
static void
points_collect(struct points *points, const struct policy *policy,
               const struct model *model, const char *this_node)
{
    static const struct sn_prefix any4 = {
        .addr = { .s6_addr = { [10] = 0xff, [11] = 0xff } }, .is_v4 = true
    };
    static const struct sn_prefix any6 = { .is_v4 = false };
    const struct hmapx_node *hnode;
    struct shash_node *snode;
    struct point *point;

    points_add_fixed(points, &any4, 0, NULL);
    points_add_fixed(points, &any6, 0, NULL);
    points_add_fixed(points, &model->mesh.prefix, SN_F_SRC_MESH, NULL);
    SHASH_FOR_EACH (snode, &model->nodes) {
        points_add_node(points, snode->data,
                        !strcmp(snode->name, this_node));
    }
    const struct shash_node **clients = shash_sort(&model->clients);
    for (size_t i = 0; i < shash_count(&model->clients); i++) {
        points_add_client(points, model, clients[i]->data);
    }
    free(clients);
    HMAPX_FOR_EACH (hnode, &policy->point_sels) {
        const struct policy_sel *sel = hnode->data;
        if (sel->n_refs) {
            points_add_selector(points, model, &sel->sel);
        }
    }
    HMAP_FOR_EACH (point, node, &points->map) {
        if (!point->fixed) {
            point_inherit_flags(points, point);
        }
    }
}

static void
point_note_members(const struct point *point, struct hmapx *moved)
{
    const struct hmapx_node *node;

    HMAPX_FOR_EACH (node, &point->members) {
        hmapx_add(moved, node->data);
    }
}

/* Whether 'old' can go on as what 'new' is. */
static bool
point_may_stay(const struct point *old, const struct point *new)
{
    return (new && old->pools == new->pools
            && nullable_string_is_equal(old->owner, new->owner)
            && nullable_string_is_equal(old->client, new->client));
}

static void
points_drop_old(struct points *points, const struct points *fresh,
                struct policy *policy, struct hmapx *moved)
{
    struct point *point, *next;

    HMAP_FOR_EACH_SAFE (point, next, node, &points->map) {
        if (!point_may_stay(point, points_find(fresh, &point->prefix))) {
            policy_ident_hold(policy, point->ident, -1, false);
            point_note_members(point, moved);
            points_remove(points, point);
            hmapx_add(&points->dead, point);
            sset_add_and_free(&points->gone, point_owner_name(point));
        }
    }
}

/* Takes the points out of 'fresh'. */
static void
points_take_new(struct points *points, struct points *fresh,
                struct hmapx *moved)
{
    struct point *point, *next;

    HMAP_FOR_EACH_SAFE (point, next, node, &fresh->map) {
        struct point *old = points_find(points, &point->prefix);

        if (old) {
            old->is_new |= (old->flags != point->flags
                            || old->fixed != point->fixed);
            old->flags = point->flags;
            old->fixed = point->fixed;
            continue;
        }
        /* Of nested new ones, the outermost finds the members. */
        const struct point *outer = points_lookup_up_to(
            points, &point->prefix, point->prefix.plen - 1);
        if (outer) {
            point_note_members(outer, moved);
        }
        points_remove(fresh, point);
        points_insert(points, point);
        char *name = point_owner_name(point);
        sset_find_and_delete(&points->gone, name);
        free(name);
    }
}

void
points_update(struct points *points, struct policy *policy,
              const struct model *model, const char *this_node,
              struct hmapx *moved)
{
    struct points fresh;
    struct point *point;

    points_init(&fresh);
    points_collect(&fresh, policy, model, this_node);
    points_drop_old(points, &fresh, policy, moved);
    points_take_new(points, &fresh, moved);
    points_destroy(&fresh);
    HMAP_FOR_EACH (point, node, &points->map) {
        struct policy_ident *ident = point_get_ident(point, policy, model);

        if (ident != point->ident) {
            policy_ident_hold(policy, ident, 1, false);
            policy_ident_hold(policy, point->ident, -1, false);
            point->ident = ident;
            point->counted = false;
            hmapx_add(&points->dirty, point);
        }
        if (point->is_new) {
            hmapx_add(&points->dirty, point);
        }
    }
}

/* Pools. */

static struct pool_entry *
point_find_entry(const struct point *point, const struct policy_ident *ident)
{
    struct pool_entry *entry;

    HMAP_FOR_EACH_WITH_HASH (entry, node, hash_pointer(ident, 0),
                             &point->pool) {
        if (entry->ident == ident) {
            return entry;
        }
    }
    return NULL;
}

static void
point_pool_add(struct point *point, const struct policy_ident *ident)
{
    struct pool_entry *entry = point_find_entry(point, ident);

    if (!entry) {
        entry = xzalloc(sizeof *entry);
        entry->ident = ident;
        hmap_insert(&point->pool, &entry->node, hash_pointer(ident, 0));
    }
    entry->n++;
    point->n_pooled++;
    point->counted = false;
}

static void
point_pool_remove(struct point *point, const struct policy_ident *ident)
{
    struct pool_entry *entry = point_find_entry(point, ident);

    if (!--entry->n) {
        hmap_remove(&point->pool, &entry->node);
        free(entry);
    }
    point->n_pooled--;
    point->counted = false;
}

void
points_join(struct points *points, struct point *point, void *member,
            bool pooled, const struct policy_ident *ident)
{
    hmapx_add(&point->members, member);
    if (pooled && point->pools) {
        point_pool_add(point, ident);
        hmapx_add(&points->dirty, point);
    }
}

void
points_leave(struct points *points, struct point *point, void *member,
             bool pooled, const struct policy_ident *ident)
{
    hmapx_find_and_delete(&point->members, member);
    if (pooled && point->pools) {
        point_pool_remove(point, ident);
        if (!hmapx_contains(&points->dead, point)) {
            hmapx_add(&points->dirty, point);
        }
    }
}

/* Fewer than this are not worth a flow that speaks for all. */
#define MIN_POOL 3

/* The identity that more than half of the members have, or the point's own.
 * Not "most", which would tip back and forth between two of about the same
 * size, and take everybody's flows with it. */
static void
point_count(struct point *point)
{
    const struct pool_entry *entry;

    point->spoken = point->ident;
    HMAP_FOR_EACH (entry, node, &point->pool) {
        if (entry->ident && entry->n >= MIN_POOL
            && entry->n * 2 > point->n_pooled) {
            point->spoken = entry->ident;
        }
    }
    point->counted = true;
}

bool
point_is_host(const struct point *point)
{
    return point->prefix.plen == (point->prefix.is_v4 ? 32 : 128);
}

uint32_t
point_id(const struct point *point, enum policy_role role)
{
    if (!point->counted) {
        point_count(CONST_CAST(struct point *, point));
    }
    return policy_ident_needed(point->spoken, role);
}

static void
point_check(struct point *point, struct hmapx *changed)
{
    bool is_changed = point->is_new;

    for (int role = 0; role < N_ROLES; role++) {
        uint32_t id = point_id(point, role);

        is_changed |= id != point->said[role];
        point->said[role] = id;
    }
    point->is_new = false;
    if (is_changed) {
        hmapx_add(changed, point);
    }
}

void
points_check(struct points *points, bool all, struct hmapx *changed)
{
    const struct hmapx_node *node;
    struct point *point;

    if (all) {
        HMAP_FOR_EACH (point, node, &points->map) {
            point_check(point, changed);
        }
    } else {
        HMAPX_FOR_EACH (node, &points->dirty) {
            point_check(node->data, changed);
        }
    }
    work_ptrs_reset(&points->dirty);
}
