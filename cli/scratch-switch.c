#include <config.h>

#include "cli/scratch-switch.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "cli/scratch-process.h"
#include "flow.h"
#include "flows/compiler.h"
#include "flows/objects.h"
#include "jsonrpc.h"
#include "lib/ofproto-trace.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/json.h"
#include "openvswitch/namemap.h"
#include "openvswitch/ofp-bundle.h"
#include "openvswitch/ofp-errors.h"
#include "openvswitch/ofp-flow.h"
#include "openvswitch/ofp-msgs.h"
#include "openvswitch/ofp-port.h"
#include "openvswitch/ofpbuf.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vconn.h"
#include "stream.h"
#include "timeval.h"
#include "unixctl.h"
#include "util.h"

/* A loaded machine takes its time, a thousand ports as well. */
enum { PATIENCE_MS = 60 * 1000, POLL_MS = 10 };

struct scratch_switch {
    struct scratch *process;
    struct jsonrpc *ctl;
    char *version;
    size_t n_bridges;
    struct json *ops;           /* The transaction that makes the bridges. */
    struct json *bridges;       /* References to them: of the same. */
};

/* What is there only after a while: again, until 'deadline'. */
static char *
wait_more(const struct scratch_switch *sw, long long int deadline,
          const char *what)
{
    char *error = scratch_check(sw->process);

    if (!error && time_msec() >= deadline) {
        error = xasprintf("the scratch switch is not ready: %s", what);
    }
    if (!error) {
        poll_timer_wait(POLL_MS);
        poll_block();
    }
    return error;
}

static char *
ask(struct scratch_switch *sw, const char *command, int argc, char *argv[],
    char **ret_reply)
{
    char *refusal = NULL;
    int error = unixctl_client_transact(sw->ctl, command, argc, argv,
                                        ret_reply, &refusal);

    if (error) {
        char *why = scratch_check(sw->process);

        return why ? why : xasprintf("the scratch switch: %s: %s", command,
                                     ovs_retval_to_string(error));
    } else if (refusal) {
        char *s = xasprintf("the scratch switch: %s: %s", command, refusal);

        free(refusal);
        return s;
    }
    return NULL;
}

static char *
connect_ctl(struct scratch_switch *sw)
{
    char *path = xasprintf("%s/switch.ctl", scratch_folder(sw->process));
    long long int deadline = time_msec() + PATIENCE_MS;
    char *error = NULL;

    while (!error && unixctl_client_create(path, &sw->ctl)) {
        error = wait_more(sw, deadline, "it does not answer");
    }
    free(path);
    return error;
}

/* "ovs-vswitchd (Open vSwitch) 3.1.0" */
static char *
read_version(struct scratch_switch *sw)
{
    char *reply = NULL;
    char *error = ask(sw, "version", 0, NULL, &reply);

    if (!error) {
        const char *last = strrchr(reply, ' ');

        sw->version = xstrdup(last ? last + 1 : reply);
        sw->version[strcspn(sw->version, "\n")] = '\0';
    }
    free(reply);
    return error;
}

char *
scratch_switch_create(struct scratch_switch **ret_sw)
{
    struct scratch_switch *sw = xzalloc(sizeof *sw);

    sw->ops = json_array_create_1(json_string_create("Open_vSwitch"));
    sw->bridges = json_array_create_empty();
    char *error = scratch_start(&sw->process);
    error = error ? error : connect_ctl(sw);
    error = error ? error : read_version(sw);
    if (error) {
        scratch_switch_destroy(sw);
        sw = NULL;
    }
    *ret_sw = sw;
    return error;
}

void
scratch_switch_destroy(struct scratch_switch *sw)
{
    if (sw) {
        jsonrpc_close(sw->ctl);
        scratch_stop(sw->process);
        json_destroy(sw->ops);
        json_destroy(sw->bridges);
        free(sw->version);
        free(sw);
    }
}

const char *
scratch_switch_version(const struct scratch_switch *sw)
{
    return sw->version;
}

/* The switch's database. */

static struct json *
reference(const char *kind, const char *name)
{
    return json_array_create_2(json_string_create(kind),
                               json_string_create_nocopy(
                                   xasprintf("u_%s", name)));
}

/* A row that others know as u_'name'. */
static void
insert(struct scratch_switch *sw, const char *table, const char *name,
       struct json *row)
{
    struct json *op = json_object_create();

    json_object_put_string(op, "op", "insert");
    json_object_put_string(op, "table", table);
    json_object_put_format(op, "uuid-name", "u_%s", name);
    json_object_put(op, "row", row);
    json_array_add(sw->ops, op);
}

static struct json *
set_create(struct json *elements)
{
    return json_array_create_2(json_string_create("set"), elements);
}

static struct json *
named_row(const char *name)
{
    struct json *row = json_object_create();

    json_object_put_string(row, "name", name);
    return row;
}

/* Port and interface of a bridge; 'ofport' OFPP_LOCAL: its own. */
static void
insert_port(struct scratch_switch *sw, const char *name, ofp_port_t ofport,
            struct json *ports)
{
    char *interface_name = xasprintf("%s_i", name);
    char *port_name = xasprintf("%s_p", name);
    struct json *interface = named_row(name);
    struct json *port = named_row(name);

    if (ofport == OFPP_LOCAL) {
        json_object_put_string(interface, "type", "internal");
    } else {
        json_object_put(interface, "ofport_request",
                        json_integer_create(ofp_to_u16(ofport)));
    }
    json_object_put(port, "interfaces",
                    reference("named-uuid", interface_name));
    insert(sw, "Interface", interface_name, interface);
    insert(sw, "Port", port_name, port);
    json_array_add(ports, reference("named-uuid", port_name));
    free(interface_name);
    free(port_name);
}

void
scratch_switch_add_bridge(struct scratch_switch *sw,
                          const struct ofputil_port_map *map)
{
    char *name = xasprintf("b%"PRIuSIZE, sw->n_bridges);
    struct json *bridge = named_row(name);
    struct json *ports = json_array_create_empty();
    const struct namemap_node *node;

    insert_port(sw, name, OFPP_LOCAL, ports);
    HMAP_FOR_EACH (node, number_node, &map->map.by_number) {
        ofp_port_t ofport = u16_to_ofp(node->number);
        char *port = xasprintf("p%"PRIuSIZE"x%"PRIu16, sw->n_bridges,
                               ofp_to_u16(ofport));

        insert_port(sw, port, ofport, ports);
        free(port);
    }
    json_object_put(bridge, "ports", set_create(ports));
    json_object_put_string(bridge, "fail_mode", "secure");
    insert(sw, "Bridge", name, bridge);
    json_array_add(sw->bridges, reference("named-uuid", name));
    sw->n_bridges++;
    free(name);
}

/* Runs the operations; '*ret_result' (may be NULL) is their results. */
static char *
transact(struct jsonrpc *rpc, struct json *ops, struct json **ret_result)
{
    struct jsonrpc_msg *request = jsonrpc_create_request("transact", ops,
                                                         NULL);
    struct jsonrpc_msg *reply = NULL;
    int retval = jsonrpc_transact_block(rpc, request, &reply);
    char *error = NULL;

    if (retval || reply->error || !reply->result
        || reply->result->type != JSON_ARRAY) {
        error = xasprintf("the scratch database: %s",
                          ovs_retval_to_string(retval));
    }
    for (size_t i = 0; !error && i < json_array(reply->result)->n; i++) {
        const struct json *item = json_array(reply->result)->elems[i];

        if (item->type == JSON_OBJECT
            && shash_find(json_object(item), "error")) {
            char *s = json_to_string(item, 0);

            error = xasprintf("the scratch database: %s", s);
            free(s);
        }
    }
    if (!error && ret_result) {
        *ret_result = json_clone(reply->result);
    }
    jsonrpc_msg_destroy(reply);
    return error;
}

static struct json *
select_cur_cfg(void)
{
    return json_from_string("[\"Open_vSwitch\", {\"op\": \"select\", "
                            "\"table\": \"Open_vSwitch\", \"where\": [], "
                            "\"columns\": [\"cur_cfg\"]}]");
}

/* Until the switch says that it has made everything. */
static char *
wait_configured(struct scratch_switch *sw, struct jsonrpc *rpc)
{
    long long int deadline = time_msec() + PATIENCE_MS;

    for (;;) {
        struct json *result = NULL;
        char *error = transact(rpc, select_cur_cfg(), &result);

        if (error) {
            return error;
        }
        char *s = json_to_string(result, 0);
        bool done = strstr(s, "\"cur_cfg\":1") != NULL;
        free(s);
        json_destroy(result);
        if (done) {
            return NULL;
        }
        error = wait_more(sw, deadline, "its ports are not there");
        if (error) {
            return error;
        }
    }
}

static char *
connect_db(struct scratch_switch *sw, struct jsonrpc **ret_rpc)
{
    char *remote = xasprintf("unix:%s/db.sock", scratch_folder(sw->process));
    long long int deadline = time_msec() + PATIENCE_MS;
    struct stream *stream;
    char *error = NULL;

    while (!error && stream_open_block(stream_open(remote, &stream, 0),
                                       PATIENCE_MS, &stream)) {
        error = wait_more(sw, deadline, "its database does not answer");
    }
    if (!error) {
        *ret_rpc = jsonrpc_open(stream);
    }
    free(remote);
    return error;
}

char *
scratch_switch_configure(struct scratch_switch *sw)
{
    struct json *root = json_object_create();
    struct jsonrpc *rpc;

    json_object_put(root, "next_cfg", json_integer_create(1));
    json_object_put(root, "bridges", set_create(sw->bridges));
    insert(sw, "Open_vSwitch", "root", root);
    struct json *ops = sw->ops;
    sw->bridges = sw->ops = NULL;

    char *error = connect_db(sw, &rpc);
    if (error) {
        json_destroy(ops);
        return error;
    }
    error = transact(rpc, ops, NULL);
    error = error ? error : wait_configured(sw, rpc);
    jsonrpc_close(rpc);
    return error;
}

/* Tables. */

static struct ofpbuf *
encode_flow(const struct sn_flow *flow)
{
    struct ofputil_flow_mod fm = {
        .match = flow->match,
        .priority = flow->priority,
        .new_cookie = htonll(flow->cookie),
        .table_id = flow->table_id,
        .command = OFPFC_ADD,
        .buffer_id = UINT32_MAX,
        .out_port = OFPP_ANY,
        .out_group = OFPG_ANY,
        .ofpacts = flow->ofpacts,
        .ofpacts_len = flow->ofpacts_len,
    };

    return ofputil_encode_flow_mod(&fm, OFPUTIL_P_OF15_OXM);
}

static char *
describe_refusal(const struct ofpbuf *reply)
{
    return xasprintf("Open vSwitch refuses the flows: %s",
                     ofperr_get_name(ofperr_decode_msg(reply->data, NULL)));
}

static char *
load_objects(struct vconn *vconn, const struct object_set *objects)
{
    const struct sn_object **sorted = object_set_sort(objects);
    size_t n = hmap_count(&objects->map);
    char *error = NULL;

    for (size_t i = 0; i < n && !error; i++) {
        struct ofpbuf *reply = NULL;
        int retval = vconn_transact_noreply(
            vconn, sn_object_encode_add(sorted[i], false), &reply);

        if (retval || reply) {
            error = xasprintf("Open vSwitch refuses %s \"%s\"",
                              sn_object_kind_name(sorted[i]->kind),
                              sorted[i]->name);
        }
        ofpbuf_delete(reply);
    }
    free(sorted);
    return error;
}

static char *
load_flows(struct vconn *vconn, const struct flow_set *flows)
{
    struct ovs_list requests = OVS_LIST_INITIALIZER(&requests);
    struct ovs_list errors = OVS_LIST_INITIALIZER(&errors);
    const struct sn_flow *flow;
    char *error = NULL;

    HMAP_FOR_EACH (flow, hmap_node, &flows->flows) {
        ovs_list_push_back(&requests, &encode_flow(flow)->list_node);
    }
    int retval = vconn_bundle_transact(vconn, &requests, OFPBF_ATOMIC,
                                       &errors);
    if (!ovs_list_is_empty(&errors)) {
        error = describe_refusal(ofpbuf_from_list(ovs_list_front(&errors)));
    } else if (retval) {
        error = xasprintf("Open vSwitch does not take the flows: %s",
                          ovs_retval_to_string(retval));
    }
    ofpbuf_list_delete(&errors);
    ofpbuf_list_delete(&requests);
    return error;
}

char *
scratch_switch_load(struct scratch_switch *sw, size_t bridge,
                    const struct compiler *compiler)
{
    char *target = xasprintf("unix:%s/b%"PRIuSIZE".mgmt",
                             scratch_folder(sw->process), bridge);
    struct vconn *vconn;
    char *error;

    int retval = vconn_open(target, 1u << OFP15_VERSION, DSCP_DEFAULT,
                            &vconn);
    if (!retval) {
        retval = vconn_connect_block(vconn, PATIENCE_MS);
        if (retval) {
            vconn_close(vconn);
        }
    }
    if (retval) {
        error = xasprintf("%s: %s", target, ovs_retval_to_string(retval));
    } else {
        error = load_objects(vconn, compiler_objects(compiler));
        error = error ? error : load_flows(vconn, compiler_flows(compiler));
        vconn_close(vconn);
    }
    free(target);
    return error;
}

char *
scratch_switch_trace(struct scratch_switch *sw, size_t bridge,
                     const struct flow *packet, const struct flow *tuple,
                     uint32_t hash, struct ofproto_trace *trace)
{
    struct ds flow = DS_EMPTY_INITIALIZER;
    char *name = xasprintf("b%"PRIuSIZE, bridge);
    char *reply = NULL;

    ofproto_trace_format_flow(packet, tuple, hash, &flow);
    char *argv[] = {
        CONST_CAST(char *, "--names"), name, ds_steal_cstr(&flow),
    };
    char *error = ask(sw, "ofproto/trace", ARRAY_SIZE(argv), argv, &reply);
    if (!error) {
        ofproto_trace_parse(reply, trace);
    }
    free(argv[2]);
    free(name);
    free(reply);
    return error;
}

/* By the names that scratch_switch_add_bridge() gave. */
bool
scratch_switch_parse_output(const char *action, ofp_port_t *ret_port)
{
    uint16_t bridge, number;

    if (ovs_scan(action, "p%"SCNu16"x%"SCNu16, &bridge, &number)) {
        *ret_port = u16_to_ofp(number);
        return true;
    }
    *ret_port = OFPP_LOCAL;
    return action[0] == 'b' && isdigit((unsigned char) action[1]);
}
