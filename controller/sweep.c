#include <config.h>
#include "controller/sweep.h"

#include <limits.h>
#include <string.h>

#include "openvswitch/hmap.h"
#include "openvswitch/poll-loop.h"
#include "ovsdb-idl.h"
#include "ovsdb-sync/db-connection.h"
#include "ovsdb-sync/request.h"
#include "ovsdb-sync/socknet-idl.h"
#include "timeval.h"
#include "util.h"
#include "uuid.h"

/* By this host's own clock: the asker's may be wrong. */
struct seen {
    struct hmap_node node;
    struct uuid uuid;
    long long int due_ms;
    bool there;
};

struct sweep {
    struct ovsdb_idl *idl;
    bool may_write;             /* Local: no role limits what it writes. */
    struct hmap seen;           /* struct seen. */
    struct ovsdb_idl_txn *txn;  /* Under way, or NULL. */
    unsigned int seqno;
    long long int next_ms;      /* When the first is due. */
};

struct sweep *
sweep_create(const struct db_connection *db)
{
    struct sweep *sweep = xzalloc(sizeof *sweep);

    sweep->idl = db->idl;
    sweep->may_write = !strncmp(db->remote, "unix:", 5);
    sweep->next_ms = LLONG_MAX;
    hmap_init(&sweep->seen);
    if (sweep->may_write) {
        ovsdb_idl_add_column(db->idl, &sndb_request_col_created);
    }
    return sweep;
}

void
sweep_destroy(struct sweep *sweep)
{
    if (sweep) {
        struct seen *seen;

        HMAP_FOR_EACH_POP (seen, node, &sweep->seen) {
            free(seen);
        }
        hmap_destroy(&sweep->seen);
        if (sweep->txn) {
            ovsdb_idl_txn_destroy(sweep->txn);
        }
        free(sweep);
    }
}

static struct seen *
find_seen(const struct sweep *sweep, const struct uuid *uuid)
{
    struct seen *seen;

    HMAP_FOR_EACH_WITH_HASH (seen, node, uuid_hash(uuid), &sweep->seen) {
        if (uuid_equals(&seen->uuid, uuid)) {
            return seen;
        }
    }
    return NULL;
}

static void
note_requests(struct sweep *sweep)
{
    const struct sndb_request *row;
    struct seen *seen;

    HMAP_FOR_EACH (seen, node, &sweep->seen) {
        seen->there = false;
    }
    SNDB_REQUEST_FOR_EACH (row, sweep->idl) {
        const struct uuid *uuid = &row->header_.uuid;

        seen = find_seen(sweep, uuid);
        if (!seen) {
            seen = xmalloc(sizeof *seen);
            seen->uuid = *uuid;
            seen->due_ms = time_msec() + REQUEST_LIFETIME_S * 1000;
            hmap_insert(&sweep->seen, &seen->node, uuid_hash(uuid));
        }
        seen->there = true;
    }
    sweep->next_ms = LLONG_MAX;
    HMAP_FOR_EACH_SAFE (seen, node, &sweep->seen) {
        if (!seen->there) {
            hmap_remove(&sweep->seen, &seen->node);
            free(seen);
        } else {
            sweep->next_ms = MIN(sweep->next_ms, seen->due_ms);
        }
    }
}

static void
compose(struct sweep *sweep)
{
    struct seen *seen;

    sweep->txn = ovsdb_idl_txn_create(sweep->idl);
    ovsdb_idl_txn_add_comment(sweep->txn, "socknet-controller: requests of "
                              "which nobody waits for the answer");
    HMAP_FOR_EACH (seen, node, &sweep->seen) {
        const struct sndb_request *row
            = sndb_request_get_for_uuid(sweep->idl, &seen->uuid);

        if (row && time_msec() >= seen->due_ms) {
            sndb_request_delete(row);
        }
    }
}

void
sweep_run(struct sweep *sweep)
{
    unsigned int seqno = ovsdb_idl_get_seqno(sweep->idl);

    if (!sweep->may_write) {
        return;
    }
    if (seqno != sweep->seqno) {
        sweep->seqno = seqno;
        note_requests(sweep);
    }
    if (!sweep->txn && time_msec() >= sweep->next_ms
        && ovsdb_idl_is_connected(sweep->idl)) {
        compose(sweep);
        note_requests(sweep);
    }
    if (sweep->txn
        && ovsdb_idl_txn_commit(sweep->txn) != TXN_INCOMPLETE) {
        ovsdb_idl_txn_destroy(sweep->txn);
        sweep->txn = NULL;
    }
}

void
sweep_wait(const struct sweep *sweep)
{
    if (sweep->txn) {
        ovsdb_idl_txn_wait(sweep->txn);
    } else if (sweep->next_ms != LLONG_MAX
               && ovsdb_idl_is_connected(sweep->idl)) {
        poll_timer_wait_until(sweep->next_ms);
    }
}
