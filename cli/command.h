#ifndef SN_COMMAND_H
#define SN_COMMAND_H 1

/* The table of subcommands: one file per subcommand, one row here. */

#include <stdbool.h>

enum {
    EXIT_OK = 0,
    EXIT_ERROR = 1,
    EXIT_PENDING = 2,           /* plan: there are changes. */
};

struct command_context {        /* Global options, parsed by main. */
    const char *db;             /* --db, SOCKNET_DB or the default. */
    bool json;                  /* --json */
    int timeout_ms;             /* --timeout, for a database that is away. */
};

struct command {
    const char *name;           /* "apply", "db". */
    const char *usage;          /* "FILE [--wait]". */
    const char *summary;        /* One line of `socknet --help`. */
    int (*run)(struct command_context *, int argc, char *argv[]);
};

/* argv[0] is the subcommand's name. */
int cmd_apply(struct command_context *, int argc, char *argv[]);
int cmd_check(struct command_context *, int argc, char *argv[]);
int cmd_compile(struct command_context *, int argc, char *argv[]);
int cmd_containers(struct command_context *, int argc, char *argv[]);
int cmd_db(struct command_context *, int argc, char *argv[]);
int cmd_explain(struct command_context *, int argc, char *argv[]);
int cmd_export(struct command_context *, int argc, char *argv[]);
int cmd_flows(struct command_context *, int argc, char *argv[]);
int cmd_nodes(struct command_context *, int argc, char *argv[]);
int cmd_pki(struct command_context *, int argc, char *argv[]);
int cmd_status(struct command_context *, int argc, char *argv[]);

#endif /* cli/command.h */
