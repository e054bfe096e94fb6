#include <config.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/exit-health.h"
#include "lib/prefix.h"
#include "state/model.h"
#include "util.h"

/* A row: results of probes ('+', '-', or '|' for the tunnel being cut), and
 * the states after each ('?' unknown, 'U' up, 'D' down) with three failures to
 * be down and two successes to be up. */
static void
test_hysteresis(void **cmocka OVS_UNUSED)
{
    static const struct { const char *results, *states; } rows[] = {
        { "+++-+", "UUUUU" },
        { "+--+--+---", "UUUUUUUUUD" },
        { "---", "??D" },
        { "--+", "??U" },
        { "---+-++--", "??DDDDUUU" },
        { "---+++", "??DDUU" },
        { "+|++", "UDDU" },
        { "+|-+-++", "UDDDDDU" },
        { "--|-", "??DD" },
    };
    const struct exit_health_config config = {
        .interval_ms = 3000, .down_after = 3, .up_after = 2,
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct exit_health h = { .state = EXIT_STATE_UNKNOWN };
        enum exit_state was = h.state;

        for (size_t j = 0; rows[i].results[j]; j++) {
            char c = rows[i].results[j];

            if (c == '|') {
                exit_health_cut(&h, 100);
            } else {
                bool changed = exit_health_result(&h, &config, c == '+', 100);
                assert_int_equal(changed, h.state != was);
            }
            was = h.state;
            if ("?UD"[h.state] != rows[i].states[j]) {
                fail_msg("row %"PRIuSIZE" (%s), result %"PRIuSIZE": %c", i,
                         rows[i].results, j, "?UD"[h.state]);
            }
        }
    }
}

/* Whoever is in doubt asks again soon. */
static void
test_pace(void **cmocka OVS_UNUSED)
{
    const struct exit_health_config config = {
        .interval_ms = 3000, .down_after = 2, .up_after = 2,
    };
    struct exit_health h = { .state = EXIT_STATE_UNKNOWN };

    exit_health_result(&h, &config, true, 0);
    assert_int_equal(h.next_ms, 3000);
    exit_health_result(&h, &config, false, 3000);
    assert_int_equal(h.next_ms, 3000 + EXIT_HEALTH_RETRY_MS);
    exit_health_result(&h, &config, false, 4000);
    assert_int_equal(h.state, EXIT_STATE_DOWN);
    assert_int_equal(h.next_ms, 7000);
    exit_health_result(&h, &config, true, 7000);
    assert_int_equal(h.next_ms, 7000 + EXIT_HEALTH_RETRY_MS);
    exit_health_result(&h, &config, true, 7500);
    assert_int_equal(h.state, EXIT_STATE_UP);
    assert_int_equal(h.next_ms, 10500);
    exit_health_cut(&h, 8000);
    assert_int_equal(h.next_ms, 8000);
}

static void
test_targets(void **cmocka OVS_UNUSED)
{
    static const struct { const char *text; int port; } rows[] = {
        { "192.0.2.1:443", 443 }, { "[2001:db8::1]:65535", 65535 },
        { "192.0.2.1", 0 }, { "192.0.2.1:0", 0 }, { "192.0.2.1:65536", 0 },
        { "192.0.2.0/24:80", 0 }, { "2001:db8::1:443", 0 },
        { "[192.0.2.1]:443", 0 }, { "[2001:db8::1:443", 0 },
        { "web:443", 0 }, { "", 0 }, { ":443", 0 }, { "[]:443", 0 },
        { "192.0.2.1:", 0 }, { "]:1", 0 }, { "[:1", 0 },
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct sn_prefix address;
        uint16_t port = 0;
        char *error = model_probe_target_parse(rows[i].text, &address, &port);

        if (!error != (rows[i].port != 0) || port != rows[i].port) {
            fail_msg("row %"PRIuSIZE", %s: %s", i, rows[i].text,
                     error ? error : "no error");
        }
        free(error);
    }
}

/* The same on every host, so the values are written down. */
static void
test_names(void **cmocka OVS_UNUSED)
{
    struct model_exit exit = {
        .node = CONST_CAST(char *, "b"), .name = CONST_CAST(char *, "warp"),
        .interface = CONST_CAST(char *, "warp0"),
    };
    char *own = model_exit_port(&exit, "b");
    char *other = model_exit_port(&exit, "a");

    assert_string_equal(own, "x-warp0");
    assert_string_equal(other, "x-xr-e2a1278d");
    free(own);
    free(other);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hysteresis),
        cmocka_unit_test(test_pace),
        cmocka_unit_test(test_targets),
        cmocka_unit_test(test_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
