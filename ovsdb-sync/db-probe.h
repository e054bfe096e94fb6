#ifndef SN_DB_PROBE_H
#define SN_DB_PROBE_H 1

/* What a server of OVSDB says of itself (its database "_Server"), asked once
 * and without its contents: for commands that want to know why a server cannot
 * be used.  Blocks, for a second at most per server. */

#include <stdbool.h>
#include <stdint.h>

struct db_probe {
    char *model;                /* "standalone", "clustered" or "relay". */
    bool connected;             /* To the majority, to what it relays. */
    bool leader;
    char *cid;                  /* Of the cluster, or NULL. */
    char *schema_version;       /* NULL: it has not got the contents yet. */
    bool silent;                /* Of one that gave an error: nobody there
                                 * took the connection, or refused it. */
};

/* One remote, not a list.  Returns NULL or an error that the caller frees. */
char *db_probe_run(const char *remote, struct db_probe *);
void db_probe_destroy(struct db_probe *);

/* Asks each of a list of remotes.  What is wrong with them as servers, for the
 * caller to free; NULL: nothing that they would know. */
char *db_probe_explain(const char *remotes);

#endif /* ovsdb-sync/db-probe.h */
