#include <config.h>
#include "agent/nft-guests.h"

#include <inttypes.h>
#include <netinet/in.h>
#include <stdlib.h>

#include "agent/nft-exit.h"
#include "agent/plan.h"
#include "openvswitch/dynamic-string.h"
#include "util.h"

static void
put_match_prefix(const struct sn_prefix *prefix, const char *field,
                 struct ds *ds)
{
    char *s = (prefix->plen == (prefix->is_v4 ? 32 : 128)
               ? sn_prefix_addr_to_string(prefix)
               : sn_prefix_to_string(prefix));

    ds_put_format(ds, "%s %s %s ", prefix->is_v4 ? "ip" : "ip6", field, s);
    free(s);
}

static void
put_match_proto(const struct plan_guest_rule *r, uint8_t proto,
                struct ds *ds)
{
    if (r->ports.last) {
        ds_put_format(ds, "%s dport %"PRIu16,
                      proto == IPPROTO_UDP ? "udp"
                      : proto == IPPROTO_SCTP ? "sctp" : "tcp",
                      r->ports.first);
        if (r->ports.last != r->ports.first) {
            ds_put_format(ds, "-%"PRIu16, r->ports.last);
        }
        ds_put_char(ds, ' ');
    } else if (proto) {
        ds_put_format(ds, "meta l4proto %"PRIu8" ", proto);
    }
}

static void
put_guest_rule(const struct plan_guest_rule *r, uint8_t proto,
               struct ds *ds)
{
    ds_put_cstr(ds, "\t\t");
    if (!r->any_src) {
        put_match_prefix(&r->src, "saddr", ds);
    }
    if (!r->any_dst) {
        put_match_prefix(&r->dst, "daddr", ds);
    }
    put_match_proto(r, proto, ds);
    ds_put_cstr(ds, r->accept ? "return\n" : "counter drop\n");
}

/* One of another family than its source matches nothing. */
static bool
rule_is_possible(const struct plan_guest_rule *r)
{
    return r->any_src || r->any_dst || r->src.is_v4 == r->dst.is_v4;
}

static void
put_guest_rules(const struct plan_guest_rules *rules, struct ds *ds)
{
    for (size_t i = 0; i < rules->n; i++) {
        const struct plan_guest_rule *r = &rules->rules[i];

        if (!rule_is_possible(r)) {
            continue;
        }
        put_guest_rule(r, r->ip_proto, ds);
        if (r->ip_proto == IPPROTO_ICMP) {
            put_guest_rule(r, IPPROTO_ICMPV6, ds);
        }
    }
}

void
nft_put_prefix_rule(const struct sn_prefix *prefix, const char *before,
                    const char *field, const char *after, struct ds *ds)
{
    ds_put_format(ds, "\t\t%s", before);
    put_match_prefix(prefix, field, ds);
    ds_put_format(ds, "%s\n", after);
}

/* Guests have the addresses of the pool and no others. */
static void
put_from_guests(const struct plan *plan, struct ds *ds)
{
    const struct plan_guests *g = &plan->guests;
    bool has_v4 = false, has_v6 = false;

    ds_put_cstr(ds, "\tchain from_guests {\n");
    for (size_t i = 0; i < g->pools.n; i++) {
        has_v4 |= g->pools.prefixes[i].is_v4;
        has_v6 |= !g->pools.prefixes[i].is_v4;
        nft_put_prefix_rule(&g->pools.prefixes[i], "", "saddr !=",
                            "counter drop", ds);
    }
    if (!has_v4) {
        ds_put_cstr(ds, "\t\tmeta nfproto ipv4 counter drop\n");
    }
    if (!has_v6) {
        ds_put_cstr(ds, "\t\tmeta nfproto ipv6 counter drop\n");
    }
    ds_put_format(ds, "\t\toifname \"%s\" return\n"
                  "\t\toifname \"%s\" return\n"
                  "\t\toifname \"%s\" goto guests_to_guests\n", SN_BRIDGE,
                  plan->interface, g->interface);
    if (g->exit) {
        ds_put_format(ds, "\t\toifname \"%s\" goto guests_to_internet\n",
                      g->exit->tunnel);
    }
    ds_put_cstr(ds, "\t\tcounter drop\n\t}\n\n"
                "\tchain guests_to_guests {\n"
                "\t\tct direction reply return\n"
                "\t\tct state related return\n");
    put_guest_rules(&g->between, ds);
    ds_put_cstr(ds, "\t\tcounter drop\n\t}\n\n");
    if (g->exit) {
        ds_put_cstr(ds, "\tchain guests_to_internet {\n");
        put_guest_rules(&g->internet, ds);
        ds_put_cstr(ds, "\t}\n\n");
    }
}

void
nft_put_pool_guard(const struct plan *plan, struct ds *ds)
{
    for (size_t i = 0; i < plan->n_pools; i++) {
        const struct plan_pool *p = &plan->pools[i];
        char *after = xasprintf("oifname != \"%s\" counter drop",
                                p->interface);

        nft_put_prefix_rule(&p->prefix, "", "daddr", after, ds);
        free(after);
    }
}

/* Who may send to guests: containers and the mesh, as the flows allow; and
 * other guests, who have passed from_guests. */
static void
put_to_guests(const struct plan *plan, struct ds *ds)
{
    const struct plan_guests *g = &plan->guests;

    ds_put_format(ds, "\tchain to_guests {\n"
                  "\t\tiifname \"%s\" return\n"
                  "\t\tiifname \"%s\" return\n"
                  "\t\tiifname \"%s\" return\n", SN_BRIDGE,
                  plan->interface, g->interface);
    if (g->exit) {
        ds_put_format(ds, "\t\tiifname \"%s\" ct state "
                      "established,related return\n", g->exit->tunnel);
    }
    ds_put_cstr(ds, "\t\tcounter drop\n\t}\n\n");
}

void
nft_put_guest_chains(const struct plan *plan, struct ds *ds)
{
    if (plan->guests.interface) {
        put_from_guests(plan, ds);
        put_to_guests(plan, ds);
    }
}

/* What leaves by the exit is in its zone from the beginning. */
void
nft_put_guest_zone(const struct plan *plan, struct ds *ds)
{
    const struct plan_guests *g = &plan->guests;

    if (!g->interface || !g->exit) {
        return;
    }
    char *before = xasprintf("iifname \"%s\" ", g->interface);
    ds_put_format(ds, "\t\t%sfib daddr type local return\n", before);
    for (size_t i = 0; i < plan->local.n; i++) {
        nft_put_prefix_rule(&plan->local.prefixes[i], before, "daddr",
                            "return", ds);
    }
    for (size_t i = 0; i < plan->tunnel.n; i++) {
        struct sn_prefix net = sn_prefix_network(&plan->tunnel.prefixes[i]);

        nft_put_prefix_rule(&net, before, "daddr", "return", ds);
    }
    for (size_t i = 0; i < plan->n_routes; i++) {
        nft_put_prefix_rule(&plan->routes[i].dst, before, "daddr", "return",
                            ds);
    }
    ds_put_format(ds, "\t\t%sct zone set %"PRIu32"\n", before,
                  nft_exit_zone(g->exit));
    free(before);
}

void
nft_put_guest_input(const struct plan *plan, struct ds *ds)
{
    const char *guests = plan->guests.interface;

    if (!guests) {
        return;
    }
    for (size_t i = 0; plan->guests.names && i < plan->gateways.n; i++) {
        struct sn_prefix host = sn_prefix_host(&plan->gateways.prefixes[i]);
        char *before = xasprintf("iifname \"%s\" ", guests);

        nft_put_prefix_rule(&host, before, "daddr", "udp dport 53 accept",
                            ds);
        nft_put_prefix_rule(&host, before, "daddr", "tcp dport 53 accept",
                            ds);
        free(before);
    }
    ds_put_format(ds, "\t\tiifname \"%s\" jump to_host\n", guests);
}

void
nft_put_guest_forward(const struct plan *plan, const struct links *links,
                      struct ds *ds)
{
    const struct plan_guests *g = &plan->guests;

    if (g->interface) {
        ds_put_format(ds, "\t\tiifname \"%s\" jump from_guests\n"
                      "\t\toifname \"%s\" jump to_guests\n", g->interface,
                      g->interface);
        nft_put_clamp(links, g->interface, ds);
    }
}

void
nft_put_guest_from_bridge(const struct plan *plan, struct ds *ds)
{
    const struct plan_guests *g = &plan->guests;

    for (size_t i = 0; g->interface && i < g->pools.n; i++) {
        char *before = xasprintf("oifname \"%s\" ", g->interface);

        nft_put_prefix_rule(&g->pools.prefixes[i], before, "daddr", "return",
                            ds);
        free(before);
    }
}

void
nft_put_guest_from_mesh(const struct plan *plan, struct ds *ds)
{
    if (plan->guests.interface) {
        ds_put_format(ds, "\t\toifname \"%s\" return\n",
                      plan->guests.interface);
    }
}

/* Guests come by their own device, and by the mesh. */
void
nft_put_guest_from_outside(const struct plan *plan, struct ds *ds)
{
    const struct plan_guests *g = &plan->guests;

    if (g->interface) {
        ds_put_format(ds, "\t\tiifname \"%s\" return\n", g->interface);
    }
    for (size_t i = 0; i < g->pools.n; i++) {
        nft_put_prefix_rule(&g->pools.prefixes[i], "", "saddr",
                            "counter drop", ds);
    }
}

void
nft_put_guest_sources(const struct plan *plan, struct ds *ds)
{
    const struct plan_guests *g = &plan->guests;

    if (g->interface && g->exit) {
        char *before = xasprintf("iifname \"%s\" ", g->interface);

        nft_put_source_rules(plan, before, g->exit->tunnel, ds);
        free(before);
    }
}

void
nft_put_guest_masquerade(const struct plan *plan, struct ds *ds)
{
    const struct plan_guests *g = &plan->guests;

    if (g->interface && g->exit) {
        ds_put_format(ds, "\t\tiifname \"%s\" oifname \"%s\" "
                      "masquerade\n", g->interface, g->exit->tunnel);
    }
}
