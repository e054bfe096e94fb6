#include <config.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "flow.h"
#include "lib/ofproto-trace.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/ofp-flow.h"
#include "packets.h"
#include "util.h"

/* Writing: as Open vSwitch reads it again. */

enum {
    FIRST = CS_TRACKED | CS_NEW,
    REPLY = CS_TRACKED | CS_ESTABLISHED | CS_REPLY_DIR,
};

static void
put_addresses(struct flow *packet, struct flow *tuple)
{
    if (packet->dl_type == htons(ETH_TYPE_IP)) {
        packet->nw_src = htonl(0x0a000001);
        packet->nw_dst = htonl(0x0a600001);
        tuple->ct_nw_src = htonl(0x0a000002);
        tuple->ct_nw_dst = htonl(0x0a000003);
    } else {
        packet->ipv6_src = in6addr_loopback;
        packet->ipv6_dst = in6addr_all_hosts;
        tuple->ct_ipv6_src = in6addr_all_routers;
        tuple->ct_ipv6_dst = in6addr_loopback;
    }
    tuple->ct_tp_src = htons(5);
    tuple->ct_tp_dst = htons(6);
}

static void
put_tuple(const struct flow *tuple, struct flow *f)
{
    f->ct_state = tuple->ct_state;
    f->ct_nw_proto = tuple->ct_nw_proto;
    f->ct_nw_src = tuple->ct_nw_src;
    f->ct_nw_dst = tuple->ct_nw_dst;
    f->ct_ipv6_src = tuple->ct_ipv6_src;
    f->ct_ipv6_dst = tuple->ct_ipv6_dst;
    f->ct_tp_src = tuple->ct_tp_src;
    f->ct_tp_dst = tuple->ct_tp_dst;
}

static void
test_format(void **state OVS_UNUSED)
{
    static const struct {
        uint8_t ip_proto;
        uint16_t dl_type;
        uint32_t ct_state;      /* 0: no tuple. */
    } packets[] = {
        { IPPROTO_TCP, ETH_TYPE_IP, FIRST },
        { IPPROTO_TCP, ETH_TYPE_IPV6, REPLY },
        { IPPROTO_UDP, ETH_TYPE_IP, REPLY },
        { IPPROTO_UDP, ETH_TYPE_IPV6, FIRST },
        { IPPROTO_SCTP, ETH_TYPE_IP, FIRST },
        { IPPROTO_SCTP, ETH_TYPE_IPV6, 0 },
        { IPPROTO_ICMP, ETH_TYPE_IP, FIRST },
        { IPPROTO_ICMP, ETH_TYPE_IP, 0 },
        { IPPROTO_ICMPV6, ETH_TYPE_IPV6, FIRST },
    };

    for (size_t i = 0; i < ARRAY_SIZE(packets); i++) {
        struct flow packet = {
            .in_port.ofp_port = i % 2 ? OFPP_LOCAL : u16_to_ofp(7),
            .dl_src = ETH_ADDR_C(02,00,00,00,00,01),
            .dl_dst = ETH_ADDR_C(02,00,00,00,00,02),
            .dl_type = htons(packets[i].dl_type),
            .nw_proto = packets[i].ip_proto,
            .nw_ttl = 64,
            .tp_src = htons(128),
            .tp_dst = htons(80),
        };
        struct flow tuple = { .dl_type = packet.dl_type }, whole, read;
        struct ds s = DS_EMPTY_INITIALIZER;

        put_addresses(&packet, &tuple);
        whole = packet;
        whole.dp_hash = 3;
        if (packets[i].ct_state) {
            tuple.ct_state = packets[i].ct_state;
            tuple.ct_nw_proto = packet.nw_proto;
            put_tuple(&tuple, &whole);
        }
        ofproto_trace_format_flow(&packet, &tuple, 3, &s);
        assert_null(parse_ofp_exact_flow(&read, NULL, NULL, ds_cstr(&s),
                                         NULL));
        assert_true(flow_equal(&read, &whole));
        ds_destroy(&s);
    }
}

/* Reading. */

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
    static const struct ofproto_trace_step steps[] = {
        { 0, true, 100, UINT64_C(0x5302000000c90001) },
        { 12, true, 100, UINT64_C(0x53010000000c000a) },
        { 16, true, 0, 0 },
        { 44, true, 100, UINT64_C(0x53010000002c0004) },
    };
    struct ofproto_trace t;
    char *actions;

    ofproto_trace_parse(local, &t);
    assert_int_equal(t.n_steps, ARRAY_SIZE(steps));
    for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
        assert_int_equal(t.steps[i].table_id, steps[i].table_id);
        assert_int_equal(t.steps[i].matched, steps[i].matched);
        assert_int_equal(t.steps[i].priority, steps[i].priority);
        assert_int_equal(t.steps[i].cookie, steps[i].cookie);
    }
    assert_int_equal(t.output, OFPP_LOCAL);
    assert_false(t.dropped);
    assert_null(t.nat_dst);
    assert_null(t.error);
    assert_null(t.failure);
    actions = svec_join(&t.actions, " ", "");
    assert_string_equal(actions, "ct(zone=21315) recirc(0x1) "
                        "ct(commit,zone=21315) 1");
    free(actions);
    ofproto_trace_uninit(&t);
}

/* What became of it, of the rest of a trace. */
static const struct {
    const char *text;
    bool dropped;
    ofp_port_t output;
    const char *nat_dst;
    uint16_t nat_port;
    const char *error;
} rows[] = {
    { "44. priority 1\n    output:7\nDatapath actions: 3\n", false,
      OFP_PORT_C(7), NULL, 0, NULL },
    /* As a switch does not send back. */
    { "44. priority 1\n    output:7\n     >> skipping output to input port\n"
      "Datapath actions: drop\n", true, OFP_PORT_C(7), NULL, 0, NULL },
    { "28. No match.\n    drop\nDatapath actions: drop\n", true, OFPP_NONE,
      NULL, 0, NULL },
    { "recirc(0x2)\n Modified flow: nw_src=10.0.0.1,tp_src=5,"
      "nw_dst=10.0.0.111,tp_dst=7777\n    output:2\nDatapath actions: 2\n",
      false, OFP_PORT_C(2), "10.0.0.111", 7777, NULL },
    { " Modified flow: ipv6_src=[fd00::1],tp_src=5,ipv6_dst=[fd00::2],"
      "tp_dst=80\n    LOCAL\n", false, OFPP_LOCAL, "fd00::2", 80, NULL },
    { " Modified flow: \n", false, OFPP_NONE, NULL, 0, NULL },
    /* Before a recirculation nothing is final. */
    { "    output:7\nDatapath actions: drop\nrecirc(0x1) - resume\n", false,
      OFPP_NONE, NULL, 0, NULL },
    { "    >>>> resubmit limit <<<<\nDatapath actions: drop\n", true,
      OFPP_NONE, NULL, 0, "resubmit limit " },
    { "Unknown bridge", false, OFPP_NONE, NULL, 0, NULL },
};

static void
test_ends(void **state OVS_UNUSED)
{
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct ofproto_trace t;

        ofproto_trace_parse(rows[i].text, &t);
        assert_int_equal(t.dropped, rows[i].dropped);
        assert_int_equal(t.output, rows[i].output);
        assert_int_equal(t.nat_port, rows[i].nat_port);
        assert_string_equal(t.nat_dst ? t.nat_dst : "",
                            rows[i].nat_dst ? rows[i].nat_dst : "");
        assert_string_equal(t.error ? t.error : "",
                            rows[i].error ? rows[i].error : "");
        ofproto_trace_uninit(&t);
    }
}

static void
test_group(void **state OVS_UNUSED)
{
    static const char text[] =
        "11. priority 200, cookie 0x530b09df3f040015\n"
        "    group:1355928733\n"
        "     -> using bucket 418216288\n"
        "    bucket 418216288\n"
        "28. No match.\n"
        "Datapath actions: set(eth(dst=02:00:00:00:00:01)),b0,p0x32769\n"
        "Translation failed (Recursion too deep), packet is dropped.\n";
    struct ofproto_trace t;

    ofproto_trace_parse(text, &t);
    assert_int_equal(t.n_steps, 2);
    assert_true(t.steps[0].matched);
    assert_int_equal(t.steps[0].priority, 200);
    assert_false(t.steps[1].matched);
    assert_int_equal(t.bucket_id, 418216288);
    assert_int_equal(t.actions.n, 3);
    assert_string_equal(t.actions.names[1], "b0");
    assert_string_equal(t.actions.names[2], "p0x32769");
    assert_string_equal(t.failure, "Translation failed (Recursion too deep), "
                        "packet is dropped.");
    assert_null(t.error);
    ofproto_trace_uninit(&t);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_format),
        cmocka_unit_test(test_local),
        cmocka_unit_test(test_ends),
        cmocka_unit_test(test_group),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
