#include <config.h>
#include "agent/queues.h"

#include <errno.h>
#include <linux/if_ether.h>
#include <linux/pkt_sched.h>
#include <netlink/cache.h>
#include <netlink/msg.h>
#include <netlink/route/class.h>
#include <netlink/route/classifier.h>
#include <netlink/route/cls/u32.h>
#include <netlink/route/qdisc.h>
#include <netlink/route/qdisc/fifo.h>
#include <netlink/route/qdisc/htb.h>
#include <netlink/route/tc.h>
#include <string.h>

#include "agent/link.h"
#include "agent/nlk.h"
#include "agent/plan.h"
#include "openvswitch/util.h"
#include "sset.h"
#include "state/model.h"
#include "util.h"

/* Ours are known by the handle of the root. */
#define ROOT TC_HANDLE(0x53, 0)
#define WHOLE TC_HANDLE(0x53, 1)
#define QUANTUM 3000

static const struct queue {
    enum model_class class;
    uint32_t minor;
    int percent;                /* Guaranteed; any takes all that is free. */
    int prio;                   /* Who takes it first. */
} queues[] = {
    { CLASS_REALTIME, 0x10, 20, 0 },
    { CLASS_INTERACTIVE, 0x20, 25, 1 },
    { CLASS_NORMAL, 0x30, 45, 2 },      /* Whatever has another mark. */
    { CLASS_BULK, 0x40, 10, 3 },
};

static uint32_t
queue_handle(const struct queue *q)
{
    return TC_HANDLE(0x53, q->minor);
}

/* Bytes per second. */
static uint32_t
queue_rate(const struct plan *plan, int percent)
{
    return MIN(UINT64_C(125) * plan->mesh_kbps * percent / 100, UINT32_MAX);
}

/* What is there. */

static int
find_root(struct nlk *nlk, int ifindex, bool *ret_ours)
{
    struct nl_cache *cache;
    struct nl_object *obj;

    *ret_ours = false;
    if (rtnl_qdisc_alloc_cache(nlk_route_sock(nlk), &cache) < 0) {
        return errno ? errno : EPROTO;
    }
    for (obj = nl_cache_get_first(cache); obj; obj = nl_cache_get_next(obj)) {
        struct rtnl_tc *tc = TC_CAST(obj);

        if (rtnl_tc_get_ifindex(tc) == ifindex
            && rtnl_tc_get_parent(tc) == TC_H_ROOT
            && rtnl_tc_get_handle(tc) == ROOT) {
            *ret_ours = true;
        }
    }
    nl_cache_free(cache);
    return 0;
}

static bool
class_is_right(struct nl_cache *cache, uint32_t handle, uint32_t rate,
               uint32_t ceil, int prio)
{
    struct nl_object *obj;

    for (obj = nl_cache_get_first(cache); obj; obj = nl_cache_get_next(obj)) {
        struct rtnl_class *class = (struct rtnl_class *) obj;

        if (rtnl_tc_get_handle(TC_CAST(class)) == handle) {
            return (rtnl_htb_get_rate(class) == rate
                    && rtnl_htb_get_ceil(class) == ceil
                    && (prio < 0 || rtnl_htb_get_prio(class) == prio));
        }
    }
    return false;
}

static bool
classes_are_right(struct nlk *nlk, const struct plan *plan, int ifindex)
{
    uint32_t ceil = queue_rate(plan, 100);
    struct nl_cache *cache;

    if (rtnl_class_alloc_cache(nlk_route_sock(nlk), ifindex, &cache) < 0) {
        return false;
    }

    bool right = class_is_right(cache, WHOLE, ceil, ceil, -1);
    for (size_t i = 0; i < ARRAY_SIZE(queues); i++) {
        right = right && class_is_right(cache, queue_handle(&queues[i]),
                                        queue_rate(plan, queues[i].percent),
                                        ceil, queues[i].prio);
    }
    nl_cache_free(cache);
    return right;
}

/* One per class but the default, and family. */
#define N_FILTERS (2 * (ARRAY_SIZE(queues) - 1))

static bool
filters_are_right(struct nlk *nlk, int ifindex)
{
    struct nl_cache *cache;
    struct nl_object *obj;
    size_t n = 0;

    if (rtnl_cls_alloc_cache(nlk_route_sock(nlk), ifindex, ROOT, &cache)
        < 0) {
        return false;
    }
    for (obj = nl_cache_get_first(cache); obj; obj = nl_cache_get_next(obj)) {
        uint32_t classid;

        n += !rtnl_u32_get_classid((struct rtnl_cls *) obj, &classid);
    }
    nl_cache_free(cache);
    return n == N_FILTERS;
}

/* Making it.  Each returns 0 or an errno. */

static struct rtnl_tc *
tc_init(struct rtnl_tc *tc, int ifindex, uint32_t parent, uint32_t handle,
        const char *kind)
{
    rtnl_tc_set_ifindex(tc, ifindex);
    rtnl_tc_set_parent(tc, parent);
    if (handle) {
        rtnl_tc_set_handle(tc, handle);
    }
    ignore(rtnl_tc_set_kind(tc, kind));
    return tc;
}

static int
send_built(struct nlk *nlk, int error, struct nl_msg *msg)
{
    return error < 0 ? EINVAL : nlk_write(nlk, msg);
}

static int
remove_root(struct nlk *nlk, int ifindex)
{
    struct rtnl_qdisc *qdisc = rtnl_qdisc_alloc();
    struct nl_msg *msg;

    tc_init(TC_CAST(qdisc), ifindex, TC_H_ROOT, ROOT, "htb");

    int error = rtnl_qdisc_build_delete_request(qdisc, &msg);
    error = send_built(nlk, error, msg);
    rtnl_qdisc_put(qdisc);
    return error;
}

static int
add_root(struct nlk *nlk, int ifindex)
{
    struct rtnl_qdisc *qdisc = rtnl_qdisc_alloc();
    struct nl_msg *msg;

    tc_init(TC_CAST(qdisc), ifindex, TC_H_ROOT, ROOT, "htb");
    rtnl_htb_set_defcls(qdisc, 0x30);

    int error = rtnl_qdisc_build_add_request(qdisc, NLM_F_CREATE, &msg);
    error = send_built(nlk, error, msg);
    rtnl_qdisc_put(qdisc);
    return error;
}

static int
add_class(struct nlk *nlk, const struct link *link, uint32_t parent,
          uint32_t handle, uint32_t rate, uint32_t ceil, int prio)
{
    struct rtnl_class *class = rtnl_class_alloc();
    struct nl_msg *msg;

    tc_init(TC_CAST(class), link->ifindex, parent, handle, "htb");
    rtnl_tc_set_mtu(TC_CAST(class), link->mtu);
    rtnl_htb_set_rate(class, rate);
    rtnl_htb_set_ceil(class, ceil);
    rtnl_htb_set_prio(class, prio);
    rtnl_htb_set_quantum(class, QUANTUM);

    int error = rtnl_class_build_add_request(class, NLM_F_CREATE, &msg);
    error = send_built(nlk, error, msg);
    rtnl_class_put(class);
    return error;
}

/* No queue may grow so long that it is of no use to be first in it: a tenth of
 * a second, where the kernel has nothing better. */
static int
add_leaf(struct nlk *nlk, const struct plan *plan, int ifindex,
         const struct queue *q)
{
    static const char *const kinds[] = { "fq_codel", "pfifo" };
    int limit = queue_rate(plan, q->percent) / 10 / 1500;
    int error = ENOENT;

    for (size_t i = 0; error == ENOENT && i < ARRAY_SIZE(kinds); i++) {
        struct rtnl_qdisc *qdisc = rtnl_qdisc_alloc();
        struct nl_msg *msg;

        tc_init(TC_CAST(qdisc), ifindex, queue_handle(q),
                TC_HANDLE(0x5300 + q->minor, 0), kinds[i]);
        if (!strcmp(kinds[i], "pfifo")) {
            rtnl_qdisc_fifo_set_limit(qdisc, MIN(MAX(limit, 50), 1000));
        }
        error = rtnl_qdisc_build_add_request(qdisc, NLM_F_CREATE, &msg);
        error = send_built(nlk, error, msg);
        rtnl_qdisc_put(qdisc);
    }
    return error;
}

/* The mesh interface has no link header: the packet begins with its version,
 * and the DSCP follows after eight bits, of IPv6 after four. */
static int
add_filter(struct nlk *nlk, int ifindex, const struct queue *q, bool is_v4)
{
    int shift = is_v4 ? 18 : 22;
    uint32_t value = (uint32_t) model_class_dscp(q->class) << shift;
    struct rtnl_cls *cls = rtnl_cls_alloc();
    struct nl_msg *msg;

    tc_init(TC_CAST(cls), ifindex, ROOT, 0, "u32");
    rtnl_cls_set_prio(cls, is_v4 ? 4 : 6);
    rtnl_cls_set_protocol(cls, is_v4 ? ETH_P_IP : ETH_P_IPV6);
    rtnl_u32_set_classid(cls, queue_handle(q));
    rtnl_u32_add_key_uint32(cls, value, UINT32_C(0x3f) << shift, 0, 0);
    rtnl_u32_set_cls_terminal(cls);

    int error = rtnl_cls_build_add_request(cls, NLM_F_CREATE, &msg);
    error = send_built(nlk, error, msg);
    rtnl_cls_put(cls);
    return error;
}

static int
build_queues(struct nlk *nlk, const struct plan *plan,
             const struct link *link)
{
    uint32_t ceil = queue_rate(plan, 100);
    int error = add_root(nlk, link->ifindex);

    if (!error) {
        error = add_class(nlk, link, ROOT, WHOLE, ceil, ceil, 0);
    }
    for (size_t i = 0; !error && i < ARRAY_SIZE(queues); i++) {
        const struct queue *q = &queues[i];

        error = add_class(nlk, link, WHOLE, queue_handle(q),
                          queue_rate(plan, q->percent), ceil, q->prio);
        if (!error) {
            error = add_leaf(nlk, plan, link->ifindex, q);
        }
        for (int is_v4 = 0; !error && is_v4 < 2
                            && q->class != CLASS_NORMAL; is_v4++) {
            error = add_filter(nlk, link->ifindex, q, is_v4);
        }
    }
    return error;
}

void
queues_sync(struct nlk *nlk, const struct links *links,
            const struct plan *plan, struct sset *problems)
{
    const struct link *link = links_find(links, plan->interface);
    bool ours;

    if (!link) {
        return;                 /* Another pass will see it. */
    }

    int error = find_root(nlk, link->ifindex, &ours);
    if (!error && ours && plan->mesh_kbps
        && classes_are_right(nlk, plan, link->ifindex)
        && filters_are_right(nlk, link->ifindex)) {
        return;
    }
    if (!error && ours) {
        error = remove_root(nlk, link->ifindex);
    }
    if (!error && plan->mesh_kbps) {
        error = build_queues(nlk, plan, link);
    }
    if (error) {
        sset_add_and_free(problems, xasprintf(
            "networking.mesh_rate: cannot queue on %s (%s): classes are not "
            "enforced", plan->interface, ovs_strerror(error)));
    }
}
