#include <config.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "agent/ct-count.h"
#include "lib/diag.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/util.h"
#include "state/load.h"
#include "state/model.h"
#include "state/service.h"
#include "util.h"

static const char state[] =
    "nodes:\n  n1:\n"
    "    subnet: [10.0.0.0/24, \"fd00::/64\"]\n"
    "    openflow: {dynamic_routing: {service_discovery: true}}\n"
    "    lxc:\n      containers:\n"
    "        - {id: '100', tags: [t], properties: {name: a,\n"
    "           ipv4_address: 10.0.0.100/24, ipv6_address: 'fd00::100/64',\n"
    "           services: [{name: web, port: 80}, {name: dns,\n"
    "             protocol: udp, port: 53}, {name: s, port: 1}]}}\n"
    "        - {id: '101', tags: [t], properties: {name: b,\n"
    "           ipv4_address: 10.0.0.101/24,\n"
    "           services: [{name: web, port: 81}, {name: dns, port: 53}]}}\n"
    "  n2:\n    subnet: 10.1.0.0/24\n"
    "    lxc:\n      containers:\n"
    "        - {id: '102', properties: {name: c,\n"
    "           ipv4_address: 10.1.0.102/24,\n"
    "           services: [{name: web, port: 80}]}}\n"
    "services:\n"
    "  s: {vip: 10.96.0.9, port: 7,\n"
    "      backends: ['tag:t', 'a:8', c, 'c:7'],\n"
    "      weights: {'tag:t': 5, b: 0}}\n";

static struct model *
load(void)
{
    struct diags diags;

    diags_init(&diags);
    struct model *model = state_load_string(state, "test.yaml", NULL, &diags);
    if (!model) {
        diags_print(&diags, stderr);
        fail_msg("the state does not load");
    }
    diags_destroy(&diags);
    return model;
}

static char *
backends_to_string(const struct model *model, const char *name)
{
    struct service_backend *backends;
    size_t n = service_get_backends(model, model_get_service(model, name),
                                    &backends);
    struct ds s = DS_EMPTY_INITIALIZER;

    for (size_t i = 0; i < n; i++) {
        ds_put_format(&s, "%s%s:%d*%u", i ? " " : "",
                      backends[i].container->name, backends[i].port,
                      backends[i].weight);
    }
    free(backends);
    return ds_steal_cstr(&s);
}

static void
test_backends(void **cmocka OVS_UNUSED)
{
    struct model *model = load();
    char *s = backends_to_string(model, "s");

    /* Each once; what is said of a container counts. */
    assert_string_equal(s, "a:7*5 a:8*1 b:7*0 c:7*1");
    free(s);
    model_destroy(model);
}

static void
test_discovery(void **cmocka OVS_UNUSED)
{
    struct model *model = load();
    const struct model_service *web = model_get_service(model, "web");
    const struct model_service *dns = model_get_service(model, "dns");
    char *s = backends_to_string(model, "web");

    /* Of the nodes that discover; at each container's own port. */
    assert_string_equal(s, "a:80*1 b:81*1");
    free(s);
    assert_true(web->discovered);
    assert_int_equal(web->port, 80);
    assert_int_equal(web->n_vips, 2);
    assert_true(sn_prefix_contains(&model->mesh.service4, &web->vips[0]));
    assert_true(sn_prefix_contains(&model->mesh.service6, &web->vips[1]));
    assert_false(sn_prefix_equals(&web->vips[0], &dns->vips[0]));

    /* One protocol; the name of a service of the file is taken. */
    s = backends_to_string(model, "dns");
    assert_string_equal(s, "a:53*1");
    free(s);
    assert_false(model_get_service(model, "s")->discovered);

    /* Addresses follow from the names alone. */
    struct model *again = load();
    const struct model_service *web2 = model_get_service(again, "web");
    assert_true(sn_prefix_equals(&web->vips[0], &web2->vips[0]));
    model_destroy(again);
    model_destroy(model);
}

static void
test_entries(void **cmocka OVS_UNUSED)
{
    static const struct { const char *line; const char *want; } rows[] = {
        { "tcp,orig=(src=10.0.0.101,dst=10.96.0.10,sport=54132,dport=80),"
          "reply=(src=10.0.0.111,dst=10.0.0.101,sport=7777,dport=54132),"
          "zone=21316,protoinfo=(state=ESTABLISHED)",
          "tcp 10.0.0.101:54132 10.96.0.10:80 10.0.0.111:7777 ESTABLISHED" },
        { "udp,orig=(src=fd00::1,dst=fd00:10:96::9,sport=1,dport=2),"
          "reply=(src=fd00::2,dst=fd00::1,sport=3,dport=1),zone=21316",
          "udp fd00::1:1 fd00:10:96::9:2 fd00::2:3 " },
        { "icmp,orig=(src=10.0.0.1,dst=10.96.0.9,id=1,type=8,code=0),"
          "reply=(src=10.0.0.2,dst=10.0.0.1,id=1,type=0,code=0)", NULL },
        { "tcp,orig=(src=,dst=,sport=1,dport=2)", NULL },
        { "tcp,orig=(src=0123456789012345678901234567890123456789012345678,"
          "dst=10.96.0.9,sport=1,dport=2),reply=(src=1.1.1.1", NULL },
        { "tcp", NULL },
        { "", NULL },
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct ct_entry e;
        bool ok = ct_entry_parse(rows[i].line, &e);
        char *got = ok ? xasprintf("%s %s:%d %s:%d %s:%d %s", e.proto, e.src,
                                   e.sport, e.vip, e.dport, e.backend,
                                   e.backend_port, e.state) : NULL;

        if (!nullable_string_is_equal(got, rows[i].want)) {
            fail_msg("%s: %s", rows[i].line, got ? got : "not parsed");
        }
        free(got);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_backends),
        cmocka_unit_test(test_discovery),
        cmocka_unit_test(test_entries),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
