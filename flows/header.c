#include <config.h>

#include "flows/header.h"

#include <stdlib.h>
#include <string.h>
#include "flow.h"
#include "flows/regs.h"
#include "hash.h"
#include "openvswitch/match.h"
#include "openvswitch/util.h"
#include "ovs-thread.h"
#include "packets.h"
#include "util.h"

/* What packets come with, in the order of the diagrams: to whom, from whom,
 * and what.  The sender's port and MAC follow from its address, so that they
 * come next: what is said of one sender ends there as soon as it is said of
 * another.  Registers stand behind what they follow from. */
#define PACKET_FIELD(FIELD, SIZE) { HEADER_BYTE(FIELD), SIZE, -1 }
#define CARRIED(REG) { HEADER_REG(REG), sizeof(uint32_t), REG }
static const struct { uint16_t first, size; int reg; } fields_in_order[] = {
    PACKET_FIELD(dl_type, 2),
    PACKET_FIELD(nw_dst, 4),
    PACKET_FIELD(ipv6_dst, 16),
    CARRIED(SN_REG_DST_ID),
    PACKET_FIELD(nw_src, 4),
    PACKET_FIELD(ipv6_src, 16),
    CARRIED(SN_REG_SRC_ID),
    PACKET_FIELD(in_port.ofp_port, 4),
    PACKET_FIELD(dl_src, 6),
    CARRIED(SN_REG_ENDPOINT),
    PACKET_FIELD(nw_proto, 1),
    PACKET_FIELD(tp_dst, 2),
    PACKET_FIELD(tp_src, 2),
    PACKET_FIELD(nw_frag, 1),
    PACKET_FIELD(nw_ttl, 1),
    PACKET_FIELD(nw_tos, 1),
    PACKET_FIELD(tcp_flags, 2),
    PACKET_FIELD(ipv6_label, 4),
    PACKET_FIELD(nd_target, 16),
    PACKET_FIELD(arp_tha, 6),
    PACKET_FIELD(arp_sha, 6),
    PACKET_FIELD(vlans[0], 4),
    PACKET_FIELD(dl_dst, 6),
};

enum {
    NO_BIT = UINT16_MAX,
    MAX_FIELD = 16,             /* Bytes; MFF_IPV6_SRC. */
};

static uint16_t first_bits[HEADER_SIZE];        /* Or NO_BIT. */
static bool is_packet[HEADER_SIZE];
static uint16_t n_bits;

struct field_bytes {
    bool plain;
    uint16_t bytes[MAX_FIELD];
};
static struct field_bytes fields[MFF_N_IDS];

/* Where in a struct flow each byte of the field's value ends up.  Of fields
 * that hold ports in 32 bits, not every value is one. */
static void
find_field_bytes(const struct mf_field *mf, struct field_bytes *fb)
{
    fb->plain = (mf->n_bytes <= MAX_FIELD && mf->n_bits == 8 * mf->n_bytes
                 && mf->id != MFF_IN_PORT_OXM
                 && mf->id != MFF_ACTSET_OUTPUT);
    for (int i = 0; fb->plain && i < mf->n_bytes; i++) {
        union mf_value value;
        struct flow flow;
        const uint8_t *bytes = (const uint8_t *) &flow;
        int n = 0;

        memset(&value, 0, sizeof value);
        memset(&flow, 0, sizeof flow);
        value.b[i] = 1;
        fb->bytes[i] = HEADER_NOWHERE;
        mf_set_flow_value(mf, &value, &flow);
        for (size_t j = 0; j < sizeof flow; j++) {
            if (bytes[j]) {
                n += bytes[j] == 1 && j >= HEADER_FIRST ? 1 : 2;
                fb->bytes[i] = j - HEADER_FIRST;
            }
        }
        fb->plain = n <= 1;
    }
}

static void
number_bits(void)
{
    for (size_t i = 0; i < HEADER_SIZE; i++) {
        first_bits[i] = NO_BIT;
    }
    for (size_t i = 0; i < ARRAY_SIZE(fields_in_order); i++) {
        size_t first = fields_in_order[i].first;
        size_t size = fields_in_order[i].size;

        if (n_bits % SPACE_BLOCK + 8 * size > SPACE_BLOCK) {
            n_bits = ROUND_UP(n_bits, SPACE_BLOCK);
        }
        for (size_t j = first; j < first + size; j++) {
            is_packet[j] = fields_in_order[i].reg < 0;
            first_bits[j] = n_bits;
            n_bits += 8;
        }
    }
}

/* What is the same for all, once for all threads. */
static void
init_bits(void)
{
    static struct ovsthread_once once = OVSTHREAD_ONCE_INITIALIZER;

    if (ovsthread_once_start(&once)) {
        number_bits();
        for (int id = 0; id < MFF_N_IDS; id++) {
            if (!mf_is_tun_metadata(mf_from_id(id))) {
                find_field_bytes(mf_from_id(id), &fields[id]);
            }
        }
        ovsthread_once_done(&once);
    }
}

bool
header_byte_is_packet(size_t byte)
{
    init_bits();
    return is_packet[byte];
}

/* Carried registers. */

bool
header_may_carry(int reg)
{
    init_bits();
    return first_bits[HEADER_REG(reg)] != NO_BIT;
}

bool
header_carries(const struct header *h, int reg)
{
    return h->from[HEADER_REG(reg)] == HEADER_REG(reg);
}

space_set
header_carry(struct space *s, struct header *h, int reg, space_set set)
{
    space_set value = header_bytes_set(s, HEADER_REG(reg),
                                       &h->value[HEADER_REG(reg)], NULL,
                                       sizeof(uint32_t));

    for (size_t i = HEADER_REG(reg); i < HEADER_REG(reg + 1); i++) {
        h->known[i] = h->value[i] = 0;
        h->from[i] = i;
    }
    return space_and(s, set, value);
}

space_set
header_drop(struct space *s, struct header *h, int reg, space_set set)
{
    uint8_t *fates = xzalloc(n_bits);

    for (size_t i = HEADER_REG(reg); i < HEADER_REG(reg + 1); i++) {
        memset(&fates[first_bits[i]], SPACE_EITHER, 8);
        header_set(h, i, 0, UINT8_MAX);
    }
    set = space_project(s, set, fates);
    free(fates);
    return set;
}

struct space *
header_space_create(void)
{
    init_bits();
    return space_create(n_bits);
}

void
header_init(struct header *h)
{
    init_bits();
    memset(h, 0, sizeof *h);
    for (size_t i = 0; i < HEADER_SIZE; i++) {
        if (!is_packet[i]) {
            h->known[i] = UINT8_MAX;
        } else {
            h->from[i] = i;
        }
    }
}

bool
header_equals(const struct header *a, const struct header *b)
{
    return !memcmp(a, b, sizeof *a);
}

uint32_t
header_hash(const struct header *h)
{
    return hash_bytes(h, sizeof *h, 0);
}

void
header_set(struct header *h, size_t byte, uint8_t value, uint8_t mask)
{
    h->known[byte] |= mask;
    h->value[byte] = (h->value[byte] & ~mask) | (value & mask);
    if (h->known[byte] == UINT8_MAX) {
        h->from[byte] = 0;
    }
}

void
header_move(struct header *h, size_t dst, size_t src)
{
    h->known[dst] = h->known[src];
    h->value[dst] = h->value[src];
    h->from[dst] = h->from[src];
}

static void
move_bytes(struct header *h, size_t dst, size_t src, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        header_move(h, dst + i, src + i);
    }
}

static void
set_bytes(struct header *h, size_t byte, const void *value_, size_t n)
{
    const uint8_t *value = value_;

    for (size_t i = 0; i < n; i++) {
        header_set(h, byte + i, value[i], UINT8_MAX);
    }
}

/* Of the two families, flows look at that of the packet alone. */
void
header_track(struct header *h, uint16_t zone)
{
    static const uint8_t nothing[16];
    uint8_t state = CS_TRACKED | CS_NEW;

    set_bytes(h, HEADER_BYTE(ct_state), &state, sizeof state);
    set_bytes(h, HEADER_BYTE(ct_zone), &zone, sizeof zone);
    set_bytes(h, HEADER_BYTE(ct_mark), nothing, 4);
    set_bytes(h, HEADER_BYTE(ct_label), nothing, 16);
    move_bytes(h, HEADER_BYTE(ct_nw_proto), HEADER_BYTE(nw_proto), 1);
    move_bytes(h, HEADER_BYTE(ct_tp_src), HEADER_BYTE(tp_src), 2);
    move_bytes(h, HEADER_BYTE(ct_tp_dst), HEADER_BYTE(tp_dst), 2);
    move_bytes(h, HEADER_BYTE(ct_nw_src), HEADER_BYTE(nw_src), 4);
    move_bytes(h, HEADER_BYTE(ct_nw_dst), HEADER_BYTE(nw_dst), 4);
    move_bytes(h, HEADER_BYTE(ct_ipv6_src), HEADER_BYTE(ipv6_src), 16);
    move_bytes(h, HEADER_BYTE(ct_ipv6_dst), HEADER_BYTE(ipv6_dst), 16);
}

/* Fields and matches of OVS. */

bool
header_field_bytes(const struct mf_field *mf, const uint16_t **ret_bytes)
{
    const struct field_bytes *fb = &fields[mf->id];

    *ret_bytes = fb->bytes;
    return fb->plain;
}

size_t
header_match_from_match(const struct match *match, struct header_match **ret,
                        bool *ret_outside)
{
    const uint8_t *mask = (const uint8_t *) &match->wc.masks;
    const uint8_t *value = (const uint8_t *) &match->flow;
    struct header_match bytes[HEADER_SIZE];
    size_t n = 0;

    for (size_t i = 0; i < sizeof match->flow; i++) {
        if (!mask[i]) {
            continue;
        } else if (i < HEADER_FIRST) {
            *ret_outside = true;
        } else {
            bytes[n++] = (struct header_match) {
                .byte = i - HEADER_FIRST, .mask = mask[i],
                .value = value[i] & mask[i],
            };
        }
    }
    *ret = n ? xmemdup(bytes, n * sizeof *bytes) : NULL;
    return n;
}

/* Sets. */

/* What bytes of the packet must be, in the order of the diagrams. */
struct wanted {
    struct { uint16_t first_bit; uint8_t mask, value; } items[HEADER_SIZE];
    size_t n;
};

/* Two bytes of the header may be the same of the packet.  Returns false if
 * they cannot be both. */
static bool
wanted_add(struct wanted *w, size_t byte, uint8_t value, uint8_t mask)
{
    uint16_t first_bit = first_bits[byte];
    size_t i = w->n;

    if (!mask) {
        return true;
    }
    ovs_assert(first_bit != NO_BIT);
    while (i > 0 && w->items[i - 1].first_bit > first_bit) {
        i--;
    }
    if (i > 0 && w->items[i - 1].first_bit == first_bit) {
        uint8_t both = w->items[i - 1].mask & mask;

        if ((w->items[i - 1].value ^ value) & both) {
            return false;
        }
        w->items[i - 1].mask |= mask;
        w->items[i - 1].value |= value & mask;
        return true;
    }
    memmove(&w->items[i + 1], &w->items[i], (w->n++ - i) * sizeof *w->items);
    w->items[i].first_bit = first_bit;
    w->items[i].mask = mask;
    w->items[i].value = value & mask;
    return true;
}

static space_set
wanted_to_set(struct space *s, const struct wanted *w)
{
    struct space_literal literals[HEADER_SIZE * 8];
    size_t n = 0;

    for (size_t i = 0; i < w->n; i++) {
        for (int j = 0; j < 8; j++) {
            uint8_t bit = 0x80 >> j;

            if (w->items[i].mask & bit) {
                literals[n++] = (struct space_literal) {
                    .bit = w->items[i].first_bit + j,
                    .value = (w->items[i].value & bit) != 0,
                };
            }
        }
    }
    return space_cube(s, literals, n);
}

space_set
header_match_set(struct space *s, const struct header *h,
                 const struct header_match *matches, size_t n)
{
    struct wanted w;

    w.n = 0;
    for (size_t i = 0; i < n; i++) {
        const struct header_match *m = &matches[i];
        uint8_t known = h->known[m->byte];

        if (((m->value ^ h->value[m->byte]) & m->mask & known)
            || !wanted_add(&w, h->from[m->byte], m->value,
                           m->mask & ~known)) {
            return SPACE_NONE;
        }
    }
    return wanted_to_set(s, &w);
}

space_set
header_bytes_set(struct space *s, size_t byte, const void *value_,
                 const void *mask_, size_t n)
{
    const uint8_t *value = value_;
    const uint8_t *mask = mask_;
    struct wanted w;

    w.n = 0;
    for (size_t i = 0; i < n; i++) {
        wanted_add(&w, byte + i, value[i], mask ? mask[i] : UINT8_MAX);
    }
    return wanted_to_set(s, &w);
}

space_set
header_u8_set(struct space *s, size_t byte, uint8_t value)
{
    return header_bytes_set(s, byte, &value, NULL, sizeof value);
}

space_set
header_be16_set(struct space *s, size_t byte, uint16_t value)
{
    ovs_be16 be = htons(value);

    return header_bytes_set(s, byte, &be, NULL, sizeof be);
}

space_set
header_family_set(struct space *s, bool is_v4)
{
    return header_be16_set(s, HEADER_BYTE(dl_type),
                           is_v4 ? ETH_TYPE_IP : ETH_TYPE_IPV6);
}

space_set
header_address_set(struct space *s, bool src, const struct sn_prefix *p)
{
    struct in6_addr mask = ipv6_create_mask(p->plen);

    if (p->is_v4) {
        ovs_be32 addr = in6_addr_get_mapped_ipv4(&p->addr);
        ovs_be32 mask4 = be32_prefix_mask(p->plen);

        return header_bytes_set(s, src ? HEADER_BYTE(nw_src)
                                       : HEADER_BYTE(nw_dst),
                                &addr, &mask4, sizeof addr);
    }
    return header_bytes_set(s, src ? HEADER_BYTE(ipv6_src)
                                   : HEADER_BYTE(ipv6_dst),
                            &p->addr, &mask, sizeof mask);
}

space_set
header_prefix_set(struct space *s, bool src, const struct sn_prefix *p)
{
    return space_and(s, header_family_set(s, p->is_v4),
                     header_address_set(s, src, p));
}

space_set
header_in_port_set(struct space *s, ofp_port_t port)
{
    ofp_port_t mask = u16_to_ofp(UINT16_MAX);   /* As flows match it. */

    return header_bytes_set(s, HEADER_BYTE(in_port.ofp_port), &port, &mask,
                            sizeof port);
}

space_set
header_view(struct space *s, const struct header *h, space_set set)
{
    uint8_t *fates = xzalloc(n_bits);

    for (size_t i = 0; i < HEADER_SIZE; i++) {
        for (int j = 0; first_bits[i] != NO_BIT && j < 8; j++) {
            uint8_t bit = 0x80 >> j;

            if (h->known[i] & bit) {
                fates[first_bits[i] + j] = h->value[i] & bit ? SPACE_ONE
                                           : SPACE_ZERO;
            }
        }
    }
    set = space_project(s, set, fates);
    free(fates);
    return set;
}

bool
header_contains(const struct space *s, space_set set,
                const struct flow *flow)
{
    const uint8_t *bytes = (const uint8_t *) flow + HEADER_FIRST;
    bool *bits = xmalloc(n_bits * sizeof *bits);

    for (size_t i = 0; i < HEADER_SIZE; i++) {
        for (int j = 0; first_bits[i] != NO_BIT && j < 8; j++) {
            bits[first_bits[i] + j] = (bytes[i] & (0x80 >> j)) != 0;
        }
    }
    bool contains = space_contains(s, set, bits);
    free(bits);
    return contains;
}

void
header_pick(struct space *s, space_set set, struct flow *flow)
{
    uint8_t *bytes = (uint8_t *) flow + HEADER_FIRST;
    bool *bits = xmalloc(n_bits * sizeof *bits);

    *flow = (struct flow) { .packet_type = htonl(PT_ETH) };
    space_pick(s, set, bits);
    for (size_t i = 0; i < HEADER_SIZE; i++) {
        for (int j = 0; first_bits[i] != NO_BIT && j < 8; j++) {
            bytes[i] |= bits[first_bits[i] + j] ? 0x80 >> j : 0;
        }
    }
    free(bits);
}
