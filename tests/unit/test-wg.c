#include <config.h>

#include <setjmp.h>
#include <stdarg.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <sodium.h>
#include "agent/wg.h"
#include "agent/wg-uapi.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/util.h"
#include "util.h"

#define NOW 1000000

/* Public keys, as hexadecimal and without the zeros that fill them up. */
#define KEY_TAIL "0000000000000000000000000000000" \
                 "0000000000000000000000000000000"
#define A "public_key=aa" KEY_TAIL "\n"
#define B "public_key=bb" KEY_TAIL "\n"
#define C "public_key=cc" KEY_TAIL "\n"

static void
device_init(struct wg_device *device, const char *text)
{
    char *with_end = xasprintf("%serrno=0\n\n", text);

    wg_device_init(device);
    assert_int_equal(wg_uapi_parse(with_end, device), 0);
    free(with_end);
}

/* The peers in 'ds' come in the order of a hash table. */
static int
compare_blocks(const void *a, const void *b)
{
    return strcmp(*(char *const *) a, *(char *const *) b);
}

static char *
sort_blocks(char *text)
{
    struct ds ds = DS_EMPTY_INITIALIZER;
    char *blocks[16];
    size_t n = 0;
    char *p = strstr(text, "public_key=");

    while (p) {
        char *next = strstr(p + 1, "public_key=");

        blocks[n++] = xmemdup0(p, next ? next - p : strlen(p));
        p = next;
    }
    qsort(blocks, n, sizeof blocks[0], compare_blocks);
    for (size_t i = 0; i < n; i++) {
        ds_put_cstr(&ds, blocks[i]);
        free(blocks[i]);
    }
    return ds_steal_cstr(&ds);
}

/* The difference of two devices as a UAPI request, less "set=1". */
static char *
diff(const char *have_text, const char *want_text, bool force)
{
    struct wg_device have, want;
    struct wg_changes changes;
    struct ds ds = DS_EMPTY_INITIALIZER;
    struct wg_peer *peer;

    device_init(&have, have_text);
    device_init(&want, want_text);
    HMAP_FOR_EACH (peer, node, &want.peers) {
        peer->force_endpoint = force;
    }
    wg_changes_init(&changes);
    wg_diff(&have, &want, NOW, &changes);
    if (!wg_changes_is_empty(&changes)) {
        wg_uapi_format(&changes, &ds);
        assert_memory_equal(ds_cstr(&ds), "set=1\n", 6);
        ds_chomp(&ds, '\n');
    }
    wg_changes_destroy(&changes);
    wg_device_destroy(&have);
    wg_device_destroy(&want);
    return ds_steal_cstr(&ds);
}

static void
test_diff(void **state)
{
    static const struct {
        const char *what, *have, *want, *expected;
        bool force;
    } rows[] = {
        { "equal",
          "listen_port=1\n" A "endpoint=192.0.2.1:5\nallowed_ip=10.0.0.0/24\n",
          "listen_port=1\n" A "endpoint=192.0.2.1:5\nallowed_ip=10.0.0.0/24\n",
          "" },
        { "order of prefixes does not matter",
          A "allowed_ip=10.0.0.0/24\nallowed_ip=10.1.0.0/24\n",
          A "allowed_ip=10.1.0.0/24\nallowed_ip=10.0.0.0/24\n", "" },
        { "new peer", "",
          A "endpoint=[2001:db8::1]:51821\nallowed_ip=10.0.0.0/24\n"
          "allowed_ip=fd00::/64\npersistent_keepalive_interval=25\n",
          A "endpoint=[2001:db8::1]:51821\npersistent_keepalive_interval=25\n"
          "allowed_ip=10.0.0.0/24\nallowed_ip=fd00::/64\n" },
        { "new peer behind NAT: no endpoint", "",
          A "allowed_ip=10.0.0.0/24\n", A "allowed_ip=10.0.0.0/24\n" },
        { "peer gone", A "allowed_ip=10.0.0.0/24\n", "",
          A "remove=true\n" },
        { "one prefix more",
          A "allowed_ip=10.0.0.0/24\n",
          A "allowed_ip=10.0.0.0/24\nallowed_ip=10.1.0.7/32\n",
          A "allowed_ip=10.1.0.7/32\n" },
        { "a prefix moves: one message to the new owner",
          A "allowed_ip=10.0.0.0/24\nallowed_ip=10.2.0.0/24\n"
          B "allowed_ip=10.1.0.0/24\n",
          A "allowed_ip=10.0.0.0/24\n"
          B "allowed_ip=10.1.0.0/24\nallowed_ip=10.2.0.0/24\n",
          B "allowed_ip=10.2.0.0/24\n" },
        { "a new key: the new peer takes over, then the old one goes",
          A "allowed_ip=10.0.0.0/24\n", B "allowed_ip=10.0.0.0/24\n",
          A "remove=true\n" B "allowed_ip=10.0.0.0/24\n" },
        { "keepalive off", A "persistent_keepalive_interval=25\n", A,
          A "persistent_keepalive_interval=0\n" },
        { "a fresh roamed endpoint stays",
          A "endpoint=192.0.2.9:9\nlast_handshake_time_sec=999900\n",
          A "endpoint=192.0.2.1:5\n", "" },
        { "a stale one does not",
          A "endpoint=192.0.2.9:9\nlast_handshake_time_sec=999820\n",
          A "endpoint=192.0.2.1:5\n", A "endpoint=192.0.2.1:5\n" },
        { "one without any handshake does not",
          A "endpoint=192.0.2.9:9\n", A "endpoint=192.0.2.1:5\n",
          A "endpoint=192.0.2.1:5\n" },
        { "another endpoint in the state file is set at once",
          A "endpoint=192.0.2.9:9\nlast_handshake_time_sec=999999\n",
          A "endpoint=192.0.2.1:5\n", A "endpoint=192.0.2.1:5\n", true },
        { "a roamed endpoint that is not in the state file is never cleared",
          A "endpoint=192.0.2.9:9\n", A, "" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        char *got = diff(rows[i].have, rows[i].want, rows[i].force);
        char *sorted = sort_blocks(got);

        if (strcmp(sorted, rows[i].expected)) {
            fail_msg("%s: got\n%s", rows[i].what, got);
        }
        free(sorted);
        free(got);
    }
}

static void
test_diff_device(void **state)
{
    char *got = diff("listen_port=1\n", "listen_port=2\nprivate_key=40"
                     KEY_TAIL "\n", false);

    assert_string_equal(got, "set=1\nprivate_key=40" KEY_TAIL "\n"
                        "listen_port=2\n");
    free(got);
}

/* Whoever takes a prefix over gets it before its last owner goes. */
static void
test_diff_order(void **state)
{
    char *got = diff(A "allowed_ip=10.0.0.0/24\n",
                     B "allowed_ip=10.0.0.0/24\n", false);

    assert_string_equal(got, "set=1\n" B "allowed_ip=10.0.0.0/24\n"
                        A "remove=true\n");
    free(got);
}

/* The peer that has another key now: where it was, and called at once. */
static void
test_diff_former(void **state)
{
    struct wg_device have, want;
    struct wg_changes changes;
    struct wg_peer *b;
    struct ds ds = DS_EMPTY_INITIALIZER;

    device_init(&have, A "endpoint=192.0.2.9:9\nallowed_ip=10.0.0.0/24\n"
                "last_handshake_time_sec=999900\n");
    device_init(&want, B "endpoint=192.0.2.1:5\nallowed_ip=10.0.0.0/24\n");
    HMAP_FOR_EACH (b, node, &want.peers) {
        b->has_former = true;
        b->former.bytes[0] = 0xaa;
    }
    wg_changes_init(&changes);
    wg_diff(&have, &want, NOW, &changes);
    wg_uapi_format(&changes, &ds);
    assert_string_equal(ds_cstr(&ds), "set=1\n" B "endpoint=192.0.2.9:9\n"
                        "persistent_keepalive_interval=25\n"
                        "allowed_ip=10.0.0.0/24\n"
                        B "persistent_keepalive_interval=0\n"
                        A "remove=true\n\n");
    ds_destroy(&ds);
    wg_changes_destroy(&changes);
    wg_device_destroy(&have);
    wg_device_destroy(&want);
}

/* Another key of one's own: all peers are called. */
static void
test_diff_own_key(void **state)
{
    char *got = diff("private_key=40" KEY_TAIL "\n"
                     A "endpoint=192.0.2.9:9\n", "private_key=48" KEY_TAIL
                     "\n" A, false);

    assert_string_equal(got, "set=1\nprivate_key=48" KEY_TAIL "\n"
                        A "persistent_keepalive_interval=25\n"
                        A "persistent_keepalive_interval=0\n");
    free(got);
}

/* A prefix that nobody is to have goes with a peer that comes and goes in the
 * same message; the peer that had it keeps the others all the time. */
static void
test_diff_drop_prefix(void **state)
{
    char *got = diff(A "allowed_ip=10.0.0.0/24\nallowed_ip=10.2.0.0/24\n"
                     C "allowed_ip=10.9.0.0/24\n",
                     A "allowed_ip=10.0.0.0/24\n", false);
    char key[65], again[65];
    int n = 0;

    assert_true(ovs_scan(got, "set=1\npublic_key=%64[0-9a-f]\n"
                         "allowed_ip=10.2.0.0/24\n"
                         "public_key=%64[0-9a-f]\nremove=true\n%n",
                         key, again, &n));
    assert_string_equal(key, again);
    assert_string_not_equal(key, "aa" KEY_TAIL);
    assert_string_equal(got + n, C "remove=true\n");
    assert_null(strstr(got, "replace"));
    free(got);
}

static void
test_uapi_parse(void **state)
{
    static const char text[] =
        "private_key=40" KEY_TAIL "\nlisten_port=51821\nfwmark=0\n"
        A "preshared_key=00" KEY_TAIL "\nprotocol_version=1\n"
        "endpoint=198.51.100.12:51821\n"
        "last_handshake_time_sec=1700000000\nlast_handshake_time_nsec=5\n"
        "tx_bytes=18446744073709551615\nrx_bytes=764\n"
        "persistent_keepalive_interval=25\nallowed_ip=10.1.0.0/24\n"
        "allowed_ip=100.64.0.2/32\nallowed_ip=fd00:53:1::/64\n"
        "errno=0\n\n";
    struct wg_device device;
    struct ds ds = DS_EMPTY_INITIALIZER;
    struct wg_key key = { .bytes = { 0xaa } };

    wg_device_init(&device);
    assert_int_equal(wg_uapi_parse(text, &device), 0);
    assert_int_equal(device.listen_port, 51821);
    assert_int_equal(device.private_key.bytes[0], 0x40);
    const struct wg_peer *peer = wg_device_find_peer(&device, &key);
    assert_non_null(peer);
    wg_endpoint_format(&peer->endpoint, &ds);
    assert_string_equal(ds_cstr(&ds), "198.51.100.12:51821");
    assert_int_equal(peer->handshake, 1700000000);
    assert_int_equal(peer->rx_bytes, 764);
    assert_true(peer->tx_bytes == UINT64_MAX);
    assert_int_equal(peer->keepalive_s, 25);
    assert_int_equal(peer->n_allowed, 3);
    ds_destroy(&ds);
    wg_device_destroy(&device);
}

static void
test_uapi_parse_errors(void **state)
{
    static const struct {
        const char *text;
        int error;
    } rows[] = {
        { "errno=0\n\n", 0 },
        { "some_day=new\nerrno=0\n\n", 0 },
        { A "some_day=new\nerrno=0\n\n", 0 },
        { "errno=2\n\n", 2 },
        { "errno=-2\n\n", 2 },
        { "", EPROTO },
        { "listen_port=51821\n", EPROTO },              /* Cut off. */
        { "listen_port=51821", EPROTO },
        { "listen_port\nerrno=0\n\n", EPROTO },
        { "listen_port=99999\nerrno=0\n\n", EPROTO },
        { "listen_port=-1\nerrno=0\n\n", EPROTO },
        { "private_key=40\nerrno=0\n\n", EPROTO },
        { "public_key=zz" KEY_TAIL "\nerrno=0\n\n", EPROTO },
        { "public_key=aa" KEY_TAIL "00\nerrno=0\n\n", EPROTO },
        { A "endpoint=198.51.100.12\nerrno=0\n\n", EPROTO },
        { A "endpoint=198.51.100.12:0\nerrno=0\n\n", EPROTO },
        { A "endpoint=[::1:5\nerrno=0\n\n", EPROTO },
        { A "endpoint=[]:5\nerrno=0\n\n", EPROTO },
        { A "endpoint=:5\nerrno=0\n\n", EPROTO },
        { A "allowed_ip=10.0.0.0/33\nerrno=0\n\n", EPROTO },
        { A "last_handshake_time_sec=x\nerrno=0\n\n", EPROTO },
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct wg_device device;

        wg_device_init(&device);
        int error = wg_uapi_parse(rows[i].text, &device);
        if (error != rows[i].error) {
            fail_msg("%s: got %d", rows[i].text, error);
        }
        wg_device_destroy(&device);
    }
}

static void
test_endpoint(void **state)
{
    static const struct {
        const char *text;
        bool ok;
    } rows[] = {
        { "192.0.2.1:51821", true },
        { "[2001:db8::1]:1", true },
        { "[::ffff:192.0.2.1]:65535", true },
        { "192.0.2.1", false },
        { "192.0.2.1:", false },
        { "192.0.2.1:65536", false },
        { "192.0.2.300:1", false },
        { "2001:db8::1:51821", false },
        { "[192.0.2.1]:1", false },
        { "host.example:51821", false },
        { "", false },
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct ds ds = DS_EMPTY_INITIALIZER;
        struct sockaddr_storage ss;
        bool ok = wg_endpoint_parse(rows[i].text, &ss);

        if (ok != rows[i].ok) {
            fail_msg("%s", rows[i].text);
        }
        if (ok) {
            wg_endpoint_format(&ss, &ds);
            assert_string_equal(ds_cstr(&ds), rows[i].text);
        }
        ds_destroy(&ds);
    }
}

static void
test_key_text(void **state)
{
    /* `wg genkey`'s form. */
    static const char good[] = "VZDZxA+wzu5sNoLO8US4olWjWsI7bRblOCkvJlNkgnY=";
    static const char *const bad[] = {
        "", "VZDZ", "VZDZxA+wzu5sNoLO8US4olWjWsI7bRblOCkvJlNkgnY",
        "VZDZxA+wzu5sNoLO8US4olWjWsI7bRblOCkvJlNkgn!=",
        "VZDZxA+wzu5sNoLO8US4olWjWsI7bRblOCkvJlNkgnYA",
        "VZDZxA+wzu5sNoLO8US4olWjWsI7bRblOCkvJlNkgnY=\n",
    };
    char text[WG_KEY_LEN_BASE64];
    struct wg_key key;

    assert_true(wg_key_from_base64(good, &key));
    wg_key_to_base64(&key, text);
    assert_string_equal(text, good);
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        assert_false(wg_key_from_base64(bad[i], &key));
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_diff),
        cmocka_unit_test(test_diff_device),
        cmocka_unit_test(test_diff_order),
        cmocka_unit_test(test_diff_former),
        cmocka_unit_test(test_diff_own_key),
        cmocka_unit_test(test_diff_drop_prefix),
        cmocka_unit_test(test_uapi_parse),
        cmocka_unit_test(test_uapi_parse_errors),
        cmocka_unit_test(test_endpoint),
        cmocka_unit_test(test_key_text),
    };

    if (sodium_init() < 0) {
        return 1;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
