#include <config.h>
#include "agent/central.h"

#include "agent/stats.h"
#include "ovsdb-idl.h"
#include "ovsdb-sync/db-connection.h"
#include "ovsdb-sync/model-sync.h"
#include "ovsdb-sync/socknet-idl.h"
#include "ovsdb-sync/status-sync.h"
#include "smap.h"
#include "sset.h"
#include "state/model.h"
#include "util.h"

struct central {
    struct db_connection *conn;
    struct ovsdb_idl_loop loop;
    struct model_sync *sync;
    struct model_changes changes;
    struct smap keys;
    struct ovsdb_idl_txn *txn;
    unsigned int seqno;
    int64_t generation;
    bool ready;
};

struct central *
central_create(const char *remote, const char *node)
{
    struct central *c = xzalloc(sizeof *c);
    struct sset nodes = SSET_INITIALIZER(&nodes);

    c->conn = db_connection_create(remote);
    model_sync_add_columns(c->conn->idl);
    status_sync_add_columns(c->conn->idl);
    sset_add(&nodes, node);
    status_sync_limit(c->conn->idl, &nodes);
    sset_destroy(&nodes);
    c->loop = (struct ovsdb_idl_loop)
        OVSDB_IDL_LOOP_INITIALIZER(c->conn->idl);
    c->sync = model_sync_create(c->conn->idl);
    model_changes_init(&c->changes);
    smap_init(&c->keys);
    return c;
}

void
central_destroy(struct central *c)
{
    if (c) {
        model_sync_destroy(c->sync);
        model_changes_destroy(&c->changes);
        smap_destroy(&c->keys);
        /* Not ovsdb_idl_loop_destroy(): the IDL is the connection's. */
        if (c->loop.committing_txn) {
            ovsdb_idl_txn_destroy(c->loop.committing_txn);
        }
        if (c->loop.open_txn) {
            ovsdb_idl_txn_destroy(c->loop.open_txn);
        }
        db_connection_destroy(c->conn);
        free(c);
    }
}

static bool
central_read_keys(struct central *c)
{
    const struct sndb_node_status *row;
    struct smap keys = SMAP_INITIALIZER(&keys);

    SNDB_NODE_STATUS_FOR_EACH (row, c->conn->idl) {
        if (row->public_key) {
            smap_replace(&keys, row->node, row->public_key);
        }
    }
    bool changed = !smap_equal(&keys, &c->keys);
    hmap_swap(&keys.map, &c->keys.map);
    smap_destroy(&keys);
    return changed;
}

bool
central_run(struct central *c)
{
    bool changed = false;
    unsigned int seqno;

    c->txn = ovsdb_idl_loop_run(&c->loop);
    db_connection_run(c->conn);
    seqno = ovsdb_idl_get_seqno(c->conn->idl);
    if (seqno == c->seqno) {
        return false;
    }
    c->seqno = seqno;
    if (model_sync_run(c->sync, &c->changes)) {
        int64_t generation = model_sync_generation(c->sync);

        changed = (!c->ready || generation != c->generation
                   || !model_changes_is_empty(&c->changes));
        changed |= central_read_keys(c);
        c->generation = generation;
        c->ready = true;
    }
    model_changes_clear(&c->changes);
    ovsdb_idl_track_clear(c->conn->idl);
    return changed;
}

void
central_commit_and_wait(struct central *c)
{
    bool had_open = c->txn != NULL;

    ovsdb_idl_loop_commit_and_wait(&c->loop);
    c->txn = NULL;
    if (had_open && c->loop.committing_txn) {
        agent_stats.status_writes++;
    }
    db_connection_wait(c->conn);
}

bool
central_is_connected(const struct central *c)
{
    return ovsdb_idl_is_connected(c->conn->idl);
}

const struct model *
central_model(const struct central *c)
{
    return c->ready ? model_sync_model(c->sync) : NULL;
}

int64_t
central_generation(const struct central *c)
{
    return c->generation;
}

const struct smap *
central_keys(const struct central *c)
{
    return &c->keys;
}

struct ovsdb_idl_txn *
central_txn(struct central *c)
{
    return c->ready && central_is_connected(c) ? c->txn : NULL;
}
