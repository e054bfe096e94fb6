#include <config.h>
#include "agent/trace-private.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "agent/agent-private.h"
#include "agent/central.h"
#include "agent/exit-probe.h"
#include "agent/exit-watch.h"
#include "agent/guests.h"
#include "agent/link.h"
#include "agent/nft.h"
#include "agent/paths.h"
#include "agent/plan.h"
#include "agent/wg.h"
#include "openvswitch/dynamic-string.h"
#include "state/model.h"
#include "svec.h"
#include "timeval.h"
#include "util.h"

#define PROBE_MS 1000
/* Where nobody listens: a refusal is an answer. */
#define PROBE_PORT 9

/* The peer that WireGuard takes an address for, and by which of its
 * prefixes. */
static const struct wg_peer *
find_owner(const struct wg_device *device, const struct sn_prefix *address,
           const struct sn_prefix **ret_prefix)
{
    const struct wg_peer *peer, *owner = NULL;

    *ret_prefix = NULL;
    HMAP_FOR_EACH (peer, node, &device->peers) {
        for (size_t i = 0; i < peer->n_allowed; i++) {
            const struct sn_prefix *p = &peer->allowed[i];

            if (sn_prefix_contains(p, address)
                && (!*ret_prefix || p->plen > (*ret_prefix)->plen)) {
                *ret_prefix = p;
                owner = peer;
            }
        }
    }
    return owner;
}

/* As the kernel has it now, not as it was at the last pass. */
static bool
read_device(struct trace *t, const struct link *link,
            struct wg_device *device)
{
    enum wg_backend backend = wg_probe(link->name, link->kind);

    wg_device_init(device);
    return (backend != WG_NONE
            && !wg_read(t->agent->nlk, backend, link->name, device));
}

static const char *
key_owner(const struct plan *plan, const struct wg_key *key)
{
    for (size_t i = 0; i < plan->n_peers; i++) {
        const struct plan_peer *p = &plan->peers[i];

        if ((p->has_key && wg_key_equals(&p->key, key))
            || (p->has_next_key && wg_key_equals(&p->next_key, key))) {
            return p->node;
        }
    }
    return "a peer that nobody declared";
}

/* Whose an address should be; NULL: nobody's. */
static const struct plan_peer *
wanted_owner(const struct plan *plan, const struct sn_prefix *address)
{
    const struct plan_peer *owner = NULL;
    int plen = -1;

    for (size_t i = 0; i < plan->n_peers; i++) {
        for (size_t j = 0; j < plan->peers[i].allowed.n; j++) {
            const struct sn_prefix *p = &plan->peers[i].allowed.prefixes[j];

            if (sn_prefix_contains(p, address) && p->plen > plen) {
                owner = &plan->peers[i];
                plen = p->plen;
            }
        }
    }
    return owner;
}

static char *
describe_peer(const char *name, const struct wg_peer *peer,
              const struct sn_prefix *prefix)
{
    char *allowed = sn_prefix_to_string(prefix);
    struct ds s = DS_EMPTY_INITIALIZER;

    ds_put_format(&s, "peer %s, AllowedIPs %s, endpoint ", name, allowed);
    if (peer->endpoint.ss_family) {
        wg_endpoint_format(&peer->endpoint, &s);
    } else {
        ds_put_cstr(&s, "unknown");
    }
    if (peer->handshake) {
        ds_put_format(&s, ", handshake %lld s ago",
                      (long long int) time_wall()
                      - (long long int) peer->handshake);
    } else {
        ds_put_cstr(&s, ", no handshake");
    }
    free(allowed);
    return ds_steal_cstr(&s);
}

/* Nothing has 'address', or somebody else than it should be. */
static void
stop_unowned(struct trace *t, const struct sn_prefix *address,
             const char *device, const char *wanted, const char *owner)
{
    char *s = sn_prefix_addr_to_string(address);

    trace_stop(t, owner
               ? xasprintf("WireGuard's AllowedIPs on %s at %s have %s with "
                           "%s, and not with %s", device, t->agent->node, s,
                           owner, wanted)
               : xasprintf("WireGuard's AllowedIPs on %s at %s do not have "
                           "%s with %s", device, t->agent->node, s, wanted),
               xasprintf("`wg show %s allowed-ips`; the agent puts it right "
                         "within seconds unless `socknet status` says why "
                         "it cannot", device));
    free(s);
}

static void
begin_probe(struct trace *t, const char *device, const struct svec *targets)
{
    t->tunnel.device = xstrdup(device);
    t->probe = exit_probe_create();
    exit_probe_start(t->probe, device, targets, PROBE_MS);
}

static void
probe_node(struct trace *t, const char *device, const struct sn_prefix *node)
{
    char *address = sn_prefix_addr_to_string(node);
    struct svec targets = SVEC_EMPTY_INITIALIZER;

    svec_add_nocopy(&targets, xasprintf(node->is_v4 ? "%s:%d" : "[%s]:%d",
                                        address, PROBE_PORT));
    begin_probe(t, device, &targets);
    svec_destroy(&targets);
    free(address);
}

/* Looks at the peer again: whether anything came out of the tunnel since the
 * probe began, and how it is now. */
static bool
tunnel_received(struct trace *t)
{
    struct trace_tunnel *tunnel = &t->tunnel;
    const struct link *link = links_find(&t->agent->links, tunnel->device);
    struct wg_device device;
    bool received = false;

    if (link && read_device(t, link, &device)) {
        const struct sn_prefix *prefix;
        const struct wg_peer *peer = find_owner(&device, &t->packet.dst,
                                                &prefix);

        if (peer) {
            received = peer->rx_bytes > tunnel->rx_bytes;
            free(tunnel->text);
            tunnel->text = describe_peer(tunnel->peer, peer, prefix);
        }
        wg_device_destroy(&device);
    }
    return received;
}

bool
trace_probe_run(struct trace *t)
{
    struct trace_tunnel *tunnel = &t->tunnel;
    bool left = !strcmp(tunnel->end, "left"), ok;

    if (!exit_probe_run(t->probe, &ok)) {
        return false;
    }
    ok |= !left && tunnel_received(t);
    if (ok) {
        trace_step(t, "tunnel", true, "%s; it answers", tunnel->text);
        trace_end(t, tunnel->end, tunnel->peer);
        t->from = tunnel->from;
        tunnel->from = NULL;
    } else {
        trace_step(t, "tunnel", false, "%s; no answer", tunnel->text);
        trace_stop(t, xasprintf("%s: nothing answers through %s (%s)",
                                left ? tunnel->peer : tunnel->text,
                                tunnel->device,
                                exit_probe_reason(t->probe)),
                   left ? xasprintf("`socknet exit test %s`", tunnel->peer)
                   : xasprintf("`socknet peers %s` tells how they reach "
                               "each other; a firewall between or at %s "
                               "that drops UDP, or what comes by %s?",
                               tunnel->peer, tunnel->peer, tunnel->device));
    }
    exit_probe_destroy(t->probe);
    t->probe = NULL;
    return true;
}

/* Out. */

static void
enter_mesh(struct trace *t, const struct link *link, const char *node,
           const struct wg_peer *peer, const struct sn_prefix *prefix)
{
    const struct model_node *mn
        = model_get_node(central_model(t->agent->central), node);
    struct path_status path = paths_get_status(t->agent->paths, node);

    t->tunnel.text = describe_peer(node, peer, prefix);
    if (path.kind == PATH_NONE && path.reason[0]) {
        trace_step(t, "path", false, "none to %s: %s", node, path.reason);
    } else {
        trace_step(t, "path", path.kind != PATH_NONE, "%s%s%s",
                   path_kind_to_string(path.kind), path.relay[0] ? " by " : "",
                   path.relay);
    }
    t->tunnel.peer = xstrdup(node);
    t->tunnel.rx_bytes = peer->rx_bytes;
    t->tunnel.end = "next";
    t->tunnel.from = xasprintf("mesh:%s", t->agent->node);
    if (mn && mn->address.plen) {
        probe_node(t, link->name, &mn->address);
    } else {
        trace_step(t, "tunnel", true, "%s", t->tunnel.text);
        trace_end(t, "next", node);
        t->from = xstrdup(t->tunnel.from);
    }
}

void
trace_into_mesh(struct trace *t, const struct link *link)
{
    const struct plan *plan = t->agent->plan;
    const struct plan_peer *wanted = wanted_owner(plan, &t->packet.dst);
    const struct sn_prefix *prefix;
    struct wg_device device;

    if (!read_device(t, link, &device)) {
        trace_stop(t, xasprintf("WireGuard on %s at %s does not answer",
                                link->name, t->agent->node), NULL);
        return;
    }
    const struct wg_peer *peer = find_owner(&device, &t->packet.dst,
                                            &prefix);
    const char *owner = peer ? key_owner(plan, &peer->key) : NULL;

    if (!owner || (wanted && strcmp(owner, wanted->node))) {
        stop_unowned(t, &t->packet.dst, link->name,
                     wanted ? wanted->node : "anybody", owner);
    } else {
        enter_mesh(t, link, owner, peer, prefix);
    }
    wg_device_destroy(&device);
}

/* To the node that has the exit, which goes on from there. */
static void
into_remote_exit(struct trace *t, const struct plan_exit *x,
                 const struct link *link)
{
    struct wg_device device;
    const struct sn_prefix *prefix;
    bool ok = read_device(t, link, &device)
              && find_owner(&device, &t->packet.dst, &prefix);

    wg_device_destroy(&device);
    if (!ok) {
        trace_stop(t, xasprintf("the tunnel %s to the exit %s has no peer",
                                link->name, x->key), NULL);
        return;
    }
    trace_step(t, "tunnel", true, "%s to %s, which has the exit", link->name,
               x->remote);
    trace_end(t, "next", x->remote);
    t->from = xasprintf("inlet:%s", strchr(x->key, '/') + 1);
}

void
trace_into_exit(struct trace *t, const struct plan_exit *x,
                const struct link *link)
{
    bool guarded = nft_is_in_place(t->agent->nft);
    struct exit_view view;

    trace_step(t, "guard", guarded, "%s", guarded
               ? "nftables: masquerade, and nowhere but into the tunnel"
               : "socknet's table in nftables is not in place");
    if (exit_watch_get(t->agent->exits, x->name, &view) && !view.up) {
        trace_stop(t, xasprintf("the exit %s is down: %s", x->key,
                                view.reason),
                   xasprintf("`socknet exit test %s`", x->key));
    } else if (x->remote) {
        into_remote_exit(t, x, link);
    } else {
        t->tunnel.text = xasprintf("%s of exit %s", link->name, x->key);
        t->tunnel.peer = xstrdup(x->key);
        t->tunnel.end = "left";
        if (x->probe.enabled && x->probe.targets.n) {
            begin_probe(t, link->name, &x->probe.targets);
        } else {
            trace_step(t, "tunnel", true, "%s, not probed", t->tunnel.text);
            trace_end(t, "left", x->key);
        }
    }
}

static const struct plan_client *
find_client(const struct plan *plan, const struct wg_key *key)
{
    for (size_t i = 0; i < plan->guests.n_clients; i++) {
        const struct plan_client *c = &plan->guests.clients[i];

        if (c->has_key && wg_key_equals(&c->key, key)) {
            return c;
        }
    }
    return NULL;
}

void
trace_into_guests(struct trace *t, const struct link *link)
{
    struct wg_device device;
    const struct sn_prefix *prefix;
    const struct wg_peer *peer = NULL;
    const struct plan_client *client = NULL;

    if (read_device(t, link, &device)) {
        peer = find_owner(&device, &t->packet.dst, &prefix);
        client = peer ? find_client(t->agent->plan, &peer->key) : NULL;
    }
    if (!client) {
        trace_stop(t, xasprintf("no guest that is let in at %s has that "
                                "address", t->agent->node),
                   xstrdup("`socknet client list`"));
    } else {
        char *text = describe_peer(client->name, peer, prefix);

        trace_step(t, "tunnel", peer->handshake > 0, "%s", text);
        free(text);
        if (peer->endpoint.ss_family && peer->handshake) {
            trace_end(t, "delivered", client->name);
        } else {
            trace_stop(t, xasprintf("the guest %s is not connected",
                                    client->name), NULL);
        }
    }
    wg_device_destroy(&device);
}

/* In. */

/* Whether the interface is there, with what WireGuard has on it. */
static bool
open_device(struct trace *t, const char *name, struct wg_device *device)
{
    const struct link *link;

    links_read(&t->agent->links, t->agent->nlk);
    link = name ? links_find(&t->agent->links, name) : NULL;
    if (!link || !link->up) {
        wg_device_init(device);
        trace_stop(t, xasprintf("%s of %s is %s", name ? name : "the tunnel",
                                t->agent->node, link ? "down" : "not there"),
                   NULL);
        return false;
    } else if (!read_device(t, link, device)) {
        trace_stop(t, xasprintf("WireGuard on %s at %s does not answer",
                                name, t->agent->node), NULL);
        return false;
    }
    return true;
}

void
trace_from_mesh(struct trace *t, const char *node)
{
    const struct plan *plan = t->agent->plan;
    const struct sn_prefix *prefix;
    struct wg_device device;

    if (open_device(t, plan->interface, &device)) {
        const struct wg_peer *peer = find_owner(&device, &t->packet.src,
                                                &prefix);
        const char *owner = peer ? key_owner(plan, &peer->key) : NULL;

        if (!owner || strcmp(owner, node)) {
            stop_unowned(t, &t->packet.src, plan->interface, node, owner);
        } else {
            char *text = describe_peer(node, peer, prefix);

            trace_step(t, "tunnel", true, "%s: %s", plan->interface, text);
            free(text);
            trace_route(t, plan->interface);
        }
    }
    wg_device_destroy(&device);
}

void
trace_from_client(struct trace *t, const char *name)
{
    const char *interface = t->agent->plan->guests.interface;
    const struct sn_prefix *prefix;
    struct wg_device device;

    if (open_device(t, interface, &device)) {
        const struct wg_peer *peer = find_owner(&device, &t->packet.src,
                                                &prefix);
        const struct plan_client *client
            = peer ? find_client(t->agent->plan, &peer->key) : NULL;

        if (!client || strcmp(client->name, name)) {
            stop_unowned(t, &t->packet.src, interface, name,
                         client ? client->name : NULL);
        } else {
            char *text = describe_peer(name, peer, prefix);

            trace_step(t, "tunnel", peer->handshake > 0, "%s: %s", interface,
                       text);
            free(text);
            trace_route(t, interface);
        }
    }
    wg_device_destroy(&device);
}

void
trace_from_inlet(struct trace *t, const char *name)
{
    const struct plan *plan = t->agent->plan;

    for (size_t i = 0; i < plan->n_exits; i++) {
        const struct plan_exit *x = &plan->exits[i];

        if (x->inlet && !strcmp(x->name, name)) {
            trace_step(t, "tunnel", true, "%s", x->inlet);
            trace_route(t, x->inlet);
            return;
        }
    }
    trace_stop(t, xasprintf("%s lets no other node use an exit %s",
                            t->agent->node, name), NULL);
}
