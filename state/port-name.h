#ifndef SN_PORT_NAME_H
#define SN_PORT_NAME_H 1

/* What Proxmox calls the ports of a bridge.
 *
 * A container's network device N is veth<vmid>i<N>.  With firewall=1 that is
 * on a Linux bridge of its own, fwbr<vmid>i<N>, and the port of vmbr0 is
 * fwln<vmid>o<N>.  veth<vmid>i<N>p is the other end, there for a moment while
 * the container starts.  A virtual machine's is tap<vmid>i<N>. */

#include <stdbool.h>

/* Whether 'name' is veth<vmid>i<n>, and of whom. */
bool port_name_parse_veth(const char *name, unsigned int *ret_vmid,
                          unsigned int *ret_index);
/* "veth102i0" -> "fwln102o0"; NULL for another name.  To free. */
char *port_name_firewall(const char *veth);
/* "veth102i0" -> "fwbr102i0"; NULL for another name.  To free. */
char *port_name_firewall_bridge(const char *veth);
/* "fwln102o0" -> "veth102i0"; any other name as it is.  To free. */
char *port_name_veth(const char *port);
/* What a container is said to have for a port while nobody knows what LXC has
 * called it: ":web".  No interface can be called so.  To free. */
char *port_name_unknown(const char *id);
bool port_name_is_unknown(const char *);
bool port_name_is_transient(const char *);
bool port_name_is_tap(const char *);

#endif /* state/port-name.h */
