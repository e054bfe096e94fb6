#include <config.h>
#include "agent/dns-server.h"

#include <errno.h>
#include <inttypes.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/dns-clients.h"
#include "agent/dns-forward.h"
#include "agent/dns-message.h"
#include "agent/dns-sock.h"
#include "agent/dns-zone.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/list.h"
#include "openvswitch/ofpbuf.h"
#include "openvswitch/vlog.h"
#include "sset.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(dns_server);

/* Datagrams per turn: the daemon has other things to do as well. */
#define MAX_BATCH 64
#define MAX_PENDING 512
#define MAX_PENDING_PER_CLIENT 64
#define MAX_CONNS 256
#define MAX_CONNS_PER_CLIENT 8
#define MAX_TCP_MSG 65535
#define MAX_UDP_MSG 4096
#define MAX_UDP_REPLY 1232
#define MAX_OUTPUT (4 * MAX_TCP_MSG)

static const struct timeval idle_timeout = { .tv_sec = 10 };

struct dns_listener {
    struct ovs_list node;       /* In server->listeners. */
    struct dns_server *server;
    struct sn_prefix address;
    bool wanted;
    int fd;
    struct event *udp;
    struct evconnlistener *tcp;
};

struct dns_conn {
    struct ovs_list node;       /* In server->conns. */
    struct dns_server *server;
    struct sn_prefix client;
    struct bufferevent *bev;
};

struct dns_counters {
    uint64_t queries, answered, forwarded, failed, refused, dropped;
};

struct dns_server {
    struct event_base *base;
    struct dns_forwarder *forwarder;
    struct dns_zone *zone;
    struct dns_clients clients;
    struct ovs_list listeners;  /* struct dns_listener. */
    struct ovs_list conns;      /* struct dns_conn. */
    struct ovs_list asks;       /* struct dns_ask. */
    size_t n_conns, n_asks;
    int links[DNS_MAX_LINKS];
    size_t n_links;
    struct ofpbuf reply;
    struct dns_counters counters;
};

/* Where a query came from: one of 'listener' (UDP) and 'conn'. */
struct dns_origin {
    struct dns_listener *listener;
    struct sockaddr_storage ss;
    socklen_t ss_len;
    struct dns_conn *conn;
    struct sn_prefix client;
};

/* A query that a resolver has. */
struct dns_ask {
    struct ovs_list node;       /* In server->asks. */
    struct dns_server *server;
    struct dns_origin origin;
    struct dns_query query;
    uint8_t *msg;
    struct dns_pending *pending;
};

/* Replies. */

static void
origin_send(const struct dns_origin *o, const void *msg, size_t n)
{
    if (o->conn) {
        struct evbuffer *out = bufferevent_get_output(o->conn->bev);
        uint8_t len[2] = { n >> 8, n };

        /* Someone who asks and does not read. */
        if (evbuffer_get_length(out) < MAX_OUTPUT) {
            evbuffer_add(out, len, sizeof len);
            evbuffer_add(out, msg, n);
        }
    } else {
        /* A client whose network is full loses it, as UDP does. */
        ssize_t retval = sendto(o->listener->fd, msg, n, 0,
                                (const struct sockaddr *) &o->ss, o->ss_len);
        (void) retval;
    }
}

static size_t
origin_limit(const struct dns_origin *o, const struct dns_query *q)
{
    return o->conn ? MAX_TCP_MSG : MIN(q->edns_size, MAX_UDP_REPLY);
}

static void
server_reply(struct dns_server *s, const struct dns_origin *o,
             const uint8_t *msg, const struct dns_query *q, int rcode)
{
    dns_reply_begin(&s->reply, msg, q, false);
    dns_reply_end(&s->reply, q, rcode, MAX_TCP_MSG);
    origin_send(o, s->reply.data, s->reply.size);
}

/* Forwarding. */

static void
ask_destroy(struct dns_ask *ask)
{
    struct dns_client *client = dns_clients_find(&ask->server->clients,
                                                 &ask->origin.client);

    /* It may be a new one, of the same address. */
    if (client && client->n_pending) {
        client->n_pending--;
    }
    ovs_list_remove(&ask->node);
    ask->server->n_asks--;
    free(ask->msg);
    free(ask);
}

static void
ask_cancel(struct dns_ask *ask)
{
    dns_pending_cancel(ask->pending);
    ask_destroy(ask);
}

static void
ask_done(const uint8_t *reply, size_t n, void *ask_)
{
    struct dns_ask *ask = ask_;
    struct dns_server *s = ask->server;
    const struct dns_query *q = &ask->query;

    if (!reply) {
        s->counters.failed++;
        server_reply(s, &ask->origin, ask->msg, q, DNS_SERVFAIL);
    } else if (!ask->origin.conn && n > q->edns_size) {
        /* He shall ask again by TCP. */
        dns_reply_begin(&s->reply, ask->msg, q, false);
        dns_reply_end(&s->reply, q, DNS_NOERROR, 0);
        origin_send(&ask->origin, s->reply.data, s->reply.size);
    } else {
        origin_send(&ask->origin, reply, n);
    }
    ask_destroy(ask);
}

static void
server_forward(struct dns_server *s, const struct dns_origin *o,
               struct dns_client *client, const uint8_t *msg, size_t n,
               const struct dns_query *q)
{
    struct dns_ask *ask;

    if (client->way == DNS_WAY_DOWN || s->n_asks >= MAX_PENDING
        || client->n_pending >= MAX_PENDING_PER_CLIENT) {
        s->counters.failed++;
        server_reply(s, o, msg, q, DNS_SERVFAIL);
        return;
    }
    ask = xzalloc(sizeof *ask);
    ask->server = s;
    ask->origin = *o;
    ask->query = *q;
    ask->msg = xmemdup(msg, n);
    ovs_list_push_back(&s->asks, &ask->node);
    s->n_asks++;
    client->n_pending++;
    s->counters.forwarded++;
    ask->pending = dns_forwarder_ask(s->forwarder, &(struct dns_forward) {
        .msg = msg, .n = n, .question_len = q->question_len,
        .tcp = o->conn != NULL,
        .device = client->way == DNS_WAY_DEVICE ? client->device : NULL,
        .cb = ask_done, .aux = ask,
    });
    if (!ask->pending) {
        ask_done(NULL, 0, ask);
    }
}

/* Queries. */

static int
check_query(const struct dns_query *q)
{
    return (q->class != 1 || q->type == DNS_AXFR || q->type == DNS_IXFR
            ? DNS_REFUSED : DNS_NOERROR);
}

static void
server_query(struct dns_server *s, const struct dns_origin *o,
             const uint8_t *msg, size_t n)
{
    struct dns_client *client = dns_clients_find(&s->clients, &o->client);
    struct dns_query q;
    int rcode;

    s->counters.queries++;
    if (!client || !s->zone
        || (client->limited && !token_bucket_withdraw(&client->bucket, 1))) {
        s->counters.dropped++;
        return;
    }
    rcode = dns_query_parse(msg, n, &q);
    if (rcode == DNS_IGNORE) {
        s->counters.dropped++;
        return;
    }
    rcode = rcode ? rcode : check_query(&q);
    if (!rcode && dns_zone_answer(s->zone, msg, &q, origin_limit(o, &q),
                                  &s->reply)) {
        s->counters.answered++;
        origin_send(o, s->reply.data, s->reply.size);
    } else if (rcode || client->way == DNS_WAY_NONE
               || !dns_query_wants_recursion(&q)) {
        s->counters.refused++;
        server_reply(s, o, msg, &q, rcode ? rcode : DNS_REFUSED);
    } else {
        server_forward(s, o, client, msg, n, &q);
    }
}

/* UDP. */

/* Linux takes packets to the gateway's address by any interface, and nobody
 * checks there who sends them. */
static bool
link_is_ours(const struct dns_server *s, int ifindex)
{
    if (ifindex == 1) {         /* The loopback interface. */
        return true;
    }
    for (size_t i = 0; i < s->n_links; i++) {
        if (s->links[i] == ifindex) {
            return true;
        }
    }
    return false;
}

static void
udp_event(evutil_socket_t fd, short int what OVS_UNUSED, void *listener_)
{
    struct dns_listener *listener = listener_;
    struct dns_server *s = listener->server;

    for (int i = 0; i < MAX_BATCH; i++) {
        uint8_t msg[MAX_UDP_MSG];
        union {
            struct cmsghdr align;
            uint8_t space[CMSG_SPACE(sizeof(struct in6_pktinfo))];
        } control;
        struct dns_origin o = { .listener = listener };
        struct iovec iov = { msg, sizeof msg };
        struct msghdr mh = {
            .msg_name = &o.ss, .msg_namelen = sizeof o.ss,
            .msg_iov = &iov, .msg_iovlen = 1,
            .msg_control = &control, .msg_controllen = sizeof control,
        };
        ssize_t n = recvmsg(fd, &mh, 0);

        if (n < 0) {
            return;
        }
        o.ss_len = mh.msg_namelen;
        if (mh.msg_flags & MSG_TRUNC
            || !link_is_ours(s, dns_received_by(&mh))
            || !dns_prefix_from_sockaddr((struct sockaddr *) &o.ss,
                                         &o.client)) {
            s->counters.dropped++;
            continue;
        }
        server_query(s, &o, msg, n);
    }
}

/* TCP: each message has its length before it (RFC 7766). */

static void
conn_destroy(struct dns_conn *conn)
{
    struct dns_server *s = conn->server;
    struct dns_client *client = dns_clients_find(&s->clients, &conn->client);
    struct dns_ask *ask;

    LIST_FOR_EACH_SAFE (ask, node, &s->asks) {
        if (ask->origin.conn == conn) {
            ask_cancel(ask);
        }
    }
    if (client && client->n_conns) {
        client->n_conns--;
    }
    ovs_list_remove(&conn->node);
    s->n_conns--;
    bufferevent_free(conn->bev);
    free(conn);
}

static void
conn_read(struct bufferevent *bev, void *conn_)
{
    static uint8_t msg[MAX_TCP_MSG];
    struct evbuffer *in = bufferevent_get_input(bev);
    struct dns_conn *conn = conn_;
    uint8_t len[2];

    while (evbuffer_copyout(in, len, 2) == 2) {
        struct dns_origin o = { .conn = conn, .client = conn->client };
        size_t n = len[0] << 8 | len[1];

        if (evbuffer_get_length(in) < 2 + n) {
            return;
        }
        evbuffer_drain(in, 2);
        evbuffer_remove(in, msg, n);
        server_query(conn->server, &o, msg, n);
    }
}

static void
conn_event(struct bufferevent *bev OVS_UNUSED, short int what, void *conn)
{
    if (what & (BEV_EVENT_ERROR | BEV_EVENT_EOF | BEV_EVENT_TIMEOUT)) {
        conn_destroy(conn);
    }
}

static void
tcp_accept(struct evconnlistener *ecl OVS_UNUSED, evutil_socket_t fd,
           struct sockaddr *sa, int len OVS_UNUSED, void *listener_)
{
    struct dns_listener *listener = listener_;
    struct dns_server *s = listener->server;
    struct dns_client *client;
    struct sn_prefix address;
    struct dns_conn *conn;

    client = (dns_prefix_from_sockaddr(sa, &address)
              ? dns_clients_find(&s->clients, &address) : NULL);
    if (!client || s->n_conns >= MAX_CONNS
        || client->n_conns >= MAX_CONNS_PER_CLIENT) {
        s->counters.dropped++;
        close(fd);
        return;
    }
    conn = xzalloc(sizeof *conn);
    conn->server = s;
    conn->client = address;
    conn->bev = bufferevent_socket_new(s->base, fd, BEV_OPT_CLOSE_ON_FREE);
    bufferevent_setcb(conn->bev, conn_read, NULL, conn_event, conn);
    bufferevent_set_timeouts(conn->bev, &idle_timeout, &idle_timeout);
    bufferevent_setwatermark(conn->bev, EV_READ, 2, 2 * (MAX_TCP_MSG + 2));
    bufferevent_enable(conn->bev, EV_READ | EV_WRITE);
    ovs_list_push_back(&s->conns, &conn->node);
    s->n_conns++;
    client->n_conns++;
}

/* Listening. */

static void
listener_destroy(struct dns_listener *l)
{
    struct dns_ask *ask;

    LIST_FOR_EACH_SAFE (ask, node, &l->server->asks) {
        if (ask->origin.listener == l) {
            ask_cancel(ask);
        }
    }
    if (l->udp) {
        event_free(l->udp);
    }
    if (l->tcp) {
        evconnlistener_free(l->tcp);
    }
    if (l->fd >= 0) {
        close(l->fd);
    }
    ovs_list_remove(&l->node);
    free(l);
}

static int
listener_create(struct dns_server *s, const struct sn_prefix *address)
{
    struct dns_listener *l = xzalloc(sizeof *l);
    int tcp;

    l->server = s;
    l->address = *address;
    l->wanted = true;
    ovs_list_push_back(&s->listeners, &l->node);
    l->fd = dns_open_listening(address, SOCK_DGRAM);
    tcp = l->fd < 0 ? l->fd : dns_open_listening(address, SOCK_STREAM);
    if (tcp < 0) {
        listener_destroy(l);
        return -tcp;
    }
    l->udp = event_new(s->base, l->fd, EV_READ | EV_PERSIST, udp_event, l);
    event_add(l->udp, NULL);
    l->tcp = evconnlistener_new(s->base, tcp_accept, l,
                                LEV_OPT_CLOSE_ON_FREE
                                | LEV_OPT_CLOSE_ON_EXEC, 0, tcp);
    return 0;
}

static struct dns_listener *
find_listener(struct dns_server *s, const struct sn_prefix *address)
{
    struct dns_listener *l;

    LIST_FOR_EACH (l, node, &s->listeners) {
        if (sn_prefix_equals(&l->address, address)) {
            return l;
        }
    }
    return NULL;
}

void
dns_server_listen(struct dns_server *s, const struct sn_prefix *addresses,
                  size_t n, struct sset *problems)
{
    struct dns_listener *l;

    LIST_FOR_EACH (l, node, &s->listeners) {
        l->wanted = false;
    }
    for (size_t i = 0; i < n; i++) {
        struct sn_prefix address = sn_prefix_host(&addresses[i]);
        char *text = sn_prefix_addr_to_string(&address);

        l = find_listener(s, &address);
        int error = l ? 0 : listener_create(s, &address);
        if (l) {
            l->wanted = true;
        } else if (error) {
            sset_add_and_free(problems, xasprintf(
                "names: port 53 of %s: %s%s", text, ovs_strerror(error),
                error == EADDRINUSE ? "; end what listens there, or say "
                "names: false in mesh"
                : error == EACCES ? "; it needs CAP_NET_BIND_SERVICE" : ""));
        } else {
            VLOG_INFO("serving names on %s", text);
        }
        free(text);
    }
    LIST_FOR_EACH_SAFE (l, node, &s->listeners) {
        if (!l->wanted) {
            listener_destroy(l);
        }
    }
}

void
dns_server_set_links(struct dns_server *s, const int *ifindexes, size_t n)
{
    s->n_links = MIN(n, DNS_MAX_LINKS);
    for (size_t i = 0; i < s->n_links; i++) {
        s->links[i] = ifindexes[i];
    }
}

void
dns_server_set_zone(struct dns_server *s, struct dns_zone *zone)
{
    dns_zone_destroy(s->zone);
    s->zone = zone;
}

struct dns_clients *
dns_server_clients(struct dns_server *s)
{
    return &s->clients;
}

struct dns_forwarder *
dns_server_forwarder(struct dns_server *s)
{
    return s->forwarder;
}

struct dns_server *
dns_server_create(struct event_base *base)
{
    struct dns_server *s = xzalloc(sizeof *s);

    s->base = base;
    s->forwarder = dns_forwarder_create(base);
    dns_clients_init(&s->clients);
    ovs_list_init(&s->listeners);
    ovs_list_init(&s->conns);
    ovs_list_init(&s->asks);
    ofpbuf_init(&s->reply, 512);
    return s;
}

void
dns_server_destroy(struct dns_server *s)
{
    struct dns_listener *l;
    struct dns_conn *conn;

    if (s) {
        LIST_FOR_EACH_SAFE (conn, node, &s->conns) {
            conn_destroy(conn);
        }
        LIST_FOR_EACH_SAFE (l, node, &s->listeners) {
            listener_destroy(l);
        }
        dns_forwarder_destroy(s->forwarder);
        dns_clients_destroy(&s->clients);
        dns_zone_destroy(s->zone);
        ofpbuf_uninit(&s->reply);
        free(s);
    }
}

void
dns_server_format(const struct dns_server *s, struct ds *ds)
{
    const struct dns_counters *c = &s->counters;
    struct dns_listener *l;

    LIST_FOR_EACH (l, node, &s->listeners) {
        char *address = sn_prefix_addr_to_string(&l->address);

        ds_put_format(ds, "serving on %s\n", address);
        free(address);
    }
    ds_put_format(ds, "names: %"PRIuSIZE"\n",
                  s->zone ? dns_zone_count(s->zone) : 0);
    ds_put_format(ds, "queries: %"PRIu64"\nanswered: %"PRIu64"\n"
                  "forwarded: %"PRIu64"\nfailed: %"PRIu64"\n"
                  "refused: %"PRIu64"\ndropped: %"PRIu64"\n",
                  c->queries, c->answered, c->forwarded, c->failed,
                  c->refused, c->dropped);
}
