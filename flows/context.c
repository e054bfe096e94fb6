#include <config.h>

#include "flows/compiler-private.h"
#include "flows/ports.h"

#include <stdlib.h>
#include <string.h>
#include "openvswitch/util.h"
#include "packets.h"
#include "util.h"

/* What stages ask of the compiler. */

const char *
compiler_veth_owner(const struct compiler *c, const char *veth)
{
    const struct sset *names = shash_find_data(&c->veths, veth);
    const char *owner = NULL, *name;

    if (names) {
        SSET_FOR_EACH (name, names) {
            if (!owner || strcmp(name, owner) < 0) {
                owner = name;
            }
        }
    }
    return owner;
}

const char *
compiler_get_endpoint(const struct compiler *c,
                      const struct model_container *container,
                      struct endpoint *ret_ep)
{
    const struct flow_port *port = flow_ports_find_veth(c->ports,
                                                        container->veth);
    const char *owner = compiler_veth_owner(c, container->veth);
    struct eth_addr mac = container->has_hwaddr ? container->hwaddr
                                                : container->seen_hwaddr;

    if (container->quarantined) {
        return "quarantined by the agent";
    } else if (!owner || strcmp(owner, container->name)) {
        return "another container has the same port";
    } else if (!port) {
        return "no such port on the bridge";
    } else if (eth_addr_is_zero(mac)) {
        return "MAC address not known yet";
    } else if (eth_addr_is_multicast(mac)) {
        return "its MAC address is a multicast address";
    }
    *ret_ep = (struct endpoint) {
        .container = container,
        .port = port,
        .mac = mac,
        .number = idreg_get(&c->endpoints, container->name),
    };
    return NULL;
}

bool
compiler_exit_is_usable(const struct compiler *c,
                        const struct model_exit *exit)
{
    char *name = model_exit_port(exit, c->node_name);
    bool up = (exit->enabled && flow_ports_find(c->ports, name)
               && !sset_contains(&exit->down_at, c->node_name));

    free(name);
    return up;
}

bool
compiler_exit_is_here(const struct compiler *c, const struct model_exit *exit)
{
    char *name = model_exit_port(exit, c->node_name);
    bool here = (!strcmp(exit->node, c->node_name)
                 || flow_ports_find(c->ports, name));

    free(name);
    return here;
}

const struct model_exit *
compiler_get_exit(const struct compiler *c,
                  const struct model_container *container)
{
    const struct model_exit *first = NULL;

    for (size_t i = 0; i < container->exits.n; i++) {
        const struct model_exit *exit = model_get_exit(
            c->model, container->exits.names[i]);

        if (exit && compiler_exit_is_usable(c, exit)) {
            return exit;
        } else if (exit && !first && compiler_exit_is_here(c, exit)) {
            first = exit;
        }
    }
    return first;
}

uint32_t
exit_number(const struct model_exit *exit)
{
    char *key = xasprintf("%s/%s", exit->node, exit->name);
    uint32_t number = cookie_name_id(key);

    free(key);
    return number;
}

size_t
compiler_own_addresses(const struct compiler *c,
                       struct sn_prefix **ret_addresses)
{
    size_t n = 0;

    *ret_addresses = NULL;
    if (c->node) {
        *ret_addresses = xmalloc((c->node->n_subnets + 1)
                                 * sizeof **ret_addresses);
        for (size_t i = 0; i < c->node->n_subnets; i++) {
            (*ret_addresses)[n++] = sn_prefix_host(&c->node->gateways[i]);
        }
        if (c->node->address.plen) {
            (*ret_addresses)[n++] = sn_prefix_host(&c->node->address);
        }
    }
    return n;
}

uint64_t
cookie_base(enum sn_table table, enum sn_reason reason)
{
    return cookie_make(COOKIE_BASE, table, reason);
}

uint64_t
cookie_endpoint(const struct endpoint *ep, enum sn_reason reason)
{
    return cookie_make(COOKIE_CONTAINER, ep->number, reason);
}

/* Of containers of other nodes the number is no endpoint here, but names them
 * all the same. */
uint64_t
cookie_container(const struct compiler *c,
                 const struct model_container *container,
                 enum sn_reason reason)
{
    uint32_t number = idreg_get(&c->endpoints, container->name);

    return cookie_make(COOKIE_CONTAINER,
                       number ? number : cookie_container_number(container),
                       reason);
}

/* The number that a container would like to have. */
uint32_t
cookie_container_number(const struct model_container *container)
{
    unsigned int vmid;

    if (str_to_uint(container->id, 10, &vmid) && vmid > 0
        && vmid < COOKIE_RAW_BIT) {
        return vmid;
    }
    return COOKIE_RAW_BIT | cookie_name_id(container->id);
}

uint64_t
cookie_node(const struct model_node *node, enum sn_reason reason)
{
    return cookie_make(COOKIE_NODE, cookie_name_id(node->name), reason);
}

uint64_t
cookie_exit(const struct model_exit *exit, enum sn_reason reason)
{
    return cookie_make(COOKIE_EXIT, exit_number(exit), reason);
}
