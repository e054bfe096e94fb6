#include <config.h>

#include "flows/expect.h"

#include <stdlib.h>
#include <string.h>
#include "flow.h"
#include "flows/compiler.h"
#include "flows/regs.h"
#include "lib/host-bridge.h"
#include "openvswitch/ofp-actions.h"
#include "openvswitch/util.h"
#include "state/model.h"
#include "state/rawflow.h"
#include "util.h"

/* The raw flows, from their text: what each gets, the higher priorities first,
 * and where it lets that go. */

struct raw {
    const struct model_raw_flow *text;
    struct raw_flow *flow;
    int priority;
};

static void
add(struct expect *e, space_set *set, space_set more)
{
    *set = space_or(e->space, *set, more);
}

static const struct model_container *
find_veth(const struct expect *e, const char *veth)
{
    const struct model_container *found = NULL;
    const struct shash_node *item;

    SHASH_FOR_EACH (item, &e->model->containers) {
        const struct model_container *container = item->data;
        bool local = !strcmp(container->node, e->node);

        if (strcmp(container->veth, veth) || !expect_is_trusted(e, container)
            || (found && !local && !strcmp(found->node, e->node))) {
            continue;
        }
        if (!found || (local && strcmp(found->node, e->node))
            || strcmp(container->name, found->name) < 0) {
            found = container;
        }
    }
    return found;
}

static const struct model_exit *
find_exit(const struct expect *e, const char *interface)
{
    const struct model_exit *found = NULL;
    const struct shash_node *item;

    SHASH_FOR_EACH (item, &e->model->exits) {
        const struct model_exit *exit = item->data;

        if (!strcmp(exit->node, e->node)
            && !strcmp(exit->interface, interface)
            && (!found || strcmp(exit->name, found->name) < 0)) {
            found = exit;
        }
    }
    return found;
}

static bool
is_bridge(const struct expect *e, const char *name)
{
    const struct flow_port *port = flow_ports_find(e->ports, name);

    return !strcmp(name, "LOCAL") || (port && port->ofport == OFPP_LOCAL);
}

static struct expect_endpoint *
find_endpoint(struct expect *e, const struct model_container *container)
{
    for (size_t i = 0; i < e->n_endpoints; i++) {
        if (e->endpoints[i].container == container) {
            return &e->endpoints[i];
        }
    }
    return NULL;
}

static space_set
in_port_set(struct expect *e, const struct raw_flow *flow)
{
    if (!flow->in_port) {
        return space_or(e->space, e->from_ports, e->from_host);
    } else if (is_bridge(e, flow->in_port) || find_exit(e, flow->in_port)) {
        return e->from_host;
    }

    const struct model_container *container = find_veth(e, flow->in_port);
    struct expect_endpoint *ep = container ? find_endpoint(e, container)
                                 : NULL;
    return ep ? header_in_port_set(e->space, ep->port) : SPACE_NONE;
}

/* Whether it is known of the first packet of a connection. */
static bool
is_known(size_t byte)
{
    static const struct { size_t first, end; } fields[] = {
        { HEADER_BYTE(ct_state), HEADER_BYTE(ct_label) + 16 },
        { HEADER_BYTE(ct_nw_src), HEADER_BYTE(ct_nw_dst) + 4 },
        { HEADER_BYTE(ct_ipv6_src), HEADER_BYTE(ct_ipv6_dst) + 16 },
        { HEADER_BYTE(ct_tp_src), HEADER_BYTE(ct_tp_dst) + 2 },
    };

    for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
        if (byte >= fields[i].first && byte < fields[i].end) {
            return true;
        }
    }
    return header_byte_is_packet(byte);
}

/* What of first packets the flow matches.  Clears '*exact' if it asks for
 * things that are not known of them. */
static space_set
match_set(struct expect *e, const struct raw_flow *flow, bool *exact)
{
    struct match match = flow->match;
    struct header_match *bytes;
    struct header header;
    bool outside = false;
    size_t n = 0;

    match.flow.in_port.ofp_port = 0;
    match.wc.masks.in_port.ofp_port = 0;
    size_t n_bytes = header_match_from_match(&match, &bytes, &outside);
    for (size_t i = 0; i < n_bytes; i++) {
        if (is_known(bytes[i].byte)) {
            bytes[n++] = bytes[i];
        } else {
            outside = true;
        }
    }
    header_init(&header);
    header_track(&header, SN_CT_ZONE);
    space_set set = header_match_set(e->space, &header, bytes, n);
    free(bytes);
    *exact = !outside;
    return space_and(e->space, space_and(e->space, set, e->ip),
                     in_port_set(e, flow));
}

/* To a container elsewhere a packet goes only where its address says. */
static space_set
deliver(struct expect *e, const struct model_container *container,
        space_set set)
{
    struct expect_endpoint *ep = find_endpoint(e, container);

    if (!strcmp(container->node, e->node)) {
        add(e, ep ? &ep->raw : &e->raw_dropped, set);
    } else {
        space_set dst = SPACE_NONE;

        for (size_t i = 0; i < container->n_addresses; i++) {
            struct sn_prefix a = sn_prefix_host(&container->addresses[i]);
            add(e, &dst, header_prefix_set(e->space, false, &a));
        }
        set = space_and(e->space, space_and(e->space, set, e->from_ports),
                        dst);
        add(e, &e->raw_mesh, set);
    }
    add(e, &e->raw, set);
    return set;
}

static space_set
leave_by(struct expect *e, const struct model_exit *exit, space_set set)
{
    set = space_and(e->space, set, e->from_ports);
    space_set leaves = space_minus(e->space, set, e->mesh[EXPECT_DST]);

    for (size_t i = 0; i < e->n_exits; i++) {
        if (e->exits[i].exit == exit) {
            add(e, &e->exits[i].raw, leaves);
        }
    }
    add(e, &e->raw, leaves);
    return set;
}

static space_set
drop(struct expect *e, space_set set)
{
    add(e, &e->raw_dropped, set);
    add(e, &e->raw, set);
    return set;
}

/* Returns what of 'set' the flow takes. */
static space_set
apply(struct expect *e, const struct raw_flow *flow, space_set set)
{
    const struct ofpact *a;

    OFPACT_FOR_EACH (a, flow->ofpacts, flow->ofpacts_len) {
        if (a->type != OFPACT_OUTPUT) {
            continue;
        }
        ofp_port_t port = ofpact_get_OUTPUT(a)->port;
        const char *name = raw_flow_port_name(flow, port);
        const struct model_container *container = name ? find_veth(e, name)
                                                  : NULL;
        const struct model_exit *exit = name ? find_exit(e, name) : NULL;

        if (port == OFPP_NORMAL) {
            return set;
        } else if (port == OFPP_LOCAL || (name && is_bridge(e, name))) {
            set = space_and(e->space, set, e->from_ports);
            add(e, &e->raw_host, space_and(e->space, set,
                                           e->own[EXPECT_DST]));
            add(e, &e->raw, set);
            return set;
        }
        return container ? deliver(e, container, set)
               : exit ? leave_by(e, exit, set) : drop(e, set);
    }
    return drop(e, set);
}

static int
compare_raws(const void *a_, const void *b_)
{
    const struct raw *a = a_;
    const struct raw *b = b_;

    return a->priority > b->priority ? -1 : a->priority < b->priority;
}

static struct raw *
collect(struct expect *e, size_t *ret_n)
{
    struct raw *raws = xmalloc((shash_count(&e->model->raw_flows) + 1)
                               * sizeof *raws);
    const struct shash_node *item;
    size_t n = 0;

    SHASH_FOR_EACH (item, &e->model->raw_flows) {
        const struct model_raw_flow *text = item->data;
        struct raw_flow *flow = strcmp(text->node, e->node) ? NULL
                                : raw_flow_parse(text, NULL);

        if (flow) {
            raws[n++] = (struct raw) {
                text, flow, MAX(1, MIN(flow->priority, 65533)),
            };
        }
    }
    qsort(raws, n, sizeof *raws, compare_raws);
    *ret_n = n;
    return raws;
}

void
expect_make_raw(struct expect *e)
{
    size_t n;
    struct raw *raws = collect(e, &n);
    space_set higher = SPACE_NONE, equal = SPACE_NONE;

    e->unproven = xmalloc((n + 1) * sizeof *e->unproven);
    for (size_t i = 0; i < n; i++) {
        bool exact = true;
        space_set set = match_set(e, raws[i].flow, &exact);

        if (i && raws[i].priority != raws[i - 1].priority) {
            add(e, &higher, equal);
            equal = SPACE_NONE;
        }
        set = space_minus(e->space, set, higher);
        if (set == SPACE_NONE) {
            /* None of a first packet. */
        } else if (exact) {
            add(e, &equal, apply(e, raws[i].flow, set));
        } else {
            e->unproven[e->n_unproven++] = raws[i].text;
            add(e, &e->raw, set);
            add(e, &e->raw_unproven, set);
        }
        raw_flow_destroy(raws[i].flow);
    }
    free(raws);
}
