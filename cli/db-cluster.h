#ifndef SN_DB_CLUSTER_H
#define SN_DB_CLUSTER_H 1

/* What a member of a cluster says of the cluster (ovsdb-server's
 * "cluster/status"). */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct db_member {
    char *sid;                  /* Four digits. */
    char *address;              /* "ssl:HOST:PORT". */
    bool self;
    bool reachable;             /* From the member that was asked. */
    int64_t lag;                /* Entries that it lacks; -1: unknown. */
};

/* What a server says that has left its cluster, or failed. */
#define DB_CLUSTER_NONE "no member"

struct db_cluster {
    char *status;               /* "cluster member", or what else. */
    char *role;                 /* "leader", "follower", "candidate". */
    char *leader;               /* Its 'sid', "self" or "unknown". */
    int64_t term;
    int64_t log_start, log_end; /* Entries. */
    int64_t n_uncommitted, n_unapplied;
    struct db_member *members;
    size_t n_members;
};

/* Asks the server behind the control socket.  Returns NULL or an error that
 * the caller frees. */
char *db_cluster_read(const char *control, struct db_cluster *);
void db_cluster_destroy(struct db_cluster *);

/* The control socket of the server whose socket is 'db' ("unix:..."); caller
 * frees. */
char *db_control_path(const char *db);

/* Runs a command of ovsdb-server's.  The same. */
char *db_cluster_command(const char *control, const char *command,
                         const char *argument, char **ret_text);

#endif /* cli/db-cluster.h */
