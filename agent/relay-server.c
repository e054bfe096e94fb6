#include <config.h>
#include "agent/relay-server.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/relay-conn.h"
#include "agent/relay-sock.h"
#include "agent/relay-switch.h"
#include "openvswitch/list.h"
#include "openvswitch/poll-loop.h"
#include "timeval.h"
#include "util.h"

/* Per iteration, so that no pair keeps the others waiting. */
#define MAX_BURST 64
/* Connections of a pair: those of its two nodes, and a few that are dying. */
#define MAX_CONNS 6
/* One that is no side of the pair must become one within this. */
#define PROVE_MS 10000
#define HEARD_MS 180000
#define REOPEN_MS 2000

struct server_conn {
    struct ovs_list node;
    struct relay_conn *conn;
    struct relay_leg leg;
    long long int since_ms;
};

struct relay_server {
    struct relay_conf_pair conf;        /* Without the names. */
    struct relay_pair pair;
    int udp, listener;          /* -1: not open. */
    int error;
    long long int next_open_ms;
    struct ovs_list conns;      /* struct server_conn, oldest first. */
    size_t n_conns;
    uint32_t next_conn;
};

static void
server_open(struct relay_server *s)
{
    s->next_open_ms = time_msec() + REOPEN_MS;
    s->error = relay_sock_open(SOCK_DGRAM, s->conf.port, &s->udp);
    if (!s->error) {
        s->error = relay_sock_open(SOCK_STREAM, s->conf.port, &s->listener);
        if (s->error) {
            close(s->udp);
            s->udp = -1;
        }
    }
}

static void
set_keys(struct relay_server *s, const struct relay_conf_pair *conf)
{
    for (int side = 0; side < 2; side++) {
        s->pair.keys[side] = conf->keys[side];
        s->pair.next_keys[side] = conf->next_keys[side];
    }
}

struct relay_server *
relay_server_create(const struct relay_conf_pair *conf)
{
    struct relay_server *s = xzalloc(sizeof *s);

    s->conf = *conf;
    s->conf.names[0] = s->conf.names[1] = NULL;
    s->udp = s->listener = -1;
    ovs_list_init(&s->conns);
    for (int side = 0; side < 2; side++) {
        s->pair.fixed[side] = conf->own[side] != 0;
        s->pair.heard_ms[side] = LLONG_MIN / 2;
        if (s->pair.fixed[side]) {
            s->pair.legs[side].type = LEG_UDP;
            relay_sock_loopback(conf->own[side], &s->pair.legs[side].ss);
        }
    }
    set_keys(s, conf);
    server_open(s);
    return s;
}

static void
conn_close(struct relay_server *s, struct server_conn *c)
{
    relay_pair_forget(&s->pair, &c->leg);
    ovs_list_remove(&c->node);
    relay_conn_destroy(c->conn);
    free(c);
    s->n_conns--;
}

void
relay_server_destroy(struct relay_server *s)
{
    struct server_conn *c;

    LIST_FOR_EACH_SAFE (c, node, &s->conns) {
        conn_close(s, c);
    }
    if (s->udp >= 0) {
        close(s->udp);
        close(s->listener);
    }
    free(s);
}

bool
relay_server_reconfigure(struct relay_server *s,
                         const struct relay_conf_pair *conf)
{
    if (s->conf.port != conf->port || s->conf.own[0] != conf->own[0]
        || s->conf.own[1] != conf->own[1]) {
        return false;
    }
    set_keys(s, conf);
    return true;
}

void
relay_server_restore(struct relay_server *s,
                     const struct relay_status_pair *status)
{
    for (int side = 0; side < 2 && status->port == s->conf.port; side++) {
        if (!s->pair.fixed[side]
            && status->legs[side].ss_family != AF_UNSPEC) {
            s->pair.legs[side].type = LEG_UDP;
            s->pair.legs[side].ss = status->legs[side];
        }
    }
}

static void
server_forward(struct relay_server *s, const struct relay_leg *from,
               const uint8_t *data, size_t n)
{
    struct relay_leg out[RELAY_MAX_OUT];
    size_t n_out = relay_pair_input(&s->pair, from, data, n, time_msec(),
                                    out);

    for (size_t i = 0; i < n_out; i++) {
        struct server_conn *c;

        if (out[i].type == LEG_UDP) {
            relay_sock_send(s->udp, data, n, &out[i].ss);
            continue;
        }
        LIST_FOR_EACH (c, node, &s->conns) {
            if (relay_leg_equals(&c->leg, &out[i])) {
                relay_conn_send(c->conn, data, n);
            }
        }
    }
}

static void
server_accept(struct relay_server *s)
{
    int fd = accept4(s->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

    if (fd < 0) {
        return;
    }
    if (s->n_conns >= MAX_CONNS) {
        /* The oldest that is nobody's. */
        struct server_conn *c;

        LIST_FOR_EACH_SAFE (c, node, &s->conns) {
            if (!relay_leg_equals(&c->leg, &s->pair.legs[0])
                && !relay_leg_equals(&c->leg, &s->pair.legs[1])) {
                conn_close(s, c);
                break;
            }
        }
    }
    struct server_conn *c = xzalloc(sizeof *c);
    c->conn = relay_conn_create(fd);
    c->leg.type = LEG_TCP;
    c->leg.conn = ++s->next_conn;
    c->since_ms = time_msec();
    ovs_list_push_back(&s->conns, &c->node);
    s->n_conns++;
}

static bool
conn_proved(const struct relay_server *s, const struct server_conn *c)
{
    return (time_msec() - c->since_ms < PROVE_MS
            || relay_leg_equals(&c->leg, &s->pair.legs[0])
            || relay_leg_equals(&c->leg, &s->pair.legs[1]));
}

void
relay_server_run(struct relay_server *s)
{
    uint8_t message[RELAY_MAX_MESSAGE];
    struct server_conn *c;
    size_t n;

    if (s->udp < 0) {
        if (time_msec() >= s->next_open_ms) {
            server_open(s);
        }
        return;
    }
    for (int i = 0; i < MAX_BURST; i++) {
        struct relay_leg from = { .type = LEG_UDP };

        n = relay_sock_receive(s->udp, message, sizeof message, &from.ss);
        if (!n) {
            break;
        }
        server_forward(s, &from, message, n);
    }
    server_accept(s);
    LIST_FOR_EACH_SAFE (c, node, &s->conns) {
        int error = relay_conn_run(c->conn);

        while ((n = relay_conn_receive(c->conn, message))) {
            server_forward(s, &c->leg, message, n);
        }
        if (error || !conn_proved(s, c)) {
            conn_close(s, c);
        }
    }
}

void
relay_server_wait(const struct relay_server *s)
{
    struct server_conn *c;

    if (s->udp < 0) {
        poll_timer_wait_until(s->next_open_ms);
        return;
    }
    poll_fd_wait(s->udp, POLLIN);
    poll_fd_wait(s->listener, POLLIN);
    LIST_FOR_EACH (c, node, &s->conns) {
        relay_conn_wait(c->conn);
    }
    if (s->n_conns) {
        poll_timer_wait(PROVE_MS);
    }
}

void
relay_server_get_status(const struct relay_server *s,
                        struct relay_status_pair *status)
{
    memset(status, 0, sizeof *status);
    status->port = s->conf.port;
    status->error = s->error;
    for (int side = 0; side < 2; side++) {
        bool heard = time_msec() - s->pair.heard_ms[side] < HEARD_MS;

        if (s->pair.legs[side].type == LEG_UDP && !s->pair.fixed[side]) {
            status->legs[side] = s->pair.legs[side].ss;
        }
        ovs_strlcpy(status->heard[side],
                    !heard ? "-" : s->pair.heard[side] == LEG_TCP ? "tcp"
                    : "udp", sizeof status->heard[side]);
    }
}
