#ifndef SN_SWEEP_H
#define SN_SWEEP_H 1

/* Deletes the requests of commands that were killed (ovsdb-sync/request.h).
 * Like undo.h, for controllers that may write desired state. */

struct db_connection;

struct sweep;
/* Registers the columns that it needs. */
struct sweep *sweep_create(const struct db_connection *);
void sweep_destroy(struct sweep *);
void sweep_run(struct sweep *);
void sweep_wait(const struct sweep *);

#endif /* controller/sweep.h */
