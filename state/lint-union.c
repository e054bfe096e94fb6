#include <config.h>

#include "state/lint-private.h"

#include "bitmap.h"
#include "openvswitch/match.h"
#include "util.h"

/* Whether several matches together take all that one does.
 *
 * What is left of a match, once another is taken from it, is cut into matches
 * that do not overlap, one per bit that the other looks at and it does not;
 * each of them has to be taken by those that follow.  The first one that is
 * not ends the search. */

/* Beyond, it counts as not taken. */
#define MAX_STEPS 50000

#define N_WORDS (sizeof(struct flow) / sizeof(uint64_t))

struct search {
    const struct match *const *others;
    size_t n;
    unsigned long *used;
    size_t steps;
};

static const uint64_t *
words(const struct flow *flow)
{
    return (const uint64_t *) flow;
}

static bool
overlaps(const struct match *a, const struct match *b)
{
    for (size_t i = 0; i < N_WORDS; i++) {
        if ((words(&a->flow)[i] ^ words(&b->flow)[i])
            & words(&a->wc.masks)[i] & words(&b->wc.masks)[i]) {
            return false;
        }
    }
    return true;
}

static bool is_taken(struct search *, const struct match *, size_t next);

/* 'rest' is what others[k] takes a part of.  Fixes, bit by bit, what that one
 * looks at: with the bit turned round, the packets are not its own. */
static bool
rest_is_taken(struct search *search, struct match rest, size_t k)
{
    const struct match *o = search->others[k];

    for (size_t i = 0; i < N_WORDS; i++) {
        uint64_t *flow = (uint64_t *) &rest.flow + i;
        uint64_t *mask = (uint64_t *) &rest.wc.masks + i;
        uint64_t open = words(&o->wc.masks)[i] & ~*mask;

        while (open) {
            uint64_t bit = open & -open;
            uint64_t value = words(&o->flow)[i] & bit;

            *mask |= bit;
            *flow = (*flow & ~bit) | (value ^ bit);
            if (!is_taken(search, &rest, k + 1)) {
                return false;
            }
            *flow = (*flow & ~bit) | value;
            open &= ~bit;
        }
    }
    return true;
}

static bool
is_taken(struct search *search, const struct match *match, size_t next)
{
    if (++search->steps > MAX_STEPS) {
        return false;
    }
    while (next < search->n && !overlaps(match, search->others[next])) {
        next++;
    }
    if (next == search->n || !rest_is_taken(search, *match, next)) {
        return false;
    }
    bitmap_set1(search->used, next);
    return true;
}

bool
lint_match_is_taken(const struct match *match,
                    const struct match *const others[], size_t n,
                    unsigned long *used)
{
    struct search search = { .others = others, .n = n, .used = used };

    return is_taken(&search, match, 0);
}
