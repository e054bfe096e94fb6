#include <config.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "agent/link.h"
#include "agent/nft.h"
#include "agent/plan.h"
#include "lib/diag.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/util.h"
#include "smap.h"
#include "sset.h"
#include "state/load.h"
#include "state/model.h"
#include "util.h"

#define KEY_A "VZDZxA+wzu5sNoLO8US4olWjWsI7bRblOCkvJlNkgnY="
#define KEY_B "hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmo="

#define KEY_C "gN65BkIKy1eCE9pP1wdc8ROUtkHLF2PfAqYdyYBz6EA="

#define MESH \
    "mesh: {name: m, prefix: 100.64.0.0/24, interface: nm-privacy,\n" \
    "       listen_port: 51821}\n"

static void
put_prefixes(struct ds *ds, const char *what,
             const struct plan_prefixes *list)
{
    ds_put_format(ds, "%s:", what);
    for (size_t i = 0; i < list->n; i++) {
        char *s = sn_prefix_to_string(&list->prefixes[i]);

        ds_put_format(ds, " %s", s);
        free(s);
    }
    ds_put_char(ds, '\n');
}

static char *
plan_to_string(const struct plan *plan)
{
    struct ds ds = DS_EMPTY_INITIALIZER;

    ds_put_format(&ds, "%s port %u%s\n", plan->interface, plan->listen_port,
                  plan->behind_nat ? " behind NAT" : "");
    put_prefixes(&ds, "tunnel", &plan->tunnel);
    put_prefixes(&ds, "gateways", &plan->gateways);
    put_prefixes(&ds, "local", &plan->local);
    for (size_t i = 0; i < plan->n_peers; i++) {
        const struct plan_peer *peer = &plan->peers[i];

        ds_put_format(&ds, "peer %s%s %s ", peer->node,
                      peer->has_key ? "" : " (no key)",
                      peer->endpoint ? peer->endpoint : "-");
        put_prefixes(&ds, "allowed", &peer->allowed);
    }
    for (size_t i = 0; i < plan->n_routes; i++) {
        const struct plan_route *r = &plan->routes[i];
        char *s = sn_prefix_to_string(&r->dst);

        ds_put_format(&ds, "route %s dev %s metric %u\n", s, r->device,
                      r->metric);
        free(s);
    }
    for (size_t i = 0; i < plan->n_exits; i++) {
        const struct plan_exit *x = &plan->exits[i];
        char *s = sn_prefix_to_string(&x->address);

        ds_put_format(&ds, "exit %s: %s by %s%s\n", x->name, x->port,
                      x->tunnel, x->enabled ? "" : " disabled");
        assert_in_range(x->table, PLAN_EXIT_TABLE_BASE,
                        PLAN_EXIT_TABLE_BASE + PLAN_EXIT_TABLES - 1);
        free(s);
    }
    return ds_steal_cstr(&ds);
}

static struct model *
load(const char *yaml)
{
    struct diags diags;

    diags_init(&diags);
    struct model *model = state_load_string(yaml, "test.yaml", NULL, &diags);
    if (!model) {
        diags_print(&diags, stderr);
        fail_msg("the state does not load");
    }
    model_assign_addresses(model, NULL, &diags);
    diags_destroy(&diags);
    return model;
}

/* The plan of 'node', when all but the nodes in 'no_key' have told a key. */
static struct plan *
make_plan(const char *yaml, const char *node, const char *no_key,
          struct sset *problems)
{
    struct model *model = load(yaml);
    struct smap keys = SMAP_INITIALIZER(&keys);

    smap_add(&keys, "a", KEY_A);
    smap_add(&keys, "b", KEY_B);
    if (no_key) {
        smap_remove(&keys, no_key);
    }
    struct plan *plan = plan_create(model, node, &keys, problems);
    smap_destroy(&keys);
    model_destroy(model);
    return plan;
}

static void
assert_plan(const char *yaml, const char *node, const char *expected,
            const char *expected_problem)
{
    struct sset problems = SSET_INITIALIZER(&problems);
    struct plan *plan = make_plan(yaml, node, NULL, &problems);
    char *got = plan_to_string(plan);

    if (strcmp(got, expected)) {
        fail_msg("got:\n%s", got);
    }
    if (expected_problem) {
        assert_int_equal(sset_count(&problems), 1);
        assert_string_equal(SSET_FIRST(&problems), expected_problem);
    } else {
        assert_int_equal(sset_count(&problems), 0);
    }
    free(got);
    plan_destroy(plan);
    sset_destroy(&problems);
}

static void
test_two_nodes(void **state)
{
    static const char yaml[] = MESH
        "nodes:\n"
        "  a:\n"
        "    endpoint: 198.51.100.11\n"
        "    subnet: [10.0.0.0/24, \"fd00:53:0::/64\"]\n"
        "    wireguard: {warp_tunnel: {interface: warp0, enabled: true}}\n"
        "    networking: {routes: {10.1.0.0/24: {via: nm-privacy,"
        " metric: 50}}}\n"
        "  b: {subnet: 10.1.0.0/24}\n";

    assert_plan(yaml, "a",
                "nm-privacy port 51821\n"
                "tunnel: 100.64.0.1/24\n"
                "gateways: 10.0.0.1/24 fd00:53::1/64\n"
                "local: 10.0.0.0/24 fd00:53::/64\n"
                "peer b - allowed: 100.64.0.2/32 10.1.0.0/24\n"
                "route 10.1.0.0/24 dev nm-privacy metric 50\n"
                "exit warp: x-warp0 by warp0\n", NULL);
    assert_plan(yaml, "b",
                "nm-privacy port 51821 behind NAT\n"
                "tunnel: 100.64.0.2/24\n"
                "gateways: 10.1.0.1/24\n"
                "local: 10.1.0.0/24\n"
                "peer a 198.51.100.11:51821 allowed: 100.64.0.1/32 "
                "10.0.0.0/24 fd00:53::/64\n"
                "route 10.0.0.0/24 dev nm-privacy metric 0\n"
                "route fd00:53::/64 dev nm-privacy metric 0\n", NULL);
}

static void
test_endpoints(void **state)
{
    static const char yaml[] = MESH
        "nodes:\n"
        "  a: {subnet: 10.0.0.0/24}\n"
        "  n1: {subnet: 10.1.0.0/24, endpoint: 198.51.100.11}\n"
        "  n2: {subnet: 10.2.0.0/24, endpoint: \"198.51.100.12:7\"}\n"
        "  n3: {subnet: 10.3.0.0/24, endpoint: host.example}\n"
        "  n4: {subnet: 10.4.0.0/24, endpoint: host.example,"
        " listen_port: 9}\n";
    struct sset problems = SSET_INITIALIZER(&problems);
    struct plan *plan = make_plan(yaml, "a", NULL, &problems);

    assert_int_equal(plan->n_peers, 4);
    assert_string_equal(plan->peers[0].endpoint, "198.51.100.11:51821");
    assert_string_equal(plan->peers[1].endpoint, "198.51.100.12:7");
    assert_string_equal(plan->peers[2].endpoint, "host.example:51821");
    assert_string_equal(plan->peers[3].endpoint, "host.example:9");
    plan_destroy(plan);
    sset_destroy(&problems);
}

static void
test_revoked(void **state)
{
    static const char yaml[] = MESH
        "nodes:\n"
        "  a: {subnet: 10.0.0.0/24, networking: {routes:"
        " {10.1.0.0/24: {via: nm-privacy, metric: 50}}}}\n"
        "  b: {subnet: 10.1.0.0/24, revoked: true, refused_keys: ["
        KEY_B "]}\n"
        "  c: {subnet: 10.2.0.0/24}\n";

    /* No way to b: not by the default route either. */
    assert_plan(yaml, "a",
                "nm-privacy port 51821 behind NAT\n"
                "tunnel: 100.64.0.1/24\n"
                "gateways: 10.0.0.1/24\n"
                "local: 10.0.0.0/24\n"
                "peer c (no key) - allowed: 100.64.0.3/32 10.2.0.0/24\n"
                "route 10.1.0.0/24 dev  metric 0\n"
                "route 10.2.0.0/24 dev nm-privacy metric 0\n", NULL);
    assert_plan(yaml, "b",
                "nm-privacy port 51821 behind NAT\n"
                "tunnel: 100.64.0.2/24\n"
                "gateways: 10.1.0.1/24\n"
                "local: 10.1.0.0/24\n"
                "route 10.0.0.0/24 dev  metric 0\n"
                "route 10.2.0.0/24 dev  metric 0\n", NULL);
}

/* Whoever presents it. */
static void
test_refused_key(void **state)
{
    static const char yaml[] = MESH
        "nodes:\n"
        "  a: {subnet: 10.0.0.0/24}\n"
        "  b: {subnet: 10.1.0.0/24}\n"
        "  c: {subnet: 10.2.0.0/24, refused_keys: [" KEY_B "]}\n";
    struct smap next = SMAP_INITIALIZER(&next);
    struct sset problems = SSET_INITIALIZER(&problems);
    struct plan *plan = make_plan(yaml, "a", NULL, &problems);

    assert_false(plan->peers[0].has_key);
    assert_string_equal(SSET_FIRST(&problems), "node b reports a public key "
                        "that was revoked; it is refused");
    plan_destroy(plan);
    sset_clear(&problems);

    plan = make_plan(yaml, "b", NULL, &problems);
    smap_add(&next, "a", KEY_B);
    plan_set_next_keys(plan, &next);
    assert_true(plan->peers[0].has_key);
    assert_false(plan->peers[0].has_next_key);
    smap_replace(&next, "a", KEY_A);        /* The one that it has. */
    plan_set_next_keys(plan, &next);
    assert_false(plan->peers[0].has_next_key);
    smap_replace(&next, "a", "nonsense");
    plan_set_next_keys(plan, &next);
    assert_false(plan->peers[0].has_next_key);
    smap_replace(&next, "a", KEY_C);
    plan_set_next_keys(plan, &next);
    assert_true(plan->peers[0].has_next_key);
    plan_destroy(plan);
    smap_destroy(&next);
    sset_destroy(&problems);
}

/* Its routes are there all the same: what is for b must not take the default
 * route meanwhile. */
static void
test_no_key_yet(void **state)
{
    static const char yaml[] = MESH
        "nodes:\n"
        "  a: {subnet: 10.0.0.0/24}\n"
        "  b: {subnet: 10.1.0.0/24}\n";
    struct sset problems = SSET_INITIALIZER(&problems);
    struct plan *plan = make_plan(yaml, "a", "b", &problems);
    char *got = plan_to_string(plan);

    assert_string_equal(got,
                        "nm-privacy port 51821 behind NAT\n"
                        "tunnel: 100.64.0.1/24\n"
                        "gateways: 10.0.0.1/24\n"
                        "local: 10.0.0.0/24\n"
                        "peer b (no key) - allowed: 100.64.0.2/32 "
                        "10.1.0.0/24\n"
                        "route 10.1.0.0/24 dev nm-privacy metric 0\n");
    free(got);
    plan_destroy(plan);
    sset_destroy(&problems);
}

/* "web" moved from b to a with its address: the /32 is more specific. */
static void
test_moved_container(void **state)
{
    static const char yaml[] = MESH
        "nodes:\n"
        "  a:\n"
        "    subnet: 10.0.0.0/24\n"
        "    lxc:\n"
        "      containers:\n"
        "        - {id: \"100\", properties: {name: web,"
        " ipv4_address: 10.1.0.7/24}}\n"
        "  b: {subnet: 10.1.0.0/24}\n";

    assert_plan(yaml, "a",
                "nm-privacy port 51821 behind NAT\n"
                "tunnel: 100.64.0.1/24\n"
                "gateways: 10.0.0.1/24\n"
                "local: 10.0.0.0/24 10.1.0.7/32\n"
                "peer b - allowed: 100.64.0.2/32 10.1.0.0/24\n"
                "route 10.1.0.0/24 dev nm-privacy metric 0\n"
                "route 10.1.0.7/32 dev vmbr0 metric 0\n", NULL);
    assert_plan(yaml, "b",
                "nm-privacy port 51821 behind NAT\n"
                "tunnel: 100.64.0.2/24\n"
                "gateways: 10.1.0.1/24\n"
                "local: 10.1.0.0/24\n"
                "peer a - allowed: 100.64.0.1/32 10.0.0.0/24 10.1.0.7/32\n"
                "route 10.0.0.0/24 dev nm-privacy metric 0\n"
                "route 10.1.0.7/32 dev nm-privacy metric 0\n", NULL);
}

static void
test_bad_keys(void **state)
{
    struct model *model = load(MESH
                               "nodes:\n"
                               "  a: {subnet: 10.0.0.0/24}\n"
                               "  b: {subnet: 10.1.0.0/24}\n"
                               "  c: {subnet: 10.2.0.0/24}\n"
                               "  d: {subnet: 10.3.0.0/24}\n");
    struct sset problems = SSET_INITIALIZER(&problems);
    struct smap keys = SMAP_INITIALIZER(&keys);

    smap_add(&keys, "b", KEY_B);
    smap_add(&keys, "c", KEY_B);
    smap_add(&keys, "d", "no key at all");
    struct plan *plan = plan_create(model, "a", &keys, &problems);
    assert_true(plan->peers[0].has_key);
    assert_false(plan->peers[1].has_key);
    assert_false(plan->peers[2].has_key);
    assert_true(sset_contains(&problems,
                              "nodes b and c report the same public key"));
    assert_true(sset_contains(&problems, "node d reports \"no key at all\", "
                              "which is not a public key"));
    plan_destroy(plan);
    assert_null(plan_create(model, "nobody", &keys, &problems));
    smap_destroy(&keys);
    sset_destroy(&problems);
    model_destroy(model);
}

/* Numbers, and so tables and addresses, are all different and do not depend
 * on the order in which exits came. */
static void
test_exit_numbers(void **state)
{
    struct sset problems = SSET_INITIALIZER(&problems);
    struct ds yaml = DS_EMPTY_INITIALIZER;
    bool taken[PLAN_EXIT_TABLES] = { false };

    ds_put_cstr(&yaml, MESH "nodes:\n  a:\n    subnet: 10.0.0.0/24\n"
                "    wireguard:\n");
    for (int i = 0; i < 100; i++) {
        ds_put_format(&yaml, "      w%d_tunnel: {interface: wg%d, "
                      "enabled: true}\n", i, i);
    }
    struct plan *plan = make_plan(ds_cstr(&yaml), "a", NULL, &problems);
    struct plan *again = make_plan(ds_cstr(&yaml), "a", NULL, &problems);
    assert_int_equal(plan->n_exits, 100);
    for (int i = 0; i < 100; i++) {
        const struct plan_exit *x = &plan->exits[i];
        uint32_t n = x->table - PLAN_EXIT_TABLE_BASE;

        assert_in_range(n, 0, PLAN_EXIT_TABLES - 1);
        assert_false(taken[n]);
        taken[n] = true;
        assert_int_equal(x->address.addr.s6_addr[15], n + 1);
        assert_int_equal(again->exits[i].table, x->table);
    }
    plan_destroy(plan);
    plan_destroy(again);
    ds_destroy(&yaml);
    sset_destroy(&problems);
}

static void
add_link(struct links *links, const char *name, uint32_t mtu)
{
    struct link *link = xzalloc(sizeof *link);

    link->name = xstrdup(name);
    link->kind = xstrdup("");
    link->alias = xstrdup("");
    link->mtu = mtu;
    shash_add(&links->by_name, name, link);
}

static void
add_source(struct plan *plan, const char *tunnel, const char *address)
{
    struct plan_sources *s = shash_find_data(&plan->sources, tunnel);
    struct sn_prefix prefix;

    assert_null(sn_prefix_parse(address, &prefix));
    if (!s) {
        s = xzalloc(sizeof *s);
        shash_add(&plan->sources, tunnel, s);
    }
    plan_prefixes_add(&s->all, &prefix);
    plan_prefixes_add(&s->own, &prefix);
}

static const char nft_yaml[] = MESH
    "nodes:\n"
    "  a:\n"
    "    subnet: [10.0.0.0/24, \"fd00:53:0::/64\"]\n"
    "    wireguard:\n"
    "      warp_tunnel: {interface: warp0, enabled: true}\n"
    "      old_tunnel: {interface: old0, enabled: false}\n"
    "    networking: {routes: {10.9.0.0/24: {via: eth5}}}\n"
    "    lxc:\n"
    "      containers:\n"
    "        - {id: \"101\", veth: veth101}\n"
    "        - {id: \"200\", veth: veth200}\n"
    "        - {id: b, veth: vethb}\n";
#define TUNNEL_GUARD \
    "\t\toifname \"lo\" return\n" \
    "\t\tip saddr 172.16.0.2 oifname != { \"old0\", \"warp0\" } counter " \
    "drop\n" \
    "\t\tip saddr 172.16.0.3 oifname != \"warp0\" counter drop\n"
static const char nft_expected[] =
    "table inet socknet {\n"
    "\tcomment \"made by socknet-agent\"\n"
    "\tchain prerouting {\n"
    "\t\ttype filter hook prerouting priority raw; policy accept;\n"
    "\t\tiifname { \"vethb\", \"veth200\", \"veth101\" } counter drop\n"
    "\t}\n\n"
    "\tchain zones_in {\n"
    "\t\ttype filter hook prerouting priority raw; policy accept;\n"
    "\t\tiifname \"x-warp0\" ct zone set 21686\n"
    "\t\tiifname \"warp0\" ct zone set 21686\n"
    "\t}\n\n"
    "\tchain zones_out {\n"
    "\t\ttype filter hook output priority raw; policy accept;\n"
    "\t\toifname \"warp0\" ct zone set 21686\n"
    "\t}\n\n"
    "\tchain from_tunnels {\n"
    "\t\ttype filter hook output priority filter; policy accept;\n"
    TUNNEL_GUARD
    "\t}\n\n"
    "\tchain input {\n"
    "\t\ttype filter hook input priority filter; policy accept;\n"
    "\t\tiifname \"x-warp0\" counter drop\n"
    "\t\tiifname \"nm-privacy\" jump to_host\n"
    "\t}\n\n"
    "\tchain to_host {\n"
    "\t\tct direction reply return\n"
    "\t\tct state related return\n"
    "\t\tcounter drop\n"
    "\t}\n\n"
    "\tchain forward {\n"
    "\t\ttype filter hook forward priority filter; policy accept;\n"
    "\t\tiifname \"vmbr0\" jump from_bridge\n"
    "\t\tiifname \"nm-privacy\" jump from_mesh\n"
    "\t\toifname \"vmbr0\" jump from_outside\n"
    "\t\toifname \"nm-privacy\" jump from_outside\n"
    "\t\tiifname \"old0\" ip daddr 172.16.0.2 counter drop\n"
    "\t\tiifname \"warp0\" ip daddr 172.16.0.2 counter drop\n"
    "\t\tiifname \"warp0\" ip daddr 172.16.0.3 counter drop\n"
    "\t\tiifname \"x-warp0\" oifname != \"warp0\" counter drop\n"
    "\t\tiifname \"x-warp0\" ct state invalid,new tcp flags != syn / "
    "fin,syn,rst,ack counter reject with tcp reset\n"
    "\t\tiifname \"warp0\" oifname \"vmbr0\" ct state invalid,new "
    "counter drop\n"
    "\t\toifname \"nm-privacy\" tcp flags syn tcp option maxseg size set "
    "rt mtu\n"
    "\t\toifname \"warp0\" tcp flags syn tcp option maxseg size set rt "
    "mtu\n"
    "\t\tiifname \"warp0\" meta nfproto ipv4 tcp flags syn tcp option "
    "maxseg size set 1240\n"
    "\t\tiifname \"warp0\" meta nfproto ipv6 tcp flags syn tcp option "
    "maxseg size set 1220\n"
    "\t}\n\n"
    "\tchain from_bridge {\n"
    "\t\ticmpv6 type nd-neighbor-solicit counter drop\n"
    "\t\ticmpv6 type nd-neighbor-advert counter drop\n"
    "\t\toifname \"nm-privacy\" return\n"
    "\t\toifname \"vmbr0\" ip daddr 10.0.0.0/24 return\n"
    "\t\toifname \"vmbr0\" ip6 daddr fd00:53::/64 return\n"
    "\t\toifname \"eth5\" ip daddr 10.9.0.0/24 return\n"
    "\t\tip saddr 10.0.0.0/24 counter drop\n"
    "\t\tip6 saddr fd00:53::/64 counter drop\n"
    "\t}\n\n"
    "\tchain from_mesh {\n"
    "\t\toifname \"vmbr0\" return\n"
    "\t\toifname \"nm-privacy\" return\n"
    "\t\tcounter drop\n"
    "\t}\n\n"
    "\tchain from_outside {\n"
    "\t\tiifname \"vmbr0\" return\n"
    "\t\tiifname \"nm-privacy\" return\n"
    "\t\tfib saddr type local counter drop\n"
    "\t\tip saddr 10.0.0.0/24 counter drop\n"
    "\t\tip6 saddr fd00:53::/64 counter drop\n"
    "\t\tip saddr 100.64.0.0/24 counter drop\n"
    "\t}\n\n"
    "\tchain sources {\n"
    "\t\ttype filter hook postrouting priority srcnat + 10; policy accept;\n"
    TUNNEL_GUARD
    "\t\tiifname \"x-warp0\" oifname \"warp0\" ip saddr != { 172.16.0.2, "
    "172.16.0.3 } counter drop\n"
    "\t\tiifname \"x-warp0\" oifname \"warp0\" meta nfproto ipv6 counter "
    "drop\n"
    "\t}\n\n"
    "\tchain postrouting {\n"
    "\t\ttype nat hook postrouting priority srcnat; policy accept;\n"
    "\t\tiifname \"x-warp0\" oifname \"warp0\" masquerade\n"
    "\t}\n"
    "}\n";

static void
test_nft_text(void **state)
{
    struct sset problems = SSET_INITIALIZER(&problems);
    struct plan *plan = make_plan(nft_yaml, "a", NULL, &problems);
    struct ds ds = DS_EMPTY_INITIALIZER;
    struct links links;

    links_init(&links);
    add_link(&links, "warp0", 1280);
    add_source(plan, "warp0", "172.16.0.2");
    add_source(plan, "warp0", "172.16.0.3");
    add_source(plan, "old0", "172.16.0.2");
    nft_format(plan, &links, &ds);
    if (strcmp(ds_cstr(&ds), nft_expected)) {
        fail_msg("got:\n%s", ds_cstr(&ds));
    }
    ds_destroy(&ds);
    links_destroy(&links);
    plan_destroy(plan);
    sset_destroy(&problems);
}

static void
test_nft_parse_ingress(void **state)
{
    static const struct {
        const char *listing, *expected;     /* Joined by spaces. */
    } rows[] = {
        { "", "" },
        { "table netdev socknet {\n}\n", "" },
        { "table netdev socknet {\n"
          "\tcomment \"made by socknet-agent\"\n"
          "\tchain in_veth1 {\n"
          "\t\ttype filter hook ingress device \"veth1\" priority filter; "
          "policy drop;\n\t}\n\n"
          "\tchain in_veth2 {\n"
          "\t\ttype filter hook ingress device \"veth2\" priority filter; "
          "policy drop;\n\t}\n}\n", "veth1 veth2" },
        /* Somebody let something through. */
        { "\tchain in_veth1 {\n"
          "\t\ttype filter hook ingress device \"veth1\" priority filter; "
          "policy drop;\n\t\taccept\n\t}\n", "*veth1" },
        { "\tchain in_veth1 {\n"
          "\t\ttype filter hook ingress device \"veth1\" priority filter; "
          "policy accept;\n\t}\n", "*veth1" },
        { "\tchain in_veth1 {\n"
          "\t\ttype filter hook ingress device \"veth2\" priority filter; "
          "policy drop;\n\t}\n", "*veth1" },
        { "\tchain in_veth1 {\n\t}\n", "*veth1" },
        { "\tchain in_veth1 {\n", "" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct sset got = SSET_INITIALIZER(&got);

        nft_parse_ingress(rows[i].listing, &got);
        char *s = sset_join(&got, " ", "");
        assert_string_equal(s, rows[i].expected);
        free(s);
        sset_destroy(&got);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_two_nodes),
        cmocka_unit_test(test_endpoints),
        cmocka_unit_test(test_no_key_yet),
        cmocka_unit_test(test_moved_container),
        cmocka_unit_test(test_bad_keys),
        cmocka_unit_test(test_exit_numbers),
        cmocka_unit_test(test_revoked),
        cmocka_unit_test(test_refused_key),
        cmocka_unit_test(test_nft_text),
        cmocka_unit_test(test_nft_parse_ingress),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
