#include <config.h>

#include "ovsdb-sync/revision.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "openvswitch/dynamic-string.h"
#include "ovsdb-idl.h"
#include "ovsdb-sync/model-apply.h"
#include "ovsdb-sync/socknet-idl.h"
#include "smap.h"
#include "timeval.h"
#include "util.h"

void
revision_add_columns(struct ovsdb_idl *idl, bool with_files)
{
    for (size_t i = 0; i < sndb_table_revision.n_columns; i++) {
        const struct ovsdb_idl_column *column
            = &sndb_table_revision.columns[i];

        if (with_files || column != &sndb_revision_col_files) {
            ovsdb_idl_add_column(idl, column);
        }
    }
}

char *
revision_hash_text(const char *text)
{
    unsigned char hash[crypto_hash_sha256_BYTES];
    char *hex = xmalloc(2 * sizeof hash + 1);

    crypto_hash_sha256(hash, (const unsigned char *) text, strlen(text));
    return sodium_bin2hex(hex, 2 * sizeof hash + 1, hash, sizeof hash);
}

/* Of one file what sha256sum prints; of more, the hash of the lines that
 * sha256sum prints. */
static char *
revision_hash(const struct state_files *files)
{
    struct ds lines = DS_EMPTY_INITIALIZER;
    char *hash = NULL;

    for (size_t i = 0; i < files->n; i++) {
        const struct state_file *file = &files->files[i];

        free(hash);
        hash = revision_hash_text(file->text);
        ds_put_format(&lines, "%s  %s\n", hash, file->name);
    }
    if (files->n != 1) {
        free(hash);
        hash = revision_hash_text(ds_cstr(&lines));
    }
    ds_destroy(&lines);
    return hash;
}

static char *
summarize(const struct model_apply *apply)
{
    size_t added = 0, changed = 0, removed = 0;

    for (enum model_kind kind = 0; kind < MODEL_N_KINDS; kind++) {
        added += apply->added[kind].n;
        changed += apply->changed[kind].n;
        removed += apply->removed[kind].n;
    }
    return added || changed || removed
           ? xasprintf("%"PRIuSIZE" added, %"PRIuSIZE" changed, %"PRIuSIZE
                       " removed", added, changed, removed)
           : xasprintf("%"PRIuSIZE" moved within the file", apply->n_moved);
}

static int
compare_newest_first(const void *a_, const void *b_)
{
    const struct sndb_revision *const *a = a_, *const *b = b_;

    return ((*a)->number < (*b)->number) - ((*a)->number > (*b)->number);
}

const struct sndb_revision **
revision_list(const struct ovsdb_idl *idl, size_t *n)
{
    const struct sndb_revision **list = NULL;
    const struct sndb_revision *row;
    size_t allocated = 0;

    *n = 0;
    SNDB_REVISION_FOR_EACH (row, idl) {
        if (*n >= allocated) {
            list = x2nrealloc(list, &allocated, sizeof *list);
        }
        list[(*n)++] = row;
    }
    if (*n) {
        qsort(list, *n, sizeof *list, compare_newest_first);
    }
    return list;
}

/* Deletes what is too old or too much.  The revision that is being written is
 * there already. */
static void
prune(struct ovsdb_idl *idl)
{
    int64_t size = 0;
    size_t n;
    const struct sndb_revision **list = revision_list(idl, &n);

    for (size_t i = 0; i < n; i++) {
        size += list[i]->size;
        if (i >= REVISION_MAX || (i >= 2 && size > REVISION_MAX_BYTES)) {
            sndb_revision_delete(list[i]);
        }
    }
    free(list);
}

static int64_t
files_size(const struct state_files *files)
{
    int64_t size = 0;

    for (size_t i = 0; i < files->n; i++) {
        size += strlen(files->files[i].text);
    }
    return size;
}

static void
set_files(const struct sndb_revision *row, const struct state_files *files)
{
    struct smap texts = SMAP_INITIALIZER(&texts);
    char *hash = revision_hash(files);

    for (size_t i = 0; i < files->n; i++) {
        smap_replace(&texts, files->files[i].name, files->files[i].text);
    }
    sndb_revision_set_files(row, &texts);
    sndb_revision_set_hash(row, hash);
    sndb_revision_set_size(row, files_size(files));
    sndb_revision_set_path(row, files->path);
    smap_destroy(&texts);
    free(hash);
}

void
revision_record(struct ovsdb_idl_txn *txn, const struct model_apply *apply,
                const struct revision_info *info, bool pending)
{
    const struct sndb_revision *row = sndb_revision_insert(txn);
    char *summary = summarize(apply);

    sndb_revision_set_number(row, apply->revision + 1);
    sndb_revision_set_time(row, time_wall());
    sndb_revision_set_author(row, info->author);
    sndb_revision_set_action(row, info->action);
    sndb_revision_set_outcome(row, pending ? "pending" : "applied");
    sndb_revision_set_generation(row, apply->generation);
    sndb_revision_set_summary(row, summary);
    sndb_revision_set_node(row, info->node ? info->node : "");
    if (info->files) {
        set_files(row, info->files);
    }
    prune(ovsdb_idl_txn_get_idl(txn));
    free(summary);
}

void
revision_settle(struct ovsdb_idl_txn *txn, bool confirmed)
{
    struct ovsdb_idl *idl = ovsdb_idl_txn_get_idl(txn);
    const struct sndb_mesh *mesh = sndb_mesh_first(idl);
    const struct sndb_revision *row;

    SNDB_REVISION_FOR_EACH (row, idl) {
        if (!strcmp(row->outcome, "pending")) {
            sndb_revision_set_outcome(row, confirmed ? "confirmed"
                                           : "undone");
        }
    }
    if (mesh) {
        sndb_mesh_set_confirm_by(mesh, NULL, 0);
        sndb_mesh_set_confirm_within(mesh, NULL, 0);
        sndb_mesh_set_fallback(mesh, NULL);
    }
}

const struct sndb_revision *
revision_find(const struct ovsdb_idl *idl, int64_t number)
{
    const struct sndb_revision *row;

    SNDB_REVISION_FOR_EACH (row, idl) {
        if (row->number == number) {
            return row;
        }
    }
    return NULL;
}

bool
revision_get_files(const struct sndb_revision *row,
                   struct state_files *files)
{
    const struct smap_node **sorted
        = smap_is_empty(&row->files) ? NULL : smap_sort(&row->files);

    /* A folder of one file is still a folder: its path is not the file's. */
    *files = (struct state_files) {
        .path = xstrdup(row->path),
        .folder = (smap_count(&row->files) > 1
                   || (sorted && strcmp(sorted[0]->key, row->path))),
    };
    for (size_t i = 0; i < smap_count(&row->files); i++) {
        state_files_add(files, sorted[i]->key, xstrdup(sorted[i]->value));
    }
    free(sorted);
    return files->n > 0;
}
