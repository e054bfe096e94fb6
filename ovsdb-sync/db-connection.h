#ifndef SN_DB_CONNECTION_H
#define SN_DB_CONNECTION_H 1

/* The connection to the central database, the same for daemons and commands.
 *
 * A daemon creates one, registers columns on its IDL, and calls
 * db_connection_run() and db_connection_wait() beside ovsdb_idl_loop_run() and
 * the poll loop.  While the database is away, it is tried again about every
 * second (the IDL's own backoff grows to 8 s); nothing ever blocks.
 *
 * With db_connection_set_cache(), a daemon that does not reach the database in
 * the first seconds gets what it held when it was last heard, in its IDL:
 * ovsdb_idl_has_ever_connected() and everything else is as if it had been
 * connected and then lost the connection.
 *
 * TLS (remotes "ssl:") is stream-ssl's: the program has parsed
 * STREAM_SSL_LONG_OPTIONS; db_connection_create() allows TLS 1.2 and up. */

#include <stdbool.h>
#include <stdint.h>

struct cache_replay;
struct db_cache;
struct ds;
struct ovsdb_idl;

struct db_connection {
    struct ovsdb_idl *idl;
    char *remote;
    long long int next_ms;      /* When to start the session afresh. */
    bool away;                  /* And the log says so. */
    struct db_cache *cache;     /* Or NULL. */
    char *cache_path;           /* Or NULL: none is wanted. */
    char *cache_error;          /* Why it cannot be used, or NULL. */
    long long int cache_ms;     /* When to try again to open it. */
    struct cache_replay *replay; /* Instead of the database, for a moment. */
    long long int replay_ms;    /* When to begin it, or to give it up. */
    bool replayed;              /* It was tried, or needs not be. */
    int64_t seen;               /* When the database was last connected. */
};

/* $SOCKNET_DB, or the local unix socket. */
const char *db_connection_default_remote(void);

/* Returns NULL if 'remote' can be used as it is, else why not; caller
 * frees. */
char *db_connection_check_remote(const char *remote);

/* For a remote "ssl:" whose key and certificates no option named: takes
 * NODE-key.pem, NODE-cert.pem and ca-cert.pem of $SOCKNET_PKI, or else of
 * /etc/socknet/pki.  Returns NULL or an error; caller frees. */
char *db_connection_use_pki(const char *remote, const char *node);

/* With no column registered.  Does not connect before the first run. */
struct db_connection *db_connection_create(const char *remote);
void db_connection_destroy(struct db_connection *);     /* And the IDL. */

/* Asks for OVSDB's lock 'name', which only the leader of a cluster can give:
 * no other server will do from now on, and no relay. */
void db_connection_set_lock(struct db_connection *, const char *name);

/* After the columns are registered; 'path' is the cache's file. */
void db_connection_set_cache(struct db_connection *, const char *path);

/* NULL, or what is wrong with the cache, for people; caller frees. */
char *db_connection_cache_problem(const struct db_connection *);

/* Removes such a file that no daemon uses. */
void db_connection_forget_cache(const char *path);

/* Since when the database is away (seconds since 1970), as far as that is
 * known; 0 if it is connected or has never been. */
int64_t db_connection_headless_since(const struct db_connection *);

/* Adds a line that tells people the same. */
void db_connection_format_status(const struct db_connection *, struct ds *);

/* Between ovsdb_idl_run() and ovsdb_idl_track_clear().  Do not run or wait for
 * the IDL: that stays with the caller. */
void db_connection_run(struct db_connection *);
void db_connection_wait(struct db_connection *);

/* For commands: why the database, that was or should be there, takes nothing,
 * as far as its servers know; NULL if they do not.  Blocks for a second per
 * server.  Caller frees. */
char *db_connection_explain(const struct db_connection *);

/* For commands: runs the IDL until it holds the database's contents.  Returns
 * NULL, or after 'timeout_ms' an error that says what is missing; caller
 * frees. */
char *db_connection_wait_ready(struct db_connection *, int timeout_ms);

#endif /* ovsdb-sync/db-connection.h */
