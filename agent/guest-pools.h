#ifndef SN_GUEST_POOLS_H
#define SN_GUEST_POOLS_H 1

/* The addresses of guests, and those that they had a moment ago.
 *
 * When their device goes, or is being made, what is on its way to them would
 * be passed on by the host's default route.  So a guard goes by these. */

struct nft;
struct plan;

struct guest_pools;
struct guest_pools *guest_pools_create(void);
void guest_pools_destroy(struct guest_pools *);

/* Writes plan->pools: those of the plan, and for a minute those that there
 * were, which the agent before this one had in 'nft'. */
void guest_pools_run(struct guest_pools *, struct nft *nft, struct plan *);

#endif /* agent/guest-pools.h */
