#ifndef SN_FLOW_BUNDLE_H
#define SN_FLOW_BUNDLE_H 1

/* A batch of operations on its way to the switch as ONE atomic, ordered
 * bundle: open, a group_mod or flow_mod per operation, commit, all without
 * waiting; meters go ahead of it, as OpenFlow has them in no bundle.
 * Encoding many flows takes long, so it is sliced: call flow_bundle_run() in
 * every iteration until flow_bundle_state() is BUNDLE_DONE or BUNDLE_FAILED;
 * the batch then says which operations the switch refused and why. */

#include <stdbool.h>
#include <stddef.h>
#include "openvswitch/ofp-msgs.h"

struct install_batch;
struct ofconn;
struct ofp_header;

enum flow_bundle_state {
    BUNDLE_IDLE,
    BUNDLE_SENDING,
    BUNDLE_COMMITTING,          /* Everything sent. */
    BUNDLE_DONE,                /* Installed, but for ops with an error. */
    BUNDLE_FAILED,              /* Nothing installed; or, if no operation has
                                 * an error, perhaps a part. */
};

struct flow_bundle;
struct flow_bundle *flow_bundle_create(void);
void flow_bundle_destroy(struct flow_bundle *);

/* Takes the content of 'batch' and leaves it empty. */
void flow_bundle_start(struct flow_bundle *, struct install_batch *);
void flow_bundle_run(struct flow_bundle *, struct ofconn *);
void flow_bundle_wait(const struct flow_bundle *);
/* Returns true if the message belonged to the bundle. */
bool flow_bundle_handle(struct flow_bundle *, const struct ofp_header *,
                        enum ofptype);

enum flow_bundle_state flow_bundle_state(const struct flow_bundle *);
const struct install_batch *flow_bundle_batch(const struct flow_bundle *);
/* Milliseconds from the start until the switch confirmed, of the last one. */
long long int flow_bundle_elapsed_ms(const struct flow_bundle *);
/* Back to BUNDLE_IDLE; what was under way is forgotten. */
void flow_bundle_clear(struct flow_bundle *);

#endif /* controller/flow-bundle.h */
