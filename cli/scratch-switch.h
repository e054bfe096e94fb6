#ifndef SN_SCRATCH_SWITCH_H
#define SN_SCRATCH_SWITCH_H 1

/* A real Open vSwitch with compiled tables in it, for packets to be traced
 * through:
 *
 *     scratch_switch_create(&sw);
 *     scratch_switch_add_bridge(sw, ports);           0, 1, 2, ...
 *     scratch_switch_configure(sw);
 *     scratch_switch_load(sw, 0, compiler);
 *     scratch_switch_trace(sw, 0, &packet, &tuple, hash, &trace);
 *     scratch_switch_destroy(sw);
 *
 * Functions that return a string return NULL, or an error that the caller
 * frees. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "openvswitch/types.h"

struct compiler;
struct flow;
struct ofproto_trace;
struct ofputil_port_map;

struct scratch_switch;
char *scratch_switch_create(struct scratch_switch **);
void scratch_switch_destroy(struct scratch_switch *);
/* "3.1.0" */
const char *scratch_switch_version(const struct scratch_switch *);

/* A bridge with the ports of 'ports', by number, and LOCAL. */
void scratch_switch_add_bridge(struct scratch_switch *,
                               const struct ofputil_port_map *ports);
/* Makes all bridges. */
char *scratch_switch_configure(struct scratch_switch *);
/* Flows, groups and meters. */
char *scratch_switch_load(struct scratch_switch *, size_t bridge,
                          const struct compiler *);

/* The way of the first packet of a connection; see lib/ofproto-trace.h for
 * 'tuple' and 'hash'.  Ports of the datapath have names of ours. */
char *scratch_switch_trace(struct scratch_switch *, size_t bridge,
                           const struct flow *packet,
                           const struct flow *tuple, uint32_t hash,
                           struct ofproto_trace *);
/* Whether an action of the datapath sends the packet by a port of those. */
bool scratch_switch_parse_output(const char *action, ofp_port_t *ret_port);

#endif /* cli/scratch-switch.h */
