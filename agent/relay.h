#ifndef SN_RELAY_H
#define SN_RELAY_H 1

/* The agent's side of socknet-relay: says what it is to do, keeps it running
 * while there is something to do, and reads what came of it.
 *
 * It relays, on a hub, for the pairs whose rows in the database name it; and
 * carries to a hub by TCP what this node cannot send by UDP. */

#include <stdbool.h>
#include <stddef.h>
#include "agent/relay-conf.h"

struct ds;
struct ovsdb_idl_txn;
struct plan;
struct rendezvous;
struct smap;
struct sset;

struct relay;
struct relay *relay_create(void);
void relay_destroy(struct relay *);     /* The process goes on. */

/* Node -> public key, base64. */
struct relay_keys {
    const struct smap *now, *next;
};

/* 'clients': struct relay_conf_client by peer. */
void relay_sync(struct relay *, const struct plan *,
                const struct rendezvous *, const struct relay_keys *,
                const struct shash *clients, struct sset *problems);

/* Once per iteration: true if the status is another than before. */
bool relay_run(struct relay *);
void relay_wait(const struct relay *);
const struct relay_status *relay_get_status(const struct relay *);

/* The rows of Relay_Status. */
void relay_report(const struct relay *, struct ovsdb_idl_txn *,
                  const char *node);

/* Ends the process. */
void relay_cleanup(void);

#endif /* agent/relay.h */
