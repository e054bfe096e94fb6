#include <config.h>
#include "agent/rendezvous.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "agent/wg.h"
#include "ovsdb-idl.h"
#include "ovsdb-sync/socknet-idl.h"
#include "util.h"

const char *
path_kind_to_string(enum path_kind kind)
{
    static const char *const names[] = {
        [PATH_LAN] = "lan", [PATH_IPV6] = "ipv6", [PATH_DIRECT] = "direct",
        [PATH_RELAY] = "relay", [PATH_TCP_RELAY] = "tcp-relay",
        [PATH_NONE] = "none",
    };

    return names[kind];
}

void
rendezvous_init(struct rendezvous *r)
{
    memset(r, 0, sizeof *r);
    shash_init(&r->nodes);
}

static void
node_destroy(struct rendezvous_node *node)
{
    for (size_t i = 0; i < node->n_observed; i++) {
        free(node->observed[i].by);
    }
    free(node->observed);
    sset_destroy(&node->addresses);
    sset_destroy(&node->reaches);
    sset_destroy(&node->lost);
    shash_destroy_free_data(&node->relays);
    free(node);
}

void
rendezvous_destroy(struct rendezvous *r)
{
    struct shash_node *node;

    SHASH_FOR_EACH (node, &r->nodes) {
        node_destroy(node->data);
    }
    shash_destroy(&r->nodes);
    for (size_t i = 0; i < r->n_relays; i++) {
        free(r->relays[i].hub);
        free(r->relays[i].a);
        free(r->relays[i].b);
        free(r->relays[i].heard_a);
        free(r->relays[i].heard_b);
    }
    free(r->relays);
}

void
rendezvous_swap(struct rendezvous *a, struct rendezvous *b)
{
    struct rendezvous tmp = *a;

    a->relays = b->relays;
    a->n_relays = b->n_relays;
    a->allocated_relays = b->allocated_relays;
    b->relays = tmp.relays;
    b->n_relays = tmp.n_relays;
    b->allocated_relays = tmp.allocated_relays;
    shash_swap(&a->nodes, &b->nodes);
}

struct rendezvous_node *
rendezvous_get(struct rendezvous *r, const char *name)
{
    struct rendezvous_node *node = shash_find_data(&r->nodes, name);

    if (!node) {
        node = xzalloc(sizeof *node);
        sset_init(&node->addresses);
        sset_init(&node->reaches);
        sset_init(&node->lost);
        shash_init(&node->relays);
        shash_add(&r->nodes, name, node);
    }
    return node;
}

const struct rendezvous_node *
rendezvous_find(const struct rendezvous *r, const char *name)
{
    return shash_find_data(&r->nodes, name);
}

void
rendezvous_add_observed(struct rendezvous *r, const char *name,
                        const char *by, const struct sockaddr_storage *ss)
{
    struct rendezvous_node *node = rendezvous_get(r, name);

    if (node->n_observed >= node->allocated_observed) {
        node->observed = x2nrealloc(node->observed,
                                    &node->allocated_observed,
                                    sizeof *node->observed);
    }
    node->observed[node->n_observed].by = xstrdup(by);
    node->observed[node->n_observed++].ss = *ss;
}

/* By what a node reports of a peer. */
static void
read_peer(struct rendezvous *r, const struct sndb_peer_status *row)
{
    struct rendezvous_node *node = rendezvous_get(r, row->node);
    bool is_lost = (row->path && !strcmp(row->path,
                                         path_kind_to_string(PATH_NONE)));
    /* Who asks for a relay may have the endpoint there already. */
    bool is_relayed = ((row->path && strstr(row->path, "relay"))
                       || (is_lost && row->relay));
    struct sockaddr_storage ss;

    if (row->relay) {
        free(shash_replace(&node->relays, row->peer, xstrdup(row->relay)));
    }
    if (is_lost) {
        sset_add(&node->lost, row->peer);
    }
    if (!row->latest_handshake) {
        return;
    }
    sset_add(&node->reaches, row->peer);
    if (row->endpoint && !is_relayed && wg_endpoint_parse(row->endpoint, &ss)
        && !ss_is_loopback(&ss)) {
        rendezvous_add_observed(r, row->peer, row->node, &ss);
    }
}

static void
read_relay(struct rendezvous *r, const struct sndb_relay_status *row)
{
    if (r->n_relays >= r->allocated_relays) {
        r->relays = x2nrealloc(r->relays, &r->allocated_relays,
                               sizeof *r->relays);
    }
    r->relays[r->n_relays++] = (struct rendezvous_relay) {
        .hub = xstrdup(row->node), .a = xstrdup(row->a),
        .b = xstrdup(row->b), .port = row->n_port ? *row->port : 0,
        .heard_a = nullable_xstrdup(row->heard_a),
        .heard_b = nullable_xstrdup(row->heard_b),
    };
}

void
rendezvous_read(struct rendezvous *r, const struct ovsdb_idl *idl)
{
    const struct sndb_relay_status *relay;
    const struct sndb_node_status *node;
    const struct sndb_peer_status *peer;

    rendezvous_destroy(r);
    rendezvous_init(r);
    SNDB_NODE_STATUS_FOR_EACH (node, idl) {
        struct rendezvous_node *n = rendezvous_get(r, node->node);

        n->listen_port = node->n_listen_port ? *node->listen_port : 0;
        sset_add_array(&n->addresses, node->addresses, node->n_addresses);
    }
    SNDB_PEER_STATUS_FOR_EACH (peer, idl) {
        read_peer(r, peer);
    }
    SNDB_RELAY_STATUS_FOR_EACH (relay, idl) {
        read_relay(r, relay);
    }
}

const struct rendezvous_relay *
rendezvous_find_relay(const struct rendezvous *r, const char *hub,
                      const char *x, const char *y)
{
    bool ordered = strcmp(x, y) < 0;
    const char *a = ordered ? x : y;
    const char *b = ordered ? y : x;

    for (size_t i = 0; i < r->n_relays; i++) {
        const struct rendezvous_relay *relay = &r->relays[i];

        if (!strcmp(relay->hub, hub) && !strcmp(relay->a, a)
            && !strcmp(relay->b, b)) {
            return relay;
        }
    }
    return NULL;
}

bool
ss_is_loopback(const struct sockaddr_storage *ss)
{
    const struct sockaddr_in6 *sin6 = (const void *) ss;
    const struct sockaddr_in *sin = (const void *) ss;

    return (ss->ss_family == AF_INET
            ? ntohl(sin->sin_addr.s_addr) >> 24 == 127
            : ss->ss_family == AF_INET6
              && IN6_IS_ADDR_LOOPBACK(&sin6->sin6_addr));
}

bool
ss_same_host(const struct sockaddr_storage *a,
             const struct sockaddr_storage *b)
{
    const struct sockaddr_in6 *a6 = (const void *) a, *b6 = (const void *) b;
    const struct sockaddr_in *a4 = (const void *) a, *b4 = (const void *) b;

    return (a->ss_family == b->ss_family
            && (a->ss_family == AF_INET
                ? a4->sin_addr.s_addr == b4->sin_addr.s_addr
                : a->ss_family == AF_INET6
                  && IN6_ARE_ADDR_EQUAL(&a6->sin6_addr, &b6->sin6_addr)));
}

/* Others see both at one address. */
static bool
share_a_nat(const struct rendezvous_node *x, const struct rendezvous_node *y)
{
    for (size_t i = 0; i < x->n_observed; i++) {
        for (size_t j = 0; j < y->n_observed; j++) {
            if (!strcmp(x->observed[i].by, y->observed[j].by)
                && ss_same_host(&x->observed[i].ss, &y->observed[j].ss)) {
                return true;
            }
        }
    }
    return false;
}

/* An address that is the same everywhere. */
static bool
is_global6(const struct sockaddr_storage *ss)
{
    const struct sockaddr_in6 *sin6 = (const void *) ss;

    return (ss->ss_family == AF_INET6
            && (sin6->sin6_addr.s6_addr[0] & 0xe0) == 0x20);
}

static bool
has_global6(const struct rendezvous_node *node)
{
    struct sockaddr_storage ss;
    const char *text;

    SSET_FOR_EACH (text, &node->addresses) {
        char *s = xasprintf("[%s]:1", text);
        bool found = (strchr(text, ':') && wg_endpoint_parse(s, &ss)
                      && is_global6(&ss));

        free(s);
        if (found) {
            return true;
        }
    }
    return false;
}

struct candidates {
    struct rendezvous_candidate *list;
    size_t n;
};

static void
candidates_add(struct candidates *c, const struct sockaddr_storage *ss,
               enum path_kind kind)
{
    for (size_t i = 0; i < c->n; i++) {
        if (wg_endpoint_equals(&c->list[i].ss, ss)) {
            return;
        }
    }
    if (c->n < RENDEZVOUS_MAX) {
        c->list[c->n].ss = *ss;
        c->list[c->n++].kind = kind;
    }
}

static void
add_interfaces(struct candidates *c, const struct rendezvous_node *self,
               const struct rendezvous_node *peer)
{
    bool lan = share_a_nat(self, peer);
    bool six = has_global6(self);
    const char **addresses = sset_sort(&peer->addresses);

    for (size_t i = 0; i < sset_count(&peer->addresses); i++) {
        bool is_v6 = strchr(addresses[i], ':');
        char *s = xasprintf(is_v6 ? "[%s]:%u" : "%s:%u", addresses[i],
                            peer->listen_port);
        struct sockaddr_storage ss;

        if (wg_endpoint_parse(s, &ss)) {
            if (six && is_global6(&ss)) {
                candidates_add(c, &ss, lan ? PATH_LAN : PATH_IPV6);
            } else if (lan) {
                candidates_add(c, &ss, PATH_LAN);
            }
        }
        free(s);
    }
    free(addresses);
}

size_t
rendezvous_candidates(const struct rendezvous *r, const char *self_name,
                      const char *peer_name,
                      const struct sockaddr_storage *configured,
                      struct rendezvous_candidate list[RENDEZVOUS_MAX])
{
    const struct rendezvous_node *self = rendezvous_find(r, self_name);
    const struct rendezvous_node *peer = rendezvous_find(r, peer_name);
    struct candidates c = { .list = list };

    if (self && peer) {
        add_interfaces(&c, self, peer);
    }
    if (configured->ss_family != AF_UNSPEC) {
        candidates_add(&c, configured, PATH_DIRECT);
    }
    for (size_t i = 0; peer && i < peer->n_observed; i++) {
        if (strcmp(peer->observed[i].by, self_name)) {
            candidates_add(&c, &peer->observed[i].ss, PATH_DIRECT);
        }
    }
    return c.n;
}
