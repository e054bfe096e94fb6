#include <config.h>
#include "agent/route-lookup.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <netlink/cache.h>
#include <netlink/msg.h>
#include <netlink/route/rule.h>
#include <stdlib.h>
#include <string.h>

#include "agent/nlk.h"
#include "openvswitch/dynamic-string.h"
#include "util.h"

static const void *
address_bytes(const struct sn_prefix *p)
{
    return p->addr.s6_addr + (p->is_v4 ? 12 : 0);
}

static struct sn_prefix
address_from_bytes(bool is_v4, const void *bytes, int len, uint8_t plen)
{
    struct sn_prefix p = { .is_v4 = is_v4, .plen = plen };

    if (is_v4) {
        p.addr.s6_addr[10] = p.addr.s6_addr[11] = 0xff;
    }
    if (bytes) {
        memcpy(p.addr.s6_addr + (is_v4 ? 12 : 0), bytes,
               MIN(len, is_v4 ? 4 : 16));
    }
    return p;
}

static void
take_answer(struct nlmsghdr *nlh, void *answer_)
{
    struct route_answer *answer = answer_;
    const struct rtmsg *rtm = nlmsg_data(nlh);
    bool is_v4 = rtm->rtm_family == AF_INET;
    struct nlattr *a;

    answer->local = rtm->rtm_type == RTN_LOCAL;
    answer->table = rtm->rtm_table;
    if ((a = nlmsg_find_attr(nlh, sizeof *rtm, RTA_TABLE))) {
        answer->table = nla_get_u32(a);
    }
    if ((a = nlmsg_find_attr(nlh, sizeof *rtm, RTA_OIF))) {
        answer->oif = nla_get_u32(a);
    }
    a = nlmsg_find_attr(nlh, sizeof *rtm, RTA_DST);
    answer->has_dst = a || !rtm->rtm_dst_len;
    if (answer->has_dst) {
        answer->dst = address_from_bytes(is_v4, a ? nla_data(a) : NULL,
                                         a ? nla_len(a) : 0,
                                         rtm->rtm_dst_len);
    }
    if ((a = nlmsg_find_attr(nlh, sizeof *rtm, RTA_PREFSRC))) {
        answer->has_source = true;
        answer->source = address_from_bytes(is_v4, nla_data(a), nla_len(a),
                                            is_v4 ? 32 : 128);
    }
    if (rtm->rtm_type == RTN_UNREACHABLE) {
        answer->error = EHOSTUNREACH;
    } else if (rtm->rtm_type == RTN_BLACKHOLE) {
        answer->error = EINVAL;
    } else if (rtm->rtm_type == RTN_PROHIBIT) {
        answer->error = EACCES;
    }
}

static int
ask(struct nlk *nlk, int iif, const struct sn_prefix *src,
    const struct sn_prefix *dst, unsigned int flags,
    struct route_answer *answer)
{
    int len = dst->is_v4 ? 4 : 16;
    struct rtmsg rtm = {
        .rtm_family = dst->is_v4 ? AF_INET : AF_INET6,
        .rtm_src_len = src ? 8 * len : 0, .rtm_dst_len = 8 * len,
        /* IPv6 does not know that one, and tells the table anyway. */
        .rtm_flags = flags | (dst->is_v4 ? RTM_F_LOOKUP_TABLE : 0),
    };
    struct nl_msg *msg = nlmsg_alloc_simple(RTM_GETROUTE, 0);

    nlmsg_append(msg, &rtm, sizeof rtm, NLMSG_ALIGNTO);
    if (src) {
        nla_put(msg, RTA_SRC, len, address_bytes(src));
    }
    nla_put(msg, RTA_DST, len, address_bytes(dst));
    if (iif) {
        nla_put_u32(msg, RTA_IIF, iif);
    }
    return nlk_dump(nlk_strict_sock(nlk), msg, take_answer, answer);
}

/* With RTM_F_FIB_MATCH the kernel says which route it is, without, which
 * source it would use. */
void
route_lookup(struct nlk *nlk, int iif, const struct sn_prefix *src,
             const struct sn_prefix *dst, struct route_answer *ret)
{
    struct route_answer chosen = { .error = 0 };
    int error;

    *ret = (struct route_answer) { .error = 0 };
    error = ask(nlk, iif, src, dst, RTM_F_FIB_MATCH, ret);
    if (error) {
        ret->error = error;
    } else if (!iif && !ask(nlk, 0, src, dst, 0, &chosen)) {
        ret->has_source = chosen.has_source;
        ret->source = chosen.source;
    }
}

/* Policy rules. */

static bool
selector_matches(struct nl_addr *selector, const struct sn_prefix *address)
{
    if (!selector || !nl_addr_get_prefixlen(selector)) {
        return true;
    } else if ((nl_addr_get_family(selector) == AF_INET) != address->is_v4) {
        return false;
    }

    struct sn_prefix net = address_from_bytes(
        address->is_v4, nl_addr_get_binary_addr(selector),
        nl_addr_get_len(selector), nl_addr_get_prefixlen(selector));
    return sn_prefix_contains(&net, address);
}

static bool
is_refusal(uint8_t action)
{
    return (action == FR_ACT_UNREACHABLE || action == FR_ACT_PROHIBIT
            || action == FR_ACT_BLACKHOLE);
}

static bool
rule_applies(struct rtnl_rule *rr, const char *iif,
             const struct sn_prefix *src, const struct sn_prefix *dst,
             uint32_t table)
{
    const char *rule_iif = rtnl_rule_get_iif(rr);
    const char *rule_oif = rtnl_rule_get_oif(rr);
    uint8_t action = rtnl_rule_get_action(rr);

    return (rtnl_rule_get_family(rr) == (dst->is_v4 ? AF_INET : AF_INET6)
            && (!rule_iif || !rule_iif[0]
                || !strcmp(rule_iif, iif ? iif : "lo"))
            && (!rule_oif || !rule_oif[0])
            && (!src || selector_matches(rtnl_rule_get_src(rr), src))
            && selector_matches(rtnl_rule_get_dst(rr), dst)
            && (table ? action == FR_ACT_TO_TBL
                        && rtnl_rule_get_table(rr) == table
                : is_refusal(action)));
}

static char *
rule_to_string(struct rtnl_rule *rr)
{
    struct ds s = DS_EMPTY_INITIALIZER;
    const char *iif = rtnl_rule_get_iif(rr);
    uint8_t action = rtnl_rule_get_action(rr);
    char buf[INET6_ADDRSTRLEN + 5];

    ds_put_format(&s, "%"PRIu32":", rtnl_rule_get_prio(rr));
    if (rtnl_rule_get_src(rr)) {
        ds_put_format(&s, " from %s", nl_addr2str(rtnl_rule_get_src(rr), buf,
                                                  sizeof buf));
    }
    if (rtnl_rule_get_dst(rr)) {
        ds_put_format(&s, " to %s", nl_addr2str(rtnl_rule_get_dst(rr), buf,
                                                sizeof buf));
    }
    if (iif && iif[0]) {
        ds_put_format(&s, " iif %s", iif);
    }
    if (action == FR_ACT_TO_TBL) {
        ds_put_format(&s, " lookup %"PRIu32, rtnl_rule_get_table(rr));
    } else {
        ds_put_format(&s, " %s", action == FR_ACT_UNREACHABLE ? "unreachable"
                      : action == FR_ACT_PROHIBIT ? "prohibit"
                      : "blackhole");
    }
    return ds_steal_cstr(&s);
}

char *
route_explain_rule(struct nlk *nlk, const char *iif,
                   const struct sn_prefix *src, const struct sn_prefix *dst,
                   uint32_t table)
{
    struct rtnl_rule *first = NULL;
    struct nl_cache *cache;
    struct nl_object *obj;

    if (rtnl_rule_alloc_cache(nlk_route_sock(nlk),
                              dst->is_v4 ? AF_INET : AF_INET6,
                              &cache) < 0) {
        return NULL;
    }
    for (obj = nl_cache_get_first(cache); obj; obj = nl_cache_get_next(obj)) {
        struct rtnl_rule *rr = (struct rtnl_rule *) obj;

        if (rule_applies(rr, iif, src, dst, table)
            && (!first
                || rtnl_rule_get_prio(rr) < rtnl_rule_get_prio(first))) {
            first = rr;
        }
    }
    char *text = first ? rule_to_string(first) : NULL;
    nl_cache_free(cache);
    return text;
}
