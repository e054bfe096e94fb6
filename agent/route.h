#ifndef SN_ROUTE_H
#define SN_ROUTE_H 1

/* Routes of the kernel's tables.
 *
 * The agent's own carry protocol SN_RTPROT; route_sync() makes those equal to
 * what is wanted, in every table, and touches no other.  What is new goes in
 * before what is old goes out, and a route whose device changes is replaced
 * in place, so that no packet finds a hole. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "lib/prefix.h"

struct nlk;
struct sset;
struct sockaddr_storage;

struct route {
    struct sn_prefix dst;       /* A network. */
    uint32_t table;
    uint32_t metric;            /* IPv6: 0 becomes the kernel's 1024. */
    int oif;                    /* Interface index; 0: "unreachable". */
};

/* Worse than any other route to the same destination. */
#define ROUTE_UNREACHABLE_METRIC 4278198272u

struct route_list {
    struct route *routes;
    size_t n, allocated;
};

void route_list_add(struct route_list *, const struct route *);
void route_list_destroy(struct route_list *);

/* Sorts 'wanted'.  Adds what it could not do to 'problems'.  0, or the first
 * errno; a route of somebody else's in the way is a problem, not an error. */
int route_sync(struct nlk *, struct route_list *wanted,
               struct sset *problems);

/* The interface by which packets to 'dst' leave; 0: unknown. */
int route_find_oif(struct nlk *, const struct sockaddr_storage *dst);

/* Where a packet of a container that comes in by 'iif' goes: an interface
 * index, 0 for nowhere, or a negative errno. */
int route_find_forward(struct nlk *, int iif, const struct sn_prefix *src,
                       const struct sn_prefix *dst);

/* Whether the kernel learned a default route from a router advertisement on
 * interface 'ifindex'. */
bool route_has_ra_default(struct nlk *, int ifindex);

#endif /* agent/route.h */
