#ifndef SN_COMMAND_H
#define SN_COMMAND_H 1

/* The table of subcommands: one file per subcommand, one row in commands.c.
 *
 * main() takes the global options out of the command line, wherever they
 * stand, so that a subcommand sees its own options only. */

#include <stdbool.h>
#include <stdio.h>
#include "openvswitch/compiler.h"

struct option;

enum {
    EXIT_OK = 0,
    EXIT_ERROR = 1,
    EXIT_PENDING = 2,           /* plan: there are changes. */
};

struct command_context {        /* Global options, parsed by main. */
    const char *db;             /* --db, SOCKNET_DB or the default. */
    bool json;                  /* --json */
    int timeout_ms;             /* --timeout, for a database that is away. */
    bool timeout_given;
};

struct command {
    const char *group;          /* Heading above it, or NULL: as before. */
    const char *name;           /* "apply", "db". */
    const char *usage;          /* "PATH [--wait]". */
    const char *summary;        /* One line. */
    const char *help;           /* Options, example: `socknet CMD --help`. */
    bool own_options;           /* No global option is taken out behind it. */
    int (*run)(struct command_context *, int argc, char *argv[]);
    const char *brief;          /* For `socknet --help`, where the summary is
                                 * longer than COMMAND_BRIEF_MAX. */
};

/* The overview has two columns. */
#define COMMAND_BRIEF_MAX 26

/* Ends with a row whose name is NULL. */
extern const struct command commands[];

const struct command *command_find(const char *name);
void command_print_overview(FILE *);
void command_print_help(const struct command *, FILE *);

/* "socknet: error: …" on standard error, and EXIT_ERROR for the caller to
 * return.  For what is no matter of a place in a file: those are struct diag
 * records. */
int command_fail(const char *format, ...) OVS_PRINTF_FORMAT(1, 2);
/* The same of 'error', which it frees; EXIT_OK if that is NULL. */
int command_finish(char *error);
/* command_fail() about how the command was called, with where to read more. */
int command_misused(const char *name, const char *format, ...)
    OVS_PRINTF_FORMAT(2, 3);
/* The next option of the subcommand's own, as getopt_long() returns it; an
 * unknown one or a missing argument has been reported and gives '?'. */
int command_getopt(int argc, char *argv[], const struct option *options);

/* argv[0] is the subcommand's name. */
int cmd_apply(struct command_context *, int argc, char *argv[]);
int cmd_bundle(struct command_context *, int argc, char *argv[]);
int cmd_check(struct command_context *, int argc, char *argv[]);
int cmd_client(struct command_context *, int argc, char *argv[]);
int cmd_compile(struct command_context *, int argc, char *argv[]);
int cmd_confirm(struct command_context *, int argc, char *argv[]);
int cmd_containers(struct command_context *, int argc, char *argv[]);
int cmd_db(struct command_context *, int argc, char *argv[]);
int cmd_doctor(struct command_context *, int argc, char *argv[]);
int cmd_explain(struct command_context *, int argc, char *argv[]);
int cmd_export(struct command_context *, int argc, char *argv[]);
int cmd_flows(struct command_context *, int argc, char *argv[]);
int cmd_history(struct command_context *, int argc, char *argv[]);
int cmd_exit(struct command_context *, int argc, char *argv[]);
int cmd_node(struct command_context *, int argc, char *argv[]);
int cmd_services(struct command_context *, int argc, char *argv[]);
int cmd_nodes(struct command_context *, int argc, char *argv[]);
int cmd_peers(struct command_context *, int argc, char *argv[]);
int cmd_pki(struct command_context *, int argc, char *argv[]);
int cmd_plan(struct command_context *, int argc, char *argv[]);
int cmd_prove(struct command_context *, int argc, char *argv[]);
int cmd_rollback(struct command_context *, int argc, char *argv[]);
int cmd_show(struct command_context *, int argc, char *argv[]);
int cmd_status(struct command_context *, int argc, char *argv[]);
int cmd_trace(struct command_context *, int argc, char *argv[]);
int cmd_why(struct command_context *, int argc, char *argv[]);

#endif /* cli/command.h */
