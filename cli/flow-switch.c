#include <config.h>

#include "cli/flow-list.h"

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>
#include "byte-order.h"
#include "cli/command.h"
#include "cli/object-switch.h"
#include "flows/tables.h"
#include "openflow/openflow.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/list.h"
#include "openvswitch/ofp-actions.h"
#include "openvswitch/ofp-errors.h"
#include "openvswitch/ofp-flow.h"
#include "openvswitch/ofp-msgs.h"
#include "openvswitch/ofp-port.h"
#include "openvswitch/ofp-protocol.h"
#include "openvswitch/ofp-table.h"
#include "openvswitch/ofpbuf.h"
#include "openvswitch/util.h"
#include "openvswitch/vconn.h"
#include "socket-util.h"
#include "timeval.h"
#include "util.h"

/* The vconn calls below block, and a switch that hangs answers nothing. */
static void
give_up(int signum OVS_UNUSED)
{
    static const char message[] =
        "socknet: error: the switch does not answer in time\n";

    ignore(write(STDERR_FILENO, message, sizeof message - 1));
    _exit(EXIT_ERROR);
}

static int
switch_open(const char *target, int timeout_ms, struct vconn **vconnp)
{
    long long int deadline = time_msec() + timeout_ms;
    int error = vconn_open(target, 1u << OFP15_VERSION, DSCP_DEFAULT, vconnp);

    if (!error) {
        error = vconn_connect_block(*vconnp, deadline - time_msec());
        if (error) {
            vconn_close(*vconnp);
        }
    }
    return error;
}

static void
put_ports(const struct ofpbuf *reply, struct ofputil_port_map *map)
{
    struct ofpbuf b = ofpbuf_const_initializer(reply->data, reply->size);
    struct ofputil_phy_port port;

    if (ofptype_pull(&(enum ofptype) { 0 }, &b)) {
        return;
    }
    while (!ofputil_pull_phy_port(OFP15_VERSION, &b, &port)) {
        ofputil_port_map_put(map, port.port_no, port.name);
    }
}

static int
switch_get_ports(struct vconn *vconn, struct ofputil_port_map *map)
{
    struct ovs_list requests = OVS_LIST_INITIALIZER(&requests);
    struct ovs_list replies = OVS_LIST_INITIALIZER(&replies);
    struct ofpbuf *request = ofputil_encode_port_desc_stats_request(
        OFP15_VERSION, OFPP_ANY);
    struct ofpbuf *reply;

    ovs_list_push_back(&requests, &request->list_node);
    int error = vconn_transact_multipart(vconn, &requests, &replies);
    LIST_FOR_EACH_POP (reply, list_node, &replies) {
        put_ports(reply, map);
        ofpbuf_delete(reply);
    }
    return error;
}

static void
put_table_names(struct ofputil_table_map *map)
{
    for (int id = 0; id < 255; id++) {
        if (sn_table_name(id)) {
            ofputil_table_map_put(map, id, sn_table_name(id));
        }
    }
}

static int
switch_get_flows(struct vconn *vconn, const struct ofputil_port_map *ports,
                 struct flow_list *list)
{
    struct ofputil_flow_stats_request request = {
        .out_port = OFPP_ANY,
        .out_group = OFPG_ANY,
        .table_id = OFPTT_ALL,
    };
    struct ofputil_table_map tables;
    struct ofputil_flow_stats *stats;
    size_t n;

    match_init_catchall(&request.match);
    int error = vconn_dump_flows(vconn, &request, OFPUTIL_P_OF15_OXM, &stats,
                                 &n);
    if (error) {
        return error;
    }

    ofputil_table_map_init(&tables);
    put_table_names(&tables);
    for (size_t i = 0; i < n; i++) {
        struct flow_line *line = flow_list_append(list);
        struct ds s = DS_EMPTY_INITIALIZER;

        ofputil_flow_stats_format(&s, &stats[i], ports, &tables, true);
        line->table_id = stats[i].table_id;
        line->priority = stats[i].priority;
        line->cookie = ntohll(stats[i].cookie);
        line->text = ds_steal_cstr(&s);
        line->n_packets = stats[i].packet_count;
        line->n_bytes = stats[i].byte_count;
        free(CONST_CAST(struct ofpact *, stats[i].ofpacts));
    }
    free(stats);
    ofputil_table_map_destroy(&tables);
    list->has_counters = true;
    return 0;
}

char *
flow_list_add_switch(struct flow_list *list, struct object_list *objects,
                     const char *target, int timeout_ms)
{
    struct ofputil_port_map ports = OFPUTIL_PORT_MAP_INITIALIZER(&ports);
    struct vconn *vconn;

    signal(SIGALRM, give_up);
    alarm(DIV_ROUND_UP(timeout_ms, 1000));

    int error = switch_open(target, timeout_ms, &vconn);
    if (!error) {
        error = switch_get_ports(vconn, &ports);
        if (!error) {
            error = switch_get_flows(vconn, &ports, list);
        }
        if (!error) {
            error = object_list_read(objects, vconn);
        }
        vconn_close(vconn);
    }

    alarm(0);
    ofputil_port_map_destroy(&ports);
    return error ? xasprintf("cannot read the flows of %s: %s", target,
                             ovs_retval_to_string(error)) : NULL;
}
