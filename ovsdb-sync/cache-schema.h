#ifndef SN_CACHE_SCHEMA_H
#define SN_CACHE_SCHEMA_H 1

/* schemas/cache.sql, as text: the build makes cache-schema.c of it. */

extern const char cache_schema[];

#endif /* ovsdb-sync/cache-schema.h */
