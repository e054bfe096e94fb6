#include <config.h>
#include "agent/relay-conn.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "openvswitch/ofpbuf.h"
#include "openvswitch/poll-loop.h"
#include "util.h"

#define HEADER_LEN 2
#define MAX_QUEUE (256 * 1024)
/* A connection whose other end is silent this long is dead. */
#define USER_TIMEOUT_MS 5000
#define KEEPALIVE_S 4

struct relay_conn {
    int fd;
    bool connected;
    int error;                  /* EOF or errno. */
    struct ofpbuf rx, tx;
};

static void
set_option(int fd, int level, int option, int value)
{
    setsockopt(fd, level, option, &value, sizeof value);
}

struct relay_conn *
relay_conn_create(int fd)
{
    struct relay_conn *conn = xzalloc(sizeof *conn);

    conn->fd = fd;
    ofpbuf_init(&conn->rx, 0);
    ofpbuf_init(&conn->tx, 0);
    set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
    set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_S);
    set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, KEEPALIVE_S / 2);
    set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, 3);
    set_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, USER_TIMEOUT_MS);
    return conn;
}

void
relay_conn_destroy(struct relay_conn *conn)
{
    if (conn) {
        close(conn->fd);
        ofpbuf_uninit(&conn->rx);
        ofpbuf_uninit(&conn->tx);
        free(conn);
    }
}

int
relay_conn_connect(const struct sockaddr_storage *ss,
                   struct relay_conn **ret_conn)
{
    int fd = socket(ss->ss_family,
                    SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0) {
        return errno;
    }
    if (connect(fd, (const struct sockaddr *) ss,
                ss->ss_family == AF_INET ? sizeof(struct sockaddr_in)
                : sizeof(struct sockaddr_in6))
        && errno != EINPROGRESS) {
        int error = errno;

        close(fd);
        return error;
    }
    *ret_conn = relay_conn_create(fd);
    return 0;
}

static void
conn_flush(struct relay_conn *conn)
{
    while (conn->tx.size && !conn->error) {
        ssize_t n = send(conn->fd, conn->tx.data, conn->tx.size,
                         MSG_NOSIGNAL | MSG_DONTWAIT);

        if (n > 0) {
            ofpbuf_pull(&conn->tx, n);
        } else if (n < 0 && errno == EAGAIN) {
            return;
        } else if (n < 0 && errno != EINTR) {
            conn->error = errno;
        }
    }
    ofpbuf_clear(&conn->tx);
}

/* No more than a few messages are read ahead. */
static void
conn_fill(struct relay_conn *conn)
{
    uint8_t chunk[16384];

    if (conn->rx.size > sizeof chunk) {
        return;
    }
    ssize_t n = recv(conn->fd, chunk, sizeof chunk, MSG_DONTWAIT);
    if (n > 0) {
        ofpbuf_put(&conn->rx, chunk, n);
    } else if (!n) {
        conn->error = EOF;
    } else if (errno != EAGAIN && errno != EINTR) {
        conn->error = errno;
    }
}

int
relay_conn_run(struct relay_conn *conn)
{
    if (!conn->connected) {
        struct sockaddr_storage ss;
        socklen_t len = sizeof ss;
        int error = 0;
        socklen_t error_len = sizeof error;

        getsockopt(conn->fd, SOL_SOCKET, SO_ERROR, &error, &error_len);
        if (error) {
            return error;
        } else if (getpeername(conn->fd, (struct sockaddr *) &ss, &len)) {
            return 0;
        }
        conn->connected = true;
    }
    conn_flush(conn);
    if (!conn->error) {
        conn_fill(conn);
    }
    /* What came in before the end still counts. */
    return conn->rx.size >= HEADER_LEN ? 0 : conn->error;
}

void
relay_conn_wait(const struct relay_conn *conn)
{
    poll_fd_wait(conn->fd, POLLIN | (conn->connected && !conn->tx.size ? 0
                                     : POLLOUT));
    if (conn->error) {
        poll_immediate_wake();
    }
}

bool
relay_conn_is_connected(const struct relay_conn *conn)
{
    return conn->connected;
}

size_t
relay_conn_receive(struct relay_conn *conn,
                   uint8_t message[RELAY_MAX_MESSAGE])
{
    const uint8_t *p = conn->rx.data;
    size_t n;

    if (conn->rx.size < HEADER_LEN) {
        return 0;
    }
    n = p[0] << 8 | p[1];
    if (!n || n > RELAY_MAX_MESSAGE) {
        conn->error = EPROTO;
        ofpbuf_clear(&conn->rx);
        return 0;
    } else if (conn->rx.size < HEADER_LEN + n) {
        if (conn->error) {
            ofpbuf_clear(&conn->rx);
        }
        return 0;
    }
    memcpy(message, p + HEADER_LEN, n);
    ofpbuf_pull(&conn->rx, HEADER_LEN + n);
    if (!conn->rx.size) {
        ofpbuf_clear(&conn->rx);
    }
    return n;
}

void
relay_conn_send(struct relay_conn *conn, const void *message, size_t n)
{
    uint8_t header[HEADER_LEN] = { n >> 8, n };

    if (n > RELAY_MAX_MESSAGE || conn->tx.size + n > MAX_QUEUE) {
        return;
    }
    ofpbuf_put(&conn->tx, header, sizeof header);
    ofpbuf_put(&conn->tx, message, n);
    if (conn->connected) {
        conn_flush(conn);
    }
}
