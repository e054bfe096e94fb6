#ifndef SN_CENTRAL_H
#define SN_CENTRAL_H 1

/* The central database as the agent sees it: the model and the other nodes'
 * public keys come in, status goes out.  Without the database the last known
 * contents stay, also for an agent that starts without it. */

#include <stdbool.h>
#include <stdint.h>

struct central;
struct ds;
struct model;
struct ovsdb_idl;
struct ovsdb_idl_txn;
struct smap;
struct sset;

/* What the database said last is kept in 'state_dir'. */
struct central *central_create(const char *remote, const char *node,
                               const char *state_dir);
void central_destroy(struct central *);
/* Removes what was kept there, lest an agent make it all again. */
void central_cleanup(const char *state_dir);

/* Once per iteration.  True if the model, a key or the generation changed. */
bool central_run(struct central *);
void central_commit_and_wait(struct central *);
void central_format_status(const struct central *, struct ds *);
void central_add_problems(const struct central *, struct sset *problems);
/* NULL until the database has been read once. */
const struct model *central_model(const struct central *);
int64_t central_generation(const struct central *);
/* Node -> public key, base64; and the one that it is about to take. */
const struct smap *central_keys(const struct central *);
const struct smap *central_next_keys(const struct central *);
/* Whether the last central_run() changed one of those. */
bool central_keys_changed(const struct central *);

/* What a node's agent reported of itself. */
struct central_node {
    const char *public_key;     /* Or NULL, as the next one. */
    const char *next_public_key;
    int64_t key_epoch;
    int64_t seen;               /* Unix seconds. */
    const char *knows_next_key; /* This node's next key, as it has it. */
};
/* The pre-shared keys that 'from' told 'to'; NULL: none. */
struct central_psk {
    const char *offer, *next_offer, *taken;
};
struct central_psk central_get_psk(const struct central *, const char *from,
                                   const char *to);

/* False: it never reported. */
bool central_get_node(const struct central *, const char *node,
                      struct central_node *ret);
/* Whether this node's last report was that 'node' does not answer it. */
bool central_was_unreachable(const char *node, const void *central);
/* What the database has of this node's exit 'name': see exit-watch.h. */
int central_exit_before(const char *name, int64_t *ret_since,
                        const void *central);
/* For what the nodes report of each other; and whether any of it may have
 * changed since the last call. */
const struct ovsdb_idl *central_idl(const struct central *);
bool central_take_news(struct central *);
/* The open transaction for status rows, or NULL. */
struct ovsdb_idl_txn *central_txn(struct central *);

#endif /* agent/central.h */
