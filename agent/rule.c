#include <config.h>
#include "agent/rule.h"

#include <errno.h>
#include <linux/fib_rules.h>
#include <netlink/cache.h>
#include <netlink/route/rule.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "agent/nlk.h"
#include "openvswitch/vlog.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(rule);

static bool
rule_is_ours(struct rtnl_rule *rr)
{
    uint8_t protocol;

    return !rtnl_rule_get_protocol(rr, &protocol) && protocol == SN_RTPROT;
}

/* libnl gives "" or NULL for none. */
static struct rule
rule_read(struct rtnl_rule *rr)
{
    const char *iif = rtnl_rule_get_iif(rr);
    const char *oif = rtnl_rule_get_oif(rr);
    struct nl_addr *src = rtnl_rule_get_src(rr);
    bool outgoing = oif && oif[0];
    struct rule rule = {
        .interface = outgoing ? oif : iif ? iif : "",
        .outgoing = outgoing,
        .table = rtnl_rule_get_table(rr),
    };

    if (src && nl_addr_get_len(src)
        && nl_addr_get_prefixlen(src) == 8 * nl_addr_get_len(src)) {
        rule.from = sn_prefix_from_bytes(nl_addr_get_binary_addr(src),
                                         nl_addr_get_len(src) == 4);
    }
    return rule;
}

static uint32_t
rule_priority(const struct rule *rule)
{
    return RULE_PRIORITY + (rule->from.plen ? 2 : rule->outgoing);
}

static bool
rule_matches(struct rtnl_rule *rr, const struct rule *rule)
{
    struct rule found = rule_read(rr);

    return (!strcmp(found.interface, rule->interface)
            && found.outgoing == rule->outgoing
            && sn_prefix_equals(&found.from, &rule->from)
            && rtnl_rule_get_table(rr) == rule->table
            && rtnl_rule_get_prio(rr) == rule_priority(rule));
}

static void
rule_log(const char *verb, int family, const struct rule *rule, int error)
{
    static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(5, 20);
    char *from = (rule->from.plen ? sn_prefix_addr_to_string(&rule->from)
                  : NULL);

    VLOG_RL(&rl, error ? VLL_WARN : VLL_INFO,
            "%s IPv%d rule %s %s lookup %u%s%s", verb,
            family == AF_INET ? 4 : 6, from ? "from"
            : rule->outgoing ? "oif" : "iif", from ? from : rule->interface,
            rule->table, error ? ": " : "",
            error ? ovs_strerror(error) : "");
    free(from);
}

static int
rule_add(struct nlk *nlk, int family, const struct rule *rule)
{
    struct rtnl_rule *rr = rtnl_rule_alloc();
    struct nl_msg *msg;
    int error = EINVAL;

    rtnl_rule_set_family(rr, family);
    if (rule->from.plen) {
        const uint8_t *bytes = rule->from.addr.s6_addr;
        struct nl_addr *src = nl_addr_build(
            family, family == AF_INET ? bytes + 12 : bytes,
            family == AF_INET ? 4 : 16);

        rtnl_rule_set_src(rr, src);
        nl_addr_put(src);
    } else if (rule->outgoing) {
        rtnl_rule_set_oif(rr, rule->interface);
    } else {
        rtnl_rule_set_iif(rr, rule->interface);
    }
    rtnl_rule_set_table(rr, rule->table);
    rtnl_rule_set_prio(rr, rule_priority(rule));
    rtnl_rule_set_action(rr, FR_ACT_TO_TBL);
    rtnl_rule_set_protocol(rr, SN_RTPROT);
    if (!rtnl_rule_build_add_request(rr, NLM_F_CREATE | NLM_F_EXCL, &msg)) {
        error = nlk_write(nlk, msg);
    }
    rtnl_rule_put(rr);
    rule_log("add", family, rule, error);
    return error;
}

static int
rule_delete(struct nlk *nlk, struct rtnl_rule *rr)
{
    struct rule rule = rule_read(rr);
    struct nl_msg *msg;
    int error = EINVAL;

    if (!rtnl_rule_build_delete_request(rr, 0, &msg)) {
        error = nlk_write(nlk, msg);
    }
    rule_log("delete", rtnl_rule_get_family(rr), &rule, error);
    return error;
}

/* Marks in 'cache' the rules that are to stay and in 'present' the wanted ones
 * that are there. */
static void
rule_match_cache(struct nl_cache *cache, int family,
                 const struct rule *wanted, size_t n_wanted, bool *present)
{
    struct nl_object *obj;

    for (obj = nl_cache_get_first(cache); obj; obj = nl_cache_get_next(obj)) {
        struct rtnl_rule *rr = (struct rtnl_rule *) obj;
        /* libnl lists both families, whichever was asked for. */
        bool keep = (!rule_is_ours(rr)
                     || rtnl_rule_get_family(rr) != family);

        for (size_t i = 0; i < n_wanted && !keep; i++) {
            keep = !present[i] && rule_matches(rr, &wanted[i]);
            present[i] = present[i] || keep;
        }
        if (keep) {
            nl_object_mark(obj);
        }
    }
}

/* Adds before it deletes: a packet in between must not find the main table. */
static int
rule_sync_family(struct nlk *nlk, int family, const struct rule *wanted,
                 size_t n_wanted)
{
    struct nl_cache *cache;
    struct nl_object *obj;
    bool *present;
    int error = 0;

    if (rtnl_rule_alloc_cache(nlk_route_sock(nlk), family, &cache) < 0) {
        return errno ? errno : EPROTO;
    }
    present = xcalloc(n_wanted + 1, sizeof *present);
    for (size_t i = 0; i < n_wanted; i++) {
        /* That one is not for this family. */
        present[i] = (wanted[i].from.plen
                      && wanted[i].from.is_v4 != (family == AF_INET));
    }
    rule_match_cache(cache, family, wanted, n_wanted, present);
    for (size_t i = 0; i < n_wanted; i++) {
        if (!present[i]) {
            int retval = rule_add(nlk, family, &wanted[i]);
            error = error ? error : retval;
        }
    }
    for (obj = nl_cache_get_first(cache); obj; obj = nl_cache_get_next(obj)) {
        if (!nl_object_is_marked(obj)) {
            int retval = rule_delete(nlk, (struct rtnl_rule *) obj);
            error = error ? error : retval;
        }
    }
    free(present);
    nl_cache_free(cache);
    return error;
}

int
rule_sync(struct nlk *nlk, const struct rule *wanted, size_t n_wanted)
{
    int error = rule_sync_family(nlk, AF_INET, wanted, n_wanted);
    int error6 = rule_sync_family(nlk, AF_INET6, wanted, n_wanted);

    return error ? error : n_wanted ? error6 : 0;
}
