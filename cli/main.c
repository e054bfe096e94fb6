#include <config.h>

#include <errno.h>
#include <getopt.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include "cli/command.h"
#include "fatal-signal.h"
#include "lib/sn-version.h"
#include "lib/suggest.h"
#include "openvswitch/util.h"
#include "openvswitch/vlog.h"
#include "ovsdb-sync/db-connection.h"
#include "stream-ssl.h"
#include "util.h"

enum { DEFAULT_TIMEOUT_MS = 5000 };

/* A global option.  They are accepted on both sides of the subcommand, so
 * getopt, which would have to know every subcommand's options, is not used
 * for them. */
enum global_id {
    GLOBAL_DB, GLOBAL_JSON, GLOBAL_TIMEOUT, GLOBAL_KEY, GLOBAL_CERT,
    GLOBAL_CA, GLOBAL_VERBOSE, GLOBAL_HELP, GLOBAL_VERSION,
};

struct global_option {
    const char *name;
    char letter;
    enum { ARG_NONE, ARG_REQUIRED, ARG_OPTIONAL } arg;
    enum global_id id;
};

static const struct global_option global_options[] = {
    { "db", 0, ARG_REQUIRED, GLOBAL_DB },
    { "json", 0, ARG_NONE, GLOBAL_JSON },
    { "timeout", 't', ARG_REQUIRED, GLOBAL_TIMEOUT },
    { "private-key", 'p', ARG_REQUIRED, GLOBAL_KEY },
    { "certificate", 'c', ARG_REQUIRED, GLOBAL_CERT },
    { "ca-cert", 'C', ARG_REQUIRED, GLOBAL_CA },
    { "verbose", 'v', ARG_OPTIONAL, GLOBAL_VERBOSE },
    { "help", 'h', ARG_NONE, GLOBAL_HELP },
    { "version", 'V', ARG_NONE, GLOBAL_VERSION },
};

struct globals {
    struct command_context ctx;
    bool help;
    bool version;
};

/* If 'word' is a global option, returns it and points '*ret_value' to its
 * value within the same word, or NULL. */
static const struct global_option *
global_option_find(const char *word, const char **ret_value)
{
    for (size_t i = 0; i < ARRAY_SIZE(global_options); i++) {
        const struct global_option *o = &global_options[i];
        size_t len = strlen(o->name);

        *ret_value = NULL;
        if (!strncmp(word, "--", 2) && !strncmp(word + 2, o->name, len)) {
            const char *rest = word + 2 + len;
            if (*rest == '=' && o->arg != ARG_NONE) {
                *ret_value = rest + 1;
            }
            if (!*rest || *ret_value) {
                return o;
            }
        } else if (o->letter && word[0] == '-' && word[1] == o->letter
                   && (!word[2] || o->arg != ARG_NONE)) {
            *ret_value = word[2] ? word + 2 : NULL;
            return o;
        }
    }
    return NULL;
}

static int
parse_timeout(const char *s, struct command_context *ctx)
{
    char *end;
    double seconds = strtod(s, &end);

    if (end == s || *end || !(seconds > 0 && seconds <= 86400)) {
        return command_fail("--timeout: \"%s\" is not a number of seconds "
                            "between 0 and 86400", s);
    }
    ctx->timeout_ms = MAX(1, seconds * 1000);
    ctx->timeout_given = true;
    return EXIT_OK;
}

static int
global_option_apply(const struct global_option *o, const char *value,
                    struct globals *g)
{
    switch (o->id) {
    case GLOBAL_DB:
        g->ctx.db = value;
        break;
    case GLOBAL_JSON:
        g->ctx.json = true;
        break;
    case GLOBAL_TIMEOUT:
        return parse_timeout(value, &g->ctx);
    case GLOBAL_KEY:
        stream_ssl_set_private_key_file(value);
        break;
    case GLOBAL_CERT:
        stream_ssl_set_certificate_file(value);
        break;
    case GLOBAL_CA:
        stream_ssl_set_ca_cert_file(value, false);
        break;
    case GLOBAL_VERBOSE:
        vlog_set_verbosity(value);
        break;
    case GLOBAL_HELP:
        g->help = true;
        break;
    case GLOBAL_VERSION:
        g->version = true;
        break;
    }
    return EXIT_OK;
}

/* Takes the global options out of 'argv', which shrinks to the rest.  Stops at
 * "--"; behind a subcommand that has "own_options" only --help is global. */
static int
globals_parse(int *argcp, char *argv[], struct globals *g)
{
    const struct command *command = NULL;
    int argc = *argcp;
    int n = 1;

    for (int i = 1; i < argc; i++) {
        const char *value;
        const struct global_option *o = global_option_find(argv[i], &value);

        if (!strcmp(argv[i], "--")) {
            while (i < argc) {
                argv[n++] = argv[i++];
            }
            break;
        }
        if (command && command->own_options && o && o->id != GLOBAL_HELP) {
            o = NULL;
        }
        if (!o) {
            if (!command && argv[i][0] != '-') {
                command = command_find(argv[i]);
            }
            argv[n++] = argv[i];
            continue;
        }
        if (o->arg == ARG_REQUIRED && !value) {
            value = i + 1 < argc ? argv[++i] : NULL;
            if (!value) {
                return command_fail("--%s needs a value", o->name);
            }
        }
        int error = global_option_apply(o, value, g);
        if (error) {
            return error;
        }
    }
    argv[n] = NULL;
    *argcp = n;
    return EXIT_OK;
}

static int
report_unknown_command(const char *name)
{
    struct suggest suggest;

    suggest_init(&suggest, name);
    for (const struct command *c = commands; c->name; c++) {
        suggest_offer(&suggest, c->name);
    }
    if (suggest.best) {
        return command_fail("unknown command \"%s\": did you mean \"%s\"?",
                            name, suggest.best);
    }
    return command_fail("unknown command \"%s\": `socknet --help` lists them",
                        name);
}

static int
run_command(struct globals *g, int argc, char *argv[])
{
    if (g->version) {
        sn_version_print();
        return EXIT_OK;
    }
    if (argc < 2 || !strcmp(argv[1], "help")) {
        g->help = g->help || argc >= 2;
        argc--, argv++;
    }
    if (argc < 2) {
        command_print_overview(g->help ? stdout : stderr);
        return g->help ? EXIT_OK : EXIT_ERROR;
    }
    if (argv[1][0] == '-') {
        return command_misused(NULL, "unknown option %s", argv[1]);
    }

    const struct command *command = command_find(argv[1]);
    if (!command) {
        return report_unknown_command(argv[1]);
    }
    if (g->help) {
        command_print_help(command, stdout);
        return EXIT_OK;
    }
    return command->run(&g->ctx, argc - 1, argv + 1);
}

/* What was printed must have arrived: a full disk is an error.  A reader that
 * left early, as `head` does, is none that anybody wants to read about. */
static int
finish_output(int status)
{
    if (!fflush(stdout) && !ferror(stdout)) {
        return status;
    }
    if (errno == EPIPE) {
        return EXIT_ERROR;
    }
    return command_fail("standard output: %s", ovs_strerror(errno));
}

int
main(int argc, char *argv[])
{
    struct globals globals = {
        .ctx = {
            .db = db_connection_default_remote(),
            .timeout_ms = DEFAULT_TIMEOUT_MS,
        },
    };

    sn_program_init(argv[0]);
    fatal_ignore_sigpipe();
    /* The command says itself what went wrong; -v shows the libraries' log. */
    vlog_set_levels(NULL, VLF_CONSOLE, VLL_OFF);
    vlog_set_levels(NULL, VLF_SYSLOG, VLL_OFF);

    int status = globals_parse(&argc, argv, &globals);
    if (!status) {
        status = run_command(&globals, argc, argv);
    }
    return finish_output(status);
}
