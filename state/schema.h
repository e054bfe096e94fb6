#ifndef SN_SCHEMA_H
#define SN_SCHEMA_H 1

/* The keys of the state file, as tables.
 *
 * One walk over a document by these tables finds unknown keys, missing keys
 * and values of the wrong type, so that the code that builds the model need
 * not complain of any of that.  schemas/state.schema.json is made from the
 * same tables (schema_to_json()), and export orders its keys by them. */

#include <stdbool.h>
#include <stddef.h>

struct diags;
struct doc_value;
struct json;
struct sn_prefix;

enum schema_type {
    SCHEMA_MAP,                 /* The keys of 'keys', and 'suffix'. */
    SCHEMA_MAP_OF,              /* Any key of 'key_type', values 'item'. */
    SCHEMA_LIST,                /* Of 'item'. */
    SCHEMA_ANY,                 /* Whatever it is. */
    SCHEMA_STRING,
    SCHEMA_BOOL,
    SCHEMA_UINT,                /* 0 to 4294967295. */
    SCHEMA_PORT,                /* 1 to 65535. */
    SCHEMA_ENUM,                /* One of 'words'. */
    SCHEMA_NAME,                /* name_validate(). */
    SCHEMA_INTERFACE,           /* name_validate_interface(). */
    SCHEMA_DOMAIN,              /* name_validate_domain(). */
    SCHEMA_ADDRESS,             /* 10.0.0.1 or fd00::1. */
    SCHEMA_NETWORK,             /* 10.0.0.0/24: no host bits. */
    SCHEMA_IPV4,                /* 10.0.0.102/24: an address with its mask. */
    SCHEMA_IPV6,
    SCHEMA_MAC,
    SCHEMA_PUBLIC_KEY,          /* WireGuard's, base64. */
    SCHEMA_RATE,                /* 100Mbit, 2000pps. */
    SCHEMA_BITS,                /* 100Mbit: no packets. */
    SCHEMA_TIME,                /* when_parse(). */
    SCHEMA_ENDPOINT,            /* HOST or HOST:PORT. */
    SCHEMA_SELECTOR,            /* model_selector_parse() checks it. */
};

struct schema {
    enum schema_type type;
    const struct schema_key *keys; /* SCHEMA_MAP: ends with a NULL name. */
    const struct schema_key *more_keys; /* SCHEMA_MAP: or NULL, the same. */
    const struct schema *item;  /* SCHEMA_LIST, SCHEMA_MAP_OF, 'suffix'. */
    const char *suffix;         /* SCHEMA_MAP: keys that end so, or NULL. */
    enum schema_type key_type;  /* SCHEMA_MAP_OF. */
    const char *const *words;   /* SCHEMA_ENUM: ends with NULL. */
    bool or_single;             /* SCHEMA_LIST: an item stands for a list. */
    const struct schema *or_map; /* SCHEMA_LIST: instead of the list. */
    bool append;                /* SCHEMA_LIST: files of a folder add up. */
};

struct schema_key {
    const char *name;
    const struct schema *schema;
    enum { SCHEMA_REQUIRED = 1, SCHEMA_KEEP = 2 } flags;
    const char *doc;            /* A line for people. */
};
/* SCHEMA_KEEP: socknet does not act on it and keeps it for export. */

extern const struct schema schema_fleet;    /* A file with "nodes". */
extern const struct schema schema_host;     /* One host's file. */
extern const struct schema schema_node;

/* The key 'name' of a SCHEMA_MAP, or NULL.  'suffix' does not count. */
const struct schema_key *schema_find_key(const struct schema *,
                                         const char *name);
/* The schema of the value of key 'name' in a map of any kind, or NULL. */
const struct schema *schema_of_member(const struct schema *,
                                      const char *name);
/* The i'th key of a SCHEMA_MAP, NULL after the last. */
const struct schema_key *schema_get_key(const struct schema *, size_t i);

/* Reports what in 'value' is not as 'schema' says. */
void schema_check(const struct schema *, const struct doc_value *value,
                  struct diags *);

/* The parts of 'value' that are marked SCHEMA_KEEP, or NULL if none are. */
struct json *schema_kept(const struct schema *, const struct doc_value *);

/* The JSON Schema of a state file. */
struct json *schema_to_json(void);

#endif /* state/schema.h */
