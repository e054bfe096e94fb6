#include <config.h>
#include "controller/flow-bundle.h"

#include <string.h>

#include "controller/install-batch.h"
#include "controller/ofconn.h"
#include "controller/stats.h"
#include "coverage.h"
#include "flows/compiler.h"
#include "flows/objects.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/ofp-bundle.h"
#include "openvswitch/ofp-errors.h"
#include "openvswitch/ofp-flow.h"
#include "openvswitch/ofpbuf.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(flow_bundle);

COVERAGE_DEFINE(flow_bundle_commit);
COVERAGE_DEFINE(flow_bundle_flow_mod);
COVERAGE_DEFINE(flow_bundle_error);

static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(30, 10);

/* The longest that one call encodes. */
#define SLICE_MS 100
#define FLAGS (OFPBF_ATOMIC | OFPBF_ORDERED)

struct flow_bundle {
    enum flow_bundle_state state;
    uint32_t id;
    struct install_batch batch;
    size_t n_sent;              /* Operations of the batch. */
    ovs_be32 open_xid, commit_xid;
    bool broken;                /* Some operations did not get into it. */
    long long int started_ms, elapsed_ms;
};

struct flow_bundle *
flow_bundle_create(void)
{
    struct flow_bundle *b = xzalloc(sizeof *b);

    install_batch_init(&b->batch);
    return b;
}

void
flow_bundle_destroy(struct flow_bundle *b)
{
    if (b) {
        install_batch_destroy(&b->batch);
        free(b);
    }
}

void
flow_bundle_start(struct flow_bundle *b, struct install_batch *batch)
{
    ovs_assert(b->state == BUNDLE_IDLE);
    install_batch_destroy(&b->batch);
    b->batch = *batch;
    install_batch_init(batch);
    b->state = BUNDLE_SENDING;
    b->id++;
    b->n_sent = 0;
    b->open_xid = b->commit_xid = 0;
    b->broken = false;
    b->started_ms = time_msec();
}

static ovs_be32
msg_xid(const struct ofpbuf *msg)
{
    return ((const struct ofp_header *) msg->data)->xid;
}

static ovs_be32
send_control(struct flow_bundle *b, struct ofconn *conn, uint16_t type)
{
    struct ofputil_bundle_ctrl_msg msg = {
        .bundle_id = b->id, .type = type, .flags = FLAGS,
    };
    struct ofpbuf *request
        = ofputil_encode_bundle_ctrl_request(OFP15_VERSION, &msg);
    ovs_be32 xid = msg_xid(request);

    ofconn_send(conn, request);
    return xid;
}

/* Frees 'msg'. */
static void
send_bundled(struct flow_bundle *b, struct ofconn *conn, struct ofpbuf *msg)
{
    struct ofputil_bundle_add_msg add = {
        .bundle_id = b->id, .flags = FLAGS, .msg = msg->data,
    };

    ofconn_send(conn, ofputil_encode_bundle_add(OFP15_VERSION, &add));
    ofpbuf_delete(msg);
}

static void
send_objects(struct flow_bundle *b, struct ofconn *conn,
             enum sn_object_kind kind)
{
    for (size_t i = 0; i < b->batch.n_object_ops; i++) {
        struct object_op *op = &b->batch.object_ops[i];
        struct ofpbuf *msg;

        if (op->object->kind != kind) {
            continue;
        }
        msg = (op->command == INSTALL_DELETE
               ? sn_object_encode_delete(op->object)
               : sn_object_encode_add(op->object,
                                      op->command == INSTALL_MODIFY));
        op->xid = msg_xid(msg);
        if (kind == SN_METER) {
            ofconn_send(conn, msg);
            controller_stats.meter_mods_sent++;
        } else {
            send_bundled(b, conn, msg);
            controller_stats.group_mods_sent++;
        }
    }
}

static void
send_op(struct flow_bundle *b, struct ofconn *conn, struct install_op *op)
{
    struct ofputil_flow_mod fm;

    install_op_to_flow_mod(op, &fm);

    struct ofpbuf *mod = ofputil_encode_flow_mod(&fm, OFPUTIL_P_OF15_OXM);

    ofpmsg_update_length(mod);
    op->xid = msg_xid(mod);
    send_bundled(b, conn, mod);
}

void
flow_bundle_run(struct flow_bundle *b, struct ofconn *conn)
{
    if (b->state != BUNDLE_SENDING) {
        return;
    }
    if (!b->n_sent) {
        send_objects(b, conn, SN_METER);
        b->open_xid = send_control(b, conn, OFPBCT_OPEN_REQUEST);
        send_objects(b, conn, SN_GROUP);
    }

    long long int deadline = time_msec() + SLICE_MS;
    while (b->n_sent < b->batch.n) {
        send_op(b, conn, &b->batch.ops[b->n_sent++]);
        if (!(b->n_sent % 64)) {
            if (time_msec() > deadline) {
                return;
            }
        }
    }
    b->commit_xid = send_control(b, conn, OFPBCT_COMMIT_REQUEST);
    b->state = BUNDLE_COMMITTING;
    COVERAGE_INC(flow_bundle_commit);
    COVERAGE_ADD(flow_bundle_flow_mod, b->batch.n);
    controller_stats.bundles_sent++;
    controller_stats.flow_mods_sent += b->batch.n;
}

void
flow_bundle_wait(const struct flow_bundle *b)
{
    if (b->state == BUNDLE_SENDING) {
        poll_immediate_wake();
    }
}

static void
finish(struct flow_bundle *b, enum flow_bundle_state state)
{
    b->state = state;
    b->elapsed_ms = time_msec() - b->started_ms;
}

static struct install_op *
find_op(struct flow_bundle *b, ovs_be32 xid)
{
    for (size_t i = 0; i < b->n_sent; i++) {
        if (b->batch.ops[i].xid == xid) {
            return &b->batch.ops[i];
        }
    }
    return NULL;
}

static struct object_op *
find_object_op(struct flow_bundle *b, ovs_be32 xid)
{
    for (size_t i = 0; i < b->batch.n_object_ops; i++) {
        if (b->batch.object_ops[i].xid == xid) {
            return &b->batch.object_ops[i];
        }
    }
    return NULL;
}

/* An error that says nothing about the flow: the bundle timed out, there are
 * too many, we may not. */
static bool
is_about_bundle(enum ofperr error)
{
    return (!strncmp(ofperr_to_string(error), "OFPBFC_", 7)
            || error == OFPERR_OFPBRC_EPERM
            || error == OFPERR_OFPBRC_IS_SECONDARY);
}

static void
refuse_op(struct install_op *op, enum ofperr error)
{
    struct ds s = DS_EMPTY_INITIALIZER;

    op->error = error;
    sn_flow_format(op->flow, NULL, true, &s);
    VLOG_WARN_RL(&rl, "the switch refuses a flow (%s: %s): %s",
                 ofperr_to_string(error), ofperr_get_description(error),
                 ds_cstr(&s));
    ds_destroy(&s);
}

static void
refuse_object(struct object_op *op, enum ofperr error)
{
    op->error = error;
    VLOG_WARN_RL(&rl, "the switch refuses %s %s (%s: %s): %s",
                 sn_object_kind_name(op->object->kind),
                 op->object->name ? op->object->name : "of nobody",
                 ofperr_to_string(error), ofperr_get_description(error),
                 op->object->spec);
}

static bool
handle_error(struct flow_bundle *b, const struct ofp_header *oh)
{
    enum ofperr error = ofperr_decode_msg(oh, NULL);
    struct object_op *object_op = find_object_op(b, oh->xid);
    struct install_op *op = find_op(b, oh->xid);

    error = error ? error : OFPERR_OFPBRC_BAD_TYPE;     /* Unknown to us. */
    if ((op || object_op) && is_about_bundle(error)) {
        VLOG_WARN_RL(&rl, "a flow change did not get into its bundle (%s)",
                     ofperr_to_string(error));
        b->broken = true;
    } else if (op) {
        refuse_op(op, error);
    } else if (object_op) {
        refuse_object(object_op, error);
    } else if (b->open_xid && oh->xid == b->open_xid) {
        VLOG_WARN_RL(&rl, "the switch refuses to open a bundle (%s)",
                     ofperr_to_string(error));
        finish(b, BUNDLE_FAILED);
    } else if (b->commit_xid && oh->xid == b->commit_xid) {
        VLOG_WARN_RL(&rl, "the switch did not commit a bundle of %"PRIuSIZE
                     " flow changes (%s)", b->batch.n,
                     ofperr_to_string(error));
        finish(b, BUNDLE_FAILED);
    } else {
        return false;
    }
    COVERAGE_INC(flow_bundle_error);
    controller_stats.bundle_errors++;
    return true;
}

static bool
handle_control(struct flow_bundle *b, const struct ofp_header *oh)
{
    struct ofputil_bundle_ctrl_msg msg;

    if (ofputil_decode_bundle_ctrl(oh, &msg) || msg.bundle_id != b->id) {
        return false;
    }
    if (msg.type == OFPBCT_COMMIT_REPLY) {
        finish(b, b->broken ? BUNDLE_FAILED : BUNDLE_DONE);
    }
    return true;
}

bool
flow_bundle_handle(struct flow_bundle *b, const struct ofp_header *oh,
              enum ofptype type)
{
    if (b->state != BUNDLE_SENDING && b->state != BUNDLE_COMMITTING) {
        return false;
    }
    return (type == OFPTYPE_ERROR ? handle_error(b, oh)
            : type == OFPTYPE_BUNDLE_CONTROL ? handle_control(b, oh)
            : false);
}

enum flow_bundle_state
flow_bundle_state(const struct flow_bundle *b)
{
    return b->state;
}

const struct install_batch *
flow_bundle_batch(const struct flow_bundle *b)
{
    return &b->batch;
}

long long int
flow_bundle_elapsed_ms(const struct flow_bundle *b)
{
    return b->elapsed_ms;
}

void
flow_bundle_clear(struct flow_bundle *b)
{
    install_batch_destroy(&b->batch);
    b->n_sent = 0;
    b->state = BUNDLE_IDLE;
}
