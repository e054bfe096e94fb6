#ifndef SN_COMMIT_H
#define SN_COMMIT_H 1

/* A change of the desired state, by whatever command: composed anew as often
 * as the connection breaks, refused if somebody else changed it meanwhile. */

#include <stdbool.h>

struct model_apply;
struct ovsdb_idl_txn;
struct session;

struct commit {
    /* Initializes '*ret_apply', as model_apply_compose() does. */
    void (*compose)(struct ovsdb_idl_txn *, const void *aux,
                    struct model_apply *ret_apply);
    const void *aux;
    const char *comment;        /* For the database's log. */
};

/* Returns NULL, or an error that the caller frees.  The caller destroys
 * '*ret_apply' in any case.  With 'dry_run' nothing is sent. */
char *commit_run(struct session *, const struct commit *, bool dry_run,
                 long long int deadline, struct model_apply *ret_apply);

#endif /* cli/commit.h */
