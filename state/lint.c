#include <config.h>

#include "state/lint.h"

#include <stdlib.h>
#include <string.h>
#include "openvswitch/util.h"
#include "state/lint-private.h"
#include "util.h"

void
lint_seen_init(struct lint_seen *seen)
{
    shash_init(&seen->map);
}

void
lint_seen_destroy(struct lint_seen *seen)
{
    shash_destroy_free_data(&seen->map);
}

char *
lint_seen_add(struct lint_seen *seen, const char *name,
              const struct sn_loc *loc)
{
    const struct sn_loc *first = shash_find_data(&seen->map, name);

    if (first) {
        return sn_loc_to_string(first);
    }
    shash_add(&seen->map, name, xmemdup(loc, sizeof *loc));
    return NULL;
}

struct lint_object {
    const struct sn_loc *loc;
    const char *key;
    void *object;
};

static int
compare_objects(const void *a_, const void *b_)
{
    const struct lint_object *a = a_;
    const struct lint_object *b = b_;
    int cmp = strcmp(a->loc->file ? a->loc->file : "",
                     b->loc->file ? b->loc->file : "");

    if (!cmp && a->loc->line != b->loc->line) {
        cmp = a->loc->line < b->loc->line ? -1 : 1;
    }
    if (!cmp && a->loc->column != b->loc->column) {
        cmp = a->loc->column < b->loc->column ? -1 : 1;
    }
    return cmp ? cmp : strcmp(a->key, b->key);
}

void *
lint_sort(const struct model *model, enum model_kind kind, size_t *ret_n)
{
    const struct shash *table = model_table(CONST_CAST(struct model *, model),
                                            kind);
    size_t n = shash_count(table);
    struct lint_object *objects = xcalloc(MAX(n, 1), sizeof *objects);
    void **sorted = xcalloc(MAX(n, 1), sizeof *sorted);
    const struct shash_node *node;
    size_t i = 0;

    SHASH_FOR_EACH (node, table) {
        /* The place comes first in every object. */
        objects[i++] = (struct lint_object) { node->data, node->name,
                                              node->data };
    }
    qsort(objects, n, sizeof *objects, compare_objects);
    for (i = 0; i < n; i++) {
        sorted[i] = objects[i].object;
    }
    free(objects);
    *ret_n = n;
    return sorted;
}

void
lint_model(const struct model *model, const struct places *places,
           struct diags *diags)
{
    struct lint lint = { .model = model, .places = places, .diags = diags };

    lint.nodes = lint_sort(model, MODEL_NODE, &lint.n_nodes);
    lint.exits = lint_sort(model, MODEL_EXIT, &lint.n_exits);
    lint.containers = lint_sort(model, MODEL_CONTAINER, &lint.n_containers);
    lint_names(&lint);
    lint_network(&lint);
    lint_ports(&lint);
    lint_clients(&lint);
    lint_policy(&lint);
    lint_classes(&lint);
    lint_services(&lint);
    lint_shadowed_rules(&lint);
    lint_flows(&lint);
    lint_lockout(&lint);
    if (!diags->n_errors) {
        lint_unused(&lint);     /* What uses it may be what is wrong. */
    }
    free(lint.nodes);
    free(lint.exits);
    free(lint.containers);
}
