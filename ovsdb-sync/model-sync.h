#ifndef SN_MODEL_SYNC_H
#define SN_MODEL_SYNC_H 1

/* Central database <-> model.  The controller, the agent and the command all
 * get their model here; only `apply` writes desired state. */

#include <stdbool.h>
#include <stdint.h>

struct diags;
struct model;
struct model_changes;
struct ovsdb_idl;

/* Registers the tables that this module reads; call after
 * ovsdb_idl_create(remote, &sndb_idl_class, false or true, …). */
void model_sync_add_columns(struct ovsdb_idl *);

struct model_sync;
struct model_sync *model_sync_create(struct ovsdb_idl *);
void model_sync_destroy(struct model_sync *);
/* After ovsdb_idl_run(): carries the tracked row changes into the model and
 * adds their keys to 'changes' (first run: 'all').  The caller clears the
 * IDL's track afterwards.  Returns true if the model is usable (the database
 * has been read once). */
bool model_sync_run(struct model_sync *, struct model_changes *changes);
const struct model *model_sync_model(const struct model_sync *);
int64_t model_sync_generation(const struct model_sync *);

#endif /* ovsdb-sync/model-sync.h */
