#include <config.h>

#include "cli/affected.h"

#include <stdlib.h>
#include <string.h>
#include "bitmap.h"
#include "openvswitch/shash.h"
#include "sset.h"
#include "state/service.h"
#include "util.h"

/* A rule that differs, as it stands in one of the models. */
struct rule {
    const struct model *model;
    const struct model_acl *acl;
};

struct affected {
    const struct model *models[2];
    bool all;
    struct sset ends;           /* Whose pairs all are. */
    struct rule *rules;
    size_t n_rules, allocated_rules;
    struct shash matches;       /* struct matches, by name of an end. */
};

/* Of which rules an end may be the source or the destination. */
struct matches {
    unsigned long *src, *dst;   /* Bitmaps. */
};

bool
affected_is_moved(enum model_kind kind, const void *was, void *is)
{
    struct sn_loc *loc = is, keep = *loc;   /* Every object begins so. */

    *loc = *(const struct sn_loc *) was;
    bool same = model_object_equals(kind, was, is);
    *loc = keep;
    return same;
}

static void
add_members(struct affected *a, const struct model *model,
            const struct model_selector *sels, size_t n)
{
    const struct shash_node *item;

    SHASH_FOR_EACH (item, &model->containers) {
        for (size_t i = 0; i < n; i++) {
            if (model_selector_matches(model, &sels[i], item->data)) {
                sset_add(&a->ends, item->name);
            }
        }
    }
}

static void
add_node(struct affected *a, const struct model *model, const char *node)
{
    const struct shash_node *item;

    sset_add_and_free(&a->ends, xasprintf("node:%s", node));
    SHASH_FOR_EACH (item, &model->containers) {
        const struct model_container *container = item->data;

        if (!strcmp(container->node, node)) {
            sset_add(&a->ends, item->name);
        }
    }
}

static void
add_rule(struct affected *a, const struct model *model,
         const struct model_acl *acl)
{
    if (a->n_rules >= a->allocated_rules) {
        a->rules = x2nrealloc(a->rules, &a->allocated_rules,
                              sizeof *a->rules);
    }
    a->rules[a->n_rules++] = (struct rule) { model, acl };
}

/* An object that differs, as it stands in 'model'. */
static void
add_object(struct affected *a, const struct model *model,
           enum model_kind kind, const void *object)
{
    switch (kind) {
    case MODEL_MESH:
        a->all = true;
        break;
    case MODEL_NODE:
        add_node(a, model, ((const struct model_node *) object)->name);
        break;
    case MODEL_CONTAINER:
        sset_add(&a->ends, ((const struct model_container *) object)->name);
        break;
    case MODEL_EXIT:
        /* A raw flow may send anything there. */
        sset_add(&a->ends, "internet");
        a->all |= !shash_is_empty(&model->raw_flows);
        break;
    case MODEL_SEGMENT: {
        const struct model_segment *segment = object;

        add_members(a, model, segment->members, segment->n_members);
        break;
    }
    case MODEL_ACL:
        add_rule(a, model, object);
        break;
    case MODEL_RAW_FLOW:
        add_node(a, model, ((const struct model_raw_flow *) object)->node);
        break;
    case MODEL_SERVICE: {
        const struct model_service *service = object;

        sset_add(&a->ends, service->name);
        add_members(a, model, service->backends, service->n_backends);
        break;
    }
    case MODEL_CLIENT:
        break;                  /* Is no end of a pair. */
    case MODEL_N_KINDS:
        OVS_NOT_REACHED();
    }
}

static void *
get_object(const struct model *model, enum model_kind kind, const char *key)
{
    struct model *m = CONST_CAST(struct model *, model);

    return kind == MODEL_MESH ? &m->mesh
           : shash_find_data(model_table(m, kind), key);
}

static void
add_difference(struct affected *a, enum model_kind kind, const char *key)
{
    const void *was = get_object(a->models[0], kind, key);
    void *is = get_object(a->models[1], kind, key);

    if (was && is && affected_is_moved(kind, was, is)) {
        return;
    }
    if (was) {
        add_object(a, a->models[0], kind, was);
    }
    if (is) {
        add_object(a, a->models[1], kind, is);
    }
}

struct affected *
affected_create(const struct model *old, const struct model *new)
{
    struct affected *a = xzalloc(sizeof *a);
    struct model_changes diff;
    const char *key;

    a->models[0] = old;
    a->models[1] = new;
    sset_init(&a->ends);
    shash_init(&a->matches);
    model_changes_init(&diff);
    model_diff(old, new, &diff);
    for (enum model_kind kind = 0; kind < MODEL_N_KINDS; kind++) {
        SSET_FOR_EACH (key, &diff.keys[kind]) {
            add_difference(a, kind, key);
        }
    }
    model_changes_destroy(&diff);
    return a;
}

void
affected_destroy(struct affected *a)
{
    if (a) {
        struct shash_node *item;

        SHASH_FOR_EACH (item, &a->matches) {
            struct matches *m = item->data;

            bitmap_free(m->src);
            bitmap_free(m->dst);
        }
        shash_destroy_free_data(&a->matches);
        sset_destroy(&a->ends);
        free(a->rules);
        free(a);
    }
}

/* What is no container is taken to be named by any rule. */
static bool
may_match(const struct rule *rule, const struct model_selector *sels,
          size_t n, const char *name)
{
    const struct model_container *container
        = model_get_container(rule->model, name);

    for (size_t i = 0; i < n && container; i++) {
        if (model_selector_matches(rule->model, &sels[i], container)) {
            return true;
        }
    }
    return !container;
}

static const struct matches *
get_matches(struct affected *a, const char *name)
{
    struct matches *m = shash_find_data(&a->matches, name);

    if (!m) {
        m = xzalloc(sizeof *m);
        m->src = bitmap_allocate(a->n_rules);
        m->dst = bitmap_allocate(a->n_rules);
        for (size_t i = 0; i < a->n_rules; i++) {
            const struct rule *r = &a->rules[i];

            bitmap_set(m->src, i, may_match(r, r->acl->src, r->acl->n_src,
                                            name));
            bitmap_set(m->dst, i, may_match(r, r->acl->dst, r->acl->n_dst,
                                            name));
        }
        shash_add(&a->matches, name, m);
    }
    return m;
}

bool
affected_has_pair(struct affected *a, const char *src, const char *dst)
{
    if (a->all || sset_contains(&a->ends, src)
        || sset_contains(&a->ends, dst)) {
        return true;
    }
    if (a->n_rules) {
        const struct matches *from = get_matches(a, src);
        const struct matches *to = get_matches(a, dst);

        for (size_t i = 0; i < bitmap_n_longs(a->n_rules); i++) {
            if (from->src[i] & to->dst[i]) {
                return true;
            }
        }
    }
    return false;
}
