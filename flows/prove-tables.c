#include <config.h>

#include "flows/prove-private.h"

#include <stdlib.h>
#include <string.h>
#include "flow.h"
#include "flows/compiler.h"
#include "flows/cookie.h"
#include "flows/reasons.h"
#include "flows/regs.h"
#include "flows/tables.h"
#include "openvswitch/match.h"
#include "openvswitch/ofp-actions.h"
#include "openvswitch/util.h"
#include "packets.h"
#include "util.h"

/* What can be said of the tables themselves. */

static const char *
table_name(uint8_t table_id)
{
    const char *name = sn_table_name(table_id);

    return name ? name : "that is none of the pipeline";
}

static void
report_trouble(struct prove *p, const struct symbolic_trouble *t)
{
    struct claim claim = {
        .invariant = PROVE_TABLES, .port = OFPP_ANY, .flow = t->flow,
        .other = t->other,
    };
    char *text = NULL;

    switch (t->kind) {
    case SYMBOLIC_MISS:
        text = xasprintf("no flow takes its packet in table %s",
                         table_name(t->table_id));
        break;
    case SYMBOLIC_TIE:
        text = xasprintf("two flows of one priority take its packet in table "
                         "%s, and differ", table_name(t->table_id));
        break;
    case SYMBOLIC_UNKNOWN:
        text = xasprintf("a flow in table %s has what cannot be followed: %s",
                         table_name(t->table_id), t->what);
        break;
    }
    claim.text = text;
    /* Of raw flows the linter tells the same. */
    if (t->kind != SYMBOLIC_TIE || t->table_id != SN_TABLE_USER) {
        prove_claim(p, &claim, t->set);
    }
    free(text);
}

/* Tables in which a packet that concerns nobody goes on. */
static bool
may_go_on(uint8_t table_id)
{
    return (table_id == SN_TABLE_SERVICE || table_id == SN_TABLE_USER
            || table_id == SN_TABLE_SERVICE_REPLY);
}

static void
check_last_flows(struct prove *p)
{
    const struct sn_flow *last[UINT8_MAX + 1] = { NULL };
    const struct sn_flow *flow;

    HMAP_FOR_EACH (flow, hmap_node, &p->bridge->flows->flows) {
        if (!flow->priority) {
            struct match match;

            minimatch_expand(&flow->match, &match);
            if (flow_wildcards_is_catchall(&match.wc)) {
                last[flow->table_id] = flow;
            }
        }
    }
#define SN_TABLE(ID, ENUM, NAME, PURPOSE)                                    \
    if (!last[ID] || (last[ID]->ofpacts_len && !may_go_on(ID))) {            \
        prove_refute(p, PROVE_TABLES, last[ID],                              \
                     xasprintf("table %s does not end in a drop", NAME));    \
    }
    SN_TABLES
#undef SN_TABLE
}

/* Replies and all later packets.
 *
 * They pass the same policy as the first packet of their connection if the
 * tables from the identities to ingress_policy look at nothing of a packet
 * but what conntrack knows of its connection, and at nothing else of conntrack
 * than that it does.  Flows that ask for more must be those of ICMP errors and
 * of raw flows, which go by the mark that an accepted connection got. */

static bool
is_policy_table(uint8_t table_id)
{
    return (table_id == SN_TABLE_SRC_IDENTITY
            || table_id == SN_TABLE_DST_IDENTITY
            || table_id == SN_TABLE_EGRESS_POLICY
            || table_id == SN_TABLE_INGRESS_POLICY);
}

/* Bytes of what every packet of a connection has in common. */
static bool
is_of_connection(size_t byte)
{
    static const struct { size_t first, size; } fields[] = {
        { HEADER_REG(SN_REG_SRC_ID), 4 }, { HEADER_REG(SN_REG_DST_ID), 4 },
        { HEADER_REG(SN_REG_FLAGS), 4 },
        { HEADER_BYTE(ct_nw_proto), 1 }, { HEADER_BYTE(ct_nw_src), 8 },
        { HEADER_BYTE(ct_ipv6_src), 32 }, { HEADER_BYTE(ct_tp_dst), 2 },
        { HEADER_BYTE(conj_id), 4 }, { HEADER_BYTE(dl_type), 2 },
        { HEADER_BYTE(packet_type), 4 },
        /* Later fragments have no ports: conntrack says whose they are. */
        { HEADER_BYTE(nw_frag), 1 },
    };

    for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
        if (byte >= fields[i].first
            && byte < fields[i].first + fields[i].size) {
            return true;
        }
    }
    return false;
}

/* Flags that say where the packet itself is from, not its connection. */
#define PACKET_FLAGS (SN_F_FROM_CONTAINER | SN_F_FROM_LOCAL                  \
                      | SN_F_FROM_UNMANAGED)

static bool
is_error_flow(const struct match *match)
{
    uint8_t state = CS_TRACKED | CS_RELATED;

    return (match->wc.masks.ct_state & match->flow.ct_state & CS_RELATED
            && (match->flow.ct_state & state) == state
            && !(match->flow.ct_state & (CS_NEW | CS_REPLY_DIR)));
}

static const char *
find_fault(const struct sn_flow *flow, const struct match *match)
{
    uint8_t always = CS_TRACKED | CS_INVALID;
    struct header_match *bytes;
    bool outside = false;
    const char *fault = NULL;

    if (is_error_flow(match)) {
        /* The mark of a rule that stands, or nothing is decided yet. */
        return (flow->table_id == SN_TABLE_SRC_IDENTITY
                || match->wc.masks.ct_mark == UINT32_MAX ? NULL
                : "passes errors of no rule");
    }
    size_t n = header_match_from_match(match, &bytes, &outside);
    for (size_t i = 0; i < n; i++) {
        if (bytes[i].byte == HEADER_BYTE(ct_state)) {
            if (bytes[i].mask & ~always
                || bytes[i].value != (CS_TRACKED & bytes[i].mask)) {
                fault = "depends on the state of the connection";
            }
        } else if (!is_of_connection(bytes[i].byte)) {
            fault = "looks at the packet, not at its connection";
        }
    }
    if (match->wc.masks.regs[SN_REG_FLAGS] & PACKET_FLAGS) {
        fault = "asks where the packet is from";
    }
    free(bytes);
    return outside ? "looks at a tunnel" : fault;
}

/* In `user` only what a raw flow marked may pass by its mark. */
static const char *
find_raw_fault(const struct sn_flow *flow, const struct match *match)
{
    uint8_t later = CS_ESTABLISHED | CS_RELATED | CS_REPLY_DIR;

    if (cookie_kind(flow->cookie) == COOKIE_RAW_FLOW
        && cookie_detail(flow->cookie) == SN_WHY_REPLIES) {
        return (match->wc.masks.ct_mark == UINT32_MAX
                && match->flow.ct_mark & COOKIE_RAW_BIT ? NULL
                : "passes replies without their mark");
    }
    return (cookie_kind(flow->cookie) != COOKIE_RAW_FLOW && flow->ofpacts_len
            && match->flow.ct_state & later ? "passes later packets" : NULL);
}

static void
check_replies(struct prove *p)
{
    const struct sn_flow *flow;

    HMAP_FOR_EACH (flow, hmap_node, &p->bridge->flows->flows) {
        const char *fault = NULL;
        struct match match;

        minimatch_expand(&flow->match, &match);
        if (is_policy_table(flow->table_id)) {
            fault = find_fault(flow, &match);
        } else if (flow->table_id == SN_TABLE_USER) {
            fault = find_raw_fault(flow, &match);
        }
        if (fault) {
            prove_refute(p, PROVE_REPLIES, flow,
                         xasprintf("a flow in table %s %s",
                                   table_name(flow->table_id), fault));
        }
    }
}

void
prove_check_tables(struct prove *p)
{
    for (size_t i = 0; i < p->symbolic.n_troubles; i++) {
        report_trouble(p, &p->symbolic.troubles[i]);
    }
    check_last_flows(p);
    check_replies(p);
}
