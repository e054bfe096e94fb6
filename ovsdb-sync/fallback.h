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

struct diags;
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

/* The text of a state to go back to, and, in comments, where the objects of
 * 'model' were written: they are to have these places again.  Caller frees. */
char *fallback_format(const struct model *);
/* Gives the objects of 'model', which was read from 'text', those places. */
void fallback_restore_places(struct model *, const char *text);
/* What fallback_format() wrote; 'name' stands for the file.  NULL, with what
 * is wrong in 'diags', if it cannot be read; caller destroys. */
struct model *fallback_parse(const char *text, const char *name,
                             struct diags *);

/* The state to go back to; NULL, with the cause in the log, if it cannot be
 * read.  Caller destroys. */
struct model *fallback_load(const struct fallback *);

#endif /* ovsdb-sync/fallback.h */
