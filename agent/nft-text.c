#include <config.h>
#include "agent/nft.h"

#include <stdlib.h>
#include <string.h>

#include "agent/nft-exit.h"
#include "agent/nft-guests.h"
#include "agent/nft-host.h"
#include "agent/nft-services.h"
#include "agent/plan.h"
#include "agent/socks.h"
#include "openvswitch/dynamic-string.h"
#include "sset.h"
#include "util.h"

/* The text of the agent's tables, to and from. */

/* nft's order of names in a set: that of little-endian numbers. */
static int
compare_names(const void *a_, const void *b_)
{
    const char *const *a = a_, *const *b = b_;
    size_t n = strlen(*a), m = strlen(*b);

    if (n != m) {
        return n < m ? -1 : 1;
    }
    while (n--) {
        if ((*a)[n] != (*b)[n]) {
            return (uint8_t) (*a)[n] < (uint8_t) (*b)[n] ? -1 : 1;
        }
    }
    return 0;
}

void
nft_put_names(const struct sset *names, struct ds *ds)
{
    const char **array = sset_array(names);
    size_t n = sset_count(names);

    qsort(array, n, sizeof *array, compare_names);
    ds_put_cstr(ds, n == 1 ? "" : "{ ");
    for (size_t i = 0; i < n; i++) {
        ds_put_format(ds, "%s\"%s\"", i ? ", " : "", array[i]);
    }
    ds_put_cstr(ds, n == 1 ? "" : " }");
    free(array);
}

/* What comes out of a container's veth is the switch's.  The host gets it all
 * the same as long as the veth is not plugged, and always with the userspace
 * datapath. */
static void
put_prerouting(const struct plan *plan, struct ds *ds)
{
    ds_put_cstr(ds, "\tchain prerouting {\n"
                "\t\ttype filter hook prerouting priority raw; "
                "policy accept;\n");
    if (!sset_is_empty(&plan->veths)) {
        ds_put_cstr(ds, "\t\tiifname ");
        nft_put_names(&plan->veths, ds);
        ds_put_cstr(ds, " counter drop\n");
    }
    ds_put_cstr(ds, "\t}\n\n");
}

static void
put_input(const struct plan *plan, struct ds *ds)
{
    ds_put_cstr(ds, "\tchain input {\n"
                "\t\ttype filter hook input priority filter; "
                "policy accept;\n");
    nft_put_exit_input(plan, ds);
    ds_put_format(ds, "\t\tiifname \"%s\" jump to_host\n",
                  plan->interface);
    nft_put_guest_input(plan, ds);
    nft_put_socks_input(plan, ds);
    ds_put_cstr(ds, "\t}\n\n");
    nft_put_to_host(plan, ds);
}

static void
put_forward(const struct plan *plan, const struct links *links,
            struct ds *ds)
{
    ds_put_format(ds, "\tchain forward {\n"
                  "\t\ttype filter hook forward priority filter; "
                  "policy accept;\n"
                  "\t\tiifname \"%s\" jump from_bridge\n"
                  "\t\tiifname \"%s\" jump from_mesh\n"
                  "\t\toifname \"%s\" jump from_outside\n"
                  "\t\toifname \"%s\" jump from_outside\n",
                  SN_BRIDGE, plan->interface, SN_BRIDGE, plan->interface);
    nft_put_guest_forward(plan, links, ds);
    nft_put_exit_forward(plan, ds);
    nft_put_clamp(links, plan->interface, ds);
    nft_put_exit_clamps(plan, links, ds);
    ds_put_cstr(ds, "\t}\n\n");
}

/* What containers send to the host's routing. */
static void
put_from_bridge(const struct plan *plan, struct ds *ds)
{
    /* No router forwards these, but Linux does; no rule sees them. */
    ds_put_format(ds, "\tchain from_bridge {\n"
                  "\t\ticmpv6 type nd-neighbor-solicit counter drop\n"
                  "\t\ticmpv6 type nd-neighbor-advert counter drop\n"
                  "\t\toifname \"%s\" return\n", plan->interface);
    for (size_t i = 0; i < plan->local.n; i++) {
        nft_put_prefix_rule(&plan->local.prefixes[i],
                        "oifname \"" SN_BRIDGE "\" ", "daddr", "return", ds);
    }
    for (size_t i = 0; i < plan->n_routes; i++) {
        const struct plan_route *r = &plan->routes[i];

        if (r->device[0] && strcmp(r->device, plan->interface)
            && strcmp(r->device, SN_BRIDGE)) {
            char *before = xasprintf("oifname \"%s\" ", r->device);

            nft_put_prefix_rule(&r->dst, before, "daddr", "return", ds);
            free(before);
        }
    }
    nft_put_guest_from_bridge(plan, ds);
    for (size_t i = 0; i < plan->local.n; i++) {
        nft_put_prefix_rule(&plan->local.prefixes[i], "", "saddr",
                        "counter drop", ds);
    }
    ds_put_cstr(ds, "\t}\n\n");
}

static void
put_from_mesh(const struct plan *plan, struct ds *ds)
{
    ds_put_format(ds, "\tchain from_mesh {\n"
                  "\t\toifname \"%s\" return\n"
                  "\t\toifname \"%s\" return\n", SN_BRIDGE,
                  plan->interface);
    nft_put_guest_from_mesh(plan, ds);
    ds_put_cstr(ds, "\t\tcounter drop\n"
                "\t}\n\n");
}

/* What comes from neither side to containers or the mesh: with an address of
 * either, or of this host, it would be taken for what it is not.  (The kernel
 * does not look at IPv6 sources, and at IPv4's not with rp_filter 2.) */
static void
put_from_outside(const struct plan *plan, struct ds *ds)
{
    ds_put_format(ds, "\tchain from_outside {\n"
                  "\t\tiifname \"%s\" return\n"
                  "\t\tiifname \"%s\" return\n",
                  SN_BRIDGE, plan->interface);
    nft_put_guest_from_outside(plan, ds);
    ds_put_cstr(ds, "\t\tfib saddr type local counter drop\n");
    for (size_t i = 0; i < plan->local.n; i++) {
        nft_put_prefix_rule(&plan->local.prefixes[i], "", "saddr",
                        "counter drop", ds);
    }
    for (size_t i = 0; i < plan->tunnel.n; i++) {
        struct sn_prefix net = sn_prefix_network(&plan->tunnel.prefixes[i]);

        nft_put_prefix_rule(&net, "", "saddr", "counter drop", ds);
    }
    for (size_t i = 0; i < plan->n_routes; i++) {
        if (!strcmp(plan->routes[i].device, plan->interface)
            || !plan->routes[i].device[0]) {
            nft_put_prefix_rule(&plan->routes[i].dst, "", "saddr",
                            "counter drop", ds);
        }
    }
    ds_put_cstr(ds, "\t}\n\n");
}

/* After masquerading. */
static void
put_sources(const struct plan *plan, struct ds *ds)
{
    ds_put_cstr(ds, "\tchain sources {\n"
                "\t\ttype filter hook postrouting priority srcnat + 10; "
                "policy accept;\n");
    nft_put_tunnel_guard(plan, ds);
    nft_put_pool_guard(plan, ds);
    nft_put_exit_sources(plan, ds);
    nft_put_guest_sources(plan, ds);
    nft_put_socks_sources(plan, ds);
    ds_put_cstr(ds, "\t}\n\n");
}

static void
put_postrouting(const struct plan *plan, struct ds *ds)
{
    ds_put_cstr(ds, "\tchain postrouting {\n"
                "\t\ttype nat hook postrouting priority srcnat; "
                "policy accept;\n");
    nft_put_exit_masquerade(plan, ds);
    nft_put_guest_masquerade(plan, ds);
    nft_put_socks_masquerade(plan, ds);
    ds_put_cstr(ds, "\t}\n");
}

void
nft_format(const struct plan *plan, const struct links *links, struct ds *ds)
{
    ds_put_cstr(ds, "table inet socknet {\n"
                "\tcomment \"made by socknet-agent\"\n");
    put_prerouting(plan, ds);
    nft_put_exit_chains(plan, ds);
    nft_put_service_chains(plan, ds);
    nft_put_guest_chains(plan, ds);
    nft_put_socks_chains(plan, ds);
    put_input(plan, ds);
    put_forward(plan, links, ds);
    put_from_bridge(plan, ds);
    put_from_mesh(plan, ds);
    put_from_outside(plan, ds);
    put_sources(plan, ds);
    put_postrouting(plan, ds);
    ds_put_cstr(ds, "}\n");
}

void
nft_format_strangers(struct ds *ds)
{
    ds_put_cstr(ds, "table inet socknet_veths {\n"
                "\tcomment \"made by socknet-agent\"\n"
                "\tchain prerouting {\n"
                "\t\ttype filter hook prerouting priority raw; "
                "policy accept;\n");
    for (int digit = 0; digit < 10; digit++) {
        ds_put_format(ds, "\t\tiifname \"veth%d*\" counter drop\n", digit);
    }
    ds_put_cstr(ds, "\t}\n}\n");
}

/* Whether 'text', up to 'end', is the inside of an ingress chain that drops
 * all from 'veth'. */
static bool
is_ingress_chain(const char *text, const char *end, const char *veth)
{
    char *inside = xmemdup0(text, end - text);
    char *device = xasprintf("device \"%s\"", veth);
    bool ok = (strstr(inside, "hook ingress") && strstr(inside, device)
               && strstr(inside, "policy drop;")
               && strchr(inside, '\n') == strrchr(inside, '\n'));

    free(inside);
    free(device);
    return ok;
}

void
nft_parse_ingress(const char *listing, struct sset *ret_veths)
{
    static const char head[] = "\tchain in_";
    const char *p = listing;

    while ((p = strstr(p, head))) {
        p += strlen(head);
        size_t len = strcspn(p, " {\n");
        const char *line = strchr(p, '\n');
        const char *end = line ? strstr(line, "\n\t}") : NULL;

        if (!end) {
            return;
        }
        char *veth = xmemdup0(p, len);
        bool ok = is_ingress_chain(line, end, veth);
        sset_add_and_free(ret_veths, xasprintf("%s%s", ok ? "" : "*", veth));
        free(veth);
        p = end;
    }
}
