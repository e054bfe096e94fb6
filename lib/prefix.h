#ifndef SN_PREFIX_H
#define SN_PREFIX_H 1

/* An IPv4 or IPv6 address with a prefix length.  IPv4 is kept v4-mapped
 * (::ffff:a.b.c.d) so that one type serves both families. */

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

struct sn_prefix {
    struct in6_addr addr;       /* Host bits are kept. */
    uint8_t plen;               /* Of the family: 0..32 or 0..128. */
    bool is_v4;
};

/* Parses ADDRESS or ADDRESS/LEN.  Returns NULL, or an error that the caller
 * frees and that quotes 's'; '*ret_p' is written only on success. */
char *sn_prefix_parse(const char *s, struct sn_prefix *ret_p);
char *sn_prefix_to_string(const struct sn_prefix *);      /* With host bits. */
char *sn_prefix_addr_to_string(const struct sn_prefix *); /* Without /LEN. */
/* A host, of 4 or 16 bytes in network order. */
struct sn_prefix sn_prefix_from_bytes(const void *, bool is_v4);
bool sn_prefix_equals(const struct sn_prefix *, const struct sn_prefix *);
int sn_prefix_compare(const struct sn_prefix *, const struct sn_prefix *);
bool sn_prefix_contains(const struct sn_prefix *net,
                        const struct sn_prefix *host_or_net);
bool sn_prefix_has_host_bits(const struct sn_prefix *);
struct sn_prefix sn_prefix_network(const struct sn_prefix *);
struct sn_prefix sn_prefix_host(const struct sn_prefix *);  /* /32 or /128. */
/* The 'n'th address (n=1: the first host) of the network, as a host. */
struct sn_prefix sn_prefix_nth(const struct sn_prefix *net, uint32_t n);
uint32_t sn_prefix_hash(const struct sn_prefix *, uint32_t basis);

#endif /* lib/prefix.h */
