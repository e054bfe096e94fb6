#include <config.h>

#include "flows/compiler-private.h"
#include <stdlib.h>
#include "flow.h"
#include "packets.h"

/* route: local container, this host, mesh or exit.
 *
 * A longest prefix match of the packet's own destination, two priorities per
 * length: the upper one for what a container sent to its gateway, which
 * routes: TTL, and the gateway's MAC as the source.  Packets to the host or
 * beyond it keep their TTL: the host counts its own hop. */

static int
route_priority(const struct sn_prefix *dst)
{
    return 200 + 2 * dst->plen;
}

static void
route_flow(struct compiler *c, int priority, const struct sn_prefix *dst,
           uint64_t cookie)
{
    emit_flow(&c->emit, SN_TABLE_ROUTE, priority, cookie);
    if (dst) {
        emit_match_dst(&c->emit, dst);
    }
}

static void
route_end(struct compiler *c, enum sn_out out)
{
    emit_set_reg(&c->emit, SN_REG_OUT, out);
    emit_goto(&c->emit, SN_TABLE_INGRESS_POLICY);
    emit_end(&c->emit);
}

static void
route_to_container(struct compiler *c, const struct sn_prefix *dst,
                   uint64_t cookie)
{
    if (c->local) {
        route_flow(c, route_priority(dst) + 1, dst, cookie);
        match_set_dl_dst(&c->emit.match, c->local->hwaddr);
        emit_dec_ttl(&c->emit);
        emit_set_mac(&c->emit, MFF_ETH_SRC, c->local->hwaddr);
        route_end(c, SN_OUT_ADDRESS);
    }
    route_flow(c, route_priority(dst), dst, cookie);
    route_end(c, SN_OUT_ADDRESS);
}

/* For the host itself, or for it to route into the mesh. */
static void
route_to_host(struct compiler *c, const struct sn_prefix *dst,
              uint64_t cookie)
{
    route_flow(c, route_priority(dst), dst, cookie);
    emit_match_flags(&c->emit, SN_F_FROM_CONTAINER, 0);
    route_end(c, SN_OUT_HOST);
}

/* Who lets guests in is known to the host's routing. */
static void
route_to_guests(struct compiler *c, const struct model_node *node,
                uint64_t cookie)
{
    for (size_t i = 0; node->vpn && i < node->vpn->n_pools; i++) {
        route_to_host(c, &node->vpn->pools[i], cookie);
    }
}

static void
route_martians(struct compiler *c)
{
    static const char *martians[] = {
        "0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "240.0.0.0/4",
        "::/127", "fe80::/10",
    };

    for (size_t i = 0; i < ARRAY_SIZE(martians); i++) {
        struct sn_prefix dst = emit_prefix(martians[i]);
        route_flow(c, route_priority(&dst), &dst,
                   cookie_base(SN_TABLE_ROUTE, SN_WHY_DROP_MARTIAN));
        emit_end(&c->emit);
    }
}

void
stage_route_base(struct compiler *c)
{
    uint64_t cookie = cookie_base(SN_TABLE_ROUTE, SN_WHY_ROUTE);
    struct sn_prefix *own;
    size_t n_own = compiler_own_addresses(c, &own);
    struct emit *e = &c->emit;

    for (size_t i = 0; i < n_own; i++) {
        route_to_host(c, &own[i], cookie);
    }
    free(own);
    if (c->node) {
        route_to_guests(c, c->node, cookie);
    }
    for (size_t i = 0; c->node && i < c->node->n_subnets; i++) {
        route_to_container(c, &c->node->subnets[i], cookie);
    }
    if (c->model->mesh.prefix.plen) {
        route_to_host(c, &c->model->mesh.prefix, cookie);
    }
    route_martians(c);

    /* A raw flow chose the exit. */
    route_flow(c, 40, NULL, cookie);
    emit_match_flags(e, SN_F_RAW_EXIT | SN_F_FROM_CONTAINER, 0);
    route_end(c, SN_OUT_EXIT);

    /* Whoever reached a container by the host gets his answer by the host. */
    route_flow(c, 30, NULL, cookie);
    emit_match_flags(e, SN_F_FROM_CONTAINER, 0);
    emit_match_ct_state(e, CS_TRACKED | CS_REPLY_DIR, 0);
    route_end(c, SN_OUT_HOST);

    route_flow(c, 20, NULL, cookie);
    emit_match_flags(e, SN_F_HAS_EXIT | SN_F_FROM_CONTAINER, 0);
    route_end(c, SN_OUT_EXIT);

    route_flow(c, 10, NULL,
               cookie_base(SN_TABLE_ROUTE, SN_WHY_DROP_NO_EXIT));
    emit_match_flags(e, SN_F_FROM_CONTAINER, 0);
    emit_end(e);
    emit_drop(e, SN_TABLE_ROUTE, 0,
              cookie_base(SN_TABLE_ROUTE, SN_WHY_DROP_NO_ROUTE));
}

void
stage_route_node(struct compiler *c, const struct model_node *node)
{
    uint64_t cookie = cookie_node(node, SN_WHY_ROUTE);

    for (size_t i = 0; i < node->n_subnets; i++) {
        route_to_host(c, &node->subnets[i], cookie);
    }
    route_to_guests(c, node, cookie);
    if (node->address.plen) {
        struct sn_prefix address = sn_prefix_host(&node->address);
        if (!sn_prefix_contains(&c->model->mesh.prefix, &address)) {
            route_to_host(c, &address, cookie);
        }
    }
}

/* What is for a node that was revoked goes nowhere: not by an exit either. */
void
stage_route_revoked(struct compiler *c, const struct model_node *node)
{
    uint64_t cookie = cookie_node(node, SN_WHY_DROP_REVOKED);
    struct sn_prefix address = sn_prefix_host(&node->address);

    for (size_t i = 0; i < node->n_subnets; i++) {
        route_flow(c, route_priority(&node->subnets[i]), &node->subnets[i],
                   cookie);
        emit_end(&c->emit);
    }
    for (size_t i = 0; node->vpn && i < node->vpn->n_pools; i++) {
        route_flow(c, route_priority(&node->vpn->pools[i]),
                   &node->vpn->pools[i], cookie);
        emit_end(&c->emit);
    }
    if (node->address.plen) {
        route_flow(c, route_priority(&address), &address, cookie);
        emit_end(&c->emit);
    }
}

/* A container that ought to have an exit, but none of those that it names is
 * here. */
void
stage_route_container(struct compiler *c, const struct endpoint *ep)
{
    if (ep->container->exits.n && !compiler_get_exit(c, ep->container)) {
        route_flow(c, 20, NULL, cookie_endpoint(ep, SN_WHY_DROP_EXIT_DOWN));
        emit_match_reg(&c->emit, SN_REG_ENDPOINT, ep->number);
        emit_end(&c->emit);
    }
}

void
stage_route_stray(struct compiler *c, const struct model_container *container,
                  const struct sn_prefix *address)
{
    uint64_t cookie = cookie_container(c, container, SN_WHY_ROUTE);

    if (strcmp(container->node, c->node_name)) {
        route_to_host(c, address, cookie);
    } else {
        route_to_container(c, address, cookie);
    }
}
