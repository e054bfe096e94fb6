#include <config.h>

#include "state/model.h"

#include <stdlib.h>
#include <string.h>
#include "openvswitch/util.h"
#include "util.h"

/* Addresses for the clients that were given none. */

static bool
client_take(struct model_client *client, struct sset *taken,
            const struct sn_prefix *address)
{
    char *s = sn_prefix_addr_to_string(address);
    bool is_free = sset_add(taken, s) != NULL;

    free(s);
    if (is_free) {
        client->addresses = xrealloc(client->addresses,
                                     (client->n_addresses + 1)
                                     * sizeof *client->addresses);
        client->addresses[client->n_addresses++] = sn_prefix_host(address);
    }
    return is_free;
}

static const struct sn_prefix *
client_find_address(const struct model_client *client,
                    const struct sn_prefix *pool)
{
    for (size_t i = 0; client && i < client->n_addresses; i++) {
        if (sn_prefix_contains(pool, &client->addresses[i])) {
            return &client->addresses[i];
        }
    }
    return NULL;
}

/* Not the network's own address, nor the node's, which is the first; for
 * IPv4, nor the broadcast address. */
static bool
client_take_next(struct model_client *client, struct sset *taken,
                 const struct sn_prefix *pool)
{
    unsigned int bits = (pool->is_v4 ? 32 : 128) - pool->plen;
    uint32_t n = UINT32_C(1) << MIN(bits, 16);
    uint32_t end = pool->is_v4 && bits <= 16 ? n - 1 : n;

    for (uint32_t i = 2; i < end; i++) {
        struct sn_prefix address = sn_prefix_nth(pool, i);

        if (client_take(client, taken, &address)) {
            return true;
        }
    }
    return false;
}

static void
client_assign(struct model_client *client, const struct model_vpn *vpn,
              const struct model_client *old, struct sset *taken,
              struct diags *diags)
{
    for (size_t i = 0; i < vpn->n_pools; i++) {
        const struct sn_prefix *pool = &vpn->pools[i];
        const struct sn_prefix *was = client_find_address(old, pool);

        if (client_find_address(client, pool)
            || (was && client_take(client, taken, was))
            || client_take_next(client, taken, pool)) {
            continue;
        }
        char *s = sn_prefix_to_string(pool);
        diags_add(diags, DIAG_ERROR, &client->loc, "use a larger ip_pool",
                  "no address of the ip_pool %s is left for client \"%s\"",
                  s, client->name);
        free(s);
    }
}

void
model_assign_client_address(const struct model *model,
                            struct model_client *client, struct diags *diags)
{
    const struct model_node *node = model_get_node(model, client->node);
    const struct model_client *old = model_get_client(model, client->name);
    struct sset taken = SSET_INITIALIZER(&taken);
    const struct shash_node *snode;

    SHASH_FOR_EACH (snode, &model->clients) {
        const struct model_client *other = snode->data;

        for (size_t i = 0; other != old && i < other->n_addresses; i++) {
            sset_add_and_free(&taken, sn_prefix_addr_to_string(
                                  &other->addresses[i]));
        }
    }
    client_assign(client, node->vpn, old, &taken, diags);
    sset_destroy(&taken);
}

void
model_assign_client_addresses(struct model *model,
                              const struct model *previous,
                              struct diags *diags)
{
    const struct shash_node **clients = shash_sort(&model->clients);
    size_t n = shash_count(&model->clients);
    struct sset taken = SSET_INITIALIZER(&taken);

    for (size_t i = 0; i < n; i++) {
        const struct model_client *client = clients[i]->data;

        for (size_t j = 0; j < client->n_addresses; j++) {
            sset_add_and_free(&taken, sn_prefix_addr_to_string(
                                  &client->addresses[j]));
        }
    }
    /* Those that had some first, so that nobody new takes theirs. */
    for (size_t i = 0; i < 2 * n; i++) {
        struct model_client *client = clients[i % n]->data;
        const struct model_node *node = model_get_node(model, client->node);
        const struct model_client *old
            = previous ? model_get_client(previous, client->name) : NULL;

        if (node && node->vpn && !old == (i >= n)) {
            client_assign(client, node->vpn, old, &taken, diags);
        }
    }
    sset_destroy(&taken);
    free(clients);
}
