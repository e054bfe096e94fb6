#include <config.h>

#include "cli/choose-node.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "cli/command.h"
#include "lib/suggest.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/shash.h"
#include "openvswitch/util.h"
#include "state/model.h"

/* "a, b", or the beginning of it if there are many.  Caller frees. */
static char *
list_names(const struct shash *objects)
{
    const struct shash_node **nodes = shash_sort(objects);
    struct ds s = DS_EMPTY_INITIALIZER;

    for (size_t i = 0; i < MIN(shash_count(objects), 8); i++) {
        ds_put_format(&s, "%s%s", i ? ", " : "", nodes[i]->name);
    }
    if (shash_count(objects) > 8) {
        ds_put_cstr(&s, ", ...");
    }
    free(nodes);
    return ds_steal_cstr(&s);
}

static void
report_unknown_node(const struct model *model, const char *name)
{
    const struct shash_node *node;
    struct suggest suggest;

    suggest_init(&suggest, name);
    SHASH_FOR_EACH (node, &model->nodes) {
        suggest_offer(&suggest, node->name);
    }
    if (suggest.best) {
        command_fail("no node \"%s\" in the state: did you mean \"%s\"?",
                     name, suggest.best);
    } else if (!shash_is_empty(&model->nodes)) {
        char *names = list_names(&model->nodes);
        command_fail("no node \"%s\" in the state, which has %s", name,
                     names);
        free(names);
    } else {
        command_fail("no node \"%s\": the state has none", name);
    }
}

const char *
choose_node(const struct model *model, const char *name)
{
    char host[256];

    if (!name) {
        if (gethostname(host, sizeof host)) {
            host[0] = '\0';
        }
        host[sizeof host - 1] = '\0';
        host[strcspn(host, ".")] = '\0';
        name = host;
        if (!model_get_node(model, host)
            && shash_count(&model->nodes) == 1) {
            name = shash_first(&model->nodes)->name;
        }
    }

    const struct model_node *node = model_get_node(model, name);
    if (!node) {
        report_unknown_node(model, name);
        return NULL;
    }
    return node->name;
}
