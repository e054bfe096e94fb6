#ifndef SN_FLOW_PORTS_H
#define SN_FLOW_PORTS_H 1

/* Ports of the bridge, beyond what compiler.h shows. */

struct flow_port;
struct flow_ports;

/* The bridge's own port, or NULL.  Walks all ports: ask once per run. */
const struct flow_port *flow_ports_find_local(const struct flow_ports *);

#endif /* flows/ports.h */
