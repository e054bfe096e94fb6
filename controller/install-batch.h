#ifndef SN_INSTALL_BATCH_H
#define SN_INSTALL_BATCH_H 1

/* Operations on the flow table that go out in one atomic bundle, and the
 * flows that the switch refused of them.  Groups and meters that the flows
 * need go before them: groups in the bundle, meters, which OpenFlow has in no
 * bundle, ahead of it. */

#include <stdbool.h>
#include <stddef.h>
#include "openvswitch/hmap.h"
#include "openvswitch/ofp-errors.h"
#include "openvswitch/types.h"

struct flow_set;
struct ofputil_flow_mod;
struct sn_flow;
struct sn_object;
struct sset;

enum install_command {
    INSTALL_ADD,                /* Counters of a replaced flow go on. */
    INSTALL_MODIFY,             /* Counters and duration go on. */
    INSTALL_DELETE,             /* Only if the cookie is still the same. */
};

struct install_op {
    enum install_command command;
    struct sn_flow *flow;       /* Owned. */
    bool is_repair;             /* Undoes what somebody else did. */
    ovs_be32 xid;               /* Of the flow_mod, once sent. */
    enum ofperr error;          /* Why the switch refused it, or 0. */
};

struct object_op {
    enum install_command command;
    struct sn_object *object;   /* Owned. */
    bool is_repair;
    ovs_be32 xid;               /* As in struct install_op. */
    enum ofperr error;
};

struct install_batch {
    struct install_op *ops;
    size_t n, allocated;
    struct object_op *object_ops;
    size_t n_object_ops, allocated_object_ops;
    size_t n_repairs;           /* Operations that are repairs. */
};
void install_batch_init(struct install_batch *);
void install_batch_destroy(struct install_batch *);
/* Copies the flow. */
void install_batch_add(struct install_batch *, enum install_command,
                       const struct sn_flow *, bool is_repair);
void install_batch_add_object(struct install_batch *, enum install_command,
                              const struct sn_object *, bool is_repair);
bool install_batch_is_empty(const struct install_batch *);
/* '*fm' borrows from the operation; nothing to destroy. */
void install_op_to_flow_mod(const struct install_op *,
                            struct ofputil_flow_mod *fm);

/* A desired flow that the switch does not take. */
struct refusal {
    struct hmap_node node;      /* In struct refusals. */
    struct sn_flow *flow;
    enum ofperr error;
};
struct refusals {
    struct hmap hmap;           /* Of struct refusal, by key of the flow. */
};
void refusals_init(struct refusals *);
void refusals_destroy(struct refusals *);
void refusals_clear(struct refusals *);
/* Copies the flow; replaces a refusal of the same key. */
void refusals_add(struct refusals *, const struct sn_flow *, enum ofperr);
/* With the same content. */
bool refusals_contain(const struct refusals *, const struct sn_flow *);
/* A flow whose content is another one now has not been refused yet. */
void refusals_forget_changed(struct refusals *,
                             const struct flow_set *desired);
size_t refusals_count(const struct refusals *);
/* A sentence per refused flow, as long as they are few. */
void refusals_to_problems(const struct refusals *, struct sset *problems);

#endif /* controller/install-batch.h */
