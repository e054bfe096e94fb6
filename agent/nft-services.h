#ifndef SN_NFT_SERVICES_H
#define SN_NFT_SERVICES_H 1

/* The parts of the table "inet socknet" that are about services.
 *
 * Containers' connections are translated by the flows.  Those of the host
 * itself, and of guests, who come in by the host, are translated here: from
 * there on they are connections to the backend, of this host or another, and
 * the flows where that lives judge them.
 *
 * What no backend serves is refused so that the sender learns it. */

struct ds;
struct plan;

/* Whole chains; none if there are no services. */
void nft_put_service_chains(const struct plan *, struct ds *);

#endif /* agent/nft-services.h */
