#include <config.h>

#include "flows/diff.h"

#include <stdlib.h>
#include <string.h>
#include "flows/compiler.h"
#include "openvswitch/util.h"
#include "util.h"

static int
minimatch_compare(const struct minimatch *a, const struct minimatch *b)
{
    struct match ma, mb;

    minimatch_expand(a, &ma);
    minimatch_expand(b, &mb);
    int cmp = memcmp(&ma.wc, &mb.wc, sizeof ma.wc);
    return cmp ? cmp : memcmp(&ma.flow, &mb.flow, sizeof ma.flow);
}

static int
compare_flows(const struct sn_flow *a, const struct sn_flow *b)
{
    if (a->table_id != b->table_id) {
        return a->table_id < b->table_id ? -1 : 1;
    } else if (a->priority != b->priority) {
        return a->priority > b->priority ? -1 : 1;
    } else {
        return minimatch_compare(&a->match, &b->match);
    }
}

static int
compare_flow_ptrs(const void *a_, const void *b_)
{
    const struct sn_flow *const *a = a_;
    const struct sn_flow *const *b = b_;
    return compare_flows(*a, *b);
}

static int
compare_ops(const void *a_, const void *b_)
{
    const struct flow_op *a = a_;
    const struct flow_op *b = b_;
    bool a_delete = a->type == FLOW_OP_DELETE;
    bool b_delete = b->type == FLOW_OP_DELETE;

    if (a_delete != b_delete) {
        return a_delete ? 1 : -1;
    }
    return compare_flows(a->flow, b->flow);
}

size_t
flow_diff(const struct flow_set *desired, const struct flow_set *installed,
          struct flow_op **ret_ops)
{
    struct flow_op *ops = NULL;
    size_t n = 0, allocated = 0;
    const struct sn_flow *flow, *old;

#define PUT_OP(TYPE, FLOW)                                                   \
    do {                                                                     \
        if (n >= allocated) {                                                \
            ops = x2nrealloc(ops, &allocated, sizeof *ops);                  \
        }                                                                    \
        ops[n++] = (struct flow_op) { TYPE, FLOW };                          \
    } while (0)

    HMAP_FOR_EACH (flow, hmap_node, &desired->flows) {
        old = flow_set_find(installed, flow);
        if (!old) {
            PUT_OP(FLOW_OP_ADD, flow);
        } else if (!sn_flow_same_content(old, flow)) {
            PUT_OP(FLOW_OP_MODIFY, flow);
        }
    }
    HMAP_FOR_EACH (flow, hmap_node, &installed->flows) {
        if (!flow_set_find(desired, flow)) {
            PUT_OP(FLOW_OP_DELETE, flow);
        }
    }
#undef PUT_OP
    if (n) {
        qsort(ops, n, sizeof *ops, compare_ops);
    }
    *ret_ops = ops;
    return n;
}

const struct sn_flow **
flow_set_sort(const struct flow_set *set)
{
    const struct sn_flow **flows
        = xmalloc((hmap_count(&set->flows) + 1) * sizeof *flows);
    const struct sn_flow *flow;
    size_t n = 0;

    HMAP_FOR_EACH (flow, hmap_node, &set->flows) {
        flows[n++] = flow;
    }
    qsort(flows, n, sizeof *flows, compare_flow_ptrs);
    return flows;
}
