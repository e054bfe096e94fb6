#include <config.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "agent/ovs-trace.h"
#include "util.h"

/* Shortened from what Open vSwitch 3.1 printed. */

static const char local[] =
"Flow: tcp,in_port=4,nw_src=10.0.0.201,nw_dst=10.1.0.103\n"
"\n"
"bridge(\"vmbr0\")\n"
"---------------\n"
" 0. in_port=4, priority 100, cookie 0x5302000000c90001\n"
"    set_field:0xc9->reg0\n"
"    goto_table:4\n"
"12. ip, priority 100, cookie 0x53010000000c000a\n"
"    ct(table=16,zone=21315)\n"
"    drop\n"
"     -> A clone of the packet is forked to recirculate.\n"
"\n"
"Final flow: tcp,reg0=0xc9\n"
"Megaflow: recirc_id=0\n"
"Datapath actions: ct(zone=21315),recirc(0x1)\n"
"\n"
"======\n"
"recirc(0x1) - resume conntrack with ct_state=new|trk\n"
"======\n"
"\n"
"bridge(\"vmbr0\")\n"
"---------------\n"
"    thaw\n"
"        Resuming from table 16\n"
"16. priority 0\n"
"    goto_table:44\n"
"44. reg3=0x1/0x1, priority 100, cookie 0x53010000002c0004\n"
"    LOCAL\n"
"\n"
"Final flow: unchanged\n"
"Datapath actions: ct(commit,zone=21315),1\n";

static void
test_local(void **state OVS_UNUSED)
{
    static const struct ovs_trace_step steps[] = {
        { 0, true, UINT64_C(0x5302000000c90001) },
        { 12, true, UINT64_C(0x53010000000c000a) },
        { 16, true, 0 },
        { 44, true, UINT64_C(0x53010000002c0004) },
    };
    struct ovs_trace t;

    ovs_trace_parse(local, &t);
    assert_int_equal(t.n_steps, ARRAY_SIZE(steps));
    for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
        assert_int_equal(t.steps[i].table, steps[i].table);
        assert_int_equal(t.steps[i].matched, steps[i].matched);
        assert_int_equal(t.steps[i].cookie, steps[i].cookie);
    }
    assert_true(t.local);
    assert_false(t.dropped);
    assert_int_equal(t.port, 0);
    assert_null(t.nat_dst);
    assert_null(t.error);
    ovs_trace_destroy(&t);
}

/* What became of it, of the rest of a trace. */
static const struct {
    const char *text;
    bool dropped, is_local;
    uint32_t port;
    const char *nat_dst;
    uint16_t nat_port;
    const char *error;
} rows[] = {
    { "44. priority 1\n    output:7\nDatapath actions: 3\n", false, false, 7,
      NULL, 0, NULL },
    /* As a switch does not send back. */
    { "44. priority 1\n    output:7\n     >> skipping output to input port\n"
      "Datapath actions: drop\n", true, false, 7, NULL, 0, NULL },
    { "28. No match.\n    drop\nDatapath actions: drop\n", true, false, 0,
      NULL, 0, NULL },
    { "recirc(0x2)\n Modified flow: nw_src=10.0.0.1,tp_src=5,"
      "nw_dst=10.0.0.111,tp_dst=7777\n    output:2\nDatapath actions: 2\n",
      false, false, 2, "10.0.0.111", 7777, NULL },
    { " Modified flow: ipv6_src=[fd00::1],tp_src=5,ipv6_dst=[fd00::2],"
      "tp_dst=80\n    LOCAL\n", false, true, 0, "fd00::2", 80, NULL },
    { " Modified flow: \n", false, false, 0, NULL, 0, NULL },
    /* Before a recirculation nothing is final. */
    { "    output:7\nDatapath actions: drop\nrecirc(0x1) - resume\n", false,
      false, 0, NULL, 0, NULL },
    { "    >>>> resubmit limit <<<<\nDatapath actions: drop\n", true, false,
      0, NULL, 0, "resubmit limit " },
    { "Unknown bridge", false, false, 0, NULL, 0, NULL },
};

static void
test_ends(void **state OVS_UNUSED)
{
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct ovs_trace t;

        ovs_trace_parse(rows[i].text, &t);
        assert_int_equal(t.dropped, rows[i].dropped);
        assert_int_equal(t.local, rows[i].is_local);
        assert_int_equal(t.port, rows[i].port);
        assert_int_equal(t.nat_port, rows[i].nat_port);
        assert_string_equal(t.nat_dst ? t.nat_dst : "",
                            rows[i].nat_dst ? rows[i].nat_dst : "");
        assert_string_equal(t.error ? t.error : "",
                            rows[i].error ? rows[i].error : "");
        ovs_trace_destroy(&t);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_local),
        cmocka_unit_test(test_ends),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
