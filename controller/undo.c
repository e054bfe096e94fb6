#include <config.h>
#include "controller/undo.h"

#include <string.h>
#include <unistd.h>

#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "ovsdb-idl.h"
#include "ovsdb-sync/db-connection.h"
#include "ovsdb-sync/fallback.h"
#include "ovsdb-sync/model-apply.h"
#include "ovsdb-sync/model-sync.h"
#include "ovsdb-sync/revision.h"
#include "ovsdb-sync/socknet-idl.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(undo);

/* After a refusal, or an answer that does not come. */
#define RETRY_MS 5000

struct undo {
    struct ovsdb_idl *idl;
    const struct model_sync *sync;
    bool may_write;             /* Local: no role limits what it writes. */
    struct ovsdb_idl_txn *txn;  /* Under way, or NULL. */
    unsigned int seqno;         /* Of the IDL, when it was composed. */
    long long int next_ms;
};

struct undo *
undo_create(const struct db_connection *db, const struct model_sync *sync)
{
    struct undo *undo = xzalloc(sizeof *undo);

    undo->idl = db->idl;
    undo->sync = sync;
    undo->may_write = !strncmp(db->remote, "unix:", 5);
    return undo;
}

void
undo_destroy(struct undo *undo)
{
    if (undo) {
        if (undo->txn) {
            ovsdb_idl_txn_destroy(undo->txn);
        }
        free(undo);
    }
}

static char *
author(void)
{
    char host[256] = "";

    gethostname(host, sizeof host - 1);
    return xasprintf("socknet-controller@%s", host);
}

static void
undo_compose(struct undo *undo)
{
    const struct sndb_mesh *mesh = sndb_mesh_first(undo->idl);
    struct state_files files = { .path = fallback_name(mesh->generation) };
    struct model_apply apply;
    char *who = author();
    char *action = xasprintf("undo of generation %"PRId64": not confirmed",
                             mesh->generation);

    state_files_add(&files, files.path, xstrdup(mesh->fallback));
    undo->seqno = ovsdb_idl_get_seqno(undo->idl);
    undo->txn = ovsdb_idl_txn_create(undo->idl);
    ovsdb_idl_txn_add_comment(undo->txn, "socknet-controller: %s", action);
    model_apply_compose(undo->txn, model_sync_model(undo->sync), &apply);
    revision_settle(undo->txn, false);
    if (!model_apply_is_empty(&apply)) {
        revision_record(undo->txn, &apply, &(struct revision_info) {
            .author = who, .action = action, .files = &files }, false);
    }
    model_apply_destroy(&apply);
    state_files_destroy(&files);
    free(action);
    free(who);
}

static void
undo_commit(struct undo *undo)
{
    enum ovsdb_idl_txn_status status = ovsdb_idl_txn_commit(undo->txn);

    if (status == TXN_INCOMPLETE) {
        return;
    }
    if (status == TXN_SUCCESS) {
        VLOG_INFO("the state before is in the database again");
    } else if (status == TXN_ERROR) {
        VLOG_WARN("cannot write the state before into the database: %s; "
                  "`socknet rollback` does",
                  ovsdb_idl_txn_get_error(undo->txn));
    }
    ovsdb_idl_txn_destroy(undo->txn);
    undo->txn = NULL;
    undo->next_ms = time_msec() + RETRY_MS;
}

void
undo_run(struct undo *undo)
{
    if (undo->txn) {
        undo_commit(undo);
    } else if (undo->may_write && model_sync_is_fallen(undo->sync)
               && ovsdb_idl_is_connected(undo->idl)
               && (time_msec() >= undo->next_ms
                   || ovsdb_idl_get_seqno(undo->idl) != undo->seqno)) {
        undo_compose(undo);
        undo_commit(undo);
    }
}

void
undo_wait(const struct undo *undo)
{
    if (undo->txn) {
        ovsdb_idl_txn_wait(undo->txn);
    } else if (undo->may_write && model_sync_is_fallen(undo->sync)) {
        poll_timer_wait_until(undo->next_ms);
    }
}
