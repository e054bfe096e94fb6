#ifndef SN_APPLY_RUN_H
#define SN_APPLY_RUN_H 1

/* A state into the database: what `apply` and `rollback` share. */

#include <stdbool.h>

struct command_context;
struct model;
struct ovsdb_idl_txn;
struct session;
struct state_files;

struct apply_job {
    const char *action;         /* "apply", "rollback to 3", for history. */
    const struct state_files *files;    /* That the model was read from. */
    const char *node;           /* Of a single host's file, or NULL. */
    int confirm_s;              /* Undone after so long, unless confirmed. */
    bool ends_pending;          /* May replace a state that waits for that. */
    bool wait;
    bool dry_run;
    struct model *before;       /* Say what changes for whom against this, or
                                 * NULL. */
};

/* Says what happens; returns the command's exit status. */
int apply_run(const struct command_context *, struct session *,
              struct model *, const struct apply_job *);

/* The options that both have; 'c' as command_getopt() returned it.  False: it
 * is none of them, or has a bad value, about which something was said. */
enum {
    APPLY_OPT_WAIT = 300, APPLY_OPT_DRY_RUN, APPLY_OPT_CONFIRM,
};
#define APPLY_OPTIONS                                                  \
    {"wait", no_argument, NULL, APPLY_OPT_WAIT},                       \
    {"dry-run", no_argument, NULL, APPLY_OPT_DRY_RUN},                 \
    {"confirm", required_argument, NULL, APPLY_OPT_CONFIRM}
bool apply_parse_option(const char *command, int c, struct apply_job *);
/* Whether the options go together; if not, something was said. */
bool apply_check_options(const char *command, const struct apply_job *);

#endif /* cli/apply-run.h */
