#include <config.h>

#include "cli/output.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "openvswitch/dynamic-string.h"
#include "openvswitch/json.h"
#include "openvswitch/util.h"
#include "sset.h"
#include "table.h"
#include "timeval.h"
#include "util.h"

/* Of one record, while it is filled. */
struct field {
    char *heading;
    char *text;
};

struct output {
    struct json *root;          /* NULL: for people. */

    /* The list that output_begin() began, if any. */
    enum output_style style;
    char *caption;
    struct json *records;       /* In 'root', for programs. */
    struct json *record;        /* In 'records'. */
    bool in_list;

    /* For people: the open record, and the records before it. */
    struct field *fields;
    size_t n_fields, allocated_fields;
    struct table table;
    bool has_columns;
    bool printed;               /* An empty line parts it from the next... */
    bool noted;                 /* ...unless both are notes. */
};

struct output *
output_create(bool json, const char *command)
{
    struct output *out = xzalloc(sizeof *out);

    if (json) {
        out->root = json_object_create();
        json_object_put(out->root, "version",
                        json_integer_create(OUTPUT_VERSION));
        json_object_put_string(out->root, "command", command);
    }
    table_init(&out->table);
    return out;
}

/* 's' with its control characters written as "^[".  Much of what is printed
 * was told by a host's agent, which must not command the terminal.  A newline
 * parts the lines of a text only, not the cells of a table.  Frees 's'. */
static char *
disarm(char *s, bool lines)
{
    struct ds safe = DS_EMPTY_INITIALIZER;

    for (const unsigned char *p = (const unsigned char *) s; *p; p++) {
        if (lines && (*p == '\n' || *p == '\t')) {
            ds_put_char(&safe, *p);
        } else if (*p < ' ' || *p == 0x7f) {
            ds_put_format(&safe, "^%c", *p ^ 0x40);
        } else if (*p == 0xc2 && p[1] >= 0x80 && p[1] < 0xa0) {
            ds_put_format(&safe, "^[%c", *++p - 0x40);  /* C1, in UTF-8. */
        } else {
            ds_put_char(&safe, *p);
        }
    }
    free(s);
    return ds_steal_cstr(&safe);
}

/* Prints 's' without the blanks that pad the last column. */
static void
print_trimmed(const char *s)
{
    while (*s) {
        size_t len = strcspn(s, "\n");
        size_t end = len;
        while (end && s[end - 1] == ' ') {
            end--;
        }
        printf("%.*s\n", (int) end, s);
        s += len + (s[len] == '\n');
    }
}

/* Moves the open record into the table. */
static void
record_close(struct output *out)
{
    if (!out->n_fields) {
        return;
    }

    if (!out->has_columns) {
        for (size_t i = 0; i < out->n_fields; i++) {
            table_add_column(&out->table, "%s", out->fields[i].heading);
        }
        out->has_columns = true;
    }
    ovs_assert(out->table.n_columns == out->n_fields);
    table_add_row(&out->table);
    for (size_t i = 0; i < out->n_fields; i++) {
        table_add_cell(&out->table)->text = out->fields[i].text;
        free(out->fields[i].heading);
    }
    out->n_fields = 0;
}

static void
list_print(struct output *out)
{
    struct table_style style = TABLE_STYLE_DEFAULT;
    struct ds s = DS_EMPTY_INITIALIZER;

    style.format = out->style == OUTPUT_LIST ? TF_LIST : TF_TABLE;
    if (out->printed) {
        putchar('\n');
    }
    if (out->caption) {
        printf("%s\n", out->caption);
    }
    table_format_reset();       /* Else it begins with an empty line. */
    table_format(&out->table, &style, &s);
    print_trimmed(ds_cstr(&s));
    ds_destroy(&s);
    out->printed = true;
    out->noted = false;
}

static void
list_close(struct output *out)
{
    if (!out->in_list) {
        return;
    }
    out->in_list = false;
    out->record = NULL;
    out->records = NULL;
    if (!out->root) {
        record_close(out);
        if (out->table.n_rows) {
            list_print(out);
        }
        table_destroy(&out->table);
        table_init(&out->table);
        out->has_columns = false;
    }
    free(out->caption);
    out->caption = NULL;
}

void
output_abort(struct output *out)
{
    json_destroy(out->root);
    out->root = NULL;
    output_finish(out);
}

void
output_finish(struct output *out)
{
    list_close(out);
    if (out->root) {
        char *s = json_to_string(out->root, JSSF_PRETTY | JSSF_SORT);
        puts(s);
        free(s);
        json_destroy(out->root);
    }
    table_destroy(&out->table);
    free(out->fields);
    free(out);
}

void
output_attach(struct output *out, const char *key, struct json *json)
{
    if (out->root) {
        json_object_put(out->root, key, json);
    } else {
        json_destroy(json);
    }
}

void
output_begin(struct output *out, const char *key, enum output_style style,
             const char *caption)
{
    list_close(out);
    out->in_list = true;
    out->style = style;
    if (out->root) {
        out->records = json_array_create_empty();
        json_object_put(out->root, key, out->records);
    } else {
        out->caption = nullable_xstrdup(caption);
    }
}

void
output_record(struct output *out)
{
    ovs_assert(out->in_list);
    if (out->root) {
        out->record = json_object_create();
        json_array_add(out->records, out->record);
    } else {
        record_close(out);
    }
}

void
output_value(struct output *out, const char *key, const char *heading,
             struct json *json, char *text)
{
    if (out->root) {
        json_object_put(out->record, key, json);
        free(text);
        return;
    }

    json_destroy(json);
    if (!heading) {
        free(text);
        return;
    }
    text = disarm(text, out->style == OUTPUT_LINES);
    if (out->style == OUTPUT_LINES) {
        puts(text);
        free(text);
        out->printed = true;
        out->noted = false;
        return;
    }
    if (out->n_fields >= out->allocated_fields) {
        out->fields = x2nrealloc(out->fields, &out->allocated_fields,
                                 sizeof *out->fields);
    }
    out->fields[out->n_fields++] = (struct field) {
        .heading = xstrdup(heading),
        .text = text,
    };
}

void
output_string(struct output *out, const char *key, const char *heading,
              const char *s)
{
    output_value(out, key, heading,
                 s ? json_string_create(s) : json_null_create(),
                 xstrdup(s && s[0] ? s : "-"));
}

void
output_integer(struct output *out, const char *key, const char *heading,
               int64_t n)
{
    output_value(out, key, heading, json_integer_create(n),
                 xasprintf("%"PRId64, n));
}

void
output_boolean(struct output *out, const char *key, const char *heading,
               bool b)
{
    output_value(out, key, heading, json_boolean_create(b),
                 xstrdup(b ? "yes" : "no"));
}

void
output_strings(struct output *out, const char *key, const char *heading,
               const struct sset *set)
{
    struct json *array = json_array_create_empty();
    struct ds s = DS_EMPTY_INITIALIZER;
    const char **names = sset_sort(set);

    for (size_t i = 0; i < sset_count(set); i++) {
        json_array_add(array, json_string_create(names[i]));
        ds_put_format(&s, "%s%s", i ? ", " : "", names[i]);
    }
    if (sset_is_empty(set)) {
        ds_put_char(&s, '-');
    }
    free(names);
    output_value(out, key, heading, array, ds_steal_cstr(&s));
}

static char *
age_to_string(int64_t age)
{
    if (age < 120) {
        return xasprintf("%"PRId64" s ago", MAX(age, 0));
    } else if (age < 2 * 3600) {
        return xasprintf("%"PRId64" min ago", age / 60);
    } else if (age < 2 * 86400) {
        return xasprintf("%"PRId64" h ago", age / 3600);
    }
    return xasprintf("%"PRId64" days ago", age / 86400);
}

void
output_time(struct output *out, const char *key, const char *heading,
            int64_t when)
{
    output_value(out, key, heading,
                 when ? json_integer_create(when) : json_null_create(),
                 when ? age_to_string(time_wall() - when)
                 : xstrdup("never"));
}

void
output_note(struct output *out, const char *format, ...)
{
    if (out->root) {
        return;
    }

    bool among_lines = out->in_list && out->style == OUTPUT_LINES;
    if (!among_lines) {
        list_close(out);
        if (out->printed && !out->noted) {
            putchar('\n');
        }
    }

    va_list args;
    va_start(args, format);
    char *text = disarm(xvasprintf(format, args), true);
    va_end(args);
    puts(text);
    free(text);
    out->printed = true;
    out->noted = !among_lines;
}
