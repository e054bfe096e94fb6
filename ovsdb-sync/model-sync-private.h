#ifndef SN_MODEL_SYNC_PRIVATE_H
#define SN_MODEL_SYNC_PRIVATE_H 1

/* struct model_sync, for model-sync*.c alone. */

#include <stdbool.h>
#include <stdint.h>
#include "openvswitch/hmap.h"
#include "openvswitch/shash.h"
#include "ovsdb-sync/exit-views.h"
#include "ovsdb-sync/machine-ports.h"
#include "state/model.h"

struct fallback;
struct sndb_mesh;

struct model_sync {
    struct ovsdb_idl *idl;
    struct model *model;
    struct hmap rows;           /* struct row_entry, by uuid. */
    struct shash keys[MODEL_N_KINDS]; /* Key to its struct row_entry. */
    struct node_silence *silence;
    struct hmap ports;          /* struct port_entry, by uuid. */
    struct hmap port_owners;    /* struct port_entry, by container. */
    struct exit_views exits;
    struct machine_ports machines;
    bool has_adopted;           /* Containers that nobody declared. */
    int64_t generation;
    bool read_once;
    bool hold;                  /* The database is new and empty. */
    struct fallback *fallback;  /* NULL: not honoured. */
    bool fallen;                /* 'model' is that of the state before. */
};

/* Takes in all rows, not only those that changed. */
void model_sync_run_all(struct model_sync *, struct model_changes *);
/* What is known of an object besides what was desired. */
void model_sync_apply_status(const struct model_sync *, enum model_kind,
                             void *object);

/* model-sync-fallback.c: puts the state of before in the place of one that
 * nobody confirmed, and ends that.  'live': as fallback_run() wants it. */
void model_sync_run_fallback(struct model_sync *, const struct sndb_mesh *,
                             bool live, struct model_changes *);

#endif /* ovsdb-sync/model-sync-private.h */
