#ifndef SN_OFPROTO_TRACE_H
#define SN_OFPROTO_TRACE_H 1

/* What ovs-vswitchd's command `ofproto/trace` reads and writes: a packet, the
 * flows that it met, and what became of it. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "openvswitch/types.h"
#include "svec.h"

struct ds;
struct flow;

/* The packet, as `ofproto/trace` takes it.  That asks no conntrack: the packet
 * brings ct_state and the tuple along, if 'tuple' has one, as conntrack would
 * have it when the policy asks (no table before conntrack looks).  'hash'
 * chooses among the buckets of a group. */
void ofproto_trace_format_flow(const struct flow *packet,
                               const struct flow *tuple, uint32_t hash,
                               struct ds *);

struct ofproto_trace_step {
    uint8_t table_id;
    bool matched;               /* False: no flow there matches. */
    uint16_t priority;          /* If matched. */
    uint64_t cookie;
};

/* More steps than this are left out: it is a loop. */
#define OFPROTO_TRACE_MAX_STEPS 256

struct ofproto_trace {
    struct ofproto_trace_step *steps;
    size_t n_steps, allocated_steps;
    uint32_t bucket_id;         /* Of the group that it met last, or 0. */
    struct svec actions;        /* The datapath's, in their order: "drop",
                                 * "ct(zone=1)", a port. */
    char *nat_dst;              /* Address that it was translated to, or
                                 * NULL. */
    uint16_t nat_port;          /* 0: as it was. */
    char *error;                /* The first that the switch found wrong with
                                 * the flows, or NULL. */
    char *failure;              /* Why it gave up, or NULL. */

    /* Since the last recirculation: how it leaves. */
    ofp_port_t output;          /* OFPP_NONE: by no port. */
    bool dropped;
};

/* Initialises the trace.  Never fails: what is not understood is left out. */
void ofproto_trace_parse(const char *text, struct ofproto_trace *);
void ofproto_trace_uninit(struct ofproto_trace *);

#endif /* lib/ofproto-trace.h */
