#ifndef SN_NFT_GUESTS_H
#define SN_NFT_GUESTS_H 1

/* The parts of the table "inet socknet" that are about guests.
 *
 * What a guest sends to a container, of this host or another, the flows judge
 * where the container is.  They never see what he sends to a host itself (see
 * nft-host.h), or by an exit to the internet: that is judged here, by the same
 * rules. */

struct ds;
struct links;
struct plan;
struct sn_prefix;

/* Whole chains; none if this node has no guests. */
void nft_put_guest_chains(const struct plan *, struct ds *);
/* Rules of the chains "zones_in", "input", "forward", "from_bridge",
 * "from_mesh", "from_outside", "sources" and "postrouting". */
void nft_put_guest_zone(const struct plan *, struct ds *);
void nft_put_guest_input(const struct plan *, struct ds *);
void nft_put_guest_forward(const struct plan *, const struct links *,
                           struct ds *);
void nft_put_guest_from_bridge(const struct plan *, struct ds *);
void nft_put_guest_from_mesh(const struct plan *, struct ds *);
void nft_put_guest_from_outside(const struct plan *, struct ds *);
/* What is for guests goes to their device, also when that is gone. */
void nft_put_pool_guard(const struct plan *, struct ds *);
void nft_put_guest_sources(const struct plan *, struct ds *);
void nft_put_guest_masquerade(const struct plan *, struct ds *);

/* "BEFORE ip FIELD PREFIX AFTER", as nft prints it. */
void nft_put_prefix_rule(const struct sn_prefix *, const char *before,
                         const char *field, const char *after, struct ds *);

#endif /* agent/nft-guests.h */
