#include <config.h>

#include "state/model.h"

#include <stdlib.h>
#include <string.h>
#include "openvswitch/shash.h"
#include "openvswitch/util.h"
#include "sha1.h"
#include "svec.h"
#include "state/name.h"
#include "util.h"

/* How an exit is called on each node. */

/* SHA-1 and not hash_bytes(), which differs between builds: both ends of the
 * tunnel have to agree. */
char *
model_exit_device(const struct model_exit *exit, const char *node)
{
    if (!strcmp(exit->node, node)) {
        return xstrdup(exit->interface);
    }

    char *key = xasprintf("%s/%s", exit->node, exit->name);
    uint8_t digest[SHA1_DIGEST_SIZE];
    sha1_bytes(key, strlen(key), digest);
    free(key);
    return xasprintf("xr-%02x%02x%02x%02x",
                     digest[0], digest[1], digest[2], digest[3]);
}

char *
model_exit_port(const struct model_exit *exit, const char *node)
{
    char *device = model_exit_device(exit, node);
    char *port = xasprintf("x-%s", device);

    free(device);
    return port;
}

void
model_socks_init(struct model_socks *s)
{
    memset(s, 0, sizeof *s);
    svec_init(&s->exits);
    svec_init(&s->allow);
}

void
model_socks_destroy(struct model_socks *s)
{
    svec_destroy(&s->exits);
    svec_destroy(&s->allow);
}

bool
model_socks_equals(const struct model_socks *a, const struct model_socks *b)
{
    return (a->enabled == b->enabled
            && sn_prefix_equals(&a->listen, &b->listen)
            && a->port == b->port
            && svec_equal(&a->exits, &b->exits)
            && svec_equal(&a->allow, &b->allow));
}

bool
model_exit_is_used(const struct model *model, const struct model_exit *exit,
                   const char *node)
{
    const struct model_node *mn = model_get_node(model, node);
    struct shash_node *container_node;
    char *key = xasprintf("%s/%s", exit->node, exit->name);
    bool used = (!strcmp(exit->node, node)
                 || (mn && mn->socks.enabled
                     && svec_contains_unsorted(&mn->socks.exits, key)));

    SHASH_FOR_EACH (container_node, &model->containers) {
        const struct model_container *c = container_node->data;

        if (used) {
            break;
        } else if (!strcmp(c->node, node)) {
            used = svec_contains_unsorted(&c->exits, key);
        }
    }
    free(key);
    return used;
}

char *
model_probe_target_parse(const char *s, struct sn_prefix *ret_address,
                         uint16_t *ret_port)
{
    const char *colon = strrchr(s, ':');
    bool bracketed = colon > s && s[0] == '[' && colon[-1] == ']';
    unsigned int port;

    if (!colon || !str_is_decimal(colon + 1)
        || !str_to_uint(colon + 1, 10, &port) || !port || port > UINT16_MAX
        || (!bracketed && strchr(s, ':') != colon)) {
        return xasprintf("\"%s\" is not ADDRESS:PORT", s);
    }

    char *address = xmemdup0(s + bracketed, colon - s - 2 * bracketed);
    struct sn_prefix prefix;
    char *error = (strchr(address, '/')
                   ? xasprintf("\"%s\" is a network", address)
                   : sn_prefix_parse(address, &prefix));
    if (!error && prefix.is_v4 == bracketed) {
        error = xasprintf("\"%s\" is not ADDRESS:PORT", s);
    }
    free(address);
    if (!error) {
        *ret_address = sn_prefix_host(&prefix);
        *ret_port = port;
    }
    return error;
}
