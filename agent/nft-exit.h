#ifndef SN_NFT_EXIT_H
#define SN_NFT_EXIT_H 1

/* The parts of the table "inet socknet" that are about exits.
 *
 * Each exit has a conntrack zone: a connection that began by one exit is none
 * of another's, so that after a failover its packets meet a reset instead of
 * leaving with an address that the other tunnel does not have. */

#include <stdint.h>

struct ds;
struct links;
struct plan;
struct plan_exit;
struct sn_prefix;

uint32_t nft_exit_zone(const struct plan_exit *);

/* Whole chains. */
void nft_put_exit_chains(const struct plan *, struct ds *);
/* Rules of the chains "input", "forward", "sources" and "postrouting". */
void nft_put_exit_input(const struct plan *, struct ds *);
void nft_put_exit_forward(const struct plan *, struct ds *);
void nft_put_exit_clamps(const struct plan *, const struct links *,
                         struct ds *);
/* Tunnels' addresses leave by their tunnels only. */
void nft_put_tunnel_guard(const struct plan *, struct ds *);
/* Reads such rules back: calls 'cb' for each interface by which alone, by a
 * listing, packets leave that have an address in 'field' ("saddr"). */
typedef void nft_guarded_cb(const char *interface, const struct sn_prefix *,
                            void *aux);
void nft_parse_guarded(const char *listing, const char *field,
                       nft_guarded_cb *, void *aux);
void nft_put_exit_sources(const struct plan *, struct ds *);
void nft_put_exit_masquerade(const struct plan *, struct ds *);
/* What 'before' matches leaves by 'tunnel' with addresses of that only. */
void nft_put_source_rules(const struct plan *, const char *before,
                          const char *tunnel, struct ds *);
/* The rules that make TCP's segments fit a tunnel. */
void nft_put_clamp(const struct links *, const char *tunnel, struct ds *);

#endif /* agent/nft-exit.h */
