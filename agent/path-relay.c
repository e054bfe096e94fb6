#include <config.h>
#include "agent/paths-private.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "agent/relay-conf.h"
#include "agent/relay-sock.h"
#include "hash.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/vlog.h"
#include "socket-util.h"
#include "sset.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(path_relay);

/* A relay that is needed no longer stays for packets under way. */
#define LINGER_MS 15000
/* One that brings nothing gets this long before another is asked. */
#define TRY_MS 12000
#define HUB_TCP_MS 10000
/* So long it is not asked again, unless there is no other. */
#define AVOID_MS 60000
/* A relayed path is silent: it may be for want of traffic, or the hub's end;
 * after the second, keepalives are missing as well. */
#define HUB_SILENT_MS 2000
#define HUB_IDLE_MS 30000
/* The database needs this long to say that a relay has heard something. */
#define HEARD_MS 1000
/* So often a hub is asked then. */
#define HUB_PING_MS 1000
/* Nothing came by UDP from anybody for so long: it does not get through. */
#define UDP_MS 30000
#define FIRST_UDP_MS 1500

/* What several others see as one address and many ports. */
static bool
is_symmetric(const struct rendezvous_node *node)
{
    for (size_t i = 0; node && i < node->n_observed; i++) {
        for (size_t j = 0; j < i; j++) {
            const struct sockaddr_storage *a = &node->observed[i].ss;
            const struct sockaddr_storage *b = &node->observed[j].ss;

            if (ss_same_host(a, b) && !wg_endpoint_equals(a, b)) {
                return true;
            }
        }
    }
    return false;
}

static bool
paths_lack_udp(const struct paths *ps)
{
    long long int silence = time_msec() - MAX(ps->udp_ms, ps->start_ms);

    return silence > (ps->udp_ms < ps->start_ms ? FIRST_UDP_MS : UDP_MS);
}

void
path_explain_nat(const struct paths *ps, const struct path *p, struct ds *ds)
{
    const char *names[] = { ps->node, p->node };

    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        if (is_symmetric(rendezvous_find(&ps->rendezvous, names[i]))) {
            ds_put_format(ds, "; the NAT of %s has another port for each "
                          "destination", names[i]);
        }
    }
    if (paths_lack_udp(ps)) {
        ds_put_format(ds, "; no UDP from anybody reaches %s", ps->node);
    }
}

static const char *
heard(const struct rendezvous_relay *relay, const char *node)
{
    return strcmp(node, relay->a) ? relay->heard_b : relay->heard_a;
}

void
path_explain_relay(const struct paths *ps, const struct path *p,
                   struct ds *ds)
{
    const struct rendezvous_relay *relay;

    if (!p->hub) {
        ds_put_cstr(ds, "; no node that both reach can relay");
        return;
    }
    relay = rendezvous_find_relay(&ps->rendezvous, p->hub, ps->node, p->node);
    if (!relay || !relay->port) {
        ds_put_format(ds, "; %s has no relay open yet", p->hub);
    } else if (!heard(relay, ps->node)) {
        ds_put_format(ds, "; the relay at %s does not hear this node (port "
                      "%u)", p->hub, relay->port);
    } else if (!heard(relay, p->node)) {
        ds_put_format(ds, "; the relay at %s does not hear %s (port %u)",
                      p->hub, p->node, relay->port);
    } else {
        ds_put_format(ds, "; nothing comes back by the relay at %s", p->hub);
    }
}

static bool
reaches(const struct paths *ps, const char *hub, const char *node)
{
    const struct rendezvous_node *h = rendezvous_find(&ps->rendezvous, hub);

    return h && sset_contains(&h->reaches, node);
}

/* Whether both can meet at 'hub', a peer. */
static bool
can_meet(const struct paths *ps, const struct path *p,
         const struct path *hub)
{
    return (hub != p && hub->peer_relays && hub->has_key
            && (!p->avoid || strcmp(p->avoid, hub->node)
                || time_msec() - p->avoid_ms > AVOID_MS)
            && reaches(ps, hub->node, p->node)
            && (path_is_alive(ps, hub) || paths_lack_udp(ps)));
}

/* Both come to the same, and different pairs to different hubs. */
static const char *
choose_hub(const struct paths *ps, const struct path *p)
{
    bool ordered = strcmp(ps->node, p->node) < 0;
    uint32_t basis = hash_string(ordered ? p->node : ps->node,
                                 hash_string(ordered ? ps->node : p->node,
                                             0));
    const struct shash_node *node;
    const char *best = NULL;
    uint32_t best_hash = 0;

    /* A hub that does not answer by UDP may do so by TCP; it does not ask
     * itself to relay. */
    if (p->peer_relays && (!ps->relays || !ordered)) {
        return (paths_lack_udp(ps)
                || time_msec() - p->hunt_ms > HUB_TCP_MS ? p->node : NULL);
    } else if (ps->relays) {
        return NULL;
    }
    SHASH_FOR_EACH (node, &ps->paths) {
        const struct path *hub = node->data;
        uint32_t hash = hash_string(hub->node, basis);

        if (can_meet(ps, p, hub) && (!best || hash > best_hash)) {
            best = hub->node;
            best_hash = hash;
        }
    }
    return best;
}

static const char *
peer_wish(const struct paths *ps, const struct path *p)
{
    const struct rendezvous_node *peer = rendezvous_find(&ps->rendezvous,
                                                         p->node);

    return peer ? shash_find_data(&peer->relays, ps->node) : NULL;
}

static void
set_hub(struct paths *ps, struct path *p, const char *hub)
{
    if (!nullable_string_is_equal(p->hub, hub)) {
        VLOG_INFO("%s: %s%s", p->node, hub ? "asking for a relay at "
                  : "no relay any more", hub ? hub : "");
        if (p->hub && p->relay.ss_family) {
            p->former_relay = p->relay;
        }
        p->moved = p->hub && hub;
        p->calls = false;
        free(p->hub);
        p->hub = nullable_xstrdup(hub);
        p->hub_ms = time_msec();
        p->hub_proven = false;
        ps->changed = true;
        path_update_relay(ps, p);
    }
}

/* The node whose name is first decides, if it has decided. */
static void
path_choose_hub(struct paths *ps, struct path *p)
{
    const char *wish = peer_wish(ps, p);
    bool peer_decides = strcmp(p->node, ps->node) < 0;

    if (wish && (peer_decides || !p->hub)) {
        set_hub(ps, p, wish);
    } else if (p->hub && !path_is_alive(ps, p)
               && (p->hub_proven || time_msec() - p->hub_ms > TRY_MS)
               && strcmp(p->hub, ps->node) && strcmp(p->hub, p->node)) {
        free(p->avoid);
        p->avoid = xstrdup(p->hub);
        p->avoid_ms = time_msec();
        const char *other = choose_hub(ps, p);
        if (other) {
            set_hub(ps, p, other);
        }
    } else if (!p->hub) {
        const char *hub = choose_hub(ps, p);

        if (hub) {
            set_hub(ps, p, hub);
        }
    }
}

void
path_ask_relay(struct paths *ps, struct path *p, bool needed)
{
    long long int now = time_msec();

    if (needed) {
        p->direct_ms = 0;
        path_choose_hub(ps, p);
    } else if (p->hub && !p->direct_ms) {
        p->direct_ms = now;
    } else if (p->hub && now - p->direct_ms > LINGER_MS) {
        set_hub(ps, p, NULL);
    }
}

void
path_call_relay(struct paths *ps, struct path *p)
{
    p->moved = p->calls = ps->changed = true;
    p->hub_ms = time_msec();
    p->hub_proven = false;
}

/* A relay that was opened anew, or started anew, knows nobody; and an idle
 * node would not begin a handshake: its session is good. */
void
path_watch_relay(struct paths *ps, struct path *p, long long int now)
{
    const struct rendezvous_relay *relay
        = p->hub ? rendezvous_find_relay(&ps->rendezvous, p->hub, ps->node,
                                         p->node) : NULL;

    if (!relay || !relay->port || heard(relay, ps->node)
        || path_classify(p) != PATH_RELAY) {
        p->unheard_ms = 0;
    } else if (!p->unheard_ms) {
        p->unheard_ms = now;
    } else if (!p->moved && p->proof_ms < p->unheard_ms
               && now - p->unheard_ms > HEARD_MS) {
        VLOG_INFO("%s: the relay at %s does not hear this node (port %u); "
                  "calling it", p->node, p->hub, relay->port);
        path_call_relay(ps, p);
    }
}

/* Whether the peer gets nothing from this node. */
static bool
peer_is_lost(const struct paths *ps, const struct path *p)
{
    const struct rendezvous_node *peer = rendezvous_find(&ps->rendezvous,
                                                         p->node);

    return peer && sset_contains(&peer->lost, ps->node);
}

/* Something should have come by the relay. */
static bool
path_misses_answers(const struct paths *ps, const struct path *p,
                    long long int now)
{
    long long int silence = now - p->proof_ms;

    return (silence > HUB_IDLE_MS
            || (silence > HUB_SILENT_MS
                && (p->tx_bytes - p->tx_at_proof >= PATH_SENDING_BYTES
                    || peer_is_lost(ps, p))));
}

/* NULL: it is this node or the peer. */
static struct path *
path_find_hub(const struct paths *ps, const struct path *p)
{
    struct path *hub = p->hub ? shash_find_data(&ps->paths, p->hub) : NULL;

    return hub != p ? hub : NULL;
}

/* One that is relayed itself is not asked any further. */
static bool
hub_answers(const struct paths *ps, const struct path *hub,
            long long int now)
{
    return (path_kind_is_relay(path_classify(hub))
            ? hub->fresh && now - hub->proof_ms < HUB_IDLE_MS
            : path_is_alive(ps, hub));
}

/* That an agent there is silent, too, is not enough: a relay outlives it.  Nor
 * that nothing comes: the peer may have nothing to say. */
bool
path_has_lost_hub(const struct paths *ps, const struct path *p)
{
    const struct path *hub = path_find_hub(ps, p);

    if (!path_misses_answers(ps, p, time_msec())) {
        return false;
    } else if (p->needs_client) {
        return !p->client_connected;
    }
    return hub && !hub_answers(ps, hub, time_msec());
}

void
paths_watch_hubs(struct paths *ps)
{
    long long int now = time_msec();
    struct shash_node *node;

    SHASH_FOR_EACH (node, &ps->paths) {
        struct path *p = node->data;

        p->serves = false;
    }
    SHASH_FOR_EACH (node, &ps->paths) {
        struct path *p = node->data;
        struct path *hub = path_find_hub(ps, p);

        if (hub) {
            if (hub->hub_moved) {
                path_update_relay(ps, p);
            }
            hub->serves = true;
            if (path_misses_answers(ps, p, now)
                && now - hub->proof_ms > HUB_PING_MS) {
                path_suspect(hub);
            }
        }
    }
    SHASH_FOR_EACH (node, &ps->paths) {
        struct path *p = node->data;

        p->hub_moved = false;
    }
}

/* By TCP if the hub does not hear this node otherwise; and as before while
 * the agent does not know that yet. */
static bool
path_needs_tcp(const struct paths *ps, const struct path *p)
{
    return (strcmp(p->hub, ps->node)
            && (paths_lack_udp(ps) || !strcmp(p->hub, p->node)
                || (ss_is_loopback(&p->endpoint)
                    && ps->udp_ms < ps->start_ms
                    && time_msec() - ps->start_ms < UDP_MS)));
}

/* The hub's endpoint with the port of the pair.  Where IPv4 does not lead to
 * the hub, and IPv6 does, or the other way round, the relay is there, too. */
static bool
hub_endpoint(const struct paths *ps, const struct path *p, uint16_t port,
             struct sockaddr_storage *ss)
{
    const struct path *hub = shash_find_data(&ps->paths, p->hub);

    if (!hub || hub->configured.ss_family == AF_UNSPEC) {
        return false;
    }
    bool other = (hub->endpoint.ss_family
                  && hub->endpoint.ss_family != hub->configured.ss_family
                  && !path_kind_is_relay(path_classify(hub)));
    *ss = other ? hub->endpoint : hub->configured;
    if (ss->ss_family == AF_INET) {
        ((struct sockaddr_in *) ss)->sin_port = htons(port);
    } else {
        ((struct sockaddr_in6 *) ss)->sin6_port = htons(port);
    }
    return true;
}

void
path_update_relay(struct paths *ps, struct path *p)
{
    const struct rendezvous_relay *relay
        = p->hub ? rendezvous_find_relay(&ps->rendezvous, p->hub, ps->node,
                                         p->node) : NULL;
    struct sockaddr_storage ss = { .ss_family = AF_UNSPEC };
    enum path_kind kind = PATH_RELAY;

    if (!p->hub && peer_wish(ps, p)) {
        path_suspect(p);        /* It found the direct path dead. */
    }
    p->needs_client = false;
    if (relay && relay->port && !strcmp(p->hub, ps->node)) {
        relay_sock_loopback(relay->port, &ss);
        kind = PATH_TCP_RELAY;
    } else if (relay && relay->port
               && hub_endpoint(ps, p, relay->port, &p->hub_endpoint)) {
        if (path_needs_tcp(ps, p)) {
            kind = PATH_TCP_RELAY;
            p->needs_client = true;
            if (p->client_port) {
                relay_sock_loopback(p->client_port, &ss);
            }
        } else {
            ss = p->hub_endpoint;
        }
    }
    if (!wg_endpoint_equals(&ss, &p->relay) || kind != p->relay_kind) {
        p->relay = ss;
        p->relay_kind = kind;
        ps->changed = true;
    }
}

void
paths_set_relay_status(struct paths *ps, const struct relay_status *status)
{
    struct shash_node *node;

    SHASH_FOR_EACH (node, &ps->paths) {
        struct path *p = node->data;
        const struct relay_status_client *client
            = shash_find_data(&status->clients, p->node);

        bool lost = p->client_port && !p->client_connected;

        p->client_port = client ? client->port : 0;
        p->client_connected = client && !strcmp(client->text, "connected");
        if (lost && p->client_connected && p->fresh
            && wg_endpoint_equals(&p->endpoint, &p->relay)) {
            /* The relay does not know yet whose connection it is. */
            path_call_relay(ps, p);
        }
        path_update_relay(ps, p);
    }
}

/* It goes after WireGuard has left it. */
static bool
path_uses_client(const struct path *p)
{
    struct sockaddr_storage ss;

    relay_sock_loopback(p->client_port, &ss);
    return (p->client_port && p->hub_endpoint.ss_family
            && wg_endpoint_equals(&p->endpoint, &ss));
}

void
paths_get_clients(const struct paths *ps, struct shash *clients)
{
    const struct shash_node *node;

    SHASH_FOR_EACH (node, &ps->paths) {
        const struct path *p = node->data;

        if (p->needs_client || path_uses_client(p)) {
            struct relay_conf_client *client = xzalloc(sizeof *client);

            client->hub = p->hub_endpoint;
            client->wg_port = ps->listen_port;
            shash_add(clients, p->node, client);
        }
    }
}
