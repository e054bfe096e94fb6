#include <config.h>

#include "cli/choose-node.h"

#include <string.h>
#include <unistd.h>
#include "cli/command.h"
#include "lib/suggest.h"
#include "openvswitch/shash.h"
#include "state/model.h"

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
    } else {
        command_fail("no node \"%s\" in the state: name one with --node",
                     name);
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
