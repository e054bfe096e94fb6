#include <config.h>

#include "state/yaml.h"

#include <stdlib.h>
#include <string.h>
#include "openvswitch/dynamic-string.h"
#include "openvswitch/json.h"
#include "openvswitch/util.h"
#include "state/document.h"
#include "state/schema.h"
#include "util.h"

/* A mapping or list of at most this width stands on one line. */
enum { FLOW_WIDTH = 60 };

/* Words that other YAML readers take for something else than a string. */
static bool
yaml_is_word_of_yaml11(const char *s)
{
    static const char *const words[] = {
        "y", "n", "yes", "no", "on", "off", "true", "false", "null",
    };

    for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
        if (!strcasecmp(s, words[i])) {
            return true;
        }
    }
    return false;
}

/* Whether 's' can stand without quotes, also within "[]" and "{}". */
static bool
yaml_string_is_plain(const char *s)
{
    static const char safe[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
        "0123456789._-/+=@";

    if (!s[0] || s[strspn(s, safe)] || strchr("-@=", s[0])
        || yaml_is_word_of_yaml11(s)) {
        return false;
    }
    struct json *json = doc_scalar_to_json(s, true);
    bool is_string = json->type == JSON_STRING;
    json_destroy(json);
    /* 12e03 is a number to others, 1_000 to some, 0x10 to most. */
    return is_string && (s[strspn(s, "0123456789.+-eExX_")]
                         || strspn(s, "0123456789.") == strlen(s));
}

/* YAML's double-quoted style takes all the escapes of JSON, and wants some
 * more: what libyaml takes for a line break or for not printable. */
static void
yaml_put_quoted(struct ds *out, const char *s)
{
    struct ds json = DS_EMPTY_INITIALIZER;
    const char *p;

    json_string_escape(s, &json);
    for (p = ds_cstr(&json); *p; p++) {
        if (*p == 0x7f) {
            ds_put_cstr(out, "\\x7f");
        } else if (p[0] == '\xc2' && (unsigned char) p[1] < 0xa0) {
            ds_put_format(out, "\\x%02x", (unsigned char) *++p);
        } else if (!strncmp(p, "\xe2\x80\xa8", 3)) {
            ds_put_cstr(out, "\\u2028");
            p += 2;
        } else if (!strncmp(p, "\xe2\x80\xa9", 3)) {
            ds_put_cstr(out, "\\u2029");
            p += 2;
        } else if (!strncmp(p, "\xef\xbb\xbf", 3)) {
            ds_put_cstr(out, "\\ufeff");
            p += 2;
        } else if (!strncmp(p, "\xef\xbf\xbe", 3)
                   || !strncmp(p, "\xef\xbf\xbf", 3)) {
            ds_put_cstr(out, p[2] == '\xbe' ? "\\ufffe" : "\\uffff");
            p += 2;
        } else {
            ds_put_char(out, *p);
        }
    }
    ds_destroy(&json);
}

static void
yaml_put_string(struct ds *out, const char *s)
{
    if (yaml_string_is_plain(s)) {
        ds_put_cstr(out, s);
    } else {
        yaml_put_quoted(out, s);
    }
}

static bool
json_is_container(const struct json *json)
{
    return json->type == JSON_OBJECT || json->type == JSON_ARRAY;
}

/* The members of 'object' in the order of 'schema', then by name.  The caller
 * frees the array. */
static const struct shash_node **
yaml_sort_members(const struct shash *object, const struct schema *schema)
{
    const struct shash_node **sorted = shash_sort(object);
    size_t n = shash_count(object);
    const struct schema_key *key;
    size_t n_done = 0;

    for (size_t i = 0; schema && schema->type == SCHEMA_MAP
         && (key = schema_get_key(schema, i)) != NULL; i++) {
        for (size_t j = n_done; j < n; j++) {
            if (!strcmp(sorted[j]->name, key->name)) {
                const struct shash_node *node = sorted[j];
                memmove(&sorted[n_done + 1], &sorted[n_done],
                        (j - n_done) * sizeof *sorted);
                sorted[n_done++] = node;
                break;
            }
        }
    }
    return sorted;
}

static const struct schema *
schema_of_elem(const struct schema *schema)
{
    return schema && schema->type == SCHEMA_LIST ? schema->item : NULL;
}

/* Appends 'json' on the current line. */
static void
yaml_put_inline(struct ds *out, const struct json *json,
                const struct schema *schema)
{
    if (json->type == JSON_STRING) {
        yaml_put_string(out, json_string(json));
    } else if (json->type == JSON_ARRAY) {
        const struct json_array *array = json_array(json);
        ds_put_char(out, '[');
        for (size_t i = 0; i < array->n; i++) {
            ds_put_cstr(out, i ? ", " : "");
            yaml_put_inline(out, array->elems[i], schema_of_elem(schema));
        }
        ds_put_char(out, ']');
    } else if (json->type == JSON_OBJECT) {
        const struct shash_node **nodes
            = yaml_sort_members(json_object(json), schema);
        ds_put_char(out, '{');
        for (size_t i = 0; i < shash_count(json_object(json)); i++) {
            ds_put_cstr(out, i ? ", " : "");
            yaml_put_string(out, nodes[i]->name);
            ds_put_cstr(out, ": ");
            yaml_put_inline(out, nodes[i]->data,
                            schema ? schema_of_member(schema, nodes[i]->name)
                                   : NULL);
        }
        ds_put_char(out, '}');
        free(nodes);
    } else {
        json_to_ds(json, 0, out);
    }
}

/* Puts 'json' on the current line if it is short enough. */
static bool
yaml_try_inline(struct ds *out, const struct json *json,
                const struct schema *schema)
{
    size_t start = out->length;

    yaml_put_inline(out, json, schema);
    if (json_is_container(json) && out->length - start > FLOW_WIDTH) {
        ds_truncate(out, start);
        return false;
    }
    ds_put_char(out, '\n');
    return true;
}

static void yaml_put_block(struct ds *, const struct json *,
                           const struct schema *, int indent,
                           bool first_on_line);

static void
yaml_put_block_object(struct ds *out, const struct json *json,
                      const struct schema *schema, int indent,
                      bool first_on_line)
{
    const struct shash_node **nodes = yaml_sort_members(json_object(json),
                                                        schema);

    for (size_t i = 0; i < shash_count(json_object(json)); i++) {
        const struct json *value = nodes[i]->data;
        const struct schema *sub
            = schema ? schema_of_member(schema, nodes[i]->name) : NULL;

        ds_put_char_multiple(out, ' ', i || !first_on_line ? indent : 0);
        yaml_put_string(out, nodes[i]->name);
        ds_put_char(out, ':');
        size_t start = out->length;
        ds_put_char(out, ' ');
        /* Sections and their objects stand apart, also when short. */
        if (indent < 2 && value->type == JSON_OBJECT
            && !shash_is_empty(json_object(value)) && schema) {
            ds_truncate(out, start);
            ds_put_char(out, '\n');
            yaml_put_block(out, value, sub, indent + 2, false);
        } else if (!yaml_try_inline(out, value, sub)) {
            ds_truncate(out, start);
            ds_put_char(out, '\n');
            yaml_put_block(out, value, sub, indent + 2, false);
        }
    }
    free(nodes);
}

/* Appends a container, not empty, over several lines.  If 'first_on_line', the
 * current line is already indented. */
static void
yaml_put_block(struct ds *out, const struct json *json,
               const struct schema *schema, int indent, bool first_on_line)
{
    if (json->type == JSON_OBJECT) {
        yaml_put_block_object(out, json, schema, indent, first_on_line);
        return;
    }
    const struct json_array *array = json_array(json);
    for (size_t i = 0; i < array->n; i++) {
        ds_put_char_multiple(out, ' ', i || !first_on_line ? indent : 0);
        ds_put_cstr(out, "- ");
        if (!yaml_try_inline(out, array->elems[i], schema_of_elem(schema))) {
            yaml_put_block(out, array->elems[i], schema_of_elem(schema),
                           indent + 2, true);
        }
    }
}

void
yaml_from_json(const struct json *json, const struct schema *schema,
               struct ds *out)
{
    if (json_is_container(json) && !(json->type == JSON_OBJECT
                                     ? shash_is_empty(json_object(json))
                                     : !json_array(json)->n)) {
        yaml_put_block(out, json, schema, 0, false);
    } else {
        yaml_put_inline(out, json, schema);
        ds_put_char(out, '\n');
    }
}
