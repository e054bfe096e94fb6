#include <config.h>
#include "controller/ports.h"

#include "controller/ofconn.h"
#include "controller/stats.h"
#include "flow.h"
#include "flows/compiler.h"
#include "openvswitch/ofp-msgs.h"
#include "openvswitch/ofp-port.h"
#include "openvswitch/ofpbuf.h"
#include "openvswitch/vlog.h"
#include "packets.h"
#include "sset.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(ports);

struct ports {
    struct flow_ports *flow_ports;
    struct sset names;          /* Of the ports in 'flow_ports'. */
    struct sset changed;
    struct sset told;           /* Names in the replies so far. */
    ovs_be32 request_xid;
    bool ready;
};

struct ports *
ports_create(void)
{
    struct ports *p = xzalloc(sizeof *p);

    p->flow_ports = flow_ports_create();
    sset_init(&p->names);
    sset_init(&p->changed);
    sset_init(&p->told);
    return p;
}

void
ports_destroy(struct ports *p)
{
    if (p) {
        flow_ports_destroy(p->flow_ports);
        sset_destroy(&p->names);
        sset_destroy(&p->changed);
        sset_destroy(&p->told);
        free(p);
    }
}

void
ports_begin(struct ports *p, struct ofconn *conn)
{
    struct ofpbuf *request
        = ofputil_encode_port_desc_stats_request(OFP15_VERSION, OFPP_ANY);

    p->request_xid = ((struct ofp_header *) request->data)->xid;
    p->ready = false;
    sset_clear(&p->told);
    ofconn_send(conn, request);
}

static void
note_change(struct ports *p, const char *name)
{
    sset_add(&p->changed, name);
    controller_stats.port_changes++;
}

static void
port_put(struct ports *p, const struct ofputil_phy_port *pp)
{
    const struct flow_port *old = flow_ports_find(p->flow_ports, pp->name);

    if (!old || old->ofport != pp->port_no
        || !eth_addr_equals(old->hwaddr, pp->hw_addr)) {
        VLOG_DBG("port %s is number %"PRIu32, pp->name,
                 ofp_to_u16(pp->port_no));
        flow_ports_put(p->flow_ports, pp->name, pp->port_no, pp->hw_addr);
        sset_add(&p->names, pp->name);
        note_change(p, pp->name);
    }
}

static void
port_remove(struct ports *p, const char *name)
{
    VLOG_DBG("port %s is gone", name);
    note_change(p, name);
    flow_ports_remove(p->flow_ports, name);
    sset_find_and_delete(&p->names, name);
}

static void
handle_desc_reply(struct ports *p, const struct ofpbuf *msg)
{
    const struct ofp_header *oh = msg->data;
    struct ofpbuf b = ofpbuf_const_initializer(oh, ntohs(oh->length));
    struct ofputil_phy_port pp;

    if (oh->xid != p->request_xid) {
        return;
    }
    ofpraw_pull_assert(&b);
    while (!ofputil_pull_phy_port(oh->version, &b, &pp)) {
        sset_add(&p->told, pp.name);
        port_put(p, &pp);
    }
    if (!ofpmp_more(oh)) {
        const char *name, *next;

        SSET_FOR_EACH_SAFE (name, next, &p->names) {
            if (!sset_contains(&p->told, name)) {
                port_remove(p, name);
            }
        }
        sset_clear(&p->told);
        p->ready = true;
    }
}

static void
handle_status(struct ports *p, const struct ofpbuf *msg)
{
    struct ofputil_port_status ps;

    if (ofputil_decode_port_status(msg->data, &ps)) {
        return;
    }
    if (ps.reason != OFPPR_DELETE) {
        port_put(p, &ps.desc);
        return;
    }

    /* A port re-plugged may have its new number already. */
    const struct flow_port *port = flow_ports_find(p->flow_ports,
                                                   ps.desc.name);
    if (port && port->ofport == ps.desc.port_no) {
        port_remove(p, ps.desc.name);
    }
}

bool
ports_handle(struct ports *p, const struct ofpbuf *msg, enum ofptype type)
{
    if (type == OFPTYPE_PORT_DESC_STATS_REPLY) {
        handle_desc_reply(p, msg);
    } else if (type == OFPTYPE_PORT_STATUS) {
        handle_status(p, msg);
    } else {
        return false;
    }
    return true;
}

bool
ports_is_ready(const struct ports *p)
{
    return p->ready;
}

const struct flow_ports *
ports_flow_ports(const struct ports *p)
{
    return p->flow_ports;
}

const struct sset *
ports_names(const struct ports *p)
{
    return &p->names;
}

struct sset *
ports_changed(struct ports *p)
{
    return &p->changed;
}
