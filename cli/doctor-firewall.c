#include <config.h>

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "cli/doctor.h"
#include "cli/nft-walk.h"
#include "lib/host-bridge.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/json.h"
#include "openvswitch/shash.h"
#include "state/model.h"
#include "svec.h"
#include "util.h"

/* Firewalls of others that drop what the mesh needs. */

enum { DNS_PORT = 53, MAX_PACKETS = 64 };

enum hook {
    HOOK_IN = 1 << 0,           /* ingress and prerouting. */
    HOOK_INPUT = 1 << 1,
    HOOK_FORWARD = 1 << 2,
    HOOK_OUT = 1 << 3,          /* postrouting. */
    HOOK_OUTPUT = 1 << 4,
};

/* What a firewall must let pass, for instance. */
struct need {
    const char *what;
    unsigned int hooks;
    struct nft_packet packet;
};

struct needs {
    struct need items[MAX_PACKETS];
    size_t n;
    bool has_exits;
    char *uplink;
    struct svec names;          /* Of exit ports. */
};

static struct need *
add_need(struct needs *needs, const char *what, unsigned int hooks,
         const char *iif, const char *oif)
{
    static struct need none;

    if (needs->n >= MAX_PACKETS) {
        return &none;
    }
    struct need *need = &needs->items[needs->n++];
    *need = (struct need) {
        .what = what, .hooks = hooks,
        .packet = { .iif = iif, .oif = oif, .l4proto = "tcp",
                    .is_v4 = true },
    };
    return need;
}

static void
add_mesh_needs(const struct doctor *d, struct needs *needs)
{
    static const char mesh[] = "the mesh's own packets";
    struct need *in = add_need(needs, mesh, HOOK_IN | HOOK_INPUT,
                               needs->uplink, "");
    struct need *out;

    in->packet.l4proto = "udp";
    in->packet.dport = d->listen_port;
    out = add_need(needs, mesh, HOOK_OUT | HOOK_OUTPUT, "", needs->uplink);
    out->packet.l4proto = "udp";
    out->packet.dport = d->model ? d->model->mesh.listen_port
                        : d->listen_port;
}

static const struct sn_prefix *
find_subnet(const struct model_node *node, bool is_v4)
{
    static const struct sn_prefix none;

    for (size_t i = 0; node && i < node->n_subnets; i++) {
        if (node->subnets[i].is_v4 == is_v4) {
            return &node->subnets[i];
        }
    }
    return &none;
}

static void
add_container_needs(const struct doctor *d, struct needs *needs, bool is_v4)
{
    static const char what[] = "traffic between containers and mesh";
    struct need *to = add_need(needs, what,
                               HOOK_IN | HOOK_FORWARD | HOOK_OUT,
                               SN_BRIDGE, d->mesh);
    struct need *from = add_need(needs, what,
                                 HOOK_IN | HOOK_FORWARD | HOOK_OUT,
                                 d->mesh, SN_BRIDGE);
    const struct shash_node *item;

    to->packet.src = *find_subnet(d->node, is_v4);
    if (d->model) {
        SHASH_FOR_EACH (item, &d->model->nodes) {
            if (item->data != d->node
                && find_subnet(item->data, is_v4)->plen) {
                to->packet.dst = *find_subnet(item->data, is_v4);
            }
        }
    }
    from->packet.src = to->packet.dst;
    from->packet.dst = to->packet.src;
    from->packet.is_v4 = to->packet.is_v4 = is_v4;
}

static void
add_exit_needs(const struct doctor *d, struct needs *needs)
{
    const struct shash_node *item;

    if (!d->model) {
        return;
    }
    SHASH_FOR_EACH (item, &d->model->exits) {
        const struct model_exit *exit = item->data;
        char *port = xasprintf("x-%s", exit->interface);

        if (exit->enabled && !strcmp(exit->node, d->node_name)) {
            svec_add(&needs->names, port);
            add_need(needs, "traffic from containers to exits",
                     HOOK_IN | HOOK_FORWARD | HOOK_OUT,
                     svec_back(&needs->names), exit->interface)
                ->packet.src = *find_subnet(d->node, true);
            needs->has_exits = true;
        }
        free(port);
    }
}

static void
needs_init(const struct doctor *d, struct needs *needs)
{
    *needs = (struct needs) { .uplink = doctor_find_uplink(d) };
    if (!needs->uplink) {
        needs->uplink = xstrdup("");
    }
    svec_init(&needs->names);
    add_mesh_needs(d, needs);
    add_container_needs(d, needs, true);
    if (d->has_ipv6) {
        add_container_needs(d, needs, false);
    }
    add_exit_needs(d, needs);
    if (d->model && d->model->mesh.names) {
        struct need *names = add_need(needs, "containers' questions for names",
                                      HOOK_IN | HOOK_INPUT, SN_BRIDGE,
                                      "");

        names->packet.l4proto = "udp";
        names->packet.dport = DNS_PORT;
        names->packet.src = *find_subnet(d->node, true);
    }
}

static void
needs_destroy(struct needs *needs)
{
    svec_destroy(&needs->names);
    free(needs->uplink);
}

/* Who has made a table. */
enum owner {
    OWNER_ANY,
    OWNER_DOCKER,
    OWNER_PROXMOX,
    OWNER_IPTABLES,
};

static bool
table_has_chain(const struct json *all, const struct json *chain,
                const char *prefix)
{
    for (size_t i = 0; i < json_array(all)->n; i++) {
        const struct json *c = nft_member(json_array(all)->elems[i], "chain");

        if (c && !strcmp(nft_string(c, "table"), nft_string(chain, "table"))
            && !strcmp(nft_string(c, "family"), nft_string(chain, "family"))
            && !strncmp(nft_string(c, "name"), prefix, strlen(prefix))) {
            return true;
        }
    }
    return false;
}

static enum owner
guess_owner(const struct json *all, const struct json *chain,
            const struct nft_drop *drop)
{
    const char *family = nft_string(chain, "family");
    bool forward = !strcmp(nft_string(chain, "hook"), "forward");
    bool iptables = (!strcmp(family, "ip") || !strcmp(family, "ip6"))
                    && !strcmp(nft_string(chain, "table"), "filter")
                    && strchr("FIO", nft_string(chain, "name")[0]);

    return !strncmp(nft_string(chain, "table"), "proxmox", 7)
           || !strncmp(drop->chain, "PVEFW", 5) ? OWNER_PROXMOX
           : !iptables ? OWNER_ANY
           : forward && table_has_chain(all, chain, "DOCKER-USER")
           ? OWNER_DOCKER : OWNER_IPTABLES;
}

static void
put_iptables(struct ds *ds, const struct json *chain, const char *target,
             const struct need *need, bool has_exits)
{
    const char *program = !strcmp(nft_string(chain, "family"), "ip6")
                          ? "ip6tables" : "iptables";
    const char *hook = nft_string(chain, "hook");

    if (!strcmp(hook, "forward")) {
        ds_put_format(ds, "%s -I %s -i " SN_BRIDGE " -j ACCEPT; "
                      "%s -I %s -o " SN_BRIDGE " -j ACCEPT", program,
                      target, program, target);
        if (has_exits) {
            ds_put_format(ds, "; %s -I %s -i x-+ -j ACCEPT", program, target);
        }
    } else {
        ds_put_format(ds, "%s -I %s%s%s -p udp --dport %u -j ACCEPT", program,
                      target, need->packet.dport == DNS_PORT ? " -i " : "",
                      need->packet.dport == DNS_PORT ? SN_BRIDGE : "",
                      (unsigned int) need->packet.dport);
    }
}

static void
put_nft(struct ds *ds, const struct json *chain, const struct need *need)
{
    const struct nft_packet *p = &need->packet;

    ds_put_format(ds, "nft insert rule %s %s %s", nft_string(chain, "family"),
                  nft_string(chain, "table"), nft_string(chain, "name"));
    if (!p->dport && p->iif[0]) {
        ds_put_format(ds, " iifname %s", p->iif);
    }
    if (!p->dport && p->oif[0] && (need->hooks & HOOK_FORWARD)
        && !strcmp(nft_string(chain, "hook"), "forward")) {
        ds_put_format(ds, " oifname %s", p->oif);
    }
    if (p->dport == DNS_PORT) {
        ds_put_format(ds, " iifname %s", p->iif);
    }
    if (p->dport) {
        ds_put_format(ds, " udp dport %u", (unsigned int) p->dport);
    }
    ds_put_cstr(ds, " accept");
}

/* In commands that are to be run as they are. */
static void
put_remedy(struct ds *ds, const struct json *chain, enum owner owner,
           const struct need *need, bool has_exits)
{
    if (ds->length) {
        ds_put_cstr(ds, "; ");
    }
    switch (owner) {
    case OWNER_DOCKER:
        put_iptables(ds, chain, "DOCKER-USER", need, has_exits);
        break;
    case OWNER_IPTABLES:
        put_iptables(ds, chain, nft_string(chain, "name"), need, has_exits);
        break;
    case OWNER_PROXMOX:
        if (need->packet.dport) {
            ds_put_format(ds, "IN ACCEPT -p udp -dport %u, below [RULES] in "
                          "the Proxmox firewall of this host",
                          (unsigned int) need->packet.dport);
        } else if (!strcmp(nft_string(chain, "family"), "inet")) {
            ds_put_format(ds, "FORWARD ACCEPT -iface %s, below [RULES] in "
                          "the Proxmox firewall of the datacenter",
                          need->packet.iif);
        } else {
            put_iptables(ds, chain, nft_string(chain, "name"), need,
                         has_exits);
        }
        break;
    case OWNER_ANY:
        put_nft(ds, chain, need);
        break;
    }
}

/* The line with the devices of a chain of the family netdev, which nft's JSON
 * leaves out; else "".  The caller frees. */
static char *
chain_devices(const struct json *chain)
{
    char *text = strcmp(nft_string(chain, "family"), "netdev") ? NULL
                 : doctor_run(NULL, "nft", "list", "chain", "netdev",
                              nft_string(chain, "table"),
                              nft_string(chain, "name"), NULL);
    const char *hook = text ? strstr(text, "hook ingress device") : NULL;
    char *line = hook ? xmemdup0(hook, strcspn(hook, "\n")) : xstrdup("");

    free(text);
    return line;
}

/* 'devices' is what chain_devices() tells. */
static unsigned int
chain_hook(const struct json *chain, const char *devices,
           const struct nft_packet *p)
{
    const char *hook = nft_string(chain, "hook");

    if (!strcmp(nft_string(chain, "family"), "netdev")) {
        char *quoted = xasprintf("\"%s\"", p->iif);
        bool sees = !strcmp(hook, "ingress") && strstr(devices, quoted);

        free(quoted);
        return sees ? HOOK_IN : 0;
    }
    return !strcmp(hook, "prerouting") ? HOOK_IN
           : !strcmp(hook, "input") ? HOOK_INPUT
           : !strcmp(hook, "forward") ? HOOK_FORWARD
           : !strcmp(hook, "output") ? HOOK_OUTPUT
           : !strcmp(hook, "postrouting") ? HOOK_OUT : 0;
}

static bool
chain_sees(const struct json *chain, const struct nft_packet *p)
{
    const char *family = nft_string(chain, "family");

    return !strcmp(family, "inet") || !strcmp(family, "netdev")
           || !strcmp(family, p->is_v4 ? "ip" : "ip6");
}

/* Returns whether there was something to say. */
static bool
check_chain(struct doctor *d, const struct json *all,
            const struct json *chain, const struct needs *needs)
{
    struct ds what = DS_EMPTY_INITIALIZER, remedy = DS_EMPTY_INITIALIZER;
    struct nft_drop drop, first = { .chain = NULL };
    char *devices = chain_devices(chain);
    enum owner owner = OWNER_ANY;

    for (size_t i = 0; i < needs->n; i++) {
        const struct need *need = &needs->items[i];

        if (!(need->hooks & chain_hook(chain, devices, &need->packet))
            || !chain_sees(chain, &need->packet)
            || nft_walk(all, chain, &need->packet, &drop) != NFT_DROPPED) {
            continue;
        }
        owner = guess_owner(all, chain, &drop);
        /* One line of iptables is good for all that is forwarded. */
        if (!first.chain || owner == OWNER_ANY || need->packet.dport) {
            put_remedy(&remedy, chain, owner, need, needs->has_exits);
        }
        if (!first.chain) {
            first = drop;
        }
        if (!strstr(ds_cstr(&what), need->what)) {
            ds_put_format(&what, "%s%s", what.length ? ", " : "",
                          need->what);
        }
    }
    if (first.chain) {
        doctor_report(d, DOCTOR_WARN, ds_cstr(&remedy),
                      "chain %s of table %s %s%s drops %s: %s", first.chain,
                      nft_string(chain, "family"), nft_string(chain, "table"),
                      owner == OWNER_DOCKER ? " (Docker's)"
                      : owner == OWNER_PROXMOX ? " (Proxmox firewall's)" : "",
                      first.rule ? "by a rule" : "what no rule accepts",
                      ds_cstr(&what));
    }
    ds_destroy(&remedy);
    ds_destroy(&what);
    free(devices);
    return first.chain != NULL;
}

/* Rules that iptables of before nftables made. */
static bool
check_legacy(struct doctor *d)
{
    char *tables = doctor_read("/proc/net/ip_tables_names");
    char *text = tables && tables[0]
                 ? doctor_run(NULL, "iptables-legacy", "-S", "FORWARD", NULL)
                 : NULL;
    bool drops = text && !strncmp(text, "-P FORWARD DROP", 15)
                 && !strstr(text, SN_BRIDGE);

    if (drops) {
        doctor_report(d, DOCTOR_WARN,
                      "iptables-legacy -I FORWARD -i vmbr0 -j ACCEPT; "
                      "iptables-legacy -I FORWARD -o vmbr0 -j ACCEPT; "
                      "iptables-legacy -I FORWARD -i x-+ -j ACCEPT",
                      "iptables-legacy's FORWARD drops what no rule accepts: "
                      "traffic between containers, mesh and exits");
    }
    free(text);
    free(tables);
    return drops;
}

static bool
check_all_chains(struct doctor *d, const struct json *all)
{
    struct needs needs;
    bool any = false;

    needs_init(d, &needs);
    for (size_t i = 0; i < json_array(all)->n; i++) {
        const struct json *chain = nft_member(json_array(all)->elems[i],
                                              "chain");

        if (chain && strcmp(nft_string(chain, "table"), "socknet")
            && nft_string(chain, "hook")[0]) {
            any |= check_chain(d, all, chain, &needs);
        }
    }
    needs_destroy(&needs);
    return any;
}

void
doctor_firewall(struct doctor *d)
{
    char *error;
    struct json *json = doctor_run_json(&error, "nft", "-j", "list",
                                        "ruleset", NULL);
    const struct json *all = json ? nft_member(json, "nftables") : NULL;
    bool any = check_legacy(d);

    if (!all || all->type != JSON_ARRAY) {
        doctor_report(d, DOCTOR_UNKNOWN, NULL, "the rules of nftables: %.*s",
                      error ? (int) strcspn(error, "\n") : 4,
                      error ? error : "none");
    } else if (!check_all_chains(d, all) && !any) {
        doctor_report(d, DOCTOR_OK, NULL,
                      "no other firewall drops what the mesh needs");
    }
    json_destroy(json);
    free(error);
}
