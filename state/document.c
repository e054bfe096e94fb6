#include <config.h>

#include "state/document.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>
#include "openvswitch/json.h"
#include "openvswitch/util.h"
#include "util.h"

/* Deeper nesting is no state file; libyaml's own limit is far beyond. */
enum { DOC_MAX_DEPTH = 32 };

struct doc_parser {
    yaml_parser_t yaml;
    const char *text;           /* What 'yaml' reads. */
    const char *file;           /* Interned. */
    struct diags *diags;
    int depth;
};

static struct doc_value *doc_parse_value(struct doc_parser *,
                                         const yaml_event_t *);

static struct doc_value *
doc_value_create(enum doc_type type, const struct sn_loc *loc)
{
    struct doc_value *value = xzalloc(sizeof *value);

    value->type = type;
    value->loc = *loc;
    shash_init(&value->by_key);
    return value;
}

void
doc_destroy(struct doc_value *value)
{
    if (!value) {
        return;
    }
    for (size_t i = 0; i < value->n_members; i++) {
        free(value->members[i].key);
        doc_destroy(value->members[i].value);
    }
    for (size_t i = 0; i < value->n_elems; i++) {
        doc_destroy(value->elems[i]);
    }
    free(value->members);
    free(value->elems);
    free(value->string);
    shash_destroy(&value->by_key);
    free(value);
}

struct doc_value *
doc_map_create(const struct sn_loc *loc)
{
    return doc_value_create(DOC_MAP, loc);
}

bool
doc_map_put(struct doc_value *map, const char *key,
            const struct sn_loc *key_loc, struct doc_value *value)
{
    if (shash_find(&map->by_key, key)) {
        return false;
    }
    if (map->n_members >= map->allocated_members) {
        map->members = x2nrealloc(map->members, &map->allocated_members,
                                  sizeof *map->members);
    }
    map->members[map->n_members++] = (struct doc_member) {
        .key = xstrdup(key), .key_loc = *key_loc, .value = value,
    };
    shash_add(&map->by_key, key, (void *) (uintptr_t) map->n_members);
    return true;
}

void
doc_list_add(struct doc_value *list, struct doc_value *value)
{
    if (list->n_elems >= list->allocated_elems) {
        list->elems = x2nrealloc(list->elems, &list->allocated_elems,
                                 sizeof *list->elems);
    }
    list->elems[list->n_elems++] = value;
}

const struct doc_member *
doc_find(const struct doc_value *map, const char *key)
{
    if (!map || map->type != DOC_MAP) {
        return NULL;
    }
    uintptr_t index = (uintptr_t) shash_find_data(&map->by_key, key);
    return index ? &map->members[index - 1] : NULL;
}

const struct doc_value *
doc_get(const struct doc_value *map, const char *key)
{
    const struct doc_member *member = doc_find(map, key);

    return member ? member->value : NULL;
}

const char *
doc_get_string(const struct doc_value *map, const char *key)
{
    const struct doc_value *value = doc_get(map, key);

    return (value && value->type == DOC_SCALAR && !doc_is_null(value)
            ? value->string : NULL);
}

size_t
doc_n_items(const struct doc_value *value)
{
    return !value ? 0 : value->type == DOC_LIST ? value->n_elems : 1;
}

const struct doc_value *
doc_item(const struct doc_value *value, size_t i)
{
    return value->type == DOC_LIST ? value->elems[i] : value;
}

bool
doc_is_null(const struct doc_value *value)
{
    return (value->type == DOC_SCALAR && value->plain
            && (!value->string[0] || !strcmp(value->string, "~")
                || !strcmp(value->string, "null")));
}

const char *
doc_type_to_string(const struct doc_value *value)
{
    return (value->type == DOC_MAP ? "a mapping"
            : value->type == DOC_LIST ? "a list"
            : doc_is_null(value) ? "nothing"
            : "a single value");
}

static struct sn_loc
doc_loc(const struct doc_parser *p, const yaml_mark_t *start,
        const yaml_mark_t *end)
{
    struct sn_loc loc = {
        .file = p->file,
        .line = start->line + 1,
        .column = start->column + 1,
        .length = 1,
    };
    if (end && end->line == start->line && end->column > start->column) {
        loc.length = end->column - start->column;
    }
    return loc;
}

static void
doc_error(struct doc_parser *p, const yaml_event_t *event, const char *fix,
          const char *text)
{
    struct sn_loc loc = doc_loc(p, &event->start_mark, &event->end_mark);

    diags_add(p->diags, DIAG_ERROR, &loc, fix, "%s", text);
}

/* The place of byte 'offset' of the text: what libyaml's reader knows. */
static struct sn_loc
doc_loc_from_offset(const struct doc_parser *p, size_t offset)
{
    struct sn_loc loc = { p->file, 1, 1, 1 };

    for (size_t i = 0; i < offset && p->text[i]; i++) {
        if (p->text[i] == '\n') {
            loc.line++;
            loc.column = 1;
        } else if (((unsigned char) p->text[i] & 0xc0) != 0x80) {
            loc.column++;
        }
    }
    return loc;
}

/* Reports what libyaml has to complain of. */
static void
doc_report_yaml_error(struct doc_parser *p)
{
    yaml_parser_t *yaml = &p->yaml;

    if (yaml->error == YAML_READER_ERROR) {
        struct sn_loc loc = doc_loc_from_offset(p, yaml->problem_offset);
        diags_add(p->diags, DIAG_ERROR, &loc, "save the file as UTF-8 text",
                  "not a text file in UTF-8: %s", yaml->problem);
        return;
    }

    struct sn_loc loc = doc_loc(p, &yaml->problem_mark, NULL);
    const char *at = p->text + MIN(yaml->problem_mark.index,
                                   strlen(p->text));
    if (*at == '\t') {
        diags_add(p->diags, DIAG_ERROR, &loc, "use spaces",
                  "YAML does not allow a tab here");
    } else {
        diags_add(p->diags, DIAG_ERROR, &loc, NULL, "not YAML: %s%s%s",
                  yaml->context ? yaml->context : "",
                  yaml->context ? ": " : "",
                  yaml->problem ? yaml->problem : "out of memory");
    }
}

/* Reads the next event into '*event', which the caller deletes. */
static bool
doc_next(struct doc_parser *p, yaml_event_t *event)
{
    if (!yaml_parser_parse(&p->yaml, event)) {
        doc_report_yaml_error(p);
        return false;
    }
    return true;
}

/* Anchors and tags say something that this program would not do. */
static bool
doc_check_plainness(struct doc_parser *p, const yaml_event_t *event,
                    const yaml_char_t *anchor, const yaml_char_t *tag)
{
    if (anchor) {
        doc_error(p, event, "write the value out where it is used",
                  "anchors (&name) are not supported");
        return false;
    }
    if (tag) {
        doc_error(p, event, "leave the tag out",
                  "tags (!name) are not supported");
        return false;
    }
    return true;
}

static struct doc_value *
doc_parse_scalar(struct doc_parser *p, const yaml_event_t *event)
{
    if (!doc_check_plainness(p, event, event->data.scalar.anchor,
                             event->data.scalar.tag)) {
        return NULL;
    }
    const char *string = (const char *) event->data.scalar.value;
    size_t len = event->data.scalar.length;
    if (strlen(string) != len) {
        doc_error(p, event, NULL, "a value cannot contain a NUL character");
        return NULL;
    }

    struct sn_loc loc = doc_loc(p, &event->start_mark, &event->end_mark);
    struct doc_value *value = doc_value_create(DOC_SCALAR, &loc);
    value->string = xstrdup(string);
    value->plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;

    int quote = (event->data.scalar.style == YAML_SINGLE_QUOTED_SCALAR_STYLE
                 || event->data.scalar.style
                    == YAML_DOUBLE_QUOTED_SCALAR_STYLE);
    value->text_loc = loc;
    value->text_loc.column += quote;
    value->text_loc.length = 0;
    if (event->start_mark.line == event->end_mark.line
        && loc.length - 2 * quote == (int) len) {
        value->text_loc.length = len;
    }
    return value;
}

static struct doc_value *
doc_parse_list(struct doc_parser *p, const yaml_event_t *start)
{
    struct sn_loc loc = doc_loc(p, &start->start_mark, NULL);
    struct doc_value *list = doc_value_create(DOC_LIST, &loc);
    bool more = true;

    while (more) {
        yaml_event_t event;
        if (!doc_next(p, &event)) {
            break;
        }
        if (event.type == YAML_SEQUENCE_END_EVENT) {
            yaml_event_delete(&event);
            return list;
        }
        struct doc_value *elem = doc_parse_value(p, &event);
        yaml_event_delete(&event);
        more = elem != NULL;
        if (elem) {
            doc_list_add(list, elem);
        }
    }
    doc_destroy(list);
    return NULL;
}

static void
doc_report_duplicate(struct doc_parser *p, const struct doc_value *map,
                     const char *key, const struct sn_loc *loc)
{
    char *first = sn_loc_to_string(&doc_find(map, key)->key_loc);

    diags_add(p->diags, DIAG_ERROR, loc, NULL,
              "duplicate key \"%s\", first at %s", key, first);
    free(first);
}

/* Parses "KEY: VALUE", of which 'event' is the key, into 'map'.  A duplicate
 * key is reported and parsing goes on. */
static bool
doc_parse_member(struct doc_parser *p, const yaml_event_t *event,
                 struct doc_value *map)
{
    if (event->type != YAML_SCALAR_EVENT
        || strlen((const char *) event->data.scalar.value)
           != event->data.scalar.length) {
        doc_error(p, event, NULL, event->type == YAML_ALIAS_EVENT
                  ? "aliases (*name) are not supported"
                  : "a key must be a word");
        return false;
    }
    if (!doc_check_plainness(p, event, event->data.scalar.anchor,
                             event->data.scalar.tag)) {
        return false;
    }

    const char *key = (const char *) event->data.scalar.value;
    struct sn_loc loc = doc_loc(p, &event->start_mark, &event->end_mark);
    yaml_event_t value_event;
    if (!doc_next(p, &value_event)) {
        return false;
    }
    struct doc_value *value = doc_parse_value(p, &value_event);
    yaml_event_delete(&value_event);
    if (!value) {
        return false;
    }
    if (!doc_map_put(map, key, &loc, value)) {
        doc_report_duplicate(p, map, key, &loc);
        doc_destroy(value);
    }
    return true;
}

static struct doc_value *
doc_parse_map(struct doc_parser *p, const yaml_event_t *start)
{
    struct sn_loc loc = doc_loc(p, &start->start_mark, NULL);
    struct doc_value *map = doc_map_create(&loc);
    bool more = true;

    while (more) {
        yaml_event_t event;
        if (!doc_next(p, &event)) {
            break;
        }
        if (event.type == YAML_MAPPING_END_EVENT) {
            yaml_event_delete(&event);
            return map;
        }
        more = doc_parse_member(p, &event, map);
        yaml_event_delete(&event);
    }
    doc_destroy(map);
    return NULL;
}

static struct doc_value *
doc_parse_nested(struct doc_parser *p, const yaml_event_t *event)
{
    struct doc_value *value = NULL;

    if (p->depth >= DOC_MAX_DEPTH) {
        doc_error(p, event, NULL, "nested too deeply");
        return NULL;
    }
    p->depth++;
    if (event->type == YAML_MAPPING_START_EVENT) {
        if (doc_check_plainness(p, event, event->data.mapping_start.anchor,
                                event->data.mapping_start.tag)) {
            value = doc_parse_map(p, event);
        }
    } else if (doc_check_plainness(p, event,
                                   event->data.sequence_start.anchor,
                                   event->data.sequence_start.tag)) {
        value = doc_parse_list(p, event);
    }
    p->depth--;
    return value;
}

/* Parses the value that starts with 'event'. */
static struct doc_value *
doc_parse_value(struct doc_parser *p, const yaml_event_t *event)
{
    switch ((int) event->type) {
    case YAML_SCALAR_EVENT:
        return doc_parse_scalar(p, event);
    case YAML_MAPPING_START_EVENT:
    case YAML_SEQUENCE_START_EVENT:
        return doc_parse_nested(p, event);
    case YAML_ALIAS_EVENT:
        doc_error(p, event, "write the value out where it is used",
                  "aliases (*name) are not supported");
        return NULL;
    }
    OVS_NOT_REACHED();
}

/* Parses the stream's only document. */
static struct doc_value *
doc_parse_stream(struct doc_parser *p)
{
    struct doc_value *root = NULL;
    int n_documents = 0;

    for (;;) {
        yaml_event_t event;
        if (!doc_next(p, &event)) {
            goto error;
        }
        yaml_event_type_t type = event.type;
        if (type == YAML_DOCUMENT_START_EVENT && n_documents++) {
            doc_error(p, &event, "use a folder of files",
                      "a second document starts here; a state file is one");
            yaml_event_delete(&event);
            goto error;
        }
        if (type != YAML_STREAM_START_EVENT && type != YAML_STREAM_END_EVENT
            && type != YAML_DOCUMENT_START_EVENT
            && type != YAML_DOCUMENT_END_EVENT) {
            root = doc_parse_value(p, &event);
            if (!root) {
                yaml_event_delete(&event);
                goto error;
            }
        }
        yaml_event_delete(&event);
        if (type == YAML_STREAM_END_EVENT) {
            return root;
        }
    }

error:
    doc_destroy(root);
    return NULL;
}

struct doc_value *
doc_parse(const char *text, const char *file_name, struct diags *diags)
{
    struct doc_parser p = {
        /* Without a byte order mark, which some editors write. */
        .text = text + (strncmp(text, "\xef\xbb\xbf", 3) ? 0 : 3),
        .file = sn_loc_intern(file_name),
        .diags = diags,
    };
    size_t n_errors = diags->n_errors;

    diags_add_source(diags, file_name, p.text);
    if (!yaml_parser_initialize(&p.yaml)) {
        out_of_memory();
    }
    /* libyaml would guess UTF-16 otherwise. */
    yaml_parser_set_encoding(&p.yaml, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&p.yaml, (const unsigned char *) p.text,
                                 strlen(p.text));
    struct doc_value *root = doc_parse_stream(&p);
    yaml_parser_delete(&p.yaml);

    if (!root && diags->n_errors == n_errors) {
        struct sn_loc loc = { p.file, 1, 1, 1 };
        root = doc_map_create(&loc);
    } else if (root && doc_is_null(root)) {
        struct doc_value *empty = doc_map_create(&root->loc);
        doc_destroy(root);
        root = empty;
    }
    return root;
}

/* The JSON number that 's' is, if JSON spells it the same; else NULL. */
static struct json *
doc_number_to_json(const char *s)
{
    /* The parser takes no number outside of an array or object. */
    char *text = xasprintf("[%s]", s);
    struct json *array = json_from_string(text);
    struct json *number = NULL;

    if (array->type == JSON_ARRAY && json_array(array)->n == 1) {
        char *back = json_to_string(json_array(array)->elems[0], 0);
        if (!strcmp(s, back)) {
            number = json_clone(json_array(array)->elems[0]);
        }
        free(back);
    }
    json_destroy(array);
    free(text);
    return number;
}

struct json *
doc_scalar_to_json(const char *s, bool plain)
{
    if (!plain) {
        return json_string_create(s);
    } else if (!s[0] || !strcmp(s, "~") || !strcmp(s, "null")) {
        return json_null_create();
    } else if (!strcmp(s, "true") || !strcmp(s, "false")) {
        return json_boolean_create(s[0] == 't');
    } else if (strspn(s, "0123456789.-") == strlen(s)) {
        struct json *json = doc_number_to_json(s);
        if (json) {
            return json;
        }
    }
    return json_string_create(s);
}

struct json *
doc_to_json(const struct doc_value *value)
{
    struct json *json;

    switch (value->type) {
    case DOC_SCALAR:
        return doc_scalar_to_json(value->string, value->plain);
    case DOC_LIST:
        json = json_array_create_empty();
        for (size_t i = 0; i < value->n_elems; i++) {
            json_array_add(json, doc_to_json(value->elems[i]));
        }
        return json;
    case DOC_MAP:
        json = json_object_create();
        for (size_t i = 0; i < value->n_members; i++) {
            json_object_put(json, value->members[i].key,
                            doc_to_json(value->members[i].value));
        }
        return json;
    }
    OVS_NOT_REACHED();
}
