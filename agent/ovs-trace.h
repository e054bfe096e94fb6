#ifndef SN_OVS_TRACE_H
#define SN_OVS_TRACE_H 1

/* What ovs-vswitchd prints for ofproto/trace: the flows that a packet met, and
 * what became of it. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ovs_trace_step {
    uint8_t table;
    bool matched;               /* False: no flow there matches. */
    uint64_t cookie;
};

struct ovs_trace {
    struct ovs_trace_step *steps;
    size_t n_steps, allocated_steps;
    bool dropped;
    bool local;                 /* Leaves by the bridge's own port... */
    uint32_t port;              /* ...or by this one; 0: by none. */
    char *nat_dst;              /* Address that it was translated to, or
                                 * NULL. */
    uint16_t nat_port;          /* 0: as it was. */
    char *error;                /* What the switch found wrong, or NULL. */
};

/* More steps than this are left out: it is a loop. */
#define OVS_TRACE_MAX_STEPS 256

void ovs_trace_parse(const char *text, struct ovs_trace *);
void ovs_trace_destroy(struct ovs_trace *);

#endif /* agent/ovs-trace.h */
