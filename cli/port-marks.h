#ifndef SN_PORT_MARKS_H
#define SN_PORT_MARKS_H 1

/* The ports of destinations at which the answers of a bridge's flows can
 * change, by the identities and the protocol of the packets that they are
 * about: between two of them, all packets of a pair share their way. */

#include <stdint.h>

struct flow;
struct flow_set;

struct port_marks;
struct port_marks *port_marks_create(const struct flow_set *);
void port_marks_destroy(struct port_marks *);

/* The first mark above 'port' for a packet, of which 'last' is what it was at
 * the end of its way; 65536: there is none. */
uint32_t port_marks_next(const struct port_marks *, const struct flow *last,
                         uint8_t ip_proto, uint16_t port);
/* Sets the bits of all marks, up to 65535. */
void port_marks_collect(const struct port_marks *, unsigned long *bitmap);

#endif /* cli/port-marks.h */
