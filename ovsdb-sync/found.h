#ifndef SN_FOUND_H
#define SN_FOUND_H 1

/* Found_Container: containers that agents found and nobody declared, and the
 * containers of the model that are made of them. */

#include <stdbool.h>
#include <stddef.h>

struct model;
struct model_changes;
struct model_container;
struct ovsdb_idl;
struct ovsdb_idl_txn;

/* Registers what found_run() reads, with change tracking. */
void found_add_columns(struct ovsdb_idl *);
/* Brings the adopted containers of 'model' up to date, after all else of it,
 * and adds those that differ to 'changes'.  '*has_adopted', at first false, is
 * for its own use. */
void found_run(struct ovsdb_idl *, struct model *, bool *has_adopted,
               struct model_changes *);

/* As the functions of status-sync.h: 'containers' are all that 'node' has. */
void status_sync_found(struct ovsdb_idl_txn *, const char *node,
                       const struct model_container *const containers[],
                       size_t n);

#endif /* ovsdb-sync/found.h */
