#include <config.h>

#include "lib/diag.h"

#include <stdlib.h>
#include <string.h>
#include "openvswitch/dynamic-string.h"
#include "openvswitch/json.h"
#include "openvswitch/util.h"
#include "sset.h"
#include "util.h"

/* Characters of a source line that an excerpt shows at most. */
enum { EXCERPT_WIDTH = 160 };

const char *
sn_loc_intern(const char *file)
{
    static struct sset files = SSET_INITIALIZER(&files);

    const struct sset_node *node = sset_find(&files, file);
    if (!node) {
        node = sset_add(&files, file);
    }
    return node->name;
}

char *
sn_loc_to_string(const struct sn_loc *loc)
{
    if (!loc->file) {
        return xstrdup("");
    }
    return xasprintf("%s:%d:%d", loc->file, loc->line, loc->column);
}

/* Cuts the last ":NUMBER" off 's'.  Returns false if there is none. */
static bool
loc_cut_number(char *s, int *ret_number)
{
    char *colon = strrchr(s, ':');
    if (!colon || !str_to_int(colon + 1, 10, ret_number) || *ret_number < 0) {
        return false;
    }
    *colon = '\0';
    return true;
}

bool
sn_loc_from_string(const char *s, struct sn_loc *ret_loc)
{
    struct sn_loc loc = { .length = 1 };
    char *copy = xstrdup(s);
    bool ok = loc_cut_number(copy, &loc.column)
              && loc_cut_number(copy, &loc.line)
              && copy[0] != '\0';
    if (ok) {
        loc.file = sn_loc_intern(copy);
        *ret_loc = loc;
    }
    free(copy);
    return ok;
}

void
diags_init(struct diags *diags)
{
    ovs_list_init(&diags->list);
    diags->n_errors = 0;
    diags->n_warnings = 0;
    diags->n_reported = 0;
    shash_init(&diags->sources);
}

void
diags_destroy(struct diags *diags)
{
    struct diag *diag;

    LIST_FOR_EACH_POP (diag, node, &diags->list) {
        struct diag_edit *edit;

        LIST_FOR_EACH_POP (edit, node, &diag->edits) {
            free(edit->old);
            free(edit->new);
            free(edit);
        }
        free(diag->text);
        free(diag->fix);
        free(diag);
    }
    shash_destroy_free_data(&diags->sources);
}

bool
diags_has(const struct diags *diags, const struct sn_loc *loc)
{
    const struct diag *diag;

    LIST_FOR_EACH (diag, node, &diags->list) {
        if (diag->loc.file == loc->file && diag->loc.line == loc->line
            && diag->loc.column == loc->column) {
            return true;
        }
    }
    return false;
}

void
diags_add(struct diags *diags, enum diag_level level,
          const struct sn_loc *loc, const char *fix, const char *format, ...)
{
    struct diag *diag = xzalloc(sizeof *diag);
    va_list args;

    va_start(args, format);
    diag->text = xvasprintf(format, args);
    va_end(args);

    diag->level = level;
    diag->seq = diags->n_reported++;
    if (loc) {
        diag->loc = *loc;
    }
    diag->fix = nullable_xstrdup(fix);
    ovs_list_init(&diag->edits);
    ovs_list_push_back(&diags->list, &diag->node);

    if (level == DIAG_ERROR) {
        diags->n_errors++;
    } else if (level == DIAG_WARNING) {
        diags->n_warnings++;
    }
}

void
diags_add_source(struct diags *diags, const char *file, const char *text)
{
    free(shash_replace(&diags->sources, file, xstrdup(text)));
}

static const char *
diag_level_to_string(enum diag_level level)
{
    switch (level) {
    case DIAG_NOTE: return "note";
    case DIAG_WARNING: return "warning";
    case DIAG_ERROR: return "error";
    }
    OVS_NOT_REACHED();
}

static int
compare_diags(const void *a_, const void *b_)
{
    const struct diag *a = *(const struct diag **) a_;
    const struct diag *b = *(const struct diag **) b_;

    /* Messages without a place come first: they are about the whole. */
    int cmp = strcmp(a->loc.file ? a->loc.file : "",
                     b->loc.file ? b->loc.file : "");
    if (!cmp && a->loc.line != b->loc.line) {
        cmp = a->loc.line < b->loc.line ? -1 : 1;
    }
    if (!cmp && a->loc.column != b->loc.column) {
        cmp = a->loc.column < b->loc.column ? -1 : 1;
    }
    return cmp ? cmp : a->seq < b->seq ? -1 : a->seq > b->seq;
}

/* The records in printing order: an array of '*ret_n' pointers to free. */
static const struct diag **
diags_sort(const struct diags *diags, size_t *ret_n)
{
    size_t n = ovs_list_size(&diags->list);
    const struct diag **sorted = xmalloc(MAX(n, 1) * sizeof *sorted);
    const struct diag *diag;
    size_t i = 0;

    LIST_FOR_EACH (diag, node, &diags->list) {
        sorted[i++] = diag;
    }
    qsort(sorted, n, sizeof *sorted, compare_diags);
    *ret_n = n;
    return sorted;
}

/* The length of the UTF-8 sequence of two bytes or more that 's' starts with,
 * 0 if it is none, or a control character (U+0080 to U+009F). */
static size_t
utf8_sequence_len(const char *s, size_t len)
{
    const unsigned char *p = (const unsigned char *) s;
    size_t n = (p[0] >= 0xc2 && p[0] < 0xe0 ? 2
                : p[0] >= 0xe0 && p[0] < 0xf0 ? 3
                : p[0] >= 0xf0 && p[0] < 0xf5 ? 4 : 0);

    if (n > len || (p[0] == 0xc2 && p[1] < 0xa0)) {
        return 0;
    }
    for (size_t i = 1; i < n; i++) {
        if ((p[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    return n;
}

/* Appends user text to 'ds' such that it is UTF-8 and cannot drive a terminal.
 * Returns the number of characters (not bytes) appended. */
static int
ds_put_visible(struct ds *ds, const char *s, size_t len)
{
    int n_chars = 0;

    for (size_t i = 0; i < len; n_chars++) {
        unsigned char c = s[i];
        size_t n = c < 0x80 ? 0 : utf8_sequence_len(s + i, len - i);
        if (n) {
            ds_put_buffer(ds, s + i, n);
            i += n;
        } else {
            bool ok = c == '\t' || (c >= 0x20 && c < 0x7f);
            ds_put_char(ds, ok ? c : '?');
            i++;
        }
    }
    return n_chars;
}

/* The bytes of 's' that hold its first 'n_chars' characters. */
static size_t
utf8_prefix_len(const char *s, size_t len, int n_chars)
{
    size_t i = 0;

    while (i < len && n_chars > 0) {
        i++;
        while (i < len && ((unsigned char) s[i] & 0xc0) == 0x80) {
            i++;
        }
        n_chars--;
    }
    return i;
}

/* A place in a text at which the search for a later line goes on. */
struct text_cursor {
    const char *text;
    const char *pos;            /* Where line number 'line' starts. */
    int line;
};

/* Finds line number 'line' (from 1) of 'text'. */
static const char *
text_find_line(struct text_cursor *cursor, const char *text, int line,
               size_t *ret_len)
{
    if (cursor->text != text || cursor->line > line) {
        *cursor = (struct text_cursor) { text, text, 1 };
    }
    while (cursor->line < line) {
        const char *end = strchr(cursor->pos, '\n');
        if (!end) {
            return NULL;
        }
        cursor->pos = end + 1;
        cursor->line++;
    }
    *ret_len = strcspn(cursor->pos, "\r\n");
    return cursor->pos;
}

static char *
read_file(const char *file_name)
{
    FILE *stream = fopen(file_name, "r");
    if (!stream) {
        return NULL;
    }

    struct ds text = DS_EMPTY_INITIALIZER;
    char buf[4096];
    size_t n;
    while ((n = fread(buf, 1, sizeof buf, stream)) > 0) {
        ds_put_buffer(&text, buf, n);
    }
    fclose(stream);
    return ds_steal_cstr(&text);
}

/* Appends the source line of 'loc' and a caret under it. */
static void
diag_format_excerpt(const struct sn_loc *loc, const char *text,
                    struct text_cursor *cursor, struct ds *out)
{
    size_t len;
    const char *line = text_find_line(cursor, text, loc->line, &len);
    if (!line || loc->column < 1) {
        return;
    }

    /* Of an overlong line, the part around the column. */
    int column = loc->column;
    if (column > EXCERPT_WIDTH) {
        size_t skip = utf8_prefix_len(line, len, column - EXCERPT_WIDTH / 2);
        line += skip;
        len -= skip;
        column = EXCERPT_WIDTH / 2;
    }
    len = utf8_prefix_len(line, len, EXCERPT_WIDTH + 1);

    ds_put_format(out, "%5d | ", loc->line);
    int n_chars = ds_put_visible(out, line, len);
    ds_put_cstr(out, "\n      | ");

    size_t before = utf8_prefix_len(line, len, column - 1);
    for (size_t i = 0; i < before; i++) {
        if (((unsigned char) line[i] & 0xc0) != 0x80) {
            ds_put_char(out, line[i] == '\t' ? '\t' : ' ');
        }
    }
    ds_put_char(out, '^');
    int underline = MIN(loc->length, n_chars - column + 1) - 1;
    if (underline > 0) {
        ds_put_char_multiple(out, '~', underline);
    }
    ds_put_char(out, '\n');
}

static void
diag_format(const struct diag *diag, const char *text,
            struct text_cursor *cursor, struct ds *out)
{
    if (diag->loc.file) {
        char *where = sn_loc_to_string(&diag->loc);
        ds_put_format(out, "%s: ", where);
        free(where);
    }
    ds_put_format(out, "%s: ", diag_level_to_string(diag->level));
    ds_put_visible(out, diag->text, strlen(diag->text));
    ds_put_char(out, '\n');
    if (text) {
        diag_format_excerpt(&diag->loc, text, cursor, out);
    }
    if (diag->fix) {
        ds_put_cstr(out, "  fix: ");
        ds_put_visible(out, diag->fix, strlen(diag->fix));
        ds_put_char(out, '\n');
    }
}

void
diags_print(const struct diags *diags, FILE *stream)
{
    struct shash read_again = SHASH_INITIALIZER(&read_again);
    struct ds out = DS_EMPTY_INITIALIZER;
    struct text_cursor cursor = { .text = NULL };
    size_t n;

    const struct diag **sorted = diags_sort(diags, &n);
    for (size_t i = 0; i < n; i++) {
        const char *file = sorted[i]->loc.file;
        const char *text = NULL;
        if (file) {
            text = shash_find_data(&diags->sources, file);
            if (!text && !shash_find(&read_again, file)) {
                shash_add(&read_again, file, read_file(file));
            }
            text = text ? text : shash_find_data(&read_again, file);
        }
        diag_format(sorted[i], text, &cursor, &out);
    }
    fputs(ds_cstr(&out), stream);

    free(sorted);
    ds_destroy(&out);
    shash_destroy_free_data(&read_again);
}

struct json *
diags_to_json(const struct diags *diags)
{
    struct json *array = json_array_create_empty();
    size_t n;

    const struct diag **sorted = diags_sort(diags, &n);
    for (size_t i = 0; i < n; i++) {
        const struct diag *diag = sorted[i];
        struct json *object = json_object_create();

        json_object_put_string(object, "level",
                               diag_level_to_string(diag->level));
        if (diag->loc.file) {
            json_object_put_string(object, "file", diag->loc.file);
            json_object_put(object, "line",
                            json_integer_create(diag->loc.line));
            json_object_put(object, "column",
                            json_integer_create(diag->loc.column));
            json_object_put(object, "length",
                            json_integer_create(diag->loc.length));
        }
        json_object_put_string(object, "text", diag->text);
        if (diag->fix) {
            json_object_put_string(object, "fix", diag->fix);
        }
        json_object_put(object, "fixable", json_boolean_create(
            !ovs_list_is_empty(&diag->edits)));
        json_array_add(array, object);
    }
    free(sorted);
    return array;
}
