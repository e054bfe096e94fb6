#ifndef SN_EXIT_SOURCES_H
#define SN_EXIT_SOURCES_H 1

/* The addresses of exits' tunnels, and those that they had a while ago.
 *
 * What comes late through a tunnel, when its connection is forgotten, is for
 * the host itself, or for nobody if the tunnel has lost that address: the
 * host would answer it, or pass it on, by its default route.  So rules and
 * guards go by these addresses. */

struct exit_tunnels;
struct links;
struct nft;
struct nlk;
struct plan;

struct exit_sources;
struct exit_sources *exit_sources_create(void);
void exit_sources_destroy(struct exit_sources *);

/* Looks, and writes plan->sources: of the exits, disabled ones as well, also
 * what their profiles say and they do not have yet; and for a while of those
 * that there were, which the agent before this one had in 'nft'. */
void exit_sources_run(struct exit_sources *, struct nft *nft, struct nlk *,
                      const struct links *, const struct exit_tunnels *,
                      struct plan *);

#endif /* agent/exit-sources.h */
