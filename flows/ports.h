#ifndef SN_FLOW_PORTS_H
#define SN_FLOW_PORTS_H 1

/* Ports of the bridge, beyond what compiler.h shows. */

struct flow_port;
struct flow_ports;
struct sset;

/* The bridge's own port, or NULL.  Walks all ports: ask once per run. */
const struct flow_port *flow_ports_find_local(const struct flow_ports *);

/* The port of a container: its veth, or the one by which a Linux bridge of
 * Proxmox's firewall connects it; or NULL. */
const struct flow_port *flow_ports_find_veth(const struct flow_ports *,
                                             const char *veth);

/* Adds the names of virtual machines' ports, which nobody declares. */
void flow_ports_add_taps(const struct flow_ports *, struct sset *);

#endif /* flows/ports.h */
