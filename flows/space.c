#include <config.h>

#include "flows/space.h"

#include <stdlib.h>
#include <string.h>
#include "hash.h"
#include "openvswitch/util.h"
#include "util.h"

/* Nodes 0 and 1 are the empty set and the full one.  Of the others, one is
 *
 * - a branch, 'len' 0: where a bit is 0, and where it is 1.  Neither is the
 *   empty set, and they differ;
 *
 * - or a chain: of adjacent bits that must have these values, or there is
 *   nothing.  It is as long as it can be within its block of bits.
 *
 * Most of what flows match are addresses and ports: as chains they are one
 * node each, and so is what sets have of them below the last branch. */
struct node {
    uint32_t low;               /* Branch: where it is 0.  Chain: the values,
                                 * the last bit's the least significant. */
    uint32_t high;              /* Branch: where it is 1.  Chain: what follows
                                 * if the values are these. */
    uint32_t next;              /* In the same bucket of 'unique', or 0. */
    uint16_t bit;               /* The first. */
    uint16_t len;               /* Bits of a chain. */
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

static uint32_t
hash_node(uint32_t low, uint32_t high, uint16_t bit, uint16_t len)
{
    return hash_3words(low, high, bit | (uint32_t) len << 16);
}

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
        uint32_t *head = &s->unique[hash_node(node->low, node->high,
                                              node->bit, node->len)
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
get_node(struct space *s, uint16_t bit, uint16_t len, uint32_t low,
         uint32_t high)
{
    uint32_t hash = hash_node(low, high, bit, len);

    for (uint32_t i = s->unique[hash & s->unique_mask]; i;
         i = s->nodes[i].next) {
        const struct node *node = &s->nodes[i];

        if (node->low == low && node->high == high && node->bit == bit
            && node->len == len) {
            return i;
        }
    }
    if (s->n_nodes >= s->allocated_nodes) {
        space_grow(s);
    }
    uint32_t *head = &s->unique[hash & s->unique_mask];
    uint32_t i = s->n_nodes++;
    s->nodes[i] = (struct node) {
        .low = low, .high = high, .next = *head, .bit = bit, .len = len,
    };
    *head = i;
    return i;
}

/* All within one block. */
static uint32_t
get_chain(struct space *s, uint16_t bit, uint16_t len, uint32_t values,
          uint32_t then)
{
    const struct node *node = &s->nodes[then];

    if (then == SPACE_NONE) {
        return SPACE_NONE;
    } else if (node->len && node->bit == bit + len
               && node->bit % SPACE_BLOCK) {
        values = values << node->len | node->low;
        len += node->len;
        then = node->high;
    }
    return get_node(s, bit, len, values, then);
}

static uint32_t
get_branch(struct space *s, uint16_t bit, uint32_t low, uint32_t high)
{
    return (low == high ? low
            : low == SPACE_NONE ? get_chain(s, bit, 1, 1, high)
            : high == SPACE_NONE ? get_chain(s, bit, 1, 0, low)
            : get_node(s, bit, 0, low, high));
}

/* The last 'n' of a chain's values. */
static uint32_t
last_values(uint32_t values, unsigned int n)
{
    return n < SPACE_BLOCK ? values & ((UINT32_C(1) << n) - 1) : values;
}

static bool
chain_value(const struct node *chain, uint16_t bit)
{
    return chain->low >> (chain->bit + chain->len - 1 - bit) & 1;
}

/* A chain without its first 'n' bits. */
static uint32_t
chain_rest(struct space *s, const struct node *chain, uint16_t n)
{
    uint16_t len = chain->len - n;

    return len ? get_node(s, chain->bit + n, len,
                          last_values(chain->low, len), chain->high)
           : chain->high;
}

space_set
space_cube(struct space *s, const struct space_literal *literals, size_t n)
{
    space_set set = SPACE_ALL;

    while (n > 0) {
        uint32_t values = 0;
        uint16_t len = 0, bit;

        do {
            bit = literals[--n].bit;
            values |= (uint32_t) literals[n].value << len++;
        } while (n > 0 && bit % SPACE_BLOCK
                 && literals[n - 1].bit + 1 == bit);
        set = get_chain(s, bit, len, values, set);
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

static uint32_t apply(struct space *, enum op, uint32_t a, uint32_t b);

/* What is left of a set, which begins no earlier, where the bits of a chain
 * have its values. */
static uint32_t
follow_chain(struct space *s, uint32_t set, const struct node *chain)
{
    uint16_t end = chain->bit + chain->len;

    while (s->nodes[set].bit < end) {
        const struct node node = s->nodes[set];

        if (!node.len) {
            set = chain_value(chain, node.bit) ? node.high : node.low;
            continue;
        }
        uint16_t n = MIN(end - node.bit, node.len);
        if (node.low >> (node.len - n)
            != last_values(chain->low >> (end - node.bit - n), n)) {
            return SPACE_NONE;
        }
        set = chain_rest(s, &node, n);
    }
    return set;
}

/* 'on' where the first 'n' bits of a chain have its values, 'off' elsewhere;
 * neither looks at these bits. */
static uint32_t
spread(struct space *s, const struct node *chain, uint16_t n, uint32_t on,
       uint32_t off)
{
    for (uint16_t bit = chain->bit + n; bit-- > chain->bit; ) {
        bool value = chain_value(chain, bit);

        on = get_branch(s, bit, value ? off : on, value ? on : off);
    }
    return on;
}

/* 'a' is a chain and begins no later than 'b'. */
static uint32_t
apply_to_chain(struct space *s, enum op op, uint32_t a, uint32_t b)
{
    const struct node chain = s->nodes[a];
    uint32_t then = apply(s, op, chain.high, follow_chain(s, b, &chain));

    return (op == OP_MEETS ? then
            : then == chain.high ? a
            : get_chain(s, chain.bit, chain.len, chain.low, then));
}

/* Two chains that begin with the same bit: how many values they share. */
static uint16_t
count_same(const struct node *a, const struct node *b)
{
    uint16_t n = MIN(a->len, b->len);
    uint32_t differ = a->low >> (a->len - n) ^ b->low >> (b->len - n);

    return differ ? n - (SPACE_BLOCK - clz32(differ)) : n;
}

static uint32_t
cofactor(struct space *s, uint32_t set, const struct node *node, uint16_t bit,
         bool value)
{
    return (node->bit != bit ? set
            : !node->len ? (value ? node->high : node->low)
            : chain_value(node, bit) == value ? chain_rest(s, node, 1)
            : SPACE_NONE);
}

/* Bit by bit, or as far as one is a chain and the other looks at nothing. */
static uint32_t
apply_to_branch(struct space *s, enum op op, uint32_t a, uint32_t b)
{
    const struct node na = s->nodes[a], nb = s->nodes[b];
    uint16_t bit = MIN(na.bit, nb.bit);

    if (na.len && nb.len && na.bit == nb.bit) {
        uint16_t n = count_same(&na, &nb);

        if (n) {
            uint32_t then = apply(s, op, chain_rest(s, &na, n),
                                  chain_rest(s, &nb, n));
            return get_chain(s, bit, n, na.low >> (na.len - n), then);
        }
    } else if (na.len && na.bit < nb.bit) {
        uint16_t n = MIN(na.len, nb.bit - bit);

        return spread(s, &na, n, apply(s, op, chain_rest(s, &na, n), b), b);
    } else if (nb.len && nb.bit < na.bit) {
        uint16_t n = MIN(nb.len, na.bit - bit);

        return spread(s, &nb, n, apply(s, op, a, chain_rest(s, &nb, n)), a);
    }

    uint32_t low = apply(s, op, cofactor(s, a, &na, bit, false),
                         cofactor(s, b, &nb, bit, false));
    if (op == OP_MEETS && low) {
        return SPACE_ALL;
    }
    uint32_t high = apply(s, op, cofactor(s, a, &na, bit, true),
                          cofactor(s, b, &nb, bit, true));
    return op == OP_MEETS ? high : get_branch(s, bit, low, high);
}

/* Where a chain narrows the result down, there is no need to branch. */
static uint32_t
apply_deeper(struct space *s, enum op op, uint32_t a, uint32_t b)
{
    const struct node *na = &s->nodes[a], *nb = &s->nodes[b];

    if (op != OP_OR && na->len && na->bit <= nb->bit) {
        return apply_to_chain(s, op, a, b);
    } else if (op != OP_OR && op != OP_MINUS && nb->len
               && nb->bit <= na->bit) {
        return apply_to_chain(s, op, b, a);
    }
    return apply_to_branch(s, op, a, b);
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
    set = apply_deeper(s, op, a, b);
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
    uint16_t end;               /* From here on all bits are kept. */
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
        struct memo bigger = { .mask = m->mask * 2 + 1, .end = m->end };

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

static uint32_t project(struct space *, uint32_t set, const uint8_t *fates,
                        struct memo *);

static uint32_t
project_branch(struct space *s, const struct node *node, const uint8_t *fates,
               struct memo *m)
{
    enum space_fate fate = fates[node->bit];
    uint32_t low = fate == SPACE_ONE ? SPACE_NONE
                   : project(s, node->low, fates, m);
    uint32_t high = fate == SPACE_ZERO ? SPACE_NONE
                    : project(s, node->high, fates, m);

    return fate == SPACE_KEEP ? get_branch(s, node->bit, low, high)
           : apply(s, OP_OR, low, high);
}

static uint32_t
project_chain(struct space *s, const struct node *chain, const uint8_t *fates,
              struct memo *m)
{
    uint32_t to = project(s, chain->high, fates, m);

    for (uint16_t bit = chain->bit + chain->len; bit-- > chain->bit; ) {
        bool value = chain_value(chain, bit);

        if (fates[bit] == SPACE_KEEP) {
            to = get_chain(s, bit, 1, value, to);
        } else if (fates[bit] == (value ? SPACE_ZERO : SPACE_ONE)) {
            return SPACE_NONE;
        }
    }
    return to;
}

static uint32_t
project(struct space *s, uint32_t set, const uint8_t *fates, struct memo *m)
{
    if (s->nodes[set].bit >= m->end) {
        return set;
    }

    size_t i = memo_find(m, set);
    if (m->items[i].from) {
        return m->items[i].to;
    }

    const struct node node = s->nodes[set];
    uint32_t to = (node.len ? project_chain(s, &node, fates, m)
                   : project_branch(s, &node, fates, m));
    memo_put(m, set, to);
    return to;
}

space_set
space_project(struct space *s, space_set set, const uint8_t *fates)
{
    struct memo m = { .mask = 63, .end = s->n_bits };

    while (m.end > 0 && fates[m.end - 1] == SPACE_KEEP) {
        m.end--;
    }
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

        for (uint16_t i = node->bit; i < node->bit + node->len; i++) {
            bits[i] = chain_value(node, i);
        }
        set = node->len ? node->high : node->low;
    }
}

bool
space_contains(const struct space *s, space_set set, const bool *bits)
{
    while (set > 1) {
        const struct node *node = &s->nodes[set];

        for (uint16_t i = node->bit; i < node->bit + node->len; i++) {
            if (bits[i] != chain_value(node, i)) {
                return false;
            }
        }
        set = node->len || bits[node->bit] ? node->high : node->low;
    }
    return set == SPACE_ALL;
}
