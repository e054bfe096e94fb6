#include <config.h>

#include "flows/compiler-private.h"
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include "packets.h"

/* arp_nd: neighbours are found without flooding.
 *
 * ARP is answered here: a local container's own MAC for its address, the
 * host's for the gateway and for all that lies beyond it.
 *
 * IPv6: the kernel datapath can rewrite neither the type of an option nor the
 * flags of an advertisement (OVS refuses such flows there), so no
 * advertisement can be made out of a solicitation.  Solicitations go to the
 * owner of the target and to nobody else, and he answers.  What passes is made
 * true rather than compared: the link-layer options become the sender's MAC,
 * an advertisement's target the sender's address, both checked before.  Of an
 * honest sender nothing changes, so the datapath has nothing to rewrite.  Only
 * what no router has forwarded is neighbour discovery: all else would go from
 * host to host past the rules. */

#define ND_HOP_LIMIT 255

static void
arp_nd_flow(struct compiler *c, int priority, uint32_t from, uint64_t cookie)
{
    emit_flow(&c->emit, SN_TABLE_ARP_ND, priority, cookie);
    if (from) {
        emit_match_flags(&c->emit, from, 0);
    }
}

/* Turns a request into the answer that its target is at 'mac'.  The target is
 * one address, or whatever was asked for. */
static void
emit_arp_answer(struct emit *e, const struct sn_prefix *target,
                struct eth_addr mac)
{
    bool host = target->plen == 32;

    emit_move(e, MFF_ETH_SRC, MFF_ETH_DST);
    emit_set_mac(e, MFF_ETH_SRC, mac);
    emit_set_u16(e, MFF_ARP_OP, ARP_OP_REPLY);
    emit_move(e, MFF_ARP_SHA, MFF_ARP_THA);
    emit_set_mac(e, MFF_ARP_SHA, mac);
    if (!host) {
        emit_move(e, MFF_ARP_TPA, MFF_REG0 + SN_REG_SCRATCH);
    }
    emit_move(e, MFF_ARP_SPA, MFF_ARP_TPA);
    if (host) {
        emit_set_ipv4(e, MFF_ARP_SPA, target);
    } else {
        emit_move(e, MFF_REG0 + SN_REG_SCRATCH, MFF_ARP_SPA);
    }
    emit_output(e, OFPP_IN_PORT);
}

/* The host answers for what lies beyond it; not to itself. */
static void
arp_from_host(struct compiler *c, const struct sn_prefix *target,
              uint64_t cookie)
{
    if (c->local && target->is_v4) {
        arp_nd_flow(c, target->plen == 32 ? 100 : 90, SN_F_FROM_CONTAINER,
                    cookie);
        emit_match_arp_request(&c->emit, target);
        emit_arp_answer(&c->emit, target, c->local->hwaddr);
        emit_end(&c->emit);
    }
}

/* Virtual addresses: the host's for the containers.  To the host, whoever has
 * them is not itself. */
static void
arp_services(struct compiler *c)
{
    static const struct eth_addr nobody
        = ETH_ADDR_C(02,53,4e,00,00,01);
    const struct sn_prefix *prefix = &c->model->mesh.service4;
    uint64_t cookie = cookie_base(SN_TABLE_ARP_ND, SN_WHY_NEIGHBOUR);

    if (c->has_vips[true]) {
        arp_from_host(c, prefix, cookie);
        arp_nd_flow(c, 90, SN_F_FROM_LOCAL, cookie);
        emit_match_arp_request(&c->emit, prefix);
        emit_arp_answer(&c->emit, prefix, nobody);
        emit_end(&c->emit);
    }
}

static void
nd_gateway(struct compiler *c, const struct sn_prefix *gateway)
{
    struct emit *e = &c->emit;

    arp_nd_flow(c, 110, SN_F_FROM_CONTAINER,
                cookie_base(SN_TABLE_ARP_ND, SN_WHY_NEIGHBOUR));
    emit_match_ns(e, gateway);
    match_set_nw_ttl(&e->match, ND_HOP_LIMIT);
    emit_move(e, MFF_ETH_SRC, MFF_ND_SLL);
    emit_set_reg(e, SN_REG_OUT, SN_OUT_HOST);
    emit_goto(e, SN_TABLE_DELIVER);
    emit_end(e);
}

/* Solicitations find their target at deliver. */
static void
nd_solicitations(struct compiler *c)
{
    static const uint32_t from[] = { SN_F_FROM_CONTAINER, SN_F_FROM_LOCAL };
    struct emit *e = &c->emit;

    for (size_t i = 0; i < ARRAY_SIZE(from); i++) {
        arp_nd_flow(c, 100, from[i],
                    cookie_base(SN_TABLE_ARP_ND, SN_WHY_NEIGHBOUR));
        emit_match_icmp6(e, ND_NEIGHBOR_SOLICIT);
        match_set_icmp_code(&e->match, 0);
        match_set_nw_ttl(&e->match, ND_HOP_LIMIT);
        if (from[i] == SN_F_FROM_CONTAINER) {
            emit_move(e, MFF_ETH_SRC, MFF_ND_SLL);
        }
        emit_set_reg(e, SN_REG_OUT, SN_OUT_NEIGHBOUR);
        emit_goto(e, SN_TABLE_DELIVER);
        emit_end(e);
    }
}

/* Advertisements go to who asked. */
static void
nd_advertisement(struct compiler *c, int priority, uint32_t from,
                 enum sn_out out)
{
    struct emit *e = &c->emit;

    arp_nd_flow(c, priority, from,
                cookie_base(SN_TABLE_ARP_ND, SN_WHY_NEIGHBOUR));
    emit_match_icmp6(e, ND_NEIGHBOR_ADVERT);
    match_set_icmp_code(&e->match, 0);
    match_set_nw_ttl(&e->match, ND_HOP_LIMIT);
    if (out == SN_OUT_HOST) {
        match_set_dl_dst(&e->match, c->local->hwaddr);
    }
    if (from == SN_F_FROM_CONTAINER) {
        emit_move(e, MFF_ETH_SRC, MFF_ND_TLL);
        emit_move(e, MFF_IPV6_SRC, MFF_ND_TARGET);
    }
    emit_set_reg(e, SN_REG_OUT, out);
    emit_goto(e, SN_TABLE_DELIVER);
    emit_end(e);
}

static void
nd_advertisements(struct compiler *c)
{
    if (c->local) {
        nd_advertisement(c, 110, SN_F_FROM_CONTAINER, SN_OUT_HOST);
    }
    nd_advertisement(c, 100, SN_F_FROM_CONTAINER, SN_OUT_ADDRESS);
    nd_advertisement(c, 100, SN_F_FROM_LOCAL, SN_OUT_ADDRESS);
}

/* What the host says to its own network and not to the containers. */
static void
arp_nd_unmanaged(struct compiler *c)
{
    uint64_t cookie = cookie_base(SN_TABLE_ARP_ND, SN_WHY_SWITCH);
    struct sn_prefix multicast = emit_prefix("ff00::/8");
    struct emit *e = &c->emit;

    for (size_t i = 0; c->node && i < c->node->n_subnets; i++) {
        if (c->node->subnets[i].is_v4) {
            arp_nd_flow(c, 50, SN_F_FROM_LOCAL,
                        cookie_base(SN_TABLE_ARP_ND,
                                    SN_WHY_DROP_NO_NEIGHBOUR));
            emit_match_arp_request(e, &c->node->subnets[i]);
            emit_end(e);
        }
    }
    for (int i = 0; i < 2 && !sset_is_empty(&c->uplinks); i++) {
        arp_nd_flow(c, 45, SN_F_FROM_LOCAL, cookie);
        if (i == 0) {
            emit_match_dl_type(e, ETH_TYPE_ARP);
        } else {
            emit_match_dst(e, &multicast);
        }
        emit_set_reg(e, SN_REG_OUT, SN_OUT_UNMANAGED);
        emit_goto(e, SN_TABLE_DELIVER);
        emit_end(e);
    }
}

void
stage_arp_nd_base(struct compiler *c)
{
    uint64_t cookie = cookie_base(SN_TABLE_ARP_ND, SN_WHY_NEIGHBOUR);
    struct sn_prefix multicast = emit_prefix("ff00::/8");
    struct emit *e = &c->emit;

    for (size_t i = 0; c->node && i < c->node->n_subnets; i++) {
        struct sn_prefix gateway = sn_prefix_host(&c->node->gateways[i]);
        if (gateway.is_v4) {
            arp_from_host(c, &gateway, cookie);
        } else {
            nd_gateway(c, &gateway);
        }
    }
    arp_services(c);
    nd_solicitations(c);
    nd_advertisements(c);
    arp_nd_unmanaged(c);

    arp_nd_flow(c, 50, SN_F_FROM_CONTAINER,
                cookie_base(SN_TABLE_ARP_ND, SN_WHY_DROP_MULTICAST));
    emit_match_dst(e, &multicast);
    emit_end(e);
    arp_nd_flow(c, 40, 0, cookie_base(SN_TABLE_ARP_ND, SN_WHY_PROCEED));
    emit_match_dl_type(e, ETH_TYPE_IPV6);
    emit_goto(e, SN_TABLE_SERVICE);
    emit_end(e);
    emit_drop(e, SN_TABLE_ARP_ND, 0,
              cookie_base(SN_TABLE_ARP_ND, SN_WHY_DROP_NO_NEIGHBOUR));
}

void
stage_arp_nd_container(struct compiler *c, const struct endpoint *ep)
{
    uint64_t cookie = cookie_endpoint(ep, SN_WHY_NEIGHBOUR);
    struct emit *e = &c->emit;

    for (size_t i = 0; i < ep->container->n_addresses; i++) {
        struct sn_prefix a = sn_prefix_host(&ep->container->addresses[i]);

        if (a.is_v4) {
            arp_nd_flow(c, 100, 0, cookie);
            emit_match_arp_request(e, &a);
            emit_arp_answer(e, &a, ep->mac);
            emit_end(e);
        }
    }
}

void
stage_arp_nd_node(struct compiler *c, const struct model_node *node)
{
    uint64_t cookie = cookie_node(node, SN_WHY_NEIGHBOUR);

    for (size_t i = 0; i < node->n_subnets; i++) {
        arp_from_host(c, &node->subnets[i], cookie);
    }
}

/* A container of another host with an address that looks local. */
void
stage_arp_nd_stray(struct compiler *c,
                   const struct model_container *container,
                   const struct sn_prefix *address)
{
    if (strcmp(container->node, c->node_name)) {
        arp_from_host(c, address,
                      cookie_container(c, container, SN_WHY_NEIGHBOUR));
    }
}
