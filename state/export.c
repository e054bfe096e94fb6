#include <config.h>

#include "state/export-limits.h"
#include "state/load.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include "openvswitch/dynamic-string.h"
#include "openvswitch/json.h"
#include "openvswitch/util.h"
#include "packets.h"
#include "state/export-private.h"
#include "state/model.h"
#include "state/name.h"
#include "state/schema.h"
#include "state/yaml.h"
#include "util.h"

/* The model as the state file that would have made it. */

/* Adds the members of 'src' (consumed) to 'dst', objects within by object. */
static void
json_merge(struct json *dst, const struct json *src)
{
    const struct shash_node *node;

    SHASH_FOR_EACH (node, json_object(src)) {
        struct json *value = node->data;
        struct json *old = shash_find_data(json_object(dst), node->name);
        if (old && old->type == JSON_OBJECT && value->type == JSON_OBJECT) {
            json_merge(old, value);
        } else if (!old) {
            json_object_put(dst, node->name, json_deep_clone(value));
        }
    }
}

/* Adds what an object keeps verbatim. */
void
export_merge_other(struct json *dst, const char *other)
{
    struct json *src = other ? json_from_string(other) : NULL;

    if (src && src->type == JSON_OBJECT) {
        json_merge(dst, src);
    }
    json_destroy(src);
}

void
export_put_nullable(struct json *object, const char *name, const char *value)
{
    if (value) {
        json_object_put_string(object, name, value);
    }
}

/* Puts 'value' under 'name' unless it is empty, else frees it. */
void
export_put(struct json *object, const char *name, struct json *value)
{
    if (value->type == JSON_OBJECT ? shash_is_empty(json_object(value))
        : !json_array(value)->n) {
        json_destroy(value);
    } else {
        json_object_put(object, name, value);
    }
}

struct json *
export_strings(const char *const *strings, size_t n)
{
    struct json *array = json_array_create_empty();

    for (size_t i = 0; i < n; i++) {
        json_array_add(array, json_string_create(strings[i]));
    }
    return array;
}

struct json *
export_sset(const struct sset *sset)
{
    const char **sorted = sset_sort(sset);
    struct json *array = export_strings(sorted, sset_count(sset));

    free(sorted);
    return array;
}

static struct json *
selectors_to_json(const struct model_selector *selectors, size_t n)
{
    struct svec svec = SVEC_EMPTY_INITIALIZER;

    for (size_t i = 0; i < n; i++) {
        svec_add_nocopy(&svec, model_selector_to_string(&selectors[i]));
    }
    svec_sort(&svec);
    struct json *array = export_strings((const char *const *) svec.names,
                                         svec.n);
    svec_destroy(&svec);
    return array;
}

struct json *
export_selectors(const struct model_selector *selectors, size_t n)
{
    return selectors_to_json(selectors, n);
}

static void
put_node_subnets(struct json *object, const struct model_node *node)
{
    struct json *subnets = json_array_create_empty();
    struct json *gateways = json_array_create_empty();

    for (size_t i = 0; i < node->n_subnets; i++) {
        struct sn_prefix first = sn_prefix_nth(&node->subnets[i], 1);
        json_array_add(subnets, json_string_create_nocopy(
                           sn_prefix_to_string(&node->subnets[i])));
        if (!sn_prefix_equals(&first, &node->gateways[i])) {
            json_array_add(gateways, json_string_create_nocopy(
                               sn_prefix_addr_to_string(&node->gateways[i])));
        }
    }
    export_put(object, "subnet", subnets);
    export_put(object, "gateway", gateways);
}

static struct json *
node_networking_to_json(const struct model_node *node)
{
    struct json *networking = json_object_create();
    struct json *routes = json_object_create();

    for (size_t i = 0; i < node->n_routes; i++) {
        const struct model_route *route = &node->routes[i];
        struct json *object = json_object_create();
        json_object_put_string(object, "via", route->via);
        if (route->metric) {
            json_object_put(object, "metric",
                            json_integer_create(route->metric));
        }
        json_object_put_nocopy(routes, sn_prefix_to_string(&route->dst),
                               object);
    }
    if (!node->ip_forward) {
        json_object_put(networking, "ip_forward", json_boolean_create(false));
    }
    export_put_rate(networking, "mesh_rate",
                    (struct sn_rate) { .kbps = node->mesh_kbps });
    export_put(networking, "routes", routes);
    return networking;
}

static struct json *
node_exits_to_json(const struct model *model, const struct model_node *node)
{
    struct json *wireguard = json_object_create();
    const struct shash_node *exit_node;

    SHASH_FOR_EACH (exit_node, &model->exits) {
        const struct model_exit *exit = exit_node->data;
        if (!strcmp(exit->node, node->name)) {
            struct json *tunnel = json_object_create();
            json_object_put_string(tunnel, "interface", exit->interface);
            json_object_put(tunnel, "enabled",
                            json_boolean_create(exit->enabled));
            if (exit->profile) {
                json_object_put_string(tunnel, "profile", exit->profile);
            }
            export_put(tunnel, "probe", export_probe(&exit->probe));
            export_merge_other(tunnel, exit->other);
            json_object_put_nocopy(wireguard,
                                   xasprintf("%s_tunnel", exit->name),
                                   tunnel);
        }
    }
    if (node->vpn) {
        json_object_put(wireguard, "vpn_server", export_vpn(node->vpn));
    }
    return wireguard;
}

static int
compare_raw_flows(const void *a_, const void *b_)
{
    const struct model_raw_flow *a = *(const struct model_raw_flow **) a_;
    const struct model_raw_flow *b = *(const struct model_raw_flow **) b_;

    return (a->position != b->position
            ? (a->position < b->position ? -1 : 1)
            : strcmp(a->text, b->text));
}

/* {vmbr0: {uplinks: ..., flows: ...}} */
static struct json *
node_bridges_to_json(const struct model *model, const struct model_node *node)
{
    size_t n = 0, n_max = shash_count(&model->raw_flows);
    const struct model_raw_flow **flows = xcalloc(MAX(n_max, 1),
                                                  sizeof *flows);
    struct json *bridge = json_object_create();
    struct json *texts = json_array_create_empty();
    struct json *bridges = json_object_create();
    const struct shash_node *flow_node;

    SHASH_FOR_EACH (flow_node, &model->raw_flows) {
        const struct model_raw_flow *flow = flow_node->data;
        if (!strcmp(flow->node, node->name)) {
            flows[n++] = flow;
        }
    }
    qsort(flows, n, sizeof *flows, compare_raw_flows);
    for (size_t i = 0; i < n; i++) {
        json_array_add(texts, json_string_create(flows[i]->text));
    }
    free(flows);

    export_put(bridge, "uplinks", export_sset(&node->uplinks));
    export_put(bridge, "flows", texts);
    export_put(bridges, "vmbr0", bridge);
    return bridges;
}

static struct json *
container_properties_to_json(const struct model_container *container)
{
    struct json *object = json_object_create();
    struct json *services = json_array_create_empty();

    json_object_put_string(object, "name", container->name);
    for (size_t i = 0; i < container->n_addresses; i++) {
        const struct sn_prefix *address = &container->addresses[i];
        json_object_put(object,
                        address->is_v4 ? "ipv4_address" : "ipv6_address",
                        json_string_create_nocopy(
                            sn_prefix_to_string(address)));
    }
    export_put_nullable(object, "gateway", container->gateway);
    for (size_t i = 0; i < container->n_services; i++) {
        const struct model_port *port = &container->services[i];
        struct json *service = json_object_create();
        if (port->name && port->name[0]) {
            json_object_put_string(service, "name", port->name);
        }
        json_object_put_string(service, "protocol",
                               port->ip_proto == IPPROTO_UDP ? "udp"
                               : port->ip_proto == IPPROTO_SCTP ? "sctp"
                               : "tcp");
        json_object_put(service, "port", json_integer_create(port->port));
        json_array_add(services, service);
    }
    export_put(object, "services", services);
    return object;
}

/* Whether one of the container's addresses is of another node: it moved. */
static bool
container_has_moved(const struct model_container *container,
                    const struct model_node *node)
{
    for (size_t i = 0; i < container->n_addresses; i++) {
        bool at_home = false;
        for (size_t j = 0; node && j < node->n_subnets; j++) {
            at_home |= sn_prefix_contains(&node->subnets[j],
                                          &container->addresses[i]);
        }
        if (!at_home) {
            return true;
        }
    }
    return false;
}

static struct json *
container_to_json(const struct model *model,
                  const struct model_container *container)
{
    struct json *object = json_object_create();
    struct json *exits = json_array_create_empty();

    json_object_put_string(object, "id", container->id);
    if (container_has_moved(container,
                            model_get_node(model, container->node))) {
        json_object_put_string(object, "node", container->node);
    }
    if (strcmp(container->bridge, "vmbr0")) {
        json_object_put_string(object, "bridge", container->bridge);
    }
    if (!container->any_veth) {
        json_object_put_string(object, "veth", container->veth);
    }
    if (container->has_hwaddr) {
        json_object_put_format(object, "hwaddr", ETH_ADDR_FMT,
                               ETH_ADDR_ARGS(container->hwaddr));
    }
    export_put(object, "tags", export_sset(&container->tags));
    if (container->no_exit) {
        json_array_add(exits, json_string_create("none"));
    }
    for (size_t i = 0; i < container->exits.n && !container->exits_from;
         i++) {
        const char *key = container->exits.names[i];
        size_t n = strlen(container->node);
        bool own = !strncmp(key, container->node, n) && key[n] == '/';
        json_array_add(exits, json_string_create(own ? key + n + 1 : key));
    }
    export_put(object, "exit", exits);
    export_put_limits(object, container);
    json_object_put(object, "properties",
                    container_properties_to_json(container));
    export_merge_other(object, container->other);
    return object;
}

/* By VMID, then by name. */
static int
compare_containers(const void *a_, const void *b_)
{
    const struct model_container *a = *(const struct model_container **) a_;
    const struct model_container *b = *(const struct model_container **) b_;

    if (str_is_decimal(a->id) && str_is_decimal(b->id)
        && strlen(a->id) != strlen(b->id)) {
        return strlen(a->id) < strlen(b->id) ? -1 : 1;
    }
    int cmp = strcmp(a->id, b->id);
    return cmp ? cmp : strcmp(a->name, b->name);
}

/* {NODE: [CONTAINER, ...]} */
static struct json *
containers_to_json(const struct model *model)
{
    size_t n = shash_count(&model->containers);
    const struct model_container **sorted = xcalloc(MAX(n, 1),
                                                    sizeof *sorted);
    struct json *by_node = json_object_create();
    const struct shash_node *node;
    size_t i = 0;

    SHASH_FOR_EACH (node, &model->containers) {
        const struct model_container *container = node->data;

        if (!container->adopted) {
            sorted[i++] = container;
        }
    }
    n = i;
    qsort(sorted, n, sizeof *sorted, compare_containers);
    for (i = 0; i < n; i++) {
        struct json *list = shash_find_data(json_object(by_node),
                                            sorted[i]->node);
        if (!list) {
            list = json_array_create_empty();
            json_object_put(by_node, sorted[i]->node, list);
        }
        json_array_add(list, container_to_json(model, sorted[i]));
    }
    free(sorted);
    return by_node;
}

static struct json *
node_to_json(const struct model *model, const struct model_node *node,
             const struct json *containers)
{
    struct json *object = json_object_create();
    struct json *openflow = json_object_create();
    struct json *lxc = json_object_create();

    export_put_nullable(object, "endpoint", node->endpoint);
    if (node->relay != (node->endpoint != NULL)) {
        json_object_put(object, "relay", json_boolean_create(node->relay));
    }
    if (node->listen_port) {
        json_object_put(object, "listen_port",
                        json_integer_create(node->listen_port));
    }
    if (node->address.plen) {
        json_object_put(object, "address", json_string_create_nocopy(
                            sn_prefix_addr_to_string(&node->address)));
    }
    put_node_subnets(object, node);
    if (node->key_epoch) {
        json_object_put(object, "key_epoch",
                        json_integer_create(node->key_epoch));
    }
    if (node->revoked) {
        json_object_put(object, "revoked", json_boolean_create(true));
    }
    export_put(object, "refused_keys",
                     export_sset(&node->refused_keys));
    export_put(object, "wireguard", node_exits_to_json(model, node));
    export_put(object, "socks5", export_socks(&node->socks));
    export_put(object, "networking", node_networking_to_json(node));
    export_put(openflow, "bridges", node_bridges_to_json(model, node));
    export_put(object, "openflow", openflow);
    if (containers) {
        json_object_put(lxc, "containers", json_clone(containers));
    }
    export_put(object, "lxc", lxc);
    export_merge_other(object, node->other);
    return object;
}

static struct json *
segment_to_json(const struct model_segment *segment)
{
    struct json *object = json_object_create();

    json_object_put(object, "members",
                    selectors_to_json(segment->members, segment->n_members));
    export_put(object, "isolated_from", export_strings(
                         (const char *const *) segment->isolated_from.names,
                         segment->isolated_from.n));
    if (segment->internet != INTERNET_UNSET) {
        json_object_put_string(object, "internet",
                               segment->internet == INTERNET_EXIT
                               ? "exit" : "deny");
    }
    export_put(object, "exit", export_strings(
                         (const char *const *) segment->exits.names,
                         segment->exits.n));
    export_merge_other(object, segment->other);
    return object;
}

static struct json *
acl_to_json(const struct model_acl *acl)
{
    struct json *object = json_object_create();

    json_object_put_string(object, "name", acl->name);
    json_object_put_string(object, "action",
                           acl->action == ACTION_ACCEPT ? "accept" : "deny");
    json_object_put(object, "src", selectors_to_json(acl->src, acl->n_src));
    json_object_put(object, "dst", selectors_to_json(acl->dst, acl->n_dst));
    export_put_nullable(object, "proto",
                 acl->ip_proto == IPPROTO_TCP ? "tcp"
                 : acl->ip_proto == IPPROTO_UDP ? "udp"
                 : acl->ip_proto == IPPROTO_ICMP ? "icmp"
                 : acl->ip_proto == IPPROTO_SCTP ? "sctp"
                 : NULL);
    export_put_rate(object, "rate", acl->rate);
    export_put_class(object, acl->class);
    export_merge_other(object, acl->other);
    return object;
}

static struct json *
acls_to_json(const struct model *model, enum model_tier tier)
{
    const struct shash_node **nodes = shash_sort(&model->acls);
    struct json *array = json_array_create_empty();

    for (size_t i = 0; i < shash_count(&model->acls); i++) {
        const struct model_acl *acl = nodes[i]->data;
        if (acl->tier == tier) {
            json_array_add(array, acl_to_json(acl));
        }
    }
    free(nodes);
    return array;
}

char *
state_to_yaml(const struct model *model)
{
    struct json *root = json_object_create();
    struct json *containers = containers_to_json(model);
    struct json *nodes = json_object_create();
    struct json *segments = json_object_create();
    const struct shash_node *node;

    json_object_put(root, "mesh", export_mesh(&model->mesh));
    SHASH_FOR_EACH (node, &model->nodes) {
        json_object_put(nodes, node->name, node_to_json(
                            model, node->data,
                            shash_find_data(json_object(containers),
                                            node->name)));
    }
    export_put(root, "nodes", nodes);
    SHASH_FOR_EACH (node, &model->segments) {
        json_object_put(segments, node->name, segment_to_json(node->data));
    }
    export_put(root, "segments", segments);
    export_put(root, "services", export_services(model));
    export_put(root, "emergency", acls_to_json(model, TIER_EMERGENCY));
    export_put(root, "acls", acls_to_json(model, TIER_ACLS));
    export_put(root, "clients", export_clients(model));
    export_merge_other(root, model->mesh.other);

    struct ds yaml = DS_EMPTY_INITIALIZER;
    yaml_from_json(root, &schema_fleet, &yaml);
    json_destroy(root);
    json_destroy(containers);
    return ds_steal_cstr(&yaml);
}
