#include <config.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>
#include "agent/nft-host.h"
#include "agent/plan.h"
#include "lib/diag.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/util.h"
#include "smap.h"
#include "sset.h"
#include "state/load.h"
#include "state/model.h"
#include "util.h"

/* Who may reach node a by the mesh. */
#define NODES \
    "mesh: {name: m, prefix: 100.64.0.0/24, interface: nm-privacy}\n" \
    "nodes:\n" \
    "  a:\n" \
    "    subnet: [10.0.0.0/24, \"fd00:53::/64\"]\n" \
    "    address: 100.64.0.1\n" \
    "    lxc:\n" \
    "      containers:\n" \
    "        - id: '9'\n" \
    "          properties: {name: near, ipv4_address: 10.0.0.9/24}\n" \
    "  b:\n" \
    "    subnet: [10.1.0.0/24, \"fd00:54::/64\"]\n" \
    "    address: 100.64.0.2\n" \
    "    lxc:\n" \
    "      containers:\n" \
    "        - id: '1'\n" \
    "          tags: [t]\n" \
    "          properties: {name: c1, ipv4_address: 10.1.0.21/24,\n" \
    "                       ipv6_address: \"fd00:54::21/64\"}\n" \
    "        - id: '2'\n" \
    "          tags: [t]\n" \
    "          properties: {name: c2, ipv4_address: 10.1.0.3/24}\n"
#define BEGIN \
    "\tchain to_host {\n" \
    "\t\tip saddr { 10.1.0.1, 100.64.0.2 } return\n" \
    "\t\tip6 saddr fd00:54::1 return\n" \
    "\t\tct direction reply return\n" \
    "\t\tct state related return\n"
#define END "\t\tcounter drop\n\t}\n\n"

static struct plan *
make_plan(const char *policy)
{
    char *yaml = xasprintf(NODES"%s", policy);
    struct sset problems = SSET_INITIALIZER(&problems);
    struct smap keys = SMAP_INITIALIZER(&keys);
    struct diags diags;

    diags_init(&diags);
    struct model *model = state_load_string(yaml, "test.yaml", NULL, &diags);
    if (!model) {
        diags_print(&diags, stderr);
        fail_msg("the state does not load");
    }
    struct plan *plan = plan_create(model, "a", &keys, &problems);
    diags_destroy(&diags);
    model_destroy(model);
    smap_destroy(&keys);
    sset_destroy(&problems);
    free(yaml);
    return plan;
}

static void
test_nft_to_host(void **state)
{
    static const struct {
        const char *policy, *rules;
    } rows[] = {
        { "", "" },
        { "acls: [{name: r, action: accept, src: [c1], dst: [c2]}]\n",
          "" },
        { "acls: [{name: r, action: accept, src: [near], "
          "dst: [\"node:a\"]}]\n", "" },
        { "acls: [{name: r, action: accept, src: [c1], "
          "dst: [\"node:b\"]}]\n", "" },
        { "acls: [{name: r, action: accept, src: [\"tag:t\"], "
          "dst: [\"node:a:22,80-90\"], proto: tcp}]\n",
          "\t\tip saddr { 10.1.0.3, 10.1.0.21 } tcp dport 22 return\n"
          "\t\tip saddr { 10.1.0.3, 10.1.0.21 } tcp dport 80-90 return\n"
          "\t\tip6 saddr fd00:54::21 tcp dport 22 return\n"
          "\t\tip6 saddr fd00:54::21 tcp dport 80-90 return\n" },
        { "acls: [{name: r, action: accept, src: [10.1.0.0/28, c2], "
          "dst: [100.64.0.0/24, 10.0.0.0/24], proto: icmp}]\n",
          "\t\tip saddr 10.1.0.3 ip daddr 100.64.0.1 meta l4proto 1 return\n"
          "\t\tip saddr 10.1.0.3 ip daddr 100.64.0.1 meta l4proto 58 "
          "return\n"
          "\t\tip saddr 10.1.0.0/28 ip daddr 100.64.0.1 meta l4proto 1 "
          "return\n"
          "\t\tip saddr 10.1.0.0/28 ip daddr 100.64.0.1 meta l4proto 58 "
          "return\n"
          "\t\tip saddr 10.1.0.3 ip daddr 10.0.0.1 meta l4proto 1 return\n"
          "\t\tip saddr 10.1.0.3 ip daddr 10.0.0.1 meta l4proto 58 return\n"
          "\t\tip saddr 10.1.0.0/28 ip daddr 10.0.0.1 meta l4proto 1 "
          "return\n"
          "\t\tip saddr 10.1.0.0/28 ip daddr 10.0.0.1 meta l4proto 58 "
          "return\n" },
        /* Tiers, and denials before acceptances. */
        { "segments:\n"
          "  s: {members: [c1], isolated_from: [h]}\n"
          "  h: {members: [10.0.0.0/24]}\n"
          "emergency:\n"
          "  - {name: c, action: accept, src: [c2], dst: [\"node:a\"]}\n"
          "acls:\n"
          "  - {name: a, action: accept, src: [\"*\"], dst: [\"*\"], "
          "proto: udp}\n"
          "  - {name: b, action: deny, src: [\"*\"], dst: [\"node:a:53\"], "
          "proto: udp}\n",
          "\t\tip saddr 10.1.0.3 return\n"
          "\t\tip saddr 10.1.0.21 ip daddr 10.0.0.1 counter drop\n"
          "\t\tudp dport 53 counter drop\n"
          "\t\tmeta l4proto 17 return\n" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        char *expected = xasprintf(BEGIN"%s"END, rows[i].rules);
        struct plan *plan = make_plan(rows[i].policy);
        struct ds ds = DS_EMPTY_INITIALIZER;

        nft_put_to_host(plan, &ds);
        assert_string_equal(ds_cstr(&ds), expected);
        ds_destroy(&ds);
        plan_destroy(plan);
        free(expected);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nft_to_host),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
