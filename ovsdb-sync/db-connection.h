#ifndef SN_DB_CONNECTION_H
#define SN_DB_CONNECTION_H 1

/* The connection to the central database, the same for daemons and commands.
 *
 * A daemon creates one, registers columns on its IDL, and calls
 * db_connection_run() and db_connection_wait() beside ovsdb_idl_loop_run() and
 * the poll loop.  While the database is away, it is tried again about every
 * second (the IDL's own backoff grows to 8 s); nothing ever blocks.
 *
 * TLS (remotes "ssl:") is stream-ssl's: the program has parsed
 * STREAM_SSL_LONG_OPTIONS; db_connection_create() allows TLS 1.2 and up. */

#include <stdbool.h>

struct ovsdb_idl;

struct db_connection {
    struct ovsdb_idl *idl;
    char *remote;
    long long int next_ms;      /* When to start the session afresh. */
};

/* $SOCKNET_DB, or the local unix socket. */
const char *db_connection_default_remote(void);

/* Returns NULL if 'remote' can be used as it is, else why not; caller
 * frees. */
char *db_connection_check_remote(const char *remote);

/* With no column registered.  Does not connect before the first run. */
struct db_connection *db_connection_create(const char *remote);
void db_connection_destroy(struct db_connection *);     /* And the IDL. */

/* Do not run or wait for the IDL: that stays with the caller. */
void db_connection_run(struct db_connection *);
void db_connection_wait(struct db_connection *);

/* For commands: runs the IDL until it holds the database's contents.  Returns
 * NULL, or after 'timeout_ms' an error that says what is missing; caller
 * frees. */
char *db_connection_wait_ready(struct db_connection *, int timeout_ms);

#endif /* ovsdb-sync/db-connection.h */
