#include <config.h>

#include "lib/diag-fix.h"

#include <stdlib.h>
#include <string.h>
#include "openvswitch/dynamic-string.h"
#include "openvswitch/util.h"
#include "util.h"

static void
add_edit(struct diags *diags, enum diag_edit_kind kind,
         const struct sn_loc *loc, const char *old, const char *new)
{
    if (!loc->file || ovs_list_is_empty(&diags->list)) {
        return;
    }

    struct diag *diag = CONTAINER_OF(ovs_list_back(&diags->list),
                                     struct diag, node);
    struct diag_edit *edit = xzalloc(sizeof *edit);
    edit->kind = kind;
    edit->loc = *loc;
    edit->old = xstrdup(old);
    edit->new = nullable_xstrdup(new);
    ovs_list_push_back(&diag->edits, &edit->node);
}

void
diags_fix_replace(struct diags *diags, const struct sn_loc *loc,
                  const char *old, const char *new)
{
    add_edit(diags, EDIT_REPLACE, loc, old, new);
}

void
diags_fix_remove_item(struct diags *diags, const struct sn_loc *loc,
                      const char *text)
{
    add_edit(diags, EDIT_REMOVE_ITEM, loc, text, NULL);
}

void
diags_fix_remove_member(struct diags *diags, const struct sn_loc *loc,
                        const char *key)
{
    add_edit(diags, EDIT_REMOVE_MEMBER, loc, key, NULL);
}

/* What an edit comes to in a text. */
struct change {
    size_t start, end;          /* Bytes that go. */
    const char *new;
};

/* The bytes of line number 'line'; '*ret_end' is after its newline. */
static bool
find_line(const char *text, int line, size_t *ret_start, size_t *ret_end)
{
    const char *p = text;

    for (int i = 1; i < line; i++) {
        p = strchr(p, '\n');
        if (!p) {
            return false;
        }
        p++;
    }
    *ret_start = p - text;
    *ret_end = *ret_start + strcspn(p, "\n");
    *ret_end += text[*ret_end] == '\n';
    return *p != '\0';
}

/* Columns count characters. */
static size_t
column_to_offset(const char *text, size_t start, size_t end, int column)
{
    size_t i = start;

    while (i < end && column > 1) {
        i++;
        while (i < end && ((unsigned char) text[i] & 0xc0) == 0x80) {
            i++;
        }
        column--;
    }
    return i;
}

/* Whether nothing follows but the end of a quoted scalar and a comment. */
static bool
ends_line(const char *s)
{
    s += *s == '"' || *s == '\'';

    size_t blank = strspn(s, " \t\r");
    return s[blank] == '\n' || s[blank] == '\0' || (blank && s[blank] == '#');
}

/* Whether 'line' is '- TEXT' alone. */
static bool
is_item_line(const char *line, const char *text)
{
    line += strspn(line, " ");
    if (strncmp(line, "- ", 2)) {
        return false;
    }
    line += 1 + strspn(line + 1, " ");
    line += *line == '"' || *line == '\'';
    return !strncmp(line, text, strlen(text))
           && ends_line(line + strlen(text));
}

/* Whether 'line' is 'KEY: VALUE', the value a scalar that ends on it.
 * 'next' follows: if it is indented deeper, it belongs to the value. */
static bool
is_member_line(const char *line, const char *next, const char *key)
{
    size_t indent = strspn(line, " ");
    size_t len = strlen(key);

    line += indent;
    if (strncmp(line, key, len) || strncmp(line + len, ": ", 2)) {
        return false;
    }
    line += len + 2;
    line += strspn(line, " ");
    return !strchr("|>{[&*\n", *line)
           && (strspn(next, " ") <= indent || next[strspn(next, " ")] == '\n');
}

static bool
resolve(const struct diag_edit *edit, const char *text, struct change *change)
{
    size_t start, end;

    if (edit->loc.line < 1
        || !find_line(text, edit->loc.line, &start, &end)) {
        return false;
    }
    *change = (struct change) { start, end, "" };
    switch (edit->kind) {
    case EDIT_REMOVE_ITEM:
        return is_item_line(text + start, edit->old);
    case EDIT_REMOVE_MEMBER:
        return is_member_line(text + start, text + end, edit->old);
    case EDIT_REPLACE:
        change->start = column_to_offset(text, start, end, edit->loc.column);
        change->end = change->start + strlen(edit->old);
        change->new = edit->new;
        return change->end <= end
               && !strncmp(text + change->start, edit->old,
                           strlen(edit->old));
    }
    OVS_NOT_REACHED();
}

static int
compare_changes(const void *a_, const void *b_)
{
    const struct change *a = a_;
    const struct change *b = b_;

    if (a->start != b->start) {
        return a->start < b->start ? -1 : 1;
    }
    /* Of those that begin together, the greatest. */
    return a->end > b->end ? -1 : a->end < b->end;
}

static struct change *
collect_changes(const struct diags *diags, const char *file, const char *text,
                size_t *ret_n)
{
    struct change *changes = NULL;
    size_t n = 0, allocated = 0;
    const struct diag *diag;

    LIST_FOR_EACH (diag, node, &diags->list) {
        const struct diag_edit *edit;

        LIST_FOR_EACH (edit, node, &diag->edits) {
            if (strcmp(edit->loc.file, file)) {
                continue;
            }
            if (n >= allocated) {
                changes = x2nrealloc(changes, &allocated, sizeof *changes);
            }
            n += resolve(edit, text, &changes[n]);
        }
    }
    if (n) {
        qsort(changes, n, sizeof *changes, compare_changes);
    }
    *ret_n = n;
    return changes;
}

char *
diags_apply_fixes(const struct diags *diags, const char *file,
                  const char *text, size_t *ret_n)
{
    struct ds out = DS_EMPTY_INITIALIZER;
    size_t n, done = 0, last = SIZE_MAX;
    struct change *changes = collect_changes(diags, file, text, &n);

    *ret_n = 0;
    for (size_t i = 0; i < n; i++) {
        const struct change *c = &changes[i];

        if (c->start >= done && c->start != last) {
            ds_put_buffer(&out, text + done, c->start - done);
            ds_put_cstr(&out, c->new);
            done = c->end;
            last = c->start;
            ++*ret_n;
        }
    }
    ds_put_cstr(&out, text + done);
    free(changes);
    return ds_steal_cstr(&out);
}
