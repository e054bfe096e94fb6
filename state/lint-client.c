#include <config.h>

#include "state/lint-private.h"

#include <stdlib.h>
#include <string.h>
#include "openvswitch/util.h"
#include "util.h"

/* Guests, and where they are let in. */

static const struct sn_loc *
vpn_loc(struct lint *lint, const struct model_node *node)
{
    return places_get(lint->places, &node->loc, "node/%s/vpn_server",
                      node->name);
}

static const struct sn_loc *
pool_loc(struct lint *lint, const struct model_node *node, bool is_v4)
{
    return places_get(lint->places, &node->loc, "node/%s/ip_pool/%d",
                      node->name, is_v4 ? 4 : 6);
}

static void
lint_vpn_port(struct lint *lint, const struct model_node *node)
{
    uint16_t port = node->vpn->listen_port;
    uint16_t mesh_port = node->listen_port ? node->listen_port
                         : lint->model->mesh.listen_port;

    if (port == mesh_port) {
        diags_add(lint->diags, DIAG_ERROR,
                  places_get(lint->places, &node->loc,
                             "node/%s/vpn_server/listen_port", node->name),
                  "give one of them another port",
                  "vpn_server listens on udp port %d, as the mesh's %s does "
                  "on this host", port, lint->model->mesh.interface);
    }
}

static void
lint_vpn_interface(struct lint *lint, const struct model_node *node)
{
    const char *interface = node->vpn->interface;
    const char *owner = NULL;

    if (!strcmp(interface, lint->model->mesh.interface)) {
        owner = "the WireGuard device of the mesh";
    } else if (!strcmp(interface, "vmbr0")) {
        owner = "the bridge";
    } else if (!strncmp(interface, "x-", 2)) {
        owner = "a name that socknet gives to the ports of exits";
    }
    for (size_t i = 0; i < lint->n_exits; i++) {
        if (!strcmp(lint->exits[i]->node, node->name)
            && !strcmp(lint->exits[i]->interface, interface)) {
            owner = "the WireGuard device of an exit";
        }
    }
    if (owner) {
        diags_add(lint->diags, DIAG_ERROR, vpn_loc(lint, node), NULL,
                  "vpn_server's interface \"%s\" is %s", interface, owner);
    }
}

static void
report_overlap(struct lint *lint, const struct sn_loc *loc, const char *pool,
               const struct sn_prefix *other, const char *what,
               const char *whose)
{
    char *s = sn_prefix_to_string(other);

    diags_add(lint->diags, DIAG_ERROR, loc, "choose another network",
              "ip_pool %s overlaps %s %s%s%s%s", pool, what, s,
              whose ? " of node \"" : "", whose ? whose : "",
              whose ? "\"" : "");
    free(s);
}

static bool
overlaps(const struct sn_prefix *a, const struct sn_prefix *b)
{
    return sn_prefix_contains(a, b) || sn_prefix_contains(b, a);
}

/* A pool against every other network; against other pools only those of nodes
 * before 'n'. */
static void
lint_pool_overlaps(struct lint *lint, size_t n, const struct sn_prefix *pool,
                   const char *s, const struct sn_loc *loc)
{
    if (overlaps(pool, &lint->model->mesh.prefix)) {
        report_overlap(lint, loc, s, &lint->model->mesh.prefix,
                       "the mesh's prefix", NULL);
    }
    for (size_t i = 0; i < lint->n_nodes; i++) {
        const struct model_node *other = lint->nodes[i];

        for (size_t j = 0; j < other->n_subnets; j++) {
            if (overlaps(pool, &other->subnets[j])) {
                report_overlap(lint, loc, s, &other->subnets[j],
                               "the subnet", other->name);
            }
        }
        for (size_t j = 0; i < n && other->vpn && j < other->vpn->n_pools;
             j++) {
            if (overlaps(pool, &other->vpn->pools[j])) {
                report_overlap(lint, loc, s, &other->vpn->pools[j],
                               "the ip_pool", other->name);
            }
        }
    }
}

static void
lint_vpn(struct lint *lint, size_t n)
{
    const struct model_node *node = lint->nodes[n];

    if (!node->vpn) {
        return;
    }
    lint_vpn_port(lint, node);
    lint_vpn_interface(lint, node);
    for (size_t i = 0; i < node->vpn->n_pools; i++) {
        const struct sn_prefix *pool = &node->vpn->pools[i];
        const struct sn_loc *loc = pool_loc(lint, node, pool->is_v4);
        char *s = sn_prefix_to_string(pool);

        if (pool->plen > (pool->is_v4 ? 30 : 126)) {
            diags_add(lint->diags, DIAG_ERROR, loc, "use a larger network",
                      "ip_pool %s has no room for the node and a guest", s);
        } else if (!pool->plen || lint_not_unicast(pool)) {
            diags_add(lint->diags, DIAG_ERROR, loc, NULL,
                      "ip_pool %s cannot be used: it is of %s", s,
                      !pool->plen ? "the whole internet"
                      : lint_not_unicast(pool));
        } else {
            lint_pool_overlaps(lint, n, pool, s, loc);
        }
        free(s);
    }
    if (!node->vpn->endpoint && !node->endpoint) {
        diags_add(lint->diags, DIAG_WARNING, vpn_loc(lint, node),
                  "write an endpoint in vpn_server",
                  "node \"%s\" is behind NAT, so guests cannot be told "
                  "where to reach it", node->name);
    }
}

/* The pool of the client's node that contains 'address', or NULL. */
static const struct sn_prefix *
find_pool(const struct lint *lint, const struct model_client *client,
          const struct sn_prefix *address)
{
    const struct model_node *node = model_get_node(lint->model,
                                                   client->node);

    for (size_t i = 0; node && node->vpn && i < node->vpn->n_pools; i++) {
        if (sn_prefix_contains(&node->vpn->pools[i], address)) {
            return &node->vpn->pools[i];
        }
    }
    return NULL;
}

static void
lint_client_address(struct lint *lint, struct lint_seen *seen,
                    const struct model_client *client,
                    const struct sn_prefix *address)
{
    const struct sn_loc *loc = places_get(lint->places, &client->loc,
                                          "client/%s/address", client->name);
    const struct sn_prefix *pool = find_pool(lint, client, address);
    char *s = sn_prefix_addr_to_string(address);
    char *first = lint_seen_add(seen, s, loc);

    if (first) {
        diags_add(lint->diags, DIAG_ERROR, loc, NULL,
                  "duplicate address %s, first at %s", s, first);
        free(first);
    }
    if (!pool) {
        diags_add(lint->diags, DIAG_ERROR, loc,
                  "leave it out: the client then gets the next free one",
                  "address %s of client \"%s\" is not in the ip_pool of "
                  "node \"%s\"", s, client->name, client->node);
    } else {
        struct sn_prefix network = sn_prefix_nth(pool, 0);
        struct sn_prefix own = sn_prefix_nth(pool, 1);

        if (sn_prefix_equals(&network, address)
            || sn_prefix_equals(&own, address)) {
            diags_add(lint->diags, DIAG_ERROR, loc,
                      "leave it out: the client then gets the next free one",
                      "address %s of client \"%s\" is %s", s, client->name,
                      sn_prefix_equals(&own, address)
                      ? "the node's own" : "the address of the pool itself");
        }
    }
    free(s);
}

void
lint_clients(struct lint *lint)
{
    struct lint_seen addresses, keys;
    size_t n;
    struct model_client **clients = lint_sort(lint->model, MODEL_CLIENT, &n);

    for (size_t i = 0; i < lint->n_nodes; i++) {
        lint_vpn(lint, i);
    }
    lint_seen_init(&addresses);
    lint_seen_init(&keys);
    for (size_t i = 0; i < n; i++) {
        const struct sn_loc *loc
            = places_get(lint->places, &clients[i]->loc,
                         "client/%s/public_key", clients[i]->name);
        char *first = clients[i]->public_key[0]
                      ? lint_seen_add(&keys, clients[i]->public_key, loc)
                      : NULL;

        if (first) {
            diags_add(lint->diags, DIAG_ERROR, loc,
                      "make a key for each of them",
                      "client \"%s\" has the public key of the one at %s",
                      clients[i]->name, first);
            free(first);
        }
        for (size_t j = 0; j < clients[i]->n_addresses; j++) {
            lint_client_address(lint, &addresses, clients[i],
                                &clients[i]->addresses[j]);
        }
    }
    lint_seen_destroy(&addresses);
    lint_seen_destroy(&keys);
    free(clients);
}
