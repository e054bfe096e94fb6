#ifndef SN_STATE_SOURCE_H
#define SN_STATE_SOURCE_H 1

/* The desired state, out of the central database or, with --from, a file. */

#include <stdbool.h>

struct command_context;
struct model;
struct session;

struct state_source {
    struct session *session;    /* NULL: a file. */
    struct model *file;         /* NULL: the database. */
};

/* 'path' NULL: the database; 'node' names that of a single host's file.
 * Returns false after having said why. */
bool state_source_open(struct state_source *, const struct command_context *,
                       const char *path, const char *node);
const struct model *state_source_model(const struct state_source *);
void state_source_close(struct state_source *);

#endif /* cli/state-source.h */
