#include <config.h>
#include "agent/identity.h"

#include <stdlib.h>
#include <string.h>

#include "agent/ct-config.h"
#include "agent/ct-configs.h"
#include "agent/ct-owner.h"
#include "agent/link.h"
#include "agent/plan.h"
#include "openvswitch/dynamic-string.h"
#include "packets.h"
#include "state/model.h"
#include "state/name.h"
#include "state/port-name.h"
#include "util.h"

/* The number that the port's name has, or that of the file that has the port,
 * against the state's. */
static char *
check_owner(const struct identity *id)
{
    const struct ct_config *config = id->owner->config;
    const struct model_container *c = id->container;
    const char *veth = id->owner->veth;
    unsigned int vmid, index;

    if (config) {
        return (strcmp(config->id, c->id)
                ? xasprintf("%s is the port of container %s (%s), and the "
                            "state says that %s is %s", veth, config->id,
                            config->file, c->name, c->id)
                : NULL);
    }
    if (port_name_parse_veth(veth, &vmid, &index)
        && str_is_decimal(c->id)) {
        char *number = xasprintf("%u", vmid);
        bool same = !strcmp(number, c->id);

        free(number);
        return (same ? NULL
                : xasprintf("%s is the port of container %u, and the state "
                            "says that %s is %s", veth, vmid, c->name,
                            c->id));
    }
    return NULL;
}

static char *
explain_missing_file(const struct ct_configs *configs, unsigned int vmid)
{
    char *file = ct_configs_pve_file(configs, vmid);
    char *node = ct_configs_pve_elsewhere(configs, vmid);
    char *reason = xasprintf("there is no %s%s%s%s", file,
                             node ? "; Proxmox has the container on " : "",
                             node ? node : "",
                             node ? ", write node: there" : "");

    free(file);
    free(node);
    return reason;
}

/* A container has a file, and the file has its port. */
static char *
check_file(const struct identity *id, const struct ct_configs *configs)
{
    const struct model_container *c = id->container;
    const struct ct_config *other = ct_configs_find(configs, c->id);
    const char *veth = id->owner->veth;
    unsigned int vmid, index;

    if (id->owner->nic) {
        return NULL;
    } else if (port_name_parse_veth(veth, &vmid, &index)) {
        return (other ? xasprintf("%s has no net%u, whose port %s would be",
                                  other->file, index, veth)
                : ct_configs_is_pve(configs)
                ? explain_missing_file(configs, vmid)
                : NULL);
    }
    for (size_t i = 0; other && i < other->n_nics; i++) {
        if (other->nics[i].veth) {
            return xasprintf("%s calls its port %s, and the state says %s",
                             other->file, other->nics[i].veth, veth);
        }
    }
    return NULL;
}

static char *
describe_macs(const char *format, struct eth_addr a, const char *who,
              struct eth_addr b)
{
    char first[ETH_ADDR_STRLEN + 1], second[ETH_ADDR_STRLEN + 1];

    snprintf(first, sizeof first, ETH_ADDR_FMT, ETH_ADDR_ARGS(a));
    snprintf(second, sizeof second, ETH_ADDR_FMT, ETH_ADDR_ARGS(b));
    return xasprintf("%s %s and %s says %s", format, first, who, second);
}

static char *
check_mac(const struct identity *id)
{
    const struct model_container *c = id->container;
    const struct ct_config *config = id->owner->config;
    const struct ct_nic *nic = id->owner->nic;
    bool has_seen = !eth_addr_is_zero(id->seen);
    bool has_file = nic && nic->has_mac;

    if (has_seen && c->has_hwaddr && !eth_addr_equals(id->seen, c->hwaddr)) {
        return describe_macs("its MAC address is", id->seen, "hwaddr",
                             c->hwaddr);
    } else if (has_seen && has_file
               && !eth_addr_equals(id->seen, nic->mac)) {
        return describe_macs("its MAC address is", id->seen, config->file,
                             nic->mac);
    } else if (has_file && c->has_hwaddr
               && !eth_addr_equals(nic->mac, c->hwaddr)) {
        return describe_macs("the state's hwaddr is", c->hwaddr,
                             config->file, nic->mac);
    }
    return NULL;
}

static char *
check_address(const struct identity *id, const struct sn_prefix *address)
{
    const struct model_container *c = id->container;
    struct sn_prefix host = sn_prefix_host(address);

    for (size_t i = 0; i < c->n_addresses; i++) {
        struct sn_prefix declared = sn_prefix_host(&c->addresses[i]);

        if (declared.is_v4 == host.is_v4
            && !sn_prefix_equals(&declared, &host)) {
            char *a = sn_prefix_addr_to_string(&declared);
            char *b = sn_prefix_addr_to_string(&host);
            char *reason = xasprintf(
                "the state's %s is %s and %s says %s",
                host.is_v4 ? "ipv4_address" : "ipv6_address", a,
                id->owner->config->file, b);

            free(a);
            free(b);
            return reason;
        }
    }
    return NULL;
}

static char *
check_network(const struct identity *id)
{
    const struct ct_nic *nic = id->owner->nic;
    char *reason = NULL;

    if (nic && nic->bridge && strcmp(nic->bridge, SN_BRIDGE)) {
        return xasprintf("it is plugged into "SN_BRIDGE" and %s says "
                         "bridge %s", id->owner->config->file,
                         nic->bridge);
    }
    for (size_t i = 0; nic && !reason && i < nic->n_addresses; i++) {
        reason = check_address(id, &nic->addresses[i]);
    }
    return reason;
}

/* In the container's namespace, which the host's links are not in. */
static char *
check_other_end(const struct identity *id, const struct links *links)
{
    const struct link *veth = id->owner->link;
    const struct link *peer
        = (veth && !strcmp(veth->kind, "veth") && veth->peer_netnsid < 0
           ? links_find_ifindex(links, veth->peer_ifindex) : NULL);

    if (peer) {
        return xasprintf("the other end of %s is %s on the host itself, "
                         "not in a container", veth->name, peer->name);
    }
    return (id->end == CT_END_OUTSIDE
            ? xasprintf("the other end of %s is not in the network namespace "
                        "of container %s's first process", veth->name,
                        id->container->id)
            : NULL);
}

char *
identity_check(const struct identity *id, const struct ct_configs *configs,
               const struct links *links)
{
    char *reason = check_owner(id);

    reason = reason ? reason : check_file(id, configs);
    reason = reason ? reason : check_mac(id);
    reason = reason ? reason : check_network(id);
    return reason ? reason : check_other_end(id, links);
}

/* Of a container to which LXC gives any veth. */
static char *
explain_no_veth(const struct model_container *c,
                const struct ct_config *config)
{
    return (config ? xasprintf("no port leads into container %s of LXC (%s)",
                               c->id, config->file)
            : xasprintf("LXC has no container %s to say which veth it has; "
                        "write its veth", c->id));
}

char *
identity_explain_absence(const struct model_container *c,
                         const struct ct_configs *configs)
{
    const struct ct_config *config = ct_configs_find(configs, c->id);
    unsigned int vmid, index;

    if (c->any_veth) {
        return explain_no_veth(c, config);
    } else if (config && config->n_nics && config->nics[0].veth
        && !ct_config_find_nic(config, c->veth)) {
        return xasprintf("%s calls its port %s", config->file,
                         config->nics[0].veth);
    }
    return (!config && ct_configs_is_pve(configs)
            && port_name_parse_veth(c->veth, &vmid, &index)
            ? explain_missing_file(configs, vmid) : NULL);
}

static const struct model_container *
find_by_id(const struct model *model, const char *id)
{
    const struct model_container *found = NULL;
    const struct shash_node *node;

    SHASH_FOR_EACH (node, &model->containers) {
        const struct model_container *c = node->data;

        if (!strcmp(c->id, id)
            && (!found || c->adopted < found->adopted
                || (c->adopted == found->adopted
                    && strcmp(c->name, found->name) < 0))) {
            found = c;
        }
    }
    return found;
}

static const struct ct_nic *
find_first_nic(const struct ct_config *config)
{
    for (size_t i = 0; i < config->n_nics; i++) {
        const struct ct_nic *nic = &config->nics[i];

        if (nic->is_veth
            && (!nic->bridge || !strcmp(nic->bridge, SN_BRIDGE))) {
            return nic;
        }
    }
    return NULL;
}

bool
identity_is_nic(const struct model_container *c,
                const struct ct_owner *owner)
{
    const struct ct_config *config = owner->config;

    for (size_t i = 0; c->has_hwaddr && i < config->n_nics; i++) {
        const struct ct_nic *nic = &config->nics[i];

        if (nic->has_mac && eth_addr_equals(nic->mac, c->hwaddr)) {
            return owner->nic == nic;
        }
    }
    return owner->nic && owner->nic == find_first_nic(config);
}

struct model_container *
identity_create_candidate(const struct ct_owner *owner, const char *node,
                          struct eth_addr seen, const struct model *model)
{
    const struct ct_config *config = owner->config;
    const struct ct_nic *nic = owner->nic;
    const struct model_container *declared = find_by_id(model, config->id);
    struct model_container *c;

    if (!nic || nic != find_first_nic(config)
        || (declared && !declared->adopted)) {
        return NULL;
    }
    c = model_object_create(MODEL_CONTAINER);
    c->name = xstrdup(config->name);
    c->id = xstrdup(config->id);
    c->node = xstrdup(node);
    c->bridge = xstrdup(SN_BRIDGE);
    c->veth = xstrdup(owner->veth);
    c->adopted = true;
    c->hwaddr = nic->has_mac ? nic->mac : seen;
    c->has_hwaddr = !eth_addr_is_zero(c->hwaddr);
    c->addresses = xmemdup(nic->addresses, sizeof nic->addresses);
    c->n_addresses = nic->n_addresses;
    return c;
}

struct model_container *
identity_clone_adopted(const struct model *model, const char *node,
                       const char *veth)
{
    const struct shash_node *sn;

    SHASH_FOR_EACH (sn, &model->containers) {
        const struct model_container *old = sn->data;

        if (old->adopted && !strcmp(old->node, node)
            && !strcmp(old->veth, veth)) {
            struct model_container *c = model_object_create(MODEL_CONTAINER);

            c->name = xstrdup(old->name);
            c->id = xstrdup(old->id);
            c->node = xstrdup(old->node);
            c->bridge = xstrdup(old->bridge);
            c->veth = xstrdup(old->veth);
            c->adopted = true;
            c->hwaddr = old->hwaddr;
            c->has_hwaddr = old->has_hwaddr;
            c->addresses = xmemdup(old->addresses, (old->n_addresses
                                                    * sizeof *c->addresses));
            c->n_addresses = old->n_addresses;
            return c;
        }
    }
    return NULL;
}

char *
identity_explain_stranger(const struct ct_owner *owner,
                          const struct model *model)
{
    const struct ct_config *config = owner->config;
    const struct model_container *c
        = config ? find_by_id(model, config->id) : NULL;
    struct ds ds = DS_EMPTY_INITIALIZER;

    ds_put_format(&ds, "no container of this node declares it (veth: %s)",
                  owner->veth);
    if (c && owner->nic) {
        ds_put_format(&ds, "; it is net%u of %s, which %s at %s on %s",
                      owner->nic->index, c->name,
                      c->adopted ? "was adopted" : "the state has", c->veth,
                      c->node);
    } else if (config) {
        ds_put_format(&ds, "; %s calls it %s", config->file, config->name);
    }
    return ds_steal_cstr(&ds);
}
