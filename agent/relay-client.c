#include <config.h>
#include "agent/relay-server.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "agent/relay-conn.h"
#include "agent/relay-sock.h"
#include "agent/relay-switch.h"
#include "openvswitch/poll-loop.h"
#include "timeval.h"
#include "util.h"

#define MAX_BURST 64
#define MIN_RETRY_MS 1000
#define MAX_RETRY_MS 15000

struct relay_client {
    struct relay_conf_client conf;
    struct sockaddr_storage wg; /* This host's WireGuard. */
    int udp;
    uint16_t port;
    struct relay_conn *conn;    /* NULL: until the next attempt. */
    int error;                  /* Why not. */
    long long int next_ms;
    int retry_ms;
};

struct relay_client *
relay_client_create(const struct relay_conf_client *conf, uint16_t port)
{
    struct relay_client *c = xzalloc(sizeof *c);

    c->conf = *conf;
    c->port = port;
    c->udp = -1;
    c->retry_ms = MIN_RETRY_MS;
    c->error = relay_sock_open_local(&c->port, &c->udp);
    relay_sock_loopback(conf->wg_port, &c->wg);
    return c;
}

void
relay_client_destroy(struct relay_client *c)
{
    relay_conn_destroy(c->conn);
    if (c->udp >= 0) {
        close(c->udp);
    }
    free(c);
}

bool
relay_client_is(const struct relay_client *c,
                const struct relay_conf_client *conf)
{
    return (wg_endpoint_equals(&c->conf.hub, &conf->hub)
            && c->conf.wg_port == conf->wg_port);
}

static void
client_retry(struct relay_client *c, int error)
{
    relay_conn_destroy(c->conn);
    c->conn = NULL;
    c->error = error;
    c->next_ms = time_msec() + c->retry_ms;
    c->retry_ms = MIN(c->retry_ms * 2, MAX_RETRY_MS);
}

void
relay_client_run(struct relay_client *c)
{
    uint8_t message[RELAY_MAX_MESSAGE];
    struct sockaddr_storage from;
    size_t n;

    if (!c->conn && time_msec() >= c->next_ms) {
        int error = relay_conn_connect(&c->conf.hub, &c->conn);

        if (error) {
            client_retry(c, error);
        }
    }
    for (int i = 0; i < MAX_BURST && c->udp >= 0; i++) {
        n = relay_sock_receive(c->udp, message, sizeof message, &from);
        if (!n) {
            break;
        }
        if (c->conn && wg_endpoint_equals(&from, &c->wg)
            && wg_message_classify(message, n) != WG_MSG_NONE) {
            relay_conn_send(c->conn, message, n);
        }
    }
    if (!c->conn) {
        return;
    }
    int error = relay_conn_run(c->conn);
    while ((n = relay_conn_receive(c->conn, message))) {
        if (c->udp >= 0
            && wg_message_classify(message, n) != WG_MSG_NONE) {
            relay_sock_send(c->udp, message, n, &c->wg);
        }
    }
    if (error) {
        client_retry(c, error);
    } else if (relay_conn_is_connected(c->conn)) {
        c->retry_ms = MIN_RETRY_MS;
        c->error = 0;
    }
}

void
relay_client_wait(const struct relay_client *c)
{
    if (c->udp >= 0) {
        poll_fd_wait(c->udp, POLLIN);
    }
    if (c->conn) {
        relay_conn_wait(c->conn);
    } else {
        poll_timer_wait_until(c->next_ms);
    }
}

void
relay_client_get_status(const struct relay_client *c,
                        struct relay_status_client *status)
{
    status->port = c->udp >= 0 ? c->port : 0;
    status->text = xstrdup(c->conn && relay_conn_is_connected(c->conn)
                           ? "connected"
                           : c->error == EOF ? "connection closed"
                           : c->error ? ovs_strerror(c->error)
                           : "connecting");
}
