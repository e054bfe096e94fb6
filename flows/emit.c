#include <config.h>

#include "flows/emit.h"

#include <netinet/in.h>
#include <netinet/icmp6.h>
#include "flows/compiler.h"
#include "lib/host-bridge.h"
#include "lib/prefix.h"
#include "openvswitch/meta-flow.h"
#include "openvswitch/ofp-actions.h"
#include "openvswitch/util.h"
#include "packets.h"
#include "util.h"

void
emit_init(struct emit *e, void (*sink)(struct sn_flow *, void *aux),
          void *aux)
{
    e->sink = sink;
    e->aux = aux;
    ofpbuf_use_stub(&e->acts, e->acts_stub, sizeof e->acts_stub);
}

void
emit_uninit(struct emit *e)
{
    ofpbuf_uninit(&e->acts);
}

void
emit_flow(struct emit *e, enum sn_table table, int priority, uint64_t cookie)
{
    e->table_id = table;
    e->priority = priority;
    e->cookie = cookie;
    match_init_catchall(&e->match);
    ofpbuf_clear(&e->acts);
}

/* The switch adds "an Ethernet packet" to whatever matches on a field of
 * Ethernet, or on one that has a condition of its own, as the protocol of a
 * connection does (match_add_ethernet_prereq()).  Without it here, a flow
 * would not be found by its key among those that the switch tells. */
static void
add_packet_type(struct match *match)
{
    const struct flow *masks = &match->wc.masks;

    if (masks->dl_type || !eth_addr_is_zero(masks->dl_src)
        || !eth_addr_is_zero(masks->dl_dst) || masks->vlans[0].qtag
        || masks->ct_nw_proto) {
        match_set_default_packet_type(match);
    }
}

void
emit_end(struct emit *e)
{
    struct sn_flow *flow = xmalloc(sizeof *flow);

    add_packet_type(&e->match);
    flow->table_id = e->table_id;
    flow->priority = e->priority;
    flow->cookie = e->cookie;
    minimatch_init(&flow->match, &e->match);
    flow->ofpacts_len = e->acts.size;
    flow->ofpacts = e->acts.size ? xmemdup(e->acts.data, e->acts.size) : NULL;
    e->sink(flow, e->aux);
}

void
emit_drop(struct emit *e, enum sn_table table, int priority, uint64_t cookie)
{
    emit_flow(e, table, priority, cookie);
    emit_end(e);
}

struct sn_prefix
emit_prefix(const char *literal)
{
    struct sn_prefix prefix;
    char *error = sn_prefix_parse(literal, &prefix);

    ovs_assert(!error);
    return prefix;
}

void
emit_match_reg(struct emit *e, enum sn_reg reg, uint32_t value)
{
    match_set_reg(&e->match, reg, value);
}

/* Adds to the flags that are matched already. */
void
emit_match_flags(struct emit *e, uint32_t set, uint32_t clear)
{
    match_set_reg_masked(&e->match, SN_REG_FLAGS,
                         e->match.flow.regs[SN_REG_FLAGS] | set,
                         e->match.wc.masks.regs[SN_REG_FLAGS] | set | clear);
}

void
emit_match_dl_type(struct emit *e, uint16_t dl_type)
{
    match_set_dl_type(&e->match, htons(dl_type));
}

void
emit_match_family(struct emit *e, bool is_v4)
{
    emit_match_dl_type(e, is_v4 ? ETH_TYPE_IP : ETH_TYPE_IPV6);
}

void
emit_match_proto(struct emit *e, uint16_t dl_type, uint8_t proto)
{
    emit_match_dl_type(e, dl_type);
    match_set_nw_proto(&e->match, proto);
}

void
emit_match_icmp6(struct emit *e, uint8_t type)
{
    emit_match_proto(e, ETH_TYPE_IPV6, IPPROTO_ICMPV6);
    match_set_icmp_type(&e->match, type);
}

void
emit_match_ct_state(struct emit *e, uint32_t set, uint32_t clear)
{
    match_set_ct_state_masked(&e->match, set, set | clear);
}

static ovs_be32
prefix_ipv4(const struct sn_prefix *p)
{
    return in6_addr_get_mapped_ipv4(&p->addr);
}

static ovs_be32
prefix_mask4(const struct sn_prefix *p)
{
    return be32_prefix_mask(p->plen);
}

void
emit_match_src(struct emit *e, const struct sn_prefix *p)
{
    emit_match_family(e, p->is_v4);
    if (p->is_v4) {
        match_set_nw_src_masked(&e->match, prefix_ipv4(p), prefix_mask4(p));
    } else {
        struct in6_addr mask = ipv6_create_mask(p->plen);
        match_set_ipv6_src_masked(&e->match, &p->addr, &mask);
    }
}

void
emit_match_dst(struct emit *e, const struct sn_prefix *p)
{
    emit_match_family(e, p->is_v4);
    if (p->is_v4) {
        match_set_nw_dst_masked(&e->match, prefix_ipv4(p), prefix_mask4(p));
    } else {
        struct in6_addr mask = ipv6_create_mask(p->plen);
        match_set_ipv6_dst_masked(&e->match, &p->addr, &mask);
    }
}

void
emit_match_ct_src(struct emit *e, const struct sn_prefix *p)
{
    emit_match_family(e, p->is_v4);
    emit_match_ct_state(e, CS_TRACKED, CS_INVALID);
    if (!p->plen) {
        return;
    } else if (p->is_v4) {
        match_set_ct_nw_src_masked(&e->match, prefix_ipv4(p),
                                   prefix_mask4(p));
    } else {
        struct in6_addr mask = ipv6_create_mask(p->plen);
        match_set_ct_ipv6_src_masked(&e->match, &p->addr, &mask);
    }
}

void
emit_match_ct_dst(struct emit *e, const struct sn_prefix *p)
{
    emit_match_family(e, p->is_v4);
    emit_match_ct_state(e, CS_TRACKED, CS_INVALID);
    if (!p->plen) {
        return;
    } else if (p->is_v4) {
        match_set_ct_nw_dst_masked(&e->match, prefix_ipv4(p),
                                   prefix_mask4(p));
    } else {
        struct in6_addr mask = ipv6_create_mask(p->plen);
        match_set_ct_ipv6_dst_masked(&e->match, &p->addr, &mask);
    }
}

void
emit_match_arp_request(struct emit *e, const struct sn_prefix *tpa)
{
    emit_match_dl_type(e, ETH_TYPE_ARP);
    match_set_nw_proto(&e->match, ARP_OP_REQUEST);
    match_set_nw_dst_masked(&e->match, prefix_ipv4(tpa), prefix_mask4(tpa));
}

void
emit_match_arp_source(struct emit *e, const struct sn_prefix *spa)
{
    emit_match_dl_type(e, ETH_TYPE_ARP);
    match_set_nw_src_masked(&e->match, prefix_ipv4(spa), prefix_mask4(spa));
}

void
emit_match_nd_target(struct emit *e, uint8_t type,
                     const struct sn_prefix *target)
{
    struct in6_addr mask = ipv6_create_mask(target->plen);

    emit_match_icmp6(e, type);
    match_set_icmp_code(&e->match, 0);
    match_set_nd_target_masked(&e->match, &target->addr, &mask);
}

void
emit_match_ns(struct emit *e, const struct sn_prefix *target)
{
    emit_match_icmp6(e, ND_NEIGHBOR_SOLICIT);
    match_set_icmp_code(&e->match, 0);
    match_set_nd_target(&e->match, &target->addr);
}

static void
emit_set_field(struct emit *e, enum mf_field_id id, const void *value,
               const void *mask)
{
    ofpact_put_set_field(&e->acts, mf_from_id(id), value, mask);
}

void
emit_set_reg(struct emit *e, enum sn_reg reg, uint32_t value)
{
    ovs_be32 be = htonl(value);
    emit_set_field(e, MFF_REG0 + reg, &be, NULL);
}

/* Leaves the other flags as they are. */
void
emit_set_flags(struct emit *e, uint32_t set)
{
    ovs_be32 be = htonl(set);
    emit_set_field(e, MFF_REG0 + SN_REG_FLAGS, &be, &be);
}

void
emit_set_mac(struct emit *e, enum mf_field_id id, struct eth_addr mac)
{
    emit_set_field(e, id, &mac, NULL);
}

void
emit_set_u16(struct emit *e, enum mf_field_id id, uint16_t value)
{
    ovs_be16 be = htons(value);
    emit_set_field(e, id, &be, NULL);
}

void
emit_set_ipv4(struct emit *e, enum mf_field_id id, const struct sn_prefix *p)
{
    ovs_be32 be = prefix_ipv4(p);
    emit_set_field(e, id, &be, NULL);
}

void
emit_set_ipv6(struct emit *e, enum mf_field_id id, const struct sn_prefix *p)
{
    emit_set_field(e, id, &p->addr, NULL);
}

void
emit_move(struct emit *e, enum mf_field_id src, enum mf_field_id dst)
{
    struct ofpact_reg_move *move = ofpact_put_REG_MOVE(&e->acts);

    move->src.field = mf_from_id(src);
    move->dst.field = mf_from_id(dst);
    move->src.n_bits = MIN(move->src.field->n_bits, move->dst.field->n_bits);
    move->dst.n_bits = move->src.n_bits;
}

static void
emit_move_bit(struct emit *e, enum mf_field_id src, int src_bit,
              enum mf_field_id dst, int dst_bit)
{
    struct ofpact_reg_move *move = ofpact_put_REG_MOVE(&e->acts);

    move->src.field = mf_from_id(src);
    move->dst.field = mf_from_id(dst);
    move->src.ofs = src_bit;
    move->dst.ofs = dst_bit;
    move->src.n_bits = move->dst.n_bits = 1;
}

void
emit_dec_ttl(struct emit *e)
{
    struct ofpact_cnt_ids *ids = ofpact_put_DEC_TTL(&e->acts);
    uint16_t controller_id = 0;

    ofpbuf_put(&e->acts, &controller_id, sizeof controller_id);
    ids = e->acts.header;
    ids->n_controllers = 1;
    ofpact_finish_DEC_TTL(&e->acts, &ids);
}

void
emit_conjunction(struct emit *e, uint32_t id, int dim, int n_dims)
{
    struct ofpact_conjunction *conj = ofpact_put_CONJUNCTION(&e->acts);

    conj->id = id;
    conj->clause = dim;
    conj->n_clauses = n_dims;
}

void
emit_ct_lookup(struct emit *e, enum sn_table next)
{
    struct ofpact_conntrack *ct = ofpact_put_CT(&e->acts);

    ct->zone_imm = SN_CT_ZONE;
    ct->recirc_table = next;
    ofpact_finish(&e->acts, &ct->ofpact);
}

void
emit_ct_service(struct emit *e, bool commit, enum sn_table next)
{
    size_t start = e->acts.size;

    ofpbuf_pull(&e->acts, start);
    struct ofpact_conntrack *ct = ofpact_put_CT(&e->acts);
    ct->flags = commit ? NX_CT_F_COMMIT : 0;
    ct->zone_imm = SN_CT_SERVICE_ZONE;
    ct->recirc_table = next;
    size_t nested = e->acts.size;
    ofpbuf_pull(&e->acts, nested);
    ofpact_put_NAT(&e->acts);
    e->acts.header = ofpbuf_push_uninit(&e->acts, nested);
    ct = e->acts.header;
    ofpact_finish(&e->acts, &ct->ofpact);
    ofpbuf_push_uninit(&e->acts, start);
}

void
emit_ct_commit(struct emit *e)
{
    size_t start = e->acts.size;

    ofpbuf_pull(&e->acts, start);
    struct ofpact_conntrack *ct = ofpact_put_CT(&e->acts);
    ct->flags = NX_CT_F_COMMIT;
    ct->zone_imm = SN_CT_ZONE;
    ct->recirc_table = NX_CT_RECIRC_NONE;
    size_t nested = e->acts.size;
    ofpbuf_pull(&e->acts, nested);
    emit_move(e, MFF_REG0 + SN_REG_RULE, MFF_CT_MARK);
    emit_move(e, MFF_REG0 + SN_REG_ENDPOINT, MFF_CT_LABEL);
    emit_move_bit(e, MFF_REG0 + SN_REG_FLAGS, ctz32(SN_F_SERVICE),
                  MFF_CT_LABEL, SN_CT_LABEL_SERVICE_BIT);
    e->acts.header = ofpbuf_push_uninit(&e->acts, nested);
    ct = e->acts.header;
    ofpact_finish(&e->acts, &ct->ofpact);
    ofpbuf_push_uninit(&e->acts, start);
}

void
emit_output(struct emit *e, ofp_port_t port)
{
    ofpact_put_OUTPUT(&e->acts)->port = port;
}

void
emit_group(struct emit *e, uint32_t id)
{
    ofpact_put_GROUP(&e->acts)->group_id = id;
}

void
emit_meter(struct emit *e, uint32_t id)
{
    struct ofpact_meter *meter = ofpact_put_METER(&e->acts);

    meter->meter_id = id;
    meter->provider_meter_id = UINT32_MAX;  /* As decoded from a message. */
}

void
emit_goto(struct emit *e, enum sn_table table)
{
    ofpact_put_GOTO_TABLE(&e->acts)->table_id = table;
}
