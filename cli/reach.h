#ifndef SN_REACH_H
#define SN_REACH_H 1

/* Who can reach whom, and by which exit, before and after a change: both
 * states are compiled, and the first packet of each kind of connection is
 * followed through their flows.
 *
 * Containers of which no rule tells one from the other stand for each other:
 * the cost follows the rules, not the number of containers. */

#include <stddef.h>
#include "svec.h"

struct model;

enum reach_change {
    REACH_ALLOWED,              /* Did not arrive, and does. */
    REACH_DENIED,               /* Did, and does not. */
    REACH_EXIT,                 /* Leaves by another exit. */
};

struct reach_diff {
    enum reach_change change;
    struct svec srcs, dsts;     /* That are alike; the first was tried. */
    char *what;                 /* "tcp/6333", "udp/1-65535", "ping (IPv6)". */
    char *was, *is;             /* "dropped", "leaves by exit a/warp", … */
    char *decided_by;           /* In the new state, or NULL. */
};

struct reach_diffs {
    struct reach_diff *items;
    size_t n, allocated;
    size_t n_walks;             /* Packets that were followed. */
};

/* Gives containers without a MAC address stand-ins in both models. */
void reach_compare(struct model *old, struct model *new,
                   struct reach_diffs *);
void reach_diffs_destroy(struct reach_diffs *);

#endif /* cli/reach.h */
