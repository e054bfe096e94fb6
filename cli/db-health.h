#ifndef SN_DB_HEALTH_H
#define SN_DB_HEALTH_H 1

/* What this host's server of the database is, and what is wrong with it. */

#include <stdbool.h>

#include "cli/db-cluster.h"
#include "ovsdb-sync/db-probe.h"

struct db_health {
    struct db_probe server;
    bool clustered;
    struct db_cluster cluster;  /* If it is. */
    char *file;                 /* Of a server whose files may be looked at. */
    char *problem;              /* NULL: none. */
};

/* 'db' is "unix:SOCKET".  Returns NULL, or why the server cannot be asked,
 * which the caller frees; destroy '*ret_health' in any case. */
char *db_health_read(const char *db, struct db_health *ret_health);
void db_health_destroy(struct db_health *);

/* What is wrong with the log of a member, which may be running: the server
 * goes on in memory where it cannot write.  NULL: nothing; caller frees. */
char *db_health_check_log(const char *file);

#endif /* cli/db-health.h */
