#include <config.h>

#include "cli/object-list.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "cli/cause.h"
#include "cli/output.h"
#include "flows/explain.h"
#include "flows/objects.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/json.h"
#include "util.h"

void
object_list_init(struct object_list *list)
{
    memset(list, 0, sizeof *list);
}

void
object_list_destroy(struct object_list *list)
{
    for (size_t i = 0; i < list->n; i++) {
        sn_object_free(list->lines[i].object);
    }
    free(list->lines);
}

struct object_line *
object_list_add(struct object_list *list, struct sn_object *object)
{
    if (list->n >= list->allocated) {
        list->lines = x2nrealloc(list->lines, &list->allocated,
                                 sizeof *list->lines);
    }

    struct object_line *line = &list->lines[list->n++];
    *line = (struct object_line) { .object = object };
    return line;
}

void
object_list_add_set(struct object_list *list, const struct object_set *set)
{
    const struct sn_object *object;

    HMAP_FOR_EACH (object, node, &set->map) {
        object_list_add(list, sn_object_clone(object));
    }
}

/* By name, those without one last. */
static int
compare_lines(const void *a_, const void *b_)
{
    const struct sn_object *a = ((const struct object_line *) a_)->object;
    const struct sn_object *b = ((const struct object_line *) b_)->object;
    int cmp = a->name && b->name ? strcmp(a->name, b->name)
              : !a->name - !b->name;

    return cmp ? cmp : a->id < b->id ? -1 : a->id > b->id;
}

static void
output_people(const struct object_line *line, bool has_counters,
              struct output *out)
{
    const struct sn_object *object = line->object;
    struct ds s = DS_EMPTY_INITIALIZER;

    ds_put_format(&s, "# %s", object->name ? object->name
                              : "not in the desired state");
    if (has_counters) {
        ds_put_format(&s, ": %"PRIu64" packets", line->n_packets);
        if (object->kind == SN_METER) {
            ds_put_format(&s, ", %"PRIu64" of them dropped", line->n_dropped);
        }
    }
    ds_put_format(&s, "\n# add-%s ", sn_object_kind_name(object->kind));
    sn_object_format(object, &s);
    output_note(out, "%s", ds_cstr(&s));
    ds_destroy(&s);
}

static void
output_line(const struct object_line *line, bool has_counters,
            struct output *out)
{
    const struct sn_object *object = line->object;

    output_people(line, has_counters, out);
    output_record(out);
    output_string(out, "name", NULL, object->name);
    output_integer(out, "id", NULL, object->id);
    output_string(out, "spec", NULL, object->spec);
    if (has_counters) {
        output_integer(out, "n_packets", NULL, line->n_packets);
        output_integer(out, "n_bytes", NULL, line->n_bytes);
        if (object->kind == SN_METER) {
            output_integer(out, "n_dropped", NULL, line->n_dropped);
        }
    }
}

/* What a switch holds has no names but those that the model gives. */
static void
find_names(struct object_list *list, const struct explainer *explainer)
{
    for (size_t i = 0; i < list->n; i++) {
        struct sn_object *object = list->lines[i].object;

        if (!object->name) {
            object->name = nullable_xstrdup(
                explainer_object(explainer, object->kind, object->id));
        }
    }
}

void
object_list_output(struct object_list *list,
                   const struct explainer *explainer, struct output *out)
{
    static const char *const keys[] = {
        [SN_GROUP] = "groups", [SN_METER] = "meters",
    };

    find_names(list, explainer);
    if (list->n) {
        qsort(list->lines, list->n, sizeof *list->lines, compare_lines);
    }
    for (int kind = 0; kind < SN_N_OBJECT_KINDS; kind++) {
        output_begin(out, keys[kind], OUTPUT_LINES, NULL);
        for (size_t i = 0; i < list->n; i++) {
            if (list->lines[i].object->kind == kind) {
                output_line(&list->lines[i], list->has_counters, out);
            }
        }
    }
}
