#include <config.h>
#include "controller/bridge.h"

#include "controller/audit.h"
#include "controller/bridge-private.h"
#include "controller/election.h"
#include "controller/flow-bundle.h"
#include "controller/install-batch.h"
#include "controller/install.h"
#include "controller/ofconn.h"
#include "controller/ports.h"
#include "controller/stats.h"
#include "coverage.h"
#include "flows/compiler.h"
#include "flows/objects.h"
#include "lib/work-set.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/ofp-errors.h"
#include "openvswitch/ofp-meter.h"
#include "openvswitch/ofp-msgs.h"
#include "openvswitch/ofp-print.h"
#include "openvswitch/ofp-util.h"
#include "openvswitch/ofpbuf.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "sset.h"
#include "state/model.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(bridge);

COVERAGE_DEFINE(bridge_compile);
COVERAGE_DEFINE(bridge_repair);

static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(20, 10);

/* The longest that one call reads messages. */
#define RECV_SLICE_MS 100
/* After a bundle that failed for no flow's fault. */
#define RETRY_MS 1000
/* Who deletes one flow may be deleting all, and some of the flows alone may
 * allow what all together do not.  So repairs wait until nothing has happened
 * for a moment, and until a barrier has brought everything that the switch
 * had to tell; but not for long if things go on happening. */
#define REPAIR_SETTLE_MS 20
#define REPAIR_MAX_MS 300
/* Two programs that undo each other's flows must not take a whole processor:
 * at most this many bundles of nothing but repairs per second. */
#define REPAIRS_PER_S 20

struct bridge *
bridge_create(const char *node, const char *name, const char *target)
{
    struct bridge *b = xzalloc(sizeof *b);
    char *log_name = xasprintf("%s/%s", node, name);

    b->node = xstrdup(node);
    b->name = xstrdup(name);
    b->ofconn = ofconn_create(log_name, target);
    b->ports = ports_create();
    b->compiler = compiler_create(node);
    b->install = install_create();
    install_set_objects(b->install, compiler_objects(b->compiler));
    b->audit = audit_create(log_name, b->install);
    b->bundle = flow_bundle_create();
    b->log_name = log_name;
    b->enforced = -1;
    b->has_meters = true;
    model_changes_init(&b->changes);
    token_bucket_init(&b->repair_limit, REPAIRS_PER_S, REPAIRS_PER_S * 1000);
    return b;
}

void
bridge_destroy(struct bridge *b)
{
    if (b) {
        model_changes_destroy(&b->changes);
        election_destroy(b->election);
        flow_bundle_destroy(b->bundle);
        audit_destroy(b->audit);
        install_destroy(b->install);
        compiler_destroy(b->compiler);
        ports_destroy(b->ports);
        ofconn_destroy(b->ofconn);
        free(b->log_name);
        free(b->name);
        free(b->node);
        free(b);
    }
}

static bool
may_write(const struct bridge *b)
{
    return !b->election || election_is_won(b->election);
}

void
bridge_set_model(struct bridge *b, const struct model *model,
                 int64_t generation, const struct model_changes *changes)
{
    b->model = model;
    b->generation = generation;
    b->changes.all |= changes->all;
    for (int kind = 0; kind < MODEL_N_KINDS && !b->changes.all; kind++) {
        const char *key;

        SSET_FOR_EACH (key, &changes->keys[kind]) {
            model_changes_add(&b->changes, kind, key);
        }
    }
}

void
bridge_set_turn(struct bridge *b, bool active, bool chosen)
{
    bool could = may_write(b);

    if (!b->election) {
        b->election = election_create(b->log_name, b->ofconn);
    }
    election_set(b->election, active, chosen);
    b->seqno += could != may_write(b);
}

static void
handle_error(struct bridge *b, const struct ofp_header *oh)
{
    if (!VLOG_DROP_WARN(&rl)) {
        char *s = ofp_to_string(oh, ntohs(oh->length), NULL, NULL, 1);

        VLOG_WARN("%s: unexpected error from the switch: %s", b->log_name, s);
        free(s);
    }
}

static void
note_foreign_changes(struct bridge *b)
{
    long long int now = time_msec();

    if (!b->repair_max_ms) {
        b->repair_max_ms = now + REPAIR_MAX_MS;
    }
    b->repair_ms = MIN(now + REPAIR_SETTLE_MS, b->repair_max_ms);
    b->barrier_passed = false;
    b->barrier_is_stale = true;
}

static void
ask_for_meters(struct bridge *b)
{
    struct ofpbuf *request = ofputil_encode_meter_request(
        OFP15_VERSION, OFPUTIL_METER_FEATURES, 0);

    b->meters_xid = ((struct ofp_header *) request->data)->xid;
    ofconn_send(b->ofconn, request);
}

/* A datapath may have none.  Better without a rate than without a flow. */
static bool
handle_meter_features(struct bridge *b, const struct ofp_header *oh,
                      enum ofptype type)
{
    struct ofputil_meter_features features = { .max_meters = 0 };

    if (oh->xid != b->meters_xid
        || (type != OFPTYPE_METER_FEATURES_STATS_REPLY
            && type != OFPTYPE_ERROR)) {
        return false;
    }
    if (type != OFPTYPE_ERROR) {
        ofputil_decode_meter_features(oh, &features);
    }

    bool has_meters = features.max_meters > 0;
    if (has_meters != b->has_meters) {
        b->has_meters = has_meters;
        compiler_set_meters(b->compiler, has_meters);
        b->changes.all = true;
    }
    return true;
}

static void
handle_message(struct bridge *b, const struct ofpbuf *msg)
{
    const struct ofp_header *oh = msg->data;
    enum ofptype type;

    if (ofptype_decode(&type, oh)) {
        return;
    }
    if (!handle_meter_features(b, oh, type)
        && !(b->election && election_handle(b->election, oh, type))
        && !flow_bundle_handle(b->bundle, oh, type)
        && !ports_handle(b->ports, msg, type)
        && !audit_handle(b->audit, compiler_flows(b->compiler), msg, type)
        && type == OFPTYPE_ERROR) {
        handle_error(b, oh);
    }
    if (type == OFPTYPE_FLOW_MONITOR_STATS_REPLY) {
        note_foreign_changes(b);
    } else if (type == OFPTYPE_REQUESTFORWARD) {
        /* Whatever it was, look what the switch made of it. */
        install_suspect_objects(b->install);
        audit_request_read(b->audit);
        note_foreign_changes(b);
    } else if (type == OFPTYPE_BARRIER_REPLY && oh->xid == b->barrier_xid) {
        b->barrier_xid = 0;
        b->barrier_passed = (!b->barrier_is_stale
                             || time_msec() >= b->repair_max_ms);
    }
    b->seqno++;
}

static void
run_connection(struct bridge *b)
{
    ofconn_run(b->ofconn);
    if (ofconn_error(b->ofconn) != b->conn_error) {
        b->conn_error = ofconn_error(b->ofconn);
        b->seqno++;
    }
    if (ofconn_seqno(b->ofconn) == b->conn_seqno) {
        return;
    }
    b->conn_seqno = ofconn_seqno(b->ofconn);
    b->seqno++;
    flow_bundle_clear(b->bundle);
    install_forget(b->install);
    b->barrier_xid = 0;
    b->barrier_passed = true;
    if (b->election) {
        election_begin(b->election);
    }
    if (ofconn_is_connected(b->ofconn)) {
        ask_for_meters(b);      /* Answered before the ports. */
        ports_begin(b->ports, b->ofconn);
        audit_begin(b->audit, b->ofconn);
    }
}

static void
receive(struct bridge *b)
{
    long long int deadline = time_msec() + RECV_SLICE_MS;
    struct ofpbuf *msg;

    b->more_to_receive = false;
    while (!b->more_to_receive && (msg = ofconn_recv(b->ofconn))) {
        handle_message(b, msg);
        ofpbuf_delete(msg);
        b->more_to_receive = time_msec() > deadline;
    }
}

static bool
node_is_declared(const struct bridge *b)
{
    return b->model && model_get_node(b->model, b->node);
}

static void
take_delta(struct bridge *b)
{
    struct flow_set added, removed;

    flow_set_init(&added);
    flow_set_init(&removed);
    compiler_take_delta(b->compiler, &added, &removed);
    install_touch(b->install, &removed);
    install_touch(b->install, &added);
    flow_set_destroy(&added);
    flow_set_destroy(&removed);
    if (compiler_objects_seqno(b->compiler) != b->objects_seqno) {
        b->objects_seqno = compiler_objects_seqno(b->compiler);
        install_touch_objects(b->install);
    }
}

static void
run_compiler(struct bridge *b)
{
    struct sset *changed_ports = ports_changed(b->ports);

    /* A node that nobody declares (any more) has no desired flows; that is no
     * reason to take its flows away. */
    if (!node_is_declared(b) || !ports_is_ready(b->ports)) {
        return;
    }
    if (!model_changes_is_empty(&b->changes) || b->changes.all
        || !sset_is_empty(changed_ports)) {
        bool all = b->changes.all || !b->compiled;

        COVERAGE_INC(bridge_compile);
        controller_stats.compiles++;
        compiler_run(b->compiler, b->model, ports_flow_ports(b->ports),
                     all ? NULL : &b->changes, changed_ports);
        b->compiled = true;
        model_changes_clear(&b->changes);
        work_set_reset(changed_ports);
        take_delta(b);
        b->seqno++;
    }
    b->compiled_generation = b->generation;
}

static void
set_enforced(struct bridge *b, int64_t generation)
{
    if (generation != b->enforced
        && !install_n_refused(b->install)) {
        b->enforced = generation;
        b->seqno++;
        VLOG_INFO("%s: generation %"PRId64" enforced, %"PRIuSIZE" flows",
                  b->log_name, generation, install_n_ours(b->install));
    }
}

static void
end_bundle(struct bridge *b)
{
    const struct install_batch *batch = flow_bundle_batch(b->bundle);

    if (flow_bundle_state(b->bundle) == BUNDLE_DONE) {
        install_confirm(b->install, batch);
        b->n_repairs += batch->n_repairs;
        controller_stats.repairs += batch->n_repairs;
        VLOG_DBG("%s: %"PRIuSIZE" flow changes took %lld ms", b->log_name,
                 batch->n, flow_bundle_elapsed_ms(b->bundle));
        b->last_bundle_n = batch->n;
        b->last_bundle_ms = flow_bundle_elapsed_ms(b->bundle);
        b->failures = 0;
        set_enforced(b, b->bundle_generation);
    } else if (!may_write(b)) {
        /* It was refused because another controller is active now. */
        audit_request_read(b->audit);
    } else {
        size_t n_refused = install_n_refused(b->install);

        install_fail(b->install, batch);
        if (install_n_refused(b->install) == n_refused) {
            /* Whatever it was, look what the switch made of it. */
            audit_request_read(b->audit);
            b->failures++;
            b->retry_ms = time_msec() + RETRY_MS;
        }
    }
    if (install_is_suspect(b->install)) {
        audit_request_read(b->audit);
    }
    flow_bundle_clear(b->bundle);
    b->seqno++;
}

static bool
may_repair(struct bridge *b)
{
    if (time_msec() < b->repair_ms) {
        return false;
    }
    if (!b->barrier_passed) {
        if (!b->barrier_xid) {
            struct ofpbuf *barrier = ofputil_encode_barrier_request(
                OFP15_VERSION);

            b->barrier_xid = ((struct ofp_header *) barrier->data)->xid;
            b->barrier_is_stale = false;
            ofconn_send(b->ofconn, barrier);
        }
        return false;
    }
    b->repair_waits = !token_bucket_withdraw(&b->repair_limit, 1000);
    if (!b->repair_waits) {
        COVERAGE_INC(bridge_repair);
    }
    return !b->repair_waits;
}

static bool
may_start_bundle(struct bridge *b)
{
    if (!may_write(b) || !b->compiled || !node_is_declared(b)
        || !install_is_read(b->install) || install_is_suspect(b->install)
        || flow_bundle_state(b->bundle) != BUNDLE_IDLE
        || time_msec() < b->retry_ms) {
        return false;
    }
    b->repair_waits = false;
    return !install_is_repair(b->install) || may_repair(b);
}

static void
format_repair(const struct install_batch *batch, struct ds *s)
{
    for (size_t i = 0; i < batch->n; i++) {
        if (batch->ops[i].is_repair) {
            sn_flow_format(batch->ops[i].flow, NULL, true, s);
            return;
        }
    }
    for (size_t i = 0; i < batch->n_object_ops; i++) {
        if (batch->object_ops[i].is_repair) {
            sn_object_format(batch->object_ops[i].object, s);
            return;
        }
    }
}

static void
log_repair(const struct bridge *b, const struct install_batch *batch)
{
    if (batch->n_repairs && !VLOG_DROP_WARN(&rl)) {
        struct ds s = DS_EMPTY_INITIALIZER;

        format_repair(batch, &s);
        VLOG_WARN("%s: %"PRIuSIZE" flows%s were changed by somebody else and "
                  "are repaired, among them: %s", b->log_name,
                  batch->n_repairs,
                  batch->n_object_ops ? ", groups or meters" : "",
                  ds_cstr(&s));
        ds_destroy(&s);
    }
}

static void
start_bundle(struct bridge *b)
{
    struct install_batch batch;

    if (!may_start_bundle(b)) {
        return;
    }
    install_batch_init(&batch);
    install_make_batch(b->install, compiler_flows(b->compiler), &batch);
    b->repair_max_ms = 0;
    if (!install_batch_is_empty(&batch)) {
        log_repair(b, &batch);
        b->bundle_generation = b->compiled_generation;
        flow_bundle_start(b->bundle, &batch);
    } else {
        set_enforced(b, b->compiled_generation);
    }
    install_batch_destroy(&batch);
}

void
bridge_run(struct bridge *b)
{
    run_connection(b);
    if (!ofconn_is_connected(b->ofconn)) {
        return;
    }
    receive(b);
    if (!ofconn_is_connected(b->ofconn)) {
        run_connection(b);
        return;
    }

    enum flow_bundle_state state = flow_bundle_state(b->bundle);
    if (state == BUNDLE_DONE || state == BUNDLE_FAILED) {
        end_bundle(b);
    }
    run_compiler(b);
    if (b->election) {
        election_run(b->election);
    }
    start_bundle(b);
    flow_bundle_run(b->bundle, b->ofconn);
    if (flow_bundle_state(b->bundle) == BUNDLE_IDLE
        || !install_is_read(b->install)) {
        audit_run(b->audit, b->ofconn, compiler_flows(b->compiler));
    }
}

void
bridge_wait(struct bridge *b)
{
    ofconn_wait(b->ofconn);
    if (!ofconn_is_connected(b->ofconn)) {
        return;
    }
    if (b->more_to_receive) {
        poll_immediate_wake();
    }
    if (b->election) {
        election_wait(b->election);
    }
    flow_bundle_wait(b->bundle);
    if (flow_bundle_state(b->bundle) == BUNDLE_IDLE) {
        audit_wait(b->audit);
        if (may_write(b) && install_is_repair(b->install)) {
            if (b->repair_waits) {
                token_bucket_wait(&b->repair_limit, 1000);
            } else if (b->repair_ms > time_msec()) {
                poll_timer_wait_until(b->repair_ms);
            }
        }
        if (install_is_dirty(b->install) && b->retry_ms > time_msec()) {
            poll_timer_wait_until(b->retry_ms);
        }
    }
}
