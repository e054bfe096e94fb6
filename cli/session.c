#include <config.h>

#include "cli/session.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "cli/choose-node.h"
#include "cli/command.h"
#include "cli/output.h"
#include "openvswitch/shash.h"
#include "openvswitch/util.h"
#include "ovsdb-idl.h"
#include "ovsdb-sync/db-connection.h"
#include "ovsdb-sync/model-sync.h"
#include "ovsdb-sync/request.h"
#include "ovsdb-sync/revision.h"
#include "ovsdb-sync/socknet-idl.h"
#include "ovsdb-sync/status-sync.h"
#include "state/model.h"
#include "state/port-name.h"
#include "util.h"

struct session {
    struct db_connection *conn;
    struct model_sync *sync;
    struct ovsdb_idl_index *port_index; /* Port_Status by node and name. */
    char asker[33];             /* A name for ask.h. */
};

enum { MISSING_SOCKET_MS = 500 };

/* Brings the model up to date with what the IDL holds. */
static bool
session_sync(struct session *s)
{
    struct model_changes changes;
    bool usable;

    model_changes_init(&changes);
    usable = model_sync_run(s->sync, &changes);
    model_changes_destroy(&changes);
    ovsdb_idl_track_clear(s->conn->idl);
    return usable;
}

void
session_run(struct session *s)
{
    ovsdb_idl_run(s->conn->idl);
    db_connection_run(s->conn);
    session_sync(s);
}

void
session_wait(struct session *s)
{
    ovsdb_idl_wait(s->conn->idl);
    db_connection_wait(s->conn);
}

/* Connects and reads.  Returns NULL or an error that the caller frees. */
static char *
session_read(struct session *s, int timeout_ms)
{
    char *error = db_connection_wait_ready(s->conn, timeout_ms);

    if (!error && !session_sync(s)) {
        error = xstrdup("the database cannot be read");
    }
    return error;
}

/* A socket that is not there will hardly come: unless told to, people need not
 * wait for it.  A server that restarts is away for less than this. */
static int
patience_ms(const struct command_context *ctx)
{
    bool missing = !strncmp(ctx->db, "unix:", 5) && !strchr(ctx->db, ',')
                   && access(ctx->db + 5, F_OK) && errno == ENOENT;

    return missing && !ctx->timeout_given ? MISSING_SOCKET_MS
           : ctx->timeout_ms;
}

static void
make_asker(char *name, size_t size)
{
    uint8_t bytes[16];

    randombytes_buf(bytes, sizeof bytes);
    sodium_bin2hex(name, size, bytes, sizeof bytes);
}

static struct session *
session_open__(const struct command_context *ctx, bool full,
               char **ret_error)
{
    *ret_error = db_connection_check_remote(ctx->db);
    if (*ret_error) {
        return NULL;
    }

    struct session *s = xzalloc(sizeof *s);
    s->conn = db_connection_create(ctx->db);
    model_sync_add_columns(s->conn->idl);
    status_sync_add_columns(s->conn->idl);
    revision_add_columns(s->conn->idl, full);
    request_add_columns(s->conn->idl);
    make_asker(s->asker, sizeof s->asker);
    request_limit_to_asker(s->conn->idl, s->asker);
    s->sync = model_sync_create(s->conn->idl);
    s->port_index = ovsdb_idl_index_create2(s->conn->idl,
                                            &sndb_port_status_col_node,
                                            &sndb_port_status_col_name);

    *ret_error = session_read(s, patience_ms(ctx));
    if (*ret_error) {
        session_close(s);
        return NULL;
    }
    return s;
}

struct session *
session_try(const struct command_context *ctx, char **ret_error)
{
    return session_open__(ctx, false, ret_error);
}

static struct session *
session_open_loudly(const struct command_context *ctx, bool full)
{
    char *wrong = db_connection_check_remote(ctx->db);
    char *error = NULL;
    struct session *s = wrong ? NULL : session_open__(ctx, full, &error);

    if (wrong) {
        command_fail("%s", wrong);
    } else if (!s) {
        command_fail("%s\nThe database is named by --db REMOTE or SOCKNET_DB; "
                     "`socknet db --help` tells how to make one.", error);
    }
    free(wrong);
    free(error);
    return s;
}

struct session *
session_open(const struct command_context *ctx)
{
    return session_open_loudly(ctx, false);
}

struct session *
session_open_at(const struct command_context *ctx, const char *node)
{
    struct session *s = session_open(ctx);

    if (s && node && !choose_node(session_model(s), node)) {
        session_close(s);
        s = NULL;
    }
    return s;
}

struct session *
session_open_full(const struct command_context *ctx)
{
    return session_open_loudly(ctx, true);
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

char *
session_lost(const struct session *s, const char *what)
{
    bool connected = ovsdb_idl_is_connected(s->conn->idl);
    char *why = db_connection_explain(s->conn);
    char *error = xasprintf(
        "the database %s%s%s; whether the change was made is not known: %s",
        connected ? "did not answer in time, as a cluster without a majority "
                    "of its members does not"
        : "went away before it answered", why ? ": " : "", why ? why : "",
        what);

    free(why);
    return error;
}

struct ovsdb_idl *
session_idl(const struct session *s)
{
    return s->conn->idl;
}

static const struct sndb_port_status *
find_port_status(const struct session *s, const char *node, const char *name)
{
    struct sndb_port_status *key
        = sndb_port_status_index_init_row(s->port_index);

    sndb_port_status_index_set_node(key, node);
    sndb_port_status_index_set_name(key, name);

    const struct sndb_port_status *row
        = sndb_port_status_index_find(s->port_index, key);
    sndb_port_status_index_destroy_row(key);
    return row;
}

const struct sndb_port_status *
session_port_status(const struct session *s, const char *node,
                    const char *veth)
{
    const struct sndb_port_status *row = find_port_status(s, node, veth);
    char *firewall = row ? NULL : port_name_firewall(veth);

    if (firewall) {
        row = find_port_status(s, node, firewall);
        free(firewall);
    }
    return row;
}

const char *
session_asker(const struct session *s)
{
    return s->asker;
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

const struct sndb_mesh *
session_pending(const struct session *s)
{
    const struct sndb_mesh *mesh = sndb_mesh_first(s->conn->idl);

    return mesh && mesh->n_confirm_by && mesh->fallback ? mesh : NULL;
}

void
session_output_emptiness(const struct session *s, struct output *out)
{
    if (shash_is_empty(&session_model(s)->nodes)) {
        output_note(out, "The database holds no state yet: `socknet apply "
                    "PATH` writes it.");
    }
}
