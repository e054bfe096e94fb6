#include <config.h>

#include "flows/compiler.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "flows/flow-key.h"
#include "flows/tables.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/ofp-actions.h"
#include "openvswitch/ofp-table.h"
#include "openvswitch/ofpbuf.h"
#include "openvswitch/util.h"
#include "util.h"

uint32_t
sn_flow_hash_key(const struct sn_flow *flow)
{
    return minimatch_hash(&flow->match,
                          (uint32_t) flow->table_id << 16 | flow->priority);
}

bool
sn_flow_same_key(const struct sn_flow *a, const struct sn_flow *b)
{
    return (a->table_id == b->table_id
            && a->priority == b->priority
            && minimatch_equal(&a->match, &b->match));
}

void
flow_set_init(struct flow_set *set)
{
    hmap_init(&set->flows);
}

void
flow_set_destroy(struct flow_set *set)
{
    struct sn_flow *flow;

    HMAP_FOR_EACH_POP (flow, hmap_node, &set->flows) {
        sn_flow_free(flow);
    }
    hmap_destroy(&set->flows);
}

static struct sn_flow *
flow_set_find_hash(const struct flow_set *set, const struct sn_flow *key,
                   uint32_t hash)
{
    struct sn_flow *flow;

    HMAP_FOR_EACH_WITH_HASH (flow, hmap_node, hash, &set->flows) {
        if (sn_flow_same_key(flow, key)) {
            return flow;
        }
    }
    return NULL;
}

struct sn_flow *
flow_set_find(const struct flow_set *set, const struct sn_flow *key)
{
    return flow_set_find_hash(set, key, sn_flow_hash_key(key));
}

void
flow_set_put(struct flow_set *set, struct sn_flow *flow)
{
    uint32_t hash = sn_flow_hash_key(flow);
    struct sn_flow *old = flow_set_find_hash(set, flow, hash);

    if (old) {
        flow_set_remove(set, old);
    }
    hmap_insert(&set->flows, &flow->hmap_node, hash);
}

void
flow_set_remove(struct flow_set *set, struct sn_flow *flow)
{
    hmap_remove(&set->flows, &flow->hmap_node);
    sn_flow_free(flow);
}

struct sn_flow *
sn_flow_clone(const struct sn_flow *flow)
{
    struct sn_flow *copy = xmalloc(sizeof *copy);

    copy->table_id = flow->table_id;
    copy->priority = flow->priority;
    minimatch_clone(&copy->match, &flow->match);
    copy->cookie = flow->cookie;
    copy->ofpacts_len = flow->ofpacts_len;
    copy->ofpacts = flow->ofpacts_len
                    ? xmemdup(flow->ofpacts, flow->ofpacts_len) : NULL;
    return copy;
}

void
sn_flow_free(struct sn_flow *flow)
{
    if (flow) {
        minimatch_destroy(&flow->match);
        free(flow->ofpacts);
        free(flow);
    }
}

static void
put_wire_actions(const struct sn_flow *flow, struct ofpbuf *wire)
{
    ofpacts_put_openflow_instructions(flow->ofpacts, flow->ofpacts_len, wire,
                                      OFP15_VERSION);
}

/* Cookie and actions.  Actions that came back from a switch remember from
 * which of several encodings they were decoded, so what differs in memory is
 * compared again as it goes over the wire. */
bool
sn_flow_same_content(const struct sn_flow *a, const struct sn_flow *b)
{
    if (a->cookie != b->cookie) {
        return false;
    }
    if (a->ofpacts_len == b->ofpacts_len
        && (!a->ofpacts_len
            || !memcmp(a->ofpacts, b->ofpacts, a->ofpacts_len))) {
        return true;
    }

    uint64_t stub_a[64], stub_b[64];
    struct ofpbuf wire_a = OFPBUF_STUB_INITIALIZER(stub_a);
    struct ofpbuf wire_b = OFPBUF_STUB_INITIALIZER(stub_b);
    put_wire_actions(a, &wire_a);
    put_wire_actions(b, &wire_b);
    bool same = (wire_a.size == wire_b.size
                 && !memcmp(wire_a.data, wire_b.data, wire_a.size));
    ofpbuf_uninit(&wire_a);
    ofpbuf_uninit(&wire_b);
    return same;
}

static const struct ofputil_table_map *
get_table_map(void)
{
    static struct ofputil_table_map map;
    static bool inited;

    if (!inited) {
        ofputil_table_map_init(&map);
#define SN_TABLE(ID, ENUM, NAME, PURPOSE)                                    \
        ofputil_table_map_put(&map, ID, NAME);
        SN_TABLES
#undef SN_TABLE
        inited = true;
    }
    return &map;
}

void
sn_flow_format(const struct sn_flow *flow, const struct ofputil_port_map *map,
               bool names, struct ds *s)
{
    struct match match;

    ds_put_format(s, "cookie=0x%016"PRIx64", table=", flow->cookie);
    if (names && sn_table_name(flow->table_id)) {
        ds_put_cstr(s, sn_table_name(flow->table_id));
    } else {
        ds_put_format(s, "%"PRIu8, flow->table_id);
    }
    ds_put_format(s, ", priority=%"PRIu16, flow->priority);
    minimatch_expand(&flow->match, &match);
    size_t start = s->length;
    ds_put_char(s, ',');
    match_format(&match, map, s, OFP_DEFAULT_PRIORITY);
    if (s->length == start + 1) {
        ds_truncate(s, start);
    }
    ds_put_cstr(s, " actions=");
    struct ofpact_format_params fp = {
        .port_map = map,
        .table_map = names ? get_table_map() : NULL,
        .s = s,
    };
    ofpacts_format(flow->ofpacts, flow->ofpacts_len, &fp);
}
