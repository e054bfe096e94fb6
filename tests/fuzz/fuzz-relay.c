/* What anybody can send to a relay's port, what a relay's files hold, and
 * what looks like a probe: whatever the octets, no crash, and nothing goes to
 * where nobody called from. */

#include <config.h>

#include <limits.h>
#include <netinet/in.h>
#include <sodium.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/probe-message.h"
#include "agent/relay-conf.h"
#include "agent/relay-conn.h"
#include "agent/relay-switch.h"
#include "openvswitch/dynamic-string.h"
#include "util.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static struct relay_leg
leg(uint8_t n)
{
    struct relay_leg l = { .type = n & 4 ? LEG_TCP : LEG_UDP };
    struct sockaddr_in *sin = (void *) &l.ss;

    l.conn = n & 3;
    sin->sin_family = AF_INET;
    sin->sin_addr.s_addr = htonl(0x0a000001 + (n & 3));
    sin->sin_port = htons(51821);
    return l;
}

/* Each message: whence, its length, itself. */
static void
feed_switch(const uint8_t *data, size_t n)
{
    struct relay_pair pair;
    long long int now = 1000000;

    memset(&pair, 0, sizeof pair);
    memset(&pair.keys[1], 1, sizeof pair.keys[1]);
    memset(&pair.next_keys[0], 2, sizeof pair.next_keys[0]);
    pair.heard_ms[0] = pair.heard_ms[1] = LLONG_MIN / 2;
    if (n && data[0] & 1) {
        pair.fixed[0] = true;
        pair.legs[0] = leg(3);
    }
    while (n > 2) {
        struct relay_leg from = leg(data[0]), out[RELAY_MAX_OUT];
        size_t len = MIN(data[1], n - 2);
        size_t n_out = relay_pair_input(&pair, &from, data + 2, len, now,
                                        out);

        ovs_assert(n_out <= RELAY_MAX_OUT);
        for (size_t i = 0; i < n_out; i++) {
            ovs_assert(out[i].type != LEG_NONE);
        }
        if (data[0] & 0x80) {
            relay_pair_forget(&pair, &from);
        }
        now += data[0] * 10;
        data += 2 + len;
        n -= 2 + len;
    }
}

/* What comes by TCP, in two pieces: messages, each after its length. */
static void
feed_conn(const uint8_t *data, size_t n)
{
    uint8_t message[RELAY_MAX_MESSAGE];
    struct relay_conn *conn;
    size_t cut = n ? data[0] % n : 0;
    size_t len, total = 0;
    int fds[2];

    if (n > 8192 || socketpair(AF_UNIX, SOCK_STREAM, 0, fds)) {
        return;
    }
    conn = relay_conn_create(fds[0]);
    for (int piece = 0; piece < 2; piece++) {
        const uint8_t *p = piece ? data + cut : data;
        size_t left = piece ? n - cut : cut;

        ovs_assert(!left || send(fds[1], p, left, MSG_NOSIGNAL)
                   == (ssize_t) left);
        if (piece) {
            close(fds[1]);
        }
        relay_conn_run(conn);
        while ((len = relay_conn_receive(conn, message))) {
            ovs_assert(len <= RELAY_MAX_MESSAGE);
            total += len + 2;
        }
    }
    ovs_assert(total <= n);
    relay_conn_destroy(conn);
}

static void
feed_files(const char *text)
{
    struct ds ds = DS_EMPTY_INITIALIZER;
    struct relay_status status;
    struct relay_conf conf, again;

    relay_conf_init(&conf);
    relay_conf_init(&again);
    relay_status_init(&status);
    if (relay_conf_parse(text, &conf)) {
        relay_conf_format(&conf, &ds);
        ovs_assert(relay_conf_parse(ds_cstr(&ds), &again));
    }
    relay_status_parse(text, &status);
    relay_conf_destroy(&conf);
    relay_conf_destroy(&again);
    relay_status_destroy(&status);
    ds_destroy(&ds);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    char *text = xmemdup0((const char *) data, n);
    struct wg_key private, public;
    struct probe_key key;
    struct probe_msg msg;

    feed_switch(data, n);
    feed_conn(data, n);
    feed_files(text);
    memset(&private, 7, sizeof private);
    crypto_scalarmult_base(public.bytes, private.bytes);
    if (probe_key_derive(&key, &private, &public, &public)) {
        ovs_assert(!probe_decode(&key, data, n, &msg));
    }
    free(text);
    return 0;
}
