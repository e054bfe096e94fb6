#include <config.h>

#include "cli/port-marks.h"

#include <stdlib.h>
#include "bitmap.h"
#include "flows/compiler.h"
#include "flows/regs.h"
#include "hash.h"
#include "openvswitch/hmap.h"
#include "openvswitch/match.h"
#include "util.h"

/* What flows with ports have in common.  0: they do not look at it. */
struct port_key {
    uint32_t src, dst;          /* Identities. */
    uint8_t ip_proto;
};

struct port_list {
    struct hmap_node node;      /* In struct port_marks, by key. */
    struct port_key key;
    uint32_t *ports;            /* Sorted at the end. */
    size_t n, allocated;
};

struct port_marks {
    struct hmap lists;
};

static uint32_t
hash_key(const struct port_key *key)
{
    return hash_3words(key->src, key->dst, key->ip_proto);
}

static struct port_list *
find_list(const struct port_marks *m, const struct port_key *key)
{
    struct port_list *list;

    HMAP_FOR_EACH_WITH_HASH (list, node, hash_key(key), &m->lists) {
        if (list->key.src == key->src && list->key.dst == key->dst
            && list->key.ip_proto == key->ip_proto) {
            return list;
        }
    }
    return NULL;
}

static void
add_mark(struct port_marks *m, const struct port_key *key, uint32_t port)
{
    struct port_list *list = find_list(m, key);

    if (!list) {
        list = xzalloc(sizeof *list);
        list->key = *key;
        hmap_insert(&m->lists, &list->node, hash_key(key));
    }
    if (list->n >= list->allocated) {
        list->ports = x2nrealloc(list->ports, &list->allocated,
                                 sizeof *list->ports);
    }
    list->ports[list->n++] = port;
}

/* What is matched in part counts as not looked at. */
static uint32_t
exact_reg(const struct match *match, enum sn_reg reg)
{
    return match->wc.masks.regs[reg] == UINT32_MAX ? match->flow.regs[reg]
           : 0;
}

static void
add_flow(struct port_marks *m, const struct match *match)
{
    const struct {
        ovs_be16 value, mask;
        uint8_t proto, proto_mask;
    } tps[] = {
        { match->flow.tp_dst, match->wc.masks.tp_dst,
          match->flow.nw_proto, match->wc.masks.nw_proto },
        { match->flow.ct_tp_dst, match->wc.masks.ct_tp_dst,
          match->flow.ct_nw_proto, match->wc.masks.ct_nw_proto },
    };

    for (size_t i = 0; i < ARRAY_SIZE(tps); i++) {
        uint16_t mask = ntohs(tps[i].mask);
        uint16_t first = ntohs(tps[i].value) & mask;
        struct port_key key = {
            .src = exact_reg(match, SN_REG_SRC_ID),
            .dst = exact_reg(match, SN_REG_DST_ID),
            .ip_proto = tps[i].proto_mask == UINT8_MAX ? tps[i].proto : 0,
        };

        if (mask) {
            add_mark(m, &key, first);
            add_mark(m, &key, (first | (uint16_t) ~mask) + 1);
        }
    }
}

static int
compare_ports(const void *a_, const void *b_)
{
    const uint32_t *a = a_, *b = b_;

    return (*a > *b) - (*a < *b);
}

struct port_marks *
port_marks_create(const struct flow_set *flows)
{
    struct port_marks *m = xzalloc(sizeof *m);
    const struct sn_flow *flow;
    struct port_list *list;

    hmap_init(&m->lists);
    HMAP_FOR_EACH (flow, hmap_node, &flows->flows) {
        struct match match;

        minimatch_expand(&flow->match, &match);
        add_flow(m, &match);
    }
    HMAP_FOR_EACH (list, node, &m->lists) {
        qsort(list->ports, list->n, sizeof *list->ports, compare_ports);
    }
    return m;
}

void
port_marks_destroy(struct port_marks *m)
{
    if (m) {
        struct port_list *list;

        HMAP_FOR_EACH_POP (list, node, &m->lists) {
            free(list->ports);
            free(list);
        }
        hmap_destroy(&m->lists);
        free(m);
    }
}

static uint32_t
list_next(const struct port_list *list, uint16_t port)
{
    size_t low = 0, high = list ? list->n : 0;

    while (low < high) {
        size_t mid = (low + high) / 2;

        if (list->ports[mid] <= port) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return list && low < list->n ? list->ports[low] : UINT16_MAX + 1;
}

uint32_t
port_marks_next(const struct port_marks *m, const struct flow *last,
                uint8_t ip_proto, uint16_t port)
{
    uint32_t next = UINT16_MAX + 1;

    /* Each of the three looked at or not. */
    for (int i = 0; i < 8; i++) {
        struct port_key key = {
            .src = i & 1 ? last->regs[SN_REG_SRC_ID] : 0,
            .dst = i & 2 ? last->regs[SN_REG_DST_ID] : 0,
            .ip_proto = i & 4 ? ip_proto : 0,
        };
        uint32_t mark = list_next(find_list(m, &key), port);

        next = MIN(next, mark);
    }
    return next;
}

void
port_marks_collect(const struct port_marks *m, unsigned long *bitmap)
{
    const struct port_list *list;

    HMAP_FOR_EACH (list, node, &m->lists) {
        for (size_t i = 0; i < list->n; i++) {
            if (list->ports[i] <= UINT16_MAX) {
                bitmap_set1(bitmap, list->ports[i]);
            }
        }
    }
}
