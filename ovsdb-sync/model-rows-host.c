#include <config.h>

#include "ovsdb-sync/model-rows-private.h"

#include <netinet/in.h>
#include <string.h>

#include "ovsdb-idl.h"
#include "ovsdb-sync/socknet-idl.h"
#include "packets.h"
#include "smap.h"
#include "state/port-name.h"
#include "util.h"

int
model_rows_compare_prefixes(const void *a_, const void *b_)
{
    const struct sn_prefix *a = a_;
    const struct sn_prefix *b = b_;

    return a->is_v4 != b->is_v4 ? b->is_v4 - a->is_v4
                                : sn_prefix_compare(a, b);
}

char **
model_rows_prefixes_to_strings(const struct sn_prefix *prefixes, size_t n)
{
    char **strings = xcalloc(n, sizeof *strings);

    for (size_t i = 0; i < n; i++) {
        strings[i] = sn_prefix_to_string(&prefixes[i]);
    }
    return strings;
}

/* Node. */

static char *
node_key(const struct ovsdb_idl_row *row)
{
    return xstrdup(SNDB_ROW(node, row)->name);
}

/* The subnets with their gateways. */
static char *
node_read_subnets(const struct sndb_node *row, struct model_node *node)
{
    struct smap_node *snode;
    char *error = NULL;
    size_t n = 0;

    node->subnets = xcalloc(smap_count(&row->subnets), sizeof *node->subnets);
    SMAP_FOR_EACH (snode, &row->subnets) {
        error = sn_prefix_parse(snode->key, &node->subnets[n]);
        if (error) {
            return error;
        }
        n++;
    }
    qsort(node->subnets, n, sizeof *node->subnets,
          model_rows_compare_prefixes);
    node->n_subnets = n;

    node->gateways = xcalloc(n, sizeof *node->gateways);
    for (size_t i = 0; i < n && !error; i++) {
        char *subnet = sn_prefix_to_string(&node->subnets[i]);
        const char *gateway = smap_get(&row->subnets, subnet);

        error = gateway ? sn_prefix_parse(gateway, &node->gateways[i])
                        : xasprintf("\"%s\" is not canonical", subnet);
        free(subnet);
    }
    return error;
}

static int
compare_routes(const void *a_, const void *b_)
{
    const struct model_route *a = a_;
    const struct model_route *b = b_;

    return model_rows_compare_prefixes(&a->dst, &b->dst);
}

static uint32_t
node_route_metric(const struct sndb_node *row, const char *dst)
{
    for (size_t i = 0; i < row->n_route_metrics; i++) {
        if (!strcmp(row->key_route_metrics[i], dst)) {
            return row->value_route_metrics[i];
        }
    }
    return 0;
}

static char *
node_read_routes(const struct sndb_node *row, struct model_node *node)
{
    struct smap_node *snode;

    node->routes = xcalloc(smap_count(&row->routes), sizeof *node->routes);
    SMAP_FOR_EACH (snode, &row->routes) {
        struct model_route *route = &node->routes[node->n_routes];
        char *error = sn_prefix_parse(snode->key, &route->dst);

        if (error) {
            return error;
        }
        route->loc = node->loc;
        route->via = xstrdup(snode->value);
        route->metric = node_route_metric(row, snode->key);
        node->n_routes++;
    }
    qsort(node->routes, node->n_routes, sizeof *node->routes, compare_routes);
    return NULL;
}

static void *
node_read(const struct ovsdb_idl_row *row_, char **ret_error)
{
    const struct sndb_node *row = SNDB_ROW(node, row_);
    struct model_node *node = model_object_create(MODEL_NODE);

    node->name = xstrdup(row->name);
    node->endpoint = nullable_xstrdup(row->endpoint);
    node->listen_port = row->n_listen_port ? *row->listen_port : 0;
    sset_add_array(&node->uplinks, row->uplinks, row->n_uplinks);
    node->ip_forward = row->ip_forward;
    node->mesh_kbps = row->n_mesh_kbps ? row->mesh_kbps[0] : 0;
    node->key_epoch = row->key_epoch;
    node->revoked = row->revoked;
    sset_add_array(&node->refused_keys, row->refused_keys,
                   row->n_refused_keys);
    node->relay = row->n_relay ? row->relay[0] : row->endpoint != NULL;
    model_rows_socks_read(&row->socks5, &node->socks);
    node->other = other_from_string(row->other);
    source_from_string(row->source, &node->loc);

    *ret_error = row->address ? sn_prefix_parse(row->address, &node->address)
                              : NULL;
    if (!*ret_error) {
        *ret_error = node_read_subnets(row, node);
    }
    if (!*ret_error) {
        *ret_error = node_read_routes(row, node);
    }
    if (!*ret_error) {
        *ret_error = vpn_read(row, &node->vpn);
    }
    if (*ret_error) {
        model_object_free(MODEL_NODE, node);
        return NULL;
    }
    return node;
}

static void
node_write_subnets(const struct sndb_node *row, const struct model_node *node)
{
    struct smap subnets = SMAP_INITIALIZER(&subnets);

    for (size_t i = 0; i < node->n_subnets; i++) {
        smap_add_nocopy(&subnets, sn_prefix_to_string(&node->subnets[i]),
                        sn_prefix_addr_to_string(&node->gateways[i]));
    }
    sndb_node_set_subnets(row, &subnets);
    smap_destroy(&subnets);
}

static void
node_write_routes(const struct sndb_node *row, const struct model_node *node)
{
    struct smap routes = SMAP_INITIALIZER(&routes);
    char **dsts = xcalloc(node->n_routes, sizeof *dsts);
    int64_t *metrics = xcalloc(node->n_routes, sizeof *metrics);
    size_t n_metrics = 0;

    for (size_t i = 0; i < node->n_routes; i++) {
        const struct model_route *route = &node->routes[i];
        char *dst = sn_prefix_to_string(&route->dst);

        smap_add(&routes, dst, route->via);
        if (route->metric) {
            dsts[n_metrics] = dst;
            metrics[n_metrics++] = route->metric;
        } else {
            free(dst);
        }
    }
    sndb_node_set_routes(row, &routes);
    sndb_node_set_route_metrics(row, CONST_STRINGS(dsts), metrics, n_metrics);
    smap_destroy(&routes);
    free_strings(dsts, n_metrics);
    free(metrics);
}

static void
node_write(const struct ovsdb_idl_row *row_, const void *node_)
{
    const struct sndb_node *row = SNDB_ROW(node, row_);
    const struct model_node *node = node_;
    int64_t mesh_kbps = node->mesh_kbps;
    int64_t listen_port = node->listen_port;
    char *address = node->address.plen
                    ? sn_prefix_addr_to_string(&node->address) : NULL;
    char *source = source_to_string(&node->loc);
    const char **uplinks = sset_array(&node->uplinks);
    const char **refused = sset_array(&node->refused_keys);
    struct smap socks = SMAP_INITIALIZER(&socks);

    sndb_node_set_name(row, node->name);
    sndb_node_set_endpoint(row, node->endpoint);
    sndb_node_set_listen_port(row, &listen_port, listen_port != 0);
    sndb_node_set_address(row, address);
    node_write_subnets(row, node);
    node_write_routes(row, node);
    sndb_node_set_uplinks(row, uplinks, sset_count(&node->uplinks));
    sndb_node_set_ip_forward(row, node->ip_forward);
    vpn_write(row, node->vpn);
    sndb_node_set_mesh_kbps(row, &mesh_kbps, mesh_kbps != 0);
    sndb_node_set_key_epoch(row, node->key_epoch);
    sndb_node_set_revoked(row, node->revoked);
    sndb_node_set_refused_keys(row, refused, sset_count(&node->refused_keys));
    sndb_node_set_relay(row, &node->relay, 1);
    model_rows_socks_write(&node->socks, &socks);
    sndb_node_set_socks5(row, &socks);
    smap_destroy(&socks);
    sndb_node_set_other(row, other_to_string(node->other));
    sndb_node_set_source(row, source);
    free(address);
    free(source);
    free(uplinks);
    free(refused);
}

const struct model_rows model_rows_node = {
    .table = &sndb_table_node,
    .key = node_key,
    .read = node_read,
    .write = node_write,
    .aside = { &sndb_node_col_source },
};

/* Container. */

static char *
container_key(const struct ovsdb_idl_row *row)
{
    return xstrdup(SNDB_ROW(container, row)->name);
}

static char *
container_read_addresses(const struct sndb_container *row,
                         struct model_container *container)
{
    container->addresses = xcalloc(row->n_addresses,
                                   sizeof *container->addresses);
    for (size_t i = 0; i < row->n_addresses; i++) {
        char *error = sn_prefix_parse(row->addresses[i],
                                      &container->addresses[i]);
        if (error) {
            return error;
        }
    }
    container->n_addresses = row->n_addresses;
    qsort(container->addresses, container->n_addresses,
          sizeof *container->addresses, model_rows_compare_prefixes);
    return NULL;
}

/* A service reads "PROTO:PORT:NAME", with the number of the IP protocol; the
 * name may be absent. */
static char *
container_read_services(const struct sndb_container *row,
                        struct model_container *container)
{
    container->services = xcalloc(row->n_services,
                                  sizeof *container->services);
    for (size_t i = 0; i < row->n_services; i++) {
        struct model_port *port = &container->services[i];
        int n = 0;

        if (!ovs_scan(row->services[i], "%"SCNu8":%"SCNu16"%n",
                      &port->ip_proto, &port->port, &n)) {
            return xasprintf("\"%s\" is not a service", row->services[i]);
        }
        if (row->services[i][n] == ':') {
            port->name = xstrdup(&row->services[i][n + 1]);
        }
        container->n_services++;
    }
    return NULL;
}

static void *
container_read(const struct ovsdb_idl_row *row_, char **ret_error)
{
    const struct sndb_container *row = SNDB_ROW(container, row_);
    struct model_container *ct = model_object_create(MODEL_CONTAINER);

    ct->name = xstrdup(row->name);
    ct->id = xstrdup(row->id);
    ct->node = xstrdup(row->node);
    ct->bridge = xstrdup(row->bridge);
    ct->veth = xstrdup(row->veth);
    ct->any_veth = port_name_is_unknown(ct->veth);
    ct->gateway = nullable_xstrdup(row->gateway);
    sset_add_array(&ct->tags, row->tags, row->n_tags);
    /* The keys are sorted: the order of preference. */
    for (size_t i = 0; i < row->n_exits; i++) {
        svec_add(&ct->exits, row->value_exits[i]);
    }
    ct->exits_from = nullable_xstrdup(row->exits_from);
    ct->no_exit = row->n_no_exit && row->no_exit[0];
    model_rows_read_limits(row, &ct->limits);
    ct->class = model_class_from_string(row->class_);
    ct->other = other_from_string(row->other);
    source_from_string(row->source, &ct->loc);

    *ret_error = NULL;
    if (row->hwaddr) {
        ct->has_hwaddr = eth_addr_from_string(row->hwaddr, &ct->hwaddr);
        if (!ct->has_hwaddr) {
            *ret_error = xasprintf("\"%s\" is not a MAC", row->hwaddr);
        }
    }
    if (!*ret_error) {
        *ret_error = container_read_addresses(row, ct);
    }
    if (!*ret_error) {
        *ret_error = container_read_services(row, ct);
    }
    if (*ret_error) {
        model_object_free(MODEL_CONTAINER, ct);
        return NULL;
    }
    return ct;
}

static void
container_write_lists(const struct sndb_container *row,
                      const struct model_container *ct)
{
    char **addresses = model_rows_prefixes_to_strings(ct->addresses,
                                                      ct->n_addresses);
    char **services = xcalloc(ct->n_services, sizeof *services);
    int64_t *order = xcalloc(ct->exits.n, sizeof *order);
    const char **tags = sset_array(&ct->tags);

    for (size_t i = 0; i < ct->n_services; i++) {
        const struct model_port *port = &ct->services[i];

        services[i] = xasprintf("%"PRIu8":%"PRIu16"%s%s",
                                port->ip_proto, port->port,
                                port->name ? ":" : "",
                                port->name ? port->name : "");
    }
    for (size_t i = 0; i < ct->exits.n; i++) {
        order[i] = i;
    }
    sndb_container_set_addresses(row, CONST_STRINGS(addresses),
                                 ct->n_addresses);
    sndb_container_set_services(row, CONST_STRINGS(services), ct->n_services);
    sndb_container_set_exits(row, order, CONST_STRINGS(ct->exits.names),
                             ct->exits.n);
    sndb_container_set_exits_from(row, ct->exits_from);
    sndb_container_set_no_exit(row, &ct->no_exit, ct->no_exit);
    sndb_container_set_tags(row, tags, sset_count(&ct->tags));
    free_strings(addresses, ct->n_addresses);
    free_strings(services, ct->n_services);
    free(order);
    free(tags);
}

static void
container_write(const struct ovsdb_idl_row *row_, const void *ct_)
{
    const struct sndb_container *row = SNDB_ROW(container, row_);
    const struct model_container *ct = ct_;
    char *source = source_to_string(&ct->loc);
    char mac[ETH_ADDR_STRLEN + 1];

    snprintf(mac, sizeof mac, ETH_ADDR_FMT, ETH_ADDR_ARGS(ct->hwaddr));
    sndb_container_set_name(row, ct->name);
    sndb_container_set_id(row, ct->id);
    sndb_container_set_node(row, ct->node);
    sndb_container_set_bridge(row, ct->bridge);
    sndb_container_set_veth(row, ct->veth);
    sndb_container_set_hwaddr(row, ct->has_hwaddr ? mac : NULL);
    sndb_container_set_gateway(row, ct->gateway);
    container_write_lists(row, ct);
    model_rows_write_limits(row, &ct->limits);
    sndb_container_set_class_(row, model_class_to_string(ct->class));
    sndb_container_set_other(row, other_to_string(ct->other));
    sndb_container_set_source(row, source);
    free(source);
}

const struct model_rows model_rows_container = {
    .table = &sndb_table_container,
    .key = container_key,
    .read = container_read,
    .write = container_write,
    .aside = { &sndb_container_col_source },
};

/* Raw flow. */

static char *
raw_flow_key(const struct ovsdb_idl_row *row_)
{
    const struct sndb_raw_flow *row = SNDB_ROW(raw_flow, row_);

    return xasprintf("%s/%s", row->node, row->name);
}

static void *
raw_flow_read(const struct ovsdb_idl_row *row_, char **ret_error)
{
    const struct sndb_raw_flow *row = SNDB_ROW(raw_flow, row_);
    struct model_raw_flow *raw = model_object_create(MODEL_RAW_FLOW);

    *ret_error = NULL;
    raw->node = xstrdup(row->node);
    raw->bridge = xstrdup(row->bridge);
    raw->position = row->position;
    raw->text = xstrdup(row->flow);
    source_from_string(row->source, &raw->loc);
    return raw;
}

static void
raw_flow_write(const struct ovsdb_idl_row *row_, const void *raw_)
{
    const struct sndb_raw_flow *row = SNDB_ROW(raw_flow, row_);
    const struct model_raw_flow *raw = raw_;
    char *key = model_raw_flow_key(raw->node, raw->text);
    char *source = source_to_string(&raw->loc);

    sndb_raw_flow_set_node(row, raw->node);
    sndb_raw_flow_set_name(row, strrchr(key, '/') + 1);
    sndb_raw_flow_set_bridge(row, raw->bridge);
    sndb_raw_flow_set_position(row, raw->position);
    sndb_raw_flow_set_flow(row, raw->text);
    sndb_raw_flow_set_source(row, source);
    free(key);
    free(source);
}

const struct model_rows model_rows_raw_flow = {
    .table = &sndb_table_raw_flow,
    .key = raw_flow_key,
    .read = raw_flow_read,
    .write = raw_flow_write,
    .aside = { &sndb_raw_flow_col_source, &sndb_raw_flow_col_position },
};
