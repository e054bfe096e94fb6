#ifndef SN_DNS_ZONE_H
#define SN_DNS_ZONE_H 1

/* The names of the mesh, computed from the model, and answers out of them.
 * Nothing here does I/O.
 *
 *     CONTAINER.DOMAIN, NODE.DOMAIN       A, AAAA
 *     SERVICE.DOMAIN                      A, AAAA of all containers that
 *                                         declare a service of that name
 *     _SERVICE._PROTO.DOMAIN              SRV, one per such container
 *     _SERVICE._PROTO.CONTAINER.DOMAIN    SRV
 *     addresses of subnets and of nodes   PTR
 *
 * A container's name goes before a node's, a node's before a service's. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct dns_query;
struct model;
struct ofpbuf;

struct dns_zone;

/* NULL if the model has no node 'node'.  A name that DNS cannot have is left
 * out; without a domain that is one, there are only PTRs. */
struct dns_zone *dns_zone_create(const struct model *, const char *node,
                                 uint32_t serial);
void dns_zone_destroy(struct dns_zone *);
bool dns_zone_has_domain(const struct dns_zone *);
size_t dns_zone_count(const struct dns_zone *);

/* Writes the reply to 'q' (parsed from 'msg'), at most 'limit' octets, into
 * 'reply'; false if the name is none of this mesh's. */
bool dns_zone_answer(const struct dns_zone *, const uint8_t *msg,
                     const struct dns_query *q, size_t limit,
                     struct ofpbuf *reply);

#endif /* agent/dns-zone.h */
