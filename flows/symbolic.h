#ifndef SN_SYMBOLIC_H
#define SN_SYMBOLIC_H 1

/* All packets at once through the compiled tables of one bridge: what leaves,
 * by which port, as what, and what of it had come in.
 *
 * As flows/walk.h does it for one packet, each is the first of a connection,
 * and every bucket of a group is taken.  Where two flows of one priority
 * match, either may win, so both are followed.
 *
 * Packets that no later flow tells apart are followed as one set: what they
 * are known to have is forgotten as soon as no table to come looks at it. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "flows/header.h"
#include "openvswitch/hmap.h"

struct flow_set;
struct object_set;
struct sn_flow;

struct symbolic_end {           /* What leaves by one port. */
    struct hmap_node node;      /* In a struct symbolic. */
    ofp_port_t port;            /* OFPP_IN_PORT: back to who sent it. */
    struct header header;
    space_set set;
    const struct sn_flow *flow; /* One of those that output it. */
};

enum symbolic_trouble_kind {
    SYMBOLIC_MISS,              /* No flow of the table matches. */
    SYMBOLIC_TIE,               /* Flows of one priority, but not one fate. */
    SYMBOLIC_UNKNOWN,           /* An action or match not understood. */
};

struct symbolic_trouble {
    enum symbolic_trouble_kind kind;
    uint8_t table_id;
    const struct sn_flow *flow, *other; /* NULL: none. */
    const char *what;           /* SYMBOLIC_UNKNOWN. */
    space_set set;
};

struct symbolic {
    struct hmap ends;           /* struct symbolic_end. */
    struct symbolic_trouble *troubles;
    size_t n_troubles, allocated_troubles;
    size_t n_states;            /* Sets of packets that entered a table. */
};

/* Follows 'packets' from table 0 on. */
void symbolic_run(struct symbolic *, struct space *, space_set packets,
                  const struct flow_set *, const struct object_set *);
void symbolic_uninit(struct symbolic *);
/* Whatever can come in by any port. */
space_set symbolic_any_packet(struct space *);

#endif /* flows/symbolic.h */
