#include <config.h>
#include "tests/bench/sim-switch.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "byte-order.h"
#include "flow.h"
#include "hash.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/ofp-actions.h"
#include "openvswitch/ofp-bundle.h"
#include "openvswitch/ofp-errors.h"
#include "openvswitch/ofp-flow.h"
#include "openvswitch/ofp-meter.h"
#include "openvswitch/ofp-monitor.h"
#include "openvswitch/ofp-msgs.h"
#include "openvswitch/ofp-port.h"
#include "openvswitch/ofp-switch.h"
#include "openvswitch/ofp-util.h"
#include "openvswitch/ofpbuf.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/rconn.h"
#include "openvswitch/vconn.h"
#include "util.h"

#define BRIDGE "vmbr0"
/* Messages that one connection may have handled before the next gets its
 * turn. */
#define MESSAGES_PER_RUN 200

struct sim_port {
    struct hmap_node node;      /* By name. */
    char *name;
    ofp_port_t ofport;
};

struct sim_conn {
    struct ovs_list node;
    struct rconn *rconn;
    struct ovs_list pending;    /* struct sim_mod of the open bundle. */
};

struct sim_mod {
    struct ovs_list node;
    uint16_t command;
    struct sn_flow *flow;
};

static int64_t
now_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * INT64_C(1000000) + t.tv_nsec / 1000;
}

/* Ports. */

static struct sim_port *
find_port(const struct sim_switch *sw, const char *name)
{
    struct sim_port *port;

    HMAP_FOR_EACH_WITH_HASH (port, node, hash_string(name, 0), &sw->ports) {
        if (!strcmp(port->name, name)) {
            return port;
        }
    }
    return NULL;
}

static struct sim_port *
add_port(struct sim_switch *sw, const char *name, ofp_port_t ofport)
{
    struct sim_port *port = xzalloc(sizeof *port);

    port->name = xstrdup(name);
    port->ofport = ofport;
    hmap_insert(&sw->ports, &port->node, hash_string(name, 0));
    return port;
}

static void
remove_port(struct sim_switch *sw, struct sim_port *port)
{
    hmap_remove(&sw->ports, &port->node);
    free(port->name);
    free(port);
}

static struct ofputil_phy_port
describe_port(const struct sim_switch *sw, const struct sim_port *port)
{
    uint32_t number = ofp_to_u16(port->ofport);
    uint32_t hash = hash_string(sw->name, 0);
    struct ofputil_phy_port pp = {
        .port_no = port->ofport,
        .hw_addr = ETH_ADDR_C(0a, 00, 00, 00, 00, 00),
    };

    pp.hw_addr.ea[1] = hash >> 16;
    pp.hw_addr.ea[2] = hash >> 8;
    pp.hw_addr.ea[3] = hash;
    pp.hw_addr.ea[4] = number >> 8;
    pp.hw_addr.ea[5] = number;
    ovs_strlcpy(pp.name, port->name, sizeof pp.name);
    return pp;
}

static void
tell_port(struct sim_switch *sw, const struct sim_port *port,
          enum ofp_port_reason reason)
{
    struct ofputil_port_status ps = {
        .reason = reason, .desc = describe_port(sw, port),
    };
    struct sim_conn *conn;

    LIST_FOR_EACH (conn, node, &sw->conns) {
        rconn_send(conn->rconn,
                   ofputil_encode_port_status(&ps, OFPUTIL_P_OF15_OXM), NULL);
    }
}

bool
sim_switch_plug(struct sim_switch *sw, const char *name)
{
    if (find_port(sw, name)) {
        return false;
    }
    tell_port(sw, add_port(sw, name, u16_to_ofp(++sw->last_ofport)),
              OFPPR_ADD);
    return true;
}

bool
sim_switch_unplug(struct sim_switch *sw, const char *name)
{
    struct sim_port *port = find_port(sw, name);

    if (!port) {
        return false;
    }
    tell_port(sw, port, OFPPR_DELETE);
    remove_port(sw, port);
    return true;
}

/* Flow changes. */

static enum ofperr
decode_mod(const struct ofp_header *oh, struct sim_mod **ret_mod)
{
    uint64_t stub[1024 / 8];
    struct ofpbuf ofpacts = OFPBUF_STUB_INITIALIZER(stub);
    struct ofputil_flow_mod fm;
    enum ofperr error = ofputil_decode_flow_mod(
        &fm, oh, OFPUTIL_P_OF15_OXM, NULL, NULL, &ofpacts, OFPP_MAX, 255);

    if (!error) {
        struct sim_mod *mod = xzalloc(sizeof *mod);

        mod->command = fm.command;
        mod->flow = xzalloc(sizeof *mod->flow);
        mod->flow->table_id = fm.table_id;
        mod->flow->priority = fm.priority;
        mod->flow->cookie = ntohll(fm.new_cookie);
        minimatch_clone(&mod->flow->match, &fm.match);
        mod->flow->ofpacts_len = fm.ofpacts_len;
        mod->flow->ofpacts = fm.ofpacts_len
                             ? xmemdup(fm.ofpacts, fm.ofpacts_len) : NULL;
        minimatch_destroy(&fm.match);
        *ret_mod = mod;
    }
    ofpbuf_uninit(&ofpacts);
    return error;
}

/* Does what 'mod' says, and frees it. */
static void
apply_mod(struct sim_switch *sw, struct sim_mod *mod)
{
    struct sn_flow *flow = mod->flow;
    struct sn_flow *old = flow_set_find(&sw->flows, flow);

    if (mod->command == OFPFC_ADD) {
        flow_set_put(&sw->flows, flow);
        flow = NULL;
    } else if (mod->command == OFPFC_DELETE_STRICT && old) {
        flow_set_remove(&sw->flows, old);
    } else if (mod->command == OFPFC_MODIFY_STRICT && old) {
        flow->cookie = old->cookie;
        flow_set_put(&sw->flows, flow);
        flow = NULL;
    }
    sn_flow_free(flow);
    free(mod);
    sw->window.n_flow_mods++;
}

static void
drop_pending(struct sim_conn *conn)
{
    struct sim_mod *mod;

    LIST_FOR_EACH_POP (mod, node, &conn->pending) {
        sn_flow_free(mod->flow);
        free(mod);
    }
}

static void
commit(struct sim_switch *sw, struct sim_conn *conn)
{
    struct sim_mod *mod;

    LIST_FOR_EACH_POP (mod, node, &conn->pending) {
        apply_mod(sw, mod);
    }
    sw->window.n_commits++;
    sw->window.last_us = now_us();
    if (!sw->window.first_us) {
        sw->window.first_us = sw->window.last_us;
    }
}

/* Messages. */

static void
send_error(struct sim_conn *conn, enum ofperr error,
           const struct ofp_header *oh)
{
    rconn_send(conn->rconn, ofperr_encode_reply(error, oh), NULL);
}

static void
handle_control(struct sim_switch *sw, struct sim_conn *conn,
               const struct ofp_header *oh)
{
    struct ofputil_bundle_ctrl_msg msg;
    enum ofperr error = ofputil_decode_bundle_ctrl(oh, &msg);

    if (error) {
        send_error(conn, error, oh);
        return;
    }
    sw->window.n_bytes += ntohs(oh->length);
    if (msg.type == OFPBCT_COMMIT_REQUEST) {
        commit(sw, conn);
    } else {
        drop_pending(conn);
    }
    msg.type++;                 /* Each reply follows its request. */
    rconn_send(conn->rconn, ofputil_encode_bundle_ctrl_reply(oh, &msg), NULL);
}

static void
handle_bundled(struct sim_switch *sw, struct sim_conn *conn,
               const struct ofp_header *oh)
{
    struct ofputil_bundle_add_msg msg;
    struct sim_mod *mod;
    enum ofptype type;
    enum ofperr error = ofputil_decode_bundle_add(oh, &msg, &type);

    if (!error && type != OFPTYPE_FLOW_MOD) {
        error = OFPERR_OFPBFC_MSG_UNSUP;
    }
    if (!error) {
        error = decode_mod(msg.msg, &mod);
    }
    if (error) {
        send_error(conn, error, oh);
        return;
    }
    sw->window.n_bytes += ntohs(oh->length);
    ovs_list_push_back(&conn->pending, &mod->node);
}

static void
handle_flow_mod(struct sim_switch *sw, struct sim_conn *conn,
                const struct ofp_header *oh)
{
    struct sim_mod *mod;
    enum ofperr error = decode_mod(oh, &mod);

    if (error) {
        send_error(conn, error, oh);
    } else {
        apply_mod(sw, mod);
    }
}

static void
send_list(struct sim_conn *conn, struct ovs_list *replies)
{
    struct ofpbuf *reply;

    LIST_FOR_EACH_POP (reply, list_node, replies) {
        rconn_send(conn->rconn, reply, NULL);
    }
}

static void
reply_ports(struct sim_switch *sw, struct sim_conn *conn,
            const struct ofp_header *oh)
{
    struct ovs_list replies;
    struct sim_port *port;

    ofpmp_init(&replies, oh);
    HMAP_FOR_EACH (port, node, &sw->ports) {
        struct ofputil_phy_port pp = describe_port(sw, port);

        ofputil_append_port_desc_stats_reply(&pp, &replies);
    }
    send_list(conn, &replies);
}

static bool
is_asked_for(const struct sn_flow *flow,
             const struct ofputil_flow_stats_request *request)
{
    ovs_be64 differs = htonll(flow->cookie) ^ request->cookie;

    return ((request->table_id == OFPTT_ALL
             || request->table_id == flow->table_id)
            && !(differs & request->cookie_mask));
}

static void
reply_flows(struct sim_switch *sw, struct sim_conn *conn,
            const struct ofp_header *oh)
{
    struct ofputil_flow_stats_request request;
    enum ofperr error = ofputil_decode_flow_stats_request(&request, oh, NULL,
                                                          NULL);
    const struct sn_flow *flow;
    struct ovs_list replies;

    if (error) {
        send_error(conn, error, oh);
        return;
    }
    ofpmp_init(&replies, oh);
    HMAP_FOR_EACH (flow, hmap_node, &sw->flows.flows) {
        if (is_asked_for(flow, &request)) {
            struct ofputil_flow_stats fs = {
                .cookie = htonll(flow->cookie),
                .table_id = flow->table_id,
                .priority = flow->priority,
                .idle_age = -1,
                .hard_age = -1,
                .ofpacts = flow->ofpacts,
                .ofpacts_len = flow->ofpacts_len,
            };

            minimatch_expand(&flow->match, &fs.match);
            ofputil_append_flow_stats_reply(&fs, &replies, NULL);
        }
    }
    send_list(conn, &replies);
}

static void
reply_nothing(struct sim_conn *conn, const struct ofp_header *oh)
{
    struct ovs_list replies;

    ofpmp_init(&replies, oh);
    send_list(conn, &replies);
}

static void
reply_features(struct sim_switch *sw, struct sim_conn *conn,
               const struct ofp_header *oh)
{
    struct ofputil_switch_features features = {
        .datapath_id = hash_string(sw->name, 0), .n_tables = 254,
    };

    rconn_send(conn->rconn,
               ofputil_encode_switch_features(&features, OFPUTIL_P_OF15_OXM,
                                              oh->xid), NULL);
}

static void
reply_meter_features(struct sim_conn *conn, const struct ofp_header *oh)
{
    struct ofputil_meter_features features = { .max_meters = 65535 };

    rconn_send(conn->rconn,
               ofputil_encode_meter_features_reply(&features, oh), NULL);
}

static void
handle_message(struct sim_switch *sw, struct sim_conn *conn,
               const struct ofp_header *oh)
{
    enum ofptype type;

    if (ofptype_decode(&type, oh)) {
        send_error(conn, OFPERR_OFPBRC_BAD_TYPE, oh);
    } else if (type == OFPTYPE_ECHO_REQUEST) {
        rconn_send(conn->rconn, ofputil_encode_echo_reply(oh), NULL);
    } else if (type == OFPTYPE_BUNDLE_CONTROL) {
        handle_control(sw, conn, oh);
    } else if (type == OFPTYPE_BUNDLE_ADD_MESSAGE) {
        handle_bundled(sw, conn, oh);
    } else if (type == OFPTYPE_FLOW_MOD) {
        handle_flow_mod(sw, conn, oh);
    } else if (type == OFPTYPE_FLOW_STATS_REQUEST) {
        reply_flows(sw, conn, oh);
    } else if (type == OFPTYPE_PORT_DESC_STATS_REQUEST) {
        reply_ports(sw, conn, oh);
    } else if (type == OFPTYPE_BARRIER_REQUEST) {
        rconn_send(conn->rconn, ofpraw_alloc_reply(OFPRAW_OFPT11_BARRIER_REPLY,
                                                   oh, 0), NULL);
    } else if (type == OFPTYPE_FEATURES_REQUEST) {
        reply_features(sw, conn, oh);
    } else if (type == OFPTYPE_METER_FEATURES_STATS_REQUEST) {
        reply_meter_features(conn, oh);
    } else if (type == OFPTYPE_FLOW_MONITOR_STATS_REQUEST
               || type == OFPTYPE_GROUP_DESC_STATS_REQUEST
               || type == OFPTYPE_METER_CONFIG_STATS_REQUEST) {
        reply_nothing(conn, oh);
    } else if (type != OFPTYPE_SET_CONFIG && type != OFPTYPE_SET_ASYNC_CONFIG
               && type != OFPTYPE_HELLO && type != OFPTYPE_ECHO_REPLY) {
        send_error(conn, OFPERR_OFPBRC_BAD_TYPE, oh);
    }
}

/* Connections. */

static void
accept_conns(struct sim_switch *sw)
{
    struct vconn *vconn;

    while (!pvconn_accept(sw->listener, &vconn)) {
        struct sim_conn *conn = xzalloc(sizeof *conn);

        conn->rconn = rconn_create(0, 0, 0, 1u << OFP15_VERSION);
        rconn_connect_unreliably(conn->rconn, vconn, sw->name);
        ovs_list_init(&conn->pending);
        ovs_list_push_back(&sw->conns, &conn->node);
    }
}

static void
conn_destroy(struct sim_conn *conn)
{
    ovs_list_remove(&conn->node);
    drop_pending(conn);
    rconn_destroy(conn->rconn);
    free(conn);
}

static void
conn_run(struct sim_switch *sw, struct sim_conn *conn)
{
    struct ofpbuf *msg;

    rconn_run(conn->rconn);
    for (int i = 0; i < MESSAGES_PER_RUN; i++) {
        msg = rconn_recv(conn->rconn);
        if (!msg) {
            break;
        }
        handle_message(sw, conn, msg->data);
        ofpbuf_delete(msg);
    }
}

void
sim_switch_run(struct sim_switch *sw)
{
    struct sim_conn *conn, *next;

    accept_conns(sw);
    LIST_FOR_EACH_SAFE (conn, next, node, &sw->conns) {
        conn_run(sw, conn);
        if (!rconn_is_alive(conn->rconn)) {
            conn_destroy(conn);
        }
    }
}

void
sim_switch_wait(struct sim_switch *sw)
{
    struct sim_conn *conn;

    pvconn_wait(sw->listener);
    LIST_FOR_EACH (conn, node, &sw->conns) {
        rconn_run_wait(conn->rconn);
        rconn_recv_wait(conn->rconn);
    }
}

struct sim_switch *
sim_switch_create(const char *dir, const char *name)
{
    struct sim_switch *sw = xzalloc(sizeof *sw);
    char *target = xasprintf("punix:%s/%s.mgmt", dir, name);
    int error = pvconn_open(target, 1u << OFP15_VERSION, 0, &sw->listener);

    if (error) {
        ovs_fatal(error, "%s", target);
    }
    free(target);
    sw->name = xstrdup(name);
    ovs_list_init(&sw->conns);
    hmap_init(&sw->ports);
    flow_set_init(&sw->flows);
    add_port(sw, BRIDGE, OFPP_LOCAL);
    return sw;
}

void
sim_switch_destroy(struct sim_switch *sw)
{
    struct sim_conn *conn, *next;
    struct sim_port *port, *next_port;

    LIST_FOR_EACH_SAFE (conn, next, node, &sw->conns) {
        conn_destroy(conn);
    }
    HMAP_FOR_EACH_SAFE (port, next_port, node, &sw->ports) {
        remove_port(sw, port);
    }
    hmap_destroy(&sw->ports);
    flow_set_destroy(&sw->flows);
    pvconn_close(sw->listener);
    free(sw->name);
    free(sw);
}

void
sim_switch_mark(struct sim_switch *sw)
{
    memset(&sw->window, 0, sizeof sw->window);
}

void
sim_switch_format(const struct sim_switch *sw, struct ds *s)
{
    const struct sn_flow *flow;

    HMAP_FOR_EACH (flow, hmap_node, &sw->flows.flows) {
        sn_flow_format(flow, NULL, false, s);
        ds_put_char(s, '\n');
    }
}
