#include <config.h>

#include "flows/policy.h"

#include <stdlib.h>
#include "flows/cookie.h"
#include "lib/work-set.h"
#include "openvswitch/util.h"
#include "util.h"

void
policy_clause_free(struct policy_clause *clause)
{
    free(clause->key);
    free(clause->sels[ROLE_SRC]);
    free(clause->sels[ROLE_DST]);
    free(clause->ports);
    free(clause);
}

/* Takes ownership. */
void
policy_clause_put(struct policy *p, const char *rule,
                  struct policy_clause *clause)
{
    struct sset *keys = shash_find_data(&p->rules, rule);

    if (!keys) {
        keys = xmalloc(sizeof *keys);
        sset_init(keys);
        shash_add(&p->rules, rule, keys);
    }
    sset_add(keys, clause->key);
    shash_add(&p->clauses, clause->key, clause);
    idreg_add(&p->conj_ids, clause->key, cookie_name_id(clause->key));
    clause->conj_id = idreg_get(&p->conj_ids, clause->key);
    for (int role = 0; role < N_ROLES; role++) {
        for (size_t i = 0; i < clause->n_sels[role]; i++) {
            hmapx_add(&clause->sels[role][i]->clauses[role], clause);
        }
    }
    hmapx_add(&p->dirty_clauses, clause);
    hmapx_add(&p->changed_clauses, clause);
    sset_find_and_delete(&p->gone, clause->key);
}

/* The identities that have a side in 'clause' emit on its behalf. */
static void
policy_mark_clause_idents(struct policy *p,
                          const struct policy_clause *clause)
{
    const struct hmapx_node *node;

    for (int role = 0; role < N_ROLES; role++) {
        for (size_t i = 0; i < clause->n_sels[role]; i++) {
            HMAPX_FOR_EACH (node, &clause->sels[role][i]->idents) {
                hmapx_add(&p->changed_idents, node->data);
            }
        }
    }
}

static void
policy_count_active(struct policy *p, const struct policy_clause *clause,
                    int delta)
{
    for (int role = 0; role < N_ROLES; role++) {
        for (size_t i = 0; i < clause->n_sels[role]; i++) {
            clause->sels[role][i]->n_active[role] += delta;
            hmapx_add(&p->dirty_sels, clause->sels[role][i]);
        }
    }
}

/* A selector that comes into or goes out of use makes its identities needed or
 * not.  One whose rule was merely replaced does neither. */
static void
policy_update_sel(struct policy *p, struct policy_sel *sel)
{
    const struct hmapx_node *node;

    for (int role = 0; role < N_ROLES; role++) {
        bool active = sel->n_active[role];

        if (active != sel->was_active[role]) {
            sel->was_active[role] = active;
            p->need_changed = true;
            HMAPX_FOR_EACH (node, &sel->idents) {
                policy_mark_holders(p, node->data, &p->changed_containers);
            }
        }
    }
}

static bool
policy_clause_is_active(const struct policy_clause *clause)
{
    return (clause->standing[POLICY_EGRESS].active
            || clause->standing[POLICY_INGRESS].active);
}

void
policy_clause_remove(struct policy *p, const char *key)
{
    struct policy_clause *clause = shash_find_and_delete(&p->clauses, key);

    policy_mark_clause_idents(p, clause);
    if (policy_clause_is_active(clause)) {
        policy_count_active(p, clause, -1);
    }
    for (int role = 0; role < N_ROLES; role++) {
        for (size_t i = 0; i < clause->n_sels[role]; i++) {
            struct policy_sel *sel = clause->sels[role][i];
            hmapx_find_and_delete(&sel->clauses[role], clause);
            if (!--sel->n_refs) {
                p->sels_changed = true;
            }
        }
    }
    idreg_remove(&p->conj_ids, key);
    hmapx_find_and_delete(&p->dirty_clauses, clause);
    hmapx_find_and_delete(&p->changed_clauses, clause);
    sset_add(&p->gone, key);
    policy_clause_free(clause);
}

/* How many distinct identities of a clause's role count: those that a local
 * container holds, or those that something else does, or either. */
static size_t
policy_count_idents(const struct policy_clause *clause, enum policy_role role,
                    bool local, bool other)
{
    const struct hmapx_node *node;
    struct hmapx seen = HMAPX_INITIALIZER(&seen);
    bool single = clause->n_sels[role] == 1;
    size_t n = 0;

    for (size_t i = 0; i < clause->n_sels[role]; i++) {
        HMAPX_FOR_EACH (node, &clause->sels[role][i]->idents) {
            const struct policy_ident *ident = node->data;
            if (((local && ident->n_local) || (other && ident->n_other))
                && (single || hmapx_add(&seen, node->data))) {
                n++;
            }
        }
    }
    hmapx_destroy(&seen);
    return n;
}

/* More direct flows than this for one clause become a conjunction even where
 * that saves none, so that one more identity costs one more flow. */
#define MAX_DIRECT 16

static void
policy_clause_stand(const struct policy_clause *clause,
                    enum policy_side side, struct policy_standing *s)
{
    bool egress = side == POLICY_EGRESS;
    size_t n_ports = clause->ports[0].proto ? clause->n_ports : 0;

    s->n[ROLE_SRC] = clause->any[ROLE_SRC] ? 1
        : policy_count_idents(clause, ROLE_SRC, egress, !egress);
    s->n[ROLE_DST] = clause->any[ROLE_DST] ? 1
        : policy_count_idents(clause, ROLE_DST, true, egress);
    s->active = s->n[ROLE_SRC] && s->n[ROLE_DST];

    int n_dims = !clause->any[ROLE_SRC] + !clause->any[ROLE_DST] + !!n_ports;
    size_t product = s->n[ROLE_SRC] * s->n[ROLE_DST] * MAX(n_ports, 1);
    size_t sum = s->n[ROLE_SRC] + s->n[ROLE_DST] + n_ports;
    s->conjunctive = (s->active && n_dims > 1
                      && (product > sum + 1 || product > MAX_DIRECT));
}

static void
policy_update_clause(struct policy *p, struct policy_clause *clause)
{
    bool was_active = policy_clause_is_active(clause);
    bool reshaped = false, direct = false;

    for (int side = 0; side < POLICY_N_SIDES; side++) {
        struct policy_standing now, *old = &clause->standing[side];

        policy_clause_stand(clause, side, &now);
        reshaped |= (now.active != old->active
                     || now.conjunctive != old->conjunctive);
        direct |= now.active && !now.conjunctive;
        *old = now;
    }
    if (was_active != policy_clause_is_active(clause)) {
        policy_count_active(p, clause, was_active ? -1 : 1);
    }
    if (reshaped) {
        policy_mark_clause_idents(p, clause);
    }
    if (reshaped || direct) {
        hmapx_add(&p->changed_clauses, clause);
    }
}

static void
policy_update_ident(struct policy *p, struct policy_ident *ident)
{
    bool gone = !ident->n_local && !ident->n_other;
    const struct hmapx_node *node;

    if (!gone && !ident->fresh && ident->had_local == !!ident->n_local
        && ident->had_other == !!ident->n_other) {
        return;
    }
    for (size_t i = 0; i < ident->n_sels; i++) {
        for (int role = 0; role < N_ROLES; role++) {
            HMAPX_FOR_EACH (node, &ident->sels[i]->clauses[role]) {
                hmapx_add(&p->dirty_clauses, node->data);
            }
        }
    }
    if (gone) {
        policy_ident_destroy(p, ident);
    } else {
        ident->fresh = false;
        ident->had_local = ident->n_local;
        ident->had_other = ident->n_other;
        hmapx_add(&p->changed_idents, ident);
    }
}

static void
policy_collect_sels(struct policy *p)
{
    struct shash_node *node;

    SHASH_FOR_EACH_SAFE (node, &p->sels) {
        struct policy_sel *sel = node->data;
        if (!sel->n_refs) {
            ovs_assert(hmapx_is_empty(&sel->idents));
            hmapx_find_and_delete(&p->scan, sel);
            hmapx_find_and_delete(&p->point_sels, sel);
            hmapx_find_and_delete(&p->guest_sels, sel);
            shash_delete(&p->sels, node);
            policy_sel_free(sel);
        }
    }
}

static void
policy_assign_ids(struct policy *p)
{
    struct shash_node *node;

    idreg_assign(&p->ident_ids);
    SHASH_FOR_EACH (node, &p->idents) {
        struct policy_ident *ident = node->data;
        ident->id = idreg_get(&p->ident_ids, ident->name);
    }
    idreg_assign(&p->conj_ids);
    SHASH_FOR_EACH (node, &p->clauses) {
        struct policy_clause *clause = node->data;
        clause->conj_id = idreg_get(&p->conj_ids, clause->key);
    }
}

void
policy_update_clauses(struct policy *p)
{
    const struct hmapx_node *node;

    HMAPX_FOR_EACH (node, &p->dirty_idents) {
        policy_update_ident(p, node->data);
    }
    work_ptrs_reset(&p->dirty_idents);
    HMAPX_FOR_EACH (node, &p->dirty_clauses) {
        policy_update_clause(p, node->data);
    }
    work_ptrs_reset(&p->dirty_clauses);
    HMAPX_FOR_EACH (node, &p->dirty_sels) {
        policy_update_sel(p, node->data);
    }
    work_ptrs_reset(&p->dirty_sels);
    if (p->sels_changed) {
        policy_collect_sels(p);
        p->sels_changed = false;
    }
    p->collided = p->ident_ids.collided || p->conj_ids.collided;
    if (p->collided) {
        policy_assign_ids(p);
    }
}

