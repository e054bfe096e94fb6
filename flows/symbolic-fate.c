#include <config.h>

#include "flows/symbolic-private.h"

#include <string.h>
#include "flows/compiler.h"
#include "flows/regs.h"
#include "openvswitch/ofp-actions.h"

/* Whether it makes a difference which of two flows a packet meets. */

static bool
is_accounting(const struct ofpact *a)
{
    return (a->type == OFPACT_METER || a->type == OFPACT_NOTE
            || a->type == OFPACT_SET_IP_DSCP
            || (a->type == OFPACT_SET_FIELD
                && ofpact_get_SET_FIELD(a)->field->id
                   == MFF_REG0 + SN_REG_RULE));
}

static const struct ofpact *
skip_accounting(const struct ofpact *a, const struct ofpact *end)
{
    while (a < end && is_accounting(a)) {
        a = ofpact_next(a);
    }
    return a;
}

/* Between the value of a field and its mask there may be anything. */
static bool
is_same_action(const struct ofpact *a, const struct ofpact *b)
{
    if (a->type != b->type || a->len != b->len) {
        return false;
    } else if (a->type == OFPACT_SET_FIELD) {
        const struct ofpact_set_field *x = ofpact_get_SET_FIELD(a);
        const struct ofpact_set_field *y = ofpact_get_SET_FIELD(b);
        size_t n = x->field->n_bytes;

        return (x->field == y->field && !memcmp(x->value, y->value, n)
                && !memcmp(ofpact_set_field_mask(x),
                           ofpact_set_field_mask(y), n));
    }
    return !memcmp(a, b, a->len);
}

bool
sym_have_same_fate(const struct sn_flow *x, const struct sn_flow *y,
                   bool strict)
{
    const struct ofpact *x_end = ofpact_end(x->ofpacts, x->ofpacts_len);
    const struct ofpact *y_end = ofpact_end(y->ofpacts, y->ofpacts_len);
    const struct ofpact *a = x->ofpacts, *b = y->ofpacts;

    for (;;) {
        if (!strict) {
            a = skip_accounting(a, x_end);
            b = skip_accounting(b, y_end);
        }
        if (a >= x_end || b >= y_end) {
            return a >= x_end && b >= y_end;
        } else if (!is_same_action(a, b)) {
            return false;
        }
        a = ofpact_next(a);
        b = ofpact_next(b);
    }
}
