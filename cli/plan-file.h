#ifndef SN_PLAN_FILE_H
#define SN_PLAN_FILE_H 1

/* What `plan --out` writes and `apply` carries out: a proposed state with the
 * state of the database that it was compared with.  JSON:
 *
 *     {"socknet_plan": 1, "time": SECONDS,
 *      "base": {"mesh": UUID or null, "name": NAME, "revision": N,
 *               "generation": N, "state": HASH},
 *      "proposal": {"path": PATH, "folder": BOOLEAN, "node": NAME or null,
 *                   "files": [{"name": PATH, "text": TEXT}, ...],
 *                   "state": HASH},
 *      "hash": HASH of all the rest}
 *
 * The hashes of the two states are of what `export` prints of them.  The last
 * hash tells damage and edits, but is no signature: who can write the file may
 * as well write another state. */

#include <stdbool.h>
#include <stdint.h>
#include "cli/proposal.h"

struct model;
struct session;

struct plan_base {
    char *mesh;                 /* Its row's UUID; NULL: nothing applied. */
    char *name;
    int64_t revision, generation;
    char *state;                /* A hash. */
};

struct plan_file {
    struct plan_base base;
    struct proposal proposal;   /* Its model is not loaded. */
    char *state;                /* A hash: what it has to become. */
};

/* What there is to compare with. */
void plan_base_read(struct plan_base *, const struct session *);
void plan_base_destroy(struct plan_base *);

/* Writes 'path' anew, readable for its owner alone, as it holds all that the
 * state does.  Returns NULL or an error that the caller frees. */
char *plan_file_write(const char *path, const struct plan_base *,
                      const struct proposal *);

/* Whether what was read is, or was to be, a plan and not a state. */
bool plan_file_is_plan(const struct state_files *);
/* Returns NULL or an error that the caller frees; else free '*ret_plan' with
 * plan_file_destroy(). */
char *plan_file_parse(const char *text, struct plan_file *ret_plan);
void plan_file_destroy(struct plan_file *);

/* Why the plan cannot be carried out in this database, or NULL; the caller
 * frees it. */
char *plan_file_check_base(const struct plan_file *, const struct session *);
/* Whether its proposal, loaded, is what it was when the plan was made. */
bool plan_file_is_same_state(const struct plan_file *, const struct model *);

#endif /* cli/plan-file.h */
