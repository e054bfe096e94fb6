#ifndef SN_HOST_H
#define SN_HOST_H 1

/* The host itself: vmbr0's link and gateway addresses, forwarding, and the
 * routes into the mesh. */

#include <stdbool.h>

struct links;
struct nlk;
struct plan;
struct route_list;
struct sset;

/* False if something failed or is still to come. */
bool host_sync_bridge(struct nlk *, const struct links *,
                      const struct plan *, struct sset *problems);
bool host_sync_sysctls(struct nlk *, const struct links *,
                       const struct plan *, struct sset *problems);

/* Adds to 'addresses' those at which other hosts may find this one. */
void host_list_addresses(struct nlk *, const struct links *,
                         const struct plan *, struct sset *addresses);

/* Adds the routes of the plan whose interface is there to 'routes'. */
bool host_add_routes(const struct links *, const struct plan *,
                     struct route_list *routes, struct sset *problems);

#endif /* agent/host.h */
