#ifndef SN_LIMITS_H
#define SN_LIMITS_H 1

/* Rates: meters of containers and rules; and classes: marks of packets.
 *
 * Each function adds to the actions of the flow that is being written, and
 * adds nothing where there is no limit.  Call it in every flow that the same
 * packets may take, once per packet. */

#include <stdint.h>
#include "state/model.h"

struct compiler;
struct endpoint;
struct policy_clause;

/* The meters of container NAME are "container:NAME:" and one of these, which
 * end with NULL; that of a rule is "acl:NAME". */
extern const char *const limits_of_container[];

/* What a container sends, in packets and in bits, what it receives, and what
 * it opens.  The first two are never of one flow: ovs-ofctl takes one meter in
 * each, as OpenFlow before 1.5 has it. */
void limits_emit_packets(struct compiler *, const struct endpoint *);
void limits_emit_egress(struct compiler *, const struct endpoint *);
void limits_emit_ingress(struct compiler *, const struct endpoint *);
void limits_emit_new(struct compiler *, const struct endpoint *);
/* The DSCP of a class, if there is one; the flow has to match the family. */
void limits_emit_class(struct compiler *, enum model_class);
/* What a rule lets pass on this host, and its class: if it has one, as
 * limits_emit_class(). */
void limits_emit_rule(struct compiler *, const struct policy_clause *);

#endif /* flows/limits.h */
