#ifndef SN_EXITS_H
#define SN_EXITS_H 1

/* Exits: the ways from containers to the internet.
 *
 *     container -> flows -> x-warp0 (internal port) -> rule "iif x-warp0"
 *       -> table T: default dev warp0, else unreachable -> masquerade
 *
 * The unreachable route, and the guard in nft.h, keep packets of an exit from
 * leaving by anything but its tunnel, also while the tunnel is down or gone.
 * The agent's own sockets that are bound to the tunnel use table T as well
 * (rule "oif warp0").  A tunnel (warp0) that belongs to somebody else gets
 * nothing written to it but rp_filter; for the agent's own see
 * exit-tunnels.h.
 *
 * Other nodes come in by an inlet:
 *
 *     xr-... -> rule "iif xr-..." -> table T, as from the port
 *     answers: rule "iif warp0" -> table R: their addresses dev xr-... */

#include <stdbool.h>
#include <stddef.h>

struct links;
struct nlk;
struct plan;
struct route_list;
struct sset;
struct vswitch;

/* Ports of the switch: made for enabled exits, removed for others that an
 * agent made.  Writes into the switch's open transaction; true if there was
 * nothing to write. */
bool exits_sync_ports(struct vswitch *, const struct plan *,
                      struct sset *problems);

/* Before the guards are made for this plan: ports that no exit has any more
 * are down from now on, though flows may still lead there. */
void exits_close_ports(struct nlk *, const struct links *,
                       const struct plan *);

/* The tunnels' sysctls; policy rules.  Adds the exits' routes to 'routes'.
 * False if something failed. */
bool exits_sync_kernel(struct nlk *, const struct links *,
                       const struct plan *, struct route_list *routes,
                       struct sset *problems);

/* The ports' links, addresses and sysctls, once rules and routes are there.
 * False if something failed or is still to come. */
bool exits_open_ports(struct nlk *, const struct links *,
                      const struct plan *, struct sset *problems);

/* Removes the ports that agents made, in the switch's open transaction. */
void exits_cleanup_ports(struct vswitch *);

#endif /* agent/exits.h */
