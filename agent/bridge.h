#ifndef SN_BRIDGE_H
#define SN_BRIDGE_H 1

/* The bridge's own settings.
 *
 * Without fail_mode=secure a bridge that loses its flows switches like a hub;
 * Proxmox's "Apply Configuration" clears the column.  So they are set again
 * whenever they are found different. */

#include <stdbool.h>
#include "openvswitch/types.h"
#include "openvswitch/uuid.h"

struct sset;
struct vswitch;

/* What is to be remembered of it.  Zero at first. */
struct bridge_watch {
    struct uuid bridge;         /* That was seen secure. */
    long long int alarm_ms;     /* Until when to tell that it was opened. */
    struct eth_addr mac;        /* As last seen pinned: it stays what it is
                                 * even if the pin is lost. */
};

/* Writes what differs into the switch's open transaction.  Returns true if
 * nothing did.  Costs little: call it as soon as anything changed. */
bool bridge_run(struct vswitch *, struct bridge_watch *,
                struct sset *problems);

/* "system" or "netdev"; NULL if the bridge is missing. */
const char *bridge_datapath_type(const struct vswitch *);

#endif /* agent/bridge.h */
