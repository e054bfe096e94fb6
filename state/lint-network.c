#include <config.h>

#include "state/lint-private.h"

#include <stdlib.h>
#include <string.h>
#include "lib/diag-fix.h"
#include "openvswitch/util.h"
#include "util.h"

/* Addresses, subnets and routes. */

static const struct sn_loc *
subnet_loc(struct lint *lint, const struct model_node *node, bool is_v4)
{
    return places_get(lint->places, &node->loc, "node/%s/subnet/%d",
                      node->name, is_v4 ? 4 : 6);
}

/* The network's own address or, for IPv4, its broadcast address. */
static const char *
prefix_special_address(const struct sn_prefix *net,
                       const struct sn_prefix *address)
{
    struct sn_prefix first = sn_prefix_nth(net, 0);
    struct sn_prefix host = sn_prefix_host(address);

    if (sn_prefix_equals(&first, &host)) {
        return "the address of the network itself";
    }
    if (net->is_v4 && net->plen < 31) {
        uint32_t n = (UINT64_C(1) << (32 - net->plen)) - 1;
        struct sn_prefix last = sn_prefix_nth(net, n);
        if (sn_prefix_equals(&last, &host)) {
            return "the broadcast address of the network";
        }
    }
    return NULL;
}

/* Networks of which no container can have an address. */
const char *
lint_not_unicast(const struct sn_prefix *p)
{
    static const struct {
        const char *prefix;
        const char *what;
    } specials[] = {
        { "0.0.0.0/8", "\"this network\"" },
        { "127.0.0.0/8", "loopback addresses" },
        { "169.254.0.0/16", "link-local addresses" },
        { "224.0.0.0/3", "multicast and reserved addresses" },
        { "::/127", "the loopback address" },
        { "fe80::/10", "link-local addresses" },
        { "ff00::/8", "multicast addresses" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(specials); i++) {
        struct sn_prefix special;
        char *error = sn_prefix_parse(specials[i].prefix, &special);
        ovs_assert(!error);
        if (sn_prefix_contains(&special, p)) {
            return specials[i].what;
        }
    }
    return NULL;
}

/* A node's own subnets. */
static void
lint_subnet(struct lint *lint, const struct model_node *node, size_t i)
{
    const struct sn_prefix *subnet = &node->subnets[i];
    const struct sn_loc *loc = subnet_loc(lint, node, subnet->is_v4);
    char *s = sn_prefix_to_string(subnet);

    if (subnet->plen > (subnet->is_v4 ? 30 : 126)) {
        diags_add(lint->diags, DIAG_ERROR, loc, "use a larger subnet",
                  "subnet %s has no room for a gateway and a container", s);
    } else if (!subnet->plen) {
        diags_add(lint->diags, DIAG_ERROR, loc, NULL,
                  "subnet %s is the whole internet", s);
    } else if (lint_not_unicast(subnet)) {
        diags_add(lint->diags, DIAG_ERROR, loc, NULL,
                  "subnet %s cannot be used: it is of %s", s,
                  lint_not_unicast(subnet));
    }
    if (sn_prefix_contains(&lint->model->mesh.prefix, subnet)
        || sn_prefix_contains(subnet, &lint->model->mesh.prefix)) {
        char *mesh = sn_prefix_to_string(&lint->model->mesh.prefix);
        diags_add(lint->diags, DIAG_ERROR, loc, NULL,
                  "subnet %s overlaps the mesh's prefix %s", s, mesh);
        free(mesh);
    }

    const char *special = prefix_special_address(subnet, &node->gateways[i]);
    if (special && subnet->plen <= (subnet->is_v4 ? 30 : 126)) {
        char *gateway = sn_prefix_addr_to_string(&node->gateways[i]);
        diags_add(lint->diags, DIAG_ERROR,
                  places_get(lint->places, loc, "node/%s/gateway/%d",
                             node->name, subnet->is_v4 ? 4 : 6), NULL,
                  "%s cannot be a gateway: it is %s %s", gateway, special,
                  s);
        free(gateway);
    }
    free(s);
}

/* Each pair of subnets of two nodes, once. */
static void
lint_subnet_overlaps(struct lint *lint, size_t a)
{
    const struct model_node *node = lint->nodes[a];

    for (size_t b = 0; b < a; b++) {
        const struct model_node *other = lint->nodes[b];
        for (size_t i = 0; i < node->n_subnets * other->n_subnets; i++) {
            const struct sn_prefix *p = &node->subnets[i / other->n_subnets];
            const struct sn_prefix *q = &other->subnets[i % other->n_subnets];
            if (!sn_prefix_contains(p, q) && !sn_prefix_contains(q, p)) {
                continue;
            }
            char *p_s = sn_prefix_to_string(p);
            char *q_s = sn_prefix_to_string(q);
            char *first = sn_loc_to_string(subnet_loc(lint, other, q->is_v4));
            diags_add(lint->diags, DIAG_ERROR,
                      subnet_loc(lint, node, p->is_v4), NULL,
                      "subnet %s of node \"%s\" overlaps %s of node \"%s\" "
                      "at %s", p_s, node->name, q_s, other->name, first);
            free(p_s);
            free(q_s);
            free(first);
        }
    }
}

static void
lint_node_address(struct lint *lint, struct lint_seen *seen,
                  const struct model_node *node)
{
    const struct sn_prefix *mesh = &lint->model->mesh.prefix;
    const struct sn_loc *loc = places_get(lint->places, &node->loc,
                                          "node/%s/address", node->name);

    if (!node->address.plen) {
        return;
    }
    char *s = sn_prefix_addr_to_string(&node->address);
    const char *special = prefix_special_address(mesh, &node->address);
    if (!sn_prefix_contains(mesh, &node->address)) {
        char *mesh_s = sn_prefix_to_string(mesh);
        diags_add(lint->diags, DIAG_ERROR, loc, NULL,
                  "tunnel address %s is outside the mesh's prefix %s", s,
                  mesh_s);
        free(mesh_s);
    } else if (special) {
        diags_add(lint->diags, DIAG_ERROR, loc, NULL,
                  "tunnel address %s is %s", s, special);
    }
    char *first = lint_seen_add(seen, s, loc);
    if (first) {
        diags_add(lint->diags, DIAG_ERROR, loc, NULL,
                  "duplicate address %s, first at %s", s, first);
        free(first);
    }
    free(s);
}

static bool
prefix_is_of_guests(const struct lint *lint, const struct sn_prefix *dst)
{
    for (size_t i = 0; i < lint->n_nodes; i++) {
        const struct model_vpn *vpn = lint->nodes[i]->vpn;
        for (size_t j = 0; vpn && j < vpn->n_pools; j++) {
            if (sn_prefix_contains(&vpn->pools[j], dst)) {
                return true;
            }
        }
    }
    return false;
}

bool
lint_prefix_has_owner(const struct lint *lint, const struct sn_prefix *dst)
{
    for (size_t i = 0; i < lint->n_nodes; i++) {
        const struct model_node *node = lint->nodes[i];
        for (size_t j = 0; j < node->n_subnets; j++) {
            if (sn_prefix_contains(&node->subnets[j], dst)
                || sn_prefix_contains(dst, &node->subnets[j])) {
                return true;
            }
        }
    }
    return (sn_prefix_contains(&lint->model->mesh.prefix, dst)
            || prefix_is_of_guests(lint, dst));
}

bool
lint_endpoint_address(const char *endpoint, struct sn_prefix *ret_address)
{
    bool bracket = endpoint[0] == '[';
    const char *colon = strchr(endpoint, ':');
    size_t len = bracket ? strcspn(endpoint + 1, "]")
                 : colon && !strchr(colon + 1, ':') ? colon - endpoint
                 : strlen(endpoint);
    char *host = xmemdup0(endpoint + bracket, len);
    char *error = sn_prefix_parse(host, ret_address);

    free(host);
    free(error);
    return !error;
}

/* Packets to an endpoint must not be routed into the tunnel to it. */
static void
lint_endpoint(struct lint *lint, struct lint_seen *seen,
              const struct model_node *node)
{
    const struct sn_loc *loc = places_get(lint->places, &node->loc,
                                          "node/%s/endpoint", node->name);
    struct sn_prefix address;

    if (!node->endpoint) {
        return;
    }
    char *key = xasprintf("endpoint %s %d", node->endpoint,
                          node->listen_port);
    char *first = lint_seen_add(seen, key, loc);
    if (first) {
        diags_add(lint->diags, DIAG_ERROR, loc, NULL,
                  "duplicate endpoint %s, first at %s", node->endpoint,
                  first);
    }
    free(first);
    free(key);
    if (lint_endpoint_address(node->endpoint, &address)
        && lint_prefix_has_owner(lint, &address)) {
        diags_add(lint->diags, DIAG_ERROR, loc,
                  "write the address at which other hosts reach it without "
                  "the mesh",
                  "endpoint %s is an address inside the mesh: the tunnel "
                  "would be routed into itself", node->endpoint);
    }
}

/* A route past the mesh to a part of what it carries. */
static void
lint_route_past_mesh(struct lint *lint, const struct model_node *node,
                     const struct model_route *route, const char *s)
{
    const struct model_mesh *mesh = &lint->model->mesh;

    if (!strcmp(route->via, mesh->interface)) {
        return;
    }
    if (sn_prefix_contains(&mesh->prefix, &route->dst)) {
        diags_add(lint->diags, DIAG_ERROR, &route->loc, "remove the route",
                  "the route sends %s, tunnel addresses of the mesh, to "
                  "\"%s\"", s, route->via);
    }
    for (size_t i = 0; i < lint->n_nodes; i++) {
        const struct model_node *other = lint->nodes[i];

        for (size_t j = 0; j < other->n_subnets && other != node; j++) {
            if (sn_prefix_contains(&other->subnets[j], &route->dst)
                && !sn_prefix_equals(&other->subnets[j], &route->dst)) {
                char *subnet = sn_prefix_to_string(&other->subnets[j]);

                diags_add(lint->diags, DIAG_WARNING, &route->loc,
                          "remove the route, or write it for the whole "
                          "subnet",
                          "the route sends %s, a part of the subnet %s of "
                          "node \"%s\", to \"%s\": the mesh carries the "
                          "rest", s, subnet, other->name, route->via);
                free(subnet);
            }
        }
    }
}

static void
lint_route(struct lint *lint, const struct model_node *node,
           const struct model_route *route)
{
    char *s = sn_prefix_to_string(&route->dst);

    lint_route_past_mesh(lint, node, route, s);

    if (!route->dst.plen) {
        diags_add(lint->diags, DIAG_ERROR, &route->loc,
                  "remove it; containers reach the internet by an exit",
                  "%s is the host's default route, which socknet never "
                  "touches", s);
    } else if (!strcmp(route->via, lint->model->mesh.interface)
               && !lint_prefix_has_owner(lint, &route->dst)) {
        diags_add(lint->diags, DIAG_WARNING, &route->loc,
                  "remove the route, or write the node that has the subnet",
                  "no node owns %s: the mesh drops what is sent there", s);
    }
    for (size_t i = 0; i < node->n_subnets; i++) {
        if (sn_prefix_contains(&node->subnets[i], &route->dst)) {
            char *subnet = sn_prefix_to_string(&node->subnets[i]);
            diags_add(lint->diags, DIAG_ERROR, &route->loc,
                      "remove the route",
                      "the route to %s takes the node's own subnet %s away "
                      "from its bridge", s, subnet);
            free(subnet);
        }
    }
    free(s);
}

/* The subnet that contains 'address', and whose it is. */
static const struct sn_prefix *
find_subnet(const struct lint *lint, const struct sn_prefix *address,
            const char *prefer, const struct model_node **ret_node)
{
    const struct model_node *own = model_get_node(lint->model, prefer);
    struct sn_prefix host = sn_prefix_host(address);

    for (size_t i = 0; i <= lint->n_nodes; i++) {
        const struct model_node *node = i ? lint->nodes[i - 1] : own;
        for (size_t j = 0; node && j < node->n_subnets; j++) {
            if (sn_prefix_contains(&node->subnets[j], &host)) {
                *ret_node = node;
                return &node->subnets[j];
            }
        }
    }
    *ret_node = NULL;
    return NULL;
}

/* The subnet of 'address's family that the container's node has, or NULL. */
static const struct sn_prefix *
find_own_subnet(const struct lint *lint, const struct model_container *c,
                const struct sn_prefix *address)
{
    const struct model_node *node = model_get_node(lint->model, c->node);

    for (size_t i = 0; node && i < node->n_subnets; i++) {
        if (node->subnets[i].is_v4 == address->is_v4) {
            return &node->subnets[i];
        }
    }
    return NULL;
}

static void
lint_report_outside(struct lint *lint, const struct model_container *c,
                    const struct sn_prefix *address, const char *s,
                    const struct sn_loc *loc)
{
    const struct sn_prefix *subnet = find_own_subnet(lint, c, address);

    if (diags_has(lint->diags, loc)) {
        return;                 /* The subnet was guessed from others. */
    } else if (subnet) {
        char *subnet_s = sn_prefix_to_string(subnet);
        diags_add(lint->diags, DIAG_ERROR, loc, NULL,
                  "address %s of container \"%s\" is outside the subnet %s "
                  "of node \"%s\"", s, c->name, subnet_s, c->node);
        free(subnet_s);
    } else {
        diags_add(lint->diags, DIAG_ERROR, loc,
                  "write the node's subnet, a list of one per family",
                  "address %s of container \"%s\" is in no subnet of node "
                  "\"%s\"", s, c->name, c->node);
    }
}

/* The address against the subnet that it is in. */
static void
lint_address_subnet(struct lint *lint, const struct model_container *c,
                    const struct sn_prefix *address, const char *s,
                    const struct sn_loc *loc)
{
    const struct model_node *home;
    const struct sn_prefix *subnet = find_subnet(lint, address, c->node,
                                                 &home);
    bool moved = places_get(lint->places, NULL, "container/%s/node", c->name);

    if (!subnet) {
        lint_report_outside(lint, c, address, s, loc);
        return;
    }

    char *subnet_s = sn_prefix_to_string(subnet);
    const char *special = prefix_special_address(subnet, address);
    if (lint->places && !moved && strcmp(home->name, c->node)) {
        char *fix = xasprintf("if it moved here and keeps its address, say "
                              "so with node: %s", c->node);
        diags_add(lint->diags, DIAG_WARNING, loc, fix,
                  "address %s of container \"%s\" is in the subnet %s of "
                  "node \"%s\", but the container is on node \"%s\"", s,
                  c->name, subnet_s, home->name, c->node);
        free(fix);
    } else if (special) {
        diags_add(lint->diags, DIAG_ERROR, loc, NULL,
                  "address %s of container \"%s\" is %s %s", s, c->name,
                  special, subnet_s);
    } else if (address->plen != subnet->plen) {
        diags_add(lint->diags, DIAG_WARNING, loc, NULL,
                  "address %s of container \"%s\" has another prefix length "
                  "than its subnet %s", s, c->name, subnet_s);
        struct sn_prefix right = *address;
        right.plen = subnet->plen;
        char *right_s = sn_prefix_to_string(&right);
        diags_fix_replace(lint->diags, loc, s, right_s);
        free(right_s);
    }
    free(subnet_s);
}

static void
lint_container_addresses(struct lint *lint, struct lint_seen *seen,
                         const struct model_container *c)
{
    for (size_t i = 0; i < c->n_addresses; i++) {
        const struct sn_prefix *address = &c->addresses[i];
        const struct sn_loc *loc
            = places_get(lint->places, &c->loc, "container/%s/address/%d",
                         c->name, address->is_v4 ? 4 : 6);
        char *s = sn_prefix_to_string(address);
        char *host = sn_prefix_addr_to_string(address);
        char *first = lint_seen_add(seen, host, loc);

        if (first) {
            diags_add(lint->diags, DIAG_ERROR, loc, NULL,
                      "duplicate address %s, first at %s", host, first);
            free(first);
        }
        lint_address_subnet(lint, c, address, s, loc);
        free(host);
        free(s);
    }
}

/* The gateways of all nodes: address to node.  The caller destroys it. */
static void
collect_gateways(const struct lint *lint, struct shash *gateways)
{
    shash_init(gateways);
    for (size_t i = 0; i < lint->n_nodes; i++) {
        const struct model_node *node = lint->nodes[i];
        for (size_t j = 0; j < node->n_subnets; j++) {
            char *s = sn_prefix_addr_to_string(&node->gateways[j]);
            shash_add_once(gateways, s, node);
            free(s);
        }
    }
}

/* No container may have a gateway's address. */
static void
lint_gateway_thief(struct lint *lint, const struct shash *gateways,
                   const struct model_container *c)
{
    for (size_t i = 0; i < c->n_addresses; i++) {
        char *s = sn_prefix_addr_to_string(&c->addresses[i]);
        const struct model_node *node = shash_find_data(gateways, s);
        if (node) {
            diags_add(lint->diags, DIAG_ERROR,
                      places_get(lint->places, &c->loc,
                                 "container/%s/address/%d", c->name,
                                 c->addresses[i].is_v4 ? 4 : 6), NULL,
                      "container \"%s\" has the address %s, which is the "
                      "gateway of node \"%s\"", c->name, s, node->name);
        }
        free(s);
    }
}

/* A container's own idea of its gateway must be an address that answers. */
static void
lint_container_gateway(struct lint *lint, const struct shash *gateways,
                       const struct model_container *c)
{
    struct sn_prefix gateway;
    char *error = c->gateway ? sn_prefix_parse(c->gateway, &gateway)
                             : xstrdup("there is none");
    char *s = error ? NULL : sn_prefix_addr_to_string(&gateway);

    if (s && !shash_find(gateways, s)) {
        const struct model_node *node = model_get_node(lint->model, c->node);
        char *fix = NULL;
        for (size_t i = 0; node && i < node->n_subnets; i++) {
            if (node->subnets[i].is_v4 == gateway.is_v4) {
                char *own = sn_prefix_addr_to_string(&node->gateways[i]);
                free(fix);
                fix = xasprintf("write %s, or gateway: %s at the node", own,
                                s);
                free(own);
            }
        }
        diags_add(lint->diags, DIAG_ERROR,
                  places_get(lint->places, &c->loc, "container/%s/gateway",
                             c->name), fix,
                  "nobody answers at the gateway %s of container \"%s\"",
                  s, c->name);
        free(fix);
    }
    free(error);
    free(s);
}

/* Room for every node. */
static void
lint_mesh_prefix(struct lint *lint)
{
    const struct sn_prefix *p = &lint->model->mesh.prefix;
    unsigned int bits = (p->is_v4 ? 32 : 128) - p->plen;
    uint64_t room = bits > 31 ? UINT32_MAX
                    : (UINT64_C(1) << bits) - (p->is_v4 ? 2 : 1);

    if (bits < 2 || lint->n_nodes > room) {
        char *s = sn_prefix_to_string(p);
        diags_add(lint->diags, DIAG_ERROR,
                  places_get(lint->places, &lint->model->mesh.loc,
                             "mesh/prefix"),
                  "use a larger prefix",
                  "the mesh's prefix %s has too few addresses for %"PRIuSIZE
                  " nodes", s, lint->n_nodes);
        free(s);
    }
}

/* A host that asks itself gets no answer. */
static void
lint_resolvers(struct lint *lint, const struct shash *gateways)
{
    const struct model_mesh *mesh = &lint->model->mesh;

    for (size_t i = 0; i < mesh->resolvers.n; i++) {
        const char *address = mesh->resolvers.names[i];

        if (shash_find(gateways, address)) {
            diags_add(lint->diags, DIAG_ERROR, &mesh->loc,
                      "write a resolver outside of the mesh",
                      "%s of \"resolvers\" is a gateway: the host that has "
                      "it would ask itself", address);
        }
    }
}

void
lint_network(struct lint *lint)
{
    struct lint_seen seen;
    struct shash gateways;

    lint_seen_init(&seen);
    collect_gateways(lint, &gateways);
    lint_mesh_prefix(lint);
    lint_resolvers(lint, &gateways);
    for (size_t i = 0; i < lint->n_nodes; i++) {
        const struct model_node *node = lint->nodes[i];
        lint_node_address(lint, &seen, node);
        lint_endpoint(lint, &seen, node);
        for (size_t j = 0; j < node->n_subnets; j++) {
            lint_subnet(lint, node, j);
        }
        lint_subnet_overlaps(lint, i);
        for (size_t j = 0; j < node->n_routes; j++) {
            lint_route(lint, node, &node->routes[j]);
        }
    }
    for (size_t i = 0; i < lint->n_containers; i++) {
        lint_container_addresses(lint, &seen, lint->containers[i]);
        lint_gateway_thief(lint, &gateways, lint->containers[i]);
        lint_container_gateway(lint, &gateways, lint->containers[i]);
    }
    shash_destroy(&gateways);
    lint_seen_destroy(&seen);
}
