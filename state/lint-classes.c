#include <config.h>

#include "state/lint-private.h"

#include <stdlib.h>
#include "openvswitch/util.h"

/* Classes that are marked and nowhere queued by. */

static bool
any_queues(const struct lint *lint)
{
    for (size_t i = 0; i < lint->n_nodes; i++) {
        if (lint->nodes[i]->mesh_kbps) {
            return true;
        }
    }
    return false;
}

void
lint_classes(struct lint *lint)
{
    static const char fix[] = "write networking: {mesh_rate: ...} on the "
                              "node, a little less than its uplink carries";
    size_t n_acls;
    struct model_acl **acls = lint_sort(lint->model, MODEL_ACL, &n_acls);

    for (size_t i = 0; i < lint->n_containers; i++) {
        const struct model_container *c = lint->containers[i];
        const struct model_node *host = model_get_node(lint->model, c->node);

        if (c->class && host && !host->mesh_kbps) {
            diags_add(lint->diags, DIAG_WARNING, &c->loc, fix,
                      "nothing goes first for the class of container \"%s\": "
                      "node \"%s\" has no queues", c->name, c->node);
        }
    }
    for (size_t i = 0; i < n_acls; i++) {
        if (acls[i]->class && !any_queues(lint)) {
            diags_add(lint->diags, DIAG_WARNING, &acls[i]->loc, fix,
                      "nothing goes first for the class of rule \"%s\": "
                      "no node has queues", acls[i]->name);
        }
    }
    free(acls);
}
