#ifndef SN_MACHINE_PORTS_H
#define SN_MACHINE_PORTS_H 1

/* Port_Status rows that say "machine": what the agents know of ports of
 * virtual machines, in the model_node.machines of their nodes. */

#include <stdbool.h>
#include "openvswitch/shash.h"

struct model_node;
struct ovsdb_idl;

struct machine_ports {
    struct shash nodes;         /* Node -> struct sset, of ports. */
};

void machine_ports_init(struct machine_ports *);
void machine_ports_destroy(struct machine_ports *);

/* Whether tracked changes may make another reading another one. */
bool machine_ports_are_stale(const struct machine_ports *,
                             const struct ovsdb_idl *);
void machine_ports_read(struct machine_ports *, const struct ovsdb_idl *);
/* Returns whether that changed the node. */
bool machine_ports_apply(const struct machine_ports *, struct model_node *);

#endif /* ovsdb-sync/machine-ports.h */
