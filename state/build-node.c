#include <config.h>

#include "state/build.h"

#include <stdlib.h>
#include <string.h>
#include "lib/diag-fix.h"
#include "openvswitch/util.h"
#include "state/document.h"
#include "state/model.h"
#include "state/name.h"
#include "util.h"

/* A node: its networks and raw flows. */

static void
build_subnets(struct build *build, struct model_node *node,
              const struct doc_value *list)
{
    size_t n = doc_n_items(list);

    node->subnets = xcalloc(MAX(n, 1), sizeof *node->subnets);
    node->gateways = xcalloc(MAX(n, 1), sizeof *node->gateways);
    for (size_t i = 0; i < n; i++) {
        const struct doc_value *item = doc_item(list, i);
        struct sn_prefix p;
        bool other_of_family = false;

        if (!build_prefix(item, &p) || sn_prefix_has_host_bits(&p)) {
            continue;
        }
        for (size_t j = 0; j < node->n_subnets; j++) {
            other_of_family |= node->subnets[j].is_v4 == p.is_v4;
        }
        if (other_of_family) {
            diags_add(build->diags, DIAG_ERROR, &item->loc,
                      "use one larger subnet",
                      "node \"%s\" has two %s subnets; this version takes one "
                      "per address family", node->name,
                      p.is_v4 ? "IPv4" : "IPv6");
            continue;
        }
        places_put(&build->places, &item->loc, "node/%s/subnet/%d",
                   node->name, p.is_v4 ? 4 : 6);
        node->subnets[node->n_subnets] = p;
        node->gateways[node->n_subnets] = sn_prefix_nth(&p, 1);
        node->n_subnets++;
    }
}

/* Each gateway belongs to the subnet that contains it. */
static void
build_gateways(struct build *build, struct model_node *node,
               const struct doc_value *list)
{
    for (size_t i = 0; i < doc_n_items(list); i++) {
        const struct doc_value *item = doc_item(list, i);
        struct sn_prefix p;
        size_t j;

        if (!build_prefix(item, &p)) {
            continue;
        }
        for (j = 0; j < node->n_subnets; j++) {
            if (sn_prefix_contains(&node->subnets[j], &p)) {
                node->gateways[j] = sn_prefix_host(&p);
                places_put(&build->places, &item->loc, "node/%s/gateway/%d",
                           node->name, p.is_v4 ? 4 : 6);
                break;
            }
        }
        if (j == node->n_subnets) {
            diags_add(build->diags, DIAG_ERROR, &item->loc,
                      node->n_subnets ? NULL : "write the node's subnet too",
                      "gateway %s is in no subnet of node \"%s\"",
                      item->string, node->name);
        }
    }
}

static void
build_routes(struct build *build, struct model_node *node,
             const struct doc_value *map)
{
    size_t n = map && map->type == DOC_MAP ? map->n_members : 0;

    node->routes = xcalloc(MAX(n, 1), sizeof *node->routes);
    for (size_t i = 0; i < n; i++) {
        const struct doc_member *member = &map->members[i];
        const char *via = doc_get_string(member->value, "via");
        struct model_route *route = &node->routes[node->n_routes];
        char *error = sn_prefix_parse(member->key, &route->dst);

        if (!error && via) {
            route->loc = member->key_loc;
            route->via = xstrdup(via);
            route->metric = build_number(member->value, "metric", UINT32_MAX,
                                         0);
            node->n_routes++;
        }
        free(error);
        for (size_t j = 0; j + 1 < node->n_routes; j++) {
            /* "fd00::/64" and "fd00:0::/64" are two keys and one route. */
            if (route->via && sn_prefix_equals(&node->routes[j].dst,
                                               &route->dst)) {
                build_report_duplicate(build, &route->loc, "route",
                                       member->key, &node->routes[j].loc);
            }
        }
    }
}

static void
build_raw_flow(struct build *build, const struct model_node *node,
               const char *bridge, int position,
               const struct doc_value *scalar)
{
    if (scalar->type != DOC_SCALAR || !scalar->string[0]) {
        return;
    }
    char *key = model_raw_flow_key(node->name, scalar->string);
    const struct model_raw_flow *first
        = shash_find_data(&build->model->raw_flows, key);

    if (first) {
        char *first_s = sn_loc_to_string(&first->loc);
        diags_add(build->diags, DIAG_WARNING, &scalar->loc, "remove one",
                  "the same flow is at %s", first_s);
        diags_fix_remove_item(build->diags, &scalar->loc, scalar->string);
        free(first_s);
    } else {
        struct model_raw_flow *flow = model_object_create(MODEL_RAW_FLOW);
        flow->loc = scalar->text_loc;
        flow->node = xstrdup(node->name);
        flow->bridge = xstrdup(bridge);
        flow->position = position;
        flow->text = xstrdup(scalar->string);
        model_put(build->model, MODEL_RAW_FLOW, key, flow);
    }
    free(key);
}

static void
build_bridges(struct build *build, struct model_node *node,
              const struct doc_value *bridges)
{
    size_t n = bridges && bridges->type == DOC_MAP ? bridges->n_members : 0;

    for (size_t i = 0; i < n; i++) {
        const struct doc_member *member = &bridges->members[i];
        if (strcmp(member->key, "vmbr0")) {
            diags_add(build->diags, DIAG_ERROR, &member->key_loc,
                      "move what is here to vmbr0",
                      "a host has one socket network bridge, vmbr0, and not "
                      "\"%s\"", member->key);
            continue;
        }
        const struct doc_value *uplinks = doc_get(member->value, "uplinks");
        for (size_t j = 0; j < doc_n_items(uplinks); j++) {
            const struct doc_value *uplink = doc_item(uplinks, j);
            if (uplink->type == DOC_SCALAR) {
                sset_add(&node->uplinks, uplink->string);
                places_put(&build->places, &uplink->loc, "node/%s/uplink/%s",
                           node->name, uplink->string);
            }
        }
        const struct doc_value *flows = doc_get(member->value, "flows");
        for (size_t j = 0; flows && j < flows->n_elems; j++) {
            build_raw_flow(build, node, member->key, j, flows->elems[j]);
        }
    }
}

static void
build_key_requests(struct model_node *node, const struct doc_value *doc)
{
    const struct doc_value *keys = doc_get(doc, "refused_keys");

    node->key_epoch = build_number(doc, "key_epoch", UINT32_MAX, 0);
    node->says_revoked = doc_get(doc, "revoked") != NULL;
    node->revoked = build_bool(doc, "revoked", false);
    for (size_t i = 0; i < doc_n_items(keys); i++) {
        const struct doc_value *key = doc_item(keys, i);

        if (key->type == DOC_SCALAR && name_is_public_key(key->string)) {
            sset_add(&node->refused_keys, key->string);
        }
    }
}

/* Who cannot be called cannot relay. */
static void
build_relay(struct build *build, struct model_node *node,
            const struct doc_value *doc)
{
    node->relay = build_bool(doc, "relay", node->endpoint != NULL);
    if (node->relay && !node->endpoint) {
        diags_add(build->diags, DIAG_ERROR, &doc_get(doc, "relay")->loc,
                  "write the node's endpoint, or no \"relay\"",
                  "node \"%s\" has no endpoint at which others could reach "
                  "a relay", node->name);
    }
}

void
build_node(struct build *build, const char *name, const struct sn_loc *loc,
           const struct doc_value *doc)
{
    struct model_node *node = model_object_create(MODEL_NODE);
    const struct doc_value *networking = doc_get(doc, "networking");
    struct sn_prefix address;

    node->loc = *loc;
    node->name = xstrdup(name);
    node->endpoint = build_string(doc, "endpoint", NULL);
    if (node->endpoint) {
        places_put(&build->places, &doc_get(doc, "endpoint")->loc,
                   "node/%s/endpoint", name);
    }
    build_relay(build, node, doc);
    node->listen_port = build_number(doc, "listen_port", UINT16_MAX, 0);
    if (build_prefix(doc_get(doc, "address"), &address)) {
        node->address = sn_prefix_host(&address);
        places_put(&build->places, &doc_get(doc, "address")->loc,
                   "node/%s/address", name);
    }
    build_subnets(build, node, doc_get(doc, "subnet"));
    if (doc_get(doc, "subnet")) {
        build_gateways(build, node, doc_get(doc, "gateway"));
    }
    build_routes(build, node, doc_get(networking, "routes"));
    node->ip_forward = build_bool(networking, "ip_forward", true);
    node->mesh_kbps = build_rate(networking, "mesh_rate").kbps;
    build_key_requests(node, doc);
    build_exits(build, name, doc_get(doc, "wireguard"));
    build_bridges(build, node, doc_get(doc_get(doc, "openflow"), "bridges"));
    node->other = build_kept(&schema_node, doc);

    model_put(build->model, MODEL_NODE, name, node);
    build_vpn(build, name, doc);
}

/* A node without "subnet" has the networks of the containers under it. */
void
build_infer_subnets(struct build *build, const char *name,
                    const struct doc_value *doc)
{
    struct model_node *node = shash_find_data(&build->model->nodes, name);
    const struct doc_value *containers = doc_get(doc_get(doc, "lxc"),
                                                 "containers");

    if (doc_get(doc, "subnet")) {
        return;
    }
    size_t n = containers && containers->type == DOC_LIST
               ? containers->n_elems : 0;
    node->subnets = xrealloc(node->subnets, 2 * sizeof *node->subnets);
    node->gateways = xrealloc(node->gateways, 2 * sizeof *node->gateways);
    for (size_t i = 0; i < 2 * n; i++) {
        const struct doc_value *address
            = doc_get(doc_get(containers->elems[i / 2], "properties"),
                      i % 2 ? "ipv6_address" : "ipv4_address");
        struct sn_prefix p;
        size_t j;

        if (!build_prefix(address, &p) || !strchr(address->string, '/')
            || p.is_v4 != !(i % 2)) {
            continue;
        }
        struct sn_prefix network = sn_prefix_network(&p);
        for (j = 0; j < node->n_subnets; j++) {
            if (node->subnets[j].is_v4 == network.is_v4) {
                break;
            }
        }
        if (j == node->n_subnets) {
            node->subnets[j] = network;
            node->gateways[j] = sn_prefix_nth(&network, 1);
            node->n_subnets++;
            places_put(&build->places, &address->loc, "node/%s/subnet/%d",
                       name, network.is_v4 ? 4 : 6);
        } else if (!sn_prefix_equals(&node->subnets[j], &network)) {
            char *first = sn_prefix_to_string(&node->subnets[j]);
            diags_add(build->diags, DIAG_ERROR, &address->loc,
                      "write the node's subnet",
                      "%s is in another network than the containers before "
                      "it (%s), and node \"%s\" has no subnet",
                      address->string, first, name);
            free(first);
        }
    }
    build_gateways(build, node, doc_get(doc, "gateway"));
}
