#ifndef SN_PORTS_H
#define SN_PORTS_H 1

/* The ports of one bridge, as the switch tells them: all of them on connect
 * (OFPMP_PORT_DESC), then each change (OFPT_PORT_STATUS).  They are kept while
 * there is no connection; after a reconnect only real differences count as
 * changes. */

#include <stdbool.h>
#include "openvswitch/ofp-msgs.h"

struct flow_ports;
struct ofconn;
struct ofpbuf;
struct sset;

struct ports;
struct ports *ports_create(void);
void ports_destroy(struct ports *);
/* A new connection: asks for all ports. */
void ports_begin(struct ports *, struct ofconn *);
/* Returns true if the message was about ports. */
bool ports_handle(struct ports *, const struct ofpbuf *, enum ofptype);

/* True once all ports have been told on this connection. */
bool ports_is_ready(const struct ports *);
const struct flow_ports *ports_flow_ports(const struct ports *);
const struct sset *ports_names(const struct ports *);
/* Names of the ports that changed; the caller clears it. */
struct sset *ports_changed(struct ports *);

#endif /* controller/ports.h */
