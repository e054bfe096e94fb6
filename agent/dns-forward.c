#include <config.h>
#include "agent/dns-forward.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/dns-message.h"
#include "agent/dns-sock.h"
#include "lib/prefix.h"
#include "openvswitch/list.h"
#include "openvswitch/shash.h"
#include "util.h"

#define MAX_ATTEMPTS 3
#define MAX_RESOLVERS 8
#define MAX_REPLY 65535

static const struct timeval udp_timeout = { .tv_sec = 1,
                                            .tv_usec = 500000 };
static const struct timeval tcp_timeout = { .tv_sec = 3 };

struct resolver_set {
    struct sn_prefix resolvers[MAX_RESOLVERS];
    size_t n;
};

struct dns_forwarder {
    struct event_base *base;
    struct resolver_set resolvers;
    struct shash of_devices;    /* Device -> struct resolver_set. */
    struct ovs_list pendings;   /* struct dns_pending. */
};

struct dns_pending {
    struct ovs_list node;       /* In forwarder->pendings. */
    struct dns_forwarder *forwarder;
    struct dns_forward ask;
    uint8_t *msg;               /* The query, with 'id' of our own. */
    uint8_t id[2];              /* Of the one who asks. */
    size_t next;                /* Resolver. */
    int attempts;
    int fd;                     /* UDP; -1: none. */
    struct event *event;        /* UDP. */
    struct bufferevent *bev;    /* TCP. */
};

struct dns_forwarder *
dns_forwarder_create(struct event_base *base)
{
    struct dns_forwarder *f = xzalloc(sizeof *f);

    f->base = base;
    shash_init(&f->of_devices);
    ovs_list_init(&f->pendings);
    return f;
}

void
dns_forwarder_destroy(struct dns_forwarder *f)
{
    struct dns_pending *p;

    if (f) {
        LIST_FOR_EACH_SAFE (p, node, &f->pendings) {
            dns_pending_cancel(p);
        }
        shash_destroy_free_data(&f->of_devices);
        free(f);
    }
}

static void
resolver_set_assign(struct resolver_set *set,
                    const struct sn_prefix *resolvers, size_t n)
{
    set->n = MIN(n, MAX_RESOLVERS);
    for (size_t i = 0; i < set->n; i++) {
        set->resolvers[i] = resolvers[i];
    }
}

void
dns_forwarder_set_resolvers(struct dns_forwarder *f,
                            const struct sn_prefix *resolvers, size_t n)
{
    resolver_set_assign(&f->resolvers, resolvers, n);
    shash_clear_free_data(&f->of_devices);
}

void
dns_forwarder_set_device_resolvers(struct dns_forwarder *f,
                                   const char *device,
                                   const struct sn_prefix *resolvers,
                                   size_t n)
{
    struct resolver_set *set = xmalloc(sizeof *set);

    resolver_set_assign(set, resolvers, n);
    free(shash_replace(&f->of_devices, device, set));
}

static const struct resolver_set *
find_resolvers(const struct dns_forwarder *f, const char *device)
{
    const struct resolver_set *set
        = device ? shash_find_data(&f->of_devices, device) : NULL;

    return set ? set : &f->resolvers;
}

static const struct resolver_set *
pending_resolvers(const struct dns_pending *p)
{
    return find_resolvers(p->forwarder, p->ask.device);
}

const struct sn_prefix *
dns_forwarder_resolver(const struct dns_forwarder *f, const char *device)
{
    const struct resolver_set *set = find_resolvers(f, device);

    return set->n ? &set->resolvers[0] : NULL;
}

static void
pending_hang_up(struct dns_pending *p)
{
    if (p->event) {
        event_free(p->event);
        p->event = NULL;
    }
    if (p->fd >= 0) {
        close(p->fd);
        p->fd = -1;
    }
    if (p->bev) {
        bufferevent_free(p->bev);
        p->bev = NULL;
    }
}

void
dns_pending_cancel(struct dns_pending *p)
{
    pending_hang_up(p);
    ovs_list_remove(&p->node);
    free(p->msg);
    free(CONST_CAST(char *, p->ask.device));
    free(p);
}

/* Of the host itself, which is not what a device leads to. */
static bool
is_of_the_host(const struct sn_prefix *p)
{
    const uint8_t *a = p->addr.s6_addr;

    return (p->is_v4 ? a[12] == 127 || a[12] == 0
            : IN6_IS_ADDR_LOOPBACK(&p->addr)
              || IN6_IS_ADDR_LINKLOCAL(&p->addr));
}

/* A socket for one resolver, bound to the device before anything is sent. */
static int
pending_open(const struct dns_pending *p, const struct sn_prefix *resolver)
{
    const char *device = p->ask.device;
    int fd;

    if (device && is_of_the_host(resolver)) {
        errno = ENETUNREACH;
        return -1;
    }
    fd = socket(resolver->is_v4 ? AF_INET : AF_INET6,
                (p->ask.tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_NONBLOCK
                | SOCK_CLOEXEC, 0);
    if (fd >= 0 && device
        && setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, device,
                      strlen(device) + 1)) {
        close(fd);
        return -1;
    }
    return fd;
}

static bool pending_try(struct dns_pending *);

static void
pending_end(struct dns_pending *p, uint8_t *reply, size_t n)
{
    dns_forward_cb *cb = p->ask.cb;
    void *aux = p->ask.aux;

    if (reply) {
        memcpy(reply, p->id, sizeof p->id);
    }
    dns_pending_cancel(p);
    cb(reply, n, aux);
}

static void
pending_failed(struct dns_pending *p)
{
    pending_hang_up(p);
    if (!pending_try(p)) {
        pending_end(p, NULL, 0);
    }
}

static void
pending_receive(struct dns_pending *p, uint8_t *msg, size_t n)
{
    int rcode = dns_rcode(msg);

    if ((rcode == DNS_SERVFAIL || rcode == DNS_REFUSED)
        && p->attempts < MIN(MAX_ATTEMPTS, pending_resolvers(p)->n)) {
        pending_failed(p);
    } else {
        pending_end(p, msg, n);
    }
}

static void
udp_event(evutil_socket_t fd, short int what, void *p_)
{
    static uint8_t buf[MAX_REPLY];
    struct dns_pending *p = p_;

    if (what & EV_READ) {
        ssize_t n = recv(fd, buf, sizeof buf, 0);

        if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
            return;
        } else if (n >= 0) {
            if (dns_is_reply_to(buf, n, p->msg, p->ask.question_len)) {
                pending_receive(p, buf, n);
            }
            return;             /* Not a reply to this: wait on. */
        }
    }
    pending_failed(p);
}

static bool
udp_send(struct dns_pending *p, int fd, const struct sockaddr_storage *ss,
         socklen_t len)
{
    if (connect(fd, (const struct sockaddr *) ss, len)
        || send(fd, p->msg, p->ask.n, 0) != (ssize_t) p->ask.n) {
        close(fd);
        return false;
    }
    p->fd = fd;
    p->event = event_new(p->forwarder->base, fd, EV_READ | EV_PERSIST,
                         udp_event, p);
    event_add(p->event, &udp_timeout);
    return true;
}

static void
tcp_read(struct bufferevent *bev, void *p_)
{
    struct evbuffer *in = bufferevent_get_input(bev);
    struct dns_pending *p = p_;
    uint8_t len[2];

    if (evbuffer_copyout(in, len, 2) < 2) {
        return;
    }
    size_t n = len[0] << 8 | len[1];
    if (evbuffer_get_length(in) < 2 + n) {
        return;
    }
    uint8_t *msg = xmalloc(n + 1);
    evbuffer_drain(in, 2);
    evbuffer_remove(in, msg, n);
    if (dns_is_reply_to(msg, n, p->msg, p->ask.question_len)) {
        pending_receive(p, msg, n);
    } else {
        pending_failed(p);
    }
    free(msg);
}

static void
tcp_event(struct bufferevent *bev OVS_UNUSED, short int what, void *p)
{
    if (what & (BEV_EVENT_ERROR | BEV_EVENT_EOF | BEV_EVENT_TIMEOUT)) {
        pending_failed(p);
    }
}

static bool
tcp_send(struct dns_pending *p, int fd, const struct sockaddr_storage *ss,
         socklen_t len)
{
    uint8_t head[2] = { p->ask.n >> 8, p->ask.n };
    struct bufferevent *bev;

    /* Here, as an error of bufferevent_socket_connect() is a callback. */
    if (connect(fd, (const struct sockaddr *) ss, len)
        && errno != EINPROGRESS) {
        close(fd);
        return false;
    }
    bev = bufferevent_socket_new(p->forwarder->base, fd,
                                 BEV_OPT_CLOSE_ON_FREE);
    p->bev = bev;
    bufferevent_setcb(bev, tcp_read, NULL, tcp_event, p);
    bufferevent_set_timeouts(bev, &tcp_timeout, &tcp_timeout);
    bufferevent_write(bev, head, sizeof head);
    bufferevent_write(bev, p->msg, p->ask.n);
    bufferevent_enable(bev, EV_READ | EV_WRITE);
    return true;
}

/* Sends to the next resolver that can be sent to. */
static bool
pending_try(struct dns_pending *p)
{
    const struct resolver_set *set = pending_resolvers(p);

    while (p->attempts < MAX_ATTEMPTS && set->n) {
        const struct sn_prefix *r = &set->resolvers[p->next++ % set->n];
        struct sockaddr_storage ss;
        socklen_t len = dns_sockaddr_from_prefix(r, &ss);
        int fd = pending_open(p, r);

        p->attempts++;
        randombytes_buf(p->msg, 2);
        if (fd >= 0 && (p->ask.tcp ? tcp_send(p, fd, &ss, len)
                        : udp_send(p, fd, &ss, len))) {
            return true;
        }
    }
    return false;
}

struct dns_pending *
dns_forwarder_ask(struct dns_forwarder *f, const struct dns_forward *ask)
{
    struct dns_pending *p = xzalloc(sizeof *p);

    p->forwarder = f;
    p->ask = *ask;
    p->ask.device = nullable_xstrdup(ask->device);
    p->msg = xmemdup(ask->msg, ask->n);
    memcpy(p->id, ask->msg, sizeof p->id);
    p->fd = -1;
    ovs_list_push_back(&f->pendings, &p->node);
    if (!pending_try(p)) {
        dns_pending_cancel(p);
        return NULL;
    }
    return p;
}

size_t
dns_read_resolv_conf(const char *path, struct sn_prefix **ret)
{
    FILE *file = fopen(path, "re");
    char line[512];
    size_t n = 0;

    *ret = xcalloc(MAX_RESOLVERS, sizeof **ret);
    while (file && n < MAX_RESOLVERS && fgets(line, sizeof line, file)) {
        char *save = NULL;
        const char *key = strtok_r(line, " \t\r\n", &save);
        const char *value = strtok_r(NULL, " \t\r\n", &save);

        if (key && value && !strcmp(key, "nameserver")) {
            char *error = sn_prefix_parse(value, &(*ret)[n]);

            n += !error;        /* fe80::1%eth0 is none that we can ask. */
            free(error);
        }
    }
    if (file) {
        fclose(file);
    }
    return n;
}
