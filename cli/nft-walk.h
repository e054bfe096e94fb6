#ifndef SN_NFT_WALK_H
#define SN_NFT_WALK_H 1

/* What a base chain of nftables does with a packet, from what `nft -j list
 * ruleset` prints.
 *
 * Only what is certain counts as dropped: a rule that may or may not match
 * (limits, named sets) drops nothing here, and if it accepts something, what
 * comes after it is unsure.  iptables' extensions, of which nft tells only the
 * names, count then only if the rule says the packet's interface or port as
 * well: mostly they accept what belongs to another connection. */

#include <stdbool.h>
#include <stdint.h>
#include "lib/prefix.h"

struct json;

/* The first packet of a connection, without a mark.  What is "" or 0 has a
 * value that no rule names; addresses of no length are not known. */
struct nft_packet {
    const char *iif, *oif;
    const char *l4proto;        /* "tcp", "udp". */
    uint16_t dport;
    bool is_v4;
    struct sn_prefix src, dst;  /* It may have any address in these. */
};

enum nft_fate {
    NFT_PASSES,
    NFT_UNSURE,
    NFT_DROPPED,
};

/* Why it was dropped.  Points into the JSON. */
struct nft_drop {
    const char *chain;          /* It may have been a jump away. */
    const struct json *rule;    /* NULL: it was the chain's policy. */
};

/* 'ruleset' is nft's array of objects, 'chain' the base chain among them. */
enum nft_fate nft_walk(const struct json *ruleset, const struct json *chain,
                       const struct nft_packet *, struct nft_drop *ret_drop);

/* The member 'key' of an object, or NULL. */
const struct json *nft_member(const struct json *, const char *key);
const char *nft_string(const struct json *, const char *key);   /* Or "". */

#endif /* cli/nft-walk.h */
