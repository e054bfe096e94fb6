#include <config.h>

#include "flows/symbolic-private.h"

#include "flows/compiler.h"
#include "flows/regs.h"
#include "openvswitch/ofp-actions.h"

/* Registers that sets carry.
 *
 * Who sent a packet, and the identities of its ends, follow from the packet.
 * Were they constants of headers, each pair of identities would be a set of
 * its own, for which every table of the policy would have to be searched anew.
 * As bits of the sets, all pairs go through a table at once, and what it costs
 * follows the number of its flows.
 *
 * That takes registers which flows match and set as a whole, and do nothing
 * else with. */

bool
sym_has_byte_of(const struct mf_field *mf, int reg)
{
    const uint16_t *bytes;

    for (int i = 0; header_field_bytes(mf, &bytes) && i < mf->n_bytes; i++) {
        if (bytes[i] >= HEADER_REG(reg) && bytes[i] < HEADER_REG(reg + 1)) {
            return true;
        }
    }
    return false;
}

bool
sym_sets_all_of(const struct ofpact_set_field *sf, int reg)
{
    return (sf->field->id == MFF_REG0 + reg
            && ofpact_set_field_mask(sf)->be32 == OVS_BE32_MAX);
}

static void
look_at_action(struct sym *sym, uint8_t table, const struct ofpact *a)
{
    for (int reg = 0; reg < SYM_N_REGS; reg++) {
        if (a->type == OFPACT_SET_FIELD
            && sym_has_byte_of(ofpact_get_SET_FIELD(a)->field, reg)) {
            sym->tables[table].sets[reg] = true;
            sym->carries[reg] &= sym_sets_all_of(ofpact_get_SET_FIELD(a), reg);
        } else if (a->type == OFPACT_REG_MOVE) {
            const struct ofpact_reg_move *move = ofpact_get_REG_MOVE(a);
            bool reads = sym_has_byte_of(move->src.field, reg);
            bool writes = sym_has_byte_of(move->dst.field, reg);

            sym->carries[reg] &= !reads && !writes;
            sym->asks_for_rule |= reads && reg == SN_REG_RULE;
        }
    }
}

void
sym_carry_init(struct sym *sym, const struct flow_set *flows)
{
    const struct sn_flow *flow;
    const struct ofpact *a;

    for (int reg = 0; reg < SYM_N_REGS; reg++) {
        sym->carries[reg] = header_may_carry(reg);
    }
    /* What goes to conntrack is read of no first packet. */
    HMAP_FOR_EACH (flow, hmap_node, &flows->flows) {
        OFPACT_FOR_EACH (a, flow->ofpacts, flow->ofpacts_len) {
            look_at_action(sym, flow->table_id, a);
        }
    }
    for (int i = 0; i < SYM_N_TABLES; i++) {
        for (int j = 0; j < 4; j++) {
            sym->asks_for_rule
                |= sym->tables[i].mask[HEADER_REG(SN_REG_RULE) + j] != 0;
        }
    }
}

space_set
sym_drop_all(struct sym *sym, const struct header *h, space_set set)
{
    struct header copy = *h;

    for (int reg = 0; reg < SYM_N_REGS; reg++) {
        if (header_carries(h, reg)) {
            set = header_drop(sym->space, &copy, reg, set);
        }
    }
    return set;
}
