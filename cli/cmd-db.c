#include <config.h>

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/db-file.h"
#include "cli/make-dirs.h"
#include "cli/pki-cert.h"
#include "cli/run-program.h"
#include "lib/prefix.h"
#include "openvswitch/vlog.h"
#include "socket-util.h"
#include "stream.h"
#include "svec.h"
#include "util.h"

#define DEFAULT_FILE "/var/lib/socknet/socknet.db"

struct serve_options {
    const char *db;             /* "unix:FILE": where to serve. */
    const char *pki;            /* Folder, or NULL: no TLS. */
    const char *name;           /* Of the certificate. */
    const char *listen;
    bool detach;
    struct svec passed;         /* Options for ovsdb-server. */
};

/* Prints 'error' if there is one, and frees it. */
static int
db_finish(char *error)
{
    if (!error) {
        return EXIT_OK;
    }
    command_fail("%s", error);
    free(error);
    return EXIT_ERROR;
}

static char *
make_parent(const char *file)
{
    char *copy = xstrdup(file);
    char *error = make_dirs(dirname(copy), 0700);

    free(copy);
    return error;
}

static char *
create_file(const char *file)
{
    struct stat s;
    char *error;

    if (!stat(file, &s)) {
        return xasprintf("%s exists; it is not overwritten", file);
    }
    error = make_parent(file);
    return error ? error : db_file_create(file);
}

static int
db_create(const char *file)
{
    char *error = create_file(file);

    if (!error) {
        printf("%s: made; \"socknet db serve\" serves it\n", file);
    }
    return db_finish(error);
}

/* Checks before ovsdb-server starts: it would go on without a word. */

static char *
check_readable(const char *path, const char *hint)
{
    return access(path, R_OK)
           ? xasprintf("%s: %s%s", path, ovs_strerror(errno),
                       errno == ENOENT ? hint : "")
           : NULL;
}

/* "192.0.2.1" or "[2001:db8::1]". */
static char *
check_listen_address(const char *listen_addr)
{
    bool bracket = listen_addr[0] == '[';
    char *bare = xstrdup(listen_addr + bracket);
    size_t len = strlen(bare);
    struct sn_prefix prefix;
    char *error = NULL;

    if (bracket && len && bare[len - 1] == ']') {
        bare[len - 1] = '\0';
    } else if (bracket || strpbrk(bare, ":/")) {
        error = xasprintf("--listen: \"%s\": an IPv6 address is written in "
                          "brackets, and without a port", listen_addr);
    }
    if (!error) {
        char *reason = sn_prefix_parse(bare, &prefix);

        error = reason ? xasprintf("--listen: %s", reason) : NULL;
        free(reason);
    }
    free(bare);
    return error;
}

static char *
find_tls(const struct serve_options *o, struct db_file_tls *tls)
{
    char *dir = abs_file_name(NULL, o->pki);
    char *error = check_listen_address(o->listen);

    tls->private_key = xasprintf("%s/%s-key.pem", dir, o->name);
    tls->certificate = xasprintf("%s/%s-cert.pem", dir, o->name);
    tls->ca_cert = xasprintf("%s/ca-cert.pem", dir);
    tls->listen = o->listen;
    free(dir);

    if (!error) {
        error = check_readable(tls->ca_cert,
                               "; \"socknet pki init\" makes an authority");
    }
    if (!error) {
        error = check_readable(tls->certificate, "");
    }
    return error ? error : check_readable(tls->private_key, "");
}

static void
tls_destroy(struct db_file_tls *tls)
{
    free(tls->private_key);
    free(tls->certificate);
    free(tls->ca_cert);
}

/* ovsdb-server retries in silence if it cannot listen. */
static char *
check_port_free(const char *listen_addr, int port)
{
    char *target = xasprintf("%d:%s", port, listen_addr);
    int fd = inet_open_passive(SOCK_STREAM, target, port, NULL, 0, false);
    char *error = NULL;

    if (fd < 0) {
        error = xasprintf("cannot listen at %s port %d: %s", listen_addr,
                          port, ovs_strerror(-fd));
    } else {
        close(fd);
    }
    free(target);
    return error;
}

/* ovsdb-server would take the place of whoever listens at 'path'. */
static char *
check_socket_free(const char *path)
{
    int fd = make_unix_socket(SOCK_STREAM, true, NULL, path);

    if (fd >= 0) {
        close(fd);
        return xasprintf("%s: a database is being served there already",
                         path);
    }
    return NULL;
}

static char *
prepare_file(const char *file, const struct serve_options *o)
{
    struct db_file_tls tls = { .listen = NULL };
    struct stat s;
    bool converted = false;
    char *error = NULL;

    if (o->pki) {
        error = find_tls(o, &tls);
        if (!error) {
            error = check_port_free(o->listen, DB_AGENT_PORT);
        }
        if (!error) {
            error = check_port_free(o->listen, DB_CONTROLLER_PORT);
        }
    }
    if (!error && stat(file, &s)) {
        error = errno == ENOENT ? create_file(file)
                : xasprintf("%s: %s", file, ovs_strerror(errno));
    }
    if (!error) {
        error = db_file_upgrade(file, &converted);
    }
    if (!error) {
        error = db_file_configure(file, o->pki ? &tls : NULL);
    }
    if (!error && converted) {
        fprintf(stderr, "socknet: %s: converted to the schema of this "
                "version\n", file);
    }
    tls_destroy(&tls);
    return error;
}

/* Pidfile and control socket go beside the socket, not among those of the
 * switch's own ovsdb-server. */
static char *
prepare_folders(const char *socket_path, const struct serve_options *o)
{
    char *copy = xstrdup(socket_path);

    setenv("OVS_RUNDIR", dirname(copy), true);
    free(copy);
    setenv("OVS_LOGDIR", "/var/log/socknet", false);
    return svec_contains_unsorted(&o->passed, "--log-file")
           ? make_dirs(getenv("OVS_LOGDIR"), 0750) : NULL;
}

/* Returns only if it fails. */
static char *
exec_server(const char *file, const char *socket_path,
            const struct serve_options *o)
{
    char *program = program_find("ovsdb-server");
    struct svec args = SVEC_EMPTY_INITIALIZER;
    char *error;

    if (!program) {
        return xstrdup("ovsdb-server is not installed (Debian: "
                       "apt install openvswitch-switch)");
    }
    svec_add(&args, program);
    svec_add(&args, file);
    svec_add_nocopy(&args, xasprintf("--remote=punix:%s", socket_path));
    svec_add(&args, "--remote=db:Socknet,Mesh,connections");
    svec_add(&args, "--private-key=db:Socknet,SSL,private_key");
    svec_add(&args, "--certificate=db:Socknet,SSL,certificate");
    svec_add(&args, "--ca-cert=db:Socknet,SSL,ca_cert");
    svec_add(&args, "--ssl-protocols=db:Socknet,SSL,ssl_protocols");
    if (o->detach) {
        svec_add(&args, "--detach");
    }
    svec_append(&args, &o->passed);
    svec_terminate(&args);
    execv(program, args.names);
    error = xasprintf("%s: %s", program, ovs_strerror(errno));
    svec_destroy(&args);
    free(program);
    return error;
}

static int
db_serve(const char *file, const struct serve_options *o)
{
    const char *socket_path = o->db + strlen("unix:");
    char *error;

    if (strncmp(o->db, "unix:/", 6)) {
        return command_fail("\"%s\": a database is served at a local socket, "
                            "unix:/FILE; other hosts reach it by --pki and "
                            "--listen", o->db);
    }
    if (!o->pki != !o->listen) {
        return command_misused("db", "--pki and --listen go together");
    }

    error = make_parent(socket_path);
    if (!error) {
        error = check_socket_free(socket_path);
    }
    if (!error) {
        error = prepare_file(file, o);
    }
    if (!error) {
        error = prepare_folders(socket_path, o);
    }
    if (!error) {
        error = exec_server(file, socket_path, o);
    }
    return db_finish(error);
}

/* Hands "--NAME" or "--NAME=VALUE" to ovsdb-server. */
static void
pass_option(struct serve_options *o, const char *name, const char *value)
{
    svec_add_nocopy(&o->passed, value ? xasprintf("--%s=%s", name, value)
                                      : xasprintf("--%s", name));
}

static int
db_parse(int argc, char *argv[], struct serve_options *o)
{
    enum { OPT_DB = 256, OPT_PKI, OPT_NAME, OPT_LISTEN, OPT_DETACH, OPT_PASS };
    static const struct option options[] = {
        {"db", required_argument, NULL, OPT_DB},
        {"pki", required_argument, NULL, OPT_PKI},
        {"name", required_argument, NULL, OPT_NAME},
        {"listen", required_argument, NULL, OPT_LISTEN},
        {"detach", no_argument, NULL, OPT_DETACH},
        {"pidfile", optional_argument, NULL, OPT_PASS},
        {"overwrite-pidfile", no_argument, NULL, OPT_PASS},
        {"no-chdir", no_argument, NULL, OPT_PASS},
        {"monitor", no_argument, NULL, OPT_PASS},
        {"log-file", optional_argument, NULL, OPT_PASS},
        {"syslog-target", required_argument, NULL, OPT_PASS},
        {"unixctl", required_argument, NULL, OPT_PASS},
        {"verbose", optional_argument, NULL, OPT_PASS},
        {NULL, 0, NULL, 0},
    };
    int index = 0;

    for (;;) {
        switch (getopt_long(argc, argv, ":v::", options, &index)) {
        case -1:
            return EXIT_OK;
        case OPT_DB:
            o->db = optarg;
            break;
        case OPT_PKI:
            o->pki = optarg;
            break;
        case OPT_NAME:
            o->name = optarg;
            break;
        case OPT_LISTEN:
            o->listen = optarg;
            break;
        case OPT_DETACH:
            o->detach = true;
            break;
        case OPT_PASS:
            pass_option(o, options[index].name, optarg);
            break;
        case 'v':
            pass_option(o, "verbose", optarg);
            break;
        case ':':
            return command_misused("db", "%s needs a value",
                                   argv[optind - 1]);
        default:
            return command_misused("db", "unknown option %s",
                                   argv[optind - 1]);
        }
    }
}

int
cmd_db(struct command_context *ctx, int argc, char *argv[])
{
    struct serve_options o = { .db = ctx->db, .name = PKI_DB_NAME };
    const char *file;
    int status = EXIT_ERROR;

    umask(077);
    opterr = 0;
    svec_init(&o.passed);
    if (!db_parse(argc, argv, &o)) {
        argc -= optind;
        argv += optind;
        file = argc == 2 ? argv[1] : DEFAULT_FILE;
        if (argc >= 1 && argc <= 2 && !strcmp(argv[0], "create")) {
            status = db_create(file);
        } else if (argc >= 1 && argc <= 2 && !strcmp(argv[0], "serve")) {
            status = db_serve(file, &o);
        } else {
            command_misused("db", "give one of create [FILE], serve [FILE]");
        }
    }
    svec_destroy(&o.passed);
    return status;
}
