#ifndef SN_NFT_H
#define SN_NFT_H 1

/* nftables: two tables of the agent's own, and never a look at another.
 *
 * "inet socknet" masquerades what leaves by an exit, clamps TCP's segment
 * size on tunnels, and guards: a packet of an exit goes by its tunnel or
 * nowhere, a container's packet that the flows sent to the host goes into the
 * mesh or nowhere, one from the mesh to a container or nowhere.  It says
 * nothing about any other forwarding of the host.
 *
 * "netdev socknet" drops at the ingress of each container's veth: with the
 * userspace datapath the host's kernel gets every frame as well, around all
 * flows.  A veth is there before the agent knows of it; so "inet
 * socknet_veths", beside it, closes whatever is called like one of Proxmox's
 * or LXC's.
 *
 * The rules are written the way nft prints them, so that "is it as wanted?"
 * is a comparison of text; a change is one transaction. */

#include <stdbool.h>

#include "agent/nft-exit.h"

struct ds;
struct links;
struct plan;
struct sset;

struct nft;
struct nft *nft_create(void);
void nft_destroy(struct nft *);

/* Somebody changed nftables: the next calls read what is there.  Otherwise
 * they do so only if something else is wanted than the last time. */
void nft_set_stale(struct nft *);

/* Whether the table "inet socknet" is as it should be. */
bool nft_is_in_place(const struct nft *);

/* What the table in the kernel guards: see nft_parse_guarded(). */
void nft_find_guarded(struct nft *, const char *field, nft_guarded_cb *,
                      void *aux);

/* False after an error (in 'problems'). */
bool nft_sync(struct nft *, const struct plan *, const struct links *,
              struct sset *problems);
/* 'veths': interfaces to close.  NULL: no table.  'strangers': also those that
 * are to come. */
bool nft_sync_ingress(struct nft *, const struct sset *veths, bool strangers,
                      struct sset *problems);
int nft_cleanup(struct nft *);

/* The text of "inet socknet_veths". */
void nft_format_strangers(struct ds *);
/* A name, or a set of them. */
void nft_put_names(const struct sset *, struct ds *);
/* The text of the "inet" table. */
void nft_format(const struct plan *, const struct links *, struct ds *);
/* Adds the names of the chains of a listing of the "netdev" table, without
 * "in_"; those that are not as they should be, with an asterisk before. */
void nft_parse_ingress(const char *listing, struct sset *ret_veths);

#endif /* agent/nft.h */
