#include <config.h>

#include "cli/db-options.h"

#include <errno.h>
#include <inttypes.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/db-cluster.h"
#include "cli/db-file.h"
#include "cli/db-health.h"
#include "cli/db-relay-file.h"
#include "cli/db-torn.h"
#include "cli/make-dirs.h"
#include "cli/run-program.h"
#include "socket-util.h"
#include "util.h"

/* Checks before ovsdb-server starts: it would go on without a word. */

/* ovsdb-server retries in silence if it cannot listen. */
static char *
check_port_free(const char *address, int port)
{
    char *target = xasprintf("%d:%s", port, address);
    int fd = inet_open_passive(SOCK_STREAM, target, port, NULL, 0, false);
    char *error = NULL;

    if (fd < 0) {
        error = xasprintf("cannot listen at %s port %d: %s", address, port,
                          ovs_strerror(-fd));
    } else {
        close(fd);
    }
    free(target);
    return error;
}

static char *
check_ports_free(const char *address, int a, int b)
{
    char *error = check_port_free(address, a);

    return error ? error : check_port_free(address, b);
}

/* ovsdb-server would take the place of whoever listens at the socket. */
static char *
check_socket(const char *db)
{
    const char *path = db + strlen("unix:");

    if (strncmp(db, "unix:/", 6)) {
        return xasprintf("\"%s\": a database is served at a local socket, "
                         "unix:/FILE; other hosts reach it by --pki and "
                         "--listen", db);
    }

    char *error = db_make_parent(path);
    int fd = error ? -1 : make_unix_socket(SOCK_STREAM, true, NULL, path);
    if (fd >= 0) {
        close(fd);
        return xasprintf("%s: a database is being served there already",
                         path);
    }
    return error;
}

static char *
check_listen(const struct db_options *o)
{
    return !o->pki != !o->listen
           ? xstrdup("--pki and --listen go together: see `socknet db "
                     "--help`")
           : o->listen ? db_check_address("--listen", o->listen) : NULL;
}

/* Pidfile and control socket go beside the socket, not among those of the
 * switch's own ovsdb-server. */
static char *
prepare_folders(const struct db_options *o)
{
    char *copy = xstrdup(o->db + strlen("unix:"));

    setenv("OVS_RUNDIR", dirname(copy), true);
    free(copy);
    setenv("OVS_LOGDIR", "/var/log/socknet", false);
    return svec_contains_unsorted(&o->passed, "--log-file")
           ? make_dirs(getenv("OVS_LOGDIR"), 0750) : NULL;
}

static bool
is_passed(const struct db_options *o, const char *option)
{
    const char *arg;
    size_t i;

    SVEC_FOR_EACH (i, arg, &o->passed) {
        if (!strncmp(arg, option, strlen(option))) {
            return true;
        }
    }
    return false;
}

static void
add_keys(struct svec *args, const struct db_keys *keys)
{
    svec_add_nocopy(args, xasprintf("--private-key=%s", keys->private_key));
    svec_add_nocopy(args, xasprintf("--certificate=%s", keys->certificate));
    svec_add_nocopy(args, xasprintf("--ca-cert=%s", keys->ca_cert));
    if (keys->send_ca) {
        svec_add_nocopy(args, xasprintf("--peer-ca-cert=%s", keys->send_ca));
    }
    svec_add(args, "--ssl-protocols=TLSv1.2");
}

/* Returns only if it fails.  Takes ownership of 'args', all but the
 * program. */
static char *
exec_server(struct svec *args, const struct db_options *o)
{
    char *program = program_find("ovsdb-server");
    struct svec argv = SVEC_EMPTY_INITIALIZER;
    char *error = prepare_folders(o);

    if (!error && !program) {
        error = xstrdup("ovsdb-server is not installed (Debian: "
                        "apt install openvswitch-switch)");
    }
    if (!error) {
        svec_add(&argv, program);
        svec_append(&argv, args);
        svec_add_nocopy(&argv, xasprintf("--remote=p%s", o->db));
        if (!is_passed(o, "--unixctl")) {
            char *control = db_control_path(o->db);

            svec_add_nocopy(&argv, xasprintf("--unixctl=%s", control));
            free(control);
        }
        if (o->detach) {
            svec_add(&argv, "--detach");
        }
        svec_append(&argv, &o->passed);
        svec_terminate(&argv);
        /* The socket is its user's alone, unless the one who starts this lets
         * groups write: then its group may use the database as well. */
        umask(o->umask & 070 ? 077 : 007);
        execv(program, argv.names);
        error = xasprintf("%s: %s", program, ovs_strerror(errno));
    }
    svec_destroy(&argv);
    svec_destroy(args);
    free(program);
    return error;
}

/* A database of its own. */

static char *
prepare_file(const char *file, const struct db_options *o)
{
    struct db_keys keys = { .ca_cert = NULL };
    struct stat s;
    bool converted = false;
    off_t torn = 0;
    char *error = check_listen(o);

    if (!error && o->pki) {
        error = db_keys_find(o, false, &keys);
        if (!error) {
            error = check_ports_free(o->listen, DB_AGENT_PORT,
                                     DB_CONTROLLER_PORT);
        }
    }
    if (!error && stat(file, &s)) {
        error = errno == ENOENT ? db_create_file(file, NULL)
                : xasprintf("%s: %s", file, ovs_strerror(errno));
    }
    if (!error) {
        error = db_torn_cut(file, &torn);
    }
    if (torn) {
        fprintf(stderr, "socknet: %s: its last transaction was being written "
                "when the server or the host died, and confirmed to nobody: "
                "removed %jd bytes\n", file, (intmax_t) torn);
    }
    if (!error) {
        error = db_file_upgrade(file, &converted);
    }
    if (!error) {
        struct db_file_tls tls = {
            .private_key = keys.private_key, .certificate = keys.certificate,
            .ca_cert = keys.ca_cert, .listen = o->listen,
        };
        error = db_file_configure(file, o->pki ? &tls : NULL);
    }
    if (!error && converted) {
        fprintf(stderr, "socknet: %s: converted to the schema of this "
                "version\n", file);
    }
    db_keys_destroy(&keys);
    return error;
}

static char *
serve_alone(const char *file, const struct db_options *o)
{
    struct svec args = SVEC_EMPTY_INITIALIZER;
    char *error = prepare_file(file, o);

    if (error) {
        return error;
    }
    svec_add(&args, file);
    svec_add(&args, "--remote=db:Socknet,Mesh,connections");
    svec_add(&args, "--private-key=db:Socknet,SSL,private_key");
    svec_add(&args, "--certificate=db:Socknet,SSL,certificate");
    svec_add(&args, "--ca-cert=db:Socknet,SSL,ca_cert");
    svec_add(&args, "--ssl-protocols=db:Socknet,SSL,ssl_protocols");
    return exec_server(&args, o);
}

/* A member of a cluster. */

/* The address in "ssl:ADDRESS:PORT"; NULL: it is no such thing. */
static char *
address_of(const char *target)
{
    const char *port = strrchr(target, ':');

    return !strncmp(target, "ssl:", 4) && port > target + 4
           ? xmemdup0(target + 4, port - target - 4) : NULL;
}

static char *
check_log(const char *file, const char *address)
{
    char *damage = db_health_check_log(file);
    char *error = NULL;

    if (damage) {
        error = xasprintf("%s: %s\nThis member lost what it had agreed to, "
                          "as after a full disk.  Remove the file, `socknet "
                          "db kick %s` on another member, and let it join "
                          "anew.",
                          file, damage, address);
        free(damage);
    }
    return error;
}

static char *
prepare_member(const char *file, const struct db_options *o,
               struct db_keys *keys, char **ret_address)
{
    char *target;
    char *error = db_file_address(file, &target);

    *ret_address = error ? NULL : address_of(target);
    if (!error && !*ret_address) {
        error = xasprintf("%s: made for %s; socknet serves a cluster at "
                          "ssl:ADDRESS:%d only", file, target,
                          DB_RAFT_PORT);
    } else if (!error && o->listen && strcmp(o->listen, *ret_address)) {
        error = xasprintf("--listen %s: this member is known to the others "
                          "as %s; to move it, let it leave and join anew",
                          o->listen, *ret_address);
    } else if (!error && !o->pki) {
        error = xasprintf("%s is a member of a cluster: say where its keys "
                          "are, --pki DIR", file);
    }
    if (!error) {
        error = check_log(file, *ret_address);
    }
    if (!error) {
        error = db_keys_find(o, true, keys);
    }
    if (!error) {
        error = check_ports_free(*ret_address, DB_CLUSTER_PORT,
                                 DB_RAFT_PORT);
    }
    free(target);
    return error;
}

static char *
serve_member(const char *file, const struct db_options *o)
{
    struct svec args = SVEC_EMPTY_INITIALIZER;
    struct db_keys keys = { .ca_cert = NULL };
    char *address = NULL;
    char *error = prepare_member(file, o, &keys, &address);

    if (!error) {
        svec_add(&args, file);
        svec_add_nocopy(&args, xasprintf("--remote=pssl:%d:%s",
                                         DB_CLUSTER_PORT, address));
        add_keys(&args, &keys);
        error = exec_server(&args, o);
    }
    db_keys_destroy(&keys);
    free(address);
    return error;
}

char *
db_serve(const char *file, const struct db_options *o)
{
    char *error = check_socket(o->db);

    return error ? error
           : db_file_is_clustered(file) ? serve_member(file, o)
           : serve_alone(file, o);
}

/* A relay. */

/* NULL, or why it is no list of remotes that a relay may have. */
static char *
check_from(const char *from)
{
    for (const char *p = from; p; ) {
        if (strncmp(p, "unix:", 5) && strncmp(p, "ssl:", 4)) {
            return xasprintf("--from: \"%s\" is neither unix:FILE nor "
                             "ssl:ADDRESS:%d", p, DB_CLUSTER_PORT);
        }
        p = strchr(p, ',');
        p = p ? p + 1 : NULL;
    }
    return NULL;
}

/* Members know it by the cluster's authority, hosts by the mesh's, which
 * signed the cluster's: it sends both. */
static char *
find_relay_keys(const struct db_options *o, struct db_keys *keys)
{
    char *dir = abs_file_name(NULL, o->pki);
    char *error = db_keys_find(o, true, keys);

    free(keys->ca_cert);
    keys->ca_cert = xasprintf("%s/ca-cert.pem", dir);
    free(dir);
    return error;
}

static char *
prepare_relay(const struct db_options *o, struct db_keys *keys)
{
    char *error = check_from(o->from);

    if (!error) {
        error = check_listen(o);
    }
    if (!error && !o->pki) {
        error = xstrdup("a relay serves other hosts: it needs --pki and "
                        "--listen");
    }
    if (!error) {
        error = find_relay_keys(o, keys);
    }
    if (!error) {
        error = check_socket(o->db);
    }
    return error ? error
           : check_ports_free(o->listen, DB_AGENT_PORT, DB_CONTROLLER_PORT);
}

char *
db_relay(const struct db_options *o)
{
    struct svec args = SVEC_EMPTY_INITIALIZER;
    struct db_keys keys = { .ca_cert = NULL };
    char *file = xasprintf("%s.remotes", o->db + strlen("unix:"));
    char *error = prepare_relay(o, &keys);

    if (!error) {
        error = db_relay_file_create(file, o->listen);
    }
    if (!error) {
        svec_add(&args, file);
        svec_add_nocopy(&args, xasprintf("relay:Socknet:%s", o->from));
        svec_add(&args, "--remote=db:" DB_RELAY_REMOTES);
        add_keys(&args, &keys);
        error = exec_server(&args, o);
    }
    db_keys_destroy(&keys);
    free(file);
    return error;
}
