#ifndef SN_RAWFLOW_H
#define SN_RAWFLOW_H 1

/* A raw flow of the state file, parsed with libopenvswitch.  Port names are
 * symbols: while parsing they get stand-in port numbers, which
 * raw_flow_port_name() turns back into names. */

#include <stdbool.h>
#include <stdint.h>
#include "openvswitch/match.h"
#include "openvswitch/ofp-port.h"
#include "openvswitch/types.h"

struct diags;
struct model_raw_flow;
struct ofpact;
struct ofputil_port_map;

struct raw_flow {
    int priority;
    struct match match;         /* match.flow.in_port may be a stand-in. */
    char *in_port;              /* Its name ("LOCAL" for the host), or NULL
                                 * when not matched. */
    struct ofpact *ofpacts;
    size_t ofpacts_len;
    struct ofputil_port_map *map; /* Stand-ins; owned. */
};

/* Returns NULL and reports to 'diags' (with the exact column) on failure.
 * 'diags' may be NULL.  The actions of what it returns are at most one output
 * (to a name, NORMAL or LOCAL), settings of DSCP, ECN and TTL, and notes. */
struct raw_flow *raw_flow_parse(const struct model_raw_flow *,
                                struct diags *);
/* As raw_flow_parse(), but if there is a mistake that leaves no doubt about
 * what is meant (a missing "ip", host bits below a mask), returns that, with
 * '*ret_ok' false, so that the rest of the flow can be checked as well. */
struct raw_flow *raw_flow_parse_lenient(const struct model_raw_flow *,
                                        struct diags *, bool *ret_ok);
void raw_flow_destroy(struct raw_flow *);
const char *raw_flow_port_name(const struct raw_flow *, ofp_port_t);

#endif /* state/rawflow.h */
