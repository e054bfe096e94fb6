#ifndef SN_SCRATCH_TRACE_H
#define SN_SCRATCH_TRACE_H 1

/* What `ofproto/trace` reads and writes. */

#include <stddef.h>
#include <stdint.h>
#include "openvswitch/types.h"

struct ds;
struct flow;
struct scratch_trace;

/* A packet; see scratch_switch_trace(). */
void scratch_trace_format_flow(const struct flow *packet,
                               const struct flow *tuple, uint32_t hash,
                               struct ds *);
/* Initialises '*trace'. */
void scratch_trace_parse(const char *text, struct scratch_trace *trace);

/* A port's name says whose it is; that of LOCAL is the bridge's. */
char *scratch_port_name(size_t bridge, ofp_port_t);

#endif /* cli/scratch-trace.h */
