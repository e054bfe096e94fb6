#include <config.h>
#include "agent/plan.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "agent/plan-exit.h"
#include "agent/plan-host.h"
#include "packets.h"
#include "smap.h"
#include "sset.h"
#include "state/model.h"
#include "state/service.h"
#include "util.h"

/* The peer that carries a prefix into the mesh. */
struct plan_owner {
    struct sn_prefix prefix;
    size_t peer;                /* Index, or OWNER_LOCAL. */
};
#define OWNER_LOCAL SIZE_MAX

struct plan_builder {
    struct plan *plan;
    const struct model *model;
    const struct model_node *self;
    struct sset *problems;
    struct plan_owner *owners;
    size_t n_owners, allocated_owners;
};

void
plan_prefixes_add(struct plan_prefixes *list, const struct sn_prefix *prefix)
{
    for (size_t i = 0; i < list->n; i++) {
        if (sn_prefix_equals(&list->prefixes[i], prefix)) {
            return;
        }
    }
    if (list->n >= list->allocated) {
        list->prefixes = x2nrealloc(list->prefixes, &list->allocated,
                                    sizeof *list->prefixes);
    }
    list->prefixes[list->n++] = *prefix;
}

struct sn_prefix
plan_default_prefix(bool is_v4)
{
    struct sn_prefix prefix = { .is_v4 = is_v4 };

    if (is_v4) {
        prefix.addr.s6_addr[10] = prefix.addr.s6_addr[11] = 0xff;
    }
    return prefix;
}

static void
plan_add_route(struct plan *plan, const struct sn_prefix *dst,
               const char *device, uint32_t metric)
{
    if (plan->n_routes >= plan->allocated_routes) {
        plan->routes = x2nrealloc(plan->routes, &plan->allocated_routes,
                                  sizeof *plan->routes);
    }
    struct plan_route *r = &plan->routes[plan->n_routes++];
    r->dst = sn_prefix_network(dst);
    r->device = xstrdup(device);
    r->metric = metric;
}

static const char *
owner_name(const struct plan_builder *b, size_t peer)
{
    return peer == OWNER_LOCAL ? b->self->name : b->plan->peers[peer].node;
}

/* A prefix has one owner in the whole mesh; the first in order of names keeps
 * it, on every node alike. */
static bool
builder_claim(struct plan_builder *b, const struct sn_prefix *prefix_,
              size_t peer)
{
    struct sn_prefix prefix = sn_prefix_network(prefix_);

    for (size_t i = 0; i < b->n_owners; i++) {
        const struct plan_owner *o = &b->owners[i];

        if (sn_prefix_equals(&o->prefix, &prefix)) {
            if (o->peer != peer) {
                char *s = sn_prefix_to_string(&prefix);

                sset_add_and_free(b->problems, xasprintf(
                    "%s is claimed by %s and by %s; it goes to the former",
                    s, owner_name(b, o->peer), owner_name(b, peer)));
                free(s);
            }
            return o->peer == peer;
        }
    }
    if (b->n_owners >= b->allocated_owners) {
        b->owners = x2nrealloc(b->owners, &b->allocated_owners,
                               sizeof *b->owners);
    }
    b->owners[b->n_owners].prefix = prefix;
    b->owners[b->n_owners++].peer = peer;
    return true;
}

static const struct model_route *
find_written_route(const struct model_node *self, const struct sn_prefix *dst)
{
    struct sn_prefix network = sn_prefix_network(dst);

    for (size_t i = 0; i < self->n_routes; i++) {
        struct sn_prefix written = sn_prefix_network(&self->routes[i].dst);

        if (sn_prefix_equals(&written, &network)) {
            return &self->routes[i];
        }
    }
    return NULL;
}

/* A prefix of another node: into the mesh, unless the operator wrote another
 * device for it. */
static void
builder_add_remote(struct plan_builder *b, const struct sn_prefix *prefix_,
                   size_t peer)
{
    struct sn_prefix prefix = sn_prefix_network(prefix_);

    if (!builder_claim(b, &prefix, peer)) {
        return;
    }
    plan_prefixes_add(&b->plan->peers[peer].allowed, &prefix);
    if (!prefix.is_v4) {
        b->plan->has_ipv6 = true;
    }
    if (!find_written_route(b->self, &prefix)) {
        plan_add_route(b->plan, &prefix, b->plan->interface, 0);
    }
}

/* The other side of a node that was revoked, or of all if this one was: what
 * is sent there must not follow the default route in plain text. */
static void
builder_add_lost(struct plan_builder *b, const struct model_node *node)
{
    for (size_t i = 0; i < node->n_subnets; i++) {
        plan_add_route(b->plan, &node->subnets[i], "", 0);
    }
    for (size_t i = 0; node->vpn && i < node->vpn->n_pools; i++) {
        plan_add_route(b->plan, &node->vpn->pools[i], "", 0);
    }
}

static bool
builder_is_lost(const struct plan_builder *b, const struct sn_prefix *dst)
{
    for (size_t i = 0; i < b->plan->n_routes; i++) {
        const struct plan_route *r = &b->plan->routes[i];

        if (!r->device[0] && sn_prefix_contains(&r->dst, dst)) {
            return true;
        }
    }
    return false;
}

/* Whether the mesh leads to 'node', which may be this one. */
static bool
builder_has_node(const struct plan_builder *b, const struct model_node *node)
{
    return (node == b->self || (!node->revoked && !b->self->revoked));
}

static char *
endpoint_with_port(const struct model *model, const struct model_node *node)
{
    uint16_t port = (node->listen_port ? node->listen_port
                     : model->mesh.listen_port);
    const char *s = node->endpoint;
    const char *colon;

    if (!s) {
        return NULL;
    }
    colon = strrchr(s, ':');
    if (s[0] == '[') {
        return (colon && colon[-1] == ']' ? xstrdup(s)
                : xasprintf("%s:%u", s, port));
    } else if (colon && strchr(s, ':') != colon) {
        return xasprintf("[%s]:%u", s, port);   /* A bare IPv6 address. */
    }
    return colon ? xstrdup(s) : xasprintf("%s:%u", s, port);
}

static void
builder_add_node_prefixes(struct plan_builder *b,
                          const struct model_node *node, size_t peer)
{
    struct plan *plan = b->plan;

    if (peer != OWNER_LOCAL && node->address.plen) {
        struct sn_prefix host = sn_prefix_host(&node->address);

        if (builder_claim(b, &host, peer)) {
            plan_prefixes_add(&plan->peers[peer].allowed, &host);
        }
    }
    for (size_t i = 0; node->vpn && i < node->vpn->n_pools; i++) {
        if (peer != OWNER_LOCAL) {
            builder_add_remote(b, &node->vpn->pools[i], peer);
        } else {
            builder_claim(b, &node->vpn->pools[i], OWNER_LOCAL);
        }
    }
    for (size_t i = 0; i < node->n_subnets; i++) {
        if (peer != OWNER_LOCAL) {
            builder_add_remote(b, &node->subnets[i], peer);
        } else if (builder_claim(b, &node->subnets[i], OWNER_LOCAL)) {
            struct sn_prefix gateway = node->gateways[i];

            gateway.plen = node->subnets[i].plen;
            plan_prefixes_add(&plan->gateways, &gateway);
            struct sn_prefix network = sn_prefix_network(&node->subnets[i]);
            plan_prefixes_add(&plan->local, &network);
            plan->has_ipv6 |= !gateway.is_v4;
        }
    }
}

static bool
node_has_address(const struct model_node *node, const struct sn_prefix *addr)
{
    for (size_t i = 0; i < node->n_subnets; i++) {
        if (sn_prefix_contains(&node->subnets[i], addr)) {
            return true;
        }
    }
    return false;
}

static void
builder_set_key(struct plan_builder *b, struct plan_peer *peer,
                const char *text)
{
    if (!text) {
        return;
    } else if (!wg_key_from_base64(text, &peer->key)) {
        sset_add_and_free(b->problems, xasprintf(
            "node %s reports \"%s\", which is not a public key", peer->node,
            text));
        return;
    } else if (sset_contains(&b->plan->refused_keys, text)) {
        sset_add_and_free(b->problems, xasprintf(
            "node %s reports a public key that was revoked; it is refused",
            peer->node));
        return;
    }
    for (size_t i = 0; i < b->plan->n_peers; i++) {
        const struct plan_peer *other = &b->plan->peers[i];

        if (other->has_key && wg_key_equals(&other->key, &peer->key)) {
            sset_add_and_free(b->problems, xasprintf(
                "nodes %s and %s report the same public key", other->node,
                peer->node));
            return;
        }
    }
    peer->has_key = true;
}

/* Peers are in order of names. */
static size_t
builder_find_peer(const struct plan_builder *b, const char *node)
{
    size_t low = 0, high = b->plan->n_peers;

    while (low < high) {
        size_t mid = low + (high - low) / 2;
        int cmp = strcmp(node, b->plan->peers[mid].node);

        if (!cmp) {
            return mid;
        } else if (cmp < 0) {
            high = mid;
        } else {
            low = mid + 1;
        }
    }
    return OWNER_LOCAL;
}

static void
builder_add_nodes(struct plan_builder *b, const struct smap *keys)
{
    const struct shash_node **nodes = shash_sort(&b->model->nodes);
    size_t n = shash_count(&b->model->nodes);

    b->plan->peers = xcalloc(n, sizeof *b->plan->peers);
    for (size_t i = 0; i < n; i++) {
        const struct model_node *node = nodes[i]->data;

        if (node == b->self) {
            builder_add_node_prefixes(b, node, OWNER_LOCAL);
            continue;
        } else if (!builder_has_node(b, node)) {
            builder_add_lost(b, node);
            continue;
        }
        struct plan_peer *peer = &b->plan->peers[b->plan->n_peers];
        peer->node = xstrdup(node->name);
        peer->endpoint = endpoint_with_port(b->model, node);
        peer->relay = node->relay;
        builder_set_key(b, peer, smap_get(keys, node->name));
        builder_add_node_prefixes(b, node, b->plan->n_peers++);
    }
    free(nodes);
}

/* A container that took its address along to a node with another subnet is
 * known to all by the address alone. */
static void
builder_add_stranger(struct plan_builder *b, const struct model_container *c,
                     const struct model_node *node)
{
    size_t peer = builder_find_peer(b, node->name);

    for (size_t i = 0; i < c->n_addresses; i++) {
        struct sn_prefix host = sn_prefix_host(&c->addresses[i]);

        if (node_has_address(node, &host)) {
            continue;
        } else if (peer != OWNER_LOCAL) {
            builder_add_remote(b, &host, peer);
        } else if (builder_claim(b, &host, OWNER_LOCAL)) {
            plan_prefixes_add(&b->plan->local, &host);
            plan_add_route(b->plan, &host, SN_BRIDGE, 0);
        }
    }
}

/* A raw socket needs no more than a veth that is up: they are closed before
 * they exist. */
static void
builder_add_veths(struct plan_builder *b)
{
    struct shash_node *node;

    SHASH_FOR_EACH (node, &b->model->containers) {
        const struct model_container *c = node->data;

        /* What LXC names by chance is found by discovery. */
        if (!strcmp(c->node, b->self->name) && c->veth && !c->any_veth
            && !strcmp(c->bridge, SN_BRIDGE)) {
            sset_add(&b->plan->veths, c->veth);
        }
    }
}

static void
builder_add_strangers(struct plan_builder *b)
{
    const struct shash_node **containers = shash_sort(&b->model->containers);

    for (size_t i = 0; i < shash_count(&b->model->containers); i++) {
        const struct model_container *c = containers[i]->data;
        const struct model_node *node = model_get_node(b->model, c->node);

        if (node && builder_has_node(b, node)) {
            builder_add_stranger(b, c, node);
        }
    }
    free(containers);
}

static void
builder_add_written_routes(struct plan_builder *b)
{
    const struct model_node *self = b->self;

    for (size_t i = 0; i < self->n_routes; i++) {
        const struct model_route *r = &self->routes[i];

        if (!builder_is_lost(b, &r->dst)) {
            plan_add_route(b->plan, &r->dst, r->via, r->metric);
        }
    }
}

/* What the operator asks of keys. */
static void
builder_set_requests(struct plan_builder *b)
{
    const struct shash_node *node;
    const char *key;

    b->plan->revoked = b->self->revoked;
    b->plan->key_epoch = b->self->key_epoch;
    b->plan->preshared_keys = b->model->mesh.preshared_keys;
    sset_init(&b->plan->refused_keys);
    SHASH_FOR_EACH (node, &b->model->nodes) {
        const struct model_node *mn = node->data;

        SSET_FOR_EACH (key, &mn->refused_keys) {
            sset_add(&b->plan->refused_keys, key);
        }
    }
}

void
plan_set_next_keys(struct plan *plan, const struct smap *next_keys)
{
    for (size_t i = 0; i < plan->n_peers; i++) {
        struct plan_peer *peer = &plan->peers[i];
        const char *text = smap_get(next_keys, peer->node);

        peer->has_next_key = (peer->has_key && text
                              && !sset_contains(&plan->refused_keys, text)
                              && wg_key_from_base64(text, &peer->next_key)
                              && !wg_key_equals(&peer->key,
                                                &peer->next_key));
    }
}

/* The host's own packets to virtual addresses get their source by this. */
static void
builder_add_services(struct plan_builder *b)
{
    const struct model_mesh *mesh = &b->model->mesh;

    for (int is_v4 = 1; is_v4 >= 0; is_v4--) {
        const struct sn_prefix *prefix = is_v4 ? &mesh->service4
                                               : &mesh->service6;
        const struct shash_node *node;

        SHASH_FOR_EACH (node, &b->model->services) {
            if (service_get_vip(node->data, is_v4)) {
                plan_prefixes_add(&b->plan->services, prefix);
                plan_add_route(b->plan, prefix, SN_BRIDGE, 0);
                break;
            }
        }
    }
}

struct plan *
plan_create(const struct model *model, const char *node,
            const struct smap *keys, struct sset *problems)
{
    const struct model_node *self = model_get_node(model, node);

    if (!self || !model->mesh.interface) {
        return NULL;
    }

    struct plan *plan = xzalloc(sizeof *plan);
    struct plan_builder b = {
        .plan = plan, .model = model, .self = self, .problems = problems,
    };

    sset_init(&plan->veths);
    plan->node = xstrdup(node);
    plan->mesh = xstrdup(model->mesh.name ? model->mesh.name : "socknet");
    plan->interface = xstrdup(model->mesh.interface);
    plan->listen_port = (self->listen_port ? self->listen_port
                         : model->mesh.listen_port);
    plan->behind_nat = !self->endpoint;
    plan->relay = self->relay;
    plan->ip_forward = self->ip_forward;
    plan->mesh_kbps = self->mesh_kbps;
    builder_set_requests(&b);
    if (self->address.plen) {
        struct sn_prefix address = self->address;

        /* The mesh's length makes the other nodes' addresses on-link. */
        if (model->mesh.prefix.is_v4 == address.is_v4) {
            address.plen = model->mesh.prefix.plen;
        }
        plan_prefixes_add(&plan->tunnel, &address);
    }
    builder_add_nodes(&b, keys);
    builder_add_strangers(&b);
    builder_add_veths(&b);
    builder_add_written_routes(&b);
    builder_add_services(&b);
    plan_add_vips(plan, model);
    plan_add_exits(plan, model, problems);
    plan_add_host_rules(plan, model, self);
    plan_guests_init(plan, model, self);
    plan_add_socks(plan, model, self, problems);
    free(b.owners);
    return plan;
}

void
plan_destroy(struct plan *plan)
{
    if (!plan) {
        return;
    }
    for (size_t i = 0; i < plan->n_peers; i++) {
        free(plan->peers[i].node);
        free(plan->peers[i].endpoint);
        free(plan->peers[i].allowed.prefixes);
        sodium_memzero(&plan->peers[i].psk, sizeof plan->peers[i].psk);
        sodium_memzero(&plan->peers[i].next_psk,
                       sizeof plan->peers[i].next_psk);
    }
    for (size_t i = 0; i < plan->n_routes; i++) {
        free(plan->routes[i].device);
    }
    plan_free_exits(plan);
    plan_free_socks(plan);
    free(plan->peers);
    free(plan->routes);
    sset_destroy(&plan->refused_keys);
    plan_free_host_rules(plan);
    sset_destroy(&plan->veths);
    plan_guests_destroy(&plan->guests);
    free(plan->pools);
    free(plan->tunnel.prefixes);
    free(plan->gateways.prefixes);
    free(plan->local.prefixes);
    free(plan->services.prefixes);
    plan_free_vips(plan);
    free(plan->node);
    free(plan->mesh);
    free(plan->interface);
    free(plan);
}
