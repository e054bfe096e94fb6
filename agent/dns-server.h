#ifndef SN_DNS_SERVER_H
#define SN_DNS_SERVER_H 1

/* The agent's DNS server: UDP and TCP on each gateway address.
 *
 * libevent's own server (evdns) knows UDP only, cuts at 512 octets and hands
 * over neither the message nor its id, so that nothing but A, AAAA and PTR
 * could be forwarded; of libevent this uses events, listeners and buffers.
 *
 * Names of the mesh are answered out of the zone; all others are handed to
 * resolvers, on the way that the client has (dns-clients.h).  Who is no client
 * gets no answer at all. */

#include <stdbool.h>
#include <stddef.h>
#include "lib/prefix.h"

struct dns_zone;
struct ds;
struct event_base;
struct sset;

struct dns_server *dns_server_create(struct event_base *);
void dns_server_destroy(struct dns_server *);

/* Listens on these addresses and no others, as far as they can be had. */
void dns_server_listen(struct dns_server *, const struct sn_prefix *,
                       size_t n, struct sset *problems);
/* Interfaces by which UDP queries may come; the host's own may always. */
#define DNS_MAX_LINKS 4
void dns_server_set_links(struct dns_server *, const int *ifindexes,
                          size_t n);
/* Takes ownership. */
void dns_server_set_zone(struct dns_server *, struct dns_zone *);
struct dns_clients *dns_server_clients(struct dns_server *);
struct dns_forwarder *dns_server_forwarder(struct dns_server *);
void dns_server_format(const struct dns_server *, struct ds *);

#endif /* agent/dns-server.h */
