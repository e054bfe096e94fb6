#ifndef SN_CACHE_FILE_H
#define SN_CACHE_FILE_H 1

/* The file of a cache: rows of a database by UUID, in SQLite
 * (schemas/cache.sql).  Readable by its owner only.
 *
 * A change is whole or not there, whatever dies in the middle of it.  A file
 * that is damaged, or that another version made, is moved aside and a new one
 * is begun: it is a copy of what the database has. */

#include <stdint.h>

struct cache_file;

/* Makes the file, and the folders above it, if they are missing.  Returns
 * NULL, or an error that the caller frees. */
char *cache_file_open(const char *path, struct cache_file **ret_file);
void cache_file_close(struct cache_file *);
/* One that nobody has open, with what SQLite has beside it. */
void cache_file_unlink(const char *path);

typedef void cache_file_row_cb(const char *table, const char *uuid,
                               const char *columns, void *aux);
/* Returns NULL, or an error that the caller frees. */
char *cache_file_read(struct cache_file *, cache_file_row_cb *, void *aux);

/* Changes, all or none of which are there after cache_file_commit(); that
 * returns the first error, for the caller to free. */
void cache_file_begin(struct cache_file *);
void cache_file_put(struct cache_file *, const char *table, const char *uuid,
                    const char *columns);
void cache_file_remove(struct cache_file *, const char *uuid);
void cache_file_set(struct cache_file *, const char *key, int64_t value);
char *cache_file_commit(struct cache_file *);

/* 0 if it was never set. */
int64_t cache_file_get(struct cache_file *, const char *key);

#endif /* ovsdb-sync/cache-file.h */
