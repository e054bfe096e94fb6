#ifndef SN_FALLBACK_H
#define SN_FALLBACK_H 1

/* `apply --confirm`: a state that nobody confirms in time is not obeyed.
 *
 * With such a state the database holds the one before it (Mesh.fallback).
 * Each daemon goes back to that by its own clock, so that a host which the new
 * state has cut off from the database comes back all the same.  A controller
 * that may write desired state then makes it last (controller/undo.h). */

#include <stdbool.h>
#include <stdint.h>

struct fallback;
struct model;
struct sndb_mesh;

struct fallback *fallback_create(void);
void fallback_destroy(struct fallback *);

/* Takes in what 'mesh' (may be NULL) says.  'live': a new state is one that
 * was applied just now, not one found at start, whose time runs by the wall
 * clock. */
void fallback_run(struct fallback *, const struct sndb_mesh *, bool live);
/* Whether the state of the database is not to be obeyed now. */
bool fallback_is_due(const struct fallback *);
/* Arranges to wake up when it becomes due. */
void fallback_wait(const struct fallback *);

/* What the text of the state before 'generation' is called, where a name of a
 * file is wanted.  Caller frees. */
char *fallback_name(int64_t generation);

/* The state to go back to; NULL, with the cause in the log, if it cannot be
 * read.  Caller destroys. */
struct model *fallback_load(const struct fallback *);

#endif /* ovsdb-sync/fallback.h */
