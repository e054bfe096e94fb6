#include <config.h>
#include "agent/nft-host.h"

#include <inttypes.h>
#include <netinet/in.h>
#include <stdlib.h>

#include "agent/plan.h"
#include "openvswitch/dynamic-string.h"
#include "util.h"

/* Written the way nft prints it, as all of nft-text.c. */

static bool
is_host(const struct sn_prefix *prefix)
{
    return prefix->plen == (prefix->is_v4 ? 32 : 128);
}

/* Appends "ip saddr { ... } " for the hosts of one family in 'list', which is
 * sorted.  False if there is none. */
static bool
put_hosts(const struct plan_prefixes *list, bool is_v4, const char *field,
          struct ds *ds)
{
    size_t n = 0, i = 0;

    for (size_t j = 0; j < list->n; j++) {
        n += list->prefixes[j].is_v4 == is_v4 && is_host(&list->prefixes[j]);
    }
    if (!n) {
        return false;
    }
    ds_put_format(ds, "%s %s %s", is_v4 ? "ip" : "ip6", field,
                  n > 1 ? "{ " : "");
    for (size_t j = 0; j < list->n; j++) {
        const struct sn_prefix *p = &list->prefixes[j];

        if (p->is_v4 == is_v4 && is_host(p)) {
            char *s = sn_prefix_addr_to_string(p);

            ds_put_format(ds, "%s%s", i++ ? ", " : "", s);
            free(s);
        }
    }
    ds_put_cstr(ds, n > 1 ? " } " : " ");
    return true;
}

static void
put_line(const char *match, uint8_t proto,
         const struct model_port_range *port, bool accept, struct ds *ds)
{
    ds_put_format(ds, "\t\t%s", match);
    if (port) {
        ds_put_format(ds, "%s dport %"PRIu16,
                      proto == IPPROTO_UDP ? "udp" : "tcp", port->first);
        if (port->last != port->first) {
            ds_put_format(ds, "-%"PRIu16, port->last);
        }
        ds_put_char(ds, ' ');
    } else if (proto) {
        ds_put_format(ds, "meta l4proto %d ", proto);
    }
    ds_put_cstr(ds, accept ? "return\n" : "counter drop\n");
}

/* A line per protocol and range of ports. */
static void
put_lines(const struct plan_host_rule *rule, const char *match,
          struct ds *ds)
{
    bool both = !rule->ip_proto && rule->n_ports;
    bool icmp = rule->ip_proto == IPPROTO_ICMP;
    uint8_t protos[2] = {
        both ? IPPROTO_TCP : rule->ip_proto,
        both ? IPPROTO_UDP : IPPROTO_ICMPV6,
    };
    size_t n_ports = icmp ? 0 : rule->n_ports;

    for (int i = 0; i < (both || icmp ? 2 : 1); i++) {
        for (size_t j = 0; j < n_ports; j++) {
            put_line(match, protos[i], &rule->ports[j], rule->accept, ds);
        }
        if (!n_ports) {
            put_line(match, protos[i], NULL, rule->accept, ds);
        }
    }
}

/* With 'src' matched already. */
static void
put_destinations(const struct plan_host_rule *rule, bool is_v4,
                 const char *src, struct ds *ds)
{
    struct ds match = DS_EMPTY_INITIALIZER;

    ds_put_cstr(&match, src);
    if (rule->any_dst || put_hosts(&rule->dst, is_v4, "daddr", &match)) {
        put_lines(rule, ds_cstr(&match), ds);
    }
    ds_destroy(&match);
}

static void
put_rule(const struct plan_host_rule *rule, struct ds *ds)
{
    struct ds src = DS_EMPTY_INITIALIZER;

    if (rule->any_src && rule->any_dst) {
        put_lines(rule, "", ds);
        return;
    }
    for (int v4 = 1; v4 >= 0; v4--) {
        ds_clear(&src);
        if (rule->any_src || put_hosts(&rule->src, v4, "saddr", &src)) {
            put_destinations(rule, v4, ds_cstr(&src), ds);
        }
    }
    for (size_t i = 0; !rule->any_src && i < rule->src.n; i++) {
        const struct sn_prefix *p = &rule->src.prefixes[i];

        if (!is_host(p)) {
            char *s = sn_prefix_to_string(p);

            ds_clear(&src);
            if (p->plen) {
                ds_put_format(&src, "%s saddr %s ", p->is_v4 ? "ip" : "ip6",
                              s);
            } else {
                ds_put_format(&src, "meta nfproto ipv%d ", p->is_v4 ? 4 : 6);
            }
            put_destinations(rule, p->is_v4, ds_cstr(&src), ds);
            free(s);
        }
    }
    ds_destroy(&src);
}

void
nft_put_to_host(const struct plan *plan, struct ds *ds)
{
    ds_put_cstr(ds, "\tchain to_host {\n");
    for (int v4 = 1; v4 >= 0; v4--) {
        struct ds hosts = DS_EMPTY_INITIALIZER;

        if (put_hosts(&plan->hosts, v4, "saddr", &hosts)) {
            ds_put_format(ds, "\t\t%sreturn\n", ds_cstr(&hosts));
        }
        ds_destroy(&hosts);
    }
    /* Of what this host began; and each packet of what others began meets the
     * rules, so that a rule withdrawn cuts. */
    ds_put_cstr(ds, "\t\tct direction reply return\n"
                "\t\tct state related return\n");
    for (size_t i = 0; i < plan->n_host_rules; i++) {
        put_rule(&plan->host_rules[i], ds);
    }
    ds_put_cstr(ds, "\t\tcounter drop\n\t}\n\n");
}
