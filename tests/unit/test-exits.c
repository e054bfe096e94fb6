#include <config.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/exit-health.h"
#include "agent/exit-profile.h"
#include "agent/nft-exit.h"
#include "agent/plan.h"
#include "lib/diag.h"
#include "lib/prefix.h"
#include "openvswitch/dynamic-string.h"
#include "smap.h"
#include "sset.h"
#include "state/load.h"
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

#define KEY "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
#define HEAD "[Interface]\nPrivateKey=" KEY "\nAddress=10.0.0.2/32\n"
#define PEER "[Peer]\nPublicKey=" KEY "\n"

static void
test_profile(void **cmocka OVS_UNUSED)
{
    static const char text[] =
        "# made by wgcf\r\n"
        "[Interface]\r\n"
        "PrivateKey = " KEY "\r\n"
        "Address = 172.16.0.2/32, 2606:4700:110::2/128\r\n"
        "DNS = 1.1.1.1, corp.example, 2606:4700:4700::1111\r\n"
        "MTU = 1280\r\n"
        "PostUp = ovs-vsctl add-port vmbr0 %i\r\n"
        "[Peer]\r\n"
        "PublicKey = " KEY "\r\n"
        "PresharedKey = " KEY "\r\n"
        "AllowedIPs = 0.0.0.0/0, ::/0 # all\r\n"
        "Endpoint = engage.cloudflareclient.com:2408\r\n"
        "PersistentKeepalive = 25";
    struct exit_profile f;

    assert_null(exit_profile_parse(text, strlen(text), &f));
    assert_int_equal(f.n_addresses, 2);
    assert_int_equal(f.n_resolvers, 2);
    assert_int_equal(f.mtu, 1280);
    assert_int_equal(f.private_key.bytes[31], 31);
    assert_int_equal(f.n_peers, 1);
    assert_int_equal(f.peers[0].n_allowed, 2);
    assert_int_equal(f.peers[0].preshared_key.bytes[31], 31);
    assert_int_equal(f.peers[0].keepalive_s, 25);
    assert_string_equal(f.peers[0].endpoint,
                        "engage.cloudflareclient.com:2408");
    exit_profile_destroy(&f);
}

static void
test_bad_profiles(void **cmocka OVS_UNUSED)
{
    static const struct { const char *text, *error; } rows[] = {
        { "", "it has no [Interface]" },
        { "[Interface]\n", "[Interface] has no PrivateKey" },
        { "[Interface]\nPrivateKey=" KEY, "[Interface] has no Address" },
        { HEAD, "it has no [Peer]" },
        { HEAD "[Peer]\n", "the peer above has no PublicKey" },
        { HEAD "[Peer]\n" PEER, "line 5: the peer above has no PublicKey" },
        { HEAD PEER "Public Key = x\n", "line 6: [Peer] has no such key" },
        { HEAD PEER "Address = ::1\n", "line 6: [Peer] has no such key" },
        { "PrivateKey=" KEY, "line 1: a key outside of [Interface] and "
          "[Peer]" },
        { "[interface]\nprivatekey=secret\n", "line 2: PrivateKey is not a "
          "key of 44 characters of base64" },
        { "[Interface]\nMTU = 0x500\n", "line 2: MTU is not a number in its "
          "range" },
        { "[Interface]\nAddress = 10.0.0.2/33\n", "line 2: Address is not a "
          "list of addresses" },
        { HEAD PEER "Endpoint = 2408\n", "line 6: Endpoint is not "
          "HOST:PORT" },
        { HEAD PEER "PresharedKey = x\n", "line 6: PresharedKey is not a "
          "key of 44 characters of base64" },
        { "[Wg]\n", "line 1: a section is [Interface] or [Peer]" },
        { "hello\n", "line 1: neither KEY = VALUE nor a section" },
    };
    struct exit_profile f;

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        char *error = exit_profile_parse(rows[i].text, strlen(rows[i].text),
                                         &f);

        if (!error || strcmp(error, rows[i].error)) {
            fail_msg("row %"PRIuSIZE": %s", i, error ? error : "no error");
        }
        assert_int_equal(f.n_peers, 0);
        free(error);
    }

    char *error = exit_profile_parse("a\0b", 3, &f);
    assert_string_equal(error, "it is no text");
    free(error);
}

/* Others are let in to an exit as far as their containers name it; both ends
 * agree on device and port. */
static void
test_grants(void **cmocka OVS_UNUSED)
{
    struct smap keys = SMAP_INITIALIZER(&keys);
    struct sset problems = SSET_INITIALIZER(&problems);
    struct diags diags;
    static const char yaml[] =
        "mesh: {prefix: 100.64.0.0/24}\n"
        "nodes:\n"
        "  a:\n"
        "    subnet: 10.0.0.0/24\n"
        "    wireguard: {warp_tunnel: {interface: w0},\n"
        "                alt_tunnel: {interface: w1}}\n"
        "    lxc: {containers: [{id: 5, exit: warp, properties: {\n"
        "      name: own, ipv4_address: 10.0.0.5/24}}]}\n"
        "  b:\n"
        "    subnet: 10.1.0.0/24\n"
        "    lxc: {containers: [{id: 5, exit: a/warp, properties: {\n"
        "      name: in, ipv4_address: 10.1.0.5/24}}, {id: 6, properties: {\n"
        "      name: out, ipv4_address: 10.1.0.6/24}}]}\n";

    diags_init(&diags);
    struct model *model = state_load_string(yaml, "s.yaml", NULL, &diags);
    assert_non_null(model);
    model_assign_addresses(model, NULL, &diags);
    struct plan *a = plan_create(model, "a", &keys, &problems);
    struct plan *b = plan_create(model, "b", &keys, &problems);
    assert_int_equal(a->n_exits, 2);
    assert_int_equal(b->n_exits, 1);

    const struct plan_exit *alt = &a->exits[0], *warp = &a->exits[1];
    const struct plan_exit *remote = &b->exits[0];
    assert_string_equal(warp->key, "a/warp");
    assert_null(alt->inlet);
    assert_string_equal(warp->inlet, remote->tunnel);
    assert_int_equal(warp->inlet_port, remote->remote_port);
    assert_string_equal(remote->remote, "a");
    assert_string_equal(remote->name, "a/warp");
    assert_int_equal(warp->n_grants, 1);
    assert_int_equal(warp->grants[0].sources.n, 2);
    char *host = sn_prefix_to_string(&warp->grants[0].sources.prefixes[0]);
    char *container
        = sn_prefix_to_string(&warp->grants[0].sources.prefixes[1]);
    assert_string_equal(host, "100.64.0.2/32");
    assert_string_equal(container, "10.1.0.5/32");

    free(host);
    free(container);
    plan_destroy(a);
    plan_destroy(b);
    model_destroy(model);
    diags_destroy(&diags);
    smap_destroy(&keys);
    sset_destroy(&problems);
}

static void
add_own(struct plan *plan, const char *tunnel, const char *address)
{
    struct plan_sources *sources = shash_find_data(&plan->sources, tunnel);
    struct sn_prefix p;

    if (!sources) {
        sources = xzalloc(sizeof *sources);
        shash_add(&plan->sources, tunnel, sources);
    }
    assert_null(sn_prefix_parse(address, &p));
    plan_prefixes_add(&sources->own, &p);
}

static void
put_tunnel(const char *tunnel, const struct sn_prefix *p, void *found)
{
    char *address = sn_prefix_to_string(p);

    sset_add_and_free(found, xasprintf("%s %s", tunnel, address));
    free(address);
}

/* The agent that comes next reads the guard back. */
static void
test_tunnel_guard(void **cmocka OVS_UNUSED)
{
    static const char *pairs[] = {
        "warp0 172.16.0.2/32", "warp0 fd00::2/128", "work0 172.16.0.2/32",
        "work0 10.9.0.1/32",
    };
    struct ds listing = DS_EMPTY_INITIALIZER;
    struct sset found = SSET_INITIALIZER(&found);
    struct plan plan = { .sources = SHASH_INITIALIZER(&plan.sources) };

    nft_parse_guarded("", "saddr", put_tunnel, &found);
    assert_true(sset_is_empty(&found));
    for (size_t i = 0; i < ARRAY_SIZE(pairs); i++) {
        char *tunnel = xmemdup0(pairs[i], strcspn(pairs[i], " "));

        add_own(&plan, tunnel, pairs[i] + strlen(tunnel) + 1);
        free(tunnel);
    }
    ds_put_cstr(&listing, "table inet socknet {\n\tchain from_tunnels {\n");
    nft_put_tunnel_guard(&plan, &listing);
    ds_put_cstr(&listing, "\t\tiifname \"x-warp0\" oifname \"warp0\" ip saddr "
                "!= 172.16.0.2 counter drop\n\t\tip saddr 10.0.0.102 oifname "
                "\"warp0\" return\n\t\tip daddr 10.8.0.0/24 oifname != "
                "\"wg9\" counter drop\n\t}\n}\n");
    nft_parse_guarded(ds_cstr(&listing), "saddr", put_tunnel, &found);
    assert_int_equal(sset_count(&found), ARRAY_SIZE(pairs));
    for (size_t i = 0; i < ARRAY_SIZE(pairs); i++) {
        assert_true(sset_contains(&found, pairs[i]));
    }
    sset_clear(&found);
    nft_parse_guarded(ds_cstr(&listing), "daddr", put_tunnel, &found);
    assert_int_equal(sset_count(&found), 1);
    assert_true(sset_contains(&found, "wg9 10.8.0.0/24"));
    plan_sources_destroy(&plan.sources);
    sset_destroy(&found);
    ds_destroy(&listing);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hysteresis),
        cmocka_unit_test(test_pace),
        cmocka_unit_test(test_targets),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_profile),
        cmocka_unit_test(test_bad_profiles),
        cmocka_unit_test(test_grants),
        cmocka_unit_test(test_tunnel_guard),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
