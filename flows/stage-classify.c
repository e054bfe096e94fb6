#include <config.h>

#include "flows/compiler-private.h"
#include "flows/limits.h"
#include "flows/ports.h"
#include "flow.h"
#include "packets.h"

/* classify: in_port to source kind and endpoint.
 *
 * The only stage that matches port numbers.  A container's port and its MAC
 * are one match: from here on whoever has an endpoint number has been seen to
 * send from his own MAC.  The container's exit is found out here as well,
 * which spares a route for each; its IPv6 address serves
 * neighbour discovery. */

static uint64_t
cookie_uplink(const char *port, enum sn_reason reason)
{
    return cookie_make(COOKIE_UPLINK, cookie_name_id(port), reason);
}

static void
match_vlan_tagged(struct emit *e)
{
    match_set_dl_tci_masked(&e->match, htons(VLAN_CFI), htons(VLAN_CFI));
}

/* Unmanaged ports never see more of the pipeline than the guard. */
static void
classify_uplinks(struct compiler *c)
{
    struct emit *e = &c->emit;
    const char *name;
    bool any = false;

    SSET_FOR_EACH (name, &c->uplinks) {
        const struct flow_port *port = flow_ports_find(c->ports, name);
        if (port) {
            any = true;
            emit_flow(e, SN_TABLE_CLASSIFY, 300,
                      cookie_uplink(name, SN_WHY_SWITCH));
            match_set_in_port(&e->match, port->ofport);
            emit_set_reg(e, SN_REG_FLAGS, SN_F_FROM_UNMANAGED);
            emit_set_reg(e, SN_REG_OUT, SN_OUT_UNMANAGED);
            emit_goto(e, SN_TABLE_SPOOF_GUARD);
            emit_end(e);
        }
    }
    if (any) {
        emit_flow(e, SN_TABLE_CLASSIFY, 210,
                  cookie_base(SN_TABLE_CLASSIFY, SN_WHY_SWITCH));
        match_set_in_port(&e->match, OFPP_LOCAL);
        match_vlan_tagged(e);
        emit_set_reg(e, SN_REG_OUT, SN_OUT_UNMANAGED);
        emit_goto(e, SN_TABLE_DELIVER);
        emit_end(e);
    }
}

void
stage_classify_base(struct compiler *c)
{
    struct emit *e = &c->emit;

    emit_flow(e, SN_TABLE_CLASSIFY, 200,
              cookie_base(SN_TABLE_CLASSIFY, SN_WHY_DROP_VLAN));
    match_vlan_tagged(e);
    emit_end(e);

    emit_flow(e, SN_TABLE_CLASSIFY, 100,
              cookie_base(SN_TABLE_CLASSIFY, SN_WHY_PORT));
    match_set_in_port(&e->match, OFPP_LOCAL);
    emit_set_reg(e, SN_REG_FLAGS, SN_F_FROM_LOCAL);
    emit_goto(e, SN_TABLE_SPOOF_GUARD);
    emit_end(e);

    classify_uplinks(c);
    emit_drop(e, SN_TABLE_CLASSIFY, 0,
              cookie_base(SN_TABLE_CLASSIFY, SN_WHY_DROP_UNKNOWN_PORT));
}

static const struct sn_prefix *
first_ipv6(const struct model_container *container)
{
    for (size_t i = 0; i < container->n_addresses; i++) {
        if (!container->addresses[i].is_v4) {
            return &container->addresses[i];
        }
    }
    return NULL;
}

void
stage_classify_container(struct compiler *c, const struct endpoint *ep)
{
    const struct model_exit *exit = compiler_get_exit(c, ep->container);
    const struct sn_prefix *ipv6 = first_ipv6(ep->container);
    struct emit *e = &c->emit;

    emit_flow(e, SN_TABLE_CLASSIFY, 100, cookie_endpoint(ep, SN_WHY_PORT));
    match_set_in_port(&e->match, ep->port->ofport);
    match_set_dl_src(&e->match, ep->mac);
    limits_emit_packets(c, ep);
    emit_set_reg(e, SN_REG_ENDPOINT, ep->number);
    emit_set_reg(e, SN_REG_FLAGS,
                 SN_F_FROM_CONTAINER | (exit ? SN_F_HAS_EXIT : 0)
                 | (ipv6 ? SN_F_HAS_IPV6 : 0));
    if (exit) {
        emit_set_reg(e, SN_REG_OUT_ID, exit_number(exit));
    }
    if (ipv6) {
        emit_set_ipv6(e, MFF_XXREG0 + SN_REG_ADDRESS6 / 4, ipv6);
    }
    emit_goto(e, SN_TABLE_SPOOF_GUARD);
    emit_end(e);
}

/* Nothing else of a quarantined container is installed; this flow says so. */
void
stage_classify_quarantine(struct compiler *c,
                          const struct model_container *container)
{
    const struct flow_port *port = flow_ports_find_veth(c->ports,
                                                        container->veth);

    if (port) {
        emit_flow(&c->emit, SN_TABLE_CLASSIFY, 110,
                  cookie_container(c, container, SN_WHY_DROP_QUARANTINE));
        match_set_in_port(&c->emit.match, port->ofport);
        emit_end(&c->emit);
    }
}

/* What leaves by an exit comes back by LOCAL. */
void
stage_classify_exit(struct compiler *c, const struct model_exit *exit)
{
    char *name = model_exit_port(exit, c->node_name);
    const struct flow_port *port = flow_ports_find(c->ports, name);

    if (port) {
        emit_flow(&c->emit, SN_TABLE_CLASSIFY, 110,
                  cookie_exit(exit, SN_WHY_DROP_FROM_EXIT));
        match_set_in_port(&c->emit.match, port->ofport);
        emit_end(&c->emit);
    }
    free(name);
}
