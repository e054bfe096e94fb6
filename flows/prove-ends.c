#include <config.h>

#include "flows/prove-private.h"

#include <stdlib.h>
#include <string.h>
#include "flow.h"
#include "flows/compiler.h"
#include "openvswitch/util.h"
#include "packets.h"
#include "state/model.h"
#include "util.h"

/* What leaves the bridge, port by port, against what may. */

/* Bytes of the network and transport headers, of which rules speak. */
static const struct { size_t first, size; } rule_fields[] = {
    { HEADER_BYTE(nw_src), 4 }, { HEADER_BYTE(nw_dst), 4 },
    { HEADER_BYTE(ipv6_src), 16 }, { HEADER_BYTE(ipv6_dst), 16 },
    { HEADER_BYTE(tp_src), 2 }, { HEADER_BYTE(tp_dst), 2 },
};

static space_set
and(struct prove *p, space_set a, space_set b)
{
    return space_and(p->space, a, b);
}

static space_set
or(struct prove *p, space_set a, space_set b)
{
    return space_or(p->space, a, b);
}

static space_set
minus(struct prove *p, space_set a, space_set b)
{
    return space_minus(p->space, a, b);
}

/* 'set', which is about addresses and ports, of packets as they leave: those
 * to a virtual address have a backend's by then. */
static space_set
as_it_leaves(struct prove *p, const struct symbolic_end *end, space_set set)
{
    struct header header;
    bool rewritten = false;

    header_init(&header);
    for (size_t i = 0; i < ARRAY_SIZE(rule_fields); i++) {
        for (size_t j = 0; j < rule_fields[i].size; j++) {
            size_t byte = rule_fields[i].first + j;

            header_move(&header, byte, byte);
            header.known[byte] = end->header.known[byte];
            header.value[byte] = end->header.value[byte];
            rewritten |= header.known[byte] != 0;
        }
    }
    return rewritten ? header_view(p->space, &header, set) : set;
}

static space_set
sent_by_containers(struct prove *p, const struct symbolic_end *end)
{
    return and(p, end->set, p->expect.from_ports);
}

/* IP packets that are not neighbour discovery: it has no connections, and its
 * own guard. */
static space_set
without_neighbours(struct prove *p, space_set set)
{
    return minus(p, and(p, set, p->expect.ip), p->expect.neighbours);
}

static void
claim_port(struct prove *p, enum prove_invariant invariant, const char *text,
           const char *to, const struct symbolic_end *end, space_set bad)
{
    struct claim claim = {
        .invariant = invariant, .text = text, .to = to, .port = end->port,
        .flow = end->flow,
    };

    prove_claim(p, &claim, bad);
}

/* What containers may send as theirs. */
static space_set
own_sources(struct prove *p)
{
    const struct expect *e = &p->expect;
    space_set set = SPACE_NONE;

    for (size_t i = 0; i < e->n_endpoints; i++) {
        set = or(p, set, e->endpoints[i].from);
    }
    return set;
}

static void
check_spoofing(struct prove *p, const struct symbolic_end *end,
               space_set own)
{
    space_set bad = minus(p, sent_by_containers(p, end), own);

    /* A solicitation with a link-local address leaves with its own. */
    if (bad != SPACE_NONE) {
        bad = minus(p, bad, as_it_leaves(p, end, own));
    }
    claim_port(p, PROVE_SPOOFING, "its packet leaves with a source that is "
               "not its own", NULL, end, bad);
}

/* Ends. */

static void
check_container(struct prove *p, const struct symbolic_end *end,
                const struct expect_endpoint *ep)
{
    const struct expect *e = &p->expect;
    const char *name = ep->container->name;
    space_set sent = sent_by_containers(p, end);
    space_set hairpin
        = and(p, header_in_port_set(p->space, ep->port),
              and(p, ep->from, e->services[EXPECT_DST]));
    space_set allowed, other;

    claim_port(p, PROVE_UPLINKS, "what it sends reaches ", name, end,
               and(p, end->set, e->from_uplinks));
    claim_port(p, PROVE_TABLES, "what is no IP packet reaches ", name, end,
               minus(p, or(p, sent, and(p, end->set, e->from_host)), e->ip));
    other = minus(p, end->set, or(p, e->from_ports,
                                  or(p, e->from_host, e->from_uplinks)));
    claim_port(p, PROVE_TABLES, "nobody's port, but its packet reaches ",
               name, end, other);

    allowed = or(p, and(p, e->egress, ep->to), or(p, ep->raw,
                                                  e->raw_unproven));
    allowed = or(p, as_it_leaves(p, end, allowed), hairpin);
    claim_port(p, PROVE_MATRIX, "no rule allows it, but its packet reaches ",
               name, end, minus(p, without_neighbours(p, sent), allowed));

    allowed = or(p, and(p, e->ingress, ep->to), or(p, ep->raw,
                                                   e->raw_unproven));
    allowed = or(p, as_it_leaves(p, end, allowed), e->refusals);
    claim_port(p, PROVE_MATRIX, "from outside, and no rule allows it, but a "
               "packet reaches ", name, end,
               minus(p, without_neighbours(p, and(p, end->set,
                                                  e->from_host)),
                     or(p, allowed, e->nobody[EXPECT_SRC])));
}

static void
check_host(struct prove *p, const struct symbolic_end *end)
{
    const struct expect *e = &p->expect;
    space_set sent = sent_by_containers(p, end);
    space_set ip = without_neighbours(p, sent);
    space_set own = and(p, ip, as_it_leaves(p, end, e->own[EXPECT_DST]));
    space_set beyond = minus(p, ip, own);
    space_set raw = as_it_leaves(p, end, e->raw_unproven);
    space_set allowed = or(p, raw, as_it_leaves(p, end, and(p, e->egress,
                                                            e->to_host)));
    space_set refused = and(p, as_it_leaves(p, end, e->services[EXPECT_DST]),
                            e->services[EXPECT_DST]);

    claim_port(p, PROVE_HOST, "no rule allows it, but its packet reaches "
               "node:", p->bridge->node, end,
               minus(p, own, or(p, allowed, as_it_leaves(p, end,
                                                         e->raw_host))));
    beyond = minus(p, beyond, refused);
    claim_port(p, PROVE_MESH, "its packet goes to the host, but is for "
               "nobody of the mesh", NULL, end,
               minus(p, beyond, or(p, raw, as_it_leaves(p, end,
                                                        e->to_host))));
    claim_port(p, PROVE_MATRIX, "no rule allows it, but its packet goes into "
               "the mesh", NULL, end,
               minus(p, and(p, beyond, as_it_leaves(p, end, e->to_host)),
                     or(p, or(p, allowed, as_it_leaves(p, end, e->raw_mesh)),
                        as_it_leaves(p, end, e->nobody[EXPECT_DST]))));
    claim_port(p, PROVE_HOST, "what is no IP packet reaches node:",
               p->bridge->node, end, minus(p, sent, e->ip));
}

static void
check_exit(struct prove *p, const struct symbolic_end *end,
           const struct expect_exit *x)
{
    const struct expect *e = &p->expect;
    const char *name = x->exit->name;
    space_set sent = sent_by_containers(p, end);
    space_set members = or(p, x->members, or(p, x->raw, e->raw_unproven));
    space_set internet = as_it_leaves(p, end, e->to_exit);
    space_set allowed
        = or(p, and(p, as_it_leaves(p, end, e->egress), internet),
             or(p, x->raw, e->raw_unproven));

    claim_port(p, PROVE_TRANSIT, "its packet leaves by exit ", name, end,
               minus(p, end->set, e->from_ports));
    claim_port(p, PROVE_EXITS, "it has another exit or none, but its packet "
               "leaves by ", name, end, minus(p, sent, members));
    claim_port(p, PROVE_EXITS, "its packet is for the mesh or for nobody, but "
               "leaves by ", name, end,
               minus(p, and(p, sent, members),
                     or(p, internet, or(p, x->raw, e->raw_unproven))));
    claim_port(p, PROVE_MATRIX, "no rule allows it, but its packet leaves by ",
               name, end, minus(p, and(p, sent, members), allowed));
}

/* A port that is neither a container's nor an exit's.  Multicast is not
 * forwarded by hosts: it is their own. */
static void
check_other(struct prove *p, const struct symbolic_end *end)
{
    static const uint8_t untagged[4];
    const struct expect *e = &p->expect;
    space_set transit
        = and(p, and(p, end->set, e->from_host),
              and(p, e->remote_src,
                  header_bytes_set(p->space, HEADER_BYTE(vlans[0]), untagged,
                                   NULL, sizeof untagged)));
    space_set known = or(p, e->from_uplinks, e->from_host);

    claim_port(p, PROVE_UPLINKS, "its packet leaves by a port that is no "
               "container's", NULL, end, sent_by_containers(p, end));
    claim_port(p, PROVE_UPLINKS, "a packet from the mesh leaves by a port "
               "that is no container's", NULL, end,
               minus(p, without_neighbours(p, transit),
                     or(p, e->own[EXPECT_SRC], e->multicast)));
    claim_port(p, PROVE_UPLINKS, "an unknown port, but its packet leaves",
               NULL, end,
               minus(p, end->set, or(p, known, e->from_ports)));
}

static void
check_end(struct prove *p, const struct symbolic_end *end)
{
    const struct expect *e = &p->expect;

    if (end->port == OFPP_LOCAL) {
        check_host(p, end);
        return;
    }
    for (size_t i = 0; i < e->n_endpoints; i++) {
        if (e->endpoints[i].port == end->port) {
            check_container(p, end, &e->endpoints[i]);
            return;
        }
    }
    for (size_t i = 0; i < e->n_exits; i++) {
        if (e->exits[i].port == end->port) {
            check_exit(p, end, &e->exits[i]);
            return;
        }
    }
    check_other(p, end);
}

void
prove_check_ends(struct prove *p)
{
    space_set own = own_sources(p);
    const struct symbolic_end *end;

    HMAP_FOR_EACH (end, node, &p->symbolic.ends) {
        if (end->port != OFPP_IN_PORT) {
            check_spoofing(p, end, own);
            check_end(p, end);
        }
    }
}

/* What does not leave, but ought to. */

static space_set
leaving_by(struct prove *p, ofp_port_t port)
{
    const struct symbolic_end *end;
    space_set set = SPACE_NONE;

    HMAP_FOR_EACH (end, node, &p->symbolic.ends) {
        if (end->port == port) {
            set = or(p, set, end->set);
        }
    }
    return set;
}

static void
claim_missing(struct prove *p, const char *text, const char *to,
              ofp_port_t port, space_set wanted, space_set got)
{
    struct claim claim = {
        .invariant = PROVE_MATRIX, .text = text, .to = to, .port = port,
        .missing = true,
    };

    prove_claim(p, &claim, minus(p, wanted, got));
}

static void
check_missing_at(struct prove *p, const struct expect_endpoint *ep,
                 space_set sent, space_set from_host)
{
    const struct expect *e = &p->expect;
    const char *name = ep->container->name;
    space_set got = leaving_by(p, ep->port);
    space_set to = and(p, ep->to, e->to_local);
    space_set wanted
        = minus(p, and(p, and(p, and(p, e->egress, to), sent),
                       symbolic_any_packet(p->space)),
                header_in_port_set(p->space, ep->port));

    claim_missing(p, "a rule allows it, but no packet reaches ", name,
                  ep->port, wanted, got);
    wanted = and(p, and(p, and(p, e->ingress, to), from_host),
                 symbolic_any_packet(p->space));
    claim_missing(p, "from outside, and a rule allows it, but no packet "
                  "reaches ", name, ep->port, wanted, got);
    claim_missing(p, "a raw flow allows it, but no packet reaches ", name,
                  ep->port,
                  minus(p, and(p, and(p, ep->raw, own_sources(p)),
                               symbolic_any_packet(p->space)),
                        or(p, e->odd, header_in_port_set(p->space,
                                                         ep->port))), got);
}

void
prove_check_missing(struct prove *p)
{
    const struct expect *e = &p->expect;
    space_set left_out = or(p, e->raw, e->raw_unproven);
    space_set sent = minus(p, own_sources(p), or(p, e->odd, left_out));
    space_set from_host = minus(p, minus(p, e->from_host,
                                         e->nobody[EXPECT_SRC]),
                                or(p, e->odd_host, left_out));
    space_set to_host = minus(p, e->to_host, e->nobody[EXPECT_DST]);
    space_set any = symbolic_any_packet(p->space);

    for (size_t i = 0; i < e->n_endpoints; i++) {
        check_missing_at(p, &e->endpoints[i], sent, from_host);
    }
    claim_missing(p, "a rule allows it, but its packet does not get to the "
                  "host or into the mesh", NULL, OFPP_LOCAL,
                  and(p, and(p, and(p, e->egress, to_host), sent), any),
                  leaving_by(p, OFPP_LOCAL));
    for (size_t i = 0; i < e->n_exits; i++) {
        space_set members = SPACE_NONE;

        for (size_t j = 0; j < e->n_endpoints; j++) {
            if (e->endpoints[j].exit == e->exits[i].exit) {
                members = or(p, members, e->endpoints[j].from);
            }
        }
        claim_missing(p, "a rule allows it, but its packet does not leave "
                      "by ", e->exits[i].exit->name, e->exits[i].port,
                      and(p, and(p, and(p, e->egress, e->to_exit),
                                 and(p, sent, members)), any),
                      leaving_by(p, e->exits[i].port));
    }
}
