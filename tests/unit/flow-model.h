#ifndef SN_TEST_FLOW_MODEL_H
#define SN_TEST_FLOW_MODEL_H 1

/* Models for the tests of flows/, a line per object.  Lists are separated by
 * blanks.  Each function replaces what has the same key. */

#include <stdbool.h>
#include "state/model.h"

struct flow_ports;

/* Gateways are the first addresses of the subnets. */
void fm_node(struct model *, const char *name, const char *subnets,
             const char *address, const char *uplinks);
/* veth and MAC follow from the id: "veth102", 02:00:00:00:00:66. */
struct model_container *fm_container(struct model *, const char *name,
                                     const char *id, const char *node,
                                     const char *addresses, const char *tags,
                                     const char *exits);
void fm_exit(struct model *, const char *node, const char *name,
             const char *interface, bool enabled);
void fm_segment(struct model *, const char *name, const char *members,
                const char *isolated_from, enum model_internet);
void fm_acl(struct model *, const char *name, enum model_tier,
            enum model_action, const char *srcs, const char *dsts,
            int ip_proto);
void fm_raw(struct model *, const char *node, const char *key,
            const char *text);

/* Ports of 'node' as the model has them: LOCAL, exits, veths, uplinks;
 * numbered in the order of their names, from 1. */
struct flow_ports *fm_ports(const struct model *, const char *node);
struct eth_addr fm_mac(unsigned int number);

#endif /* tests/unit/flow-model.h */
