#ifndef SN_SUGGEST_H
#define SN_SUGGEST_H 1

/* "did you mean …": the nearest of the names that exist to the one that a
 * user wrote. */

#include <stddef.h>

struct suggest {
    const char *word;           /* What the user wrote. */
    const char *best;           /* Nearest candidate, or NULL. */
    size_t distance;            /* Of 'best'. */
};

/* Offer the candidates one after the other; 'best' is then the nearest that
 * is near enough to be a likely slip of the pen, or NULL.  Candidates must
 * outlive the struct. */
void suggest_init(struct suggest *, const char *word);
void suggest_offer(struct suggest *, const char *candidate);

#endif /* lib/suggest.h */
