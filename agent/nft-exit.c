#include <config.h>
#include "agent/nft-exit.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/link.h"
#include "agent/nft-guests.h"
#include "agent/nft.h"
#include "agent/plan.h"
#include "openvswitch/dynamic-string.h"
#include "sset.h"
#include "util.h"

/* Conntrack zones: this, plus the number of the exit's table.  The bridge's is
 * 0x5343. */
#define EXIT_ZONE_BASE 0x5400

uint32_t
nft_exit_zone(const struct plan_exit *x)
{
    return EXIT_ZONE_BASE + x->table - PLAN_EXIT_TABLE_BASE;
}

/* WireGuard has admitted these sources of each node and no others; once more,
 * where people look for it. */
static void
put_grants(const struct plan_exit *x, struct ds *ds)
{
    ds_put_format(ds, "\tchain %s {\n", x->inlet);
    for (size_t i = 0; i < x->n_grants; i++) {
        const struct plan_prefixes *sources = &x->grants[i].sources;

        for (size_t j = 0; j < sources->n; j++) {
            const struct sn_prefix *p = &sources->prefixes[j];
            char *address = sn_prefix_addr_to_string(p);

            ds_put_format(ds, "\t\t%s saddr %s oifname \"%s\" return\n",
                          p->is_v4 ? "ip" : "ip6", address, x->tunnel);
            free(address);
        }
    }
    ds_put_cstr(ds, "\t\tcounter drop\n\t}\n\n");
}

static void
put_source(const struct sn_prefix *p, const char *before, const char *field,
           const char *after, struct ds *ds)
{
    char *address = sn_prefix_addr_to_string(p);

    ds_put_format(ds, "\t\t%s%s %s %s %s\n", before,
                  p->is_v4 ? "ip" : "ip6", field, address, after);
    free(address);
}

/* Address -> names of the tunnels that have it. */
static void
collect_owners(const struct plan *plan, struct shash *addresses)
{
    struct shash_node *node;

    SHASH_FOR_EACH (node, &plan->sources) {
        const struct plan_sources *s = node->data;

        for (size_t i = 0; i < s->own.n; i++) {
            char *address = sn_prefix_addr_to_string(&s->own.prefixes[i]);
            struct sset *owners = shash_find_data(addresses, address);

            if (!owners) {
                owners = xmalloc(sizeof *owners);
                sset_init(owners);
                shash_add(addresses, address, owners);
            }
            sset_add(owners, node->name);
            free(address);
        }
    }
}

/* The host's answers to what comes late through a tunnel, resets mostly, do
 * not take its default route.  Some have a tunnel's address before NAT, which
 * may take it off, and errors only after it: for both places. */
void
nft_put_tunnel_guard(const struct plan *plan, struct ds *ds)
{
    ds_put_cstr(ds, "\t\toifname \"lo\" return\n");
    struct shash addresses = SHASH_INITIALIZER(&addresses);
    const struct shash_node **sorted;

    collect_owners(plan, &addresses);
    sorted = shash_sort(&addresses);
    for (size_t i = 0; i < shash_count(&addresses); i++) {
        struct sset *owners = sorted[i]->data;

        ds_put_format(ds, "\t\t%s saddr %s oifname != ",
                      strchr(sorted[i]->name, ':') ? "ip6" : "ip",
                      sorted[i]->name);
        nft_put_names(owners, ds);
        ds_put_cstr(ds, " counter drop\n");
        sset_destroy(owners);
    }
    free(sorted);
    shash_destroy_free_data(&addresses);
}

void
nft_parse_guarded(const char *listing, const char *field, nft_guarded_cb *cb,
                  void *aux)
{
    for (const char *line = listing; *line;
         line += strcspn(line, "\n"), line += *line == '\n') {
        struct sn_prefix address;
        char got[8], text[64];
        int n = 0;

        if (sscanf(line, " %*[ip6] %7s %63s oifname != %n", got, text, &n) != 2
            || !n || strcmp(got, field)) {
            continue;
        }
        char *error = sn_prefix_parse(text, &address);
        if (error) {
            free(error);
            continue;
        }
        const char *end = line + strcspn(line, "\n");
        const char *name = memchr(line + n, '"', end - line - n);
        while (name) {
            char *device = xmemdup0(name + 1, strcspn(name + 1, "\"\n"));

            cb(device, &address, aux);
            name += 1 + strlen(device);
            name = name < end ? memchr(name + 1, '"', end - name - 1) : NULL;
            free(device);
        }
    }
}

/* What the host itself sends by a tunnel is in the zone in which the answers
 * will be looked for. */
void
nft_put_exit_chains(const struct plan *plan, struct ds *ds)
{
    ds_put_cstr(ds, "\tchain zones_in {\n"
                "\t\ttype filter hook prerouting priority raw; "
                "policy accept;\n");
    for (size_t i = 0; i < plan->n_exits; i++) {
        const struct plan_exit *x = &plan->exits[i];

        if (x->enabled) {
            ds_put_format(ds, "\t\tiifname \"%s\" ct zone set %"PRIu32"\n"
                          "\t\tiifname \"%s\" ct zone set %"PRIu32"\n",
                          x->port, nft_exit_zone(x), x->tunnel,
                          nft_exit_zone(x));
            if (x->inlet) {
                ds_put_format(ds, "\t\tiifname \"%s\" ct zone set "
                              "%"PRIu32"\n", x->inlet, nft_exit_zone(x));
            }
        }
    }
    nft_put_guest_zone(plan, ds);
    ds_put_cstr(ds, "\t}\n\n\tchain zones_out {\n"
                "\t\ttype filter hook output priority raw; "
                "policy accept;\n");
    for (size_t i = 0; i < plan->n_exits; i++) {
        const struct plan_exit *x = &plan->exits[i];

        if (x->enabled) {
            ds_put_format(ds, "\t\toifname \"%s\" ct zone set %"PRIu32"\n",
                          x->tunnel, nft_exit_zone(x));
        }
    }
    ds_put_cstr(ds, "\t}\n\n\tchain from_tunnels {\n"
                "\t\ttype filter hook output priority filter; "
                "policy accept;\n");
    nft_put_tunnel_guard(plan, ds);
    ds_put_cstr(ds, "\t}\n\n");
    for (size_t i = 0; i < plan->n_exits; i++) {
        if (plan->exits[i].inlet) {
            put_grants(&plan->exits[i], ds);
        }
    }
}

void
nft_put_exit_input(const struct plan *plan, struct ds *ds)
{
    for (size_t i = 0; i < plan->n_exits; i++) {
        const struct plan_exit *x = &plan->exits[i];

        if (x->enabled) {
            ds_put_format(ds, "\t\tiifname \"%s\" counter drop\n", x->port);
        }
        /* Nobody calls this host from there. */
        if (x->enabled && x->remote) {
            ds_put_format(ds, "\t\tiifname \"%s\" ct state invalid,new "
                          "counter drop\n", x->tunnel);
        }
        if (x->inlet) {
            ds_put_format(ds, "\t\tiifname \"%s\" counter drop\n"
                          "\t\tiifname != \"%s\" udp dport %"PRIu16
                          " counter drop\n", x->inlet, plan->interface,
                          x->inlet_port);
        }
    }
}

/* What is for an address that the tunnel has no more. */
static void
put_late(const struct plan *plan, struct ds *ds)
{
    const struct shash_node **tunnels = shash_sort(&plan->sources);

    for (size_t i = 0; i < shash_count(&plan->sources); i++) {
        const struct plan_sources *s = tunnels[i]->data;
        const struct plan_prefixes *list = &s->all;
        char *before = xasprintf("iifname \"%s\" ", tunnels[i]->name);

        for (size_t j = 0; j < list->n; j++) {
            put_source(&list->prefixes[j], before, "daddr", "counter drop",
                       ds);
        }
        free(before);
    }
    free(tunnels);
}

void
nft_put_exit_forward(const struct plan *plan, struct ds *ds)
{
    put_late(plan, ds);
    for (size_t i = 0; i < plan->n_exits; i++) {
        const struct plan_exit *x = &plan->exits[i];

        if (!x->enabled) {
            continue;
        }
        ds_put_format(ds, "\t\tiifname \"%s\" oifname != \"%s\" "
                      "counter drop\n", x->port, x->tunnel);
        /* In the midst of a connection that began by another exit. */
        ds_put_format(ds, "\t\tiifname \"%s\" ct state invalid,new "
                      "tcp flags != syn / fin,syn,rst,ack counter reject "
                      "with tcp reset\n", x->port);
        ds_put_format(ds, "\t\tiifname \"%s\" oifname \"%s\" "
                      "ct state invalid,new counter drop\n", x->tunnel,
                      SN_BRIDGE);
        if (x->inlet) {
            ds_put_format(ds, "\t\tiifname \"%s\" jump %s\n"
                          "\t\tiifname \"%s\" oifname \"%s\" "
                          "ct state invalid,new counter drop\n"
                          "\t\toifname \"%s\" iifname != \"%s\" "
                          "counter drop\n", x->inlet, x->inlet, x->tunnel,
                          x->inlet, x->inlet, x->tunnel);
        }
    }
}

void
nft_put_clamp(const struct links *links, const char *tunnel, struct ds *ds)
{
    const struct link *link = links_find(links, tunnel);

    ds_put_format(ds, "\t\toifname \"%s\" tcp flags syn tcp option maxseg "
                  "size set rt mtu\n", tunnel);
    /* What comes in announces what fits its sender's link, not the tunnel. */
    if (link && link->mtu > 100) {
        ds_put_format(ds, "\t\tiifname \"%s\" meta nfproto ipv4 tcp flags "
                      "syn tcp option maxseg size set %u\n", tunnel,
                      link->mtu - 40);
        ds_put_format(ds, "\t\tiifname \"%s\" meta nfproto ipv6 tcp flags "
                      "syn tcp option maxseg size set %u\n", tunnel,
                      link->mtu - 60);
    }
}

void
nft_put_exit_clamps(const struct plan *plan, const struct links *links,
                    struct ds *ds)
{
    for (size_t i = 0; i < plan->n_exits; i++) {
        if (plan->exits[i].enabled) {
            nft_put_clamp(links, plan->exits[i].tunnel, ds);
        }
        if (plan->exits[i].inlet) {
            nft_put_clamp(links, plan->exits[i].inlet, ds);
        }
    }
}

/* If a tunnel has no address, masquerading takes one of another interface.
 * (Not "fib saddr . oif type", which knows one interface of an address: all of
 * WARP's tunnels have 172.16.0.2.) */
void
nft_put_source_rules(const struct plan *plan, const char *before,
                     const char *tunnel, struct ds *ds)
{
    const struct plan_prefixes *all = &plan_get_sources(plan, tunnel)->all;

    for (int v4 = 1; v4 >= 0; v4--) {
        size_t n = 0, k = 0;

        for (size_t i = 0; i < all->n; i++) {
            n += all->prefixes[i].is_v4 == v4;
        }
        ds_put_format(ds, "\t\t%soifname \"%s\" ", before, tunnel);
        if (!n) {
            ds_put_format(ds, "meta nfproto ipv%d ", v4 ? 4 : 6);
        } else {
            ds_put_format(ds, "%s saddr != %s", v4 ? "ip" : "ip6",
                          n > 1 ? "{ " : "");
        }
        for (size_t i = 0; i < all->n; i++) {
            if (all->prefixes[i].is_v4 == v4) {
                char *s = sn_prefix_addr_to_string(&all->prefixes[i]);

                ds_put_format(ds, "%s%s", k++ ? ", " : "", s);
                free(s);
            }
        }
        ds_put_format(ds, "%scounter drop\n", n > 1 ? " } " : n ? " " : "");
    }
}

static void
put_iif_sources(const struct plan *plan, const char *iif, const char *tunnel,
                struct ds *ds)
{
    char *before = xasprintf("iifname \"%s\" ", iif);

    nft_put_source_rules(plan, before, tunnel, ds);
    free(before);
}

void
nft_put_exit_sources(const struct plan *plan, struct ds *ds)
{
    for (size_t i = 0; i < plan->n_exits; i++) {
        const struct plan_exit *x = &plan->exits[i];

        if (x->enabled && !x->remote) {
            put_iif_sources(plan, x->port, x->tunnel, ds);
        }
        if (x->inlet) {
            put_iif_sources(plan, x->inlet, x->tunnel, ds);
        }
    }
}

void
nft_put_exit_masquerade(const struct plan *plan, struct ds *ds)
{
    for (size_t i = 0; i < plan->n_exits; i++) {
        const struct plan_exit *x = &plan->exits[i];

        /* Another node's exit masquerades there. */
        if (x->enabled && !x->remote) {
            ds_put_format(ds, "\t\tiifname \"%s\" oifname \"%s\" "
                          "masquerade\n", x->port, x->tunnel);
        }
        if (x->inlet) {
            ds_put_format(ds, "\t\tiifname \"%s\" oifname \"%s\" "
                          "masquerade\n", x->inlet, x->tunnel);
        }
    }
}
