#include <config.h>
#include "agent/paths-private.h"

#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "agent/plan.h"
#include "agent/probe.h"
#include "agent/resolve.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/vlog.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(paths);

/* By a relay nobody answers pings, but see path_ask(). */
#define RELAY_SILENT_MS 60000
/* What was sent without an answer, of a peer that need not answer. */
#define STALLED_MS 12000
/* One attempt of WireGuard, and a bit. */
#define REKEY_MS 6000
#define STALLED_BYTES 400

struct paths *
paths_create(void)
{
    struct paths *ps = xzalloc(sizeof *ps);

    ps->sock = probe_sock_create();
    ps->start_ms = time_msec();
    ps->udp_ms = LLONG_MIN / 2;
    shash_init(&ps->paths);
    rendezvous_init(&ps->rendezvous);
    return ps;
}

static void
path_destroy(struct path *p)
{
    free(p->node);
    free(p->hub);
    free(p->avoid);
    free(p->reason);
    sodium_memzero(p, sizeof *p);
    free(p);
}

void
paths_destroy(struct paths *ps)
{
    if (ps) {
        struct shash_node *node;

        SHASH_FOR_EACH (node, &ps->paths) {
            path_destroy(node->data);
        }
        shash_destroy(&ps->paths);
        rendezvous_destroy(&ps->rendezvous);
        probe_sock_destroy(ps->sock);
        free(ps->node);
        free(ps->interface);
        sodium_memzero(ps, sizeof *ps);
        free(ps);
    }
}

bool
path_is_watched(const struct paths *ps, const struct path *p)
{
    return (p->has_key
            && (ps->behind_nat || p->peer_behind_nat || p->hub || p->serves
                || (time_msec() - p->proof_ms > STALLED_MS
                    && p->tx_bytes - p->tx_at_proof > STALLED_BYTES)));
}

enum path_kind
path_classify(const struct path *p)
{
    if (p->endpoint.ss_family == AF_UNSPEC) {
        return PATH_NONE;
    } else if (p->relay.ss_family
               && wg_endpoint_equals(&p->endpoint, &p->relay)) {
        return p->relay_kind;
    }
    for (size_t i = 0; i < p->n_candidates; i++) {
        if (wg_endpoint_equals(&p->candidates[i].ss, &p->endpoint)) {
            return p->candidates[i].kind;
        }
    }
    return (ss_is_loopback(&p->endpoint) ? PATH_TCP_RELAY
            : wg_endpoint_equals(&p->endpoint, &p->former_relay) ? PATH_RELAY
            : PATH_DIRECT);
}

/* The other end is at a new hub, or will be; or what carried it by TCP is to
 * go, as UDP works again. */
static bool
path_has_left_relay(const struct path *p)
{
    return (p->relay.ss_family
            && (p->moved
                || (ss_is_loopback(&p->endpoint)
                    && !wg_endpoint_equals(&p->endpoint, &p->relay))));
}

bool
path_is_alive(const struct paths *ps, const struct path *p)
{
    long long int now = time_msec();

    if (!p->fresh) {
        return false;
    } else if (!path_is_watched(ps, p)) {
        return true;
    } else if (path_kind_is_relay(path_classify(p))) {
        return (!path_has_left_relay(p)
                && now - p->proof_ms < RELAY_SILENT_MS
                && !path_has_lost_hub(ps, p));
    }
    return !p->ping_ms || now - p->ping_ms < PATH_DEAD_MS;
}

void
path_start_hunt(struct paths *ps, struct path *p, const char *why)
{
    VLOG_DBG("%s: looking for a path: %s", p->node, why);
    p->hunting = true;
    p->hunt_ms = p->next_volley_ms = time_msec();
    p->has_best = false;
    ps->changed = true;
}

void
path_suspect(struct path *p)
{
    p->proof_ms = MIN(p->proof_ms, time_msec() - PATH_SILENT_MS);
}

/* WireGuard counts anew, for it is another peer.  The way to it is the same:
 * until they had time to shake hands it is as good as it was. */
static void
path_forget_counts(struct path *p)
{
    p->handshake = 0;
    p->rx_bytes = p->tx_bytes = p->tx_at_proof = 0;
    p->rekeyed_ms = time_msec();
    p->next_rekey_ms = p->rekeyed_ms + REKEY_RETRY_MS;
}

static void
path_set_tunnel(struct path *p, const struct plan_peer *pp)
{
    memset(&p->tunnel, 0, sizeof p->tunnel);
    for (size_t i = 0; i < pp->allowed.n; i++) {
        const struct sn_prefix *a = &pp->allowed.prefixes[i];
        struct sockaddr_in6 *sin6 = (void *) &p->tunnel;
        struct sockaddr_in *sin = (void *) &p->tunnel;

        if (a->is_v4 && a->plen == 32) {
            sin->sin_family = AF_INET;
            memcpy(&sin->sin_addr, &a->addr.s6_addr[12], 4);
            return;
        } else if (!a->is_v4 && a->plen == 128) {
            sin6->sin6_family = AF_INET6;
            sin6->sin6_addr = a->addr;
        }
    }
}

static void
path_set_peer(struct paths *ps, struct path *p, const struct plan_peer *pp,
              bool keys_changed)
{
    path_set_tunnel(p, pp);
    p->peer_behind_nat = !pp->endpoint;
    p->peer_relays = pp->relay;
    if (!pp->endpoint || !resolve_endpoint(pp->endpoint, &p->configured)) {
        p->configured.ss_family = AF_UNSPEC;
    }
    if (!pp->has_key || !ps->has_keys) {
        p->has_key = false;
    } else if (keys_changed || !p->has_key
               || !wg_key_equals(&p->key, &pp->key)) {
        if (p->has_key && !wg_key_equals(&p->key, &pp->key)) {
            path_forget_counts(p);
        }
        p->key = pp->key;
        p->has_key = probe_key_derive(&p->probe_key, &ps->private_key,
                                      &ps->public_key, &p->key);
    }
}

/* The relay that the agent before this one used is still in use. */
static void
path_adopt_relay(const struct paths *ps, struct path *p)
{
    const struct rendezvous_node *self = rendezvous_find(&ps->rendezvous,
                                                         ps->node);
    const char *hub = self ? shash_find_data(&self->relays, p->node) : NULL;

    if (self && !p->adopted && !p->hub) {
        p->adopted = true;
        p->hub = nullable_xstrdup(hub);
        p->hub_ms = time_msec();
    }
}

static struct path *
path_create(const struct paths *ps, const char *node)
{
    struct path *p = xzalloc(sizeof *p);

    p->node = xstrdup(node);
    p->kind = PATH_NONE;
    p->reason = xstrdup("");
    p->proof_ms = time_msec();
    p->rekeyed_ms = LLONG_MIN / 2;
    p->next_rekey_ms = LLONG_MAX;
    path_adopt_relay(ps, p);
    return p;
}

static bool
paths_set_keys(struct paths *ps, const struct wg_key *private,
               const struct wg_key *public)
{
    if (!private || !public) {
        ps->has_keys = false;
        return false;
    }
    bool changed = (!ps->has_keys
                    || !wg_key_equals(&ps->public_key, public));
    ps->private_key = *private;
    ps->public_key = *public;
    ps->has_keys = true;
    return changed;
}

static void path_update_candidates(struct paths *, struct path *);

void
paths_set_plan(struct paths *ps, const struct plan *plan,
               const struct wg_key *private, const struct wg_key *public)
{
    bool keys_changed = paths_set_keys(ps, private, public);
    struct shash old = SHASH_INITIALIZER(&old);
    struct shash_node *node;

    free(ps->node);
    free(ps->interface);
    ps->node = xstrdup(plan->node);
    ps->interface = xstrdup(plan->interface);
    ps->behind_nat = plan->behind_nat;
    ps->relays = plan->relay;
    ps->listen_port = plan->listen_port;
    int error = probe_sock_set_port(ps->sock, plan->listen_port);
    if (error) {
        static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(1, 1);

        VLOG_WARN_RL(&rl, "cannot probe for paths: %s%s", ovs_strerror(error),
                     error == EPERM ? "; it needs CAP_NET_RAW" : "");
    }
    shash_swap(&old, &ps->paths);
    for (size_t i = 0; i < plan->n_peers; i++) {
        const struct plan_peer *pp = &plan->peers[i];
        struct path *p = shash_find_and_delete(&old, pp->node);

        p = p ? p : path_create(ps, pp->node);
        shash_add(&ps->paths, pp->node, p);
        path_set_peer(ps, p, pp, keys_changed);
        path_update_candidates(ps, p);
    }
    SHASH_FOR_EACH (node, &ps->paths) {
        path_update_relay(ps, node->data);      /* The hub is one, too. */
    }
    SHASH_FOR_EACH (node, &old) {
        path_destroy(node->data);
    }
    shash_destroy(&old);
}

static const struct path_candidate *
path_find_candidate(const struct path *p, const struct sockaddr_storage *ss)
{
    for (size_t i = 0; i < p->n_candidates; i++) {
        if (wg_endpoint_equals(&p->candidates[i].ss, ss)) {
            return &p->candidates[i];
        }
    }
    return NULL;
}

/* New ones are a reason to look again; that the one in use is gone, to ask
 * whether it still works. */
static void
path_update_candidates(struct paths *ps, struct path *p)
{
    struct path_candidate new[ARRAY_SIZE(p->candidates)];
    struct rendezvous_candidate found[RENDEZVOUS_MAX];
    size_t n = rendezvous_candidates(&ps->rendezvous, ps->node, p->node,
                                     &p->configured, found);
    bool used = path_find_candidate(p, &p->endpoint);
    bool news = false;

    for (size_t i = 0; i < n; i++) {
        const struct path_candidate *old = path_find_candidate(p,
                                                               &found[i].ss);

        if (old) {
            new[i] = *old;
        } else {
            new[i] = (struct path_candidate) { .answered_ms = LLONG_MIN };
            news = true;
        }
        new[i].ss = found[i].ss;
        new[i].kind = found[i].kind;
        new[i].reflexive = false;
    }
    size_t n_found = n;
    for (size_t i = 0; i < p->n_candidates; i++) {
        bool known = false;

        for (size_t j = 0; j < n_found; j++) {
            known |= wg_endpoint_equals(&p->candidates[i].ss, &new[j].ss);
        }
        if (p->candidates[i].reflexive && !known) {
            new[n++] = p->candidates[i];
        }
    }
    memcpy(p->candidates, new, n * sizeof *new);
    p->n_candidates = n;
    if (news && path_is_watched(ps, p)
        && (!path_is_alive(ps, p) || path_classify(p) >= PATH_DIRECT)) {
        path_start_hunt(ps, p, "there is a new address");
    }
    if (used && !path_find_candidate(p, &p->endpoint)) {
        path_suspect(p);
    }
}

void
paths_set_rendezvous(struct paths *ps, struct rendezvous *r)
{
    struct shash_node *node;

    rendezvous_swap(&ps->rendezvous, r);
    if (!ps->node) {
        return;
    }
    SHASH_FOR_EACH (node, &ps->paths) {
        struct path *p = node->data;

        path_adopt_relay(ps, p);
        path_update_candidates(ps, p);
        path_update_relay(ps, p);
    }
}

const struct rendezvous *
paths_get_rendezvous(const struct paths *ps)
{
    return &ps->rendezvous;
}

void
paths_network_changed(struct paths *ps)
{
    struct shash_node *node;

    SHASH_FOR_EACH (node, &ps->paths) {
        struct path *p = node->data;

        if (path_is_watched(ps, p)) {
            path_suspect(p);
            if (!path_is_alive(ps, p) || path_classify(p) >= PATH_DIRECT) {
                path_start_hunt(ps, p, "the network changed");
            }
        }
    }
}

static void
path_observe(struct paths *ps, struct path *p, const struct wg_peer *peer)
{
    long long int now = time_msec();
    bool first = !p->handshake && peer->handshake;

    if (!p->observed && peer->handshake) {
        /* From an agent before this one: nobody knows when that came. */
        p->rx_bytes = peer->rx_bytes;
        p->tx_at_proof = peer->tx_bytes;
        p->proven = true;
        if (!ss_is_loopback(&peer->endpoint)) {
            path_suspect(p);
        }
        first = false;
    }
    p->observed = true;
    if (peer->rx_bytes < p->rx_bytes || peer->tx_bytes < p->tx_bytes) {
        /* Made anew for the sake of a handshake, which may be over. */
        p->rx_bytes = p->tx_at_proof = 0;
    }
    if (peer->rx_bytes > p->rx_bytes || first) {
        p->proof_ms = now;
        p->proven = true;
        /* More than the peer's half of a handshake. */
        if (peer->handshake
            && wg_endpoint_equals(&peer->endpoint, &p->relay)) {
            p->moved = p->calls = false;
            p->hub_proven = true;
        }
        p->ping_ms = 0;
        p->tx_at_proof = peer->tx_bytes;
        /* What carries it by TCP may have brought this, and the endpoint have
         * been changed since then. */
        if (!ss_is_loopback(&peer->endpoint) && !p->client_port) {
            ps->udp_ms = now;
        }
    }
    if (!wg_endpoint_equals(&p->endpoint, &peer->endpoint)) {
        p->endpoint = peer->endpoint;
        p->hub_moved = p->serves;
        p->ping_ms = 0;
        ps->changed = true;
        path_update_relay(ps, p);
    }
    p->rx_bytes = peer->rx_bytes;
    p->tx_bytes = peer->tx_bytes;
    p->handshake = peer->handshake;
    if (p->handshake && p->rx_bytes != REKEY_CROSSED_BYTES) {
        p->next_rekey_ms = LLONG_MAX;
    }
    if (p->handshake || now - p->rekeyed_ms > REKEY_MS) {
        p->fresh = time_wall() - p->handshake < WG_FRESH_S;
    }
}

void
paths_observe(struct paths *ps, const struct wg_device *device)
{
    struct shash_node *node;

    SHASH_FOR_EACH (node, &ps->paths) {
        struct path *p = node->data;
        const struct wg_peer *peer
            = p->has_key ? wg_device_find_peer(device, &p->key) : NULL;

        if (peer) {
            path_observe(ps, p, peer);
        }
    }
}
