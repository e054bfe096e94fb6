#include <config.h>

#include "cli/session.h"

#include <stdlib.h>
#include "cli/command.h"
#include "cli/output.h"
#include "openvswitch/shash.h"
#include "openvswitch/util.h"
#include "ovsdb-idl.h"
#include "ovsdb-sync/db-connection.h"
#include "ovsdb-sync/model-sync.h"
#include "ovsdb-sync/status-sync.h"
#include "state/model.h"
#include "util.h"

struct session {
    struct db_connection *conn;
    struct model_sync *sync;
};

/* Connects and reads.  Returns NULL or an error that the caller frees. */
static char *
session_read(struct session *s, int timeout_ms)
{
    struct model_changes changes;

    char *error = db_connection_wait_ready(s->conn, timeout_ms);
    if (!error) {
        model_changes_init(&changes);
        if (!model_sync_run(s->sync, &changes)) {
            error = xstrdup("the database cannot be read");
        }
        model_changes_destroy(&changes);
    }
    return error;
}

struct session *
session_open(const struct command_context *ctx)
{
    char *error = db_connection_check_remote(ctx->db);
    if (error) {
        command_fail("%s", error);
        free(error);
        return NULL;
    }

    struct session *s = xzalloc(sizeof *s);
    s->conn = db_connection_create(ctx->db);
    model_sync_add_columns(s->conn->idl);
    status_sync_add_columns(s->conn->idl);
    s->sync = model_sync_create(s->conn->idl);

    error = session_read(s, ctx->timeout_ms);
    if (error) {
        command_fail("%s\nThe database is named by --db REMOTE or SOCKNET_DB; "
                     "`socknet db --help` tells how to make one.", error);
        free(error);
        session_close(s);
        return NULL;
    }
    return s;
}

void
session_close(struct session *s)
{
    if (s) {
        model_sync_destroy(s->sync);
        db_connection_destroy(s->conn);
        free(s);
    }
}

struct ovsdb_idl *
session_idl(const struct session *s)
{
    return s->conn->idl;
}

const struct model *
session_model(const struct session *s)
{
    return model_sync_model(s->sync);
}

int64_t
session_generation(const struct session *s)
{
    return model_sync_generation(s->sync);
}

void
session_output_emptiness(const struct session *s, struct output *out)
{
    if (shash_is_empty(&session_model(s)->nodes)) {
        output_note(out, "The database holds no state yet: `socknet apply "
                    "PATH` writes it.");
    }
}
