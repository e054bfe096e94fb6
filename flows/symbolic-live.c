#include <config.h>

#include "flows/symbolic-private.h"

#include <stdlib.h>
#include <string.h>
#include "flows/regs.h"
#include "flows/compiler.h"
#include "hash.h"
#include "openvswitch/ofp-actions.h"
#include "openvswitch/util.h"
#include "packets.h"
#include "util.h"

/* What tables to come look at.
 *
 * What stands below a flow that is known to take all does not count: one that
 * asks for nothing but flags which the packets have, as flags are set and
 * never cleared. */

static bool
is_within(size_t byte, size_t first, size_t size)
{
    return byte >= first && byte < first + size;
}

bool
sym_never_matches(const struct header_match *m)
{
    uint8_t fresh = CS_TRACKED | CS_NEW;

    if (m->byte == HEADER_BYTE(ct_state)) {
        return m->value && m->value != (fresh & m->mask);
    }
    return ((is_within(m->byte, HEADER_BYTE(ct_mark), 4)
             || is_within(m->byte, HEADER_BYTE(ct_label), 16)) && m->value);
}

static uint32_t
get_flags(const struct header *h)
{
    uint32_t flags;

    memcpy(&flags, &h->value[HEADER_REG(SN_REG_FLAGS)], sizeof flags);
    return flags;
}

enum relevance { NEVER, PERHAPS, TAKES_ALL };

static enum relevance
get_relevance(const struct sym_flow *sf, uint32_t flags)
{
    const uint8_t *has = (const uint8_t *) &flags;
    bool only_flags = !sf->soft;

    for (size_t i = 0; i < sf->n_matches; i++) {
        const struct header_match *m = &sf->matches[i];
        size_t flag = m->byte - HEADER_REG(SN_REG_FLAGS);

        if (!is_within(m->byte, HEADER_REG(SN_REG_FLAGS), 4)) {
            only_flags = false;
        } else if (has[flag] & m->mask & ~m->value) {
            return NEVER;
        } else if (m->mask & ~has[flag]) {
            only_flags = false;
        }
    }
    return only_flags ? TAKES_ALL : PERHAPS;
}

static void
look_at_value(struct sym_look *look, size_t *allocated, int reg,
              uint32_t value)
{
    if (look->n_values[reg] >= allocated[reg]) {
        look->values[reg] = x2nrealloc(look->values[reg], &allocated[reg],
                                       sizeof *look->values[reg]);
    }
    look->values[reg][look->n_values[reg]++] = value;
}

static void
look_at_match(struct sym_look *look, size_t *allocated,
              const struct sym_flow *sf)
{
    uint32_t masks[SYM_N_REGS] = { 0 }, values[SYM_N_REGS] = { 0 };

    for (size_t i = 0; i < sf->n_matches; i++) {
        const struct header_match *m = &sf->matches[i];
        size_t byte = m->byte - HEADER_BYTE(regs);

        look->mask[m->byte] |= m->mask;
        if (is_within(m->byte, HEADER_BYTE(regs), sizeof masks)) {
            ((uint8_t *) masks)[byte] = m->mask;
            ((uint8_t *) values)[byte] = m->value;
        }
    }
    for (int reg = 0; reg < SYM_N_REGS; reg++) {
        if (masks[reg] == UINT32_MAX) {
            look_at_value(look, allocated, reg, values[reg]);
        } else if (masks[reg]) {
            look->partly[reg] = true;
        }
    }
}

/* The field that an action reads, or leaves a part of; or NULL.  Of the flags
 * each stands for itself. */
static const struct mf_field *
get_read_field(const struct ofpact *a)
{
    const struct ofpact_set_field *sf;

    if (a->type == OFPACT_REG_MOVE) {
        return ofpact_get_REG_MOVE(a)->src.field;
    } else if (a->type != OFPACT_SET_FIELD) {
        return NULL;
    }
    sf = ofpact_get_SET_FIELD(a);
    return (sf->field->id == MFF_REG0 + SN_REG_FLAGS
            || is_all_ones(ofpact_set_field_mask(sf), sf->field->n_bytes)
            ? NULL : sf->field);
}

static void
look_at_actions(struct sym_look *look, const struct sym_flow *sf)
{
    const struct ofpact *a;

    /* Not what goes to conntrack: nobody reads it of a first packet. */
    OFPACT_FOR_EACH (a, sf->flow->ofpacts, sf->flow->ofpacts_len) {
        const struct mf_field *mf = get_read_field(a);
        const uint16_t *bytes;

        if (mf && header_field_bytes(mf, &bytes)) {
            for (int i = 0; i < mf->n_bytes; i++) {
                if (bytes[i] == HEADER_NOWHERE) {
                    continue;
                }
                look->mask[bytes[i]] = UINT8_MAX;
                if (is_within(bytes[i], HEADER_BYTE(regs),
                              4 * SYM_N_REGS)) {
                    look->partly[(bytes[i] - HEADER_BYTE(regs)) / 4] = true;
                }
            }
        }
    }
}

static int
compare_values(const void *a_, const void *b_)
{
    const uint32_t *a = a_;
    const uint32_t *b = b_;

    return *a < *b ? -1 : *a > *b;
}

static struct sym_look *
get_look(struct sym_table *t, uint32_t flags)
{
    size_t allocated[SYM_N_REGS] = { 0 };
    struct sym_look *look;
    uint16_t lowest = 0;

    HMAP_FOR_EACH_WITH_HASH (look, node, hash_int(flags, 0), &t->looks) {
        if (look->flags == flags) {
            return look;
        }
    }
    look = xzalloc(sizeof *look);
    look->flags = flags;
    hmap_insert(&t->looks, &look->node, hash_int(flags, 0));
    for (size_t i = 0; i < t->n_flows; i++) {
        enum relevance relevance = get_relevance(t->flows[i], flags);

        if (t->flows[i]->flow->priority < lowest) {
            break;
        }
        if (relevance != NEVER) {
            look_at_match(look, allocated, t->flows[i]);
            look_at_actions(look, t->flows[i]);
        }
        if (relevance == TAKES_ALL) {
            lowest = t->flows[i]->flow->priority;
        }
    }
    for (int reg = 0; reg < SYM_N_REGS; reg++) {
        if (look->n_values[reg]) {
            qsort(look->values[reg], look->n_values[reg],
                  sizeof *look->values[reg], compare_values);
        }
    }
    return look;
}

void
sym_looks_uninit(struct sym_table *t)
{
    struct sym_look *look;

    HMAP_FOR_EACH_POP (look, node, &t->looks) {
        for (int reg = 0; reg < SYM_N_REGS; reg++) {
            free(look->values[reg]);
        }
        free(look);
    }
    hmap_destroy(&t->looks);
}

static bool
looks_for(const struct sym_look *look, int reg, uint32_t value)
{
    return (look->partly[reg]
            || (look->n_values[reg]
                && bsearch(&value, look->values[reg], look->n_values[reg],
                           sizeof value, compare_values)));
}

/* A value of a register that no flow asks for is as good as any other. */
static void
forget_register(struct header *h, int reg,
                struct sym_look *const *looks, size_t n)
{
    static const uint32_t nobody = UINT32_MAX;
    uint32_t value, known;

    memcpy(&value, &h->value[HEADER_REG(reg)], sizeof value);
    memcpy(&known, &h->known[HEADER_REG(reg)], sizeof known);
    for (size_t i = 0; i < n; i++) {
        if (known != UINT32_MAX || looks_for(looks[i], reg, value)
            || looks_for(looks[i], reg, nobody)) {
            return;
        }
    }
    memset(&h->value[HEADER_REG(reg)], UINT8_MAX, sizeof value);
}

/* The tables from 'first' on; returns how many. */
static size_t
get_looks(struct sym *sym, int first, uint32_t flags,
          struct sym_look *looks[])
{
    size_t n = 0;

    for (int i = first; i < SYM_N_TABLES; i++) {
        if (sym->tables[i].n_flows) {
            looks[n++] = get_look(&sym->tables[i], flags);
        }
    }
    if (n && !looks[0]->has_onward) {
        looks[0]->has_onward = true;
        for (size_t i = 0; i < n; i++) {
            for (size_t j = 0; j < HEADER_SIZE; j++) {
                looks[0]->onward[j] |= looks[i]->mask[j];
            }
        }
    }
    return n;
}

/* One byte of the flags that any flow at all looks at from 'table' on. */
static uint8_t
matched_flags(const struct sym *sym, int table, size_t byte)
{
    uint8_t mask = 0;

    for (int i = table; i < SYM_N_TABLES; i++) {
        mask |= sym->tables[i].mask[HEADER_REG(SN_REG_FLAGS) + byte];
    }
    return mask;
}

static bool
is_wanted(const struct sym_look *look, int reg)
{
    uint32_t mask;

    memcpy(&mask, &look->onward[HEADER_REG(reg)], sizeof mask);
    return mask != 0;
}

space_set
sym_forget(struct sym *sym, int table, int next, struct header *h,
           space_set set)
{
    struct sym_look *looks[SYM_N_TABLES];
    size_t n = get_looks(sym, next, sym->flags_grow ? get_flags(h) : 0,
                         looks);

    for (int reg = 0; n && reg < SYM_N_REGS; reg++) {
        if (header_carries(h, reg) && !is_wanted(looks[0], reg)) {
            set = header_drop(sym->space, h, reg, set);
        }
    }
    for (size_t i = 0; n && i < HEADER_SIZE; i++) {
        if (!looks[0]->onward[i] && !header_byte_is_packet(i)) {
            header_set(h, i, 0, UINT8_MAX);
        }
    }
    for (size_t i = 0; i < 4; i++) {
        h->value[HEADER_REG(SN_REG_FLAGS) + i] &= matched_flags(sym, next, i);
    }
    for (int reg = 0; reg < SYM_N_REGS; reg++) {
        if (reg != SN_REG_FLAGS) {
            forget_register(h, reg, looks, n);
        }
        if (n && sym->carries[reg] && sym->tables[table].sets[reg]
            && !header_carries(h, reg) && is_wanted(looks[0], reg)) {
            set = header_carry(sym->space, h, reg, set);
        }
    }
    return set;
}
