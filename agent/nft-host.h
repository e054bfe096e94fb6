#ifndef SN_NFT_HOST_H
#define SN_NFT_HOST_H 1

/* The chain "to_host": what the mesh may say to this host itself. */

struct ds;
struct plan;

void nft_put_to_host(const struct plan *, struct ds *);

#endif /* agent/nft-host.h */
