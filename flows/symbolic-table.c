#include <config.h>

#include "flows/symbolic-private.h"

#include <stdlib.h>
#include <string.h>
#include "flows/compiler.h"
#include "hash.h"
#include "openvswitch/match.h"
#include "openvswitch/ofp-actions.h"
#include "openvswitch/util.h"
#include "util.h"

/* Which flow of a table gets which packets.
 *
 * Registers are constants wherever packets get, so a hash over them finds the
 * few flows that come into question (a tuple space, as in OVS's classifier).
 * What these get of all packets depends on nothing but the header, and is kept
 * for the next set that comes with the same. */

bool
sym_is_meta(size_t byte)
{
    static const struct { size_t first, end; } tuples[] = {
        { HEADER_BYTE(ct_nw_proto), HEADER_BYTE(ct_nw_proto) + 1 },
        { HEADER_BYTE(ct_nw_src), HEADER_BYTE(ct_nw_dst) + 4 },
        { HEADER_BYTE(ct_ipv6_src), HEADER_BYTE(ct_ipv6_dst) + 16 },
        { HEADER_BYTE(ct_tp_src), HEADER_BYTE(ct_tp_dst) + 2 },
    };

    for (size_t i = 0; i < ARRAY_SIZE(tuples); i++) {
        if (byte >= tuples[i].first && byte < tuples[i].end) {
            return false;
        }
    }
    for (int reg = 0; reg < SYM_N_REGS; reg++) {
        if (byte >= HEADER_REG(reg) && byte < HEADER_REG(reg + 1)) {
            return !header_may_carry(reg);
        }
    }
    return !header_byte_is_packet(byte);
}

/* Loading. */

static uint32_t
hash_meta(const struct header_match *matches, size_t n)
{
    uint32_t hash = 0;

    for (size_t i = 0; i < n; i++) {
        if (sym_is_meta(matches[i].byte)) {
            hash = hash_add(hash, matches[i].value);
        }
    }
    return hash_finish(hash, 0);
}

static struct sym_group *
get_group(struct sym_table *t, const struct sym_flow *sf)
{
    struct header_match meta[HEADER_SIZE];
    size_t n = 0;

    memset(meta, 0, sizeof meta);
    for (size_t i = 0; i < sf->n_matches; i++) {
        if (sym_is_meta(sf->matches[i].byte)) {
            meta[n].byte = sf->matches[i].byte;
            meta[n++].mask = sf->matches[i].mask;
        }
    }
    for (size_t i = 0; i < t->n_groups; i++) {
        struct sym_group *g = t->groups[i];

        if (g->n_meta == n
            && (!n || !memcmp(g->meta, meta, n * sizeof *meta))) {
            return g;
        }
    }
    t->groups = xrealloc(t->groups, (t->n_groups + 1) * sizeof *t->groups);
    struct sym_group *g = t->groups[t->n_groups++] = xzalloc(sizeof *g);
    g->meta = n ? xmemdup(meta, n * sizeof *meta) : NULL;
    g->n_meta = n;
    hmap_init(&g->flows);
    return g;
}

static void
add_flow(struct sym_table *t, const struct sn_flow *flow)
{
    struct sym_flow *sf = xzalloc(sizeof *sf);
    struct match match;

    minimatch_expand(&flow->match, &match);
    sf->flow = flow;
    sf->n_matches = header_match_from_match(&match, &sf->matches,
                                            &sf->outside);
    for (size_t i = 0; i < sf->n_matches; i++) {
        if (sym_never_matches(&sf->matches[i])) {
            free(sf->matches);
            free(sf);
            return;
        }
    }
    sf->soft = (flow->ofpacts_len
                && flow->ofpacts->type == OFPACT_CONJUNCTION);
    for (size_t i = 0; i < sf->n_matches; i++) {
        t->mask[sf->matches[i].byte] |= sf->matches[i].mask;
    }
    if (t->n_flows >= t->allocated_flows) {
        t->flows = x2nrealloc(t->flows, &t->allocated_flows,
                              sizeof *t->flows);
    }
    t->flows[t->n_flows++] = sf;
}

/* Neighbouring networks stand together. */
static int
compare_matches(const struct sym_flow *a, const struct sym_flow *b)
{
    for (size_t i = 0; i < MIN(a->n_matches, b->n_matches); i++) {
        const struct header_match *x = &a->matches[i], *y = &b->matches[i];

        if (x->byte != y->byte || x->mask != y->mask) {
            return x->byte != y->byte ? x->byte - y->byte : x->mask - y->mask;
        } else if (x->value != y->value) {
            return x->value - y->value;
        }
    }
    return a->n_matches < b->n_matches ? -1 : a->n_matches > b->n_matches;
}

static int
compare_flows(const void *a_, const void *b_)
{
    const struct sym_flow *const *a = a_;
    const struct sym_flow *const *b = b_;

    return ((*a)->flow->priority > (*b)->flow->priority ? -1
            : (*a)->flow->priority < (*b)->flow->priority ? 1
            : compare_matches(*a, *b));
}

void
sym_tables_init(struct sym *sym, const struct flow_set *flows)
{
    const struct sn_flow *flow;

    for (size_t i = 0; i < SYM_N_TABLES; i++) {
        hmap_init(&sym->tables[i].partitions);
        hmap_init(&sym->tables[i].states);
        hmap_init(&sym->tables[i].looks);
    }
    HMAP_FOR_EACH (flow, hmap_node, &flows->flows) {
        add_flow(&sym->tables[flow->table_id], flow);
    }
    for (size_t i = 0; i < SYM_N_TABLES; i++) {
        struct sym_table *t = &sym->tables[i];

        if (t->n_flows) {
            qsort(t->flows, t->n_flows, sizeof *t->flows, compare_flows);
        }
        for (size_t j = 0; j < t->n_flows; j++) {
            struct sym_flow *sf = t->flows[j];
            struct sym_group *g = get_group(t, sf);

            hmap_insert(&g->flows, &sf->node,
                        hash_meta(sf->matches, sf->n_matches));
        }
    }
}

static void
table_uninit(struct sym_table *t)
{
    struct sym_partition *p;

    HMAP_FOR_EACH_POP (p, node, &t->partitions) {
        free(p->regions);
        free(p->ties);
        free(p);
    }
    hmap_destroy(&t->partitions);
    hmap_destroy(&t->states);
    sym_looks_uninit(t);
    for (size_t i = 0; i < t->n_flows; i++) {
        free(t->flows[i]->matches);
        free(t->flows[i]);
    }
    free(t->flows);
    for (size_t i = 0; i < t->n_groups; i++) {
        free(t->groups[i]->meta);
        hmap_destroy(&t->groups[i]->flows);
        free(t->groups[i]);
    }
    free(t->groups);
}

void
sym_tables_uninit(struct sym *sym)
{
    for (size_t i = 0; i < SYM_N_TABLES; i++) {
        table_uninit(&sym->tables[i]);
    }
}

/* Searching. */

struct candidates {
    struct sym_flow **flows;
    size_t n, allocated;
};

static void
candidates_add(struct candidates *c, struct sym_flow *sf,
               const struct header *h)
{
    for (size_t i = 0; i < sf->n_matches; i++) {
        const struct header_match *m = &sf->matches[i];

        if ((m->value ^ h->value[m->byte]) & m->mask & h->known[m->byte]) {
            return;
        }
    }
    if (c->n >= c->allocated) {
        c->flows = x2nrealloc(c->flows, &c->allocated, sizeof *c->flows);
    }
    c->flows[c->n++] = sf;
}

static void
find_candidates(const struct sym_table *t, const struct header *h,
                struct candidates *c)
{
    for (size_t i = 0; i < t->n_groups; i++) {
        const struct sym_group *g = t->groups[i];
        struct sym_flow *sf;
        uint32_t hash = 0;
        bool known = true;

        for (size_t j = 0; j < g->n_meta; j++) {
            const struct header_match *m = &g->meta[j];

            known = known && !(m->mask & ~h->known[m->byte]);
            hash = hash_add(hash, h->value[m->byte] & m->mask);
        }
        if (known) {
            HMAP_FOR_EACH_WITH_HASH (sf, node, hash_finish(hash, 0),
                                     &g->flows) {
                candidates_add(c, sf, h);
            }
        } else {
            HMAP_FOR_EACH (sf, node, &g->flows) {
                candidates_add(c, sf, h);
            }
        }
    }
    if (c->n) {
        qsort(c->flows, c->n, sizeof *c->flows, compare_flows);
    }
}

/* Partitions. */

/* Which rule gets the credit makes no difference to what comes after, if no
 * flow asks for it. */
static struct sym_region *
get_region(struct sym *sym, struct sym_partition *p,
           const struct sn_flow *flow)
{
    for (size_t i = 0; i < p->n_regions; i++) {
        struct sym_region *r = &p->regions[i];

        if (sym_have_same_fate(r->flow, flow, sym->asks_for_rule)) {
            return r;
        }
    }
    if (p->n_regions >= p->allocated_regions) {
        p->regions = x2nrealloc(p->regions, &p->allocated_regions,
                                sizeof *p->regions);
    }
    p->regions[p->n_regions] = (struct sym_region) { .flow = flow };
    return &p->regions[p->n_regions++];
}

static void
add_region(struct sym *sym, struct sym_partition *p,
           const struct sn_flow *flow, space_set set)
{
    struct sym_region *r = get_region(sym, p, flow);

    if (r->n_parts >= r->allocated_parts) {
        r->parts = x2nrealloc(r->parts, &r->allocated_parts,
                              sizeof *r->parts);
    }
    r->parts[r->n_parts++] = set;
}

static void
unite_regions(struct sym *sym, struct sym_partition *p)
{
    for (size_t i = 0; i < p->n_regions; i++) {
        struct sym_region *r = &p->regions[i];

        r->set = space_union(sym->space, r->parts, r->n_parts);
        free(r->parts);
        r->parts = NULL;
    }
}

static void
add_trouble(struct sym_partition *p, const struct symbolic_trouble *trouble)
{
    if (p->n_ties >= p->allocated_ties) {
        p->ties = x2nrealloc(p->ties, &p->allocated_ties, sizeof *p->ties);
    }
    p->ties[p->n_ties++] = *trouble;
}

/* Whether sets overlap is found out by halves, as most do not. */
static space_set
find_ties(struct sym *sym, struct sym_partition *p,
          struct sym_flow *const *flows, const space_set *sets, size_t n)
{
    if (n <= 1) {
        return n ? sets[0] : SPACE_NONE;
    }

    size_t half = n / 2;
    space_set low = find_ties(sym, p, flows, sets, half);
    space_set high = find_ties(sym, p, flows + half, sets + half, n - half);
    space_set overlap = space_and(sym->space, low, high);
    for (size_t i = 0; i < half && overlap != SPACE_NONE; i++) {
        for (size_t j = half; j < n && space_meets(sym->space, sets[i],
                                                   overlap); j++) {
            space_set both = space_and(sym->space, sets[i], sets[j]);

            if (both != SPACE_NONE
                && !sym_have_same_fate(flows[i]->flow, flows[j]->flow,
                                       false)) {
                add_trouble(p, &(struct symbolic_trouble) {
                    .kind = SYMBOLIC_TIE, .flow = flows[i]->flow,
                    .table_id = flows[i]->flow->table_id,
                    .other = flows[j]->flow, .set = both,
                });
            }
        }
    }
    return space_or(sym->space, low, high);
}

static void
take(struct sym *sym, struct sym_partition *p, const struct sym_flow *sf,
     space_set set)
{
    if (sf->outside) {
        add_trouble(p, &(struct symbolic_trouble) {
            .kind = SYMBOLIC_UNKNOWN, .flow = sf->flow,
            .table_id = sf->flow->table_id,
            .what = "a match on a tunnel", .set = set,
        });
    }
    add_region(sym, p, sf->flow, set);
}

/* Flows of one priority that are no parts of conjunctions.  Returns what they
 * leave. */
static space_set
sweep_hard(struct sym *sym, struct sym_partition *p, const struct header *h,
           struct sym_flow *const *flows, size_t n, space_set remaining)
{
    space_set *sets = xmalloc((n + 1) * sizeof *sets);
    space_set taken;

    for (size_t i = 0; i < n; i++) {
        const struct sym_flow *sf = flows[i];

        sets[i] = sf->soft ? SPACE_NONE
                  : space_and(sym->space, remaining,
                              header_match_set(sym->space, h, sf->matches,
                                               sf->n_matches));
        if (sets[i] != SPACE_NONE) {
            take(sym, p, sf, sets[i]);
        }
    }
    taken = find_ties(sym, p, flows, sets, n);
    free(sets);
    return space_minus(sym->space, remaining, taken);
}

struct clause {
    uint32_t id;
    uint8_t number, n_clauses;
    space_set set;
};

static int
compare_clauses(const void *a_, const void *b_)
{
    const struct clause *a = a_;
    const struct clause *b = b_;

    return (a->id != b->id ? (a->id < b->id ? -1 : 1)
            : a->number < b->number ? -1 : a->number > b->number);
}

static size_t
collect_clauses(struct sym *sym, const struct header *h,
                struct sym_flow *const *flows, size_t n, struct clause **ret)
{
    struct clause *clauses = NULL;
    size_t n_clauses = 0, allocated = 0;

    for (size_t i = 0; i < n; i++) {
        const struct sym_flow *sf = flows[i];
        const struct ofpact *a;

        if (!sf->soft) {
            continue;
        }
        space_set set = header_match_set(sym->space, h, sf->matches,
                                         sf->n_matches);
        OFPACT_FOR_EACH (a, sf->flow->ofpacts, sf->flow->ofpacts_len) {
            const struct ofpact_conjunction *conj = ofpact_get_CONJUNCTION(a);

            if (n_clauses >= allocated) {
                clauses = x2nrealloc(clauses, &allocated, sizeof *clauses);
            }
            clauses[n_clauses++] = (struct clause) {
                conj->id, conj->clause, conj->n_clauses, set,
            };
        }
    }
    if (n_clauses) {
        qsort(clauses, n_clauses, sizeof *clauses, compare_clauses);
    }
    *ret = clauses;
    return n_clauses;
}

/* What satisfies the conjunction that clauses[0] belongs to.  Its own sides
 * are small beside what remains of a table. */
static space_set
conjoin(struct sym *sym, const struct clause *clauses, size_t n,
        space_set remaining)
{
    space_set set = SPACE_ALL;
    int n_met = 0;

    for (size_t i = 0; i < n; ) {
        uint8_t number = clauses[i].number;
        space_set side = SPACE_NONE;

        for (; i < n && clauses[i].number == number; i++) {
            side = space_or(sym->space, side, clauses[i].set);
        }
        set = space_and(sym->space, set, side);
        n_met++;
    }
    return (n_met == clauses[0].n_clauses
            ? space_and(sym->space, set, remaining) : SPACE_NONE);
}

static space_set sweep(struct sym *, const struct sym_table *,
                       struct sym_partition *, const struct header *,
                       bool soft, space_set remaining);

/* The parts of conjunctions of one priority.  As OVS does it, what satisfies
 * one of them is looked up again with its number as conj_id. */
static space_set
sweep_soft(struct sym *sym, const struct sym_table *t,
           struct sym_partition *p, const struct header *h,
           struct sym_flow *const *flows, size_t n, space_set remaining)
{
    struct clause *clauses;
    size_t n_clauses = collect_clauses(sym, h, flows, n, &clauses);

    for (size_t i = 0, end; i < n_clauses; i = end) {
        for (end = i + 1; end < n_clauses && clauses[end].id == clauses[i].id;
             end++) {
            continue;
        }
        space_set set = conjoin(sym, &clauses[i], end - i, remaining);
        if (set != SPACE_NONE) {
            struct header with_id = *h;

            for (size_t j = 0; j < sizeof clauses[i].id; j++) {
                header_set(&with_id, HEADER_BYTE(conj_id) + j,
                           ((const uint8_t *) &clauses[i].id)[j], UINT8_MAX);
            }
            space_set left = sweep(sym, t, p, &with_id, false, set);
            remaining = space_or(sym->space, left,
                                 space_minus(sym->space, remaining, set));
        }
    }
    free(clauses);
    return remaining;
}

static space_set
sweep(struct sym *sym, const struct sym_table *t, struct sym_partition *p,
      const struct header *h, bool soft, space_set remaining)
{
    struct candidates c = { .n = 0 };

    find_candidates(t, h, &c);
    for (size_t i = 0, end; i < c.n && remaining != SPACE_NONE; i = end) {
        uint16_t priority = c.flows[i]->flow->priority;
        bool any_soft = false;

        for (end = i; end < c.n && c.flows[end]->flow->priority == priority;
             end++) {
            any_soft |= c.flows[end]->soft;
        }
        remaining = sweep_hard(sym, p, h, &c.flows[i], end - i, remaining);
        if (soft && any_soft) {
            remaining = sweep_soft(sym, t, p, h, &c.flows[i], end - i,
                                   remaining);
        }
    }
    free(c.flows);
    return remaining;
}

const struct sym_partition *
sym_partition_get(struct sym *sym, struct sym_table *t,
                  const struct header *h)
{
    struct sym_partition *p;
    struct header key;

    memset(&key, 0, sizeof key);
    for (size_t i = 0; i < HEADER_SIZE; i++) {
        uint8_t mask = t->mask[i];

        key.known[i] = h->known[i] & mask;
        key.value[i] = h->value[i] & mask;
        key.from[i] = mask & ~h->known[i] ? h->from[i] : 0;
    }

    uint32_t hash = header_hash(&key);
    HMAP_FOR_EACH_WITH_HASH (p, node, hash, &t->partitions) {
        if (header_equals(&p->key, &key)) {
            return p;
        }
    }
    p = xzalloc(sizeof *p);
    p->key = key;
    hmap_insert(&t->partitions, &p->node, hash);
    p->rest = sweep(sym, t, p, h, true, SPACE_ALL);
    unite_regions(sym, p);
    return p;
}
