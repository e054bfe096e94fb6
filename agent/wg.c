#include <config.h>
#include "agent/wg.h"

#include <arpa/inet.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "hash.h"
#include "openvswitch/dynamic-string.h"
#include "socket-util.h"
#include "util.h"

/* Any will do: it is switched off at once. */
#define KICK_KEEPALIVE_S 25

bool
wg_key_is_zero(const struct wg_key *key)
{
    return sodium_is_zero(key->bytes, sizeof key->bytes);
}

bool
wg_key_equals(const struct wg_key *a, const struct wg_key *b)
{
    return !sodium_memcmp(a->bytes, b->bytes, sizeof a->bytes);
}

void
wg_key_to_base64(const struct wg_key *key, char text[WG_KEY_LEN_BASE64])
{
    sodium_bin2base64(text, WG_KEY_LEN_BASE64, key->bytes, sizeof key->bytes,
                      sodium_base64_VARIANT_ORIGINAL);
}

bool
wg_key_from_base64(const char *text, struct wg_key *ret_key)
{
    struct wg_key key;
    size_t len;
    bool ok = (strlen(text) == WG_KEY_LEN_BASE64 - 1
               && !sodium_base642bin(key.bytes, sizeof key.bytes, text,
                                     WG_KEY_LEN_BASE64 - 1, NULL, &len, NULL,
                                     sodium_base64_VARIANT_ORIGINAL)
               && len == sizeof key.bytes);

    if (ok) {
        *ret_key = key;
    }
    sodium_memzero(&key, sizeof key);
    return ok;
}

static uint32_t
wg_key_hash(const struct wg_key *key)
{
    return hash_bytes(key->bytes, sizeof key->bytes, 0);
}

void
wg_device_init(struct wg_device *device)
{
    memset(device, 0, sizeof *device);
    hmap_init(&device->peers);
}

void
wg_device_destroy(struct wg_device *device)
{
    struct wg_peer *peer;

    HMAP_FOR_EACH_POP (peer, node, &device->peers) {
        sodium_memzero(&peer->preshared_key, sizeof peer->preshared_key);
        free(peer->allowed);
        free(peer);
    }
    hmap_destroy(&device->peers);
    sodium_memzero(&device->private_key, sizeof device->private_key);
}

struct wg_peer *
wg_device_find_peer(const struct wg_device *device, const struct wg_key *key)
{
    struct wg_peer *peer;

    HMAP_FOR_EACH_WITH_HASH (peer, node, wg_key_hash(key), &device->peers) {
        if (wg_key_equals(&peer->key, key)) {
            return peer;
        }
    }
    return NULL;
}

struct wg_peer *
wg_device_add_peer(struct wg_device *device, const struct wg_key *key)
{
    struct wg_peer *peer = wg_device_find_peer(device, key);

    if (!peer) {
        peer = xzalloc(sizeof *peer);
        peer->key = *key;
        hmap_insert(&device->peers, &peer->node, wg_key_hash(key));
    }
    return peer;
}

void
wg_peer_add_allowed(struct wg_peer *peer, const struct sn_prefix *prefix)
{
    if (peer->n_allowed >= peer->allocated_allowed) {
        peer->allowed = x2nrealloc(peer->allowed, &peer->allocated_allowed,
                                   sizeof *peer->allowed);
    }
    peer->allowed[peer->n_allowed++] = sn_prefix_network(prefix);
}

static int
prefix_compare(const void *a, const void *b)
{
    return sn_prefix_compare(a, b);
}

void
wg_peer_sort(struct wg_peer *peer)
{
    if (peer->n_allowed > 1) {
        qsort(peer->allowed, peer->n_allowed, sizeof *peer->allowed,
              prefix_compare);
    }
}

static bool
wg_peer_has_allowed(const struct wg_peer *peer, const struct sn_prefix *p)
{
    return (peer->n_allowed
            && bsearch(p, peer->allowed, peer->n_allowed,
                       sizeof *peer->allowed, prefix_compare));
}

bool
wg_endpoint_equals(const struct sockaddr_storage *a,
                   const struct sockaddr_storage *b)
{
    if (a->ss_family != b->ss_family) {
        return false;
    } else if (a->ss_family == AF_INET) {
        const struct sockaddr_in *x = (const void *) a;
        const struct sockaddr_in *y = (const void *) b;

        return (x->sin_port == y->sin_port
                && x->sin_addr.s_addr == y->sin_addr.s_addr);
    } else if (a->ss_family == AF_INET6) {
        const struct sockaddr_in6 *x = (const void *) a;
        const struct sockaddr_in6 *y = (const void *) b;

        return (x->sin6_port == y->sin6_port
                && x->sin6_scope_id == y->sin6_scope_id
                && !memcmp(&x->sin6_addr, &y->sin6_addr, 16));
    }
    return true;
}

/* Both back ends' form, numbers only.  libopenvswitch's inet_parse_active()
 * would log what it does not understand. */
bool
wg_endpoint_parse(const char *text, struct sockaddr_storage *ret_ss)
{
    struct sockaddr_storage ss = { .ss_family = AF_UNSPEC };
    struct sockaddr_in6 *sin6 = (void *) &ss;
    struct sockaddr_in *sin = (void *) &ss;
    const char *colon = strrchr(text, ':');
    char host[INET6_ADDRSTRLEN];
    size_t len = colon ? colon - text : 0;
    int port;

    if (!colon || !str_to_int(colon + 1, 10, &port)
        || port < 1 || port > 65535) {
        return false;
    }
    bool is_v6 = len > 2 && text[0] == '[' && text[len - 1] == ']';
    if (is_v6) {
        text++;
        len -= 2;
    }
    if (!len || len >= sizeof host) {
        return false;
    }
    memcpy(host, text, len);
    host[len] = '\0';
    if (is_v6 && inet_pton(AF_INET6, host, &sin6->sin6_addr) == 1) {
        sin6->sin6_family = AF_INET6;
        sin6->sin6_port = htons(port);
    } else if (!is_v6 && inet_pton(AF_INET, host, &sin->sin_addr) == 1) {
        sin->sin_family = AF_INET;
        sin->sin_port = htons(port);
    } else {
        return false;
    }
    *ret_ss = ss;
    return true;
}

void
wg_endpoint_format(const struct sockaddr_storage *ss, struct ds *ds)
{
    if (ss->ss_family != AF_UNSPEC) {
        ss_format_address(ss, ds);
        ds_put_format(ds, ":%u", ss_get_port(ss));
    }
}

const char *
wg_backend_name(enum wg_backend backend)
{
    return (backend == WG_KERNEL ? "kernel"
            : backend == WG_USERSPACE ? "wireguard-go" : "none");
}

void
wg_changes_init(struct wg_changes *changes)
{
    memset(changes, 0, sizeof *changes);
}

void
wg_changes_destroy(struct wg_changes *changes)
{
    for (size_t i = 0; i < changes->n_peers; i++) {
        sodium_memzero(&changes->peers[i].preshared_key,
                       sizeof changes->peers[i].preshared_key);
        free(changes->peers[i].allowed);
    }
    free(changes->peers);
    sodium_memzero(changes, sizeof *changes);
}

bool
wg_changes_is_empty(const struct wg_changes *changes)
{
    return (!changes->set_private_key && !changes->set_listen_port
            && !changes->n_peers);
}

static struct wg_peer_change *
changes_add_peer(struct wg_changes *changes, const struct wg_key *key)
{
    if (changes->n_peers >= changes->allocated_peers) {
        changes->peers = x2nrealloc(changes->peers,
                                    &changes->allocated_peers,
                                    sizeof *changes->peers);
    }
    struct wg_peer_change *c = &changes->peers[changes->n_peers++];
    memset(c, 0, sizeof *c);
    c->key = *key;
    return c;
}

static void
change_add_allowed(struct wg_peer_change *c, const struct sn_prefix *prefix)
{
    if (c->n_allowed >= c->allocated_allowed) {
        c->allowed = x2nrealloc(c->allowed, &c->allocated_allowed,
                                sizeof *c->allowed);
    }
    c->allowed[c->n_allowed++] = *prefix;
}

static bool
endpoint_is_due(const struct wg_peer *have, const struct wg_peer *want,
                int64_t now_s)
{
    if (want->endpoint.ss_family == AF_UNSPEC
        || (have && wg_endpoint_equals(&have->endpoint, &want->endpoint))) {
        return false;
    }
    return (!have || have->endpoint.ss_family == AF_UNSPEC
            || want->force_endpoint
            || now_s - have->handshake >= WG_FRESH_S);
}

static const struct wg_peer *
find_former(const struct wg_device *device, const struct wg_peer *want)
{
    return want->has_former ? wg_device_find_peer(device, &want->former)
                            : NULL;
}

static void
diff_peer(const struct wg_device *device, const struct wg_peer *want,
          int64_t now_s, struct wg_changes *changes)
{
    const struct wg_peer *have = wg_device_find_peer(device, &want->key);
    const struct wg_peer *former = have ? NULL : find_former(device, want);
    struct wg_peer_change c = { .key = want->key };
    uint16_t keepalive_s = have ? have->keepalive_s : 0;
    bool kick = want->kick || former || (have && changes->set_private_key);
    bool again = false;

    if (have && want->reset) {
        changes_add_peer(changes, &want->key)->remove = true;
        have = NULL;
        keepalive_s = 0;
    }
    if (endpoint_is_due(have, want, now_s)) {
        c.set_endpoint = true;
        c.endpoint = want->endpoint;
        again = want->force_endpoint;
    }
    if (former && former->endpoint.ss_family && !want->force_endpoint) {
        c.set_endpoint = true;
        c.endpoint = former->endpoint;
    }
    /* That it is switched on is what makes WireGuard send one. */
    again = ((again || kick) && keepalive_s
             && keepalive_s == want->keepalive_s);
    c.set_keepalive = again;
    if (keepalive_s != want->keepalive_s) {
        c.set_keepalive = true;
        c.keepalive_s = want->keepalive_s;
    } else if (kick && !keepalive_s) {
        c.set_keepalive = again = true;
        c.keepalive_s = KICK_KEEPALIVE_S;
    }
    if (have ? !wg_key_equals(&have->preshared_key, &want->preshared_key)
        : !wg_key_is_zero(&want->preshared_key)) {
        c.set_preshared_key = true;
        c.preshared_key = want->preshared_key;
    }
    for (size_t i = 0; i < want->n_allowed; i++) {
        if (!have || !wg_peer_has_allowed(have, &want->allowed[i])) {
            change_add_allowed(&c, &want->allowed[i]);
        }
    }
    if (!have || c.set_endpoint || c.set_keepalive
        || c.set_preshared_key || c.n_allowed) {
        *changes_add_peer(changes, &want->key) = c;
    }
    if (again) {
        struct wg_peer_change *on = changes_add_peer(changes, &want->key);

        on->set_keepalive = true;
        on->keepalive_s = want->keepalive_s;
    }
}

struct prefix_node {
    struct hmap_node node;
    const struct sn_prefix *prefix;
};

static bool
prefix_map_contains(const struct hmap *map, const struct sn_prefix *prefix)
{
    const struct prefix_node *pn;

    HMAP_FOR_EACH_WITH_HASH (pn, node, sn_prefix_hash(prefix, 0), map) {
        if (sn_prefix_equals(pn->prefix, prefix)) {
            return true;
        }
    }
    return false;
}

/* WireGuard (before Linux 6.16) cannot take one prefix from a peer: it can
 * replace all of a peer's, with a moment in which it has none, or give the
 * prefix to another.  So a peer that exists for as long as this message gets
 * what nobody should have, and takes it along. */
static void
diff_dropped_prefixes(const struct wg_device *have,
                      const struct wg_device *want,
                      struct wg_changes *changes)
{
    struct hmap wanted = HMAP_INITIALIZER(&wanted);
    struct wg_peer_change *scratch = NULL;
    const struct wg_peer *peer;
    struct prefix_node *pn;

    HMAP_FOR_EACH (peer, node, &want->peers) {
        for (size_t i = 0; i < peer->n_allowed; i++) {
            pn = xmalloc(sizeof *pn);
            pn->prefix = &peer->allowed[i];
            hmap_insert(&wanted, &pn->node, sn_prefix_hash(pn->prefix, 0));
        }
    }
    HMAP_FOR_EACH (peer, node, &have->peers) {
        if (!wg_device_find_peer(want, &peer->key)) {
            continue;           /* Goes with all that it has. */
        }
        for (size_t i = 0; i < peer->n_allowed; i++) {
            if (!prefix_map_contains(&wanted, &peer->allowed[i])) {
                if (!scratch) {
                    struct wg_key key;

                    randombytes_buf(key.bytes, sizeof key.bytes);
                    scratch = changes_add_peer(changes, &key);
                }
                change_add_allowed(scratch, &peer->allowed[i]);
            }
        }
    }
    if (scratch) {
        struct wg_key key = scratch->key;

        changes_add_peer(changes, &key)->remove = true;
    }
    HMAP_FOR_EACH_POP (pn, node, &wanted) {
        free(pn);
    }
    hmap_destroy(&wanted);
}

void
wg_diff(const struct wg_device *have, const struct wg_device *want,
        int64_t now_s, struct wg_changes *changes)
{
    const struct wg_peer *peer;

    if (!wg_key_equals(&have->private_key, &want->private_key)) {
        /* Each peer is called at once, for there is one attempt in five
         * seconds: a later one could meet the peer's own, and neither end
         * would have the session of the other. */
        changes->set_private_key = true;
        changes->private_key = want->private_key;
    }
    if (have->listen_port != want->listen_port) {
        changes->set_listen_port = true;
        changes->listen_port = want->listen_port;
    }
    HMAP_FOR_EACH (peer, node, &want->peers) {
        diff_peer(have, peer, now_s, changes);
    }
    diff_dropped_prefixes(have, want, changes);
    HMAP_FOR_EACH (peer, node, &have->peers) {
        if (!wg_device_find_peer(want, &peer->key)) {
            changes_add_peer(changes, &peer->key)->remove = true;
        }
    }
}
