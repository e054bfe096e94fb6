#include <config.h>
#include "agent/dns-clients.h"

#include <stdlib.h>
#include <string.h>

#include "agent/plan.h"
#include "agent/socks.h"
#include "state/guest-rules.h"
#include "state/model.h"
#include "util.h"

/* Queries of one client: a flood of one must not starve the others.  Per
 * millisecond, and at once. */
#define CLIENT_RATE 2
#define CLIENT_BURST 4000

void
dns_clients_init(struct dns_clients *clients)
{
    hmap_init(&clients->map);
}

static void
client_free(struct dns_clients *clients, struct dns_client *c)
{
    hmap_remove(&clients->map, &c->node);
    free(c->device);
    free(c);
}

void
dns_clients_destroy(struct dns_clients *clients)
{
    struct dns_client *c;

    HMAP_FOR_EACH_SAFE (c, node, &clients->map) {
        client_free(clients, c);
    }
    hmap_destroy(&clients->map);
}

struct dns_client *
dns_clients_find(const struct dns_clients *clients,
                 const struct sn_prefix *address)
{
    struct dns_client *c;

    HMAP_FOR_EACH_WITH_HASH (c, node, sn_prefix_hash(address, 0),
                             &clients->map) {
        if (sn_prefix_equals(&c->address, address)) {
            return c;
        }
    }
    return NULL;
}

/* The first to speak of an address is right. */
static void
clients_put(struct dns_clients *clients, const struct sn_prefix *prefix,
            enum dns_way way, const char *device, bool limited)
{
    struct sn_prefix address = sn_prefix_host(prefix);
    struct dns_client *c = dns_clients_find(clients, &address);

    if (!c) {
        c = xzalloc(sizeof *c);
        c->address = address;
        token_bucket_init(&c->bucket, CLIENT_RATE, CLIENT_BURST);
        hmap_insert(&clients->map, &c->node, sn_prefix_hash(&address, 0));
    } else if (!c->stale) {
        return;
    }
    free(c->device);
    c->device = nullable_xstrdup(device);
    c->way = way;
    c->limited = limited;
    c->stale = false;
}

static const struct plan_exit *
find_plan_exit(const struct plan *plan, const char *key)
{
    for (size_t i = 0; i < plan->n_exits; i++) {
        if (!strcmp(plan->exits[i].key, key)) {
            return &plan->exits[i];
        }
    }
    return NULL;
}

/* As the flows choose it: the first that can be used. */
static const struct plan_exit *
find_exit(const struct plan *plan, const struct svec *exits,
          dns_is_usable *is_usable, const void *aux)
{
    for (size_t i = 0; i < exits->n; i++) {
        const struct plan_exit *x = find_plan_exit(plan, exits->names[i]);

        if (x && x->enabled && is_usable(x, aux)) {
            return x;
        }
    }
    return NULL;
}

/* Whoever must not reach the internet gets no word to it by names either. */
static bool
is_denied_internet(const struct model *model, const struct model_container *c)
{
    struct shash_node *node;

    SHASH_FOR_EACH (node, &model->segments) {
        const struct model_segment *s = node->data;

        for (size_t i = 0; s->internet == INTERNET_DENY && i < s->n_members;
             i++) {
            if (model_selector_matches(model, &s->members[i], c)) {
                return true;
            }
        }
    }
    return false;
}

static enum dns_way
container_way(const struct model *model, const struct plan *plan,
              const struct model_container *c, dns_is_usable *is_usable,
              const void *aux, const char **ret_device)
{
    *ret_device = NULL;
    if (strcmp(c->node, plan->node) || is_denied_internet(model, c)) {
        return DNS_WAY_NONE;
    } else if (!c->exits.n) {
        /* The host's own resolvers are the host's: to lend them to whom no
         * rule lets out would be a way out. */
        return model->mesh.resolvers.n ? DNS_WAY_HOST : DNS_WAY_NONE;
    }

    const struct plan_exit *x = find_exit(plan, &c->exits, is_usable, aux);
    if (!x) {
        return DNS_WAY_DOWN;
    }
    *ret_device = x->tunnel;
    return DNS_WAY_DEVICE;
}

static void
clients_put_nodes(struct dns_clients *clients, const struct model *model,
                  const struct plan *plan)
{
    struct shash_node *node;

    SHASH_FOR_EACH (node, &model->nodes) {
        const struct model_node *n = node->data;
        bool own = !strcmp(n->name, plan->node);
        enum dns_way way = own ? DNS_WAY_HOST : DNS_WAY_NONE;

        for (size_t i = 0; i < n->n_subnets; i++) {
            clients_put(clients, &n->gateways[i], way, NULL, !own);
        }
        if (n->address.plen) {
            clients_put(clients, &n->address, way, NULL, !own);
        }
    }
}

/* The proxy of this host. */
static void
clients_put_socks(struct dns_clients *clients, const struct plan *plan,
                  dns_is_usable *is_usable, const void *aux)
{
    if (plan->socks) {
        struct sn_prefix address = socks_address();
        const struct plan_exit *x = find_exit(plan, &plan->socks->exits,
                                              is_usable, aux);

        clients_put(clients, &address, x ? DNS_WAY_DEVICE : DNS_WAY_DOWN,
                    x ? x->tunnel : NULL, true);
    }
}

/* Of those who may reach the internet.  An exit that is disabled is no reason
 * to go without one. */
static enum dns_way
guests_way(const struct model *model, const struct plan *plan,
           dns_is_usable *is_usable, const void *aux)
{
    const struct model_node *node = model_get_node(model, plan->node);
    const struct plan_exit *x = plan->guests.exit;

    if (x || (node && node->vpn && node->vpn->exit)) {
        return x && is_usable(x, aux) ? DNS_WAY_DEVICE : DNS_WAY_DOWN;
    }
    return model->mesh.resolvers.n ? DNS_WAY_HOST : DNS_WAY_NONE;
}

/* Guests of this node: like containers, but that their exit is the node's. */
static void
clients_put_guests(struct dns_clients *clients, const struct model *model,
                   const struct plan *plan, dns_is_usable *is_usable,
                   const void *aux)
{
    const struct plan_exit *x = plan->guests.exit;
    enum dns_way admitted = guests_way(model, plan, is_usable, aux);
    struct shash_node *node;

    SHASH_FOR_EACH (node, &model->clients) {
        const struct model_client *client = node->data;
        enum dns_way way = (guest_is_denied_internet(model, client)
                            ? DNS_WAY_NONE : admitted);

        for (size_t i = 0; i < client->n_addresses; i++) {
            if (!client->revoked && !strcmp(client->node, plan->node)) {
                clients_put(clients, &client->addresses[i], way,
                            way == DNS_WAY_DEVICE ? x->tunnel : NULL, true);
            }
        }
    }
}

void
dns_clients_update(struct dns_clients *clients, const struct model *model,
                   const struct plan *plan, dns_is_usable *is_usable,
                   const void *aux)
{
    struct shash_node *node;
    struct dns_client *c;

    HMAP_FOR_EACH (c, node, &clients->map) {
        c->stale = true;
    }
    clients_put_nodes(clients, model, plan);
    clients_put_socks(clients, plan, is_usable, aux);
    clients_put_guests(clients, model, plan, is_usable, aux);
    SHASH_FOR_EACH (node, &model->containers) {
        const struct model_container *container = node->data;
        const char *device;
        enum dns_way way = container_way(model, plan, container, is_usable,
                                         aux, &device);

        for (size_t i = 0; i < container->n_addresses; i++) {
            clients_put(clients, &container->addresses[i], way, device, true);
        }
    }
    HMAP_FOR_EACH_SAFE (c, node, &clients->map) {
        if (c->stale) {
            client_free(clients, c);
        }
    }
}
