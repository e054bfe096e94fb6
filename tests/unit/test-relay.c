#include <config.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <limits.h>
#include <netinet/in.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <sodium.h>
#include <string.h>
#include <cmocka.h>
#include "agent/probe-message.h"
#include "agent/relay-switch.h"
#include "agent/rendezvous.h"
#include "openvswitch/util.h"
#include "util.h"

/* Side 0 is A with the key 0xaa..., side 1 is B with 0xbb.... */
static struct relay_pair pair;
static struct relay_leg out[RELAY_MAX_OUT];
static long long int now;

static int
setup(void **state)
{
    memset(&pair, 0, sizeof pair);
    memset(&pair.keys[0], 0xaa, sizeof pair.keys[0]);
    memset(&pair.keys[1], 0xbb, sizeof pair.keys[1]);
    pair.heard_ms[0] = pair.heard_ms[1] = LLONG_MIN / 2;
    now = 1000000;
    return 0;
}

static struct relay_leg
udp(const char *endpoint)
{
    struct relay_leg leg = { .type = LEG_UDP };

    assert_true(wg_endpoint_parse(endpoint, &leg.ss));
    return leg;
}

static void
put_mac1(uint8_t *msg, size_t n, const struct wg_key *key)
{
    uint8_t label[40] = "mac1----", hash[EVP_MAX_MD_SIZE];
    EVP_MAC *mac = EVP_MAC_fetch(NULL, "BLAKE2SMAC", NULL);
    EVP_MAC_CTX *ctx = EVP_MAC_CTX_new(mac);
    size_t size = 16, len;
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_size_t(OSSL_MAC_PARAM_SIZE, &size),
        OSSL_PARAM_construct_end(),
    };

    memcpy(label + 8, key->bytes, 32);
    EVP_Digest(label, sizeof label, hash, NULL, EVP_blake2s256(), NULL);
    EVP_MAC_init(ctx, hash, 32, params);
    EVP_MAC_update(ctx, msg, n - 32);
    EVP_MAC_final(ctx, msg + n - 32, &len, 16);
    EVP_MAC_CTX_free(ctx);
    EVP_MAC_free(mac);
}

/* Sends a message of 'type' for 'key' (NULL: of no use to anybody) and
 * returns to how many legs it went. */
static size_t
send_message(enum wg_message_type type, const struct relay_leg *from,
             const struct wg_key *key, uint32_t sender, uint32_t receiver)
{
    uint8_t msg[148] = { type };
    size_t n = (type == WG_MSG_INITIATION ? 148 : type == WG_MSG_RESPONSE ? 92
                : 64);

    memcpy(msg + 4, type == WG_MSG_DATA ? &receiver : &sender, 4);
    if (type == WG_MSG_RESPONSE) {
        memcpy(msg + 8, &receiver, 4);
    }
    if (key) {
        put_mac1(msg, n, key);
    }
    return relay_pair_input(&pair, from, msg, n, now, out);
}

static void
assert_goes_to(size_t n_out, const struct relay_leg *leg)
{
    assert_int_equal(n_out, 1);
    assert_true(relay_leg_equals(&out[0], leg));
}

/* "mac1" as Python's hashlib computes it. */
static void
test_mac1_vector(void **state)
{
    static const uint8_t mac1[] = {
        0x57, 0x0e, 0xc7, 0x0d, 0x1d, 0x97, 0xb7, 0x41,
        0x1b, 0x72, 0x67, 0x8b, 0x2b, 0x1e, 0xd9, 0x33,
    };
    uint8_t msg[148] = { 1 };
    struct wg_key key;

    memset(&key, 0x42, sizeof key);
    for (int i = 0; i < 112; i++) {
        msg[4 + i] = i;
    }
    memcpy(msg + 116, mac1, 16);
    assert_true(wg_message_is_for(msg, sizeof msg, &key));
    msg[20] ^= 1;
    assert_false(wg_message_is_for(msg, sizeof msg, &key));
}

static void
test_classify(void **state)
{
    static const struct {
        size_t n;
        uint8_t bytes[4];
        enum wg_message_type type;
    } rows[] = {
        { 148, { 1 }, WG_MSG_INITIATION }, { 147, { 1 }, WG_MSG_NONE },
        { 92, { 2 }, WG_MSG_RESPONSE }, { 64, { 3 }, WG_MSG_COOKIE },
        { 32, { 4 }, WG_MSG_DATA }, { 1452, { 4 }, WG_MSG_DATA },
        { 31, { 4 }, WG_MSG_NONE }, { 64, { 4, 0, 1 }, WG_MSG_NONE },
        { 80, "SNp1", WG_MSG_NONE }, { 3, { 4 }, WG_MSG_NONE },
        { 64, { 5 }, WG_MSG_NONE }, { 64, { 0 }, WG_MSG_NONE },
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        uint8_t msg[1452] = { 0 };

        memcpy(msg, rows[i].bytes, 4);
        assert_int_equal(wg_message_classify(msg, rows[i].n), rows[i].type);
    }
}

static void
make_session(const struct relay_leg *a, const struct relay_leg *b)
{
    send_message(WG_MSG_INITIATION, b, &pair.keys[0], 90, 0);
    assert_true(send_message(WG_MSG_INITIATION, a, &pair.keys[1], 10, 0));
    assert_goes_to(send_message(WG_MSG_RESPONSE, b, &pair.keys[0], 20, 10),
                   a);
    assert_goes_to(send_message(WG_MSG_DATA, a, NULL, 0, 20), b);
}

static void
test_session(void **state)
{
    struct relay_leg a = udp("192.0.2.1:1"), b = udp("192.0.2.2:2");

    make_session(&a, &b);
    assert_goes_to(send_message(WG_MSG_DATA, &b, NULL, 0, 10), &a);
    assert_goes_to(send_message(WG_MSG_DATA, &a, NULL, 0, 20), &b);
}

static void
test_strangers_reach_nobody(void **state)
{
    struct relay_leg a = udp("192.0.2.1:1"), b = udp("192.0.2.2:2");
    struct relay_leg x = udp("192.0.2.9:9");
    struct wg_key other;

    memset(&other, 0xcc, sizeof other);
    make_session(&a, &b);
    assert_int_equal(send_message(WG_MSG_DATA, &x, NULL, 0, 20), 0);
    assert_int_equal(send_message(WG_MSG_INITIATION, &x, NULL, 5, 0), 0);
    assert_int_equal(send_message(WG_MSG_INITIATION, &x, &other, 5, 0), 0);
    assert_int_equal(send_message(WG_MSG_RESPONSE, &x, &pair.keys[0], 5, 10),
                     0);
    assert_int_equal(send_message(WG_MSG_COOKIE, &x, NULL, 10, 0), 0);
    /* Nothing of theirs moved a leg. */
    assert_goes_to(send_message(WG_MSG_DATA, &a, NULL, 0, 20), &b);
    assert_goes_to(send_message(WG_MSG_DATA, &b, NULL, 0, 10), &a);
}

/* Who knows B's key, but is not A, can make B's host look at an initiation;
 * without B's response it gets no leg. */
static void
test_caller_without_answer_gets_no_leg(void **state)
{
    struct relay_leg a = udp("192.0.2.1:1"), b = udp("192.0.2.2:2");
    struct relay_leg x = udp("192.0.2.9:9");

    make_session(&a, &b);
    assert_goes_to(send_message(WG_MSG_INITIATION, &x, &pair.keys[1], 66, 0),
                   &b);
    assert_int_equal(send_message(WG_MSG_DATA, &x, NULL, 0, 20), 0);
    assert_goes_to(send_message(WG_MSG_DATA, &b, NULL, 0, 10), &a);
}

static void
test_side_moves(void **state)
{
    struct relay_leg a = udp("192.0.2.1:1"), b = udp("192.0.2.2:2");
    struct relay_leg moved = udp("192.0.2.77:7");

    make_session(&a, &b);
    assert_goes_to(send_message(WG_MSG_INITIATION, &moved, &pair.keys[1], 11,
                                0), &b);
    assert_goes_to(send_message(WG_MSG_RESPONSE, &b, &pair.keys[0], 21, 11),
                   &moved);
    assert_goes_to(send_message(WG_MSG_DATA, &b, NULL, 0, 10), &a);
    assert_goes_to(send_message(WG_MSG_DATA, &moved, NULL, 0, 21), &b);
    assert_goes_to(send_message(WG_MSG_DATA, &b, NULL, 0, 11), &moved);
    assert_int_equal(send_message(WG_MSG_DATA, &a, NULL, 0, 20), 0);
}

static void
test_own_side_is_fixed(void **state)
{
    struct relay_leg a = { .type = LEG_TCP, .conn = 1 };
    struct relay_leg own = udp("127.0.0.1:51821"), x = udp("192.0.2.9:9");

    pair.fixed[1] = true;
    pair.legs[1] = own;
    assert_int_equal(send_message(WG_MSG_INITIATION, &x, &pair.keys[0], 7, 0),
                     0);
    assert_goes_to(send_message(WG_MSG_INITIATION, &a, &pair.keys[1], 10, 0),
                   &own);
    assert_goes_to(send_message(WG_MSG_RESPONSE, &own, &pair.keys[0], 20, 10),
                   &a);
    assert_goes_to(send_message(WG_MSG_DATA, &a, NULL, 0, 20), &own);
    relay_pair_forget(&pair, &a);
    assert_int_equal(send_message(WG_MSG_DATA, &own, NULL, 0, 10), 0);
}

/* A side that is about to take another key gets what is made for that. */
static void
test_next_key(void **state)
{
    struct relay_leg a = udp("192.0.2.1:1"), b = udp("192.0.2.2:2");
    struct wg_key next = { .bytes = { 77 } };

    make_session(&a, &b);
    assert_int_equal(send_message(WG_MSG_INITIATION, &a, &next, 11, 0), 0);
    pair.next_keys[1] = next;
    assert_goes_to(send_message(WG_MSG_INITIATION, &a, &next, 11, 0), &b);
    assert_goes_to(send_message(WG_MSG_RESPONSE, &b, &pair.keys[0], 21, 11),
                   &a);
    assert_goes_to(send_message(WG_MSG_DATA, &a, NULL, 0, 21), &b);
}

static void
test_initiations_are_limited(void **state)
{
    struct relay_leg a = udp("192.0.2.1:1"), b = udp("192.0.2.2:2");
    size_t n = 0;

    make_session(&a, &b);
    for (int i = 0; i < 1000; i++) {
        n += send_message(WG_MSG_INITIATION, &a, &pair.keys[1], i, 0);
    }
    assert_in_range(n, 5, 30);
    now += 60000;
    assert_int_equal(send_message(WG_MSG_INITIATION, &a, &pair.keys[1], 1, 0),
                     1);
}

static void
test_probe(void **state)
{
    struct probe_msg msg = { .type = PROBE_PONG, .id = 0x1234567890 }, got;
    struct wg_key a, a_pub, b, b_pub, x, x_pub;
    struct probe_key at_a, at_b, at_x;
    uint8_t data[PROBE_LEN];

    randombytes_buf(&a, sizeof a);
    randombytes_buf(&b, sizeof b);
    randombytes_buf(&x, sizeof x);
    crypto_scalarmult_base(a_pub.bytes, a.bytes);
    crypto_scalarmult_base(b_pub.bytes, b.bytes);
    crypto_scalarmult_base(x_pub.bytes, x.bytes);
    assert_true(probe_key_derive(&at_a, &a, &a_pub, &b_pub));
    assert_true(probe_key_derive(&at_b, &b, &b_pub, &a_pub));
    assert_true(probe_key_derive(&at_x, &x, &x_pub, &a_pub));
    assert_true(wg_endpoint_parse("[2001:db8::1]:51821", &msg.seen));

    probe_encode(&at_a, &msg, data);
    assert_int_equal(wg_message_classify(data, sizeof data), WG_MSG_NONE);
    assert_true(probe_decode(&at_b, data, sizeof data, &got));
    assert_int_equal(got.type, PROBE_PONG);
    assert_true(got.id == msg.id);
    assert_true(wg_endpoint_equals(&got.seen, &msg.seen));
    assert_false(probe_decode(&at_a, data, sizeof data, &got));
    assert_false(probe_decode(&at_x, data, sizeof data, &got));
    for (size_t i = 0; i < sizeof data; i++) {
        data[i] ^= 0x10;
        assert_false(probe_decode(&at_b, data, sizeof data, &got));
        data[i] ^= 0x10;
    }
    assert_false(probe_decode(&at_b, data, sizeof data - 1, &got));
}

/* Same LAN first, then IPv6, the configured endpoint, what others saw; what
 * this node itself saw is nothing new. */
static void
test_candidates(void **state)
{
    static const char *const expected[] = {
        "192.168.1.3:51822", "203.0.113.5:51821", "198.51.100.2:40001",
    };
    struct rendezvous_candidate list[RENDEZVOUS_MAX];
    struct sockaddr_storage ss, configured;
    struct rendezvous r;

    rendezvous_init(&r);
    sset_add(&rendezvous_get(&r, "a")->addresses, "192.168.1.2");
    sset_add(&rendezvous_get(&r, "b")->addresses, "192.168.1.3");
    rendezvous_get(&r, "b")->listen_port = 51822;
    assert_true(wg_endpoint_parse("198.51.100.2:40000", &ss));
    rendezvous_add_observed(&r, "a", "hub", &ss);
    assert_true(wg_endpoint_parse("198.51.100.2:40001", &ss));
    rendezvous_add_observed(&r, "b", "hub", &ss);
    assert_true(wg_endpoint_parse("198.51.100.2:40002", &ss));
    rendezvous_add_observed(&r, "b", "a", &ss);
    assert_true(wg_endpoint_parse("203.0.113.5:51821", &configured));

    size_t n = rendezvous_candidates(&r, "a", "b", &configured, list);
    assert_int_equal(n, ARRAY_SIZE(expected));
    for (size_t i = 0; i < n; i++) {
        assert_true(wg_endpoint_parse(expected[i], &ss));
        assert_true(wg_endpoint_equals(&list[i].ss, &ss));
        assert_int_equal(list[i].kind, i ? PATH_DIRECT : PATH_LAN);
    }
    rendezvous_destroy(&r);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mac1_vector),
        cmocka_unit_test(test_classify),
        cmocka_unit_test_setup(test_session, setup),
        cmocka_unit_test_setup(test_strangers_reach_nobody, setup),
        cmocka_unit_test_setup(test_caller_without_answer_gets_no_leg, setup),
        cmocka_unit_test_setup(test_side_moves, setup),
        cmocka_unit_test_setup(test_own_side_is_fixed, setup),
        cmocka_unit_test_setup(test_next_key, setup),
        cmocka_unit_test_setup(test_initiations_are_limited, setup),
        cmocka_unit_test(test_probe),
        cmocka_unit_test(test_candidates),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
