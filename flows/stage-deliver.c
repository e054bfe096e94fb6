#include <config.h>

#include "flows/compiler-private.h"
#include <netinet/icmp6.h>
#include <stdlib.h>
#include "flow.h"
#include "flows/limits.h"
#include "packets.h"

/* commit: records an accepted new connection, with the rule as its mark.  Of
 * ICMP errors of a container only those about its own connections pass: the
 * rules judge the connection, which an error of anybody can quote.
 * deliver: MAC and output; the only stage that outputs to port numbers. */

void
stage_commit_base(struct compiler *c)
{
    struct emit *e = &c->emit;

    for (int is_v4 = 0; is_v4 < 2; is_v4++) {
        emit_flow(e, SN_TABLE_COMMIT, 100,
                  cookie_base(SN_TABLE_COMMIT, SN_WHY_COMMIT));
        emit_match_family(e, is_v4);
        emit_match_ct_state(e, CS_TRACKED | CS_NEW, CS_INVALID);
        emit_ct_commit(e);
        emit_goto(e, SN_TABLE_SERVICE_REPLY);
        emit_end(e);
    }
    emit_flow(e, SN_TABLE_COMMIT, 50,
              cookie_base(SN_TABLE_COMMIT, SN_WHY_PROCEED));
    emit_match_ct_state(e, CS_TRACKED, CS_NEW | CS_INVALID);
    emit_goto(e, SN_TABLE_SERVICE_REPLY);
    emit_end(e);
    emit_flow(e, SN_TABLE_COMMIT, 150,
              cookie_base(SN_TABLE_COMMIT, SN_WHY_DROP_INVALID));
    emit_match_flags(e, SN_F_FROM_CONTAINER, 0);
    emit_match_ct_state(e, CS_TRACKED | CS_RELATED, 0);
    emit_end(e);
    emit_drop(e, SN_TABLE_COMMIT, 0,
              cookie_base(SN_TABLE_COMMIT, SN_WHY_DROP_INVALID));
}

/* An answer of the container to what it received. */
static void
commit_error(struct compiler *c, const struct endpoint *ep)
{
    struct emit *e = &c->emit;

    emit_flow(e, SN_TABLE_COMMIT, 160, cookie_endpoint(ep, SN_WHY_REPORT));
    emit_match_reg(e, SN_REG_ENDPOINT, ep->number);
    emit_match_reg(e, SN_REG_REPORTER, ep->number);
    emit_match_ct_state(e, CS_TRACKED | CS_RELATED, CS_INVALID);
    emit_goto(e, SN_TABLE_SERVICE_REPLY);
    emit_end(e);
}

/* New connections of a container that may open so many per second.  Packets of
 * one that is recorded, and has a mark, are new as long as nothing replies. */
static void
commit_limited(struct compiler *c, const struct endpoint *ep)
{
    struct emit *e = &c->emit;

    for (int is_v4 = 0; is_v4 < 2; is_v4++) {
        emit_flow(e, SN_TABLE_COMMIT, 120,
                  cookie_endpoint(ep, SN_WHY_COMMIT));
        emit_match_reg(e, SN_REG_ENDPOINT, ep->number);
        emit_match_family(e, is_v4);
        emit_match_ct_state(e, CS_TRACKED | CS_NEW, CS_INVALID);
        match_set_ct_mark(&e->match, 0);
        limits_emit_new(c, ep);
        emit_ct_commit(e);
        emit_goto(e, SN_TABLE_SERVICE_REPLY);
        emit_end(e);
    }
}

void
stage_commit_container(struct compiler *c, const struct endpoint *ep)
{
    commit_error(c, ep);
    if (c->model->mesh.new_connections) {
        commit_limited(c, ep);
    }
}

static void
deliver_flow(struct compiler *c, int priority, enum sn_out out,
             uint64_t cookie)
{
    emit_flow(&c->emit, SN_TABLE_DELIVER, priority, cookie);
    emit_match_reg(&c->emit, SN_REG_OUT, out);
}

static void
deliver_to_port(struct compiler *c, const struct eth_addr mac,
                ofp_port_t port)
{
    emit_set_mac(&c->emit, MFF_ETH_DST, mac);
    emit_output(&c->emit, port);
    emit_end(&c->emit);
}

static int
compare_ports(const void *a_, const void *b_)
{
    const ofp_port_t *a = a_;
    const ofp_port_t *b = b_;
    return (ofp_to_u16(*a) < ofp_to_u16(*b) ? -1
            : ofp_to_u16(*a) > ofp_to_u16(*b));
}

/* To all unmanaged ports and the host but the one it came from. */
static void
emit_flood(struct compiler *c, bool to_host)
{
    size_t max = sset_count(&c->uplinks), n = 0;
    ofp_port_t *ports = xmalloc((max + 1) * sizeof *ports);
    const char *name;

    SSET_FOR_EACH (name, &c->uplinks) {
        const struct flow_port *port = flow_ports_find(c->ports, name);
        if (port) {
            ports[n++] = port->ofport;
        }
    }
    qsort(ports, n, sizeof *ports, compare_ports);
    for (size_t i = 0; i < n; i++) {
        emit_output(&c->emit, ports[i]);
    }
    if (to_host) {
        emit_output(&c->emit, OFPP_LOCAL);
    }
    emit_end(&c->emit);
    free(ports);
}

static void
deliver_unmanaged(struct compiler *c)
{
    uint64_t cookie = cookie_base(SN_TABLE_DELIVER, SN_WHY_SWITCH);

    if (!sset_is_empty(&c->uplinks)) {
        deliver_flow(c, 100, SN_OUT_UNMANAGED, cookie);
        emit_flood(c, true);
        deliver_flow(c, 100, SN_OUT_OTHERS, cookie);
        emit_flood(c, false);
        deliver_flow(c, 90, SN_OUT_NEIGHBOUR, cookie);
        emit_match_flags(&c->emit, SN_F_FROM_LOCAL, 0);
        emit_flood(c, false);
        deliver_flow(c, 90, SN_OUT_ADDRESS, cookie);
        emit_match_flags(&c->emit, SN_F_FROM_LOCAL, 0);
        emit_match_icmp6(&c->emit, ND_NEIGHBOR_ADVERT);
        emit_flood(c, false);
    }
}

void
stage_deliver_base(struct compiler *c)
{
    uint64_t cookie = cookie_base(SN_TABLE_DELIVER, SN_WHY_DELIVER);

    if (c->local) {
        deliver_flow(c, 100, SN_OUT_HOST, cookie);
        emit_match_flags(&c->emit, SN_F_FROM_CONTAINER, 0);
        deliver_to_port(c, c->local->hwaddr, OFPP_LOCAL);
    }
    deliver_unmanaged(c);
    deliver_flow(c, 50, SN_OUT_NEIGHBOUR,
                 cookie_base(SN_TABLE_DELIVER, SN_WHY_DROP_NO_NEIGHBOUR));
    emit_end(&c->emit);
    emit_drop(&c->emit, SN_TABLE_DELIVER, 0,
              cookie_base(SN_TABLE_DELIVER, SN_WHY_DROP_NOT_PLUGGED));
}

void
stage_deliver_container(struct compiler *c, const struct endpoint *ep)
{
    uint64_t cookie = cookie_endpoint(ep, SN_WHY_DELIVER);

    for (size_t i = 0; i < ep->container->n_addresses; i++) {
        struct sn_prefix a = sn_prefix_host(&ep->container->addresses[i]);

        deliver_flow(c, 100, SN_OUT_ADDRESS, cookie);
        emit_match_dst(&c->emit, &a);
        limits_emit_ingress(c, ep);
        deliver_to_port(c, ep->mac, ep->port->ofport);
        if (!a.is_v4) {
            deliver_flow(c, 100, SN_OUT_NEIGHBOUR, cookie);
            emit_match_ns(&c->emit, &a);
            deliver_to_port(c, ep->mac, ep->port->ofport);
        }
    }
    if (sset_contains(&c->raw_targets, ep->container->name)) {
        deliver_flow(c, 100, SN_OUT_ENDPOINT, cookie);
        emit_match_reg(&c->emit, SN_REG_OUT_ID, ep->number);
        limits_emit_ingress(c, ep);
        deliver_to_port(c, ep->mac, ep->port->ofport);
    }
}

void
stage_deliver_exit(struct compiler *c, const struct model_exit *exit)
{
    char *name = model_exit_port(exit, c->node_name);
    const struct flow_port *port = flow_ports_find(c->ports, name);
    bool up = compiler_exit_is_usable(c, exit);

    deliver_flow(c, 100, SN_OUT_EXIT,
                 cookie_exit(exit, up ? SN_WHY_EXIT : SN_WHY_DROP_EXIT_DOWN));
    emit_match_reg(&c->emit, SN_REG_OUT_ID, exit_number(exit));
    if (up) {
        deliver_to_port(c, port->hwaddr, port->ofport);
    } else {
        emit_end(&c->emit);
    }
    free(name);
}
