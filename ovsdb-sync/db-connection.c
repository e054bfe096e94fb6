#include <config.h>

#include "ovsdb-sync/db-connection.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "jsonrpc.h"
#include "openvswitch/poll-loop.h"
#include "ovsdb-idl.h"
#include "ovsdb-sync/socknet-idl.h"
#include "stream-ssl.h"
#include "timeval.h"
#include "util.h"

const char *
db_connection_default_remote(void)
{
    const char *remote = getenv("SOCKNET_DB");

    return remote && remote[0] ? remote : "unix:/run/socknet/db.sock";
}

static bool
remote_is_tls(const char *remote)
{
    return !strncmp(remote, "ssl:", 4) || strstr(remote, ",ssl:");
}

char *
db_connection_check_remote(const char *remote)
{
    const char *one = remote;

    while (one) {
        if (strncmp(one, "unix:", 5) && strncmp(one, "tcp:", 4)
            && strncmp(one, "ssl:", 4)) {
            return xasprintf("\"%s\" is not the address of a database: write "
                             "unix:FILE or ssl:HOST:PORT", one);
        }
        one = strchr(one, ',');
        one = one ? one + 1 : NULL;
    }
    if (remote_is_tls(remote) && !stream_ssl_is_configured()) {
        return xasprintf("%s needs a private key, a certificate and the CA's "
                         "certificate (-p, -c and -C)", remote);
    }
    return NULL;
}

struct db_connection *
db_connection_create(const char *remote)
{
    struct db_connection *conn = xmalloc(sizeof *conn);

    if (remote_is_tls(remote)) {
        stream_ssl_set_protocols("TLSv1.2");
    }
    conn->remote = xstrdup(remote);
    conn->idl = ovsdb_idl_create(remote, &sndb_idl_class, false, true);
    ovsdb_idl_set_leader_only(conn->idl, false);
    conn->next_ms = 0;
    return conn;
}

void
db_connection_destroy(struct db_connection *conn)
{
    if (conn) {
        ovsdb_idl_destroy(conn->idl);
        free(conn->remote);
        free(conn);
    }
}

/* A session tries at 0, 1, 3, 7, ... s and gives each try the time to the next
 * one.  Starting it afresh keeps the tries dense; a TLS handshake over a long
 * way needs the longer tries. */
static int
session_lifetime_ms(const struct db_connection *conn)
{
    return remote_is_tls(conn->remote) ? 4900 : 1900;
}

void
db_connection_run(struct db_connection *conn)
{
    long long int now = time_msec();

    if (ovsdb_idl_is_connected(conn->idl)) {
        conn->next_ms = 0;
    } else if (!conn->next_ms) {
        conn->next_ms = now + session_lifetime_ms(conn);
    } else if (now >= conn->next_ms) {
        ovsdb_idl_set_remote(conn->idl, NULL, true);
        ovsdb_idl_set_remote(conn->idl, conn->remote, true);
        conn->next_ms = now + session_lifetime_ms(conn);
        poll_immediate_wake();
    }
}

void
db_connection_wait(struct db_connection *conn)
{
    if (conn->next_ms) {
        poll_timer_wait_until(conn->next_ms);
    }
}

static char *
not_ready_error(const struct db_connection *conn, int timeout_ms)
{
    int error = ovsdb_idl_get_last_error(conn->idl);
    const char *why = NULL;

    /* The IDL drops a server that has not the database, without an error. */
    if (ovsdb_idl_is_connected(conn->idl) || !error) {
        why = "something listens there, but shows no database \"Socknet\": "
              "it serves another one, or hangs";
    } else if (error == ENOENT || error == ECONNREFUSED) {
        why = "nothing listens there; is \"socknet db serve\" running?";
    } else if (error == EACCES) {
        why = "permission denied; are you root?";
    } else if (error == EPROTO) {
        why = "the TLS handshake failed; is the certificate from the mesh's "
              "CA?";
    } else if (error) {
        why = ovs_retval_to_string(error);
    }
    return xasprintf("no database at %s within %.3g s%s%s", conn->remote,
                     timeout_ms / 1000.0, why ? ": " : "", why ? why : "");
}

char *
db_connection_wait_ready(struct db_connection *conn, int timeout_ms)
{
    long long int deadline = time_msec() + timeout_ms;

    for (;;) {
        ovsdb_idl_run(conn->idl);
        db_connection_run(conn);
        if (ovsdb_idl_has_ever_connected(conn->idl)) {
            return NULL;
        }
        if (time_msec() >= deadline) {
            return not_ready_error(conn, timeout_ms);
        }
        ovsdb_idl_wait(conn->idl);
        db_connection_wait(conn);
        poll_timer_wait_until(deadline);
        poll_block();
    }
}
