#include <config.h>

#include "state/rawflow-text.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include "flow.h"
#include "lib/diag-fix.h"
#include "openvswitch/ofp-parse.h"
#include "openvswitch/ofp-port.h"
#include "openvswitch/util.h"
#include "state/model.h"
#include "state/name.h"
#include "util.h"

/* Stand-ins come from the range that a switch gives to no port by itself. */
enum { FIRST_STAND_IN = 0x8000 };

void
raw_text_error(struct raw_text *t, size_t offset, size_t length,
               const char *fix, const char *format, ...)
{
    va_list args;

    t->n_errors++;
    if (!t->diags) {
        return;
    }
    va_start(args, format);
    char *text = xvasprintf(format, args);
    va_end(args);

    struct sn_loc loc = t->flow->loc;
    if (loc.length > 1 && loc.length == (int) strlen(t->flow->text)) {
        loc.column += offset;
        loc.length = MAX(length, 1);
    }
    diags_add(t->diags, DIAG_ERROR, &loc, fix, "%s", text);
    free(text);
}

/* Whether the file spells the text as it is, on one line. */
static bool
raw_text_is_verbatim(const struct raw_text *t)
{
    const struct sn_loc *loc = &t->flow->loc;

    return t->diags && loc->length > 1
           && loc->length == (int) strlen(t->flow->text);
}

void
raw_text_fix(struct raw_text *t, size_t offset, const char *old,
             const char *new)
{
    struct sn_loc loc = t->flow->loc;

    if (raw_text_is_verbatim(t)) {
        loc.column += offset;
        diags_fix_replace(t->diags, &loc, old, new);
    }
}

void
raw_text_fix_remove(struct raw_text *t)
{
    if (raw_text_is_verbatim(t)) {
        diags_fix_remove_item(t->diags, &t->flow->loc, t->flow->text);
    }
}

/* Cuts text[start...end) into pieces. */
static void
raw_text_cut(const char *text, size_t start, size_t end,
             struct raw_piece **pieces, size_t *n)
{
    char *copy = xmemdup0(text + start, end - start);
    char *rest = copy;
    char *key, *value;
    size_t allocated = 0;

    *pieces = NULL;
    *n = 0;
    while (ofputil_parse_key_value(&rest, &key, &value)) {
        size_t offset = start + (key - copy);
        size_t value_offset = start + (value - copy);
        size_t piece_end = value_offset + strlen(value);
        if (piece_end < end && text[piece_end] == ')'
            && text[value_offset - 1] == '(') {
            piece_end++;
        }
        if (*n >= allocated) {
            *pieces = x2nrealloc(*pieces, &allocated, sizeof **pieces);
        }
        (*pieces)[(*n)++] = (struct raw_piece) {
            .key = xstrdup(key),
            .value = xstrdup(value),
            .text = xmemdup0(text + offset, piece_end - offset),
            .offset = offset,
            .value_offset = value_offset,
        };
    }
    free(copy);
}

bool
raw_text_init(struct raw_text *t, const struct model_raw_flow *flow,
              struct diags *diags)
{
    const char *text = flow->text;

    *t = (struct raw_text) { .flow = flow, .diags = diags };
    /* As ofp_extract_actions() does it. */
    const char *word = strstr(text, "action");
    const char *equals = word ? strchr(word, '=') : NULL;
    if (!equals) {
        raw_text_error(t, 0, strlen(text), "end it with actions=...",
                       "the flow has no actions");
        return false;
    }
    t->actions_offset = equals + 1 - text;
    raw_text_cut(text, 0, word - text, &t->fields, &t->n_fields);
    raw_text_cut(text, t->actions_offset, strlen(text), &t->actions,
                 &t->n_actions);
    return true;
}

static void
raw_pieces_free(struct raw_piece *pieces, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        free(pieces[i].key);
        free(pieces[i].value);
        free(pieces[i].text);
    }
    free(pieces);
}

void
raw_text_destroy(struct raw_text *t)
{
    raw_pieces_free(t->fields, t->n_fields);
    raw_pieces_free(t->actions, t->n_actions);
}

struct ofputil_port_map *
raw_text_ports(const struct raw_text *t)
{
    static const char delimiters[] = ",:=()[]>\"' \t\r\n/";
    struct ofputil_port_map *map = xmalloc(sizeof *map);
    char *copy = xstrdup(t->flow->text);
    char *save = NULL;
    uint16_t number = FIRST_STAND_IN;

    ofputil_port_map_init(map);
    for (char *word = strtok_r(copy, delimiters, &save); word;
         word = strtok_r(NULL, delimiters, &save)) {
        char *error = name_validate_interface(word);
        if (!error
            && ofputil_port_map_get_number(map, word) == OFPP_NONE
            && number < ofp_to_u16(OFPP_MAX) - 1) {
            ofputil_port_map_put(map, u16_to_ofp(number++), word);
        }
        free(error);
    }
    free(copy);
    return map;
}
