#ifndef SN_DOCUMENT_H
#define SN_DOCUMENT_H 1

/* A YAML file as a tree in which every value knows its place.
 *
 * A state file uses a small part of YAML: one document of mappings, sequences
 * and scalars.  Anchors, aliases and tags are refused (an alias costs nothing
 * to write and may stand for gigabytes), as are duplicate keys. */

#include <stdbool.h>
#include <stddef.h>
#include "lib/diag.h"
#include "openvswitch/shash.h"

struct json;

enum doc_type { DOC_SCALAR, DOC_MAP, DOC_LIST };

struct doc_member {
    char *key;
    struct sn_loc key_loc;
    struct doc_value *value;
};

struct doc_value {
    enum doc_type type;
    struct sn_loc loc;

    /* DOC_SCALAR. */
    char *string;               /* UTF-8, without NUL. */
    bool plain;                 /* Not quoted: may be a number, null, … */
    struct sn_loc text_loc;     /* Of the first character of 'string'; its
                                 * length is 0 if the file spells the text
                                 * otherwise (escapes, several lines). */

    /* DOC_MAP, in the order of the file. */
    struct doc_member *members;
    size_t n_members, allocated_members;
    struct shash by_key;        /* Key to its index + 1, as a pointer. */

    /* DOC_LIST. */
    struct doc_value **elems;
    size_t n_elems, allocated_elems;
};

/* Reads 'text' as YAML.  Returns NULL, having reported why, if it is none; a
 * file without any value is an empty mapping. */
struct doc_value *doc_parse(const char *text, const char *file_name,
                            struct diags *);
void doc_destroy(struct doc_value *);

struct doc_value *doc_map_create(const struct sn_loc *);
/* Takes ownership of 'value'.  Returns false, and takes nothing, if 'key' is
 * there already. */
bool doc_map_put(struct doc_value *map, const char *key,
                 const struct sn_loc *key_loc, struct doc_value *value);
void doc_list_add(struct doc_value *list, struct doc_value *value);

const struct doc_member *doc_find(const struct doc_value *map,
                                  const char *key);
/* The value of 'key', NULL if there is none or 'map' is NULL or no map. */
const struct doc_value *doc_get(const struct doc_value *map, const char *key);
/* The string of a scalar at 'key', or NULL. */
const char *doc_get_string(const struct doc_value *map, const char *key);

/* A list, or a single value that stands for a list of one.  'value' may be
 * NULL: no items. */
size_t doc_n_items(const struct doc_value *);
const struct doc_value *doc_item(const struct doc_value *, size_t i);

bool doc_is_null(const struct doc_value *);
/* "a list", "a mapping", … */
const char *doc_type_to_string(const struct doc_value *);

/* What a plain scalar means: null, true, false, a number, or a string.  A
 * number whose text JSON would spell otherwise (007, 3.10) is a string. */
struct json *doc_scalar_to_json(const char *string, bool plain);
struct json *doc_to_json(const struct doc_value *);

#endif /* state/document.h */
