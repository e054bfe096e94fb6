#include <config.h>
#include "agent/guests.h"

#include <errno.h>
#include <limits.h>
#include <linux/rtnetlink.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "agent/addr.h"
#include "agent/keys.h"
#include "agent/link.h"
#include "agent/nlk.h"
#include "agent/plan.h"
#include "agent/route.h"
#include "agent/sysctl.h"
#include "agent/wg-link.h"
#include "agent/wg-process.h"
#include "openvswitch/vlog.h"
#include "sset.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(guests);

/* wg-quick's, on most paths: guests come from anywhere. */
#define GUESTS_MTU 1420

struct guests {
    char *state_dir;
    char *key_name;             /* Whose key is loaded, or NULL. */
    struct wg_key private_key, public_key;
    enum wg_backend backend;
    struct wg_device device;    /* As read last. */
    long long int next_ms;
    bool starting;
};

struct guests *
guests_create(const char *state_dir)
{
    struct guests *g = xzalloc(sizeof *g);

    g->state_dir = xstrdup(state_dir);
    g->next_ms = LLONG_MAX;
    wg_device_init(&g->device);
    return g;
}

void
guests_destroy(struct guests *g)
{
    if (g) {
        free(g->state_dir);
        free(g->key_name);
        wg_device_destroy(&g->device);
        sodium_memzero(&g->private_key, sizeof g->private_key);
        free(g);
    }
}

/* Its own pair: a key of the mesh is no business of phones. */
static char *
guests_load_key(struct guests *g, const struct plan *plan)
{
    char *name = xasprintf("%s.guests", plan->mesh);
    char *error = NULL;

    if (!g->key_name || strcmp(g->key_name, name)) {
        error = keys_load(g->state_dir, name, &g->private_key,
                          &g->public_key);
        if (!error) {
            free(g->key_name);
            g->key_name = xstrdup(name);
        }
    }
    free(name);
    return error;
}

const char *
guests_client_state(const struct plan_client *c)
{
    return (c->revoked ? "revoked"
            : c->expires && c->expires <= time_wall() ? "expired"
            : "admitted");
}

static void
guests_wanted(struct guests *g, const struct plan_guests *pg,
              struct wg_device *want)
{
    want->private_key = g->private_key;
    want->listen_port = pg->listen_port;
    g->next_ms = LLONG_MAX;
    for (size_t i = 0; i < pg->n_clients; i++) {
        const struct plan_client *c = &pg->clients[i];

        if (!c->has_key || strcmp(guests_client_state(c), "admitted")
            || wg_device_find_peer(want, &c->key)) {
            continue;
        }
        if (c->expires) {
            int64_t left_s = MIN(c->expires - time_wall(), INT_MAX);

            g->next_ms = MIN(g->next_ms, time_msec() + left_s * 1000);
        }
        struct wg_peer *peer = wg_device_add_peer(want, &c->key);
        for (size_t j = 0; j < c->allowed.n; j++) {
            wg_peer_add_allowed(peer, &c->allowed.prefixes[j]);
        }
        wg_peer_sort(peer);
    }
}

static int
guests_read(struct guests *g, struct nlk *nlk, const char *name)
{
    wg_device_destroy(&g->device);
    wg_device_init(&g->device);
    return wg_read(nlk, g->backend, name, &g->device);
}

static bool
device_is_ours(const struct guests *g, const struct link *link)
{
    return (!strcmp(link->alias, GUESTS_LINK_ALIAS)
            || (wg_key_is_zero(&g->device.private_key)
                && hmap_is_empty(&g->device.peers))
            || wg_key_equals(&g->device.private_key, &g->private_key));
}

/* Returns NULL or an error. */
static char *
guests_sync_device(struct guests *g, struct nlk *nlk, const struct link *link,
                   const struct plan_guests *pg)
{
    struct wg_changes changes;
    struct wg_device want;
    int error = guests_read(g, nlk, link->name);

    if (error) {
        return xasprintf("%s: cannot read the WireGuard device: %s",
                         link->name, ovs_strerror(error));
    } else if (!device_is_ours(g, link)) {
        return xasprintf("%s exists and was not made by socknet; remove it "
                         "(is wg-quick@%s enabled?) or give vpn_server "
                         "another interface", link->name, link->name);
    }
    if (strcmp(link->alias, GUESTS_LINK_ALIAS)) {
        link_set_alias(nlk, link->ifindex, GUESTS_LINK_ALIAS);
    }
    wg_device_init(&want);
    wg_changes_init(&changes);
    guests_wanted(g, pg, &want);
    wg_diff(&g->device, &want, time_wall(), &changes);
    if (!wg_changes_is_empty(&changes)) {
        error = wg_apply(nlk, g->backend, link->name, &changes);
        VLOG_INFO("%s: WireGuard configured, %"PRIuSIZE" guests changed",
                  link->name, changes.n_peers);
        guests_read(g, nlk, link->name);
    }
    wg_changes_destroy(&changes);
    wg_device_destroy(&want);
    return (error ? xasprintf("%s: cannot configure the WireGuard device: %s",
                              link->name, ovs_strerror(error)) : NULL);
}

static char *
guests_sync_link(struct nlk *nlk, const struct link *link,
                 const struct plan_guests *pg, struct sset *problems)
{
    int error = link_configure(nlk, link, GUESTS_MTU);

    if (!error) {
        error = addr_sync(nlk, link, pg->addresses.prefixes, pg->addresses.n,
                          true);
    }
    sysctl_set(problems, 2, "ipv4/conf/%s/rp_filter", link->name);
    return (error ? xasprintf("%s: cannot configure the interface: %s",
                              link->name, ovs_strerror(error)) : NULL);
}

/* A device that an agent made, but for 'keep' (may be NULL). */
static bool
is_left_over(const struct link *link, const char *keep)
{
    return (!strcmp(link->alias, GUESTS_LINK_ALIAS)
            && (!keep || strcmp(link->name, keep)));
}

void
guests_close(struct nlk *nlk, const struct links *links,
             const struct plan *plan)
{
    struct shash_node *node;

    SHASH_FOR_EACH (node, &links->by_name) {
        const struct link *link = node->data;

        if (link->up && is_left_over(link, plan->guests.interface)) {
            link_set_down(nlk, link->ifindex);
            VLOG_INFO("%s: down, no guests come by it", link->name);
        }
    }
}

static int
remove_devices(struct nlk *nlk, const struct links *links, const char *keep)
{
    struct shash_node *node;
    int error = 0;

    SHASH_FOR_EACH (node, &links->by_name) {
        const struct link *link = node->data;

        if (is_left_over(link, keep)) {
            VLOG_INFO("%s: removed, no guests come by it", link->name);
            int retval = link_delete(nlk, link->ifindex);
            error = error ? error : retval;
        }
    }
    return error;
}

/* Returns NULL or an error; 'starting' is set if it has to come back. */
static char *
guests_sync(struct guests *g, struct nlk *nlk, struct links *links,
            const struct plan *plan, struct sset *problems)
{
    const struct plan_guests *pg = &plan->guests;
    const struct link *link = links_find(links, pg->interface);
    char *error = guests_load_key(g, plan);

    if (!error && !link) {
        error = wg_link_make(nlk, links, pg->interface, &link);
    }
    if (error) {
        return error;
    }
    g->backend = link ? wg_probe(link->name, link->kind) : WG_NONE;
    if (g->backend == WG_NONE) {
        if (!link || wg_process_starting(pg->interface)) {
            g->starting = true;
            return NULL;
        }
        return xasprintf("%s exists and is not a WireGuard interface; remove "
                         "it or give vpn_server another interface",
                         pg->interface);
    }
    error = guests_sync_device(g, nlk, link, pg);
    if (!error) {
        wg_process_forget_failure(link->name);
        error = guests_sync_link(nlk, link, pg, problems);
    }
    return error;
}

bool
guests_run(struct guests *g, struct nlk *nlk, struct links *links,
           const struct plan *plan, struct sset *problems)
{
    char *error = NULL;

    g->starting = false;
    remove_devices(nlk, links, plan->guests.interface);
    if (plan->guests.interface) {
        error = guests_sync(g, nlk, links, plan, problems);
    } else {
        g->next_ms = LLONG_MAX;
        wg_device_destroy(&g->device);
        wg_device_init(&g->device);
    }
    if (error) {
        sset_add_and_free(problems, error);
        return false;
    }
    return !g->starting;
}

bool
guests_is_starting(const struct guests *g)
{
    return g->starting;
}

long long int
guests_next_ms(const struct guests *g)
{
    return g->next_ms;
}

/* To 'prefix' by 'device', in the table of guests. */
static void
add_route(const struct links *links, const struct sn_prefix *prefix,
          const char *device, struct route_list *routes)
{
    const struct link *link = links_find(links, device);

    if (link && link->up) {
        route_list_add(routes, &(struct route) {
            .dst = sn_prefix_network(prefix), .table = PLAN_GUEST_TABLE,
            .oif = link->ifindex,
        });
    }
}

/* A table of their own, so that nothing of theirs takes the host's default
 * route: containers, the mesh, other guests' nodes, the exit, or nowhere. */
void
guests_add_routes(struct nlk *nlk, const struct links *links,
                  const struct plan *plan, struct route_list *routes)
{
    const struct plan_guests *g = &plan->guests;
    struct sn_prefix any[] = {
        { .addr = { .s6_addr = { [10] = 0xff, [11] = 0xff } },
          .is_v4 = true },
        { .is_v4 = false },
    };

    if (!g->interface) {
        return;
    }
    for (size_t i = 0; i < plan->gateways.n; i++) {
        add_route(links, &plan->gateways.prefixes[i], SN_BRIDGE, routes);
    }
    for (size_t i = 0; i < plan->tunnel.n; i++) {
        add_route(links, &plan->tunnel.prefixes[i], plan->interface, routes);
    }
    for (size_t i = 0; i < plan->n_routes; i++) {
        const struct plan_route *r = &plan->routes[i];

        if (!strcmp(r->device, plan->interface)
            || !strcmp(r->device, SN_BRIDGE)) {
            add_route(links, &r->dst, r->device, routes);
        }
    }
    for (size_t i = 0; i < g->pools.n; i++) {
        add_route(links, &g->pools.prefixes[i], g->interface, routes);
    }
    const struct link *tunnel = g->exit ? links_find(links, g->exit->tunnel)
                                : NULL;
    for (size_t i = 0; i < ARRAY_SIZE(any); i++) {
        if (tunnel && addr_has_family(nlk, tunnel, any[i].is_v4)) {
            add_route(links, &any[i], g->exit->tunnel, routes);
        }
        route_list_add(routes, &(struct route) {
            .dst = any[i], .table = PLAN_GUEST_TABLE,
            .metric = ROUTE_UNREACHABLE_METRIC,
        });
    }
}

const struct wg_key *
guests_public_key(const struct guests *g)
{
    return g->key_name ? &g->public_key : NULL;
}

const struct wg_device *
guests_device(const struct guests *g)
{
    return &g->device;
}

int
guests_cleanup(struct nlk *nlk, const struct links *links)
{
    return remove_devices(nlk, links, NULL);
}
