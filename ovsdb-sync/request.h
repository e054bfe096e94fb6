#ifndef SN_REQUEST_H
#define SN_REQUEST_H 1

/* Questions that an operator's command asks the agents, by way of the central
 * database: a row of Request for each, a row of Answer from the node.
 *
 * Whoever asked deletes both.  A command that was killed leaves its rows: a
 * controller that may write deletes requests that it has seen for
 * REQUEST_LIFETIME_S, the next command those that are older by the clock, and
 * an agent its answers to requests that are no more. */

#include <stdbool.h>
#include <stdint.h>

struct ovsdb_idl;
struct ovsdb_idl_txn;
struct smap;
struct sndb_request;
struct uuid;

#define REQUEST_LIFETIME_S 60

/* Of an answer: what the schema takes. */
#define REQUEST_MAX_TEXT 2000000

void request_add_columns(struct ovsdb_idl *);
/* From now on, receive only what concerns 'node': agents. */
void request_limit_to_node(struct ovsdb_idl *, const char *node);
/* The same for one who asks: answers to him, all requests. */
void request_limit_to_asker(struct ovsdb_idl *, const char *asker);

/* For one who asks, of each node one thing at a time. */
void request_insert(struct ovsdb_idl_txn *, const char *asker,
                    const char *node, const char *kind,
                    const struct smap *arguments);
/* Deletes what 'asker' asked and was told, and what nobody waits for any
 * more. */
void request_delete(struct ovsdb_idl_txn *, const char *asker);
/* NULL: 'node' has not answered what he asks now. */
const struct sndb_answer *request_find_answer_to(const struct ovsdb_idl *,
                                                 const char *asker,
                                                 const char *node);

/* For agents. */
const struct sndb_answer *request_find_answer(const struct ovsdb_idl *,
                                              const char *node,
                                              const struct uuid *request);
/* Text that is too long becomes a failure. */
void request_answer(struct ovsdb_idl_txn *, const struct sndb_request *,
                    bool failed, const char *text);
/* Deletes the answers of 'node' to requests that are no more. */
void request_forget_answers(struct ovsdb_idl_txn *, const char *node);

#endif /* ovsdb-sync/request.h */
