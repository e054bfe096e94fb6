#ifndef SN_APPLY_WAIT_H
#define SN_APPLY_WAIT_H 1

/* Waiting until every node's agent and controller has enforced a
 * generation. */

#include <stdbool.h>
#include <stdint.h>

struct session;

/* Runs until all nodes have confirmed 'generation' (returns true) or the time
 * 'deadline' (of time_msec()) is reached.  With 'progress', each confirmation
 * is a line on standard error. */
bool apply_wait(struct session *, int64_t generation, long long int deadline,
                bool progress);

#endif /* cli/apply-wait.h */
