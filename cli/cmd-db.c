#include <config.h>

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/command.h"
#include "cli/db-options.h"
#include "util.h"

#define DEFAULT_FILE "/var/lib/socknet/socknet.db"
#define DEFAULT_RELAY "unix:/run/socknet/relay.sock"

/* Each takes its arguments, argv[0] being the subcommand's name. */

static const char *
file_of(int argc, char *argv[], int i)
{
    return argc > i ? argv[i] : DEFAULT_FILE;
}

static int
run_create(struct db_options *o OVS_UNUSED, int argc, char *argv[])
{
    const char *file = file_of(argc, argv, 1);
    char *error = db_create_file(file, NULL);

    if (!error) {
        printf("%s: made; \"socknet db serve\" serves it\n", file);
    }
    return command_finish(error);
}

static int
run_serve(struct db_options *o, int argc, char *argv[])
{
    return command_finish(db_serve(file_of(argc, argv, 1), o));
}

static int
run_relay(struct db_options *o, int argc OVS_UNUSED, char *argv[] OVS_UNUSED)
{
    if (!o->from) {
        o->from = o->db_given ? "unix:/run/socknet/db.sock" : o->db;
    }
    if (!o->db_given) {
        o->db = DEFAULT_RELAY;
    }
    return command_finish(db_relay(o));
}

static int
run_init(struct db_options *o, int argc, char *argv[])
{
    return command_finish(db_init(file_of(argc, argv, 1), o));
}

static int
run_join(struct db_options *o, int argc, char *argv[])
{
    return command_finish(db_join(file_of(argc, argv, 1), o));
}

static int
run_leave(struct db_options *o, int argc OVS_UNUSED, char *argv[] OVS_UNUSED)
{
    return command_finish(db_leave(o));
}

static int
run_kick(struct db_options *o, int argc OVS_UNUSED, char *argv[])
{
    return command_finish(db_kick(argv[1], o));
}

static int
run_status(struct db_options *o, int argc OVS_UNUSED,
           char *argv[] OVS_UNUSED)
{
    int status = EXIT_OK;
    int error = command_finish(db_status(o, &status));

    return error ? error : status;
}

static int
run_backup(struct db_options *o, int argc OVS_UNUSED, char *argv[])
{
    return command_finish(db_backup(argv[1], o));
}

static int
run_restore(struct db_options *o OVS_UNUSED, int argc, char *argv[])
{
    return command_finish(db_restore(argv[1], file_of(argc, argv, 2)));
}

static int
run_upgrade(struct db_options *o, int argc OVS_UNUSED,
            char *argv[] OVS_UNUSED)
{
    return command_finish(db_upgrade(o));
}

static int
run_compact(struct db_options *o, int argc OVS_UNUSED,
            char *argv[] OVS_UNUSED)
{
    return command_finish(db_compact(o));
}

static const struct subcommand {
    const char *name;
    int min_args, max_args;
    int (*run)(struct db_options *, int argc, char *argv[]);
} subcommands[] = {
    { "create", 0, 1, run_create },
    { "serve", 0, 1, run_serve },
    { "init", 0, 1, run_init },
    { "join", 0, 1, run_join },
    { "relay", 0, 0, run_relay },
    { "status", 0, 0, run_status },
    { "backup", 1, 1, run_backup },
    { "restore", 1, 2, run_restore },
    { "upgrade", 0, 0, run_upgrade },
    { "compact", 0, 0, run_compact },
    { "leave", 0, 0, run_leave },
    { "kick", 1, 1, run_kick },
};

/* Hands "--NAME" or "--NAME=VALUE" to ovsdb-server. */
static void
pass_option(struct db_options *o, const char *name, const char *value)
{
    svec_add_nocopy(&o->passed, value ? xasprintf("--%s=%s", name, value)
                                      : xasprintf("--%s", name));
}

enum {
    OPT_DB = 256, OPT_PKI, OPT_NAME, OPT_LISTEN, OPT_FROM, OPT_REMOTE,
    OPT_JSON, OPT_TIMEOUT, OPT_DETACH, OPT_PASS,
};
static const struct option options[] = {
    {"db", required_argument, NULL, OPT_DB},
    {"pki", required_argument, NULL, OPT_PKI},
    {"name", required_argument, NULL, OPT_NAME},
    {"listen", required_argument, NULL, OPT_LISTEN},
    {"from", required_argument, NULL, OPT_FROM},
    {"remote", required_argument, NULL, OPT_REMOTE},
    {"json", no_argument, NULL, OPT_JSON},
    {"timeout", required_argument, NULL, OPT_TIMEOUT},
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

static int
parse_timeout(const char *s, struct db_options *o)
{
    int seconds;

    if (!str_to_int(s, 10, &seconds) || seconds < 1 || seconds > 86400) {
        return command_misused("db", "--timeout: \"%s\" is not a number of "
                               "seconds from 1 to 86400", s);
    }
    o->timeout_ms = seconds * 1000;
    return EXIT_OK;
}

static int
take_option(int c, const char *name, struct db_options *o)
{
    switch (c) {
    case OPT_DB:
        o->db = optarg;
        o->db_given = true;
        return EXIT_OK;
    case OPT_PKI:
        o->pki = optarg;
        return EXIT_OK;
    case OPT_NAME:
        o->name = optarg;
        return EXIT_OK;
    case OPT_LISTEN:
        o->listen = optarg;
        return EXIT_OK;
    case OPT_FROM:
        o->from = optarg;
        return EXIT_OK;
    case OPT_REMOTE:
        o->remote = optarg;
        return EXIT_OK;
    case OPT_JSON:
        o->json = true;
        return EXIT_OK;
    case OPT_TIMEOUT:
        return parse_timeout(optarg, o);
    case OPT_DETACH:
        o->detach = true;
        return EXIT_OK;
    case OPT_PASS:
        pass_option(o, name, optarg);
        return EXIT_OK;
    default:
        OVS_NOT_REACHED();
    }
}

static int
db_parse(int argc, char *argv[], struct db_options *o)
{
    int index = 0;

    for (;;) {
        int c = getopt_long(argc, argv, ":v::", options, &index);

        if (c == -1) {
            return EXIT_OK;
        } else if (c == 'v') {
            pass_option(o, "verbose", optarg);
        } else if (c == ':') {
            return command_misused("db", "%s needs a value",
                                   argv[optind - 1]);
        } else if (c == '?') {
            return command_misused("db", "unknown option %s",
                                   argv[optind - 1]);
        } else {
            int error = take_option(c, options[index].name, o);

            if (error) {
                return error;
            }
        }
    }
}

static int
run(struct db_options *o, int argc, char *argv[])
{
    for (size_t i = 0; argc && i < ARRAY_SIZE(subcommands); i++) {
        const struct subcommand *s = &subcommands[i];

        if (!strcmp(argv[0], s->name) && argc - 1 >= s->min_args
            && argc - 1 <= s->max_args) {
            return s->run(o, argc, argv);
        }
    }
    return command_misused("db", "give one of create [FILE], serve [FILE], "
                           "init [FILE], join [FILE], relay, status, "
                           "backup BACKUP, restore BACKUP [FILE], upgrade, "
                           "compact, leave, kick MEMBER");
}

int
cmd_db(struct command_context *ctx, int argc, char *argv[])
{
    struct db_options o = {
        .db = ctx->db, .json = ctx->json,
        .timeout_ms = MAX(ctx->timeout_ms, 10000),
    };
    int status = EXIT_ERROR;

    o.umask = umask(077);
    opterr = 0;
    svec_init(&o.passed);
    if (!db_parse(argc, argv, &o)) {
        status = run(&o, argc - optind, argv + optind);
    }
    svec_destroy(&o.passed);
    return status;
}
