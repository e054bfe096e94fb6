#include <config.h>
#include "agent/dns-message.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/prefix.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/ofpbuf.h"
#include "util.h"

#define FLAG_QR 0x8000
#define FLAG_OPCODE 0x7800
#define FLAG_AA 0x0400
#define FLAG_TC 0x0200
#define FLAG_RD 0x0100
#define FLAG_RA 0x0080
#define FLAG_CD 0x0010

#define MAX_LABEL 63
#define MAX_WIRE_NAME 255
#define QUESTION_POINTER 0xc000
/* What fits every path's MTU (DNS flag day 2020). */
#define OUR_EDNS_SIZE 1232

static uint16_t
get_u16(const uint8_t *p)
{
    return p[0] << 8 | p[1];
}

static bool
is_plain(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'
           || c == '_';
}

static char *
put_label(char *text, const uint8_t *label, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        uint8_t c = (label[i] >= 'A' && label[i] <= 'Z' ? label[i] | 0x20
                     : label[i]);

        if (is_plain(c)) {
            *text++ = c;
        } else {
            *text++ = '\\';
            *text++ = '0' + c / 100;
            *text++ = '0' + c / 10 % 10;
            *text++ = '0' + c % 10;
        }
    }
    return text;
}

/* RFC 1035, section 3.1.  Returns the length on the wire, 0 if there is no
 * name; a question has nothing before it that a pointer could point at. */
static size_t
parse_name(const uint8_t *p, size_t n, char *text)
{
    size_t at = 0;
    bool first = true;

    while (at < n && p[at]) {
        size_t len = p[at];

        if (len > MAX_LABEL || at + 1 + len >= n
            || at + 1 + len >= MAX_WIRE_NAME) {
            return 0;
        }
        if (!first) {
            *text++ = '.';
        }
        text = put_label(text, p + at + 1, len);
        first = false;
        at += 1 + len;
    }
    *text = '\0';
    return at < n ? at + 1 : 0;
}

/* The OPT record, if there is one (RFC 6891, section 6.1.2); all others of the
 * additional section are passed over. */
static int
parse_additional(const uint8_t *p, size_t n, unsigned int count,
                 struct dns_query *q)
{
    char ignored[DNS_NAME_TEXT];
    int rcode = DNS_NOERROR;

    for (; count; count--) {
        size_t name = parse_name(p, n, ignored);

        if (!name || n - name < 10) {
            return DNS_FORMERR;
        }
        const uint8_t *rr = p + name;
        size_t len = name + 10 + get_u16(rr + 8);

        if (len > n) {
            return DNS_FORMERR;
        }
        if (get_u16(rr) == DNS_OPT) {
            if (q->edns || name != 1) {
                return DNS_FORMERR;
            }
            q->edns = true;
            q->edns_size = MAX(get_u16(rr + 2), 512);
            if (rr[5]) {
                rcode = DNS_BADVERS;
            }
        }
        p += len;
        n -= len;
    }
    return rcode;
}

int
dns_query_parse(const uint8_t *msg, size_t n, struct dns_query *q)
{
    memset(q, 0, sizeof *q);
    q->edns_size = 512;
    if (n < DNS_HEADER_LEN || get_u16(msg + 2) & FLAG_QR) {
        return DNS_IGNORE;
    }
    q->id = get_u16(msg);
    q->flags = get_u16(msg + 2);
    if (q->flags & FLAG_OPCODE) {
        return DNS_NOTIMP;
    }
    if (get_u16(msg + 4) != 1 || get_u16(msg + 6) || get_u16(msg + 8)) {
        return DNS_FORMERR;
    }

    const uint8_t *p = msg + DNS_HEADER_LEN;
    size_t left = n - DNS_HEADER_LEN;
    size_t name = parse_name(p, left, q->name);

    if (!name || left - name < 4) {
        return DNS_FORMERR;
    }
    q->type = get_u16(p + name);
    q->class = get_u16(p + name + 2);
    q->question_len = name + 4;
    return parse_additional(p + q->question_len, left - q->question_len,
                            get_u16(msg + 10), q);
}

bool
dns_query_wants_recursion(const struct dns_query *q)
{
    return q->flags & FLAG_RD;
}

/* The case of letters is the sender's to compare: it is he who chose it. */
bool
dns_is_reply_to(const uint8_t *msg, size_t n, const uint8_t *query_msg,
                size_t question_len)
{
    if (n < DNS_HEADER_LEN + question_len || memcmp(msg, query_msg, 2)
        || !(get_u16(msg + 2) & FLAG_QR) || get_u16(msg + 4) != 1) {
        return false;
    }
    for (size_t i = DNS_HEADER_LEN; i < DNS_HEADER_LEN + question_len; i++) {
        if (tolower(msg[i]) != tolower(query_msg[i])) {
            return false;
        }
    }
    return true;
}

int
dns_rcode(const uint8_t *msg)
{
    return msg[3] & 0xf;
}

/* Replies. */

void
dns_put_u16(struct ofpbuf *b, uint16_t value)
{
    uint8_t octets[2] = { value >> 8, value };

    ofpbuf_put(b, octets, sizeof octets);
}

void
dns_put_u32(struct ofpbuf *b, uint32_t value)
{
    dns_put_u16(b, value >> 16);
    dns_put_u16(b, value);
}

/* One that dns_name_from_text() gave. */
void
dns_put_name(struct ofpbuf *b, const char *name)
{
    while (name[0]) {
        uint8_t len = strcspn(name, ".");

        ofpbuf_put(b, &len, 1);
        ofpbuf_put(b, name, len);
        name += len + (name[len] == '.');
    }
    ofpbuf_put_zeros(b, 1);
}

static void
set_u16(struct ofpbuf *b, size_t at, uint16_t value)
{
    uint8_t *p = b->data;

    p[at] = value >> 8;
    p[at + 1] = value;
}

void
dns_reply_begin(struct ofpbuf *b, const uint8_t *msg,
                const struct dns_query *q, bool authoritative)
{
    ofpbuf_clear(b);
    dns_put_u16(b, q->id);
    dns_put_u16(b, FLAG_QR | (q->flags & (FLAG_OPCODE | FLAG_RD | FLAG_CD))
                   | FLAG_RA | (authoritative ? FLAG_AA : 0));
    dns_put_u16(b, q->question_len ? 1 : 0);
    ofpbuf_put_zeros(b, 6);
    ofpbuf_put(b, msg + DNS_HEADER_LEN, q->question_len);
}

size_t
dns_rr_begin(struct ofpbuf *b, enum dns_section section, const char *owner,
             uint16_t type, uint32_t ttl)
{
    set_u16(b, section, get_u16((uint8_t *) b->data + section) + 1);
    if (owner) {
        dns_put_name(b, owner);
    } else {
        dns_put_u16(b, QUESTION_POINTER | DNS_HEADER_LEN);
    }
    dns_put_u16(b, type);
    dns_put_u16(b, 1);
    dns_put_u32(b, ttl);
    dns_put_u16(b, 0);
    return b->size;
}

void
dns_rr_end(struct ofpbuf *b, size_t rr)
{
    set_u16(b, rr - 2, b->size - rr);
}

#define OPT_LEN 11

void
dns_reply_end(struct ofpbuf *b, const struct dns_query *q, int rcode,
              size_t limit)
{
    uint8_t *header = b->data;

    if (b->size + (q->edns ? OPT_LEN : 0) > limit) {
        b->size = DNS_HEADER_LEN + q->question_len;
        memset(header + 6, 0, 6);
        header[2] |= FLAG_TC >> 8;
    }
    header[3] |= rcode & 0xf;
    if (q->edns) {
        set_u16(b, DNS_ADDITIONAL, get_u16(header + DNS_ADDITIONAL) + 1);
        ofpbuf_put_zeros(b, 1);
        dns_put_u16(b, DNS_OPT);
        dns_put_u16(b, OUR_EDNS_SIZE);
        dns_put_u32(b, (uint32_t) (rcode >> 4) << 24);
        dns_put_u16(b, 0);
    }
}

/* Names. */

bool
dns_name_from_text(const char *text, char *ret)
{
    size_t len = strlen(text);
    size_t label = 0;

    if (len && text[len - 1] == '.') {
        len--;
    }
    if (!len || len > MAX_WIRE_NAME - 2) {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        ret[i] = (text[i] >= 'A' && text[i] <= 'Z' ? text[i] | 0x20
                  : text[i]);
        if (ret[i] == '.' ? !label : !is_plain(ret[i])) {
            return false;
        }
        label = ret[i] == '.' ? 0 : label + 1;
        if (label > MAX_LABEL) {
            return false;
        }
    }
    ret[len] = '\0';
    return label > 0;
}

char *
dns_reverse_name(const struct sn_prefix *p)
{
    struct ds ds = DS_EMPTY_INITIALIZER;
    const uint8_t *octets = p->addr.s6_addr;

    if (p->is_v4) {
        for (int i = p->plen / 8 - 1; i >= 0; i--) {
            ds_put_format(&ds, "%d.", octets[12 + i]);
        }
    } else {
        for (int i = p->plen / 4 - 1; i >= 0; i--) {
            ds_put_format(&ds, "%x.", octets[i / 2] >> (i % 2 ? 0 : 4) & 15);
        }
    }
    ds_put_cstr(&ds, p->is_v4 ? "in-addr.arpa" : "ip6.arpa");
    return ds_steal_cstr(&ds);
}

/* A decimal octet, or a hexadecimal digit, spelt the one way that counts. */
static int
reverse_label(const char *s, size_t len, bool is_v4)
{
    char label[4] = "";
    char *end;

    if (!len || len > (is_v4 ? 3 : 1) || (len > 1 && s[0] == '0')
        || !isxdigit((unsigned char) s[0])) {
        return -1;
    }
    memcpy(label, s, len);
    long int value = strtol(label, &end, is_v4 ? 10 : 16);
    return *end || value > 255 ? -1 : value;
}

bool
dns_reverse_parse(const char *name, struct sn_prefix *ret)
{
    struct sn_prefix p = { .is_v4 = dns_name_is_within(name, "in-addr.arpa") };
    size_t max = p.is_v4 ? 4 : 32;
    size_t n = 0;

    if (p.is_v4) {
        p.addr.s6_addr[10] = p.addr.s6_addr[11] = 0xff;
    } else if (!dns_name_is_within(name, "ip6.arpa")) {
        return false;
    }

    const char *end = name + strlen(name) - strlen(p.is_v4 ? "in-addr.arpa"
                                                   : "ip6.arpa");
    while (end > name && n < max) {
        const char *label = --end;      /* The dot. */

        while (label > name && label[-1] != '.') {
            label--;
        }
        int value = reverse_label(label, end - label, p.is_v4);
        if (value < 0) {
            break;
        }
        if (p.is_v4) {
            p.addr.s6_addr[12 + n] = value;
        } else {
            p.addr.s6_addr[n / 2] |= value << (n % 2 ? 0 : 4);
        }
        n++;
        end = label;
    }
    p.plen = n * (p.is_v4 ? 8 : 4);
    *ret = p;
    return true;
}

bool
dns_name_is_within(const char *name, const char *zone)
{
    size_t name_len = strlen(name), zone_len = strlen(zone);

    return (name_len >= zone_len
            && !strcmp(name + name_len - zone_len, zone)
            && (name_len == zone_len
                || name[name_len - zone_len - 1] == '.'));
}
