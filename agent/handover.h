#ifndef SN_HANDOVER_H
#define SN_HANDOVER_H 1

/* When a peer's next key becomes its key here (agent/rotation.h).
 *
 * That a key is a node's key and its next one as well says that the node is
 * about to switch.  Until it has, it sends with the former, and what it sends
 * must find its peer in WireGuard.  So the plan keeps the former key until the
 * node says that it has switched; or, if that cannot be learnt, until nothing
 * has come with the former for a while. */

#include <stdbool.h>
#include "openvswitch/shash.h"

struct plan;
struct smap;
struct wg_device;

struct handover {
    struct shash nodes;         /* struct handover_node. */
};

void handover_init(struct handover *);
void handover_destroy(struct handover *);

/* After plan_set_next_keys().  'now' is time_msec(). */
void handover_apply(struct handover *, struct plan *,
                    const struct smap *next_keys, long long int now);
/* 'device' as read last.  True if a node's key need not wait any more: another
 * plan is due. */
bool handover_run(struct handover *, const struct wg_device *,
                  long long int now);
void handover_wait(const struct handover *);
/* Whether the device should be read soon. */
bool handover_is_under_way(const struct handover *);

#endif /* agent/handover.h */
