#ifndef SN_DB_CACHE_H
#define SN_DB_CACHE_H 1

/* Headless operation: what an IDL holds of the central database is kept in a
 * file, and given back to the IDL of a daemon that starts while the database
 * is away.  Every row is kept that the daemon's IDL monitors, but for what
 * only tells how things are at the moment, so that a table or a column that is
 * new in the schema needs nothing here.
 *
 * An empty database that takes the place of one that was not does not empty
 * the cache (see model_sync_run()). */

#include <stdbool.h>
#include <stdint.h>

struct cache_file;
struct db_cache;
struct ovsdb_idl;

/* With the file at 'path', for 'idl'.  Returns NULL, or why it cannot be used
 * (caller frees): a daemon works without. */
char *db_cache_create(const char *path, struct ovsdb_idl *,
                      struct db_cache **ret_cache);
/* Writes what is not written yet. */
void db_cache_destroy(struct db_cache *);

bool db_cache_is_empty(const struct db_cache *);
/* When the database was last heard (seconds since 1970), by the cache. */
int64_t db_cache_connected(const struct db_cache *);
/* Why the last write failed, or NULL. */
const char *db_cache_failure(const struct db_cache *);
struct cache_file *db_cache_file(struct db_cache *);

/* While the IDL is connected to the database, after each ovsdb_idl_run() and
 * before its track is cleared. */
void db_cache_run(struct db_cache *);
void db_cache_wait(struct db_cache *);

#endif /* ovsdb-sync/db-cache.h */
