#include <config.h>
#include "agent/names.h"

#include <stdlib.h>
#include <string.h>

#include "agent/dns-clients.h"
#include "agent/dns-forward.h"
#include "agent/dns-server.h"
#include "agent/dns-zone.h"
#include "agent/exit-tunnels.h"
#include "agent/exit-watch.h"
#include "agent/link.h"
#include "agent/plan.h"
#include "agent/socks.h"
#include "lib/evloop.h"
#include "lib/prefix.h"
#include "openvswitch/dynamic-string.h"
#include "sset.h"
#include "state/model.h"
#include "util.h"

#define RESOLV_CONF "/etc/resolv.conf"

struct names {
    struct event_base *base;
    struct dns_server *server;
    bool has_domain;
    struct sn_prefix *resolvers;
    size_t n_resolvers;
};

struct names *
names_create(void)
{
    struct names *n = xzalloc(sizeof *n);

    n->base = evloop_create();
    n->server = dns_server_create(n->base);
    return n;
}

void
names_destroy(struct names *n)
{
    if (n) {
        dns_server_destroy(n->server);
        evloop_destroy(n->base);
        free(n->resolvers);
        free(n);
    }
}

void
names_set_model(struct names *n, const struct model *model, const char *node,
                int64_t generation)
{
    struct dns_zone *zone = (model->mesh.names
                             ? dns_zone_create(model, node, generation)
                             : NULL);

    n->has_domain = zone && dns_zone_has_domain(zone);
    dns_server_set_zone(n->server, zone);
}

static bool
is_own_address(const struct plan *plan, const struct sn_prefix *address)
{
    for (size_t i = 0; i < plan->gateways.n; i++) {
        struct sn_prefix gateway = sn_prefix_host(&plan->gateways.prefixes[i]);

        if (sn_prefix_equals(&gateway, address)) {
            return true;
        }
    }
    return false;
}

/* Those of the state, else the host's.  Asking ourselves would never end. */
static void
names_find_resolvers(struct names *n, const struct model *model,
                     const struct plan *plan)
{
    const struct svec *written = &model->mesh.resolvers;
    size_t n_kept = 0;

    free(n->resolvers);
    if (written->n) {
        n->n_resolvers = 0;
        n->resolvers = xcalloc(written->n, sizeof *n->resolvers);
        for (size_t i = 0; i < written->n; i++) {
            char *error = sn_prefix_parse(written->names[i],
                                          &n->resolvers[n->n_resolvers]);

            n->n_resolvers += !error;
            free(error);
        }
    } else {
        n->n_resolvers = dns_read_resolv_conf(RESOLV_CONF, &n->resolvers);
    }
    for (size_t i = 0; i < n->n_resolvers; i++) {
        struct sn_prefix resolver = sn_prefix_host(&n->resolvers[i]);

        if (!is_own_address(plan, &resolver)) {
            n->resolvers[n_kept++] = resolver;
        }
    }
    n->n_resolvers = n_kept;
    dns_forwarder_set_resolvers(dns_server_forwarder(n->server),
                                n->resolvers, n->n_resolvers);
}

/* What the profile of an exit names. */
static void
names_set_exit_resolvers(struct names *n, const struct plan *plan,
                         const struct exit_tunnels *tunnels)
{
    for (size_t i = 0; i < plan->n_exits; i++) {
        const struct plan_exit *x = &plan->exits[i];
        const struct sn_prefix *resolvers;
        size_t n_resolvers = exit_tunnels_resolvers(tunnels, x, &resolvers);

        if (x->enabled && n_resolvers) {
            dns_forwarder_set_device_resolvers(
                dns_server_forwarder(n->server), x->tunnel, resolvers,
                n_resolvers);
        }
    }
}

static bool
exit_is_usable(const struct plan_exit *x, const void *exits)
{
    return exit_watch_is_usable(exits, x);
}

static void
names_set_links(struct names *n, const struct links *links,
                const struct plan *plan)
{
    const char *names[] = { SN_BRIDGE, plan->interface,
                            plan->guests.interface };
    int ifindexes[ARRAY_SIZE(names)];
    size_t n_links = 0;

    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        const struct link *link = names[i] ? links_find(links, names[i])
                                  : NULL;

        if (link) {
            ifindexes[n_links++] = link->ifindex;
        }
    }
    dns_server_set_links(n->server, ifindexes, n_links);
}

/* On the gateways, and where the proxy asks. */
static void
names_listen(struct names *n, const struct plan *plan, struct sset *problems)
{
    size_t n_addresses = plan->gateways.n;
    struct sn_prefix *addresses = xmalloc((n_addresses + 1)
                                          * sizeof *addresses);

    for (size_t i = 0; i < n_addresses; i++) {
        addresses[i] = plan->gateways.prefixes[i];
    }
    if (plan->socks) {
        addresses[n_addresses++] = socks_address();
    }
    dns_server_listen(n->server, addresses, n_addresses, problems);
    free(addresses);
}

void
names_sync(struct names *n, const struct links *links,
           const struct model *model, const struct plan *plan,
           const struct exit_watch *exits, const struct exit_tunnels *tunnels,
           struct sset *problems)
{
    if (!model || !model->mesh.names) {
        dns_server_listen(n->server, NULL, 0, problems);
        return;
    }
    if (!n->has_domain) {
        sset_add_and_free(problems, xasprintf(
            "names: \"%s\" is not a domain of DNS; write another one in mesh",
            model->mesh.domain ? model->mesh.domain : ""));
    }
    names_set_links(n, links, plan);
    names_find_resolvers(n, model, plan);
    names_set_exit_resolvers(n, plan, tunnels);
    dns_clients_update(dns_server_clients(n->server), model, plan,
                       exit_is_usable, exits);
    names_listen(n, plan, problems);
}

void
names_run(struct names *n)
{
    evloop_run(n->base);
}

void
names_wait(struct names *n)
{
    evloop_wait(n->base);
}

const struct sn_prefix *
names_resolver(const struct names *n, const char *device)
{
    return dns_forwarder_resolver(dns_server_forwarder(n->server), device);
}

void
names_format(const struct names *n, struct ds *ds)
{
    dns_server_format(n->server, ds);
    for (size_t i = 0; i < n->n_resolvers; i++) {
        char *resolver = sn_prefix_addr_to_string(&n->resolvers[i]);

        ds_put_format(ds, "resolver: %s\n", resolver);
        free(resolver);
    }
}
