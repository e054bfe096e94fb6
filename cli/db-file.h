#ifndef SN_DB_FILE_H
#define SN_DB_FILE_H 1

/* The file of the central database, made and brought up to date with
 * ovsdb-tool while no server has it open.  Each function returns NULL or an
 * error that the caller frees.
 *
 * A database is alone, or a member of a cluster: then the file is one server's
 * log of Raft, made for its address, and only a running server can change what
 * the database says. */

#include <stdbool.h>

struct svec;

/* How ovsdb-server is to listen for other hosts. */
struct db_file_tls {
    char *private_key;
    char *certificate;
    char *ca_cert;
    const char *listen;         /* Address; an IPv6 one in brackets. */
};

enum {
    DB_AGENT_PORT = 6643,
    DB_CONTROLLER_PORT = 6644,
    DB_CLUSTER_PORT = 6645,     /* Of a member: relays, no role. */
    DB_RAFT_PORT = 6646,        /* Of a member: other members. */
};

/* "agent" is at DB_AGENT_PORT. */
#define DB_AGENT_ROLE "socknet-agent"
#define DB_CONTROLLER_ROLE "socknet-controller"

/* Makes 'file' whole or not at all; it must not exist.  'from' is a database
 * or a backup to begin with, or NULL. */
char *db_file_create(const char *file, const char *from);
/* The same, as the first member of a cluster, "ssl:HOST:PORT". */
char *db_file_create_cluster(const char *file, const char *from,
                             const char *address);
/* As a further member of the cluster 'cid', which it finds at 'remotes'. */
char *db_file_join_cluster(const char *file, const char *cid,
                           const char *address, const struct svec *remotes);

bool db_file_is_database(const char *file);
bool db_file_is_clustered(const char *file);
/* Of a member: "ssl:HOST:PORT". */
char *db_file_address(const char *file, char **ret_address);

/* Converts 'file', which is alone, to this program's schema if it has another
 * one.  A newer one is an error. */
char *db_file_upgrade(const char *file, bool *ret_converted);
/* The version of this program's schema, and whether version 'a' is above
 * 'b'. */
char *db_file_schema_version(char **ret_version);
bool db_file_version_is_newer(const char *a, const char *b);

/* Makes the rows of roles, remotes and keys what they should be, writing only
 * what differs.  'tls' NULL: this host only. */
char *db_file_configure(const char *file, const struct db_file_tls *tls);
/* Only the roles; 'where' is a file, or "unix:SOCKET" of a server. */
char *db_file_configure_roles(const char *where);

#endif /* cli/db-file.h */
