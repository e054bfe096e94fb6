#include <config.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "cli/nft-walk.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/json.h"
#include "util.h"

/* The packets: of the mesh, to this host; and of a container, to another
 * host's. */
enum packet { MESH, CONTAINER };

#define DPORT(VALUE) "{'match':{'op':'==','left':{'payload':{" \
    "'protocol':'udp','field':'dport'}},'right':" VALUE "}},"
#define META(KEY, OP, VALUE) "{'match':{'op':'" OP "','left':{'meta':{" \
    "'key':'" KEY "'}},'right':" VALUE "}},"
#define SADDR(VALUE) "{'match':{'op':'==','left':{'payload':{" \
    "'protocol':'ip','field':'saddr'}},'right':" VALUE "}},"
#define STATE(VALUE) "{'match':{'op':'in','left':{'ct':{'key':'state'}}," \
    "'right':" VALUE "}},"
#define XT(NAME) "{'xt':{'type':'match','name':'" NAME "'}},"
#define ACCEPT "{'accept':null}"
#define DROP "{'counter':{'packets':1,'bytes':2}},{'drop':null}"

/* Rules of the base chain, as in JSON but for the quotes; rules of a chain
 * "sub"; the base chain's policy. */
static const struct {
    const char *base[4];
    const char *sub;
    const char *policy;
    enum packet packet;
    enum nft_fate fate;
    const char *chain;          /* That drops it. */
} rows[] = {
    { { NULL }, NULL, "accept", MESH, NFT_PASSES, NULL },
    { { NULL }, NULL, "drop", MESH, NFT_DROPPED, "base" },
    { { DROP }, NULL, "accept", MESH, NFT_DROPPED, "base" },
    { { ACCEPT, DROP }, NULL, "drop", MESH, NFT_PASSES, NULL },
    { { DROP, ACCEPT }, NULL, "accept", MESH, NFT_DROPPED, "base" },
    { { "{'reject':{'type':'icmpx'}}" }, NULL, "accept", MESH, NFT_DROPPED,
      "base" },
    { { "{'xt':{'type':'target','name':'REJECT'}}" }, NULL, "accept", MESH,
      NFT_DROPPED, "base" },

    /* Ports. */
    { { DPORT("51821") DROP }, NULL, "accept", MESH, NFT_DROPPED, "base" },
    { { DPORT("51820") DROP }, NULL, "accept", MESH, NFT_PASSES, NULL },
    { { DPORT("{'range':[51820,51830]}") DROP }, NULL, "accept", MESH,
      NFT_DROPPED, "base" },
    { { DPORT("{'set':[53,{'range':[51820,51830]}]}") ACCEPT }, NULL, "drop",
      MESH, NFT_PASSES, NULL },
    { { DPORT("{'set':[53,{'elem':{'val':51821}}]}") ACCEPT }, NULL, "drop",
      MESH, NFT_PASSES, NULL },
    { { DPORT("'@ports'") ACCEPT }, NULL, "drop", MESH, NFT_UNSURE, NULL },
    { { DPORT("'@ports'") DROP }, NULL, "accept", MESH, NFT_PASSES, NULL },
    { { DPORT("51821") DROP }, NULL, "accept", CONTAINER, NFT_PASSES, NULL },
    { { META("l4proto", "==", "{'set':['tcp','udp']}") DROP }, NULL,
      "accept", MESH, NFT_DROPPED, "base" },

    /* Interfaces. */
    { { META("iifname", "==", "'vmbr0'") ACCEPT }, NULL, "drop", CONTAINER,
      NFT_PASSES, NULL },
    { { META("iifname", "==", "'vmbr*'") ACCEPT }, NULL, "drop", CONTAINER,
      NFT_PASSES, NULL },
    { { META("iifname", "!=", "'docker0'") DROP }, NULL, "accept", CONTAINER,
      NFT_DROPPED, "base" },
    { { META("oifname", "==", "'docker0'") ACCEPT }, NULL, "drop", CONTAINER,
      NFT_DROPPED, "base" },
    { { META("iif", "==", "'lo'") ACCEPT }, NULL, "drop", MESH, NFT_DROPPED,
      "base" },

    /* Marks. */
    { { META("mark", "==", "7") ACCEPT }, NULL, "drop", MESH, NFT_DROPPED,
      "base" },
    { { META("mark", "!=", "7") DROP }, NULL, "accept", MESH, NFT_DROPPED,
      "base" },

    /* States: the packet is the first of its connection. */
    { { STATE("['established','related']") ACCEPT }, NULL, "drop", MESH,
      NFT_DROPPED, "base" },
    { { STATE("'invalid'") DROP }, NULL, "accept", MESH, NFT_PASSES, NULL },
    { { STATE("['new','untracked']") ACCEPT }, NULL, "drop", MESH,
      NFT_PASSES, NULL },

    /* Addresses: the container's is any in 10.0.0.0/24, the mesh's packet's
     * is not known. */
    { { SADDR("{'prefix':{'addr':'10.0.0.0','len':16}}") DROP }, NULL,
      "accept", CONTAINER, NFT_DROPPED, "base" },
    { { SADDR("'10.0.0.7'") DROP }, NULL, "accept", CONTAINER, NFT_PASSES,
      NULL },
    { { SADDR("'10.0.0.7'") ACCEPT }, NULL, "drop", CONTAINER, NFT_UNSURE,
      NULL },
    { { SADDR("{'prefix':{'addr':'10.9.0.0','len':16}}") ACCEPT }, NULL,
      "drop", CONTAINER, NFT_DROPPED, "base" },
    { { SADDR("{'prefix':{'addr':'10.0.0.0','len':16}}") DROP }, NULL,
      "accept", MESH, NFT_PASSES, NULL },

    /* Extensions of iptables: only the names are known. */
    { { XT("conntrack") ACCEPT }, NULL, "drop", MESH, NFT_DROPPED, "base" },
    { { XT("conntrack") DROP }, NULL, "accept", MESH, NFT_PASSES, NULL },
    { { XT("comment") DROP }, NULL, "accept", MESH, NFT_DROPPED, "base" },
    { { META("iifname", "==", "'vmbr0'") XT("conntrack") ACCEPT }, NULL,
      "drop", CONTAINER, NFT_UNSURE, NULL },
    { { "{'limit':{'rate':5,'per':'second'}}," ACCEPT }, NULL, "drop", MESH,
      NFT_UNSURE, NULL },

    /* Other chains. */
    { { "{'jump':{'target':'sub'}}" }, DROP, "accept", MESH, NFT_DROPPED,
      "sub" },
    { { "{'jump':{'target':'sub'}}" }, ACCEPT, "drop", MESH, NFT_PASSES,
      NULL },
    { { "{'jump':{'target':'sub'}}", DROP }, "{'return':null}", "accept",
      MESH, NFT_DROPPED, "base" },
    { { "{'goto':{'target':'sub'}}", DROP }, "{'return':null}", "accept",
      MESH, NFT_PASSES, NULL },
    { { "{'jump':{'target':'none'}}" }, NULL, "drop", MESH, NFT_DROPPED,
      "base" },
    { { "{'jump':{'target':'sub'}}" }, "{'jump':{'target':'sub'}}", "drop",
      MESH, NFT_DROPPED, "base" },
    { { XT("physdev") "{'jump':{'target':'sub'}}", DROP }, DROP, "accept",
      MESH, NFT_DROPPED, "base" },
    { { "{'vmap':{'key':{'ct':{'key':'state'}},'data':{'set':["
        "['invalid',{'drop':null}],['new',{'jump':{'target':'sub'}}]]}}}" },
      DROP, "accept", MESH, NFT_DROPPED, "sub" },
    { { "{'vmap':{'key':{'meta':{'key':'iifname'}},'data':{'set':["
        "['eth0',{'accept':null}]]}}}" }, NULL, "drop", MESH, NFT_PASSES,
      NULL },
    { { "{'queue':null}" }, NULL, "drop", MESH, NFT_PASSES, NULL },
};

static void
put_rule(struct ds *ds, const char *chain, const char *expr)
{
    ds_put_format(ds, ",{'rule':{'family':'inet','table':'t','chain':'%s',"
                  "'expr':[%s]}}", chain, expr);
}

static struct json *
build(size_t row)
{
    struct ds ds = DS_EMPTY_INITIALIZER;

    ds_put_format(&ds, "[{'chain':{'family':'inet','table':'t','name':'base',"
                  "'hook':'input','policy':'%s'}}", rows[row].policy);
    for (size_t i = 0; i < ARRAY_SIZE(rows[row].base); i++) {
        if (rows[row].base[i]) {
            put_rule(&ds, "base", rows[row].base[i]);
        }
    }
    if (rows[row].sub) {
        put_rule(&ds, "sub", rows[row].sub);
    }
    /* Of another table, which is none of its business. */
    ds_put_cstr(&ds, ",{'rule':{'family':'inet','table':'u',"
                "'chain':'base','expr':[" DROP "]}}]");
    for (char *s = ds_cstr(&ds); *s; s++) {
        *s = *s == '\'' ? '"' : *s;
    }
    struct json *json = json_from_string(ds_cstr(&ds));
    ds_destroy(&ds);
    assert_int_equal(json->type, JSON_ARRAY);
    return json;
}

static void
test_rows(void **state OVS_UNUSED)
{
    struct nft_packet packets[] = {
        [MESH] = { .iif = "eth0", .oif = "", .l4proto = "udp",
                   .dport = 51821, .is_v4 = true },
        [CONTAINER] = { .iif = "vmbr0", .oif = "nm-privacy",
                        .l4proto = "tcp", .is_v4 = true },
    };

    assert_null(sn_prefix_parse("10.0.0.0/24", &packets[CONTAINER].src));
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct json *all = build(i);
        const struct json *chain = nft_member(json_array(all)->elems[0],
                                              "chain");
        struct nft_drop drop = { .chain = NULL };
        enum nft_fate fate = nft_walk(all, chain, &packets[rows[i].packet],
                                      &drop);

        if (fate != rows[i].fate) {
            char *text = json_to_string(all, 0);

            print_error("row %"PRIuSIZE": %s\n", i, text);
            free(text);
        }
        assert_int_equal(fate, rows[i].fate);
        if (rows[i].chain) {
            assert_string_equal(drop.chain, rows[i].chain);
        }
        json_destroy(all);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
