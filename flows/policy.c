#include <config.h>

#include "flows/policy.h"

#include <stdlib.h>
#include <string.h>
#include "flows/cookie.h"
#include "lib/work-set.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/util.h"
#include "util.h"

/* Of a selector that the model does not know: containers with an exit. */
#define EXIT_SEL_KEY "%exit"

void
policy_init(struct policy *p, const char *node)
{
    memset(p, 0, sizeof *p);
    p->node = xstrdup(node);
    shash_init(&p->sels);
    shash_init(&p->idents);
    shash_init(&p->clauses);
    shash_init(&p->rules);
    shash_init(&p->containers);
    hmapx_init(&p->scan);
    hmapx_init(&p->point_sels);
    hmapx_init(&p->guest_sels);
    idreg_init(&p->ident_ids);
    idreg_init(&p->conj_ids);
    hmapx_init(&p->changed_clauses);
    hmapx_init(&p->changed_idents);
    sset_init(&p->changed_containers);
    sset_init(&p->gone);
    sset_init(&p->dirty_containers);
    hmapx_init(&p->dirty_idents);
    hmapx_init(&p->dirty_clauses);
    hmapx_init(&p->dirty_sels);
}

/* Selectors. */

void
policy_sel_free(struct policy_sel *sel)
{
    free(sel->key);
    model_selector_destroy(&sel->sel);
    hmapx_destroy(&sel->clauses[ROLE_SRC]);
    hmapx_destroy(&sel->clauses[ROLE_DST]);
    hmapx_destroy(&sel->idents);
    free(sel);
}

static struct policy_sel *
policy_sel_get(struct policy *p, const char *key, bool *ret_created)
{
    struct policy_sel *sel = shash_find_data(&p->sels, key);

    *ret_created = !sel;
    if (!sel) {
        sel = xzalloc(sizeof *sel);
        sel->key = xstrdup(key);
        sel->is_new = true;
        hmapx_init(&sel->clauses[ROLE_SRC]);
        hmapx_init(&sel->clauses[ROLE_DST]);
        hmapx_init(&sel->idents);
        shash_add(&p->sels, key, sel);
        p->sels_changed = true;
    }
    sel->n_refs++;
    return sel;
}

struct policy_sel *
policy_sel_ref(struct policy *p, const struct model_selector *ms)
{
    char *key = ms->kind == SEL_SEGMENT ? xasprintf("segment:%s", ms->text)
                : ms->kind == SEL_SERVICE
                  ? xasprintf("service:%s:%"PRIu16, ms->text,
                              ms->ports[0].first)
                : xstrdup(ms->text);
    bool created;
    struct policy_sel *sel = policy_sel_get(p, key, &created);

    if (created) {
        sel->sel.kind = ms->kind;
        sel->sel.text = xstrdup(ms->text);
        sel->sel.prefix = ms->prefix;
        if (ms->kind == SEL_SEGMENT || ms->kind == SEL_GLOB
            || ms->kind == SEL_CIDR || ms->kind == SEL_SERVICE) {
            hmapx_add(&p->scan, sel);
        }
        if (ms->kind == SEL_SEGMENT || ms->kind == SEL_CIDR
            || ms->kind == SEL_NODE || ms->kind == SEL_INTERNET) {
            hmapx_add(&p->point_sels, sel);
        }
        hmapx_add(&p->guest_sels, sel);
        if (ms->kind == SEL_SERVICE) {
            sel->sel.ports = xmemdup(ms->ports, sizeof *ms->ports);
            sel->sel.n_ports = 1;
        }
    }
    free(key);
    return sel;
}

struct policy_sel *
policy_sel_ref_exit(struct policy *p)
{
    bool created;
    struct policy_sel *sel = policy_sel_get(p, EXIT_SEL_KEY, &created);

    sel->has_exit = true;
    return sel;
}

/* Guests are points, and have tags. */
static bool
policy_sel_is_of_points(const struct policy_sel *sel, bool has_guests)
{
    return (!sel->has_exit
            && (sel->sel.kind == SEL_CLIENT
                || (sel->sel.kind == SEL_TAG && has_guests)
                || sel->sel.kind == SEL_CIDR || sel->sel.kind == SEL_NODE
                || sel->sel.kind == SEL_INTERNET
                || sel->sel.kind == SEL_SEGMENT));
}

int
policy_compare_sels(const void *a_, const void *b_)
{
    const struct policy_sel *const *a = a_;
    const struct policy_sel *const *b = b_;
    return strcmp((*a)->key, (*b)->key);
}

/* Identities. */

struct policy_ident *
policy_get_ident(struct policy *p, struct policy_sel **sels, size_t n)
{
    if (!n) {
        return NULL;
    }

    struct ds name = DS_EMPTY_INITIALIZER;
    for (size_t i = 0; i < n; i++) {
        ds_put_format(&name, "%s%s", i ? " " : "", sels[i]->key);
    }
    struct policy_ident *ident = shash_find_data(&p->idents, ds_cstr(&name));
    if (ident) {
        ds_destroy(&name);
        return ident;
    }
    ident = xzalloc(sizeof *ident);
    ident->name = ds_steal_cstr(&name);
    ident->sels = xmemdup(sels, n * sizeof *sels);
    ident->n_sels = n;
    ident->fresh = true;
    hmapx_init(&ident->holders);
    for (size_t i = 0; i < n; i++) {
        hmapx_add(&sels[i]->idents, ident);
    }
    shash_add(&p->idents, ident->name, ident);
    idreg_add(&p->ident_ids, ident->name, cookie_name_id(ident->name));
    ident->id = idreg_get(&p->ident_ids, ident->name);
    hmapx_add(&p->dirty_idents, ident);
    return ident;
}

void
policy_ident_hold(struct policy *p, struct policy_ident *ident, int delta,
                  bool local)
{
    if (ident) {
        if (local) {
            ident->n_local += delta;
        } else {
            ident->n_other += delta;
        }
        hmapx_add(&p->dirty_idents, ident);
    }
}

static void
policy_ident_free(struct policy_ident *ident)
{
    free(ident->name);
    free(ident->sels);
    hmapx_destroy(&ident->holders);
    free(ident);
}

void
policy_ident_destroy(struct policy *p, struct policy_ident *ident)
{
    for (size_t i = 0; i < ident->n_sels; i++) {
        hmapx_find_and_delete(&ident->sels[i]->idents, ident);
    }
    shash_find_and_delete(&p->idents, ident->name);
    idreg_remove(&p->ident_ids, ident->name);
    hmapx_find_and_delete(&p->changed_idents, ident);
    sset_add_and_free(&p->gone, xasprintf("identity:%s", ident->name));
    policy_ident_free(ident);
}

uint32_t
policy_ident_needed(const struct policy_ident *ident, enum policy_role role)
{
    for (size_t i = 0; ident && i < ident->n_sels; i++) {
        if (ident->sels[i]->n_active[role]) {
            return ident->id;
        }
    }
    return 0;
}

static bool
policy_sel_matches(const struct policy_sel *sel, const struct model *model,
                   const struct model_container *container)
{
    return (sel->has_exit
            ? container->exits.n > 0
            : model_selector_matches(model, &sel->sel, container));
}

struct sel_list {
    struct policy_sel **sels;
    size_t n, allocated;
};

static void
sel_list_add(struct sel_list *list, struct policy_sel *sel)
{
    if (sel && sel->n_refs) {
        if (list->n >= list->allocated) {
            list->sels = x2nrealloc(list->sels, &list->allocated,
                                    sizeof *list->sels);
        }
        list->sels[list->n++] = sel;
    }
}

/* The identity of a container as rules are now, or NULL. */
static struct policy_ident *
policy_container_ident(struct policy *p, const struct model *model,
                       const struct model_container *container)
{
    struct sel_list list = { NULL, 0, 0 };
    struct policy_sel *sel = shash_find_data(&p->sels, container->name);
    const struct hmapx_node *node;
    const char *tag;

    if (sel && sel->sel.kind == SEL_CONTAINER) {
        sel_list_add(&list, sel);
    }
    SSET_FOR_EACH (tag, &container->tags) {
        char *key = xasprintf("tag:%s", tag);
        sel_list_add(&list, shash_find_data(&p->sels, key));
        free(key);
    }
    if (container->exits.n) {
        sel_list_add(&list, shash_find_data(&p->sels, EXIT_SEL_KEY));
    }
    HMAPX_FOR_EACH (node, &p->scan) {
        sel = node->data;
        if (sel->n_refs && policy_sel_matches(sel, model, container)) {
            sel_list_add(&list, sel);
        }
    }
    if (list.n) {
        qsort(list.sels, list.n, sizeof *list.sels, policy_compare_sels);
    }
    struct policy_ident *ident = policy_get_ident(p, list.sels, list.n);
    free(list.sels);
    return ident;
}

/* Containers. */

void
policy_change_container(struct policy *p, const char *name)
{
    sset_add(&p->dirty_containers, name);
}

static void
policy_container_set(struct policy *p, struct policy_container *pc,
                     struct policy_ident *ident, bool local)
{
    if (pc->ident == ident && pc->local == local) {
        return;
    }
    if (pc->ident) {
        hmapx_find_and_delete(&pc->ident->holders, pc);
        policy_ident_hold(p, pc->ident, -1, pc->local);
    }
    if (ident) {
        hmapx_add(&ident->holders, pc);
        policy_ident_hold(p, ident, 1, local);
    }
    pc->ident = ident;
    pc->local = local;
    sset_add(&p->changed_containers, pc->name);
}

static void
policy_update_container(struct policy *p, const struct model *model,
                        const char *name)
{
    const struct model_container *container
        = model_get_trusted(model, name, p->node);
    struct policy_container *pc = shash_find_data(&p->containers, name);

    if (!container) {
        if (pc) {
            policy_container_set(p, pc, NULL, pc->local);
            shash_find_and_delete(&p->containers, name);
            free(pc->name);
            free(pc);
        }
        return;
    }
    if (!pc) {
        pc = xzalloc(sizeof *pc);
        pc->name = xstrdup(name);
        shash_add(&p->containers, name, pc);
    }
    policy_container_set(p, pc, policy_container_ident(p, model, container),
                         !strcmp(container->node, p->node));
}

void
policy_mark_holders(struct policy *p, const struct policy_ident *ident,
                    struct sset *names)
{
    const struct hmapx_node *node;

    HMAPX_FOR_EACH (node, &ident->holders) {
        const struct policy_container *pc = node->data;
        sset_add(names, pc->name);
    }
}

/* Selectors that appeared or that nobody names any more change the identity
 * of whatever satisfies them. */
static void
policy_update_sels(struct policy *p, const struct model *model)
{
    struct shash_node *node, *cnode;
    const struct hmapx_node *inode;
    bool has_guests = !shash_is_empty(&model->clients);

    if (!p->sels_changed) {
        return;
    }
    SHASH_FOR_EACH (node, &p->sels) {
        struct policy_sel *sel = node->data;

        if (sel->is_new == !!sel->n_refs) {
            p->points_changed |= policy_sel_is_of_points(sel, has_guests);
        }
        if (sel->is_new && sel->n_refs && !p->dirty_all_containers) {
            SHASH_FOR_EACH (cnode, &model->containers) {
                if (policy_sel_matches(sel, model, cnode->data)) {
                    sset_add(&p->dirty_containers, cnode->name);
                }
            }
        } else if (!sel->n_refs) {
            HMAPX_FOR_EACH (inode, &sel->idents) {
                policy_mark_holders(p, inode->data, &p->dirty_containers);
            }
        }
        sel->is_new = false;
    }
}

void
policy_update_idents(struct policy *p, const struct model *model)
{
    struct shash_node *node;
    const char *name;

    policy_update_sels(p, model);
    if (p->dirty_all_containers) {
        SHASH_FOR_EACH (node, &model->containers) {
            sset_add(&p->dirty_containers, node->name);
        }
        p->dirty_all_containers = false;
    }
    SSET_FOR_EACH (name, &p->dirty_containers) {
        policy_update_container(p, model, name);
    }
    work_set_reset(&p->dirty_containers);
}

void
policy_destroy(struct policy *p)
{
    struct shash_node *node;

    SHASH_FOR_EACH (node, &p->sels) {
        policy_sel_free(node->data);
    }
    SHASH_FOR_EACH (node, &p->idents) {
        policy_ident_free(node->data);
    }
    SHASH_FOR_EACH (node, &p->clauses) {
        policy_clause_free(node->data);
    }
    SHASH_FOR_EACH (node, &p->rules) {
        sset_destroy(node->data);
        free(node->data);
    }
    SHASH_FOR_EACH (node, &p->containers) {
        struct policy_container *pc = node->data;
        free(pc->name);
        free(pc);
    }
    shash_destroy(&p->sels);
    shash_destroy(&p->idents);
    shash_destroy(&p->clauses);
    shash_destroy(&p->rules);
    shash_destroy(&p->containers);
    hmapx_destroy(&p->scan);
    hmapx_destroy(&p->point_sels);
    hmapx_destroy(&p->guest_sels);
    idreg_destroy(&p->ident_ids);
    idreg_destroy(&p->conj_ids);
    hmapx_destroy(&p->changed_clauses);
    hmapx_destroy(&p->changed_idents);
    sset_destroy(&p->changed_containers);
    sset_destroy(&p->gone);
    sset_destroy(&p->dirty_containers);
    hmapx_destroy(&p->dirty_idents);
    hmapx_destroy(&p->dirty_clauses);
    hmapx_destroy(&p->dirty_sels);
    free(p->node);
}

void
policy_clear_changes(struct policy *p)
{
    work_ptrs_reset(&p->changed_clauses);
    work_ptrs_reset(&p->changed_idents);
    work_set_reset(&p->changed_containers);
    work_set_reset(&p->gone);
    p->points_changed = false;
    p->need_changed = false;
    p->collided = false;
}
