#include <config.h>

#include "state/export-private.h"

#include <string.h>
#include "openvswitch/json.h"
#include "openvswitch/util.h"
#include "state/model.h"
#include "state/when.h"
#include "util.h"

struct json *
export_vpn(const struct model_vpn *vpn)
{
    struct json *object = json_object_create();
    struct json *pools = json_array_create_empty();

    json_object_put_string(object, "interface", vpn->interface);
    json_object_put(object, "listen_port",
                    json_integer_create(vpn->listen_port));
    for (size_t i = 0; i < vpn->n_pools; i++) {
        json_array_add(pools, json_string_create_nocopy(
                           sn_prefix_to_string(&vpn->pools[i])));
    }
    json_object_put(object, "ip_pool", pools);
    json_object_put(object, "auto_provision",
                    json_boolean_create(vpn->auto_provision));
    export_put_nullable(object, "endpoint", vpn->endpoint);
    export_put_nullable(object, "exit",
                 vpn->exit ? strchr(vpn->exit, '/') + 1 : NULL);
    export_put(object, "dns", export_strings(
                         CONST_CAST(const char *const *, vpn->dns.names),
                         vpn->dns.n));
    return object;
}

static struct json *
client_to_json(const struct model_client *client)
{
    struct json *object = json_object_create();
    struct json *addresses = json_array_create_empty();

    json_object_put_string(object, "node", client->node);
    json_object_put_string(object, "public_key", client->public_key);
    for (size_t i = 0; i < client->n_addresses; i++) {
        json_array_add(addresses, json_string_create_nocopy(
                           sn_prefix_addr_to_string(&client->addresses[i])));
    }
    export_put(object, "address", addresses);
    export_put(object, "tags", export_sset(&client->tags));
    if (client->expires) {
        json_object_put(object, "expires", json_string_create_nocopy(
                            when_to_string(client->expires)));
    }
    if (client->revoked) {
        json_object_put(object, "revoked", json_boolean_create(true));
    }
    export_merge_other(object, client->other);
    return object;
}

struct json *
export_clients(const struct model *model)
{
    struct json *object = json_object_create();
    const struct shash_node *node;

    SHASH_FOR_EACH (node, &model->clients) {
        json_object_put(object, node->name, client_to_json(node->data));
    }
    return object;
}
