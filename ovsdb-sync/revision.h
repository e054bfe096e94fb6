#ifndef SN_REVISION_H
#define SN_REVISION_H 1

/* The history of desired state: a row of table Revision per transaction that
 * wrote any, with the text that the operator had. */

#include <stdbool.h>
#include <stdint.h>
#include "state/load.h"

struct model_apply;
struct ovsdb_idl;
struct ovsdb_idl_txn;
struct sndb_revision;

/* How many are kept, and how many bytes of text, the oldest going first; the
 * last two stay in any case. */
#define REVISION_MAX 100
#define REVISION_MAX_BYTES (8 * 1024 * 1024)

struct revision_info {
    const char *author;         /* "user@host". */
    const char *action;         /* "apply", "rollback to 3", … */
    const struct state_files *files;    /* NULL: not from a file. */
    const char *node;           /* Of a single host's file, or NULL. */
};

/* 'with_files': the texts as well, not only what a list shows. */
void revision_add_columns(struct ovsdb_idl *, bool with_files);

/* Adds the row of 'apply', composed in 'txn'; deletes what is too old. */
void revision_record(struct ovsdb_idl_txn *, const struct model_apply *,
                     const struct revision_info *, bool pending);
/* Ends the time of Mesh.confirm_by.  The revision that waits is "confirmed",
 * or else "undone". */
void revision_settle(struct ovsdb_idl_txn *, bool confirmed);

/* NULL: no such row. */
const struct sndb_revision *revision_find(const struct ovsdb_idl *,
                                          int64_t number);
/* Sorted, the newest first; caller frees. */
const struct sndb_revision **revision_list(const struct ovsdb_idl *,
                                           size_t *n);
/* The texts; free with state_files_destroy().  False: it has none. */
bool revision_get_files(const struct sndb_revision *, struct state_files *);

/* SHA-256 in hexadecimal.  Caller frees. */
char *revision_hash_text(const char *);

#endif /* ovsdb-sync/revision.h */
