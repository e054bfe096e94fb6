#include <config.h>

#include "flows/symbolic.h"

#include <stdlib.h>
#include <string.h>
#include "flow.h"
#include "flows/compiler.h"
#include "flows/objects.h"
#include "flows/regs.h"
#include "flows/symbolic-private.h"
#include "hash.h"
#include "openvswitch/ofp-actions.h"
#include "openvswitch/ofp-group.h"
#include "openvswitch/util.h"
#include "packets.h"
#include "util.h"

/* A set of packets at one flow. */
struct run {
    struct sym *sym;
    const struct sn_flow *flow;
    struct header header;
    space_set set;
    int next;                   /* Table, or -1: the way ends. */
};

static void
add_trouble(struct sym *sym, const struct symbolic_trouble *trouble)
{
    struct symbolic *result = sym->result;

    if (result->n_troubles >= result->allocated_troubles) {
        result->troubles = x2nrealloc(result->troubles,
                                      &result->allocated_troubles,
                                      sizeof *result->troubles);
    }
    result->troubles[result->n_troubles++] = *trouble;
}

static void
not_understood(struct run *r, const char *what)
{
    if (r->set != SPACE_NONE) {
        add_trouble(r->sym, &(struct symbolic_trouble) {
            .kind = SYMBOLIC_UNKNOWN, .table_id = r->flow->table_id,
            .flow = r->flow, .what = what,
            .set = sym_drop_all(r->sym, &r->header, r->set),
        });
    }
}

/* Actions. */

static void
set_field(struct run *r, const struct ofpact_set_field *sf)
{
    const union mf_value *mask = ofpact_set_field_mask(sf);
    const uint16_t *bytes;

    if (!header_field_bytes(sf->field, &bytes)) {
        not_understood(r, sf->field->name);
        return;
    }
    for (int reg = 0; reg < SYM_N_REGS; reg++) {
        if (!header_carries(&r->header, reg)
            || !sym_has_byte_of(sf->field, reg)) {
            continue;
        } else if (!sym_sets_all_of(sf, reg)) {
            not_understood(r, sf->field->name);
        }
        r->set = header_drop(r->sym->space, &r->header, reg, r->set);
    }
    for (int i = 0; i < sf->field->n_bytes; i++) {
        if (bytes[i] != HEADER_NOWHERE) {
            header_set(&r->header, bytes[i], sf->value->b[i], mask->b[i]);
        }
    }
}

static void
move(struct run *r, const struct mf_subfield *src,
     const struct mf_subfield *dst)
{
    const struct header before = r->header;
    const uint16_t *from, *to;

    if (!header_field_bytes(src->field, &from)
        || !header_field_bytes(dst->field, &to)
        || src->ofs % 8 || dst->ofs % 8 || src->n_bits % 8) {
        not_understood(r, "move");
        return;
    }
    from += src->field->n_bytes - (src->ofs + src->n_bits) / 8;
    to += dst->field->n_bytes - (dst->ofs + dst->n_bits) / 8;
    for (size_t i = 0; i < src->n_bits / 8; i++) {
        if (from[i] == HEADER_NOWHERE || to[i] == HEADER_NOWHERE) {
            continue;
        }
        r->header.known[to[i]] = before.known[from[i]];
        r->header.value[to[i]] = before.value[from[i]];
        r->header.from[to[i]] = before.from[from[i]];
    }
}

static void
add_end(struct run *r, ofp_port_t port, space_set set)
{
    struct hmap *ends = &r->sym->result->ends;
    struct header header = r->header;
    struct symbolic_end *end;

    if (set == SPACE_NONE) {
        return;
    }
    set = sym_drop_all(r->sym, &header, set);
    for (size_t i = 0; i < HEADER_SIZE; i++) {
        if (!header_byte_is_packet(i)) {
            header_set(&header, i, 0, UINT8_MAX);
        }
    }
    uint32_t hash = hash_int(ofp_to_u16(port), header_hash(&header));
    HMAP_FOR_EACH_WITH_HASH (end, node, hash, ends) {
        if (end->port == port && header_equals(&end->header, &header)) {
            end->set = space_or(r->sym->space, end->set, set);
            return;
        }
    }
    end = xmalloc(sizeof *end);
    *end = (struct symbolic_end) {
        .port = port, .header = header, .set = set, .flow = r->flow,
    };
    hmap_insert(ends, &end->node, hash);
}

/* As a switch does, not back to where it came from. */
static void
output(struct run *r, ofp_port_t port)
{
    ofp_port_t mask = u16_to_ofp(UINT16_MAX);
    const uint8_t *masks = (const uint8_t *) &mask;
    const uint8_t *bytes = (const uint8_t *) &port;
    struct header_match in_port[sizeof port];

    for (size_t i = 0; i < sizeof port; i++) {
        in_port[i] = (struct header_match) {
            HEADER_BYTE(in_port.ofp_port) + i, masks[i], bytes[i],
        };
    }
    add_end(r, port,
            space_minus(r->sym->space, r->set,
                        header_match_set(r->sym->space, &r->header, in_port,
                                         ARRAY_SIZE(in_port))));
}

static void
set_bytes(struct header *h, size_t byte, const void *value_, size_t n)
{
    const uint8_t *value = value_;

    for (size_t i = 0; i < n; i++) {
        header_set(h, byte + i, value[i], UINT8_MAX);
    }
}

static void
translate(struct header *h, const struct ofpact_nat *nat)
{
    bool source = nat->flags & NX_NAT_F_SRC;
    ovs_be16 port = htons(nat->range.proto.min);

    if (nat->range_af == AF_INET) {
        set_bytes(h, source ? HEADER_BYTE(nw_src) : HEADER_BYTE(nw_dst),
                  &nat->range.addr.ipv4.min, sizeof(ovs_be32));
    } else if (nat->range_af == AF_INET6) {
        set_bytes(h, source ? HEADER_BYTE(ipv6_src) : HEADER_BYTE(ipv6_dst),
                  &nat->range.addr.ipv6.min, sizeof(struct in6_addr));
    }
    if (port) {
        set_bytes(h, source ? HEADER_BYTE(tp_src) : HEADER_BYTE(tp_dst),
                  &port, sizeof port);
    }
}

static void
conntrack(struct run *r, const struct ofpact_conntrack *ct)
{
    const struct ofpact *a;

    if (ct->flags & NX_CT_F_COMMIT) {
        OFPACT_FOR_EACH (a, ct->actions, ofpact_ct_get_action_len(ct)) {
            if (a->type == OFPACT_NAT) {
                translate(&r->header, ofpact_get_NAT(a));
            }
        }
    }
    if (ct->recirc_table != NX_CT_RECIRC_NONE) {
        header_track(&r->header, ct->zone_imm);
        r->next = ct->recirc_table;
    }
}

static void execute(struct run *, const struct ofpact *, size_t len);
static void enter(struct run *);

/* Each bucket has its own copy of the packet. */
static void
group(struct run *r, uint32_t id)
{
    const struct ofputil_bucket *bucket;
    struct ofputil_group_mod gm;

    if (!sn_object_parse_group(r->sym->objects, id, &gm)) {
        not_understood(r, "group");
        return;
    }
    LIST_FOR_EACH (bucket, list_node, &gm.buckets) {
        struct run copy = *r;
        const struct ofpact *a;

        /* Registers that only a bucket reads may be forgotten by now. */
        OFPACT_FOR_EACH_FLATTENED (a, bucket->ofpacts, bucket->ofpacts_len) {
            if (a->type == OFPACT_REG_MOVE) {
                not_understood(r, "move in a group");
            }
        }
        execute(&copy, bucket->ofpacts, bucket->ofpacts_len);
        enter(&copy);
    }
    ofputil_uninit_group_mod(&gm);
}

static void
execute_one(struct run *r, const struct ofpact *a)
{
    switch ((int) a->type) {
    case OFPACT_SET_FIELD:
        set_field(r, ofpact_get_SET_FIELD(a));
        break;
    case OFPACT_REG_MOVE:
        move(r, &ofpact_get_REG_MOVE(a)->src, &ofpact_get_REG_MOVE(a)->dst);
        break;
    case OFPACT_OUTPUT: {
        ofp_port_t port = ofpact_get_OUTPUT(a)->port;

        if (port == OFPP_IN_PORT) {
            add_end(r, port, r->set);
        } else if (ofp_to_u16(port) < ofp_to_u16(OFPP_MAX)
                   || port == OFPP_LOCAL) {
            output(r, port);
        } else {
            not_understood(r, "output to a reserved port");
        }
        break;
    }
    case OFPACT_GOTO_TABLE:
        r->next = ofpact_get_GOTO_TABLE(a)->table_id;
        break;
    case OFPACT_CT:
        conntrack(r, ofpact_get_CT(a));
        break;
    case OFPACT_GROUP:
        group(r, ofpact_get_GROUP(a)->group_id);
        break;
    case OFPACT_METER:
    case OFPACT_NOTE:
    case OFPACT_DEC_TTL:
    case OFPACT_SET_IP_DSCP:
    case OFPACT_SET_IP_ECN:
    case OFPACT_SET_IP_TTL:
    case OFPACT_SET_QUEUE:
    case OFPACT_POP_QUEUE:
        break;
    default:
        not_understood(r, ofpact_name(a->type));
        break;
    }
}

static void
execute(struct run *r, const struct ofpact *ofpacts, size_t len)
{
    const struct ofpact *a;

    OFPACT_FOR_EACH (a, ofpacts, len) {
        execute_one(r, a);
    }
}

/* Tables. */

static void
put_state(struct sym *sym, int table, const struct header *h, space_set set)
{
    struct hmap *states = &sym->tables[table].states;
    uint32_t hash = header_hash(h);
    struct sym_state *state;

    HMAP_FOR_EACH_WITH_HASH (state, node, hash, states) {
        if (header_equals(&state->header, h)) {
            state->set = space_or(sym->space, state->set, set);
            return;
        }
    }
    state = xmalloc(sizeof *state);
    state->header = *h;
    state->set = set;
    hmap_insert(states, &state->node, hash);
    sym->result->n_states++;
}

/* On to r->next. */
static void
enter(struct run *r)
{
    if (r->next < 0) {
        return;
    } else if (r->next <= r->flow->table_id) {
        not_understood(r, "a jump back");
    } else {
        r->set = sym_forget(r->sym, r->flow->table_id, r->next, &r->header,
                            r->set);
        put_state(r->sym, r->next, &r->header, r->set);
    }
}

static void
follow_region(struct sym *sym, const struct sym_state *state,
              const struct sym_region *region)
{
    struct run r = {
        .sym = sym, .flow = region->flow, .next = -1,
    };

    if (!region->flow->ofpacts_len) {
        return;
    }
    r.set = space_and(sym->space, state->set, region->set);
    if (r.set != SPACE_NONE) {
        r.header = state->header;
        execute(&r, r.flow->ofpacts, r.flow->ofpacts_len);
        enter(&r);
    }
}

static void
follow(struct sym *sym, uint8_t table, const struct sym_state *state)
{
    const struct sym_partition *p
        = sym_partition_get(sym, &sym->tables[table], &state->header);

    for (size_t i = 0; i < p->n_regions; i++) {
        follow_region(sym, state, &p->regions[i]);
    }
    for (size_t i = 0; i < p->n_ties; i++) {
        struct symbolic_trouble tie = p->ties[i];

        tie.set = sym_drop_all(sym, &state->header,
                               space_and(sym->space, state->set, tie.set));
        if (tie.set != SPACE_NONE) {
            add_trouble(sym, &tie);
        }
    }
    space_set missed = space_and(sym->space, state->set, p->rest);
    if (missed != SPACE_NONE) {
        add_trouble(sym, &(struct symbolic_trouble) {
            .kind = SYMBOLIC_MISS, .table_id = table,
            .set = sym_drop_all(sym, &state->header, missed),
        });
    }
}

/* Whether no flow behind table 0 takes a flag away. */
static bool
flags_only_grow(const struct flow_set *flows)
{
    const struct sn_flow *flow;
    const struct ofpact *a;

    HMAP_FOR_EACH (flow, hmap_node, &flows->flows) {
        OFPACT_FOR_EACH_FLATTENED (a, flow->ofpacts, flow->ofpacts_len) {
            const struct ofpact_set_field *sf
                = a->type == OFPACT_SET_FIELD ? ofpact_get_SET_FIELD(a) : NULL;

            if (flow->table_id && sf
                && sf->field->id == MFF_REG0 + SN_REG_FLAGS
                && (sf->value->be32 != ofpact_set_field_mask(sf)->be32)) {
                return false;
            }
            if (a->type == OFPACT_REG_MOVE
                && (ofpact_get_REG_MOVE(a)->dst.field->id
                    == MFF_REG0 + SN_REG_FLAGS)) {
                return false;
            }
        }
    }
    return true;
}

void
symbolic_run(struct symbolic *result, struct space *space, space_set packets,
             const struct flow_set *flows, const struct object_set *objects)
{
    struct sym *sym = xzalloc(sizeof *sym);
    struct header header;

    *result = (struct symbolic) { .n_states = 0 };
    hmap_init(&result->ends);
    sym->result = result;
    sym->space = space;
    sym->objects = objects;
    sym->flags_grow = flags_only_grow(flows);
    sym_tables_init(sym, flows);
    sym_carry_init(sym, flows);
    header_init(&header);
    put_state(sym, 0, &header, packets);
    for (int table = 0; table < SYM_N_TABLES; table++) {
        struct sym_state *state;

        /* What they lead to is further on. */
        HMAP_FOR_EACH_POP (state, node, &sym->tables[table].states) {
            follow(sym, table, state);
            free(state);
        }
    }
    sym_tables_uninit(sym);
    free(sym);
}

void
symbolic_uninit(struct symbolic *result)
{
    struct symbolic_end *end;

    HMAP_FOR_EACH_POP (end, node, &result->ends) {
        free(end);
    }
    hmap_destroy(&result->ends);
    free(result->troubles);
}

/* A VLAN tag has its CFI bit set; of fragments but the first there are no
 * ports. */
space_set
symbolic_any_packet(struct space *s)
{
    static const uint8_t none[4];
    uint8_t first = FLOW_NW_FRAG_ANY;
    uint8_t later = FLOW_NW_FRAG_ANY | FLOW_NW_FRAG_LATER;
    ovs_be16 cfi = htons(VLAN_CFI);
    space_set ip = space_or(s, header_family_set(s, true),
                            header_family_set(s, false));
    space_set no_ports
        = space_and(s, header_be16_set(s, HEADER_BYTE(tp_src), 0),
                    header_be16_set(s, HEADER_BYTE(tp_dst), 0));
    space_set fragments
        = space_or(s, header_u8_set(s, HEADER_BYTE(nw_frag), first),
                   space_and(s, header_u8_set(s, HEADER_BYTE(nw_frag), later),
                             no_ports));
    space_set whole = header_u8_set(s, HEADER_BYTE(nw_frag), 0);
    space_set tagged = header_bytes_set(s, HEADER_BYTE(vlans[0].tci), &cfi,
                                        &cfi, sizeof cfi);
    space_set untagged = header_bytes_set(s, HEADER_BYTE(vlans[0]), none,
                                          NULL, sizeof none);

    return space_and(s, space_or(s, whole, space_and(s, ip, fragments)),
                     space_or(s, tagged, untagged));
}
