#include <config.h>
#include "agent/discover.h"

#include <stdlib.h>
#include <string.h>

#include "agent/ct-config.h"
#include "agent/ct-configs.h"
#include "agent/ct-inits.h"
#include "agent/ct-owner.h"
#include "agent/identity.h"
#include "agent/link.h"
#include "agent/plan.h"
#include "agent/plugs.h"
#include "agent/vswitch.h"
#include "openvswitch/shash.h"
#include "openvswitch/vlog.h"
#include "packets.h"
#include "smap.h"
#include "sset.h"
#include "state/adopt.h"
#include "state/model.h"
#include "state/port-name.h"
#include "timeval.h"
#include "util.h"
#include "vswitch-idl.h"

VLOG_DEFINE_THIS_MODULE(discover);

struct discover {
    struct plugs *plugs;
    struct ct_inits *inits;
    struct port_report *ports;
    size_t n_ports, allocated_ports;
    struct sset veths;
    struct sset firewalls;
    struct sset machines;
    bool ready;
    struct sset uplinks;        /* Of the node when it was last known. */
};

/* What the parts of a run share. */
struct discover_run {
    struct discover *d;
    const struct model *model;
    const struct ct_configs *configs;
    struct nlk *nlk;
    const struct links *links;
    const struct ovsrec_bridge *br;
    const struct model_node *node;
    struct shash by_veth;       /* Veth -> const struct model_container. */
    struct shash by_id;         /* The same of those with any veth. */
    struct ct_owners owners;
    struct sset *problems;
};

const char *
port_state_to_string(enum port_state state)
{
    static const char *const names[] = {
        [PORT_UP] = "up", [PORT_DOWN] = "down", [PORT_MISSING] = "missing",
        [PORT_QUARANTINE] = "quarantine", [PORT_MACHINE] = "machine",
    };

    return names[state];
}

struct discover *
discover_create(const char *state_dir, const char *lxc_dir)
{
    struct discover *d = xzalloc(sizeof *d);

    d->plugs = plugs_create(state_dir);
    d->inits = ct_inits_create(lxc_dir);
    sset_init(&d->veths);
    sset_init(&d->firewalls);
    sset_init(&d->machines);
    sset_init(&d->uplinks);
    return d;
}

static void
discover_clear_ports(struct discover *d)
{
    for (size_t i = 0; i < d->n_ports; i++) {
        free(d->ports[i].name);
        free(d->ports[i].container);
        free(d->ports[i].reason);
        model_object_free(MODEL_CONTAINER, d->ports[i].found);
    }
    d->n_ports = 0;
}

void
discover_destroy(struct discover *d)
{
    if (d) {
        discover_clear_ports(d);
        free(d->ports);
        plugs_destroy(d->plugs);
        ct_inits_destroy(d->inits);
        sset_destroy(&d->veths);
        sset_destroy(&d->firewalls);
        sset_destroy(&d->machines);
        sset_destroy(&d->uplinks);
        free(d);
    }
}

void
discover_set_stale(struct discover *d)
{
    plugs_set_stale(d->plugs);
}

bool
discover_is_due(struct discover *d)
{
    return plugs_is_due(d->plugs);
}

void
discover_wait(const struct discover *d)
{
    plugs_wait(d->plugs);
}

const struct port_report *
discover_get_ports(const struct discover *d, size_t *n)
{
    *n = d->n_ports;
    return d->ports;
}

const struct sset *
discover_get_veths(const struct discover *d)
{
    return &d->veths;
}

bool
discover_is_ready(const struct discover *d)
{
    return d->ready;
}

const struct sset *
discover_get_firewalls(const struct discover *d)
{
    return &d->firewalls;
}

const struct sset *
discover_get_machines(const struct discover *d)
{
    return &d->machines;
}

static struct port_report *
add_report(struct discover *d, const char *name, const char *container,
           const struct ovsrec_interface *iface)
{
    if (d->n_ports >= d->allocated_ports) {
        d->ports = x2nrealloc(d->ports, &d->allocated_ports,
                              sizeof *d->ports);
    }
    struct port_report *r = &d->ports[d->n_ports++];
    memset(r, 0, sizeof *r);
    r->name = xstrdup(name);
    r->container = xstrdup(container);
    r->iface = iface;
    return r;
}

static void OVS_PRINTF_FORMAT(3, 4)
report_set(struct port_report *r, enum port_state state, const char *format,
           ...)
{
    va_list args;

    free(r->reason);
    va_start(args, format);
    r->state = state;
    r->reason = xvasprintf(format, args);
    va_end(args);
}

static char *
find_contradiction(const struct discover_run *run,
                   const struct model_container *c,
                   const struct ct_owner *owner, struct eth_addr seen)
{
    struct identity id = {
        .container = c, .owner = owner, .seen = seen,
        .end = ct_inits_check_end(run->d->inits, run->nlk, owner->link,
                                  c->id),
    };

    return identity_check(&id, run->configs, run->links);
}

/* A port of which nobody contradicts whose it is. */
static void
report_state(struct port_report *r, const struct ovsrec_interface *iface,
             const struct ct_owner *owner)
{
    if (iface->error) {
        report_set(r, PORT_DOWN, "%s", iface->error);
    } else if (!r->ofport) {
        report_set(r, PORT_DOWN, "the switch has not opened it yet");
    } else if (!owner->link) {
        report_set(r, PORT_DOWN, "there is no interface %s", owner->veth);
    } else if (!owner->link->up) {
        report_set(r, PORT_DOWN, "%s is down", owner->veth);
    } else if (eth_addr_is_zero(r->mac)) {
        report_set(r, PORT_DOWN, "the container's MAC address is not known; "
                   "write it as hwaddr");
    } else {
        report_set(r, PORT_UP, "%s", "");
    }
}

/* A declared container's port that is in the switch. */
static void
report_container(struct discover_run *run, struct port_report *r,
                 const struct ovsrec_interface *iface,
                 const struct model_container *c,
                 const struct ct_owner *owner)
{
    const struct eth_addr *declared
        = (c->has_hwaddr ? &c->hwaddr
           : owner->nic && owner->nic->has_mac ? &owner->nic->mac : NULL);
    struct eth_addr seen
        = (owner->link ? plugs_get_mac(run->d->plugs, run->nlk, owner->link,
                                       declared, run->problems)
           : eth_addr_zero);
    char *contradiction = find_contradiction(run, c, owner, seen);

    r->mac = eth_addr_is_zero(seen) && c->has_hwaddr ? c->hwaddr : seen;
    if (contradiction) {
        report_set(r, PORT_QUARANTINE, "%s", contradiction);
        free(contradiction);
    } else {
        report_state(r, iface, owner);
    }
}

/* Of two ports of a container, one behind a firewall's bridge and one not, the
 * latter is the one that flows go by. */
static const struct model_container *
find_container(const struct discover_run *run, const char *port,
               const struct ct_owner *owner)
{
    bool hidden = (strcmp(owner->veth, port)
                   && vswitch_find_port(run->br, owner->veth));
    const struct model_container *c
        = hidden ? NULL : shash_find_data(&run->by_veth, owner->veth);

    if (!c && owner->config) {
        c = shash_find_data(&run->by_id, owner->config->id);
        c = c && identity_is_nic(c, owner) ? c : NULL;
    }
    return c;
}

static bool
is_own_port(const struct ovsrec_interface *iface)
{
    const char *owner = smap_get(&iface->external_ids, VSWITCH_OWNER_KEY);

    return owner && !strcmp(owner, VSWITCH_OWNER);
}

/* Ports that are no container's: the bridge's own, exits, uplinks, those of
 * virtual machines, and what Proxmox has there for a moment. */
static bool
is_ignored(const struct discover_run *run,
           const struct ovsrec_interface *iface)
{
    return (!strcmp(iface->name, SN_BRIDGE)
            || is_own_port(iface)
            || port_name_is_transient(iface->name)
            || port_name_is_tap(iface->name)
            || sset_contains(&run->node->uplinks, iface->name));
}

/* 'c', the container that the host's configuration says it is, becomes part of
 * the network, or the port says why not. */
static void
report_candidate(struct discover_run *run, struct port_report *r,
                 const struct ovsrec_interface *iface,
                 struct model_container *c, const struct ct_owner *owner)
{
    char *reason = find_contradiction(run, c, owner, r->mac);

    reason = reason ? reason : adopt_check(run->model, c);
    if (reason) {
        report_set(r, PORT_QUARANTINE, "not adopted: %s", reason);
        model_object_free(MODEL_CONTAINER, c);
        free(reason);
        return;
    }
    r->mac = c->hwaddr;
    free(r->container);
    r->container = xstrdup(c->name);
    r->found = c;
    report_state(r, iface, owner);
}

static void
report_stranger(struct discover_run *run, struct port_report *r,
                const struct ovsrec_interface *iface,
                const struct ct_owner *owner)
{
    const struct model *model = run->model;

    if (owner->link && model->mesh.adopt) {
        r->mac = plugs_get_mac(run->d->plugs, run->nlk, owner->link,
                               owner->nic && owner->nic->has_mac
                               ? &owner->nic->mac : NULL, run->problems);
    } else if (owner->link) {
        struct link_peer peer;

        if (!link_read_peer(run->nlk, owner->link, &peer)) {
            r->mac = peer.mac;
        }
    }
    struct model_container *c
        = (model->mesh.adopt && owner->config
           ? identity_create_candidate(owner, run->node->name, r->mac, model)
           : model->mesh.adopt && !ct_configs_is_pve(run->configs)
           ? identity_clone_adopted(model, run->node->name, owner->veth)
           : NULL);
    if (c) {
        report_candidate(run, r, iface, c, owner);
    } else {
        char *reason = identity_explain_stranger(owner, model);
        report_set(r, PORT_QUARANTINE, "%s", reason);
        free(reason);
    }
}

/* Whether the port, behind a bridge of Proxmox's firewall, is a virtual
 * machine's: no two guests of Proxmox have the same number. */
static bool
is_machine(const struct discover_run *run, const char *port,
           const struct ct_owner *owner)
{
    unsigned int vmid, index;

    return (strcmp(owner->veth, port)
            && port_name_parse_veth(owner->veth, &vmid, &index)
            && ct_configs_is_vm(run->configs, vmid)
            && !owner->link);
}

static void
discover_port(struct discover_run *run, const struct ovsrec_interface *iface)
{
    const struct link *link = links_find(run->links, iface->name);
    struct discover *d = run->d;
    struct ct_owner owner;

    if (is_ignored(run, iface)) {
        return;
    }
    ct_owner_find(&run->owners, iface->name, &owner);
    const struct model_container *c = find_container(run, iface->name,
                                                     &owner);
    if (link && !strcmp(link->kind, "veth")) {
        sset_add(&d->veths, iface->name);
    }

    struct port_report *r = add_report(d, iface->name, c ? c->name : "",
                                       iface);
    r->ofport = (iface->n_ofport && iface->ofport[0] > 0 ? iface->ofport[0]
                 : 0);
    if (!c && is_machine(run, iface->name, &owner)) {
        sset_add(&d->machines, iface->name);
        report_set(r, PORT_MACHINE, "%s", "");
    } else if (c) {
        shash_find_and_delete(c->any_veth ? &run->by_id : &run->by_veth,
                              c->any_veth ? c->id : c->veth);
        report_container(run, r, iface, c, &owner);
    } else {
        report_stranger(run, r, iface, &owner);
    }
    ct_owner_destroy(&owner);
}

/* Why nothing is plugged. */
static char *
explain_missing(const struct discover_run *run,
                const struct model_container *c, const struct link *veth)
{
    const struct ct_nic *nic;
    const struct ct_config *config
        = ct_configs_find_veth(run->configs, c->veth, &nic);

    if (nic && nic->link_down) {
        return xasprintf("%s has it down (link_down)", config->file);
    } else if (veth) {
        return xasprintf("%s exists and is not plugged into "SN_BRIDGE,
                         c->veth);
    }

    char *absent = identity_explain_absence(c, run->configs);
    char *reason = xasprintf("there is no interface %s%s%s", c->veth,
                             absent ? "; " : "", absent ? absent : "");
    free(absent);
    return reason;
}

static void
discover_missing(struct discover_run *run)
{
    struct shash_node *node;

    SHASH_FOR_EACH (node, &run->by_veth) {
        const struct model_container *c = node->data;
        const struct link *veth = links_find(run->links, c->veth);
        struct port_report *r = add_report(run->d, c->veth, c->name,
                                           NULL);

        /* Closed before it is plugged: the moment in between is enough. */
        if (veth && !strcmp(veth->kind, "veth")) {
            sset_add(&run->d->veths, c->veth);
        }
        char *reason = explain_missing(run, c, veth);
        report_set(r, PORT_MISSING, "%s", reason);
        free(reason);
    }
}

/* Those of which LXC has to say which interface they have. */
static void
discover_absent(struct discover_run *run)
{
    struct shash_node *node;

    SHASH_FOR_EACH (node, &run->by_id) {
        const struct model_container *c = node->data;
        char *unknown = port_name_unknown(c->id);
        struct port_report *r = add_report(run->d, unknown, c->name, NULL);
        char *reason = identity_explain_absence(c, run->configs);

        report_set(r, PORT_MISSING, "%s", reason);
        free(reason);
        free(unknown);
    }
}

static void
index_containers(struct discover_run *run, const struct model *model)
{
    struct shash_node *node;

    SHASH_FOR_EACH (node, &model->containers) {
        const struct model_container *c = node->data;

        if (!c->adopted && !strcmp(c->node, run->node->name) && c->veth
            && !strcmp(c->bridge, SN_BRIDGE)) {
            shash_add_once(c->any_veth ? &run->by_id : &run->by_veth,
                           c->any_veth ? c->id : c->veth, c);
        }
    }
}

static void
find_firewalls(struct discover *d, const struct links *links)
{
    const struct shash_node *node;

    sset_clear(&d->firewalls);
    SHASH_FOR_EACH (node, &links->by_name) {
        const struct link *veth = node->data;
        char *bridge = (strcmp(veth->kind, "veth") ? NULL
                        : port_name_firewall_bridge(veth->name));

        if (bridge && links_find(links, bridge)) {
            sset_add(&d->firewalls, bridge);
        }
        free(bridge);
    }
}

static int
compare_reports(const void *a_, const void *b_)
{
    const struct port_report *a = a_, *b = b_;

    return strcmp(a->name, b->name);
}

/* The state lost this node: whatever is plugged meanwhile is closed. */
static void
discover_strangers(struct discover_run *run)
{
    const struct ovsrec_bridge *br = run->br;
    struct sset *veths = &run->d->veths;
    const char *name, *next;

    SSET_FOR_EACH_SAFE (name, next, veths) {
        if (!links_find(run->links, name)) {
            sset_find_and_delete(veths, name);
        }
    }
    for (size_t i = 0; br && i < br->n_ports; i++) {
        name = br->ports[i]->name;
        const struct link *link = links_find(run->links, name);

        if (link && !strcmp(link->kind, "veth")
            && !sset_contains(&run->d->uplinks, name)) {
            sset_add(veths, name);
        }
    }
}

void
discover_run(struct discover *d, struct nlk *nlk, const struct links *links,
             const struct vswitch *sw, const struct ct_configs *configs,
             const struct model *model, const char *node,
             struct sset *problems)
{
    struct discover_run run = {
        .d = d, .nlk = nlk, .links = links, .model = model,
        .configs = configs, .problems = problems,
        .br = vswitch_find_bridge(sw, SN_BRIDGE),
        .node = model_get_node(model, node),
    };

    discover_clear_ports(d);
    plugs_begin_round(d->plugs);
    if (!run.node) {
        discover_strangers(&run);
        return;         /* The guards stay, as all else of the host does. */
    }
    sset_clear(&d->veths);
    sset_clear(&d->machines);
    sset_destroy(&d->uplinks);
    sset_clone(&d->uplinks, &run.node->uplinks);
    shash_init(&run.by_veth);
    shash_init(&run.by_id);
    ct_owners_init(&run.owners, nlk, links, configs, d->inits);
    index_containers(&run, model);
    for (size_t i = 0; run.br && i < run.br->n_ports; i++) {
        for (size_t j = 0; j < run.br->ports[i]->n_interfaces; j++) {
            discover_port(&run, run.br->ports[i]->interfaces[j]);
        }
    }
    discover_missing(&run);
    discover_absent(&run);
    d->ready = true;
    find_firewalls(d, links);
    plugs_end_round(d->plugs, problems);
    ct_inits_end_round(d->inits);
    ct_owners_destroy(&run.owners);
    shash_destroy(&run.by_id);
    shash_destroy(&run.by_veth);
    if (d->n_ports > 1) {
        qsort(d->ports, d->n_ports, sizeof *d->ports, compare_reports);
    }
}
