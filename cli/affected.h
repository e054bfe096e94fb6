#ifndef SN_AFFECTED_H
#define SN_AFFECTED_H 1

/* Which pairs a change may concern, by the objects that differ: what is left
 * out needs no packets.  Rather too many than too few. */

#include <stdbool.h>
#include "state/model.h"

struct affected;
/* The models must outlive it. */
struct affected *affected_create(const struct model *old,
                                 const struct model *new);
void affected_destroy(struct affected *);

/* Of two ends as rules name them: a container, "node:NAME", a service,
 * "internet". */
bool affected_has_pair(struct affected *, const char *src, const char *dst);

/* Whether an object of both models only stands at another place in the file;
 * 'is' is as it was in the end. */
bool affected_is_moved(enum model_kind, const void *was, void *is);

#endif /* cli/affected.h */
