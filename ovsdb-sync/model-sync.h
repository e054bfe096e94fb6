#ifndef SN_MODEL_SYNC_H
#define SN_MODEL_SYNC_H 1

/* Central database <-> model.  The controller, the agent and the command all
 * get their model here; only `apply` writes desired state. */

#include <stdbool.h>
#include <stdint.h>

struct model;
struct model_changes;
struct ovsdb_idl;

/* Registers the tables that this module reads, with change tracking; call
 * before the first ovsdb_idl_run().  (ovsdb_idl_add_column() on one of them
 * afterwards would switch its tracking off.) */
void model_sync_add_columns(struct ovsdb_idl *);

struct model_sync;
struct model_sync *model_sync_create(struct ovsdb_idl *);
void model_sync_destroy(struct model_sync *);
/* After ovsdb_idl_run(): carries the tracked row changes into the model and
 * adds their keys to 'changes' (first run: 'all').  The caller clears the
 * IDL's track afterwards.  Returns true if the model is usable (the database
 * has been read once).
 *
 * An object that only moved within the state file gets its new place, but is
 * no change.  If the database is replaced by a new one that has not seen an
 * apply yet, the model stays what it was. */
bool model_sync_run(struct model_sync *, struct model_changes *changes);
/* Whether something else than the database calls for model_sync_run(), and how
 * to wake up for it. */
bool model_sync_is_due(const struct model_sync *);
void model_sync_wait(const struct model_sync *);
const struct model *model_sync_model(const struct model_sync *);
int64_t model_sync_generation(const struct model_sync *);

/* For those who enforce: a state that was applied with --confirm and that
 * nobody confirmed in time (fallback.h) gives way to the one before it.  Call
 * before the first model_sync_run(). */
void model_sync_honour_fallback(struct model_sync *);
/* Whether the model is that of the state before, now. */
bool model_sync_is_fallen(const struct model_sync *);

#endif /* ovsdb-sync/model-sync.h */
