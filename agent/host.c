#include <config.h>
#include "agent/host.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "agent/addr.h"
#include "agent/link.h"
#include "agent/plan.h"
#include "agent/socks.h"
#include "agent/route.h"
#include "agent/sysctl.h"
#include "openvswitch/vlog.h"
#include "sset.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(host);

bool
host_sync_bridge(struct nlk *nlk, const struct links *links,
                 const struct plan *plan, struct sset *problems)
{
    const struct link *link = links_find(links, SN_BRIDGE);
    int error;

    if (!link) {
        return false;           /* bridge.c says so. */
    }
    /* Else a gateway address that goes takes others of its network along. */
    sysctl_set(problems, 1, "ipv4/conf/%s/promote_secondaries", SN_BRIDGE);
    error = link_configure(nlk, link, 0);
    if (!error) {
        size_t n = plan->gateways.n;
        struct sn_prefix *addresses = xmalloc((n + 1) * sizeof *addresses);

        for (size_t i = 0; i < n; i++) {
            addresses[i] = plan->gateways.prefixes[i];
        }
        if (plan->socks) {
            addresses[n++] = socks_address();
        }
        error = addr_sync(nlk, link, addresses, n, false);
        free(addresses);
    }
    if (error && error != ENODEV) {     /* That: just gone. */
        sset_add_and_free(problems, xasprintf("%s: %s", SN_BRIDGE,
                                              ovs_strerror(error)));
    }
    return !error;
}

/* Forwarding makes Linux ignore router advertisements (accept_ra 1), and a
 * host that lives on one would lose its default route. */
static void
keep_router_advertisements(struct nlk *nlk, const struct links *links,
                           struct sset *problems)
{
    struct shash_node *node;

    SHASH_FOR_EACH (node, &links->by_name) {
        const struct link *link = node->data;

        if (sysctl_get(0, "ipv6/conf/%s/accept_ra", link->name) == 1
            && route_has_ra_default(nlk, link->ifindex)) {
            sysctl_set(problems, 2, "ipv6/conf/%s/accept_ra", link->name);
        }
    }
}

static bool
sync_ipv6_forwarding(struct nlk *nlk, const struct links *links,
                     struct sset *problems)
{
    int forwarding = sysctl_get(-1, "ipv6/conf/all/forwarding");

    if (forwarding < 0) {
        sset_add(problems, "this kernel has no IPv6, which the state file "
                 "uses");
        return true;
    } else if (!forwarding) {
        keep_router_advertisements(nlk, links, problems);
        return !sysctl_set(problems, 1, "ipv6/conf/all/forwarding");
    }
    return true;
}

/* The kernel takes the greater of conf/all and conf/<interface>.  1 on an
 * interface would drop what comes back another way than it would go; 2 there
 * always wins. */
static bool
sync_rp_filter(const struct links *links, const char *name,
               struct sset *problems)
{
    if (!links_find(links, name)) {
        return true;
    }
    return !sysctl_set(problems, 2, "ipv4/conf/%s/rp_filter", name);
}

bool
host_sync_sysctls(struct nlk *nlk, const struct links *links,
                  const struct plan *plan, struct sset *problems)
{
    bool ok = true;

    if (plan->ip_forward) {
        ok &= !sysctl_set(problems, 1, "ipv4/ip_forward");
        if (plan->has_ipv6) {
            ok &= sync_ipv6_forwarding(nlk, links, problems);
        }
    } else if (!sysctl_get(1, "ipv4/ip_forward")) {
        sset_add(problems, "networking.ip_forward is false and the kernel "
                 "does not forward: containers reach neither the mesh nor "
                 "an exit");
    }
    ok &= sync_rp_filter(links, SN_BRIDGE, problems);
    ok &= sync_rp_filter(links, plan->interface, problems);
    return ok;
}

struct address_list {
    const struct links *links;
    const struct plan *plan;
    struct sset *addresses;
};

/* Not what leads into tunnels, nor what the agent put there. */
static void
add_address(int ifindex, const struct sn_prefix *prefix, void *list_)
{
    struct address_list *list = list_;
    const struct link *link = links_find_ifindex(list->links, ifindex);
    struct sn_prefix host = sn_prefix_host(prefix);

    if (!link || !strcmp(link->kind, "wireguard")
        || !strcmp(link->kind, "tun") || !strcmp(link->kind, "ipip")
        || !strcmp(link->name, list->plan->interface)
        || !strncmp(link->name, "x-", 2) || !strcmp(link->name, "lo")) {
        return;
    }
    for (size_t i = 0; i < list->plan->gateways.n; i++) {
        struct sn_prefix ours
            = sn_prefix_host(&list->plan->gateways.prefixes[i]);

        if (sn_prefix_equals(&ours, &host)) {
            return;
        }
    }
    sset_add_and_free(list->addresses, sn_prefix_addr_to_string(&host));
}

void
host_list_addresses(struct nlk *nlk, const struct links *links,
                    const struct plan *plan, struct sset *addresses)
{
    struct address_list list = { links, plan, addresses };

    addr_list(nlk, add_address, &list);
}

/* While the mesh interface is away, what is for other nodes must not follow
 * the default route. */
static void
add_unreachable(const struct sn_prefix *dst, struct route_list *routes)
{
    struct route route = {
        .dst = *dst, .table = RT_TABLE_MAIN,
        .metric = ROUTE_UNREACHABLE_METRIC,
    };

    route_list_add(routes, &route);
}

bool
host_add_routes(const struct links *links, const struct plan *plan,
                struct route_list *routes, struct sset *problems)
{
    bool ok = true;

    for (size_t i = 0; i < plan->tunnel.n; i++) {
        struct sn_prefix net = sn_prefix_network(&plan->tunnel.prefixes[i]);

        add_unreachable(&net, routes);
    }
    for (size_t i = 0; i < plan->n_routes; i++) {
        const struct plan_route *pr = &plan->routes[i];
        const struct link *link = links_find(links, pr->device);
        bool is_mesh = !strcmp(pr->device, plan->interface);

        if (is_mesh || !pr->device[0]) {
            add_unreachable(&pr->dst, routes);
        }
        if (!pr->device[0]) {
            continue;
        }
        if (link && link->up) {
            struct route route = {
                .dst = pr->dst, .table = RT_TABLE_MAIN,
                .metric = pr->metric, .oif = link->ifindex,
            };

            route_list_add(routes, &route);
        } else if (is_mesh || !strcmp(pr->device, SN_BRIDGE)) {
            ok = false;         /* The agent makes them: in a moment. */
        } else {
            char *dst = sn_prefix_to_string(&pr->dst);

            sset_add_and_free(problems, xasprintf(
                "route to %s: interface %s %s", dst, pr->device,
                link ? "is down" : "does not exist"));
            free(dst);
        }
    }
    return ok;
}
