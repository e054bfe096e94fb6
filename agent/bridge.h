#ifndef SN_BRIDGE_H
#define SN_BRIDGE_H 1

/* The bridge's own settings.
 *
 * Without fail_mode=secure a bridge that loses its flows switches like a hub;
 * Proxmox's "Apply Configuration" clears the column.  So they are set again
 * whenever they are found different. */

#include <stdbool.h>

struct eth_addr;
struct sset;
struct vswitch;

/* Writes what differs into the switch's open transaction.  Returns true if
 * nothing did.  '*mac' is the bridge's MAC address as it was last seen pinned,
 * zero at first: it stays what it is even if the pin is lost. */
bool bridge_run(struct vswitch *, struct eth_addr *mac,
                struct sset *problems);

/* "system" or "netdev"; NULL if the bridge is missing. */
const char *bridge_datapath_type(const struct vswitch *);

#endif /* agent/bridge.h */
