#include <config.h>
#include "agent/socks.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "agent/exit-watch.h"
#include "agent/link.h"
#include "agent/nft-exit.h"
#include "agent/plan.h"
#include "agent/route.h"
#include "agent/rule.h"
#include "openvswitch/dynamic-string.h"
#include "util.h"

struct sn_prefix
socks_address(void)
{
    struct sn_prefix address;
    char *error = sn_prefix_parse(PLAN_SOCKS_ADDRESS, &address);

    ovs_assert(!error);
    return sn_prefix_host(&address);
}

static const struct plan_exit *
find_exit(const struct plan *plan, const char *key)
{
    for (size_t i = 0; i < plan->n_exits; i++) {
        const struct plan_exit *x = &plan->exits[i];

        if (x->enabled && !strcmp(x->key, key)) {
            return x;
        }
    }
    return NULL;
}

/* The exit by which it leaves now, or NULL. */
static const struct plan_exit *
socks_exit(const struct plan *plan, const struct exit_watch *watch)
{
    for (size_t i = 0; plan->socks && i < plan->socks->exits.n; i++) {
        const struct plan_exit *x = find_exit(plan,
                                              plan->socks->exits.names[i]);

        if (x && exit_watch_is_usable(watch, x)) {
            return x;
        }
    }
    return NULL;
}

void
socks_add_routes(const struct plan *plan, const struct exit_watch *watch,
                 const struct links *links, struct route_list *routes)
{
    struct route route = {
        .dst = plan_default_prefix(true), .table = PLAN_SOCKS_TABLE,
        .metric = ROUTE_UNREACHABLE_METRIC,
    };
    const struct plan_exit *x;
    const struct link *tunnel;

    if (!plan->socks) {
        return;
    }
    route_list_add(routes, &route);
    x = socks_exit(plan, watch);
    tunnel = x ? links_find(links, x->tunnel) : NULL;
    if (tunnel && tunnel->up) {
        route.oif = tunnel->ifindex;
        route.metric = 0;
        route_list_add(routes, &route);
    }
}

bool
socks_get_rule(const struct plan *plan, struct rule *ret_rule)
{
    if (!plan->socks) {
        return false;
    }
    *ret_rule = (struct rule) { .interface = "", .table = PLAN_SOCKS_TABLE,
                                .from = socks_address() };
    return true;
}

static void
put_to_mesh(const struct sn_prefix *prefix, struct ds *ds)
{
    char *s = sn_prefix_to_string(prefix);

    if (prefix->is_v4 && prefix->plen < 32) {
        ds_put_format(ds, "\t\tip daddr %s counter reject with "
                      "icmpx admin-prohibited\n", s);
    }
    free(s);
}

/* What the proxy may send.  To the names' server only what is no connection:
 * those are its clients'.  Private addresses of the mesh that go by a tunnel
 * would only tell the far end of them. */
static void
put_guard(const struct plan *plan, struct ds *ds)
{
    ds_put_cstr(ds, "\tchain socks_guard {\n"
                "\t\toifname \"lo\" ip daddr "PLAN_SOCKS_ADDRESS
                " udp dport 53 return\n"
                "\t\toifname \"lo\" ip daddr "PLAN_SOCKS_ADDRESS
                " udp sport 53 return\n");
    for (size_t i = 0; i < plan->local.n; i++) {
        put_to_mesh(&plan->local.prefixes[i], ds);
    }
    for (size_t i = 0; i < plan->tunnel.n; i++) {
        struct sn_prefix net = sn_prefix_network(&plan->tunnel.prefixes[i]);
        put_to_mesh(&net, ds);
    }
    for (size_t i = 0; i < plan->n_routes; i++) {
        if (!strcmp(plan->routes[i].device, plan->interface)) {
            put_to_mesh(&plan->routes[i].dst, ds);
        }
    }
    for (size_t i = 0; i < plan->socks->exits.n; i++) {
        const struct plan_exit *x = find_exit(plan,
                                              plan->socks->exits.names[i]);

        if (x) {
            /* In the midst of a connection that began by another exit. */
            ds_put_format(ds, "\t\toifname \"%s\" ct state invalid,new "
                          "tcp flags != syn / fin,syn,rst,ack counter "
                          "reject with tcp reset\n"
                          "\t\toifname \"%s\" return\n", x->tunnel,
                          x->tunnel);
        }
    }
    ds_put_cstr(ds, "\t\tcounter reject with icmpx admin-prohibited\n"
                "\t}\n\n");
}

static void
put_allowed(const struct plan_socks *socks, struct ds *ds)
{
    ds_put_cstr(ds, "\tchain socks_clients {\n");
    for (size_t i = 0; i < socks->allowed.n; i++) {
        const struct sn_prefix *p = &socks->allowed.prefixes[i];

        if (p->is_v4) {
            char *s = (p->plen == 32 ? sn_prefix_addr_to_string(p)
                       : sn_prefix_to_string(p));

            ds_put_format(ds, "\t\tip saddr %s return\n", s);
            free(s);
        }
    }
    ds_put_cstr(ds, "\t\tcounter drop\n\t}\n\n");
}

void
nft_put_socks_chains(const struct plan *plan, struct ds *ds)
{
    if (plan->socks) {
        put_guard(plan, ds);
        put_allowed(plan->socks, ds);
        ds_put_cstr(ds, "\tchain output {\n"
                    "\t\ttype filter hook output priority filter; "
                    "policy accept;\n"
                    "\t\tip saddr "PLAN_SOCKS_ADDRESS" jump socks_guard\n"
                    "\t}\n\n");
    }
}

void
nft_put_socks_input(const struct plan *plan, struct ds *ds)
{
    if (plan->socks) {
        char *listen = sn_prefix_addr_to_string(&plan->socks->listen);

        ds_put_format(ds, "\t\tip daddr %s tcp dport %"PRIu16
                      " jump socks_clients\n", listen, plan->socks->port);
        free(listen);
    }
}

void
nft_put_socks_sources(const struct plan *plan, struct ds *ds)
{
    for (size_t i = 0; plan->socks && i < plan->socks->exits.n; i++) {
        const struct plan_exit *x = find_exit(plan,
                                              plan->socks->exits.names[i]);

        if (x && !x->remote) {
            nft_put_source_rules(plan, "ct original ip saddr "
                                 PLAN_SOCKS_ADDRESS" ", x->tunnel, ds);
        }
    }
}

void
nft_put_socks_masquerade(const struct plan *plan, struct ds *ds)
{
    if (plan->socks) {
        ds_put_cstr(ds, "\t\toifname != \"lo\" ip saddr "PLAN_SOCKS_ADDRESS
                    " masquerade\n");
    }
}
