#ifndef SN_COMMIT_H
#define SN_COMMIT_H 1

/* A change of the desired state, by whatever command: composed anew as often
 * as the connection breaks, refused if somebody else changed it meanwhile or
 * if a state waits to be confirmed; written with its revision. */

#include <stdbool.h>

struct model_apply;
struct ovsdb_idl_txn;
struct session;
struct state_files;

struct commit {
    /* Initializes '*ret_apply', as model_apply_compose() does. */
    void (*compose)(struct ovsdb_idl_txn *, const void *aux,
                    struct model_apply *ret_apply);
    const void *aux;
    const char *action;         /* "apply", "node revoke x": for history. */
    const struct state_files *files;    /* Read for it, or NULL. */
    const char *node;           /* Of a single host's file, or NULL. */
    int confirm_s;              /* Undone after so long, unless confirmed. */
    bool ends_pending;          /* Replaces a state that waits for that. */
};

/* Returns NULL, or an error that the caller frees.  The caller destroys
 * '*ret_apply' in any case.  With 'dry_run' nothing is sent. */
char *commit_run(struct session *, const struct commit *, bool dry_run,
                 long long int deadline, struct model_apply *ret_apply);

/* Sends 'txn' and waits for the outcome until 'deadline' (as time_msec()).
 * Returns NULL, or an error that the caller frees.  '*ret_again': the outcome
 * is not known, or somebody else was faster; NULL then.  Destroys 'txn'. */
char *commit_send(struct session *, struct ovsdb_idl_txn *,
                  long long int deadline, bool *ret_again);

#endif /* cli/commit.h */
