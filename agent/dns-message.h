#ifndef SN_DNS_MESSAGE_H
#define SN_DNS_MESSAGE_H 1

/* DNS messages on the wire (RFC 1035, EDNS: RFC 6891): what the agent reads of
 * a query, and the replies that it writes.
 *
 * Names are text in lower case, without a final dot ("" is the root); octets
 * other than letters, digits, "-" and "_" are "\DDD", so that a dot within a
 * label is not mistaken for one between labels. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ofpbuf;
struct sn_prefix;

#define DNS_HEADER_LEN 12
#define DNS_NAME_TEXT (255 * 4 + 1)     /* Longest text, with its NUL. */

enum dns_type {
    DNS_A = 1, DNS_NS = 2, DNS_SOA = 6, DNS_PTR = 12, DNS_AAAA = 28,
    DNS_SRV = 33, DNS_OPT = 41, DNS_IXFR = 251, DNS_AXFR = 252, DNS_ANY = 255,
};

enum dns_rcode {
    DNS_NOERROR = 0, DNS_FORMERR = 1, DNS_SERVFAIL = 2, DNS_NXDOMAIN = 3,
    DNS_NOTIMP = 4, DNS_REFUSED = 5, DNS_BADVERS = 16,
};
/* Of dns_query_parse(): not a query, say nothing. */
#define DNS_IGNORE (-1)

struct dns_query {
    uint16_t id;
    uint16_t flags;             /* As on the wire. */
    char name[DNS_NAME_TEXT];
    uint16_t type, class;
    size_t question_len;        /* Octets after the header; 0: not read. */
    bool edns;
    uint16_t edns_size;         /* Largest UDP reply; 512 without EDNS. */
};

/* DNS_NOERROR if it can be answered, another rcode to reply with, or
 * DNS_IGNORE.  'query' can be given to dns_reply_begin() in all but the last
 * case. */
int dns_query_parse(const uint8_t *msg, size_t n, struct dns_query *query);

bool dns_query_wants_recursion(const struct dns_query *);

/* Whether 'msg' is a reply to the question of 'query_msg', with its id. */
bool dns_is_reply_to(const uint8_t *msg, size_t n, const uint8_t *query_msg,
                     size_t question_len);
int dns_rcode(const uint8_t *msg);

/* A reply: the header and the question of 'msg', sections, the end. */
enum dns_section { DNS_ANSWER = 6, DNS_AUTHORITY = 8, DNS_ADDITIONAL = 10 };

void dns_reply_begin(struct ofpbuf *, const uint8_t *msg,
                     const struct dns_query *, bool authoritative);
/* 'owner' NULL: the name in question.  The record's data follows, between
 * these two. */
size_t dns_rr_begin(struct ofpbuf *, enum dns_section, const char *owner,
                    uint16_t type, uint32_t ttl);
void dns_rr_end(struct ofpbuf *, size_t rr);
void dns_put_u16(struct ofpbuf *, uint16_t);
void dns_put_u32(struct ofpbuf *, uint32_t);
void dns_put_name(struct ofpbuf *, const char *);
/* Cuts the records and says so, if all is longer than 'limit'. */
void dns_reply_end(struct ofpbuf *, const struct dns_query *, int rcode,
                   size_t limit);

/* Makes a canonical name of 'text' in 'ret', of DNS_NAME_TEXT octets; false if
 * it is none. */
bool dns_name_from_text(const char *text, char *ret);
/* "102.0.0.10.in-addr.arpa"; of a network, the closest one around it that has
 * a name.  Caller frees. */
char *dns_reverse_name(const struct sn_prefix *);
/* The network that a name below in-addr.arpa or ip6.arpa is about. */
bool dns_reverse_parse(const char *name, struct sn_prefix *ret);
/* Whether 'name' is 'zone' or below it. */
bool dns_name_is_within(const char *name, const char *zone);

#endif /* agent/dns-message.h */
