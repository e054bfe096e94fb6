#include <config.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include "agent/dns-clients.h"
#include "agent/dns-forward.h"
#include "agent/dns-message.h"
#include "agent/dns-zone.h"
#include "agent/plan.h"
#include "lib/diag.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/ofpbuf.h"
#include "openvswitch/util.h"
#include "smap.h"
#include "sset.h"
#include "state/load.h"
#include "state/model.h"
#include "tests/unit/dns-text.h"
#include "util.h"

/* What the agent answers, as tables of questions and replies. */

static const char state[] =
    "mesh: {name: m, prefix: 100.64.0.0/24, domain: M.internal}\n"
    "nodes:\n  n1:\n"
    "    subnet: [10.0.0.0/24, \"fd00::/64\"]\n"
    "    wireguard: {warp_tunnel: {interface: warp0},\n"
    "                off_tunnel: {interface: off0, enabled: false},\n"
    "                vpn_server: {ip_pool: 10.8.0.0/24, exit: off}}\n"
    "    lxc:\n      containers:\n"
    "        - {id: '100', exit: warp, properties: {name: Web,\n"
    "           ipv4_address: 10.0.0.100/24, ipv6_address: 'fd00::100/64',\n"
    "           services: [{name: http, port: 80}, {name: n2, port: 81},\n"
    "                      {name: q, protocol: udp, port: 82}]}}\n"
    "        - {id: '101', exit: off, properties: {name: deep.er,\n"
    "           ipv4_address: 10.0.0.101/24,\n"
    "           services: [{name: http, port: 8080}, {port: 9}]}}\n"
    "        - {id: '102', tags: [no], properties: {name: no_net,\n"
    "           ipv4_address: 10.0.0.102/24}}\n"
    "        - {id: '103',\n"
    "           properties: {name: plain, ipv4_address: 10.0.0.103/24}}\n"
    "  n2:\n    subnet: 10.1.0.0/26\n"
    "    lxc:\n      containers:\n"
    "        - {id: '104', properties: {name: far,\n"
    "           ipv4_address: 10.1.0.40/26}}\n"
    "services:\n"
    "  vip: {vip: [10.96.0.9, 'fd00:10:96::9'], port: 90, backends: far}\n"
    "  heads: {port: 91, backends: ['far:92', plain], weights: {plain: 0}}\n"
    "  q: {vip: 10.96.0.8, protocol: udp, port: 82, backends: Web}\n"
    "  plain.x: {port: 93, backends: plain}\n"
    "segments:\n"
    "  s: {members: ['tag:no'], internet: deny}\n"
    "clients:\n"
    "  phone: {node: n1, address: 10.8.0.2,\n"
    "    public_key: 'xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg='}\n";

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

/* Queries. */

#define RD 0x0100

static void
put_query(struct ofpbuf *b, const char *name, uint16_t type, int edns_size)
{
    ofpbuf_clear(b);
    dns_put_u16(b, 0);
    dns_put_u16(b, RD);
    dns_put_u16(b, 1);
    ofpbuf_put_zeros(b, 5);
    ofpbuf_put(b, edns_size ? "\1" : "\0", 1);
    dns_put_name(b, name);
    dns_put_u16(b, type);
    dns_put_u16(b, 1);
    if (edns_size) {
        ofpbuf_put_zeros(b, 1);
        dns_put_u16(b, DNS_OPT);
        dns_put_u16(b, edns_size);
        ofpbuf_put_zeros(b, 6);
    }
}

struct row {
    const char *name;
    uint16_t type;
    const char *want;           /* NULL: none of ours. */
};

static void
check_row(const struct dns_zone *zone, const struct row *row, int edns_size,
          size_t limit)
{
    struct ofpbuf query, reply;
    struct dns_query q;

    ofpbuf_init(&query, 0);
    ofpbuf_init(&reply, 0);
    put_query(&query, row->name, row->type, edns_size);
    assert_int_equal(dns_query_parse(query.data, query.size, &q),
                     DNS_NOERROR);
    bool ours = dns_zone_answer(zone, query.data, &q, limit, &reply);
    char *text = ours ? dns_text_of_reply(reply.data, reply.size) : NULL;
    if (!nullable_string_is_equal(text, row->want)) {
        fail_msg("%s %d: %s, not %s", row->name, row->type,
                 text ? text : "not ours", row->want);
    }
    if (ours) {
        /* The question comes back as it was, letter by letter. */
        assert_memory_equal((char *) reply.data + DNS_HEADER_LEN,
                            (char *) query.data + DNS_HEADER_LEN,
                            q.question_len);
        assert_true(reply.size <= MAX(limit, 512));
    }
    free(text);
    ofpbuf_uninit(&query);
    ofpbuf_uninit(&reply);
}

static void
check_rows(const struct row rows[], size_t n)
{
    struct model *model = load(state);
    struct dns_zone *zone = dns_zone_create(model, "n1", 7);

    for (size_t i = 0; i < n; i++) {
        check_row(zone, &rows[i], 0, 512);
    }
    dns_zone_destroy(zone);
    assert_null(dns_zone_create(model, "n9", 7));
    model_destroy(model);
}

#define SOA_M "NOERROR aa auth: m.internal SOA n1.m.internal"
#define NX_M "NXDOMAIN aa auth: m.internal SOA n1.m.internal"

static void
test_hosts(void **cmocka OVS_UNUSED)
{
    static const struct row rows[] = {
        { "web.m.internal", DNS_A, "NOERROR aa @ 10.0.0.100" },
        { "WeB.m.InTernal", DNS_AAAA, "NOERROR aa @ fd00::100" },
        { "web.m.internal", DNS_ANY,
          "NOERROR aa @ 10.0.0.100 @ fd00::100" },
        { "deep.er.m.internal", DNS_A, "NOERROR aa @ 10.0.0.101" },
        { "no_net.m.internal", DNS_A, "NOERROR aa @ 10.0.0.102" },
        { "far.m.internal", DNS_A, "NOERROR aa @ 10.1.0.40" },
        /* A node has its tunnel address, also if a service is named so. */
        { "n1.m.internal", DNS_A, "NOERROR aa @ 100.64.0.1" },
        { "n2.m.internal", DNS_A, "NOERROR aa @ 100.64.0.2" },
    };

    check_rows(rows, ARRAY_SIZE(rows));
}

static void
test_services(void **cmocka OVS_UNUSED)
{
    static const struct row rows[] = {
        { "http.m.internal", DNS_A,
          "NOERROR aa @ 10.0.0.100 @ 10.0.0.101" },
        { "http.m.internal", DNS_AAAA, "NOERROR aa @ fd00::100" },
        { "_http._tcp.m.internal", DNS_SRV,
          "NOERROR aa @ SRV 80 web.m.internal @ SRV 8080 deep.er.m.internal "
          "more: web.m.internal 10.0.0.100 web.m.internal fd00::100 "
          "deep.er.m.internal 10.0.0.101" },
        { "_n2._tcp.web.m.internal", DNS_SRV,
          "NOERROR aa @ SRV 81 web.m.internal "
          "more: web.m.internal 10.0.0.100 web.m.internal fd00::100" },
        { "_q._udp.web.m.internal", DNS_SRV,
          "NOERROR aa @ SRV 82 web.m.internal "
          "more: web.m.internal 10.0.0.100 web.m.internal fd00::100" },
        /* Of the state's services: the virtual address, or who serves. */
        { "q.m.internal", DNS_A, "NOERROR aa @ 10.96.0.8" },
        { "_q._udp.m.internal", DNS_SRV,
          "NOERROR aa @ SRV 82 q.m.internal more: q.m.internal 10.96.0.8" },
        { "vip.m.internal", DNS_A, "NOERROR aa @ 10.96.0.9" },
        { "vip.m.internal", DNS_AAAA, "NOERROR aa @ fd00:10:96::9" },
        { "heads.m.internal", DNS_A, "NOERROR aa @ 10.1.0.40" },
        { "_heads._tcp.m.internal", DNS_SRV,
          "NOERROR aa @ SRV 92 far.m.internal more: far.m.internal "
          "10.1.0.40" },
        { "9.0.96.10.in-addr.arpa", DNS_PTR,
          "NOERROR aa @ PTR vip.m.internal" },
        { "_q._tcp.m.internal", DNS_SRV, NX_M },
    };

    check_rows(rows, ARRAY_SIZE(rows));
}

static void
test_other_names(void **cmocka OVS_UNUSED)
{
    static const struct row rows[] = {
        /* The name is there, the type is not. */
        { "far.m.internal", DNS_AAAA, SOA_M },
        { "web.m.internal", 15, SOA_M },
        { "er.m.internal", DNS_A, SOA_M },
        { "_tcp.m.internal", DNS_A, SOA_M },
        { "m.internal", DNS_A, SOA_M },
        /* The name is not there. */
        { "none.m.internal", DNS_A, NX_M },
        { "a.web.m.internal", DNS_A, NX_M },
        { "we\\098.m.internal", DNS_A, NX_M },
        /* The zone itself. */
        { "m.internal", DNS_SOA,
          "NOERROR aa m.internal SOA n1.m.internal" },
        { "m.internal", DNS_NS, "NOERROR aa @ NS n1.m.internal" },
        /* Of others. */
        { "", DNS_NS, NULL },
        { "internal", DNS_A, NULL },
        { "xm.internal", DNS_A, NULL },
        { "m.internal.example", DNS_A, NULL },
    };

    check_rows(rows, ARRAY_SIZE(rows));
}

static void
test_reverse(void **cmocka OVS_UNUSED)
{
    static const struct row rows[] = {
        { "100.0.0.10.in-addr.arpa", DNS_PTR,
          "NOERROR aa @ PTR web.m.internal" },
        { "1.0.0.10.IN-ADDR.arpa", DNS_PTR, "NOERROR aa @ PTR n1.m.internal" },
        { "2.0.64.100.in-addr.arpa", DNS_PTR,
          "NOERROR aa @ PTR n2.m.internal" },
        { "40.0.1.10.in-addr.arpa", DNS_PTR,
          "NOERROR aa @ PTR far.m.internal" },
        { "0.0.1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f"
          ".ip6.arpa", DNS_PTR, "NOERROR aa @ PTR web.m.internal" },
        { "0.0.2.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f"
          ".ip6.arpa", DNS_PTR, "NXDOMAIN aa auth: "
          "0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa SOA n1.m.internal" },
        { "0.0.1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f"
          ".ip6.arpa.x", DNS_PTR, NULL },
        { "0.0.0.10.in-addr.arpa", DNS_PTR,
          "NXDOMAIN aa auth: 0.0.10.in-addr.arpa SOA n1.m.internal" },
        { "0100.0.0.10.in-addr.arpa", DNS_PTR,
          "NXDOMAIN aa auth: 0.0.10.in-addr.arpa SOA n1.m.internal" },
        { "0.0.10.in-addr.arpa", DNS_PTR,
          "NOERROR aa auth: 0.0.10.in-addr.arpa SOA n1.m.internal" },
        { "0.0.10.in-addr.arpa", DNS_SOA,
          "NOERROR aa 0.0.10.in-addr.arpa SOA n1.m.internal" },
        /* Of others. */
        { "100.0.0.11.in-addr.arpa", DNS_PTR, NULL },
        { "64.0.1.10.in-addr.arpa", DNS_PTR, NULL },
        { "10.in-addr.arpa", DNS_PTR, NULL },
        { "in-addr.arpa", DNS_PTR, NULL },
        { "arpa", DNS_A, NULL },
    };

    check_rows(rows, ARRAY_SIZE(rows));
}

static void
test_edns_and_limits(void **cmocka OVS_UNUSED)
{
#define HTTP "_http._tcp.m.internal", DNS_SRV
    static const struct row full = {
        "web.m.internal", DNS_A, "NOERROR aa @ 10.0.0.100 more:  OPT 1232"
    };
    static const struct row no_room = {
        HTTP, "NOERROR aa @ SRV 80 web.m.internal "
              "@ SRV 8080 deep.er.m.internal"
    };
    static const struct row cut = { HTTP, "NOERROR aa tc" };
    static const struct row cut_edns = {
        HTTP, "NOERROR aa tc more:  OPT 1232"
    };
    struct model *model = load(state);
    struct dns_zone *zone = dns_zone_create(model, "n1", 7);

    check_row(zone, &full, 1232, 1232);
    check_row(zone, &full, 1, 512);
    check_row(zone, &no_room, 0, 120);
    check_row(zone, &cut, 0, 100);
    check_row(zone, &cut_edns, 512, 100);
    dns_zone_destroy(zone);
    model_destroy(model);
}

static void
test_bad_domain(void **cmocka OVS_UNUSED)
{
    static const struct row rows[] = {
        { "web.m.internal", DNS_A, NULL },
        { "100.0.0.10.in-addr.arpa", DNS_PTR,
          "NXDOMAIN aa auth: 0.0.10.in-addr.arpa SOA localhost" },
    };
    struct model *model = load(state);

    free(model->mesh.domain);
    model->mesh.domain = xstrdup("not a domain");
    struct dns_zone *zone = dns_zone_create(model, "n1", 7);
    assert_false(dns_zone_has_domain(zone));
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        check_row(zone, &rows[i], 0, 512);
    }
    dns_zone_destroy(zone);
    model_destroy(model);
}

/* Messages. */

#define HEAD(FLAGS, QD, AN, NS, AR) \
    "\x12\x34" FLAGS "\0" QD "\0" AN "\0" NS "\0" AR
#define Q "\1a\0\0\1\0\1"
#define OPT(SIZE, VERSION) "\0\0\x29" SIZE "\0" VERSION "\0\0\0\0"

static void
test_messages(void **cmocka OVS_UNUSED)
{
#define MSG(TEXT) TEXT, sizeof TEXT - 1
    static const struct {
        const char *what, *msg;
        size_t n;
        int want;
        int edns_size;
    } rows[] = {
        { "plain", MSG(HEAD("\1\0", "\1", "\0", "\0", "\0") Q), 0, 512 },
        { "opt", MSG(HEAD("\1\0", "\1", "\0", "\0", "\1") Q OPT("\x10\0",
                                                                "\0")),
          0, 4096 },
        { "tiny opt", MSG(HEAD("\1\0", "\1", "\0", "\0", "\1")
                          Q OPT("\0\x10", "\0")), 0, 512 },
        { "another edns", MSG(HEAD("\1\0", "\1", "\0", "\0", "\1")
                              Q OPT("\x10\0", "\1")), DNS_BADVERS, 4096 },
        { "two opts", MSG(HEAD("\1\0", "\1", "\0", "\0", "\2")
                          Q OPT("\x10\0", "\0") OPT("\x10\0", "\0")),
          DNS_FORMERR, 4096 },
        { "cut opt", MSG(HEAD("\1\0", "\1", "\0", "\0", "\1") Q "\0\0\x29"),
          DNS_FORMERR, 512 },
        { "opt longer than all", MSG(HEAD("\1\0", "\1", "\0", "\0", "\1")
                                     Q "\0\0\x29\x10\0\0\0\0\0\xff\xff"),
          DNS_FORMERR, 512 },
        { "trailing octets", MSG(HEAD("\1\0", "\1", "\0", "\0", "\0")
                                 Q "xyz"), 0, 512 },
        { "a reply", MSG(HEAD("\x81\0", "\1", "\0", "\0", "\0") Q),
          DNS_IGNORE, 512 },
        { "update", MSG(HEAD("\x28\0", "\1", "\0", "\0", "\0") Q),
          DNS_NOTIMP, 512 },
        { "no question", MSG(HEAD("\1\0", "\0", "\0", "\0", "\0")),
          DNS_FORMERR, 512 },
        { "two questions", MSG(HEAD("\1\0", "\2", "\0", "\0", "\0") Q Q),
          DNS_FORMERR, 512 },
        { "an answer", MSG(HEAD("\1\0", "\1", "\1", "\0", "\0") Q),
          DNS_FORMERR, 512 },
        { "pointer", MSG(HEAD("\1\0", "\1", "\0", "\0", "\0")
                         "\xc0\x0c\0\1\0\1"), DNS_FORMERR, 512 },
        { "label of 64", MSG(HEAD("\1\0", "\1", "\0", "\0", "\0")
                             "\x40" "a\0\0\1\0\1"), DNS_FORMERR, 512 },
        { "label beyond the end", MSG(HEAD("\1\0", "\1", "\0", "\0", "\0")
                                      "\x20" "a\0\0\1\0\1"),
          DNS_FORMERR, 512 },
        { "no end of the name", MSG(HEAD("\1\0", "\1", "\0", "\0", "\0")
                                    "\1a"), DNS_FORMERR, 512 },
        { "no type", MSG(HEAD("\1\0", "\1", "\0", "\0", "\0") "\1a\0\0\1"),
          DNS_FORMERR, 512 },
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        /* Of exactly that length, for the address sanitizer. */
        uint8_t *msg = xmemdup(rows[i].msg, rows[i].n ? rows[i].n : 1);
        struct dns_query q;
        int rcode = dns_query_parse(msg, rows[i].n, &q);

        if (rcode != rows[i].want || q.edns_size != rows[i].edns_size) {
            fail_msg("%s: %d, EDNS %d", rows[i].what, rcode, q.edns_size);
        }
        free(msg);
    }
}

static void
test_odd_names(void **cmocka OVS_UNUSED)
{
    static const char msg[] = HEAD("\1\0", "\1", "\0", "\0", "\0")
                              "\4A.\xff\\\1_\0\0\1\0\1";
    struct dns_query q;

    assert_int_equal(dns_query_parse((const uint8_t *) msg, sizeof msg - 1,
                                     &q), DNS_NOERROR);
    assert_string_equal(q.name, "a\\046\\255\\092._");

    char name[DNS_NAME_TEXT];
    assert_true(dns_name_from_text("A.b-c._D.", name));
    assert_string_equal(name, "a.b-c._d");
    static const char *const bad[] = {
        "", ".", "a..b", ".a", "a b", "\xc3\xa9", "a\\046b",
        "0123456789012345678901234567890123456789012345678901234567890123",
    };
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        assert_false(dns_name_from_text(bad[i], name));
    }
}

static void
test_is_reply(void **cmocka OVS_UNUSED)
{
    static const char query[] = HEAD("\1\0", "\1", "\0", "\0", "\0") Q;
    static const struct {
        const char *msg;
        size_t n;
        bool want;
    } rows[] = {
        { MSG(HEAD("\x81\0", "\1", "\1", "\0", "\0") Q "rest"), true },
        { MSG(HEAD("\x81\0", "\1", "\0", "\0", "\0") "\1A\0\0\1\0\1"), true },
        { MSG(HEAD("\x81\0", "\1", "\0", "\0", "\0") "\1b\0\0\1\0\1"),
          false },
        { MSG(HEAD("\x81\0", "\1", "\0", "\0", "\0") "\1a\0\0\2\0\1"),
          false },
        { MSG(HEAD("\1\0", "\1", "\0", "\0", "\0") Q), false },
        { MSG(HEAD("\x81\0", "\0", "\0", "\0", "\0")), false },
        { MSG("\x12\x35\x81\0\0\1\0\0\0\0\0\0" Q), false },
        { MSG("\x12\x34"), false },
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        assert_int_equal(dns_is_reply_to((const uint8_t *) rows[i].msg,
                                         rows[i].n, (const uint8_t *) query,
                                         7), rows[i].want);
    }
}

/* Whose queries for other domains go where. */

static bool
is_up(const struct plan_exit *x, const void *down)
{
    return !down || strcmp(x->tunnel, down);
}

static void
test_clients(void **cmocka OVS_UNUSED)
{
    static const struct {
        const char *address, *down;
        int way;
        const char *device;
    } rows[] = {
        { "10.0.0.100", NULL, DNS_WAY_DEVICE, "warp0" },
        { "fd00::100", NULL, DNS_WAY_DEVICE, "warp0" },
        { "10.0.0.100", "warp0", DNS_WAY_DOWN, NULL },
        { "10.0.0.101", NULL, DNS_WAY_DOWN, NULL },     /* Disabled. */
        { "10.0.0.102", NULL, DNS_WAY_NONE, NULL },     /* Denied. */
        { "10.0.0.103", NULL, DNS_WAY_NONE, NULL },     /* No exit. */
        { "10.1.0.40", NULL, DNS_WAY_NONE, NULL },      /* Not local. */
        { "10.0.0.1", NULL, DNS_WAY_HOST, NULL },       /* The host. */
        { "100.64.0.1", NULL, DNS_WAY_HOST, NULL },
        { "100.64.0.2", NULL, DNS_WAY_NONE, NULL },
        { "10.8.0.2", NULL, DNS_WAY_DOWN, NULL },       /* Disabled. */
        { "10.0.0.99", NULL, -1, NULL }, { "198.51.100.1", NULL, -1, NULL },
    };
    struct smap keys = SMAP_INITIALIZER(&keys);
    struct sset problems = SSET_INITIALIZER(&problems);
    struct model *model = load(state);
    struct plan *plan = plan_create(model, "n1", &keys, &problems);
    struct dns_clients clients;

    dns_clients_init(&clients);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct sn_prefix address;

        dns_clients_update(&clients, model, plan, is_up, rows[i].down);
        assert_null(sn_prefix_parse(rows[i].address, &address));
        const struct dns_client *c = dns_clients_find(&clients, &address);
        if ((c ? (int) c->way : -1) != rows[i].way
            || !nullable_string_is_equal(c ? c->device : NULL,
                                         rows[i].device)) {
            fail_msg("row %"PRIuSIZE", %s: way %d", i, rows[i].address,
                     c ? (int) c->way : -1);
        }
    }

    /* Resolvers that the mesh names are for those without an exit too. */
    struct sn_prefix address;
    assert_null(sn_prefix_parse("10.0.0.103", &address));
    svec_add(&model->mesh.resolvers, "192.0.2.53");
    dns_clients_update(&clients, model, plan, is_up, NULL);
    assert_int_equal(dns_clients_find(&clients, &address)->way, DNS_WAY_HOST);
    assert_null(sn_prefix_parse("10.8.0.2", &address));
    assert_int_equal(dns_clients_find(&clients, &address)->way, DNS_WAY_DOWN);

    /* What is counted of a client outlives a change; the client goes. */
    assert_null(sn_prefix_parse("10.0.0.100", &address));
    dns_clients_find(&clients, &address)->n_pending = 5;
    dns_clients_update(&clients, model, plan, is_up, "warp0");
    assert_int_equal(dns_clients_find(&clients, &address)->n_pending, 5);
    model_remove(model, MODEL_CONTAINER, "Web");
    dns_clients_update(&clients, model, plan, is_up, NULL);
    assert_null(dns_clients_find(&clients, &address));

    dns_clients_destroy(&clients);
    plan_destroy(plan);
    model_destroy(model);
    smap_destroy(&keys);
    sset_destroy(&problems);
}

static void
test_resolv_conf(void **cmocka OVS_UNUSED)
{
    static const char text[] =
        "# nameserver 9.9.9.9\nsearch a b\nnameserver 192.0.2.1\n"
        "\tnameserver\t2001:db8::1  \nnameserver fe80::1%eth0\n"
        "nameserver\nnameservers 192.0.2.2\nnameserver 192.0.2.3";
    static const char *const want[] = {
        "192.0.2.1", "2001:db8::1", "192.0.2.3"
    };
    char path[] = "/tmp/socknet-resolv-XXXXXX";
    struct sn_prefix *resolvers;
    int fd = mkstemp(path);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
    assert_int_equal(dns_read_resolv_conf(path, &resolvers), 3);
    for (size_t i = 0; i < ARRAY_SIZE(want); i++) {
        char *s = sn_prefix_addr_to_string(&resolvers[i]);

        assert_string_equal(s, want[i]);
        free(s);
    }
    free(resolvers);
    unlink(path);
    assert_int_equal(dns_read_resolv_conf(path, &resolvers), 0);
    free(resolvers);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hosts),
        cmocka_unit_test(test_services),
        cmocka_unit_test(test_other_names),
        cmocka_unit_test(test_reverse),
        cmocka_unit_test(test_edns_and_limits),
        cmocka_unit_test(test_bad_domain),
        cmocka_unit_test(test_messages),
        cmocka_unit_test(test_odd_names),
        cmocka_unit_test(test_is_reply),
        cmocka_unit_test(test_clients),
        cmocka_unit_test(test_resolv_conf),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
