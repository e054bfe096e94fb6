#include <config.h>

#include "state/build.h"

#include <stdlib.h>
#include <string.h>
#include "lib/suggest.h"
#include "openvswitch/util.h"
#include "state/document.h"
#include "state/model.h"
#include "state/name.h"
#include "state/when.h"
#include "util.h"

/* Guests, and where they are let in. */

#define VPN_INTERFACE "wgsn"
#define VPN_PORT 51820

static void
build_pools(struct build *build, struct model_vpn *vpn, const char *node,
            const struct doc_value *list)
{
    size_t n = doc_n_items(list);

    vpn->pools = xcalloc(MAX(n, 1), sizeof *vpn->pools);
    for (size_t i = 0; i < n; i++) {
        const struct doc_value *item = doc_item(list, i);
        bool other_of_family = false;
        struct sn_prefix p;

        if (!build_prefix(item, &p) || sn_prefix_has_host_bits(&p)) {
            continue;
        }
        for (size_t j = 0; j < vpn->n_pools; j++) {
            other_of_family |= vpn->pools[j].is_v4 == p.is_v4;
        }
        if (other_of_family) {
            diags_add(build->diags, DIAG_ERROR, &item->loc,
                      "use one larger network",
                      "the ip_pool of node \"%s\" has two %s networks; it "
                      "takes one per address family", node,
                      p.is_v4 ? "IPv4" : "IPv6");
            continue;
        }
        places_put(&build->places, &item->loc, "node/%s/ip_pool/%d", node,
                   p.is_v4 ? 4 : 6);
        vpn->pools[vpn->n_pools++] = p;
    }
}

/* "NAME" or "NODE/NAME". */
static void
build_vpn_exit(struct build *build, struct model_vpn *vpn, const char *node,
               const struct doc_value *scalar)
{
    if (!scalar || scalar->type != DOC_SCALAR || !scalar->string[0]) {
        return;
    }
    vpn->exit = xasprintf("%s/%s", node, scalar->string);
    if (!model_get_exit(build->model, vpn->exit)) {
        diags_add(build->diags, DIAG_ERROR, &scalar->loc,
                  "it has to be one of the node's own exits",
                  "node \"%s\" has no exit \"%s\"", node, scalar->string);
    }
}

void
build_vpn(struct build *build, const char *name, const struct doc_value *doc)
{
    struct model_node *node = shash_find_data(&build->model->nodes, name);
    const struct doc_value *wireguard = doc_get(doc, "wireguard");
    const struct doc_value *map = doc_get(wireguard, "vpn_server");

    if (!map || map->type != DOC_MAP) {
        return;
    }
    struct model_vpn *vpn = xzalloc(sizeof *vpn);
    const struct doc_value *dns = doc_get(map, "dns");
    const struct doc_value *port = doc_get(map, "listen_port");

    svec_init(&vpn->dns);
    vpn->interface = build_string(map, "interface", VPN_INTERFACE);
    vpn->listen_port = build_number(map, "listen_port", UINT16_MAX, VPN_PORT);
    vpn->auto_provision = build_bool(map, "auto_provision", false);
    vpn->endpoint = build_string(map, "endpoint", NULL);
    build_pools(build, vpn, name, doc_get(map, "ip_pool"));
    build_vpn_exit(build, vpn, name, doc_get(map, "exit"));
    for (size_t i = 0; i < doc_n_items(dns); i++) {
        struct sn_prefix p;

        if (build_prefix(doc_item(dns, i), &p)) {
            svec_add_nocopy(&vpn->dns, sn_prefix_addr_to_string(&p));
        }
    }
    places_put(&build->places, &doc_find(wireguard, "vpn_server")->key_loc,
               "node/%s/vpn_server", name);
    places_put(&build->places, port ? &port->loc : &map->loc,
               "node/%s/vpn_server/listen_port", name);
    node->vpn = vpn;
}

static void
build_client_node(struct build *build, struct model_client *client,
                  const struct doc_value *scalar)
{
    const struct model_node *node
        = model_get_node(build->model, client->node);
    const struct shash_node *snode;
    struct suggest near;
    char *fix = NULL;

    if (!scalar || (node && node->vpn)) {
        return;
    }
    suggest_init(&near, client->node);
    SHASH_FOR_EACH (snode, &build->model->nodes) {
        const struct model_node *candidate = snode->data;
        if (candidate->vpn) {
            suggest_offer(&near, snode->name);
        }
    }
    if (near.best) {
        fix = xasprintf("did you mean %s?", near.best);
    }
    diags_add(build->diags, DIAG_ERROR, &scalar->loc, fix, node
              ? "node \"%s\" has no vpn_server, so client \"%s\" cannot "
                "connect to it"
              : "there is no node \"%s\" for client \"%s\"",
              client->node, client->name);
    free(fix);
}

static void
build_client(struct build *build, const struct doc_member *member)
{
    const struct schema *schema
        = schema_find_key(&schema_fleet, "clients")->schema->item;
    struct model_client *client = model_object_create(MODEL_CLIENT);
    const struct doc_value *doc = member->value;
    const struct doc_value *addresses = doc_get(doc, "address");
    const struct doc_value *tags = doc_get(doc, "tags");
    const char *key = doc_get_string(doc, "public_key");
    const char *expires = doc_get_string(doc, "expires");
    size_t n = doc_n_items(addresses);

    client->loc = member->key_loc;
    client->name = xstrdup(member->key);
    client->node = build_string(doc, "node", "");
    client->public_key = xstrdup(key && name_is_public_key(key) ? key : "");
    client->addresses = xcalloc(MAX(n, 1), sizeof *client->addresses);
    for (size_t i = 0; i < n; i++) {
        struct sn_prefix p;

        if (build_prefix(doc_item(addresses, i), &p)) {
            client->addresses[client->n_addresses++] = sn_prefix_host(&p);
        }
    }
    for (size_t i = 0; i < doc_n_items(tags); i++) {
        if (doc_item(tags, i)->type == DOC_SCALAR) {
            sset_add(&client->tags, doc_item(tags, i)->string);
        }
    }
    if (expires && !when_parse(expires, &client->expires)) {
        client->expires = 0;
    }
    client->says_revoked = doc_get(doc, "revoked") != NULL;
    client->revoked = build_bool(doc, "revoked", false);
    client->other = build_kept(schema, doc);
    if (addresses) {
        places_put(&build->places, &addresses->loc, "client/%s/address",
                   client->name);
    }
    if (key) {
        places_put(&build->places, &doc_get(doc, "public_key")->loc,
                   "client/%s/public_key", client->name);
    }
    build_client_node(build, client, doc_get(doc, "node"));
    model_put(build->model, MODEL_CLIENT, member->key, client);
}

void
build_clients(struct build *build, const struct doc_value *root)
{
    const struct doc_value *map = doc_get(root, "clients");
    size_t n = map && map->type == DOC_MAP ? map->n_members : 0;

    for (size_t i = 0; i < n; i++) {
        if (map->members[i].value->type == DOC_MAP) {
            build_client(build, &map->members[i]);
        }
    }
}
