#include <config.h>

#include "lib/prefix.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include "hash.h"
#include "packets.h"
#include "util.h"

static unsigned int
prefix_max_plen(const struct sn_prefix *p)
{
    return p->is_v4 ? 32 : 128;
}

/* The mask of 'p' in the 128 bits of 'addr', v4-mapped or not. */
static struct in6_addr
prefix_mask(const struct sn_prefix *p)
{
    return ipv6_create_mask(p->is_v4 ? 96 + p->plen : p->plen);
}

/* ip_parse() and ipv6_parse(), and not their siblings that take a mask as
 * well: those let "300.1.1.1" pass as 44.1.1.1. */
static char *
prefix_parse_address(const char *address, const char *s, struct sn_prefix *p)
{
    ovs_be32 ip;

    if (ip_parse(address, &ip)) {
        p->addr = in6_addr_mapped_ipv4(ip);
        p->is_v4 = true;
        return NULL;
    }
    if (!ipv6_parse(address, &p->addr)) {
        return xasprintf("\"%s\" is not an IPv4 or IPv6 address", s);
    }
    if (IN6_IS_ADDR_V4MAPPED(&p->addr)) {
        return xasprintf("\"%s\" is an IPv4 address: write it as one", s);
    }
    p->is_v4 = false;
    return NULL;
}

struct sn_prefix
sn_prefix_from_bytes(const void *bytes, bool is_v4)
{
    struct sn_prefix p = { .is_v4 = is_v4, .plen = is_v4 ? 32 : 128 };

    if (is_v4) {
        p.addr.s6_addr[10] = p.addr.s6_addr[11] = 0xff;
    }
    memcpy(&p.addr.s6_addr[is_v4 ? 12 : 0], bytes, is_v4 ? 4 : 16);
    return p;
}

char *
sn_prefix_parse(const char *s, struct sn_prefix *ret_p)
{
    struct sn_prefix p;
    const char *slash = strchr(s, '/');
    char *address = xmemdup0(s, slash ? slash - s : strlen(s));
    char *error = prefix_parse_address(address, s, &p);
    free(address);
    if (error) {
        return error;
    }

    unsigned int plen = prefix_max_plen(&p);
    if (slash) {
        const char *digits = slash + 1;
        if (!digits[0] || strspn(digits, "0123456789") != strlen(digits)
            || !str_to_uint(digits, 10, &plen)
            || plen > prefix_max_plen(&p)) {
            return xasprintf("\"%s\": the prefix length is a number from 0 "
                             "to %u", s, prefix_max_plen(&p));
        }
    }
    p.plen = plen;
    *ret_p = p;
    return NULL;
}

char *
sn_prefix_addr_to_string(const struct sn_prefix *p)
{
    char s[INET6_ADDRSTRLEN];

    /* Not ipv6_string_mapped(): it takes 0.0.0.0 for an IPv6 address. */
    if (p->is_v4) {
        ovs_be32 ip = in6_addr_get_mapped_ipv4(&p->addr);
        inet_ntop(AF_INET, &ip, s, sizeof s);
    } else {
        inet_ntop(AF_INET6, &p->addr, s, sizeof s);
    }
    return xstrdup(s);
}

char *
sn_prefix_to_string(const struct sn_prefix *p)
{
    char *addr = sn_prefix_addr_to_string(p);
    char *s = xasprintf("%s/%d", addr, p->plen);

    free(addr);
    return s;
}

bool
sn_prefix_equals(const struct sn_prefix *a, const struct sn_prefix *b)
{
    return !sn_prefix_compare(a, b);
}

/* IPv4 before IPv6, then by address, then shorter prefixes first. */
int
sn_prefix_compare(const struct sn_prefix *a, const struct sn_prefix *b)
{
    if (a->is_v4 != b->is_v4) {
        return a->is_v4 ? -1 : 1;
    }
    int cmp = memcmp(&a->addr, &b->addr, sizeof a->addr);
    return cmp ? cmp : (int) a->plen - (int) b->plen;
}

bool
sn_prefix_contains(const struct sn_prefix *net,
                   const struct sn_prefix *host_or_net)
{
    if (net->is_v4 != host_or_net->is_v4 || net->plen > host_or_net->plen) {
        return false;
    }
    struct in6_addr mask = prefix_mask(net);
    struct in6_addr a = ipv6_addr_bitand(&net->addr, &mask);
    struct in6_addr b = ipv6_addr_bitand(&host_or_net->addr, &mask);
    return ipv6_addr_equals(&a, &b);
}

bool
sn_prefix_has_host_bits(const struct sn_prefix *p)
{
    struct sn_prefix network = sn_prefix_network(p);

    return !sn_prefix_equals(p, &network);
}

struct sn_prefix
sn_prefix_network(const struct sn_prefix *p)
{
    struct sn_prefix network = *p;
    struct in6_addr mask = prefix_mask(p);

    network.addr = ipv6_addr_bitand(&p->addr, &mask);
    return network;
}

struct sn_prefix
sn_prefix_host(const struct sn_prefix *p)
{
    struct sn_prefix host = *p;

    host.plen = prefix_max_plen(p);
    return host;
}

struct sn_prefix
sn_prefix_nth(const struct sn_prefix *net, uint32_t n)
{
    struct sn_prefix network = sn_prefix_network(net);
    struct sn_prefix host = sn_prefix_host(&network);
    uint64_t sum = n;

    for (int i = 15; i >= 0 && sum; i--) {
        sum += host.addr.s6_addr[i];
        host.addr.s6_addr[i] = sum;
        sum >>= 8;
    }
    return host;
}

uint32_t
sn_prefix_hash(const struct sn_prefix *p, uint32_t basis)
{
    return hash_bytes(&p->addr, sizeof p->addr,
                      hash_2words(p->plen | (p->is_v4 ? 256 : 0), basis));
}
