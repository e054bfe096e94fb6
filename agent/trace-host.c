#include <config.h>
#include "agent/trace-private.h"

#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "agent/agent-private.h"
#include "agent/link.h"
#include "agent/nft.h"
#include "agent/plan.h"
#include "agent/route-lookup.h"
#include "agent/sysctl.h"
#include "openvswitch/dynamic-string.h"
#include "state/model.h"
#include "util.h"

enum { TABLE_MAIN = 254, TABLE_LOCAL = 255 };

static bool
prefixes_contain(const struct plan_prefixes *list,
                 const struct sn_prefix *address)
{
    for (size_t i = 0; i < list->n; i++) {
        if (sn_prefix_contains(&list->prefixes[i], address)) {
            return true;
        }
    }
    return false;
}

static const struct plan_exit *
find_exit_by(const struct plan *plan, const char *interface)
{
    for (size_t i = 0; interface && i < plan->n_exits; i++) {
        const struct plan_exit *x = &plan->exits[i];

        if (x->enabled && (!strcmp(x->port, interface)
                           || (x->inlet && !strcmp(x->inlet, interface)))) {
            return x;
        }
    }
    return NULL;
}

static char *
table_name(const struct plan *plan, uint32_t table)
{
    for (size_t i = 0; i < plan->n_exits; i++) {
        if (plan->exits[i].table == table) {
            return xasprintf("%"PRIu32", exit %s", table,
                             plan->exits[i].name);
        }
    }
    return table == TABLE_MAIN ? xstrdup("main")
           : table == TABLE_LOCAL ? xstrdup("local")
           : xasprintf("%"PRIu32, table);
}

/* By which device it should go, as far as the plan says; NULL: it does not. */
static const char *
wanted_device(const struct trace *t, const char *iif)
{
    const struct plan *plan = t->agent->plan;
    const struct plan_exit *x = find_exit_by(plan, iif);
    const struct sn_prefix *dst = &t->packet.dst;
    const struct plan_route *best = NULL;

    if (x) {
        return x->tunnel;
    } else if (prefixes_contain(&plan->local, dst)) {
        return SN_BRIDGE;
    }
    for (size_t i = 0; i < plan->n_routes; i++) {
        const struct plan_route *r = &plan->routes[i];

        if (sn_prefix_contains(&r->dst, dst)
            && (!best || r->dst.plen > best->dst.plen)) {
            best = r;
        }
    }
    return best && best->device[0] ? best->device
           : prefixes_contain(&plan->hosts, dst) ? plan->interface : NULL;
}

static bool
forwards(const struct trace *t, const char *iif)
{
    return sysctl_get(1, "%s/conf/%s/forwarding",
                      t->packet.dst.is_v4 ? "ipv4" : "ipv6", iif);
}

/* Whether rp_filter refuses it.  The kernel's own word for it is EXDEV, or
 * EINVAL as for much else. */
static bool
is_disbelieved(struct trace *t, const char *iif, int error)
{
    struct agent *a = t->agent;
    const struct link *in = iif ? links_find(&a->links, iif) : NULL;
    struct route_answer back;
    int strictness;

    if (error != EINVAL || !in || !t->packet.src.is_v4) {
        return error == EXDEV;
    }
    strictness = MAX(sysctl_get(0, "ipv4/conf/all/rp_filter"),
                     sysctl_get(0, "ipv4/conf/%s/rp_filter", iif));
    route_lookup(a->nlk, 0, NULL, &t->packet.src, &back);
    return strictness && (back.error
                          || (strictness == 1 && back.oif != in->ifindex));
}

/* The kernel's answer was an error. */
static void
stop_unrouted(struct trace *t, const char *iif, int error)
{
    const char *wanted = wanted_device(t, iif);
    const struct link *link
        = wanted ? links_find(&t->agent->links, wanted) : NULL;
    char *dst = sn_prefix_addr_to_string(&t->packet.dst);
    char *src = sn_prefix_addr_to_string(&t->packet.src);
    char *rule = route_explain_rule(t->agent->nlk, iif,
                                    t->has_src ? &t->packet.src : NULL,
                                    &t->packet.dst, 0);

    if (is_disbelieved(t, iif, error)) {
        trace_stop(t, xasprintf("the kernel of %s does not believe that %s "
                                "comes by %s: its route back is another "
                                "(rp_filter)", t->agent->node, src, iif),
                   xasprintf("net.ipv4.conf.{all,%s}.rp_filter is %d; 2 or "
                             "0 is needed, or the route back", iif,
                             MAX(sysctl_get(0, "ipv4/conf/all/rp_filter"),
                                 sysctl_get(0, "ipv4/conf/%s/rp_filter",
                                            iif))));
    } else if (iif && !forwards(t, iif)) {
        trace_stop(t, xasprintf("the kernel of %s does not forward what "
                                "comes by %s", t->agent->node, iif),
                   xstrdup("ip_forward: true on the node, or sysctl "
                           "net.ipv4.ip_forward=1"));
    } else if (rule) {
        trace_stop(t, xasprintf("a policy rule at %s refuses it: \"%s\"",
                                t->agent->node, rule),
                   xstrdup("`ip rule` lists them; socknet did not make "
                           "that one"));
    } else if (wanted && (!link || !link->up)) {
        trace_stop(t, xasprintf("%s has no way to %s: %s is %s",
                                t->agent->node, dst, wanted,
                                link ? "down" : "not there"),
                   xasprintf("`ip link show %s`; `socknet status`",
                             wanted));
    } else {
        trace_stop(t, xasprintf("%s has no route to %s%s%s: %s",
                                t->agent->node, dst, wanted ? " by " : "",
                                wanted ? wanted : "", ovs_strerror(error)),
                   xasprintf("`ip route get %s%s%s from %s`; `socknet "
                             "status` tells what the agent could not do",
                             dst, iif ? " iif " : "", iif ? iif : "", src));
    }
    free(dst);
    free(src);
    free(rule);
}

/* It goes by another device than the plan says. */
static void
stop_misrouted(struct trace *t, const char *iif, const char *oif,
               const struct route_answer *answer)
{
    const char *wanted = wanted_device(t, iif);
    const struct plan_exit *x = find_exit_by(t->agent->plan, iif);
    char *dst = sn_prefix_addr_to_string(&t->packet.dst);
    char *table = table_name(t->agent->plan, answer->table);
    char *rule = route_explain_rule(t->agent->nlk, iif,
                                    t->has_src ? &t->packet.src : NULL,
                                    &t->packet.dst, answer->table);
    const char *fate = iif ? ": the guard in nftables drops it" : "";

    if (x && answer->table != x->table) {
        trace_stop(t, xasprintf("table %s sends it to %s and not to %s%s",
                                table, oif, wanted, fate),
                   xasprintf("the rule \"iif %s lookup %"PRIu32"\" is "
                             "missing, or \"%s\" comes before it", iif,
                             x->table, rule ? rule : "another"));
    } else {
        trace_stop(t, xasprintf("the routes of %s send %s to %s%s%s%s",
                                t->agent->node, dst, oif,
                                wanted ? " and not to " : "",
                                wanted ? wanted : "", fate),
                   xasprintf("table %s, policy rule \"%s\"", table,
                             rule ? rule : "none"));
    }
    free(dst);
    free(table);
    free(rule);
}

static bool
rule_has_port(const struct plan_host_rule *rule,
              const struct trace_packet *p)
{
    if (!rule->n_ports || rule->ip_proto == IPPROTO_ICMP) {
        return true;
    }
    for (size_t i = 0; i < rule->n_ports; i++) {
        if (p->dport >= rule->ports[i].first
            && p->dport <= rule->ports[i].last) {
            return p->ip_proto == IPPROTO_TCP || p->ip_proto == IPPROTO_UDP;
        }
    }
    return false;
}

static bool
rule_has_proto(const struct plan_host_rule *rule,
               const struct trace_packet *p)
{
    return (!rule->ip_proto || rule->ip_proto == p->ip_proto
            || (rule->ip_proto == IPPROTO_ICMP
                && p->ip_proto == IPPROTO_ICMPV6));
}

/* As the chain "to_host" of nft-host.c. */
static bool
host_accepts(const struct trace *t)
{
    const struct plan *plan = t->agent->plan;
    const struct trace_packet *p = &t->packet;

    if (t->reply || prefixes_contain(&plan->hosts, &p->src)) {
        return true;
    }
    for (size_t i = 0; i < plan->n_host_rules; i++) {
        const struct plan_host_rule *rule = &plan->host_rules[i];

        if ((rule->any_src || prefixes_contain(&rule->src, &p->src))
            && (rule->any_dst || prefixes_contain(&rule->dst, &p->dst))
            && rule_has_proto(rule, p) && rule_has_port(rule, p)) {
            return rule->accept;
        }
    }
    return false;
}

static void
deliver_to_host(struct trace *t, const char *iif)
{
    if (iif && !strcmp(iif, t->agent->plan->interface)
        && !host_accepts(t)) {
        trace_stop(t, xasprintf("no rule lets it to the host %s itself",
                                t->agent->node),
                   xasprintf("an acl with dst node:%s", t->agent->node));
    } else {
        trace_step(t, "host", true, "for %s itself", t->agent->node);
        trace_end(t, "delivered", t->agent->node);
    }
}

static void
put_route(struct trace *t, const struct route_answer *answer,
          const char *oif)
{
    char *table = table_name(t->agent->plan, answer->table);
    char *dst = !answer->has_dst ? xstrdup("")
                : !answer->dst.plen ? xstrdup("default ")
                : sn_prefix_to_string(&answer->dst);

    trace_step(t, "route", true, "%s%sdev %s, table %s", dst,
               dst[0] && answer->dst.plen ? " " : "", oif, table);
    free(table);
    free(dst);
}

/* Whom the device 'out' leads to. */
static void
follow(struct trace *t, const char *iif, const struct link *out,
       const struct route_answer *answer)
{
    const struct plan *plan = t->agent->plan;
    const struct plan_exit *x = find_exit_by(plan, iif);
    const char *wanted = wanted_device(t, iif);
    bool guests = plan->guests.interface
                  && !strcmp(out->name, plan->guests.interface);
    bool from_guests = iif && plan->guests.interface
                       && !strcmp(iif, plan->guests.interface);

    if (from_guests && !wanted && plan->guests.exit) {
        x = plan->guests.exit;
        wanted = x->tunnel;
    }
    if (guests && prefixes_contain(&plan->guests.pools, &t->packet.dst)) {
        put_route(t, answer, out->name);
        trace_into_guests(t, out);
    } else if (wanted ? strcmp(wanted, out->name) != 0
               : iif && strcmp(out->name, plan->interface) != 0) {
        stop_misrouted(t, iif, out->name, answer);
    } else if (!out->up || !out->carrier) {
        trace_stop(t, xasprintf("%s of %s is down", out->name,
                                t->agent->node), NULL);
    } else {
        put_route(t, answer, out->name);
        if (x) {
            trace_into_exit(t, x, out);
        } else if (!strcmp(out->name, plan->interface)) {
            trace_into_mesh(t, out);
        } else if (!strcmp(out->name, SN_BRIDGE)) {
            trace_into_bridge(t);
        } else {
            trace_end(t, "left", out->name);
        }
    }
}

void
trace_route(struct trace *t, const char *iif)
{
    struct agent *a = t->agent;
    struct route_answer answer;
    const struct link *in, *out;

    free(t->in);
    t->in = xstrdup(iif ? iif : "lo");
    links_read(&a->links, a->nlk);
    in = iif ? links_find(&a->links, iif) : NULL;
    if (iif && (!in || !in->up)) {
        trace_stop(t, xasprintf("%s of %s is %s", iif, a->node,
                                in ? "down" : "not there"),
                   xasprintf("`ip link set %s up`", iif));
        return;
    } else if (iif && !strcmp(iif, SN_BRIDGE)
               && prefixes_contain(&a->plan->services, &t->packet.dst)) {
        trace_stop(t, xstrdup("the host refuses it: no backend serves"),
                   xstrdup("`socknet services` tells why"));
        return;
    }
    route_lookup(a->nlk, in ? in->ifindex : 0,
                 t->has_src ? &t->packet.src : NULL, &t->packet.dst,
                 &answer);
    if (!t->has_src && answer.has_source) {
        t->packet.src = t->tuple.src = answer.source;
        t->has_src = true;
    }
    out = answer.oif ? links_find_ifindex(&a->links, answer.oif) : NULL;
    if (answer.error || (!answer.local && !out)) {
        stop_unrouted(t, iif, answer.error ? answer.error : ENETUNREACH);
    } else if (answer.local) {
        deliver_to_host(t, iif);
    } else if (!t->has_src) {
        trace_stop(t, xasprintf("%s has no address to send from", a->node),
                   NULL);
    } else {
        follow(t, iif, out, &answer);
    }
}
