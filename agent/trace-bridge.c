#include <config.h>
#include "agent/trace-private.h"

#include <inttypes.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "agent/agent-private.h"
#include "agent/central.h"
#include "agent/discover.h"
#include "agent/link.h"
#include "agent/plan.h"
#include "agent/vswitch.h"
#include "agent/vswitchd-call.h"
#include "flow.h"
#include "lib/ofproto-trace.h"
#include "openvswitch/dynamic-string.h"
#include "ovsdb-idl.h"
#include "packets.h"
#include "state/model.h"
#include "util.h"
#include "vswitch-idl.h"

/* As many lookups in conntrack as a packet can meet. */
enum { N_LOOKUPS = 4 };

static const struct port_report *
find_port(const struct trace *t, const char *container)
{
    size_t n;
    const struct port_report *ports
        = discover_get_ports(t->agent->discover, &n);

    for (size_t i = 0; i < n; i++) {
        if (!strcmp(ports[i].container, container)) {
            return &ports[i];
        }
    }
    return NULL;
}

static const struct port_report *
find_port_number(const struct trace *t, uint32_t ofport)
{
    size_t n;
    const struct port_report *ports
        = discover_get_ports(t->agent->discover, &n);

    for (size_t i = 0; i < n; i++) {
        if (ports[i].ofport == ofport) {
            return &ports[i];
        }
    }
    return NULL;
}

/* The local container that has an address. */
static const struct model_container *
find_container(const struct trace *t, const struct sn_prefix *address)
{
    const struct model_container *container
        = model_find_container(central_model(t->agent->central), address);

    return container && !strcmp(container->node, t->agent->node) ? container
           : NULL;
}

static struct eth_addr
container_mac(const struct trace *t, const struct model_container *container)
{
    const struct port_report *port = find_port(t, container->name);

    return container->has_hwaddr || !port ? container->hwaddr : port->mac;
}

static struct eth_addr
bridge_mac(const struct trace *t)
{
    const struct link *link = links_find(&t->agent->links, SN_BRIDGE);

    return link ? link->mac : eth_addr_zero;
}

static void
packet_to_flow(const struct trace_packet *p, struct flow *f)
{
    f->nw_ttl = 64;
    f->nw_proto = p->ip_proto;
    if (p->dst.is_v4) {
        f->dl_type = htons(ETH_TYPE_IP);
        f->nw_src = in6_addr_get_mapped_ipv4(&p->src.addr);
        f->nw_dst = in6_addr_get_mapped_ipv4(&p->dst.addr);
    } else {
        f->dl_type = htons(ETH_TYPE_IPV6);
        f->ipv6_src = p->src.addr;
        f->ipv6_dst = p->dst.addr;
    }
    f->tp_src = htons(p->sport);
    f->tp_dst = htons(p->dport);
}

static void
tuple_to_flow(const struct trace_packet *p, bool reply, struct flow *f)
{
    f->ct_state = CS_TRACKED | (reply ? CS_ESTABLISHED | CS_REPLY_DIR
                                : CS_NEW);
    f->ct_nw_proto = p->ip_proto;
    if (p->dst.is_v4) {
        f->dl_type = htons(ETH_TYPE_IP);
        f->ct_nw_src = in6_addr_get_mapped_ipv4(&p->src.addr);
        f->ct_nw_dst = in6_addr_get_mapped_ipv4(&p->dst.addr);
    } else {
        f->dl_type = htons(ETH_TYPE_IPV6);
        f->ct_ipv6_src = p->src.addr;
        f->ct_ipv6_dst = p->dst.addr;
    }
    f->ct_tp_src = htons(p->sport);
    f->ct_tp_dst = htons(p->dport);
}

/* With a hash, by which one of a service's backends is chosen. */
static void
ask(struct trace *t, const struct flow *packet)
{
    struct flow tuple = { .dl_type = 0 };
    struct ds flow = DS_EMPTY_INITIALIZER;

    tuple_to_flow(&t->tuple, t->reply, &tuple);
    ofproto_trace_format_flow(packet, &tuple, 1, &flow);

    const char *args[2 + 2 * N_LOOKUPS] = { SN_BRIDGE, ds_cstr(&flow) };
    for (int i = 0; i < N_LOOKUPS; i++) {
        args[2 + 2 * i] = "--ct-next";
        args[3 + 2 * i] = t->reply ? "est,rpl,trk" : "new,trk";
    }
    t->call = vswitchd_call_start("ofproto/trace", args, ARRAY_SIZE(args));
    ds_destroy(&flow);
}

/* The packet goes into the bridge, from the container or the host. */
static void
ask_from(struct trace *t)
{
    const struct model_container *src = find_container(t, &t->packet.src);
    const struct model_container *dst = find_container(t, &t->packet.dst);
    const struct port_report *port;
    struct flow flow = {
        .in_port.ofp_port = OFPP_LOCAL,
        .dl_src = bridge_mac(t),
        .dl_dst = dst ? container_mac(t, dst) : eth_addr_zero,
    };

    packet_to_flow(&t->packet, &flow);
    if (!t->in && src && (port = find_port(t, src->name))) {
        flow.in_port.ofp_port = u16_to_ofp(port->ofport);
        flow.dl_src = container_mac(t, src);
        if (!dst || !model_container_is_on_link(src, &t->packet.dst)) {
            flow.dl_dst = bridge_mac(t);
        }
    }
    ask(t, &flow);
}

static bool
link_is_dead(struct trace *t, const char *name)
{
    const struct link *link = links_find(&t->agent->links, name);

    return link && (!link->up || !link->carrier);
}

/* Whether there is a port that carries something. */
static bool
port_is_alive(struct trace *t, const char *container,
              const struct port_report *port)
{
    if (!port || port->ofport <= 0) {
        trace_stop(t, xasprintf("%s is not plugged in at %s%s%s%s",
                                container, t->agent->node,
                                port && port->reason[0] ? " (" : "",
                                port ? port->reason : "",
                                port && port->reason[0] ? ")" : ""),
                   xasprintf("start it, or see `socknet containers` for "
                             "what its port should be"));
        return false;
    } else if (link_is_dead(t, port->name)) {
        trace_stop(t, xasprintf("the link %s of %s is down", port->name,
                                container),
                   xasprintf("`ip link set %s up`; inside the container as "
                             "well", port->name));
        return false;
    }
    return true;
}

void
trace_from_container(struct trace *t, const char *name)
{
    const struct model_container *container
        = model_get_container(central_model(t->agent->central), name);
    const struct port_report *port = find_port(t, name);

    if (!container || strcmp(container->node, t->agent->node)) {
        trace_stop(t, xasprintf("%s is none of this host's containers",
                                name), NULL);
    } else if (port_is_alive(t, name, port)) {
        trace_step(t, "port", port->state == PORT_UP,
                   "%s of %s%s%s", port->name, name,
                   port->reason[0] ? ": " : "", port->reason);
        t->n_bridges++;
        ask_from(t);
    }
}

void
trace_into_bridge(struct trace *t)
{
    if (t->n_bridges++ >= 2) {
        trace_stop(t, xstrdup("it goes round in circles between the bridge "
                              "and the host"), NULL);
    } else {
        ask_from(t);
    }
}

/* What the switch said. */

static int64_t
exit_ofport(const struct trace *t, const struct plan_exit *x)
{
    const struct ovsrec_interface *iface
        = vswitch_find_interface(t->agent->sw, x->port);

    return iface && iface->n_ofport ? iface->ofport[0] : -1;
}

static bool
leave_by_exit(struct trace *t, uint32_t ofport)
{
    const struct plan *plan = t->agent->plan;

    for (size_t i = 0; i < plan->n_exits; i++) {
        if (exit_ofport(t, &plan->exits[i]) == ofport) {
            trace_step(t, "port", true, "%s of exit %s", plan->exits[i].port,
                       plan->exits[i].key);
            trace_route(t, plan->exits[i].port);
            return true;
        }
    }
    return false;
}

static void
leave_by_port(struct trace *t, uint32_t ofport)
{
    const struct port_report *port = find_port_number(t, ofport);

    if (port && port->container[0]) {
        if (port_is_alive(t, port->container, port)) {
            trace_step(t, "port", true, "%s of %s", port->name,
                       port->container);
            trace_end(t, "delivered", port->container);
        }
    } else if (!leave_by_exit(t, ofport)) {
        trace_step(t, "port", false, "%s, which socknet does not manage",
                   port ? port->name : "a port");
        trace_end(t, "left", port ? port->name : "a port");
    }
}

/* Where a service's address led. */
static bool
get_translation(const struct ofproto_trace *found, struct sn_prefix *ret_dst)
{
    char *error = found->nat_dst ? sn_prefix_parse(found->nat_dst, ret_dst)
                  : xstrdup("");

    free(error);
    return !error;
}

static void
translate(struct trace_packet *p, const struct sn_prefix *dst, uint16_t port)
{
    p->dst = sn_prefix_host(dst);
    p->dport = port ? port : p->dport;
}

static void
take_trace(struct trace *t, const struct ofproto_trace *found)
{
    const char *error = found->error ? found->error : found->failure;
    struct sn_prefix dst;
    bool translates = get_translation(found, &dst);

    if (translates && !t->translated) {
        /* Again, with the tuple that the connection has after that. */
        translate(&t->tuple, &dst, found->nat_port);
        t->translated = true;
        ask_from(t);
        return;
    }
    for (size_t i = 0; i < found->n_steps; i++) {
        trace_add_flow(t, found->steps[i].table_id, found->steps[i].matched,
                       found->steps[i].cookie);
    }
    if (translates) {
        translate(&t->packet, &dst, found->nat_port);
        trace_step(t, "service", true, "to %s port %"PRIu16", for instance",
                   found->nat_dst, t->packet.dport);
    }
    if (error) {
        trace_stop(t, xasprintf("the switch cannot tell: %s", error), NULL);
    } else if (found->dropped || found->output == OFPP_NONE) {
        /* The flow says why: who asked has the names. */
        trace_stop(t, NULL, NULL);
    } else if (found->output == OFPP_LOCAL) {
        trace_route(t, SN_BRIDGE);
    } else {
        leave_by_port(t, ofp_to_u16(found->output));
    }
}

bool
trace_bridge_run(struct trace *t)
{
    char *text, *error;

    if (!vswitchd_call_run(t->call, &text, &error)) {
        return false;
    }
    vswitchd_call_destroy(t->call);
    t->call = NULL;
    if (error) {
        trace_stop(t, xasprintf("the switch does not say: %s", error), NULL);
    } else {
        struct ofproto_trace found;

        ofproto_trace_parse(text, &found);
        take_trace(t, &found);
        ofproto_trace_uninit(&found);
    }
    free(text);
    free(error);
    return true;
}
