#include <config.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "lib/diag.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/ofp-actions.h"
#include "openvswitch/util.h"
#include "state/model.h"
#include "state/rawflow.h"
#include "util.h"

static struct model_raw_flow
model_flow(const char *text)
{
    return (struct model_raw_flow) {
        .loc = { sn_loc_intern("f.yaml"), 7, 20, strlen(text) },
        .node = CONST_CAST(char *, "n1"),
        .bridge = CONST_CAST(char *, "vmbr0"),
        .text = CONST_CAST(char *, text),
    };
}

/* "PRIORITY MATCH -> ACTIONS", port names through the stand-ins. */
static char *
format(const struct raw_flow *raw)
{
    struct ds s = DS_EMPTY_INITIALIZER;
    struct ofpact_format_params fp = { .port_map = raw->map, .s = &s };

    char *match = match_to_string(&raw->match, raw->map, raw->priority);
    ds_put_format(&s, "%s -> ", match);
    ofpacts_format(raw->ofpacts, raw->ofpacts_len, &fp);
    if (raw->in_port) {
        ds_put_format(&s, " from %s", raw->in_port);
    }
    free(match);
    return ds_steal_cstr(&s);
}

static void
test_good(void **state)
{
    static const struct {
        const char *text;
        const char *expected;
    } rows[] = {
        { "priority=90,in_port=veth200,actions=normal",
          "priority=90,in_port=veth200 -> NORMAL from veth200" },
        { "priority=100,udp,tp_dst=51820,actions=output:veth100",
          "priority=100,udp,tp_dst=51820 -> output:veth100" },
        { "ip,nw_dst=10.0.0.0/24,actions=drop",
          "ip,nw_dst=10.0.0.0/24 -> drop" },
        { "priority=7 tcp6,ipv6_src=fd00::1 actions=mod_nw_tos:32,output:a.b",
          "priority=7,tcp6,ipv6_src=fd00::1 -> mod_nw_tos:32,output:\"a.b\"" },
        { "in_port=local,ip,actions=output:LOCAL",
          "ip,in_port=LOCAL -> LOCAL from LOCAL" },
        { "ip,ct_state=+trk+est,actions=local",
          "ct_state=+est+trk,ip -> LOCAL" },
        { "priority=10,actions=normal", "priority=10 -> NORMAL" },
        { "in_port=x-warp0,actions=output:normal",
          "in_port=\"x-warp0\" -> NORMAL from x-warp0" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct model_raw_flow flow = model_flow(rows[i].text);
        struct diags diags;
        diags_init(&diags);
        struct raw_flow *raw = raw_flow_parse(&flow, &diags);
        if (!raw) {
            diags_print(&diags, stderr);
        }
        assert_non_null(raw);
        char *s = format(raw);
        assert_string_equal(s, rows[i].expected);
        free(s);
        raw_flow_destroy(raw);
        assert_int_equal(diags.n_errors, 0);
        diags_destroy(&diags);
    }
}

struct bad_row {
    const char *text;
    int column, length;         /* Of the first message. */
    const char *message, *fix;
};

static void
check_bad(const struct bad_row *row)
{
    struct model_raw_flow flow = model_flow(row->text);
    struct diags diags;

    diags_init(&diags);
    if (raw_flow_parse(&flow, &diags)) {
        fail_msg("%s parses", row->text);
    }
    if (diags.n_errors != 1) {
        diags_print(&diags, stderr);
        fail_msg("%s: %"PRIuSIZE" errors", row->text, diags.n_errors);
    }

    const struct diag *diag = CONTAINER_OF(ovs_list_front(&diags.list),
                                           struct diag, node);
    if (row->message) {
        assert_string_equal(diag->text, row->message);
    }
    assert_int_equal(diag->loc.line, 7);
    assert_int_equal(diag->loc.column, row->column);
    assert_int_equal(diag->loc.length, row->length);
    if (row->fix) {
        assert_non_null(diag->fix);
        assert_string_equal(diag->fix, row->fix);
    }
    diags_destroy(&diags);
    assert_null(raw_flow_parse(&flow, NULL));
}

static void
test_bad(void **state)
{
    static const struct bad_row rows[] = {
        { "priority=100", 20, 12, "the flow has no actions",
          "end it with actions=..." },
        { "ip,actions=", 30, 1, "the flow has no actions",
          "to drop packets, write actions=drop" },
        { "in_port=veth102,nw_dst=10.0.0.9,actions=drop", 36, 15,
          "OVS ignores nw_dst in a flow without ip, which then matches every "
          "packet", "add ip before it" },
        { "ip,tp_dst=80,actions=drop", 23, 9,
          "OVS ignores tp_dst in a flow without tcp or udp, which then "
          "matches every packet", "add tcp or udp before it" },
        { "ip,nw_dst=10.0.0.200/24,actions=drop", 30, 13,
          "nw_dst=10.0.0.200/24 has host bits below its mask: OVS takes it "
          "for the whole of 10.0.0.0/24",
          "write nw_dst=10.0.0.200 for that one, or nw_dst=10.0.0.0/24 for "
          "all" },
        { "ip,nw_dts=10.0.0.1,actions=drop", 23, 6,
          "unknown field \"nw_dts\"", "write nw_dst" },
        { "ip,nw_dst=10.0.0.999,actions=drop", 30, 10,
          "nw_dst: \"10.0.0.999\" is not an IPv4 address or network", NULL },
        { "table=3,actions=drop", 20, 7, "\"table\" has no place in a raw "
          "flow: raw flows live in a table of their own",
          "leave \"table\" out" },
        { "reg0=1,actions=drop", 20, 6, "\"reg0\" has no place in a raw flow: "
          "the pipeline uses the registers for itself", NULL },
        { "priority=65534,actions=drop", 29, 5,
          "a priority is a number from 1 to 65533", NULL },
        { "in_port=5,actions=drop", 28, 1,
          "port numbers change when a container starts again",
          "write the name of the port" },
        { "in_port=veth1,actions=output:5", 49, 1,
          "port numbers change when a container starts again",
          "write the name of the port" },
        { "ip,actions=output:averyverylongname", 38, 17,
          "\"averyverylongname\" is not the name of a port",
          "a port is a container's veth, an exit's interface, normal or "
          "local" },
        { "ip,actions=learn(table=1,NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[])",
          31, 48, "\"learn\" has no place in a raw flow: nothing reads the "
          "table that it would write: replies of an accepted connection "
          "return by themselves", "remove the flow" },
        { "ip,actions=resubmit(,40)", 31, 13, "\"resubmit\" has no place in a "
          "raw flow: the pipeline's tables are not open to raw flows",
          "write normal to go on through the pipeline" },
        { "ip,actions=flood", 31, 5, "\"flood\" has no place in a raw flow: "
          "the socket network floods nothing",
          "name the container: output:vethN" },
        { "ip,actions=output:veth1,output:veth2", 44, 12, "a packet goes to "
          "one place, and this flow has \"output:veth1\" before "
          "\"output:veth2\"", "keep one" },
        { "ip,actions=drop,normal", 31, 4, "\"drop\" stands alone",
          "write nothing but drop" },
        { "ip,actions=frobnicate", 31, 10, NULL, NULL },
        { "ip,actions=mod_nw_src:10.0.0.1,normal", 31, 19,
          "the action \"mod_nw_src\" has no place in a raw flow",
          "use output:NAME, normal, local, drop, mod_nw_tos, mod_nw_ecn, "
          "mod_nw_ttl" },
        { "arp,actions=normal", 20, 3, "\"arp\" has no place in a raw flow: "
          "raw flows see IP packets only: the pipeline answers ARP",
          "remove the flow" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        check_bad(&rows[i]);
    }
}

/* Two mistakes in one flow, and what is meant nevertheless. */
static void
test_lenient(void **state)
{
    struct model_raw_flow flow
        = model_flow("priority=100,in_port=veth102,nw_dst=10.0.0.200/24,"
                     "actions=drop");
    struct diags diags;
    bool ok;

    diags_init(&diags);
    struct raw_flow *raw = raw_flow_parse_lenient(&flow, &diags, &ok);
    assert_non_null(raw);
    assert_false(ok);
    assert_int_equal(diags.n_errors, 2);
    char *s = format(raw);
    assert_string_equal(s, "priority=100,ip,in_port=veth102,"
                        "nw_dst=10.0.0.0/24 -> drop from veth102");
    free(s);
    raw_flow_destroy(raw);
    diags_destroy(&diags);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_bad),
        cmocka_unit_test(test_lenient),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
