#include <config.h>

#include "ovsdb-sync/db-connection.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "jsonrpc.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "ovsdb-idl.h"
#include "ovsdb-sync/cache-file.h"
#include "ovsdb-sync/cache-replay.h"
#include "ovsdb-sync/db-cache.h"
#include "ovsdb-sync/db-probe.h"
#include "ovsdb-sync/socknet-idl.h"
#include "stream-ssl.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(db_connection);

#define DEFAULT_PKI "/etc/socknet/pki"
/* No key or certificate is as small. */
#define MIN_PEM 32
/* A database that starts together with the daemon has this long to answer
 * before the cache is taken instead. */
#define CACHE_GRACE_MS 3000
/* What is in this process answers at once, or something is wrong. */
#define REPLAY_LIMIT_MS 5000
#define CACHE_RETRY_MS 60000

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

/* In a service manager's credentials, a word takes the place of a file that is
 * not there. */
static int
check_pki_file(const char *name)
{
    struct stat s;

    if (access(name, R_OK) || stat(name, &s)) {
        return errno;
    }
    return s.st_size < MIN_PEM ? ENOENT : 0;
}

char *
db_connection_use_pki(const char *remote, const char *node)
{
    const char *dir = getenv("SOCKNET_PKI");

    if (!remote_is_tls(remote) || stream_ssl_is_configured()) {
        return NULL;
    }
    dir = dir && dir[0] ? dir : DEFAULT_PKI;

    char *files[] = {
        xasprintf("%s/%s-key.pem", dir, node),
        xasprintf("%s/%s-cert.pem", dir, node),
        xasprintf("%s/ca-cert.pem", dir),
    };
    char *error = NULL;
    for (size_t i = 0; i < ARRAY_SIZE(files) && !error; i++) {
        int code = check_pki_file(files[i]);

        if (code) {
            error = xasprintf("%s: %s; %s needs it: \"socknet pki node %s\" "
                              "on the host with the authority makes it, or "
                              "name another by -p, -c and -C", files[i],
                              ovs_strerror(code), remote, node);
        }
    }
    if (!error) {
        stream_ssl_set_key_and_cert(files[0], files[1]);
        stream_ssl_set_ca_cert_file(files[2], false);
    }
    for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
        free(files[i]);
    }
    return error;
}

struct db_connection *
db_connection_create(const char *remote)
{
    struct db_connection *conn = xzalloc(sizeof *conn);

    if (remote_is_tls(remote)) {
        stream_ssl_set_protocols("TLSv1.2");
    }
    conn->remote = xstrdup(remote);
    conn->idl = ovsdb_idl_create(remote, &sndb_idl_class, false, true);
    ovsdb_idl_set_leader_only(conn->idl, false);
    conn->replayed = true;
    return conn;
}

void
db_connection_destroy(struct db_connection *conn)
{
    if (conn) {
        db_cache_destroy(conn->cache);
        cache_replay_destroy(conn->replay);
        free(conn->cache_path);
        free(conn->cache_error);
        ovsdb_idl_destroy(conn->idl);
        free(conn->remote);
        free(conn);
    }
}

void
db_connection_set_lock(struct db_connection *conn, const char *name)
{
    ovsdb_idl_set_leader_only(conn->idl, true);
    ovsdb_idl_set_lock(conn->idl, name);
}

void
db_connection_set_cache(struct db_connection *conn, const char *path)
{
    conn->cache_path = xstrdup(path);
    conn->cache_error = db_cache_create(path, conn->idl, &conn->cache);
    if (conn->cache_error) {
        VLOG_WARN("%s; without it, this daemon cannot start while the "
                  "database is away", conn->cache_error);
        conn->cache_ms = time_msec() + CACHE_RETRY_MS;
    } else {
        conn->replayed = db_cache_is_empty(conn->cache);
        conn->replay_ms = time_msec() + CACHE_GRACE_MS;
    }
}

/* There may be room by now. */
static void
reopen_cache(struct db_connection *conn)
{
    char *error = db_cache_create(conn->cache_path, conn->idl, &conn->cache);

    if (!error) {
        VLOG_INFO("%s: can be used again", conn->cache_path);
    }
    free(conn->cache_error);
    conn->cache_error = error;
    conn->cache_ms = time_msec() + CACHE_RETRY_MS;
}

char *
db_connection_cache_problem(const struct db_connection *conn)
{
    const char *error = (conn->cache ? db_cache_failure(conn->cache)
                         : conn->cache_error);

    return error ? xasprintf("%s: a start without the database would know "
                             "%s", error, conn->cache ? "an older state"
                             : "no state") : NULL;
}

void
db_connection_forget_cache(const char *path)
{
    cache_file_unlink(path);
}

int64_t
db_connection_headless_since(const struct db_connection *conn)
{
    return ovsdb_idl_is_connected(conn->idl) ? 0 : conn->seen;
}

void
db_connection_format_status(const struct db_connection *conn, struct ds *ds)
{
    if (ovsdb_idl_is_connected(conn->idl)) {
        ds_put_cstr(ds, "central database: connected\n");
    } else if (!ovsdb_idl_has_ever_connected(conn->idl)) {
        ds_put_cstr(ds, "central database: not reached yet\n");
    } else {
        char *since = xastrftime_msec("%Y-%m-%d %H:%M:%S UTC",
                                      conn->seen * 1000, true);

        ds_put_format(ds, "central database: away, working headless since "
                      "%s\n", since);
        free(since);
    }
}

static void
restart_session(struct db_connection *conn, const char *remote)
{
    ovsdb_idl_set_remote(conn->idl, NULL, true);
    ovsdb_idl_set_remote(conn->idl, remote, true);
    conn->next_ms = 0;
    poll_immediate_wake();
}

static void
replay_begin(struct db_connection *conn)
{
    char *socket = xasprintf("%s.sock", conn->cache_path);
    char *error = cache_replay_create(db_cache_file(conn->cache), socket,
                                      &conn->replay);

    free(socket);
    conn->replayed = true;
    if (error) {
        VLOG_WARN("%s; the cache cannot be used", error);
        free(error);
        return;
    }
    conn->replay_ms = time_msec() + REPLAY_LIMIT_MS;
    restart_session(conn, cache_replay_remote(conn->replay));
}

static void
replay_end(struct db_connection *conn)
{
    if (ovsdb_idl_has_ever_connected(conn->idl)) {
        conn->seen = db_cache_connected(conn->cache);
        VLOG_WARN("no database at %s; working headless, with %s",
                  conn->remote, conn->cache_path);
    } else {
        VLOG_WARN("%s: cannot be taken in", conn->cache_path);
    }
    cache_replay_destroy(conn->replay);
    conn->replay = NULL;
    restart_session(conn, conn->remote);
}

/* Returns true while the IDL is not the database's. */
static bool
replay_run(struct db_connection *conn)
{
    long long int now = time_msec();

    if (ovsdb_idl_has_ever_connected(conn->idl) && !conn->replay) {
        conn->replayed = true;
    } else if (!conn->replayed && now >= conn->replay_ms) {
        replay_begin(conn);
    }
    if (!conn->replay) {
        return false;
    }
    cache_replay_run(conn->replay);
    if (ovsdb_idl_has_ever_connected(conn->idl) || now >= conn->replay_ms) {
        replay_end(conn);
    }
    return true;
}

/* A session tries at 0, 1, 3, 7, ... s and gives each try the time to the next
 * one.  Starting it afresh keeps the tries dense; a TLS handshake over a long
 * way needs the longer tries. */
static int
session_lifetime_ms(const struct db_connection *conn)
{
    return remote_is_tls(conn->remote) ? 4900 : 1900;
}

/* Once, and not at every try. */
static void
log_away(struct db_connection *conn, bool away)
{
    if (away && !conn->away) {
        VLOG_INFO("no database at %s (%s); trying again every second",
                  conn->remote,
                  ovs_retval_to_string(ovsdb_idl_get_last_error(conn->idl)));
    } else if (!away && conn->away) {
        VLOG_INFO("%s: connected", conn->remote);
    }
    conn->away = away;
}

void
db_connection_run(struct db_connection *conn)
{
    long long int now = time_msec();

    if (replay_run(conn)) {
        return;
    }
    if (ovsdb_idl_is_connected(conn->idl)) {
        conn->next_ms = 0;
        log_away(conn, false);
        conn->seen = time_wall();
        if (conn->cache_error && now >= conn->cache_ms) {
            reopen_cache(conn);
        }
        if (conn->cache && ovsdb_idl_has_ever_connected(conn->idl)) {
            db_cache_run(conn->cache);
        }
    } else if (!conn->next_ms) {
        conn->next_ms = now + session_lifetime_ms(conn);
    } else if (now >= conn->next_ms) {
        log_away(conn, true);
        restart_session(conn, conn->remote);
        conn->next_ms = now + session_lifetime_ms(conn);
    }
}

void
db_connection_wait(struct db_connection *conn)
{
    if (conn->next_ms) {
        poll_timer_wait_until(conn->next_ms);
    }
    if (conn->replay) {
        cache_replay_wait(conn->replay);
    }
    if (conn->replay || !conn->replayed) {
        poll_timer_wait_until(conn->replay_ms);
    }
    if (ovsdb_idl_is_connected(conn->idl)) {
        if (conn->cache) {
            db_cache_wait(conn->cache);
        } else if (conn->cache_error) {
            poll_timer_wait_until(conn->cache_ms);
        }
    }
}

char *
db_connection_explain(const struct db_connection *conn)
{
    return db_probe_explain(conn->remote);
}

static char *
not_ready_error(const struct db_connection *conn, int timeout_ms)
{
    int error = ovsdb_idl_get_last_error(conn->idl);
    const char *why = NULL;
    char *reason = NULL;

    if (error != ENOENT && error != EACCES) {
        reason = db_connection_explain(conn);
        why = reason;
    }
    /* The IDL drops a server that has not the database, without an error. */
    if (why) {
        /* It is known better. */
    } else if (ovsdb_idl_is_connected(conn->idl) || !error) {
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

    char *text = xasprintf("no database at %s within %.3g s%s%s",
                           conn->remote, timeout_ms / 1000.0,
                           why ? ": " : "", why ? why : "");
    free(reason);
    return text;
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
