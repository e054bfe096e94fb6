#ifndef SN_WALK_H
#define SN_WALK_H 1

/* A packet's way through the compiled tables of one bridge, without a switch:
 * OVS's own classifier finds the flows (conjunctions as well), and what their
 * actions do is done here.
 *
 * The packet is the first of a connection: conntrack knows nothing of it, in
 * no zone.  (Replies follow from that: the policy tables look at the original
 * tuple, which a reply shares.)  Of a select group, the caller says which
 * bucket. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "openvswitch/flow.h"

struct flow_set;
struct object_set;
struct sn_flow;

struct walk_bridge;
/* Flows and objects must outlive the bridge. */
struct walk_bridge *walk_bridge_create(const struct flow_set *,
                                       const struct object_set *);
void walk_bridge_destroy(struct walk_bridge *);

struct walk_step {
    uint8_t table_id;
    const struct sn_flow *flow; /* NULL: none matched. */
};

struct walk_output {
    ofp_port_t port;
    struct flow packet;         /* As it leaves. */
};

struct walk {
    struct walk_step *steps;
    size_t n_steps, allocated_steps;
    struct walk_output *outputs;
    size_t n_outputs, allocated_outputs;
    size_t n_buckets;           /* Of the group met; 0: none. */
    uint32_t bucket_id;         /* Of the bucket that it took. */
    struct flow last;           /* The packet where its way ended. */
    const char *unknown;        /* An action that is not understood, or NULL;
                                 * then the way ends there. */
};

/* From table 0 on.  'packet' has what a parsed packet has, in_port included,
 * and zeroes else.  Free with walk_uninit(). */
void walk_run(const struct walk_bridge *, const struct flow *packet,
              size_t bucket, struct walk *);
void walk_uninit(struct walk *);
/* The flow that decided last: that of the drop, or of the output.  NULL: a
 * table had none. */
const struct sn_flow *walk_last(const struct walk *);

#endif /* flows/walk.h */
