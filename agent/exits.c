#include <config.h>
#include "agent/exits.h"

#include <inttypes.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>

#include "agent/addr.h"
#include "agent/link.h"
#include "agent/plan.h"
#include "agent/route.h"
#include "agent/rule.h"
#include "agent/socks.h"
#include "agent/sysctl.h"
#include "agent/vswitch.h"
#include "openvswitch/vlog.h"
#include "packets.h"
#include "smap.h"
#include "sset.h"
#include "util.h"
#include "vswitch-idl.h"

VLOG_DEFINE_THIS_MODULE(exits);

static bool
port_is_ours(const struct ovsrec_port *port)
{
    const char *owner = smap_get(&port->external_ids, VSWITCH_OWNER_KEY);

    return owner && !strcmp(owner, VSWITCH_OWNER);
}

static const struct plan_exit *
find_exit_of_port(const struct plan *plan, const char *port)
{
    for (size_t i = 0; i < plan->n_exits; i++) {
        if (!strcmp(plan->exits[i].port, port)) {
            return &plan->exits[i];
        }
    }
    return NULL;
}

static void
port_create(struct ovsdb_idl_txn *txn, const struct ovsrec_bridge *br,
            const struct plan_exit *x)
{
    const struct smap ids = SMAP_CONST2(&ids, VSWITCH_OWNER_KEY,
                                        VSWITCH_OWNER, "socknet-exit",
                                        x->name);
    struct ovsrec_interface *iface = ovsrec_interface_insert(txn);
    struct ovsrec_port *port = ovsrec_port_insert(txn);
    char *mac = xasprintf(ETH_ADDR_FMT, ETH_ADDR_ARGS(x->mac));

    ovsrec_interface_set_name(iface, x->port);
    ovsrec_interface_set_type(iface, "internal");
    ovsrec_interface_set_mac(iface, mac);
    ovsrec_interface_set_external_ids(iface, &ids);
    ovsrec_port_set_name(port, x->port);
    ovsrec_port_set_interfaces(port, &iface, 1);
    ovsrec_port_set_external_ids(port, &ids);
    ovsrec_bridge_update_ports_addvalue(br, port);
    VLOG_INFO("added port %s for exit %s", x->port, x->name);
    free(mac);
}

static bool
remove_stale_ports(const struct ovsrec_bridge *br, const struct plan *plan)
{
    bool same = true;

    for (size_t i = 0; i < br->n_ports; i++) {
        const struct ovsrec_port *port = br->ports[i];
        const struct plan_exit *x = (plan
                                     ? find_exit_of_port(plan, port->name)
                                     : NULL);

        if (port_is_ours(port) && (!x || !x->enabled)) {
            VLOG_INFO("removed port %s", port->name);
            ovsrec_bridge_update_ports_delvalue(br, port);
            same = false;
        }
    }
    return same;
}

/* A port of that name that somebody else added will do, if it is of the right
 * type; the MAC address is learned by the controller. */
static void
check_foreign_port(const struct ovsrec_port *port, struct sset *problems)
{
    if (port->n_interfaces
        && strcmp(port->interfaces[0]->type, "internal")) {
        sset_add_and_free(problems, xasprintf(
            "port %s is of type \"%s\" and not \"internal\"; remove it with: "
            "ovs-vsctl del-port %s", port->name, port->interfaces[0]->type,
            port->name));
    }
}

bool
exits_sync_ports(struct vswitch *sw, const struct plan *plan,
                 struct sset *problems)
{
    const struct ovsrec_bridge *br = vswitch_find_bridge(sw, SN_BRIDGE);
    struct ovsdb_idl_txn *txn = vswitch_txn(sw);

    if (!br || !txn) {
        return false;
    }

    bool same = remove_stale_ports(br, plan);
    for (size_t i = 0; i < plan->n_exits; i++) {
        const struct plan_exit *x = &plan->exits[i];
        const struct ovsrec_port *port = vswitch_find_port(br, x->port);

        if (x->enabled && !port) {
            port_create(txn, br, x);
            same = false;
        } else if (x->enabled) {
            check_foreign_port(port, problems);
        }
    }
    return same;
}

void
exits_cleanup_ports(struct vswitch *sw)
{
    const struct ovsrec_bridge *br = vswitch_find_bridge(sw, SN_BRIDGE);

    if (br && vswitch_txn(sw)) {
        remove_stale_ports(br, NULL);
    }
}

static bool
exit_sync_port(struct nlk *nlk, const struct link *port,
               const struct plan_exit *x, struct sset *problems)
{
    int error = 0;

    /* Without an address rp_filter drops; with arp_ignore 0 this port would
     * answer for vmbr0's; with IPv6 autoconfiguration it would take part in
     * what containers send. */
    error |= sysctl_set(problems, 2, "ipv4/conf/%s/rp_filter", x->port);
    error |= sysctl_set(problems, 1, "ipv4/conf/%s/arp_ignore", x->port);
    if (sysctl_get(-1, "ipv6/conf/%s/accept_ra", x->port) >= 0) {
        error |= sysctl_set(problems, 0, "ipv6/conf/%s/accept_ra", x->port);
        error |= sysctl_set(problems, 1, "ipv6/conf/%s/addr_gen_mode",
                            x->port);
    }
    error |= link_configure(nlk, port, 0);
    error |= addr_sync(nlk, port, &x->address, 1, false);
    return !error;
}

/* A tunnel without an IPv6 address carries no IPv6, and the same of IPv4:
 * masquerading would look for one on the other links and give the host
 * away. */
static void
exit_add_routes(struct nlk *nlk, const struct plan_exit *x,
                const struct link *tunnel, struct route_list *routes)
{
    struct route route = { .table = x->table };

    for (int v4 = 0; v4 < 2; v4++) {
        route.dst = plan_default_prefix(v4);
        route.oif = 0;
        route.metric = ROUTE_UNREACHABLE_METRIC;
        route_list_add(routes, &route);
        if (tunnel && tunnel->up
            && (x->remote || addr_has_family(nlk, tunnel, v4))) {
            route.oif = tunnel->ifindex;
            route.metric = 0;
            route_list_add(routes, &route);
        }
    }
}

/* The answers to other nodes go back the way that the questions came: the
 * mesh would refuse packets from the internet. */
static void
exit_add_return_routes(const struct plan_exit *x, const struct link *inlet,
                       struct route_list *routes)
{
    for (size_t i = 0; inlet && inlet->up && i < x->n_grants; i++) {
        const struct plan_prefixes *sources = &x->grants[i].sources;

        for (size_t j = 0; j < sources->n; j++) {
            struct route route = {
                .table = x->return_table, .dst = sources->prefixes[j],
                .oif = inlet->ifindex,
            };

            route_list_add(routes, &route);
        }
    }
}

static bool
exit_sync_inlet(const struct links *links, const struct plan_exit *x,
                struct rule *rules, size_t *n_rules,
                struct route_list *routes, struct sset *problems)
{
    const struct link *inlet = links_find(links, x->inlet);

    rules[(*n_rules)++] = (struct rule) { x->inlet, false, x->table };
    rules[(*n_rules)++] = (struct rule) { x->tunnel, false, x->return_table };
    exit_add_return_routes(x, inlet, routes);
    return inlet && !sysctl_set(problems, 2, "ipv4/conf/%s/rp_filter",
                                x->inlet);
}

static size_t
count_rules(const struct plan *plan)
{
    size_t n = 2;               /* Of guests and of the proxy. */

    for (size_t i = 0; i < plan->n_exits; i++) {
        n += 4 + plan_get_sources(plan, plan->exits[i].tunnel)->own.n;
    }
    return n;
}

bool
exits_sync_kernel(struct nlk *nlk, const struct links *links,
                  const struct plan *plan, struct route_list *routes,
                  struct sset *problems)
{
    struct rule *rules = xcalloc(count_rules(plan), sizeof *rules);
    size_t n_rules = 0;
    bool ok = true;

    for (size_t i = 0; i < plan->n_exits; i++) {
        const struct plan_exit *x = &plan->exits[i];
        const struct link *tunnel = links_find(links, x->tunnel);

        if (!x->enabled) {
            continue;
        }
        rules[n_rules++] = (struct rule) { x->port, false, x->table };
        /* For what the agent itself sends by the tunnel: see dns-forward.h. */
        rules[n_rules++] = (struct rule) { x->tunnel, true, x->table };
        /* For its answers to what comes late. */
        const struct plan_prefixes *own
            = &plan_get_sources(plan, x->tunnel)->own;
        for (size_t j = 0; j < own->n; j++) {
            rules[n_rules++] = (struct rule) {
                .interface = "", .table = x->table, .from = own->prefixes[j],
            };
        }
        exit_add_routes(nlk, x, tunnel, routes);
        if (tunnel) {
            ok &= !sysctl_set(problems, 2, "ipv4/conf/%s/rp_filter",
                              x->tunnel);
        }
        if (x->inlet) {
            ok &= exit_sync_inlet(links, x, rules, &n_rules, routes,
                                  problems);
        }
    }

    if (plan->guests.interface) {
        rules[n_rules++] = (struct rule) { plan->guests.interface, false,
                                           PLAN_GUEST_TABLE };
    }
    n_rules += socks_get_rule(plan, &rules[n_rules]);
    int error = rule_sync(nlk, rules, n_rules);
    if (error) {
        sset_add_and_free(problems, xasprintf("policy rules: %s",
                                              ovs_strerror(error)));
    }
    free(rules);
    return ok && !error;
}

bool
exits_open_ports(struct nlk *nlk, const struct links *links,
                 const struct plan *plan, struct sset *problems)
{
    bool ok = true;

    for (size_t i = 0; i < plan->n_exits; i++) {
        const struct plan_exit *x = &plan->exits[i];
        const struct link *port = links_find(links, x->port);

        if (x->enabled) {
            ok &= port && exit_sync_port(nlk, port, x, problems);
        }
    }
    return ok;
}

/* By its name and the kind of MAC that plan_exit gives. */
static bool
link_is_exit_port(const struct link *link)
{
    return (!strncmp(link->name, "x-", 2) && link->mac.ea[0] == 0x02
            && link->mac.ea[1] == 0x53 && link->mac.ea[2] == 0x4e);
}

void
exits_close_ports(struct nlk *nlk, const struct links *links,
                  const struct plan *plan)
{
    struct shash_node *node;

    SHASH_FOR_EACH (node, &links->by_name) {
        const struct link *link = node->data;

        if (link->up && link_is_exit_port(link)) {
            const struct plan_exit *x = find_exit_of_port(plan, link->name);

            if (!x || !x->enabled) {
                link_set_down(nlk, link->ifindex);
                VLOG_INFO("%s: down, no exit has it", link->name);
            }
        }
    }
}
