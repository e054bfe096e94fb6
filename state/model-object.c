#include <config.h>

#include "state/model.h"

#include <stdlib.h>
#include <string.h>
#include "openvswitch/util.h"
#include "packets.h"
#include "state/model-private.h"
#include "util.h"

/* Creating, freeing and comparing the objects of the model, a section per
 * kind. */

/* An order-free list of descriptions, to compare arrays whose order has no
 * meaning (and which the database does not keep). */
bool
model_unordered_equal(struct svec *a, struct svec *b)
{
    svec_sort(a);
    svec_sort(b);
    bool equal = svec_equal(a, b);
    svec_destroy(a);
    svec_destroy(b);
    return equal;
}

bool
model_loc_equals(const struct sn_loc *a, const struct sn_loc *b)
{
    return nullable_string_is_equal(a->file, b->file)
           && a->line == b->line
           && a->column == b->column;
}

/* Mesh. */

static void *
model_mesh_create(void)
{
    struct model_mesh *mesh = xzalloc(sizeof *mesh);

    mesh->name = xstrdup("mesh");
    mesh->interface = xstrdup("nm-privacy");
    mesh->listen_port = 51821;
    mesh->domain = xstrdup("mesh.internal");
    mesh->names = true;
    svec_init(&mesh->resolvers);
    mesh->default_policy = MODEL_DENY;
    free(sn_prefix_parse("100.64.0.0/24", &mesh->prefix));
    free(sn_prefix_parse("10.96.0.0/16", &mesh->service4));
    free(sn_prefix_parse("fd00:10:96::/112", &mesh->service6));
    return mesh;
}

static void
model_adopts_free(struct model_mesh *mesh)
{
    for (size_t i = 0; i < mesh->n_adopts; i++) {
        free(mesh->adopts[i].match);
        sset_destroy(&mesh->adopts[i].tags);
    }
    free(mesh->adopts);
}

static bool
model_adopts_equal(const struct model_mesh *a, const struct model_mesh *b)
{
    if (a->adopt != b->adopt || a->n_adopts != b->n_adopts) {
        return false;
    }
    for (size_t i = 0; i < a->n_adopts; i++) {
        if (strcmp(a->adopts[i].match, b->adopts[i].match)
            || !sset_equals(&a->adopts[i].tags, &b->adopts[i].tags)) {
            return false;
        }
    }
    return true;
}

static void
model_mesh_free(struct model_mesh *mesh)
{
    free(mesh->name);
    free(mesh->interface);
    free(mesh->domain);
    svec_destroy(&mesh->resolvers);
    model_adopts_free(mesh);
    free(mesh->other);
    free(mesh);
}

static bool
model_mesh_equals(const struct model_mesh *a, const struct model_mesh *b)
{
    return model_loc_equals(&a->loc, &b->loc)
           && nullable_string_is_equal(a->name, b->name)
           && sn_prefix_equals(&a->prefix, &b->prefix)
           && nullable_string_is_equal(a->interface, b->interface)
           && a->listen_port == b->listen_port
           && nullable_string_is_equal(a->domain, b->domain)
           && a->names == b->names
           && svec_equal(&a->resolvers, &b->resolvers)
           && sn_prefix_equals(&a->service4, &b->service4)
           && sn_prefix_equals(&a->service6, &b->service6)
           && a->default_policy == b->default_policy
           && model_adopts_equal(a, b)
           && a->preshared_keys == b->preshared_keys
           && a->new_connections == b->new_connections
           && nullable_string_is_equal(a->other, b->other);
}

/* Node. */

static void *
model_node_create(void)
{
    struct model_node *node = xzalloc(sizeof *node);

    sset_init(&node->uplinks);
    sset_init(&node->machines);
    sset_init(&node->refused_keys);
    model_socks_init(&node->socks);
    node->ip_forward = true;
    return node;
}

static void
model_vpn_free(struct model_vpn *vpn)
{
    if (vpn) {
        free(vpn->interface);
        free(vpn->pools);
        free(vpn->endpoint);
        free(vpn->exit);
        svec_destroy(&vpn->dns);
        free(vpn);
    }
}

static bool
prefixes_equal(const struct sn_prefix *a, size_t n_a,
               const struct sn_prefix *b, size_t n_b)
{
    struct svec a_svec = SVEC_EMPTY_INITIALIZER;
    struct svec b_svec = SVEC_EMPTY_INITIALIZER;

    for (size_t i = 0; i < n_a; i++) {
        svec_add_nocopy(&a_svec, sn_prefix_to_string(&a[i]));
    }
    for (size_t i = 0; i < n_b; i++) {
        svec_add_nocopy(&b_svec, sn_prefix_to_string(&b[i]));
    }
    return model_unordered_equal(&a_svec, &b_svec);
}

static bool
model_vpn_equals(const struct model_vpn *a, const struct model_vpn *b)
{
    if (!a || !b) {
        return a == b;
    }
    return nullable_string_is_equal(a->interface, b->interface)
           && a->listen_port == b->listen_port
           && prefixes_equal(a->pools, a->n_pools, b->pools, b->n_pools)
           && a->auto_provision == b->auto_provision
           && nullable_string_is_equal(a->endpoint, b->endpoint)
           && nullable_string_is_equal(a->exit, b->exit)
           && svec_equal(&a->dns, &b->dns);
}

static void
model_node_free(struct model_node *node)
{
    free(node->name);
    free(node->endpoint);
    free(node->subnets);
    free(node->gateways);
    for (size_t i = 0; i < node->n_routes; i++) {
        free(node->routes[i].via);
    }
    free(node->routes);
    sset_destroy(&node->uplinks);
    sset_destroy(&node->machines);
    model_vpn_free(node->vpn);
    sset_destroy(&node->refused_keys);
    model_socks_destroy(&node->socks);
    free(node->other);
    free(node);
}

static void
model_node_networks(const struct model_node *node, struct svec *out)
{
    svec_init(out);
    for (size_t i = 0; i < node->n_subnets; i++) {
        char *subnet = sn_prefix_to_string(&node->subnets[i]);
        char *gateway = node->gateways
                        ? sn_prefix_addr_to_string(&node->gateways[i])
                        : xstrdup("");
        svec_add_nocopy(out, xasprintf("subnet %s %s", subnet, gateway));
        free(subnet);
        free(gateway);
    }
    for (size_t i = 0; i < node->n_routes; i++) {
        const struct model_route *route = &node->routes[i];
        char *dst = sn_prefix_to_string(&route->dst);
        svec_add_nocopy(out, xasprintf("route %s %s %"PRIu32, dst,
                                       route->via ? route->via : "",
                                       route->metric));
        free(dst);
    }
}

static bool
model_node_equals(const struct model_node *a, const struct model_node *b)
{
    if (!model_loc_equals(&a->loc, &b->loc)
        || !nullable_string_is_equal(a->name, b->name)
        || !nullable_string_is_equal(a->endpoint, b->endpoint)
        || a->listen_port != b->listen_port
        || !sn_prefix_equals(&a->address, &b->address)
        || !sset_equals(&a->uplinks, &b->uplinks)
        || !sset_equals(&a->machines, &b->machines)
        || a->ip_forward != b->ip_forward
        || a->mesh_kbps != b->mesh_kbps
        || a->key_epoch != b->key_epoch
        || a->revoked != b->revoked
        || !model_vpn_equals(a->vpn, b->vpn)
        || !sset_equals(&a->refused_keys, &b->refused_keys)
        || a->relay != b->relay
        || !model_socks_equals(&a->socks, &b->socks)
        || !nullable_string_is_equal(a->other, b->other)) {
        return false;
    }

    struct svec a_networks, b_networks;
    model_node_networks(a, &a_networks);
    model_node_networks(b, &b_networks);
    return model_unordered_equal(&a_networks, &b_networks);
}

/* Exit. */

static void *
model_exit_create(void)
{
    struct model_exit *exit = xzalloc(sizeof *exit);

    svec_init(&exit->probe.targets);
    sset_init(&exit->down_at);
    return exit;
}

static void
model_exit_free(struct model_exit *exit)
{
    free(exit->node);
    free(exit->name);
    free(exit->interface);
    free(exit->profile);
    svec_destroy(&exit->probe.targets);
    free(exit->probe.seen_by);
    sset_destroy(&exit->down_at);
    free(exit->other);
    free(exit);
}

static bool
model_probe_equals(const struct model_probe *a, const struct model_probe *b)
{
    return a->disabled == b->disabled
           && svec_equal(&a->targets, &b->targets)
           && a->interval_s == b->interval_s
           && a->down_after == b->down_after
           && a->up_after == b->up_after
           && nullable_string_is_equal(a->seen_by, b->seen_by);
}

static bool
model_exit_equals(const struct model_exit *a, const struct model_exit *b)
{
    return model_loc_equals(&a->loc, &b->loc)
           && nullable_string_is_equal(a->node, b->node)
           && nullable_string_is_equal(a->name, b->name)
           && nullable_string_is_equal(a->interface, b->interface)
           && nullable_string_is_equal(a->profile, b->profile)
           && a->enabled == b->enabled
           && model_probe_equals(&a->probe, &b->probe)
           && sset_equals(&a->down_at, &b->down_at)
           && nullable_string_is_equal(a->other, b->other);
}

/* Container. */

static void *
model_container_create(void)
{
    struct model_container *container = xzalloc(sizeof *container);

    sset_init(&container->tags);
    svec_init(&container->exits);
    return container;
}

static void
model_container_free(struct model_container *container)
{
    free(container->name);
    free(container->id);
    free(container->node);
    free(container->bridge);
    free(container->veth);
    free(container->addresses);
    free(container->gateway);
    sset_destroy(&container->tags);
    svec_destroy(&container->exits);
    free(container->exits_from);
    for (size_t i = 0; i < container->n_services; i++) {
        free(container->services[i].name);
    }
    free(container->services);
    free(container->other);
    free(container);
}

static void
model_container_lists(const struct model_container *container,
                      struct svec *out)
{
    svec_init(out);
    for (size_t i = 0; i < container->n_addresses; i++) {
        svec_add_nocopy(out, sn_prefix_to_string(&container->addresses[i]));
    }
    for (size_t i = 0; i < container->n_services; i++) {
        const struct model_port *port = &container->services[i];
        svec_add_nocopy(out, xasprintf("service %s %d %d",
                                       port->name ? port->name : "",
                                       port->ip_proto, port->port));
    }
}

static bool
model_container_equals(const struct model_container *a,
                       const struct model_container *b)
{
    if (!model_loc_equals(&a->loc, &b->loc)
        || !nullable_string_is_equal(a->name, b->name)
        || !nullable_string_is_equal(a->id, b->id)
        || !nullable_string_is_equal(a->node, b->node)
        || !nullable_string_is_equal(a->bridge, b->bridge)
        || !nullable_string_is_equal(a->veth, b->veth)
        || a->any_veth != b->any_veth
        || a->has_hwaddr != b->has_hwaddr
        || !eth_addr_equals(a->hwaddr, b->hwaddr)
        || !nullable_string_is_equal(a->gateway, b->gateway)
        || !sset_equals(&a->tags, &b->tags)
        || !svec_equal(&a->exits, &b->exits)
        || !nullable_string_is_equal(a->exits_from, b->exits_from)
        || a->no_exit != b->no_exit
        || memcmp(&a->limits, &b->limits, sizeof a->limits)
        || a->class != b->class
        || !nullable_string_is_equal(a->other, b->other)
        || !eth_addr_equals(a->seen_hwaddr, b->seen_hwaddr)
        || a->quarantined != b->quarantined
        || a->adopted != b->adopted) {
        return false;
    }

    struct svec a_lists, b_lists;
    model_container_lists(a, &a_lists);
    model_container_lists(b, &b_lists);
    return model_unordered_equal(&a_lists, &b_lists);
}

/* Selectors, of segments and acls. */

void
model_selectors_free(struct model_selector *selectors, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        model_selector_destroy(&selectors[i]);
    }
    free(selectors);
}

static void
model_selectors_to_svec(const struct model_selector *selectors, size_t n,
                        struct svec *out)
{
    svec_init(out);
    for (size_t i = 0; i < n; i++) {
        char *s = model_selector_to_string(&selectors[i]);
        svec_add_nocopy(out, xasprintf("%d %s", selectors[i].kind, s));
        free(s);
    }
}

bool
model_selectors_equal(const struct model_selector *a, size_t n_a,
                      const struct model_selector *b, size_t n_b)
{
    struct svec a_svec, b_svec;

    model_selectors_to_svec(a, n_a, &a_svec);
    model_selectors_to_svec(b, n_b, &b_svec);
    return model_unordered_equal(&a_svec, &b_svec);
}

/* Segment. */

static void *
model_segment_create(void)
{
    struct model_segment *segment = xzalloc(sizeof *segment);

    svec_init(&segment->isolated_from);
    svec_init(&segment->exits);
    return segment;
}

static void
model_segment_free(struct model_segment *segment)
{
    free(segment->name);
    model_selectors_free(segment->members, segment->n_members);
    svec_destroy(&segment->isolated_from);
    svec_destroy(&segment->exits);
    free(segment->other);
    free(segment);
}

static bool
model_segment_equals(const struct model_segment *a,
                     const struct model_segment *b)
{
    if (!model_loc_equals(&a->loc, &b->loc)
        || !nullable_string_is_equal(a->name, b->name)
        || a->internet != b->internet
        || !svec_equal(&a->exits, &b->exits)
        || !nullable_string_is_equal(a->other, b->other)
        || !model_selectors_equal(a->members, a->n_members,
                                  b->members, b->n_members)) {
        return false;
    }

    struct svec a_from, b_from;
    svec_clone(&a_from, &a->isolated_from);
    svec_clone(&b_from, &b->isolated_from);
    return model_unordered_equal(&a_from, &b_from);
}

/* Acl. */

static void
model_acl_free(struct model_acl *acl)
{
    free(acl->name);
    model_selectors_free(acl->src, acl->n_src);
    model_selectors_free(acl->dst, acl->n_dst);
    free(acl->other);
    free(acl);
}

static bool
model_acl_equals(const struct model_acl *a, const struct model_acl *b)
{
    return model_loc_equals(&a->loc, &b->loc)
           && nullable_string_is_equal(a->name, b->name)
           && a->tier == b->tier
           && a->action == b->action
           && a->ip_proto == b->ip_proto
           && a->rate.kbps == b->rate.kbps
           && a->rate.pps == b->rate.pps
           && a->class == b->class
           && nullable_string_is_equal(a->other, b->other)
           && model_selectors_equal(a->src, a->n_src, b->src, b->n_src)
           && model_selectors_equal(a->dst, a->n_dst, b->dst, b->n_dst);
}

/* Raw flow. */

static void
model_raw_flow_free(struct model_raw_flow *flow)
{
    free(flow->node);
    free(flow->bridge);
    free(flow->text);
    free(flow);
}

static bool
model_raw_flow_equals(const struct model_raw_flow *a,
                      const struct model_raw_flow *b)
{
    return model_loc_equals(&a->loc, &b->loc)
           && nullable_string_is_equal(a->node, b->node)
           && nullable_string_is_equal(a->bridge, b->bridge)
           && a->position == b->position
           && nullable_string_is_equal(a->text, b->text);
}

/* Client. */

static void *
model_client_create(void)
{
    struct model_client *client = xzalloc(sizeof *client);

    sset_init(&client->tags);
    return client;
}

static void
model_client_free(struct model_client *client)
{
    free(client->name);
    free(client->node);
    free(client->public_key);
    free(client->addresses);
    sset_destroy(&client->tags);
    free(client->other);
    free(client);
}

static bool
model_client_equals(const struct model_client *a,
                    const struct model_client *b)
{
    return model_loc_equals(&a->loc, &b->loc)
           && nullable_string_is_equal(a->name, b->name)
           && nullable_string_is_equal(a->node, b->node)
           && nullable_string_is_equal(a->public_key, b->public_key)
           && prefixes_equal(a->addresses, a->n_addresses, b->addresses,
                             b->n_addresses)
           && sset_equals(&a->tags, &b->tags)
           && a->expires == b->expires
           && a->revoked == b->revoked
           && nullable_string_is_equal(a->other, b->other);
}

/* All kinds. */

void *
model_object_create(enum model_kind kind)
{
    switch (kind) {
    case MODEL_MESH: return model_mesh_create();
    case MODEL_NODE: return model_node_create();
    case MODEL_EXIT: return model_exit_create();
    case MODEL_CONTAINER: return model_container_create();
    case MODEL_SEGMENT: return model_segment_create();
    case MODEL_ACL: return xzalloc(sizeof(struct model_acl));
    case MODEL_RAW_FLOW: return xzalloc(sizeof(struct model_raw_flow));
    case MODEL_SERVICE: return model_service_create();
    case MODEL_CLIENT: return model_client_create();
    case MODEL_N_KINDS: break;
    }
    OVS_NOT_REACHED();
}

void
model_object_free(enum model_kind kind, void *object)
{
    if (!object) {
        return;
    }
    switch (kind) {
    case MODEL_MESH: model_mesh_free(object); return;
    case MODEL_NODE: model_node_free(object); return;
    case MODEL_EXIT: model_exit_free(object); return;
    case MODEL_CONTAINER: model_container_free(object); return;
    case MODEL_SEGMENT: model_segment_free(object); return;
    case MODEL_ACL: model_acl_free(object); return;
    case MODEL_RAW_FLOW: model_raw_flow_free(object); return;
    case MODEL_SERVICE: model_service_free(object); return;
    case MODEL_CLIENT: model_client_free(object); return;
    case MODEL_N_KINDS: break;
    }
    OVS_NOT_REACHED();
}

bool
model_object_equals(enum model_kind kind, const void *a, const void *b)
{
    switch (kind) {
    case MODEL_MESH: return model_mesh_equals(a, b);
    case MODEL_NODE: return model_node_equals(a, b);
    case MODEL_EXIT: return model_exit_equals(a, b);
    case MODEL_CONTAINER: return model_container_equals(a, b);
    case MODEL_SEGMENT: return model_segment_equals(a, b);
    case MODEL_ACL: return model_acl_equals(a, b);
    case MODEL_RAW_FLOW: return model_raw_flow_equals(a, b);
    case MODEL_SERVICE: return model_service_equals(a, b);
    case MODEL_CLIENT: return model_client_equals(a, b);
    case MODEL_N_KINDS: break;
    }
    OVS_NOT_REACHED();
}
