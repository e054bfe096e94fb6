#ifndef SN_SPACE_H
#define SN_SPACE_H 1

/* Sets of packets, or of anything else that is made of bits.
 *
 * A set is a decision diagram: the bits in a fixed order, equal subtrees kept
 * once.  Equal sets have therefore equal numbers, emptiness is a comparison,
 * and what many cubes have in common, such as the addresses of one identity,
 * is neither split nor copied by what is taken away from it elsewhere.
 *
 * Sets are never freed one by one: all go with their space. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint32_t space_set;
#define SPACE_NONE 0            /* The empty set. */
#define SPACE_ALL 1

/* Within such a block of bits, from a multiple of it on, adjacent ones cost as
 * little as one. */
#define SPACE_BLOCK 32

struct space;
/* Of elements with 'n_bits' bits, numbered from 0 in the order of the
 * diagrams. */
struct space *space_create(uint16_t n_bits);
void space_destroy(struct space *);
size_t space_size(const struct space *);        /* Nodes. */
size_t space_memory(const struct space *);      /* Bytes. */

struct space_literal {
    uint16_t bit;
    bool value;
};
/* The elements that have all of these values.  'literals' must be sorted by
 * bit, and distinct. */
space_set space_cube(struct space *, const struct space_literal *, size_t n);

space_set space_and(struct space *, space_set, space_set);
space_set space_or(struct space *, space_set, space_set);
space_set space_minus(struct space *, space_set, space_set);
/* Whether they have an element in common: cheaper than what they have. */
bool space_meets(struct space *, space_set, space_set);
/* The union of many; cheapest if neighbours are alike.  Overwrites 'sets'. */
space_set space_union(struct space *, space_set *sets, size_t n);
bool space_includes(struct space *, space_set, space_set part);

/* What a bit becomes. */
enum space_fate {
    SPACE_KEEP,
    SPACE_ZERO,                 /* Of those with the bit 0, without it. */
    SPACE_ONE,
    SPACE_EITHER,               /* The bit is forgotten. */
};
/* 'fates' has one for each bit. */
space_set space_project(struct space *, space_set, const uint8_t *fates);

/* Stores the bits of one element of a set that is not empty.  A bit that does
 * not matter is 0. */
void space_pick(const struct space *, space_set, bool *bits);
bool space_contains(const struct space *, space_set, const bool *bits);

#endif /* flows/space.h */
