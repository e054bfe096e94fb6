#include <config.h>
#include "agent/route.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netlink/msg.h>
#include <netlink/route/nexthop.h>
#include <netlink/route/route.h>
#include <string.h>
#include <sys/socket.h>

#include "agent/nlk.h"
#include "agent/route-lookup.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/vlog.h"
#include "sset.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(route);

#define IPV6_DEFAULT_METRIC 1024

void
route_list_add(struct route_list *list, const struct route *route)
{
    if (list->n >= list->allocated) {
        list->routes = x2nrealloc(list->routes, &list->allocated,
                                  sizeof *list->routes);
    }
    struct route *r = &list->routes[list->n++];
    *r = *route;
    r->dst = sn_prefix_network(&route->dst);
    if (!r->dst.is_v4 && !r->metric) {
        r->metric = IPV6_DEFAULT_METRIC;
    }
}

void
route_list_destroy(struct route_list *list)
{
    free(list->routes);
}

static char *
route_to_string(const struct route *route)
{
    struct ds ds = DS_EMPTY_INITIALIZER;
    char *dst = sn_prefix_to_string(&route->dst);
    char name[IF_NAMESIZE];

    ds_put_cstr(&ds, dst);
    free(dst);
    if (!route->oif) {
        ds_put_cstr(&ds, " unreachable");
    } else if (if_indextoname(route->oif, name)) {
        ds_put_format(&ds, " dev %s", name);
    } else {
        ds_put_format(&ds, " dev %d", route->oif);
    }
    if (route->table != RT_TABLE_MAIN) {
        ds_put_format(&ds, " table %"PRIu32, route->table);
    }
    return ds_steal_cstr(&ds);
}

/* Zero for two routes that the kernel takes for the same entry. */
static int
route_compare_key(const void *a_, const void *b_)
{
    const struct route *a = a_, *b = b_;
    int cmp = sn_prefix_compare(&a->dst, &b->dst);

    return (cmp ? cmp
            : a->table != b->table ? (a->table < b->table ? -1 : 1)
            : a->metric != b->metric ? (a->metric < b->metric ? -1 : 1)
            : 0);
}

static void
route_list_sort(struct route_list *list)
{
    if (list->n > 1) {
        qsort(list->routes, list->n, sizeof *list->routes,
              route_compare_key);
    }
}

/* 'list' must be sorted. */
static const struct route *
route_list_find(const struct route_list *list, const struct route *route)
{
    return (list->n ? bsearch(route, list->routes, list->n,
                              sizeof *list->routes, route_compare_key)
            : NULL);
}

static void
prefix_from_nl(struct nl_addr *addr, int family, struct sn_prefix *prefix)
{
    const uint8_t *binary = nl_addr_get_binary_addr(addr);
    unsigned int len = nl_addr_get_len(addr);

    memset(prefix, 0, sizeof *prefix);
    prefix->is_v4 = family == AF_INET;
    prefix->plen = nl_addr_get_prefixlen(addr);
    if (prefix->is_v4) {
        prefix->addr.s6_addr[10] = prefix->addr.s6_addr[11] = 0xff;
        if (len) {
            memcpy(&prefix->addr.s6_addr[12], binary, MIN(len, 4));
        }
    } else if (len) {
        memcpy(&prefix->addr, binary, MIN(len, 16));
    }
}

static struct nl_addr *
prefix_to_nl(const struct sn_prefix *prefix)
{
    struct nl_addr *addr = nl_addr_build(
        prefix->is_v4 ? AF_INET : AF_INET6,
        prefix->addr.s6_addr + (prefix->is_v4 ? 12 : 0),
        prefix->is_v4 ? 4 : 16);

    ovs_assert(addr);
    nl_addr_set_prefixlen(addr, prefix->plen);
    return addr;
}

/* Reads a message of the routing table.  False: not one of a kind that the
 * agent makes. */
static bool
route_from_msg(struct nlmsghdr *nlh, struct route *route)
{
    struct rtnl_route *rr;
    bool ok = false;

    if (nlh->nlmsg_type != RTM_NEWROUTE || rtnl_route_parse(nlh, &rr) < 0) {
        return false;
    }
    int type = rtnl_route_get_type(rr);
    struct nl_addr *dst = rtnl_route_get_dst(rr);
    if (dst && (type == RTN_UNICAST || type == RTN_UNREACHABLE)
        && !(rtnl_route_get_flags(rr) & RTM_F_CLONED)) {
        struct rtnl_nexthop *nh = rtnl_route_nexthop_n(rr, 0);

        memset(route, 0, sizeof *route);
        prefix_from_nl(dst, rtnl_route_get_family(rr), &route->dst);
        route->table = rtnl_route_get_table(rr);
        route->metric = rtnl_route_get_priority(rr);
        /* IPv6 gives an unreachable route the device "lo". */
        if (type == RTN_UNICAST && nh) {
            route->oif = rtnl_route_nh_get_ifindex(nh);
        }
        ok = true;
    }
    rtnl_route_put(rr);
    return ok;
}

static void
route_dump_cb(struct nlmsghdr *nlh, void *list_)
{
    struct route_list *list = list_;
    struct route route;

    if (route_from_msg(nlh, &route)) {
        route_list_add(list, &route);
    }
}

/* Reads the routes of 'protocol' (0: of any), 'table' (0: any). */
static int
route_dump(struct nlk *nlk, int family, int protocol, uint32_t table,
           struct route_list *list)
{
    struct rtmsg rtm = { .rtm_family = family, .rtm_protocol = protocol };
    struct nl_msg *msg = nlmsg_alloc_simple(RTM_GETROUTE, NLM_F_DUMP);

    nlmsg_append(msg, &rtm, sizeof rtm, NLMSG_ALIGNTO);
    if (table) {
        nla_put_u32(msg, RTA_TABLE, table);
    }
    return nlk_dump(nlk_strict_sock(nlk), msg, route_dump_cb, list);
}

static struct rtnl_route *
route_to_libnl(const struct route *route)
{
    struct rtnl_route *rr = rtnl_route_alloc();
    struct nl_addr *dst = prefix_to_nl(&route->dst);

    rtnl_route_set_family(rr, route->dst.is_v4 ? AF_INET : AF_INET6);
    rtnl_route_set_dst(rr, dst);
    nl_addr_put(dst);
    rtnl_route_set_table(rr, route->table);
    rtnl_route_set_protocol(rr, SN_RTPROT);
    rtnl_route_set_priority(rr, route->metric);
    if (route->oif) {
        struct rtnl_nexthop *nh = rtnl_route_nh_alloc();

        rtnl_route_nh_set_ifindex(nh, route->oif);
        rtnl_route_add_nexthop(rr, nh);
        rtnl_route_set_type(rr, RTN_UNICAST);
        rtnl_route_set_scope(rr, RT_SCOPE_LINK);
    } else {
        rtnl_route_set_type(rr, RTN_UNREACHABLE);
        rtnl_route_set_scope(rr, RT_SCOPE_UNIVERSE);
    }
    return rr;
}

/* The interface went down since the links were read: the event about it is
 * on its way and with it the next pass. */
static bool
link_just_went(int error)
{
    return error == ENETDOWN || error == ENODEV;
}

enum route_op { ROUTE_ADD, ROUTE_REPLACE, ROUTE_DELETE };

static int
route_change(struct nlk *nlk, enum route_op op, const struct route *route)
{
    static const char *const verbs[] = { "add", "replace", "delete" };
    static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(5, 20);
    static struct vlog_rate_limit info_rl = VLOG_RATE_LIMIT_INIT(20, 100);
    struct rtnl_route *rr = route_to_libnl(route);
    struct nl_msg *msg;
    int error = EINVAL;

    if (op == ROUTE_DELETE) {
        if (!rtnl_route_build_del_request(rr, 0, &msg)) {
            error = nlk_write(nlk, msg);
        }
    } else {
        int flags = NLM_F_CREATE | (op == ROUTE_ADD ? NLM_F_EXCL
                                    : NLM_F_REPLACE);

        if (!rtnl_route_build_add_request(rr, flags, &msg)) {
            error = nlk_write(nlk, msg);
        }
    }
    rtnl_route_put(rr);

    char *s = route_to_string(route);
    if (link_just_went(error) || error == EEXIST) {
        VLOG_DBG("%s route %s: %s", verbs[op], s, ovs_strerror(error));
    } else if (error) {
        VLOG_WARN_RL(&rl, "%s route %s: %s", verbs[op], s,
                     ovs_strerror(error));
    } else {
        VLOG_INFO_RL(&info_rl, "%s route %s", verbs[op], s);
    }
    free(s);
    return error;
}

/* Somebody else's route stands where ours should.  It may as well say the
 * same. */
static bool
route_foreign_serves(struct nlk *nlk, const struct route *route)
{
    struct route_list list = { .n = 0 };
    const struct route *found;
    bool serves;

    route_dump(nlk, route->dst.is_v4 ? AF_INET : AF_INET6, 0, route->table,
               &list);
    route_list_sort(&list);
    found = route_list_find(&list, route);
    serves = found && found->oif == route->oif;
    route_list_destroy(&list);
    return serves;
}

static int
route_add_problem(struct sset *problems, const struct route *route, int error)
{
    char *s;

    if (link_just_went(error)) {
        return error;
    }
    s = route_to_string(route);
    if (error == EEXIST) {
        sset_add_and_free(problems, xasprintf(
            "route %s: another route with this destination and metric is in "
            "the way; remove it or give another metric", s));
    } else {
        sset_add_and_free(problems, xasprintf("route %s: %s", s,
                                              ovs_strerror(error)));
    }
    free(s);
    return error == EEXIST ? 0 : error;
}

static int
route_sync_one(struct nlk *nlk, const struct route_list *actual,
               const struct route *want, struct sset *problems)
{
    const struct route *have = route_list_find(actual, want);
    int error;

    if (have && have->oif == want->oif) {
        return 0;
    } else if (have && !have->oif == !want->oif) {
        error = route_change(nlk, ROUTE_REPLACE, want);
    } else if (have) {
        /* Another type: IPv6 does not replace one by the other. */
        route_change(nlk, ROUTE_DELETE, have);
        error = route_change(nlk, ROUTE_ADD, want);
    } else {
        error = route_change(nlk, ROUTE_ADD, want);
        if (error == EEXIST && route_foreign_serves(nlk, want)) {
            return 0;
        }
    }
    return error ? route_add_problem(problems, want, error) : 0;
}

int
route_sync(struct nlk *nlk, struct route_list *wanted,
           struct sset *problems)
{
    struct route_list actual = { .n = 0 };
    int error = route_dump(nlk, AF_INET, SN_RTPROT, 0, &actual);

    /* A kernel without IPv6 fails here; wanted IPv6 routes then do so too. */
    route_dump(nlk, AF_INET6, SN_RTPROT, 0, &actual);
    if (error) {
        route_list_destroy(&actual);
        return error;
    }
    route_list_sort(&actual);
    route_list_sort(wanted);
    for (size_t i = 0; i < wanted->n; i++) {
        int retval = route_sync_one(nlk, &actual, &wanted->routes[i],
                                    problems);
        error = error ? error : retval;
    }
    for (size_t i = 0; i < actual.n; i++) {
        if (!route_list_find(wanted, &actual.routes[i])) {
            int retval = route_change(nlk, ROUTE_DELETE, &actual.routes[i]);
            error = error || retval == ESRCH ? error : retval;
        }
    }
    route_list_destroy(&actual);
    return error;
}

static void
route_oif_cb(struct nlmsghdr *nlh, void *oif_)
{
    struct nlattr *a = nlmsg_find_attr(nlh, sizeof(struct rtmsg), RTA_OIF);

    if (a) {
        *(int *) oif_ = nla_get_u32(a);
    }
}

int
route_find_forward(struct nlk *nlk, int iif, const struct sn_prefix *src,
                   const struct sn_prefix *dst)
{
    struct route_answer answer;

    route_lookup(nlk, iif, src, dst, &answer);
    return (answer.error == EHOSTUNREACH || answer.error == ENETUNREACH ? 0
            : answer.error ? -answer.error : answer.oif);
}

int
route_find_oif(struct nlk *nlk, const struct sockaddr_storage *dst)
{
    const struct sockaddr_in *sin = (const void *) dst;
    const struct sockaddr_in6 *sin6 = (const void *) dst;
    bool is_v4 = dst->ss_family == AF_INET;
    struct rtmsg rtm = {
        .rtm_family = dst->ss_family, .rtm_dst_len = is_v4 ? 32 : 128,
    };
    struct nl_msg *msg = nlmsg_alloc_simple(RTM_GETROUTE, 0);
    int oif = 0;

    nlmsg_append(msg, &rtm, sizeof rtm, NLMSG_ALIGNTO);
    if (is_v4) {
        nla_put(msg, RTA_DST, 4, &sin->sin_addr);
    } else {
        nla_put(msg, RTA_DST, 16, &sin6->sin6_addr);
    }
    return (nlk_dump(nlk_strict_sock(nlk), msg, route_oif_cb, &oif) ? 0
            : oif);
}

bool
route_has_ra_default(struct nlk *nlk, int ifindex)
{
    struct route_list list = { .n = 0 };
    bool found = false;

    route_dump(nlk, AF_INET6, RTPROT_RA, 0, &list);
    for (size_t i = 0; i < list.n && !found; i++) {
        found = !list.routes[i].dst.plen && list.routes[i].oif == ifindex;
    }
    route_list_destroy(&list);
    return found;
}
