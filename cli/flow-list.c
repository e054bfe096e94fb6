#include <config.h>

#include "cli/flow-list.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "cli/cause.h"
#include "cli/output.h"
#include "flows/compiler.h"
#include "flows/tables.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/json.h"
#include "util.h"

void
flow_list_init(struct flow_list *list)
{
    memset(list, 0, sizeof *list);
}

void
flow_list_destroy(struct flow_list *list)
{
    for (size_t i = 0; i < list->n; i++) {
        free(list->lines[i].text);
    }
    free(list->lines);
}

struct flow_line *
flow_list_append(struct flow_list *list)
{
    if (list->n >= list->allocated) {
        list->lines = x2nrealloc(list->lines, &list->allocated,
                                 sizeof *list->lines);
    }

    struct flow_line *line = &list->lines[list->n++];
    memset(line, 0, sizeof *line);
    return line;
}

void
flow_list_add_set(struct flow_list *list, const struct flow_set *set,
                  const struct ofputil_port_map *map, bool names)
{
    const struct sn_flow *flow;

    HMAP_FOR_EACH (flow, hmap_node, &set->flows) {
        struct flow_line *line = flow_list_append(list);
        struct ds s = DS_EMPTY_INITIALIZER;

        sn_flow_format(flow, map, names, &s);
        line->table_id = flow->table_id;
        line->priority = flow->priority;
        line->cookie = flow->cookie;
        line->text = ds_steal_cstr(&s);
    }
}

/* The part of a line that begins with its match: what stands before it, such
 * as counters, is no order to read flows in. */
static const char *
match_of_text(const char *text)
{
    const char *match = strstr(text, "priority=");
    return match ? match : text;
}

static int
compare_lines(const void *a_, const void *b_)
{
    const struct flow_line *a = a_;
    const struct flow_line *b = b_;

    if (a->table_id != b->table_id) {
        return a->table_id < b->table_id ? -1 : 1;
    }
    if (a->priority != b->priority) {
        return a->priority > b->priority ? -1 : 1;
    }
    return strcmp(match_of_text(a->text), match_of_text(b->text));
}

void
flow_list_sort(struct flow_list *list)
{
    if (list->n) {
        qsort(list->lines, list->n, sizeof *list->lines, compare_lines);
    }
}

void
flow_list_filter(struct flow_list *list,
                 bool (*keep)(const struct flow_line *, void *aux), void *aux)
{
    size_t n = 0;

    for (size_t i = 0; i < list->n; i++) {
        if (keep(&list->lines[i], aux)) {
            list->lines[n++] = list->lines[i];
        } else {
            free(list->lines[i].text);
        }
    }
    list->n = n;
}

static void
note_change(const struct flow_line *line, const struct flow_line *previous,
            const struct cause *cause, struct output *out)
{
    if (!previous || previous->table_id != line->table_id) {
        const char *name = sn_table_name(line->table_id);
        const char *purpose = table_purpose(line->table_id);
        output_note(out, "%s# table %d, %s: %s", previous ? "\n" : "",
                    line->table_id, name ? name : "-",
                    purpose ? purpose : "not socknet's");
    }
    if (!previous || previous->table_id != line->table_id
        || previous->cookie != line->cookie) {
        output_note(out, "# %s", cause->text);
    }
}

void
flow_list_output(const struct flow_list *list,
                 const struct explainer *explainer, bool explain,
                 struct output *out)
{
    output_begin(out, "flows", OUTPUT_LINES, NULL);
    for (size_t i = 0; i < list->n; i++) {
        const struct flow_line *line = &list->lines[i];
        struct cause cause;

        cause_find(explainer, line->cookie, &cause);
        if (explain) {
            note_change(line, i ? line - 1 : NULL, &cause, out);
        }
        output_record(out);
        output_string(out, "flow", "", line->text);
        output_integer(out, "table", NULL, line->table_id);
        output_string(out, "table_name", NULL, sn_table_name(line->table_id));
        output_integer(out, "priority", NULL, line->priority);
        output_value(out, "cookie", NULL,
                     json_string_create_nocopy(
                         xasprintf("0x%"PRIx64, line->cookie)), NULL);
        if (list->has_counters) {
            output_integer(out, "n_packets", NULL, line->n_packets);
            output_integer(out, "n_bytes", NULL, line->n_bytes);
        }
        cause_output(&cause, out);
        cause_destroy(&cause);
    }
}
