#ifndef SN_PROVE_RUN_H
#define SN_PROVE_RUN_H 1

/* The proof (flows/prove.h) over all hosts of a state. */

#include <stdbool.h>

struct fabric;
struct model;
struct output;
struct proof;

/* Proves the state and puts the verdict, refutations and the way of each
 * packet that refutes into 'out': each invariant in a line of its own, or all
 * in one if 'brief'.  Returns whether everything is proven; if not, something
 * was said on standard error.  Gives containers stand-in MAC addresses. */
bool prove_run(struct model *, bool brief, struct output *out);
/* The same for a proof about the flows of 'fabric'. */
bool prove_output(const struct fabric *, const struct proof *, bool brief,
                  struct output *out);

#endif /* cli/prove-run.h */
