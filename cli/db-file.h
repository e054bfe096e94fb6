#ifndef SN_DB_FILE_H
#define SN_DB_FILE_H 1

/* The file of the central database, made and brought up to date with
 * ovsdb-tool while no server has it open.  Each function returns NULL or an
 * error that the caller frees. */

#include <stdbool.h>

/* How ovsdb-server is to listen for other hosts. */
struct db_file_tls {
    char *private_key;
    char *certificate;
    char *ca_cert;
    const char *listen;         /* Address; an IPv6 one in brackets. */
};

enum { DB_AGENT_PORT = 6643, DB_CONTROLLER_PORT = 6644 };

/* "agent" is at DB_AGENT_PORT. */
#define DB_AGENT_ROLE "socknet-agent"
#define DB_CONTROLLER_ROLE "socknet-controller"

/* Makes 'file' whole or not at all; it must not exist. */
char *db_file_create(const char *file);
/* Converts 'file' to this program's schema if it has another one.  A newer one
 * is an error. */
char *db_file_upgrade(const char *file, bool *ret_converted);
/* Makes the rows of roles, remotes and keys what they should be, writing only
 * what differs.  'tls' NULL: this host only. */
char *db_file_configure(const char *file, const struct db_file_tls *tls);

#endif /* cli/db-file.h */
