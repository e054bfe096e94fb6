#include <config.h>

#include "cli/reach-output.h"

#include <inttypes.h>
#include <stdlib.h>
#include "cli/output.h"
#include "cli/reach.h"
#include "openvswitch/json.h"
#include "svec.h"
#include "util.h"

/* Those that are alike: by the first for people, all for programs. */
static void
output_alike(struct output *out, const char *key, const char *all_key,
             const char *heading, const struct svec *names)
{
    struct json *all = json_array_create_empty();
    const char *name;
    size_t i;

    SVEC_FOR_EACH (i, name, names) {
        json_array_add(all, json_string_create(name));
    }
    char *text = names->n > 1 ? xasprintf("%s (and %"PRIuSIZE" like it)",
                                          names->names[0], names->n - 1)
                 : xstrdup(names->names[0]);
    output_string(out, key, heading, text);
    output_value(out, all_key, NULL, all, NULL);
    free(text);
}

static size_t
output_reach_of(const struct reach_diffs *diffs, enum reach_change change,
                const char *key, const char *caption, struct output *out)
{
    size_t n = 0;

    output_begin(out, key, OUTPUT_TABLE, caption);
    for (size_t i = 0; i < diffs->n; i++) {
        const struct reach_diff *diff = &diffs->items[i];

        if (diff->change != change) {
            continue;
        }
        output_record(out);
        output_alike(out, "src", "srcs", "from", &diff->srcs);
        output_alike(out, "dst", "dsts", "to", &diff->dsts);
        output_string(out, "what", "what", diff->what);
        output_string(out, "was", "was", diff->was);
        output_string(out, "is", "is", diff->is);
        output_string(out, "decided_by", "decided by", diff->decided_by);
        n++;
    }
    return n;
}

void
reach_output(struct model *old, struct model *new, struct output *out)
{
    struct reach_diffs diffs;

    reach_compare(old, new, &diffs);
    if (!output_reach_of(&diffs, REACH_ALLOWED, "allowed", "Newly allowed",
                         out)) {
        output_note(out, "Nothing is newly allowed.");
    }
    if (!output_reach_of(&diffs, REACH_DENIED, "denied", "Newly denied",
                         out)) {
        output_note(out, "Nothing is newly denied.");
    }
    output_reach_of(&diffs, REACH_EXIT, "exits", "By another exit", out);
    output_attach(out, "packets", json_integer_create(diffs.n_walks));
    reach_diffs_destroy(&diffs);
}
