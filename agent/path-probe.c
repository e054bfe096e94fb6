#include <config.h>
#include "agent/paths-private.h"

#include <limits.h>
#include <netinet/in.h>
#include <sodium.h>
#include <string.h>
#include <unistd.h>

#include "agent/probe.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/vlog.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(path_probe);

/* Probes taken per iteration of the main loop: nobody keeps it from its other
 * work. */
#define MAX_BURST 64
/* UDP's "discard": nobody needs to listen. */
#define ASK_PORT 9

static void
path_send(struct paths *ps, const struct path *p,
          const struct sockaddr_storage *to, const struct probe_msg *msg)
{
    uint8_t data[PROBE_LEN];

    probe_encode(&p->probe_key, msg, data);
    int error = probe_sock_send(ps->sock, to, data);
    if (error) {
        struct ds ds = DS_EMPTY_INITIALIZER;

        /* No route to it, a filter: it is one that does not answer. */
        wg_endpoint_format(to, &ds);
        VLOG_DBG("%s: probe to %s: %s", p->node, ds_cstr(&ds),
                 ovs_strerror(error));
        ds_destroy(&ds);
    }
}

void
path_ping(struct paths *ps, const struct path *p,
          const struct sockaddr_storage *to, uint64_t *idp)
{
    struct probe_msg msg = { .type = PROBE_PING };

    randombytes_buf(&msg.id, sizeof msg.id);
    *idp = msg.id;
    path_send(ps, p, to, &msg);
}

void
path_volley(struct paths *ps, struct path *p)
{
    for (size_t i = 0; i < p->n_candidates; i++) {
        struct path_candidate *c = &p->candidates[i];

        path_ping(ps, p, &c->ss, &c->id);
    }
}

/* Where the peer called from, which nobody else may have seen: its NAT gives
 * each destination another port. */
static void
path_add_reflexive(struct paths *ps, struct path *p,
                   const struct sockaddr_storage *from)
{
    size_t oldest = SIZE_MAX, n = 0;

    for (size_t i = 0; i < p->n_candidates; i++) {
        if (wg_endpoint_equals(&p->candidates[i].ss, from)) {
            return;
        }
        if (p->candidates[i].reflexive) {
            oldest = oldest == SIZE_MAX ? i : oldest;
            n++;
        }
    }
    if (n >= PATH_MAX_REFLEXIVE) {
        p->n_candidates--;
        memmove(&p->candidates[oldest], &p->candidates[oldest + 1],
                (p->n_candidates - oldest) * sizeof *p->candidates);
    }

    struct path_candidate *c = &p->candidates[p->n_candidates++];
    *c = (struct path_candidate) {
        .ss = *from, .kind = PATH_DIRECT, .reflexive = true,
        .answered_ms = LLONG_MIN,
    };
    if (p->hunting) {
        path_ping(ps, p, from, &c->id);
    }
}

static void
path_take_ping(struct paths *ps, struct path *p,
               const struct sockaddr_storage *from,
               const struct probe_msg *ping)
{
    struct probe_msg pong = {
        .type = PROBE_PONG, .id = ping->id, .seen = *from,
    };

    path_send(ps, p, from, &pong);
    path_add_reflexive(ps, p, from);
    if (!wg_endpoint_equals(from, &p->endpoint)) {
        path_suspect(p);        /* It may be where it was, or not. */
    }
}

/* A NAT that gives this node another address, or another port at the same
 * peer, has done so for all: the peers' WireGuards learn it from what they
 * receive; relays, from handshakes alone. */
static void
paths_mapping_changed(struct paths *ps)
{
    struct shash_node *node;

    VLOG_INFO("the NAT before this host has a new mapping");
    SHASH_FOR_EACH (node, &ps->paths) {
        struct path *p = node->data;

        if (path_is_watched(ps, p)) {
            if (path_classify(p) == PATH_RELAY) {
                path_call_relay(ps, p);
            }
            p->kick = p->fresh;
            path_suspect(p);
        }
    }
}

static void
path_take_proof(struct paths *ps, struct path *p, long long int now)
{
    ps->udp_ms = p->proof_ms = now;
    p->ping_ms = 0;
    p->tx_at_proof = p->tx_bytes;
}

/* The answer may come from another address than was called: only the number
 * counts. */
static void
path_take_pong(struct paths *ps, struct path *p, const struct probe_msg *pong)
{
    long long int now = time_msec();

    if (p->ping_ms && pong->id == p->ping_id) {
        bool moved = (wg_endpoint_equals(&p->seen_by, &p->endpoint)
                      && !wg_endpoint_equals(&p->seen, &pong->seen));

        path_take_proof(ps, p, now);
        p->seen = pong->seen;
        p->seen_by = p->endpoint;
        if (moved) {
            paths_mapping_changed(ps);
        }
    }
    for (size_t i = 0; i < p->n_candidates; i++) {
        struct path_candidate *c = &p->candidates[i];

        if (!c->id || c->id != pong->id) {
            continue;
        }
        ps->udp_ms = c->answered_ms = now;
        if (wg_endpoint_equals(&c->ss, &p->endpoint)) {
            /* What is in use, and was believed dead: WireGuard does not leave
             * it, and may have nothing to send that would prove it. */
            path_take_proof(ps, p, now);
        }
        if (!p->has_best || c->kind <= p->best.kind
            || now - p->best.answered_ms > PATH_ANSWER_MS) {
            p->best_ms = p->has_best ? p->best_ms : now;
            p->has_best = true;
            p->best = *c;
            ps->changed = true;
        }
    }
}

void
paths_receive_probes(struct paths *ps)
{
    uint8_t data[PROBE_LEN];
    struct sockaddr_storage from;

    for (int i = 0; i < MAX_BURST; i++) {
        struct shash_node *node;

        if (!probe_sock_receive(ps->sock, data, &from)) {
            return;
        }
        SHASH_FOR_EACH (node, &ps->paths) {
            struct path *p = node->data;
            struct probe_msg msg;

            if (p->has_key
                && probe_decode(&p->probe_key, data, sizeof data, &msg)) {
                if (msg.type == PROBE_PING) {
                    path_take_ping(ps, p, &from, &msg);
                } else {
                    path_take_pong(ps, p, &msg);
                }
                break;
            }
        }
    }
}

/* The peer's kernel says that nobody is there; if it may not, its WireGuard,
 * which got something and has nothing to send, sends a keepalive within ten
 * seconds.  Of two who have persistent keepalives on, one may send them all:
 * whoever hears one in time does not send one. */
void
path_ask(const struct paths *ps, const struct path *p)
{
    struct sockaddr_storage to = p->tunnel;
    bool is_v4 = to.ss_family == AF_INET;

    if (to.ss_family == AF_UNSPEC) {
        return;
    } else if (is_v4) {
        ((struct sockaddr_in *) &to)->sin_port = htons(ASK_PORT);
    } else {
        ((struct sockaddr_in6 *) &to)->sin6_port = htons(ASK_PORT);
    }
    int fd = socket(to.ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
                    0);
    if (fd >= 0) {
        if (!setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, ps->interface,
                        strlen(ps->interface))) {
            sendto(fd, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL,
                   (struct sockaddr *) &to,
                   is_v4 ? sizeof(struct sockaddr_in)
                   : sizeof(struct sockaddr_in6));
        }
        close(fd);
    }
}
