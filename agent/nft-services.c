#include <config.h>
#include "agent/nft-services.h"

#include <inttypes.h>
#include <netinet/in.h>
#include <stdlib.h>

#include "agent/nft-guests.h"
#include "agent/plan.h"
#include "openvswitch/dynamic-string.h"
#include "util.h"

/* Written the way nft prints it, as all of nft-text.c. */

static const char *
proto_name(uint8_t ip_proto)
{
    return (ip_proto == IPPROTO_UDP ? "udp"
            : ip_proto == IPPROTO_SCTP ? "sctp" : "tcp");
}

static void
put_choice(const struct plan_vip *vip, struct ds *ds)
{
    const char *family = vip->address.is_v4 ? "ip" : "ip6";
    unsigned int total = 0, k = 0;

    for (size_t i = 0; i < vip->n_targets; i++) {
        total += vip->targets[i].weight;
    }
    if (vip->affinity) {
        ds_put_format(ds, "jhash %s saddr mod %u map { ", family, total);
    } else {
        ds_put_format(ds, "numgen random mod %u map { ", total);
    }
    for (size_t i = 0; i < vip->n_targets; i++) {
        const struct plan_target *t = &vip->targets[i];
        char *address = sn_prefix_addr_to_string(&t->address);

        ds_put_format(ds, "%s%u", i ? ", " : "", k);
        k += t->weight;
        if (t->weight > 1) {
            ds_put_format(ds, "-%u", k - 1);
        }
        ds_put_format(ds, " : %s . %"PRIu16, address, t->port);
        free(address);
    }
    ds_put_cstr(ds, " }\n");
}

static void
put_vip(const struct plan_vip *vip, struct ds *ds)
{
    const char *family = vip->address.is_v4 ? "ip" : "ip6";
    char *address = sn_prefix_addr_to_string(&vip->address);

    ds_put_format(ds, "\t\t%s daddr %s %s dport %"PRIu16" dnat %s to ",
                  family, address, proto_name(vip->ip_proto), vip->port,
                  family);
    free(address);
    if (vip->n_targets > 1) {
        put_choice(vip, ds);
    } else {
        address = sn_prefix_addr_to_string(&vip->targets[0].address);
        ds_put_format(ds, vip->address.is_v4 ? "%s:%"PRIu16"\n"
                      : "[%s]:%"PRIu16"\n", address, vip->targets[0].port);
        free(address);
    }
}

static void
put_translation(const struct plan *plan, struct ds *ds)
{
    const char *guests = plan->guests.interface;

    ds_put_cstr(ds, "\tchain vips {\n");
    for (size_t i = 0; i < plan->n_vips; i++) {
        if (plan->vips[i].n_targets) {
            put_vip(&plan->vips[i], ds);
        }
    }
    ds_put_cstr(ds, "\t}\n\n\tchain vips_out {\n"
                "\t\ttype nat hook output priority -100; "
                "policy accept;\n"
                "\t\tjump vips\n\t}\n\n");
    if (guests) {
        ds_put_format(ds, "\tchain vips_in {\n"
                      "\t\ttype nat hook prerouting priority dstnat; "
                      "policy accept;\n"
                      "\t\tiifname \"%s\" jump vips\n\t}\n\n", guests);
    }
}

/* 'from' is one that nobody translates any more. */
static void
put_refusal(const struct plan *plan, const char *from, struct ds *ds)
{
    for (size_t i = 0; i < plan->services.n; i++) {
        const struct sn_prefix *prefix = &plan->services.prefixes[i];

        nft_put_prefix_rule(prefix, from, "daddr",
                            "meta l4proto 6 reject with tcp reset", ds);
        nft_put_prefix_rule(prefix, from, "daddr",
                            prefix->is_v4
                            ? "reject with icmp port-unreachable"
                            : "reject with icmpv6 port-unreachable", ds);
    }
}

/* Of others before it is routed: a router would add a redirect to each, and
 * the kernel counts those against its limit of answers. */
static void
put_refusals(const struct plan *plan, struct ds *ds)
{
    ds_put_cstr(ds, "\tchain services {\n"
                "\t\ttype filter hook prerouting priority filter; "
                "policy accept;\n");
    put_refusal(plan, "iifname \"" SN_BRIDGE "\" ", ds);
    if (plan->guests.interface) {
        char *from = xasprintf("iifname \"%s\" ", plan->guests.interface);

        put_refusal(plan, from, ds);
        free(from);
    }
    ds_put_cstr(ds, "\t}\n\n\tchain services_out {\n"
                "\t\ttype filter hook output priority filter; "
                "policy accept;\n");
    put_refusal(plan, "", ds);
    ds_put_cstr(ds, "\t}\n\n");
}

void
nft_put_service_chains(const struct plan *plan, struct ds *ds)
{
    if (plan->services.n) {
        put_translation(plan, ds);
        put_refusals(plan, ds);
    }
}
