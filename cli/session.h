#ifndef SN_SESSION_H
#define SN_SESSION_H 1

/* One look at the central database, for the commands that print state:
 * connects, reads everything once, and gives up with a clear message after
 * the context's timeout. */

#include <stdint.h>

struct command_context;
struct model;
struct output;
struct ovsdb_idl;

struct session;
struct sndb_mesh;
struct sndb_port_status;

/* Returns NULL after having said why, and what to do. */
struct session *session_open(const struct command_context *);
/* The same, also if 'node' (NULL: any) is none of the mesh's. */
struct session *session_open_at(const struct command_context *,
                                const char *node);
/* session_open(), but leaves it to the caller to say why: '*ret_error', which
 * he frees. */
struct session *session_try(const struct command_context *,
                            char **ret_error);
/* The same with the texts of all revisions. */
struct session *session_open_full(const struct command_context *);
void session_close(struct session *);

/* For a longer look: takes in what changed, and waits for more.  Not while a
 * transaction is being composed. */
void session_run(struct session *);
void session_wait(struct session *);

/* The error of a transaction whose outcome nobody told: why, as far as that
 * can be found out, and 'what' to do.  Caller frees. */
char *session_lost(const struct session *, const char *what);

struct ovsdb_idl *session_idl(const struct session *);
const struct model *session_model(const struct session *);
int64_t session_generation(const struct session *);
/* The mesh's row, if its state waits for `socknet confirm`; else NULL. */
const struct sndb_mesh *session_pending(const struct session *);
/* What the agent of 'node' says of a port; NULL: nothing. */
const struct sndb_port_status *session_port_status(const struct session *,
                                                   const char *node,
                                                   const char *name);
/* What this session calls itself when it asks agents (ask.h). */
const char *session_asker(const struct session *);
/* Says so if nothing was ever applied. */
void session_output_emptiness(const struct session *, struct output *);

#endif /* cli/session.h */
