#include <config.h>

#include "flows/compiler-private.h"
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include "flow.h"
#include "flows/limits.h"
#include "lib/host-bridge.h"
#include "packets.h"

/* spoof_guard: a container sends only from its own addresses.
 *
 * Its MAC was checked by classify.  Link-local IPv6 sources may solicit
 * neighbours, as they do to see whether one is still there; they ask in the
 * name of the container's own address, so that the answer finds it.  From the
 * host nobody may use the address of a local container: that is how a packet
 * of a container that strayed through the host is kept from coming back.
 *
 * What a neighbour on an unmanaged port says with an address of the mesh, or
 * about one, is not for the host, which would take it for a container's.  The
 * switching among these ports is no business of ours. */

static void
guard_next(struct emit *e, bool is_v4)
{
    emit_goto(e, is_v4 ? SN_TABLE_SERVICE : SN_TABLE_ARP_ND);
}

static void
guard_flow(struct compiler *c, int priority, uint32_t from,
           enum sn_reason reason)
{
    emit_flow(&c->emit, SN_TABLE_SPOOF_GUARD, priority,
              cookie_base(SN_TABLE_SPOOF_GUARD, reason));
    emit_match_flags(&c->emit, from, 0);
}

/* Addresses are declared: no container may act as a DHCP server or a router,
 * or turn to one. */
static void
guard_services(struct compiler *c)
{
    static const struct { uint16_t dl_type; uint16_t port; } dhcp[] = {
        { ETH_TYPE_IP, 67 }, { ETH_TYPE_IPV6, 547 },
    };
    static const uint8_t router_types[] = { ND_ROUTER_ADVERT, ND_REDIRECT };
    struct emit *e = &c->emit;

    for (size_t i = 0; i < ARRAY_SIZE(dhcp); i++) {
        guard_flow(c, 200, SN_F_FROM_CONTAINER, SN_WHY_DROP_DHCP);
        emit_match_proto(e, dhcp[i].dl_type, IPPROTO_UDP);
        match_set_tp_src(&e->match, htons(dhcp[i].port));
        emit_end(e);
    }
    for (size_t i = 0; i < ARRAY_SIZE(router_types); i++) {
        guard_flow(c, 200, SN_F_FROM_CONTAINER, SN_WHY_DROP_RA);
        emit_match_icmp6(e, router_types[i]);
        emit_end(e);
    }
    guard_flow(c, 200, SN_F_FROM_CONTAINER, SN_WHY_DROP_RA);
    emit_match_proto(e, ETH_TYPE_IP, IPPROTO_ICMP);
    match_set_icmp_type(&e->match, 5);          /* Redirect. */
    emit_end(e);
}

/* Packets that any sane container sends now and then with a source that is
 * not yet, or not, one of its addresses. */
static void
guard_unspecified(struct compiler *c)
{
    struct sn_prefix none4 = emit_prefix("0.0.0.0/32");
    struct sn_prefix none6 = emit_prefix("::/128");
    struct sn_prefix link_local = emit_prefix("fe80::/10");
    struct emit *e = &c->emit;

    guard_flow(c, 90, SN_F_FROM_CONTAINER, SN_WHY_DROP_DAD);
    emit_match_dl_type(e, ETH_TYPE_ARP);
    match_set_nw_src(&e->match, 0);
    emit_end(e);
    guard_flow(c, 90, SN_F_FROM_CONTAINER, SN_WHY_DROP_DHCP);
    emit_match_src(e, &none4);
    emit_end(e);
    guard_flow(c, 95, SN_F_FROM_CONTAINER, SN_WHY_DROP_DAD);
    emit_match_icmp6(e, ND_NEIGHBOR_SOLICIT);
    emit_match_src(e, &none6);
    emit_end(e);
    guard_flow(c, 90, SN_F_FROM_CONTAINER, SN_WHY_DROP_MULTICAST);
    emit_match_src(e, &none6);
    emit_end(e);
    guard_flow(c, 95, SN_F_FROM_CONTAINER | SN_F_HAS_IPV6, SN_WHY_NEIGHBOUR);
    emit_match_icmp6(e, ND_NEIGHBOR_SOLICIT);
    emit_match_src(e, &link_local);
    emit_move(e, MFF_XXREG0 + SN_REG_ADDRESS6 / 4, MFF_IPV6_SRC);
    emit_goto(e, SN_TABLE_ARP_ND);
    emit_end(e);
    guard_flow(c, 90, SN_F_FROM_CONTAINER, SN_WHY_DROP_MULTICAST);
    emit_match_src(e, &link_local);
    emit_end(e);
}

static void
guard_multicast4(struct compiler *c)
{
    static const char *dsts[] = { "224.0.0.0/4", "255.255.255.255/32" };

    for (size_t i = 0; i < ARRAY_SIZE(dsts); i++) {
        struct sn_prefix dst = emit_prefix(dsts[i]);
        guard_flow(c, 150, SN_F_FROM_CONTAINER, SN_WHY_DROP_MULTICAST);
        emit_match_dst(&c->emit, &dst);
        emit_end(&c->emit);
    }
}

static void
guard_local(struct compiler *c)
{
    struct emit *e = &c->emit;

    for (size_t i = 0; c->node && i < c->node->n_subnets; i++) {
        struct sn_prefix gateway = sn_prefix_host(&c->node->gateways[i]);

        guard_flow(c, 110, SN_F_FROM_LOCAL, SN_WHY_SOURCE);
        emit_match_src(e, &gateway);
        guard_next(e, gateway.is_v4);
        emit_end(e);
        guard_flow(c, 105, SN_F_FROM_LOCAL, SN_WHY_DROP_SPOOFED);
        emit_match_src(e, &c->node->subnets[i]);
        emit_end(e);
    }
    for (int is_v4 = 0; is_v4 < 2; is_v4++) {
        guard_flow(c, 100, SN_F_FROM_LOCAL, SN_WHY_SOURCE);
        emit_match_family(e, is_v4);
        guard_next(e, is_v4);
        emit_end(e);
    }
    guard_flow(c, 100, SN_F_FROM_LOCAL, SN_WHY_NEIGHBOUR);
    emit_match_dl_type(e, ETH_TYPE_ARP);
    emit_goto(e, SN_TABLE_ARP_ND);
    emit_end(e);
    if (!sset_is_empty(&c->uplinks)) {          /* LLDP, EAPOL, PPPoE... */
        guard_flow(c, 10, SN_F_FROM_LOCAL, SN_WHY_SWITCH);
        emit_set_reg(e, SN_REG_OUT, SN_OUT_UNMANAGED);
        emit_goto(e, SN_TABLE_DELIVER);
        emit_end(e);
    }
}

static void
withhold(struct compiler *c, uint64_t cookie)
{
    emit_flow(&c->emit, SN_TABLE_SPOOF_GUARD, 100, cookie);
    emit_match_flags(&c->emit, SN_F_FROM_UNMANAGED, 0);
}

static void
withhold_end(struct compiler *c)
{
    emit_set_reg(&c->emit, SN_REG_OUT, SN_OUT_OTHERS);
    emit_goto(&c->emit, SN_TABLE_DELIVER);
    emit_end(&c->emit);
}

static void
guard_unmanaged_from(struct compiler *c, const struct sn_prefix *prefix,
                     uint64_t cookie)
{
    static const uint8_t types[] = { ND_NEIGHBOR_SOLICIT,
                                     ND_NEIGHBOR_ADVERT };
    struct emit *e = &c->emit;

    if (sset_is_empty(&c->uplinks) || !prefix->plen) {
        return;
    }
    withhold(c, cookie);
    emit_match_src(e, prefix);
    withhold_end(c);
    if (prefix->is_v4) {
        withhold(c, cookie);
        emit_match_arp_source(e, prefix);
        withhold_end(c);
        return;
    }
    for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
        withhold(c, cookie);
        emit_match_nd_target(e, types[i], prefix);
        withhold_end(c);
    }
}

/* Of a node: its containers and its guests. */
static void
guard_unmanaged_node(struct compiler *c, const struct model_node *node,
                     uint64_t cookie)
{
    for (size_t i = 0; i < node->n_subnets; i++) {
        guard_unmanaged_from(c, &node->subnets[i], cookie);
    }
    for (size_t i = 0; node->vpn && i < node->vpn->n_pools; i++) {
        guard_unmanaged_from(c, &node->vpn->pools[i], cookie);
    }
}

static void
guard_unmanaged(struct compiler *c)
{
    uint64_t cookie = cookie_base(SN_TABLE_SPOOF_GUARD, SN_WHY_WITHHELD);
    struct sn_prefix exits = emit_prefix(SN_EXIT_PORTS);
    struct emit *e = &c->emit;

    if (sset_is_empty(&c->uplinks)) {
        return;
    }
    guard_unmanaged_from(c, &c->model->mesh.prefix, cookie);
    guard_unmanaged_from(c, &exits, cookie);
    if (c->node) {
        guard_unmanaged_node(c, c->node, cookie);
    }
    guard_flow(c, 10, SN_F_FROM_UNMANAGED, SN_WHY_SWITCH);
    emit_goto(e, SN_TABLE_DELIVER);
    emit_end(e);
}

void
stage_guard_node(struct compiler *c, const struct model_node *node)
{
    uint64_t cookie = cookie_node(node, SN_WHY_WITHHELD);

    guard_unmanaged_node(c, node, cookie);
    if (node->address.plen) {
        struct sn_prefix address = sn_prefix_host(&node->address);

        if (!sn_prefix_contains(&c->model->mesh.prefix, &address)) {
            guard_unmanaged_from(c, &address, cookie);
        }
    }
}

void
stage_guard_base(struct compiler *c)
{
    guard_unmanaged(c);
    guard_services(c);
    guard_multicast4(c);
    guard_unspecified(c);
    guard_local(c);
    emit_drop(&c->emit, SN_TABLE_SPOOF_GUARD, 0,
              cookie_base(SN_TABLE_SPOOF_GUARD, SN_WHY_DROP_SPOOFED));
}

void
stage_guard_container(struct compiler *c, const struct endpoint *ep)
{
    uint64_t cookie = cookie_endpoint(ep, SN_WHY_SOURCE);
    struct emit *e = &c->emit;

    for (size_t i = 0; i < ep->container->n_addresses; i++) {
        struct sn_prefix a = sn_prefix_host(&ep->container->addresses[i]);

        emit_flow(e, SN_TABLE_SPOOF_GUARD, 100, cookie);
        emit_match_reg(e, SN_REG_ENDPOINT, ep->number);
        emit_match_src(e, &a);
        limits_emit_egress(c, ep);
        limits_emit_class(c, ep->container->class);
        guard_next(e, a.is_v4);
        emit_end(e);
        if (a.is_v4) {
            emit_flow(e, SN_TABLE_SPOOF_GUARD, 100, cookie);
            emit_match_reg(e, SN_REG_ENDPOINT, ep->number);
            emit_match_dl_type(e, ETH_TYPE_ARP);
            match_set_nw_src(&e->match, in6_addr_get_mapped_ipv4(&a.addr));
            match_set_arp_sha(&e->match, ep->mac);
            emit_goto(e, SN_TABLE_ARP_ND);
            emit_end(e);
        }
    }
}

/* An address that does not lie where its subnet does: of a local container,
 * nobody outside may use it; of another host's, it comes from the mesh. */
void
stage_guard_stray(struct compiler *c, const struct model_container *container,
                  const struct sn_prefix *address)
{
    bool local = !strcmp(container->node, c->node_name);
    struct emit *e = &c->emit;

    emit_flow(e, SN_TABLE_SPOOF_GUARD, local ? 107 : 106,
              cookie_container(c, container, local ? SN_WHY_DROP_SPOOFED
                                                   : SN_WHY_SOURCE));
    emit_match_flags(e, SN_F_FROM_LOCAL, 0);
    emit_match_src(e, address);
    if (!local) {
        guard_next(e, address->is_v4);
    }
    emit_end(e);
    guard_unmanaged_from(c, address,
                         cookie_container(c, container, SN_WHY_WITHHELD));
}
