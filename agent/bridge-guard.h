#ifndef SN_BRIDGE_GUARD_H
#define SN_BRIDGE_GUARD_H 1

/* What the ports of the bridge may do while it has no flows.
 *
 * A bridge whose fail_mode somebody clears (Proxmox's "Apply Configuration",
 * which flushes its flows as well) switches plainly until that is repaired.
 * VLANs, which only plain switching obeys, keep it closed even then: each port
 * of a container or an exit is alone in a VLAN, which uplinks and virtual
 * machines do not carry and in which the host has no interface.  The host
 * goes on reaching its uplinks, and so do virtual machines.
 *
 * (A port that is "protected" would not do: flows obey that as well.) */

#include <stdbool.h>

struct sset;
struct vswitch;

/* Writes what differs into the switch's open transaction; 'uplinks' are the
 * node's.  Returns true if nothing did. */
bool bridge_guard_sync(struct vswitch *, const struct sset *uplinks);
/* Takes it off again. */
void bridge_guard_cleanup(struct vswitch *);

#endif /* agent/bridge-guard.h */
