#include <config.h>

#include "ovsdb-sync/db-cache.h"

#include <stdlib.h>

#include "hash.h"
#include "openvswitch/json.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/shash.h"
#include "openvswitch/vlog.h"
#include "ovsdb-data.h"
#include "ovsdb-idl-provider.h"
#include "ovsdb-sync/cache-file.h"
#include "ovsdb-sync/socknet-idl.h"
#include "timeval.h"
#include "util.h"
#include "uuid.h"

VLOG_DEFINE_THIS_MODULE(db_cache);

/* What changes within this time is written at once. */
#define FLUSH_INTERVAL_MS 1000
#define RETRY_INTERVAL_MS 60000
/* How well the file knows since when the database is away. */
#define ALIVE_INTERVAL_MS 60000

/* A row that is not in the file as it is in the database. */
struct pending {
    const char *table;
    char *columns;              /* NULL: deleted. */
};

struct db_cache {
    char *path;
    struct ovsdb_idl *idl;
    struct cache_file *file;
    struct shash saved;         /* UUID to a hash of the row in the file. */
    struct shash pending;       /* UUID to struct pending. */
    unsigned int seqno;         /* Of the IDL, when it was looked at. */
    bool complete;              /* 'saved' and 'pending' make what it holds. */
    char *failure;              /* Of the last write, or NULL. */
    int64_t connected;
    long long int flush_ms;     /* Not before. */
    long long int alive_ms;     /* At the latest. */
};

/* A row's hash, in the place of a pointer; never NULL. */
static void *
row_hash(const char *columns)
{
    uint64_t high = hash_string(columns, 1);

    return (void *) (uintptr_t) (high << 32 | hash_string(columns, 0) | 1);
}

static void
note_saved(const char *table OVS_UNUSED, const char *uuid,
           const char *columns, void *saved)
{
    shash_replace(saved, uuid, row_hash(columns));
}

char *
db_cache_create(const char *path, struct ovsdb_idl *idl,
                struct db_cache **ret_cache)
{
    struct db_cache *c = xzalloc(sizeof *c);
    char *error;

    c->path = xstrdup(path);
    c->idl = idl;
    shash_init(&c->saved);
    shash_init(&c->pending);
    error = cache_file_open(path, &c->file);
    if (!error) {
        error = cache_file_read(c->file, note_saved, &c->saved);
    }
    if (error) {
        db_cache_destroy(c);
        return error;
    }
    c->connected = cache_file_get(c->file, "connected");
    *ret_cache = c;
    return NULL;
}

static void
pending_clear(struct db_cache *c)
{
    struct shash_node *node;

    SHASH_FOR_EACH (node, &c->pending) {
        struct pending *p = node->data;
        free(p->columns);
        free(p);
    }
    shash_clear(&c->pending);
}

static void
flush(struct db_cache *c)
{
    struct shash_node *node;

    cache_file_begin(c->file);
    SHASH_FOR_EACH (node, &c->pending) {
        const struct pending *p = node->data;

        if (p->columns) {
            cache_file_put(c->file, p->table, node->name, p->columns);
        } else {
            cache_file_remove(c->file, node->name);
        }
    }
    cache_file_set(c->file, "connected", c->connected);

    char *error = cache_file_commit(c->file);
    c->alive_ms = time_msec() + ALIVE_INTERVAL_MS;
    if (error) {
        if (!c->failure) {
            VLOG_WARN("%s; it is behind until this is solved", error);
        }
        free(c->failure);
        c->failure = error;
        c->flush_ms = time_msec() + RETRY_INTERVAL_MS;
        return;
    }
    if (c->failure) {
        VLOG_INFO("%s: written again", c->path);
        free(c->failure);
        c->failure = NULL;
    }
    c->flush_ms = time_msec() + FLUSH_INTERVAL_MS;
    SHASH_FOR_EACH (node, &c->pending) {
        const struct pending *p = node->data;

        if (p->columns) {
            note_saved(p->table, node->name, p->columns, &c->saved);
        } else {
            shash_find_and_delete(&c->saved, node->name);
        }
    }
    pending_clear(c);
}

void
db_cache_destroy(struct db_cache *c)
{
    if (c) {
        if (!shash_is_empty(&c->pending)) {
            flush(c);
        }
        pending_clear(c);
        shash_destroy(&c->pending);
        shash_destroy(&c->saved);
        cache_file_close(c->file);
        free(c->failure);
        free(c->path);
        free(c);
    }
}

bool
db_cache_is_empty(const struct db_cache *c)
{
    return shash_is_empty(&c->saved);
}

int64_t
db_cache_connected(const struct db_cache *c)
{
    return c->connected;
}

const char *
db_cache_failure(const struct db_cache *c)
{
    return c->failure;
}

struct cache_file *
db_cache_file(struct db_cache *c)
{
    return c->file;
}

/* How things are at the moment, which a later start need not know: kept, it
 * would make the file change all the time. */
static bool
column_is_volatile(const struct ovsdb_idl_column *column)
{
    return column == &sndb_peer_status_col_latest_handshake
           || column == &sndb_peer_status_col_reason
           || column == &sndb_client_status_col_latest_handshake
           || column == &sndb_node_status_col_generation
           || column == &sndb_node_status_col_problems
           || column == &sndb_node_status_col_unreachable
           || column == &sndb_port_status_col_reason;
}

static bool
table_is_kept(const struct ovsdb_idl_table_class *class)
{
    return class != &sndb_table_bridge_status
           && class != &sndb_table_connection && class != &sndb_table_ssl
           && class != &sndb_table_request && class != &sndb_table_answer
           && class != &sndb_table_rbac_role
           && class != &sndb_table_rbac_permission;
}

/* Those columns that the daemon wants to be woken for: the others are counters
 * and signs of life. */
static char *
row_to_string(const struct ovsdb_idl_row *row)
{
    const struct ovsdb_idl_table *table = row->table;
    const struct ovsdb_idl_table_class *class = table->class_;
    struct json *json = json_object_create();

    for (size_t i = 0; i < class->n_columns; i++) {
        const struct ovsdb_idl_column *column = &class->columns[i];
        const struct ovsdb_datum *datum;

        if (!(table->modes[i] & OVSDB_IDL_MONITOR)
            || !(table->modes[i] & OVSDB_IDL_ALERT)
            || column_is_volatile(column)) {
            continue;
        }
        datum = ovsdb_idl_read(row, column);
        if (!ovsdb_datum_is_default(datum, &column->type)) {
            json_object_put(json, column->name,
                            ovsdb_datum_to_json(datum, &column->type));
        }
    }

    char *s = json_to_string(json, JSSF_SORT);
    json_destroy(json);
    return s;
}

/* 'columns' is taken over; NULL: there is no such row. */
static void
row_set(struct db_cache *c, const struct ovsdb_idl_table_class *class,
        const struct uuid *uuid, char *columns)
{
    char name[UUID_LEN + 1];

    snprintf(name, sizeof name, UUID_FMT, UUID_ARGS(uuid));

    void *saved = shash_find_data(&c->saved, name);
    struct pending *p = shash_find_and_delete(&c->pending, name);

    if (p) {
        free(p->columns);
        free(p);
    }
    if (saved == (columns ? row_hash(columns) : NULL)) {
        free(columns);
        return;
    }
    p = xmalloc(sizeof *p);
    p->table = class->name;
    p->columns = columns;
    shash_add(&c->pending, name, p);
}

static bool
row_is_deleted(const struct ovsdb_idl_row *row)
{
    return ovsdb_idl_row_get_seqno(row, OVSDB_IDL_CHANGE_DELETE) > 0;
}

/* A row can be gone and there again by the same name. */
static void
take_changes(struct db_cache *c, const struct ovsdb_idl_table_class *class)
{
    const struct ovsdb_idl_row *row;

    for (row = ovsdb_idl_track_get_first(c->idl, class); row;
         row = ovsdb_idl_track_get_next(row)) {
        if (row_is_deleted(row)) {
            row_set(c, class, &row->uuid, NULL);
        }
    }
    for (row = ovsdb_idl_track_get_first(c->idl, class); row;
         row = ovsdb_idl_track_get_next(row)) {
        if (!row_is_deleted(row)) {
            row_set(c, class, &row->uuid, row_to_string(row));
        }
    }
}

/* Everything, against a file that may hold anything. */
static void
take_all(struct db_cache *c)
{
    struct shash gone = SHASH_INITIALIZER(&gone);
    struct shash_node *node;

    SHASH_FOR_EACH (node, &c->saved) {
        shash_add(&gone, node->name, NULL);
    }
    for (size_t i = 0; i < sndb_idl_class.n_tables; i++) {
        const struct ovsdb_idl_table_class *class = &sndb_idl_class.tables[i];
        const struct ovsdb_idl_row *row;

        if (!table_is_kept(class)) {
            continue;
        }
        for (row = ovsdb_idl_first_row(c->idl, class); row;
             row = ovsdb_idl_next_row(row)) {
            char name[UUID_LEN + 1];

            snprintf(name, sizeof name, UUID_FMT, UUID_ARGS(&row->uuid));
            shash_find_and_delete(&gone, name);
            row_set(c, class, &row->uuid, row_to_string(row));
        }
    }
    SHASH_FOR_EACH (node, &gone) {
        struct uuid uuid;

        if (uuid_from_string(&uuid, node->name)) {
            row_set(c, &sndb_table_mesh, &uuid, NULL);
        }
    }
    shash_destroy(&gone);
}

/* A new and empty database: nothing of it is taken. */
static bool
is_void(const struct sndb_mesh *mesh)
{
    return !mesh || !mesh->generation;
}

/* See model-sync.c. */
static bool
contents_are_new(const struct sndb_mesh *mesh)
{
    return ovsdb_idl_row_get_seqno(&mesh->header_,
                                   OVSDB_IDL_CHANGE_INSERT) > 0;
}

static void
take(struct db_cache *c)
{
    const struct sndb_mesh *mesh = sndb_mesh_first(c->idl);
    unsigned int seqno = ovsdb_idl_get_seqno(c->idl);

    if (seqno == c->seqno) {
        return;
    }
    c->seqno = seqno;
    if (is_void(mesh)) {
        pending_clear(c);
        c->complete = false;
    } else if (!c->complete || contents_are_new(mesh)) {
        pending_clear(c);
        take_all(c);
        c->complete = true;
    } else {
        for (size_t i = 0; i < sndb_idl_class.n_tables; i++) {
            if (table_is_kept(&sndb_idl_class.tables[i])) {
                take_changes(c, &sndb_idl_class.tables[i]);
            }
        }
    }
}

void
db_cache_run(struct db_cache *c)
{
    long long int now = time_msec();

    take(c);
    if (!c->complete) {
        return;
    }
    c->connected = time_wall();
    if (now >= c->flush_ms
        && (!shash_is_empty(&c->pending) || now >= c->alive_ms)) {
        flush(c);
    }
}

void
db_cache_wait(struct db_cache *c)
{
    if (c->complete) {
        poll_timer_wait_until(shash_is_empty(&c->pending)
                              ? c->alive_ms : c->flush_ms);
    }
}
