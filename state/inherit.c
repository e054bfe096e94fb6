#include <config.h>

#include "state/model.h"

#include "util.h"

/* What commands other than `apply` wrote, and the file does not know of. */

static void
inherit_node(struct model_node *node, const struct model_node *old)
{
    const char *key;

    node->key_epoch = MAX(node->key_epoch, old->key_epoch);
    if (!node->says_revoked) {
        node->revoked = old->revoked;
    }
    SSET_FOR_EACH (key, &old->refused_keys) {
        sset_add(&node->refused_keys, key);
    }
}

void
model_inherit(struct model *model, const struct model *previous)
{
    const struct shash_node *node;

    SHASH_FOR_EACH (node, &model->nodes) {
        const struct model_node *old
            = previous ? model_get_node(previous, node->name) : NULL;

        if (old) {
            inherit_node(node->data, old);
        }
    }
}
