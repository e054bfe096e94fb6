#ifndef SN_HOST_BRIDGE_H
#define SN_HOST_BRIDGE_H 1

/* What a host's switch and the host around it share: flows/ and agent/ must
 * mean the same by these. */

/* The bridge.  Its own port, the host's interface, has its name. */
#define SN_BRIDGE "vmbr0"

/* Where the exit ports have their addresses (agent/plan.h). */
#define SN_EXIT_PORTS "169.254.83.0/24"

/* Conntrack's zone of the bridge.  Of an accepted connection it keeps the rule
 * (ct_mark) and the container that it began at (ct_label, the low 32 bits; 0:
 * none of this host).  The kernel datapath shares its connection
 * table with the host, which uses zone 0. */
#define SN_CT_ZONE 0x5343
/* That of services, where virtual addresses are translated before the rules
 * see the connection. */
#define SN_CT_SERVICE_ZONE 0x5344

#endif /* lib/host-bridge.h */
