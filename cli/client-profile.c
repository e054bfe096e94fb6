#include <config.h>

#include "cli/client-profile.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include "openvswitch/dynamic-string.h"
#include "openvswitch/util.h"
#include "state/guest-rules.h"
#include "state/model.h"
#include "state/service.h"
#include "util.h"

/* Keeps a hole in the NAT before a phone open. */
#define KEEPALIVE_S 25

static void
to_base64(const unsigned char key[32], char text[CLIENT_KEY_LEN])
{
    sodium_bin2base64(text, CLIENT_KEY_LEN, key, 32,
                      sodium_base64_VARIANT_ORIGINAL);
}

void
client_key_make(char private_key[CLIENT_KEY_LEN],
                char public_key[CLIENT_KEY_LEN])
{
    unsigned char key[32], public[32];

    if (sodium_init() < 0) {
        ovs_fatal(0, "libsodium does not start");
    }
    randombytes_buf(key, sizeof key);
    /* RFC 7748, section 5, as `wg genkey` does. */
    key[0] &= 248;
    key[31] = (key[31] & 127) | 64;
    crypto_scalarmult_base(public, key);
    to_base64(key, private_key);
    to_base64(public, public_key);
    sodium_memzero(key, sizeof key);
}

/* "HOST:PORT" of a vpn_server, or NULL. */
static char *
server_endpoint(const struct model_node *node)
{
    const char *own = node->vpn->endpoint;
    const char *s = own ? own : node->endpoint;
    uint16_t port = node->vpn->listen_port;
    const char *colon;

    if (!s) {
        return NULL;
    }
    colon = strrchr(s, ':');
    if (s[0] == '[') {
        size_t len = strcspn(s, "]") + 1;
        return own && s[len] == ':' ? xstrdup(s)
               : xasprintf("%.*s:%u", (int) len, s, port);
    } else if (colon && strchr(s, ':') != colon) {
        return xasprintf("[%s]:%u", s, port);   /* A bare IPv6 address. */
    } else if (colon && !own) {
        return xasprintf("%.*s:%u", (int) (colon - s), s, port);
    }
    return colon ? xstrdup(s) : xasprintf("%s:%u", s, port);
}

static void
put_prefix(struct ds *ds, const struct sn_prefix *prefix, const char *before)
{
    char *s = sn_prefix_to_string(prefix);

    ds_put_format(ds, "%s%s", before, s);
    free(s);
}

/* Everything, if an exit takes it; else what lies in the mesh. */
static void
put_allowed_ips(struct ds *ds, const struct model *model,
                const struct model_client *client,
                const struct model_vpn *vpn)
{
    const struct shash_node **nodes;

    if (vpn->exit && !guest_is_denied_internet(model, client)) {
        ds_put_cstr(ds, "AllowedIPs = 0.0.0.0/0, ::/0\n");
        return;
    }
    nodes = shash_sort(&model->nodes);
    put_prefix(ds, &model->mesh.prefix, "AllowedIPs = ");
    for (size_t i = 0; i < vpn->n_pools; i++) {
        put_prefix(ds, &vpn->pools[i], ", ");
    }
    for (size_t i = 0; i < shash_count(&model->nodes); i++) {
        const struct model_node *node = nodes[i]->data;

        for (size_t j = 0; j < node->n_subnets; j++) {
            put_prefix(ds, &node->subnets[j], ", ");
        }
    }
    free(nodes);
    for (int v4 = 1; v4 >= 0; v4--) {
        struct shash_node *node;

        SHASH_FOR_EACH (node, &model->services) {
            if (service_get_vip(node->data, v4)) {
                put_prefix(ds, v4 ? &model->mesh.service4
                           : &model->mesh.service6, ", ");
                break;
            }
        }
    }
    ds_put_char(ds, '\n');
}

/* The gateway answers for other domains only by an exit or the mesh's
 * resolvers; without, a phone would know no names but the mesh's. */
static void
put_resolvers(struct ds *ds, const struct model *model,
              const struct model_client *client,
              const struct model_node *node)
{
    bool all = (model->mesh.resolvers.n
                || (node->vpn->exit
                    && !guest_is_denied_internet(model, client)));
    size_t n = 0;

    for (size_t i = 0; i < node->vpn->dns.n; i++) {
        ds_put_format(ds, "%s%s", n++ ? ", " : "DNS = ",
                      node->vpn->dns.names[i]);
    }
    for (size_t i = 0; !node->vpn->dns.n && model->mesh.names && all
                       && i < node->n_subnets; i++) {
        char *gateway = sn_prefix_addr_to_string(&node->gateways[i]);

        ds_put_format(ds, "%s%s", n++ ? ", " : "DNS = ", gateway);
        free(gateway);
    }
    if (n) {
        ds_put_char(ds, '\n');
    }
}

char *
client_profile_format(const struct model *model,
                      const struct model_client *client,
                      const char *private_key, const char *server_key,
                      struct ds *ds)
{
    const struct model_node *node = model_get_node(model, client->node);
    char *endpoint = server_endpoint(node);

    if (!endpoint) {
        return xasprintf("node %s is behind NAT and its vpn_server has no "
                         "endpoint: guests could not find it", node->name);
    }
    /* ds_put_*() would leave copies of the key behind as it grows. */
    ds_reserve(ds, 8192 + 256 * shash_count(&model->nodes));
    ds_put_format(ds, "[Interface]\n# %s of %s, by %s\nPrivateKey = %s\n",
                  client->name, model->mesh.name, node->name, private_key);
    for (size_t i = 0; i < client->n_addresses; i++) {
        put_prefix(ds, &client->addresses[i], i ? ", " : "Address = ");
    }
    ds_put_char(ds, '\n');
    put_resolvers(ds, model, client, node);
    ds_put_format(ds, "\n[Peer]\nPublicKey = %s\nEndpoint = %s\n",
                  server_key, endpoint);
    put_allowed_ips(ds, model, client, node->vpn);
    ds_put_format(ds, "PersistentKeepalive = %d\n", KEEPALIVE_S);
    free(endpoint);
    return NULL;
}

void
client_profile_wipe(struct ds *ds)
{
    if (ds->string) {
        sodium_memzero(ds->string, ds->allocated);
    }
    ds_destroy(ds);
}
