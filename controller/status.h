#ifndef SN_CONTROLLER_STATUS_H
#define SN_CONTROLLER_STATUS_H 1

/* Writes a Bridge_Status row per bridge into the central database: one
 * transaction at a time, only when something changed, and nothing while the
 * database is away. */

struct db_connection;
struct fleet;

struct status;
struct status *status_create(const struct db_connection *);
void status_destroy(struct status *);
void status_run(struct status *, struct fleet *);
void status_wait(struct status *);

#endif /* controller/status.h */
