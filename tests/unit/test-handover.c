#include <config.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>
#include "agent/handover.h"
#include "agent/plan.h"
#include "smap.h"
#include "sset.h"
#include "util.h"

#define KEY_1 "VZDZxA+wzu5sNoLO8US4olWjWsI7bRblOCkvJlNkgnY="
#define KEY_2 "hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmo="
/* What counts as silence, and more. */
#define LONG_MS 1100

static struct handover h;
static long long int now = 1000;

static int
setup(void **state)
{
    handover_init(&h);
    return 0;
}

static int
teardown(void **state)
{
    handover_destroy(&h);
    return 0;
}

/* Peer "b" tells 'key' and 'next' (or NULL), 'refused' was its key once.
 * Returns the key that is in use for it; 'ret_next' may be NULL. */
static const char *
apply(const char *key, const char *next, const char *refused,
      struct plan_peer *ret_peer)
{
    static char text[WG_KEY_LEN_BASE64];
    struct smap next_keys = SMAP_INITIALIZER(&next_keys);
    struct plan_peer peer = { .node = CONST_CAST(char *, "b") };
    struct plan plan = { .peers = &peer, .n_peers = 1 };

    sset_init(&plan.refused_keys);
    peer.has_key = wg_key_from_base64(key, &peer.key);
    if (next) {
        smap_add(&next_keys, "b", next);
    }
    if (refused) {
        sset_add(&plan.refused_keys, refused);
    }
    plan_set_next_keys(&plan, &next_keys);
    handover_apply(&h, &plan, &next_keys, now);
    wg_key_to_base64(&peer.key, text);
    if (ret_peer) {
        *ret_peer = peer;
    }
    smap_destroy(&next_keys);
    sset_destroy(&plan.refused_keys);
    return text;
}

static void
test_waits_until_told(void **state)
{
    struct plan_peer peer;

    assert_string_equal(apply(KEY_1, NULL, NULL, &peer), KEY_1);
    assert_false(peer.has_former);
    assert_string_equal(apply(KEY_1, KEY_2, NULL, &peer), KEY_1);
    assert_true(peer.has_next_key);
    assert_false(handover_is_under_way(&h));

    /* It will switch: what is for its next key is still for the next. */
    assert_string_equal(apply(KEY_2, KEY_2, NULL, &peer), KEY_1);
    assert_true(peer.has_next_key);
    assert_true(handover_is_under_way(&h));
    /* It has. */
    assert_string_equal(apply(KEY_2, NULL, NULL, &peer), KEY_2);
    assert_false(peer.has_next_key);
    assert_true(peer.has_former);
    assert_false(handover_is_under_way(&h));
}

static void
test_waits_for_nobody(void **state)
{
    /* An agent that just started knows no other key. */
    assert_string_equal(apply(KEY_1, KEY_1, NULL, NULL), KEY_1);
    assert_false(handover_is_under_way(&h));
    /* A key from nowhere: the node lost its own. */
    assert_string_equal(apply(KEY_2, NULL, NULL, NULL), KEY_2);
    /* One that was revoked is not kept. */
    assert_string_equal(apply(KEY_1, KEY_1, KEY_2, NULL), KEY_1);
}

static void
test_gives_up_in_silence(void **state)
{
    struct wg_device device;
    struct wg_peer *peer;
    struct wg_key key;

    wg_device_init(&device);
    assert_true(wg_key_from_base64(KEY_1, &key));
    peer = wg_device_add_peer(&device, &key);
    apply(KEY_1, NULL, NULL, NULL);
    assert_string_equal(apply(KEY_2, KEY_2, NULL, NULL), KEY_1);
    assert_false(handover_run(&h, &device, now));

    now += LONG_MS;
    peer->rx_bytes += 100;      /* It still sends with the former. */
    assert_false(handover_run(&h, &device, now));
    now += LONG_MS;
    assert_true(handover_run(&h, &device, now));
    assert_false(handover_run(&h, &device, now));
    assert_string_equal(apply(KEY_2, KEY_2, NULL, NULL), KEY_2);
    assert_false(handover_is_under_way(&h));
    wg_device_destroy(&device);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_waits_until_told, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_waits_for_nobody, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_gives_up_in_silence, setup,
                                        teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
