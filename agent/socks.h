#ifndef SN_SOCKS_H
#define SN_SOCKS_H 1

/* The SOCKS5 proxy of a host.
 *
 *     client -> LISTEN:PORT (nft: only declared sources) -> microsocks
 *       -> from 169.254.84.1 -> rule "from 169.254.84.1" -> table: default by
 *       the first exit that works, else unreachable -> masquerade
 *
 * The address is one of vmbr0 that nobody else has.  A guard in nft lets what
 * comes from it go by a tunnel of its exits and nowhere else: not to the host,
 * the mesh or an uplink.  The proxy sees a resolv.conf of its own that names
 * the agent's server at the same address, which forwards by the same exit; see
 * socks-process.h. */

#include <stdbool.h>
#include <stddef.h>
#include "lib/prefix.h"

struct ds;
struct exit_watch;
struct links;
struct plan;
struct plan_exit;
struct route_list;
struct rule;

struct sn_prefix socks_address(void);

/* Its table's routes. */
void socks_add_routes(const struct plan *, const struct exit_watch *,
                      const struct links *, struct route_list *);
/* Its rule; false if there is no proxy. */
bool socks_get_rule(const struct plan *, struct rule *ret_rule);

/* For nft-text.c: whole chains; the rules of "input", "postrouting". */
void nft_put_socks_chains(const struct plan *, struct ds *);
void nft_put_socks_input(const struct plan *, struct ds *);
void nft_put_socks_sources(const struct plan *, struct ds *);
void nft_put_socks_masquerade(const struct plan *, struct ds *);

#endif /* agent/socks.h */
