#ifndef SN_MODEL_APPLY_H
#define SN_MODEL_APPLY_H 1

/* Model -> the desired rows of the central database, as one transaction of
 * differences.
 *
 * A row that says what its object says is not touched.  If an object differs,
 * Mesh.generation rises by one, and agents and controllers see that there is
 * something to enforce.  If an object only moved within the state file, its
 * column "source" follows, without a new generation.
 *
 * Mesh.revision rises with every transaction that writes anything, and every
 * transaction has the old revision as its prerequisite: of two operators who
 * apply at the same time, one is refused as a whole. */

#include <stdbool.h>
#include <stdint.h>
#include "state/model.h"
#include "svec.h"

struct ovsdb_idl;
struct ovsdb_idl_txn;

struct model_apply {
    struct svec added[MODEL_N_KINDS];   /* Keys, sorted. */
    struct svec changed[MODEL_N_KINDS];
    struct svec removed[MODEL_N_KINDS];
    size_t n_moved;             /* Objects with a new place only. */
    int64_t generation;         /* After the transaction. */
    int64_t revision;           /* Before the transaction. */
};

void model_apply_destroy(struct model_apply *);
/* Whether any object differs; whether anything is written at all. */
bool model_apply_has_changes(const struct model_apply *);
bool model_apply_is_empty(const struct model_apply *);

/* The columns must have been registered by model_sync_add_columns() and
 * status_sync_add_columns(): the status rows of nodes that are removed go as
 * well. */
void model_apply_compose(struct ovsdb_idl_txn *, const struct model *,
                         struct model_apply *ret_apply);

/* The same for one object alone; 'object' NULL removes it. */
void model_apply_compose_one(struct ovsdb_idl_txn *, enum model_kind,
                             const char *key, const void *object,
                             struct model_apply *ret_apply);

int64_t model_apply_revision(const struct ovsdb_idl *);

#endif /* ovsdb-sync/model-apply.h */
