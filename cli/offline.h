#ifndef SN_OFFLINE_H
#define SN_OFFLINE_H 1

/* Compiling a node's flows where its switch is not: port numbers and MAC
 * addresses that only the host knows are replaced by stand-ins, the same ones
 * each time.  Ports print by name, so the stand-in numbers are never seen. */

struct compiler;
struct flow_ports;
struct model;
struct ofputil_port_map;
struct output;

struct offline;
struct offline *offline_create(const char *node);
void offline_destroy(struct offline *);

/* Gives ports the numbers that they have in 'other', which has run and must
 * outlive this one: flows of the two can be compared then. */
void offline_number_like(struct offline *, const struct offline *other);

/* A port that is known: "veth102=5" or "veth102=5,MAC"; OFPORT may be LOCAL.
 * The MAC is the container's, or that of an internal port.  Returns NULL or an
 * error that the caller frees. */
char *offline_add_port(struct offline *, const char *spec);

/* Gives the node's containers of which 'model' knows no MAC address a
 * stand-in.  Without it, they are pending. */
void offline_invent_macs(struct offline *, struct model *);
/* Compiles 'model'.  Call once. */
void offline_run(struct offline *, const struct model *);

const struct compiler *offline_compiler(const struct offline *);
const struct ofputil_port_map *offline_port_map(const struct offline *);
const struct flow_ports *offline_ports(const struct offline *);
/* What is made up, and which containers have no flows: for people as comments
 * of ovs-ofctl. */
void offline_output_notes(const struct offline *, struct output *);

#endif /* cli/offline.h */
