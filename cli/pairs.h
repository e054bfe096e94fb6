#ifndef SN_PAIRS_H
#define SN_PAIRS_H 1

/* Pairs of nodes and how they reach each other, as their two agents say. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct session;
struct sndb_peer_status;

struct pair {
    const char *a, *b;          /* a < b. */
    const struct sndb_peer_status *views[2];    /* Of a, of b, or NULL. */
};

/* All pairs, or those of the node 'only', by name; the caller frees the
 * array. */
struct pair *pairs_find(const struct session *, const char *only,
                        size_t *ret_n);

/* The worse of the two views: "direct" ... "none"; "unknown" before both
 * reported. */
const char *pair_path(const struct pair *);
bool pair_is_direct(const struct pair *);
const char *pair_hub(const struct pair *);      /* NULL: it is not relayed. */
const char *pair_reason(const struct pair *);   /* NULL: nothing to say. */
int64_t pair_handshake(const struct pair *);    /* 0: never. */

#endif /* cli/pairs.h */
