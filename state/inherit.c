#include <config.h>

#include "state/model.h"

#include <stdlib.h>
#include <string.h>
#include "openvswitch/util.h"
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

static struct model_client *
client_clone(const struct model_client *old)
{
    struct model_client *client = model_object_create(MODEL_CLIENT);

    client->name = xstrdup(old->name);
    client->node = xstrdup(old->node);
    client->public_key = xstrdup(old->public_key);
    client->addresses = xmemdup(old->addresses,
                                MAX(old->n_addresses, 1)
                                * sizeof *old->addresses);
    client->n_addresses = old->n_addresses;
    sset_destroy(&client->tags);
    sset_clone(&client->tags, &old->tags);
    client->expires = old->expires;
    client->revoked = old->revoked;
    client->other = nullable_xstrdup(old->other);
    return client;
}

/* One that the file has not got was either taken out of the file, or made by
 * `socknet client`: that one stays, as long as its server does. */
static void
inherit_client(struct model *model, const struct model_client *old,
               struct diags *diags)
{
    struct model_client *client = shash_find_data(&model->clients,
                                                  old->name);
    const struct model_node *node = model_get_node(model, old->node);

    if (client) {
        if (!client->says_revoked
            && !strcmp(client->public_key, old->public_key)) {
            client->revoked = old->revoked;
        }
    } else if (!old->loc.file && node && node->vpn) {
        model_put(model, MODEL_CLIENT, old->name, client_clone(old));
    } else if (!old->loc.file) {
        diags_add(diags, DIAG_WARNING,
                  node ? &node->loc : &model->mesh.loc, NULL,
                  "client \"%s\" goes with the vpn_server of node \"%s\"",
                  old->name, old->node);
    }
}

void
model_inherit_clients(struct model *model, const struct model *previous,
                      struct diags *diags)
{
    const struct shash_node *node;

    SHASH_FOR_EACH (node, &previous->clients) {
        inherit_client(model, node->data, diags);
    }
}

void
model_inherit_nodes(struct model *model, const struct model *previous)
{
    const struct shash_node *node;

    SHASH_FOR_EACH (node, &model->nodes) {
        const struct model_node *old = model_get_node(previous, node->name);

        if (old) {
            inherit_node(node->data, old);
        }
    }
}
