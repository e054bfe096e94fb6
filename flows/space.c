#include <config.h>

#include "flows/space.h"

#include <stdlib.h>
#include <string.h>
#include "hash.h"
#include "openvswitch/util.h"
#include "util.h"

/* Nodes 0 and 1 are the empty set and the full one. */
struct node {
    uint32_t low, high;         /* Where the bit is 0, where it is 1. */
    uint32_t next;              /* In the same bucket of 'unique', or 0. */
    uint16_t bit;
};

enum op { OP_AND = 1, OP_OR, OP_MINUS, OP_MEETS };

struct result {                 /* Of an operation, as long as it lasts. */
    uint32_t a, b, set;
    uint32_t op;
};

struct space {
    struct node *nodes;
    size_t n_nodes, allocated_nodes;
    uint32_t *unique;           /* Buckets by content. */
    size_t unique_mask;
    struct result *results;
    size_t results_mask;
    uint16_t n_bits;
};

enum { INITIAL_NODES = 1 << 14, MAX_RESULTS = 1 << 20 };

static void
space_grow(struct space *s)
{
    s->allocated_nodes *= 2;
    s->nodes = xrealloc(s->nodes, s->allocated_nodes * sizeof *s->nodes);
    free(s->unique);
    s->unique = xcalloc(s->allocated_nodes, sizeof *s->unique);
    s->unique_mask = s->allocated_nodes - 1;
    for (uint32_t i = 2; i < s->n_nodes; i++) {
        struct node *node = &s->nodes[i];
        uint32_t *head = &s->unique[hash_3words(node->low, node->high,
                                                node->bit)
                                    & s->unique_mask];

        node->next = *head;
        *head = i;
    }
    if (s->allocated_nodes <= MAX_RESULTS) {
        free(s->results);
        s->results = xcalloc(s->allocated_nodes, sizeof *s->results);
        s->results_mask = s->allocated_nodes - 1;
    }
}

struct space *
space_create(uint16_t n_bits)
{
    struct space *s = xzalloc(sizeof *s);

    s->n_bits = n_bits;
    s->n_nodes = 2;
    s->allocated_nodes = INITIAL_NODES / 2;
    space_grow(s);
    for (uint32_t i = 0; i < 2; i++) {
        s->nodes[i] = (struct node) { .low = i, .high = i, .bit = n_bits };
    }
    return s;
}

void
space_destroy(struct space *s)
{
    if (s) {
        free(s->nodes);
        free(s->unique);
        free(s->results);
        free(s);
    }
}

size_t
space_size(const struct space *s)
{
    return s->n_nodes;
}

size_t
space_memory(const struct space *s)
{
    return (s->allocated_nodes * sizeof *s->nodes
            + (s->unique_mask + 1) * sizeof *s->unique
            + (s->results_mask + 1) * sizeof *s->results);
}

static uint32_t
get_node(struct space *s, uint16_t bit, uint32_t low, uint32_t high)
{
    if (low == high) {
        return low;
    }

    uint32_t hash = hash_3words(low, high, bit);
    for (uint32_t i = s->unique[hash & s->unique_mask]; i;
         i = s->nodes[i].next) {
        const struct node *node = &s->nodes[i];

        if (node->low == low && node->high == high && node->bit == bit) {
            return i;
        }
    }
    if (s->n_nodes >= s->allocated_nodes) {
        space_grow(s);
    }
    uint32_t *head = &s->unique[hash & s->unique_mask];
    uint32_t i = s->n_nodes++;
    s->nodes[i] = (struct node) {
        .low = low, .high = high, .next = *head, .bit = bit,
    };
    *head = i;
    return i;
}

space_set
space_cube(struct space *s, const struct space_literal *literals, size_t n)
{
    space_set set = SPACE_ALL;

    while (n-- > 0) {
        set = get_node(s, literals[n].bit,
                       literals[n].value ? SPACE_NONE : set,
                       literals[n].value ? set : SPACE_NONE);
    }
    return set;
}

/* Whether the result follows without looking any deeper. */
static bool
is_simple(enum op op, uint32_t a, uint32_t b, uint32_t *ret)
{
    switch (op) {
    case OP_AND:
        *ret = a == SPACE_ALL ? b : b == SPACE_ALL || a == b ? a : SPACE_NONE;
        return a <= 1 || b <= 1 || a == b;
    case OP_OR:
        *ret = a == SPACE_NONE ? b
               : b == SPACE_NONE || a == b ? a : SPACE_ALL;
        return a <= 1 || b <= 1 || a == b;
    case OP_MINUS:
        *ret = b == SPACE_NONE ? a : SPACE_NONE;
        return b <= 1 || a == SPACE_NONE || a == b;
    case OP_MEETS:
        *ret = a && b ? SPACE_ALL : SPACE_NONE;
        return a <= 1 || b <= 1 || a == b;
    }
    OVS_NOT_REACHED();
}

static uint32_t
apply(struct space *s, enum op op, uint32_t a, uint32_t b)
{
    uint32_t set;

    if (is_simple(op, a, b, &set)) {
        return set;
    }
    if (op != OP_MINUS && a > b) {
        uint32_t swap = a;

        a = b;
        b = swap;
    }

    uint32_t hash = hash_3words(a, b, op);
    const struct result *known = &s->results[hash & s->results_mask];
    if (known->a == a && known->b == b && known->op == op) {
        return known->set;
    }

    struct node na = s->nodes[a], nb = s->nodes[b];
    uint16_t bit = MIN(na.bit, nb.bit);
    uint32_t low = apply(s, op, na.bit == bit ? na.low : a,
                         nb.bit == bit ? nb.low : b);
    if (op == OP_MEETS && low) {
        set = SPACE_ALL;
    } else {
        uint32_t high = apply(s, op, na.bit == bit ? na.high : a,
                              nb.bit == bit ? nb.high : b);
        set = op == OP_MEETS ? high : get_node(s, bit, low, high);
    }
    s->results[hash & s->results_mask] = (struct result) { a, b, set, op };
    return set;
}

space_set
space_and(struct space *s, space_set a, space_set b)
{
    return apply(s, OP_AND, a, b);
}

space_set
space_or(struct space *s, space_set a, space_set b)
{
    return apply(s, OP_OR, a, b);
}

space_set
space_minus(struct space *s, space_set a, space_set b)
{
    return apply(s, OP_MINUS, a, b);
}

bool
space_meets(struct space *s, space_set a, space_set b)
{
    return apply(s, OP_MEETS, a, b) != SPACE_NONE;
}

space_set
space_union(struct space *s, space_set *sets, size_t n)
{
    for (; n > 1; n = (n + 1) / 2) {
        for (size_t i = 0; i < n; i += 2) {
            sets[i / 2] = i + 1 < n ? apply(s, OP_OR, sets[i], sets[i + 1])
                          : sets[i];
        }
    }
    return n ? sets[0] : SPACE_NONE;
}

bool
space_includes(struct space *s, space_set set, space_set part)
{
    return apply(s, OP_MINUS, part, set) == SPACE_NONE;
}

/* What a projection has made of each node so far: open addressing. */
struct memo {
    struct { uint32_t from, to; } *items;
    size_t n, mask;
};

static size_t
memo_find(const struct memo *m, uint32_t from)
{
    size_t i = hash_int(from, 0) & m->mask;

    while (m->items[i].from && m->items[i].from != from) {
        i = (i + 1) & m->mask;
    }
    return i;
}

static void
memo_put(struct memo *m, uint32_t from, uint32_t to)
{
    if (++m->n * 2 > m->mask) {
        struct memo bigger = { .mask = m->mask * 2 + 1 };

        bigger.items = xcalloc(bigger.mask + 1, sizeof *bigger.items);
        bigger.n = m->n;
        for (size_t i = 0; i <= m->mask; i++) {
            if (m->items[i].from) {
                bigger.items[memo_find(&bigger, m->items[i].from)]
                    = m->items[i];
            }
        }
        free(m->items);
        *m = bigger;
    }
    size_t i = memo_find(m, from);
    m->items[i].from = from;
    m->items[i].to = to;
}

static uint32_t
project(struct space *s, uint32_t set, const uint8_t *fates, struct memo *m)
{
    if (set <= 1) {
        return set;
    }

    size_t i = memo_find(m, set);
    if (m->items[i].from) {
        return m->items[i].to;
    }

    struct node node = s->nodes[set];
    enum space_fate fate = fates[node.bit];
    uint32_t low = fate == SPACE_ONE ? SPACE_NONE
                   : project(s, node.low, fates, m);
    uint32_t high = fate == SPACE_ZERO ? SPACE_NONE
                    : project(s, node.high, fates, m);
    uint32_t to = fate == SPACE_KEEP ? get_node(s, node.bit, low, high)
                  : apply(s, OP_OR, low, high);
    memo_put(m, set, to);
    return to;
}

space_set
space_project(struct space *s, space_set set, const uint8_t *fates)
{
    struct memo m = { .mask = 63 };

    m.items = xcalloc(m.mask + 1, sizeof *m.items);
    set = project(s, set, fates, &m);
    free(m.items);
    return set;
}

void
space_pick(const struct space *s, space_set set, bool *bits)
{
    ovs_assert(set != SPACE_NONE);
    memset(bits, 0, s->n_bits * sizeof *bits);
    while (set != SPACE_ALL) {
        const struct node *node = &s->nodes[set];

        bits[node->bit] = node->low == SPACE_NONE;
        set = bits[node->bit] ? node->high : node->low;
    }
}

bool
space_contains(const struct space *s, space_set set, const bool *bits)
{
    while (set > 1) {
        const struct node *node = &s->nodes[set];

        set = bits[node->bit] ? node->high : node->low;
    }
    return set == SPACE_ALL;
}
