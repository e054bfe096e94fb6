#ifndef SN_UNDO_H
#define SN_UNDO_H 1

/* Makes the end of an unconfirmed state last: every daemon has gone back by
 * itself (ovsdb-sync/fallback.h); one that may write desired state, as
 * controllers at a local socket of the database may, writes the state before
 * into the database again, as a revision of its own. */

struct db_connection;
struct model_sync;
struct undo;

struct undo *undo_create(const struct db_connection *,
                         const struct model_sync *);
void undo_destroy(struct undo *);
void undo_run(struct undo *);
void undo_wait(const struct undo *);

#endif /* controller/undo.h */
