#ifndef SN_FLOW_DIFF_H
#define SN_FLOW_DIFF_H 1

/* What to tell a switch so that 'installed' becomes 'desired'.  Flows with
 * somebody else's cookie are not ours to judge: the caller leaves them out of
 * 'installed'. */

#include <stddef.h>

struct flow_set;
struct sn_flow;

enum flow_op_type {
    FLOW_OP_ADD,                /* Not there. */
    FLOW_OP_MODIFY,             /* There, with other actions or cookie.  Send
                                 * it as an add: OpenFlow's modify leaves the
                                 * cookie as it was. */
    FLOW_OP_DELETE,             /* Strictly. */
};

struct flow_op {
    enum flow_op_type type;
    const struct sn_flow *flow; /* In 'desired', or for a delete in
                                 * 'installed'. */
};

/* Stores a malloc'd array of the differences in '*ret_ops' and returns its
 * length.  Ordered: deletes last, otherwise by table, priority and match, so
 * that equal inputs give equal outputs.  Points into both sets. */
size_t flow_diff(const struct flow_set *desired,
                 const struct flow_set *installed, struct flow_op **ret_ops);

/* Flows of a set in that order: a malloc'd array of hmap_count() pointers. */
const struct sn_flow **flow_set_sort(const struct flow_set *);

#endif /* flows/diff.h */
