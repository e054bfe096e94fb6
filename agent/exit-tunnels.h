#ifndef SN_EXIT_TUNNELS_H
#define SN_EXIT_TUNNELS_H 1

/* The tunnels of exits that are the agent's own:
 *
 *   - of a profile (exit-profile.h): warp0;
 *   - to an exit of another node: WireGuard within the mesh, from mesh
 *     address to mesh address with the keys of the mesh, because AllowedIPs of
 *     the mesh itself cannot hold the internet for several peers;
 *   - its other end, where the node with the exit admits of each peer the
 *     addresses of the containers that name this exit, and nothing else. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct exit_tunnels;
struct links;
struct nlk;
struct plan;
struct plan_exit;
struct sn_prefix;
struct sset;
struct wg_key;

struct exit_tunnels *exit_tunnels_create(void);
void exit_tunnels_destroy(struct exit_tunnels *);

/* Reads the profiles of exits, those that are new or another file.  Returns
 * false if one cannot be read; its tunnel then stays as it is. */
bool exit_tunnels_load(struct exit_tunnels *, const struct plan *,
                       struct sset *problems);

/* Takes down those that the plan does not want, before the rules go that kept
 * what comes in by them from leaving with an address that is not the
 * tunnel's. */
void exit_tunnels_close(struct nlk *, const struct links *,
                        const struct plan *);

/* Makes the tunnels, as loaded.  May read 'links' anew.  'private_key' is the
 * mesh's, or NULL if there is none yet.  Returns true when nothing is left to
 * do. */
bool exit_tunnels_run(struct exit_tunnels *, struct nlk *, struct links *,
                      const struct plan *, const struct wg_key *private_key,
                      struct sset *problems);
/* Whether it waits for a device, of which no event tells. */
bool exit_tunnels_are_starting(const struct exit_tunnels *);

/* The resolvers and the tunnel's addresses of an exit's profile; 0 if it has
 * none.  They belong to the profile, until the next exit_tunnels_load(). */
size_t exit_tunnels_resolvers(const struct exit_tunnels *,
                              const struct plan_exit *,
                              const struct sn_prefix **ret_resolvers);
size_t exit_tunnels_addresses(const struct exit_tunnels *,
                              const struct plan_exit *,
                              const struct sn_prefix **ret_addresses);

#endif /* agent/exit-tunnels.h */
