#ifndef SN_CACHE_REPLAY_H
#define SN_CACHE_REPLAY_H 1

/* Gives an IDL the rows of a cache, as if a database had sent them: a server
 * in this process that answers what an IDL asks until it has its contents
 * (RFC 7047, get_schema; ovsdb-server(7), monitor_cond), and nothing else.
 * What reads the IDL cannot tell the difference, and once the IDL is connected
 * to the database, it sees what differs from the cache. */

#include <stdbool.h>

struct cache_file;
struct cache_replay;

/* Listens at 'remote', for the IDL to connect to.  Returns NULL, or an error
 * that the caller frees. */
char *cache_replay_create(struct cache_file *, const char *path,
                          struct cache_replay **ret_replay);
void cache_replay_destroy(struct cache_replay *);
const char *cache_replay_remote(const struct cache_replay *);

void cache_replay_run(struct cache_replay *);
void cache_replay_wait(struct cache_replay *);

#endif /* ovsdb-sync/cache-replay.h */
