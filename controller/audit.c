#include <config.h>
#include "controller/audit.h"

#include "byte-order.h"
#include "controller/install.h"
#include "controller/ofconn.h"
#include "controller/stats.h"
#include "coverage.h"
#include "flows/compiler.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/ofp-errors.h"
#include "openvswitch/ofp-flow.h"
#include "openvswitch/ofp-group.h"
#include "openvswitch/ofp-meter.h"
#include "openvswitch/ofp-monitor.h"
#include "openvswitch/ofpbuf.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(audit);

COVERAGE_DEFINE(audit_read);
COVERAGE_DEFINE(audit_canary);
COVERAGE_DEFINE(audit_foreign_change);

static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(20, 10);

#define MONITOR_ID 1
/* With a flow monitor, and without. */
static const long long int read_interval_ms[2] = { 2000, 60000 };
static const long long int canary_interval_ms[2] = { 500, 5000 };

struct audit {
    char *name;
    struct install *install;
    bool has_monitor;
    ovs_be32 monitor_xid;

    ovs_be32 read_xid;          /* 0: no read under way. */
    ovs_be32 group_xid, meter_xid;  /* The same of these. */
    size_t n_flows;             /* In the read under way. */
    long long int next_read_ms;
    unsigned int n_requests, n_reads, read_request;
    unsigned int read_seqno;    /* install_seqno() when the read began. */
    size_t last_flows, last_differences;

    ovs_be32 canary_xid;        /* 0: no question under way. */
    bool canary_lives;
    long long int next_canary_ms;
};

struct audit *
audit_create(const char *name, struct install *install)
{
    struct audit *a = xzalloc(sizeof *a);

    a->name = xstrdup(name);
    a->install = install;
    return a;
}

void
audit_destroy(struct audit *a)
{
    if (a) {
        free(a->name);
        free(a);
    }
}

static ovs_be32
send_request(struct ofconn *conn, struct ofpbuf *request)
{
    ovs_be32 xid = ((struct ofp_header *) request->data)->xid;

    ofconn_send(conn, request);
    return xid;
}

/* The monitor comes first, so that no change falls between the two. */
void
audit_begin(struct audit *a, struct ofconn *conn)
{
    struct ofputil_flow_monitor_request request = {
        .id = MONITOR_ID,
        .command = OFPFMC_ADD,
        .flags = OFPFMF_ADD | OFPFMF_REMOVED | OFPFMF_MODIFY
                 | OFPFMF_INSTRUCTIONS,
        .out_port = OFPP_ANY,
        .out_group = OFPG_ANY,
        .table_id = OFPTT_ALL,
        .match = MATCH_CATCHALL_INITIALIZER,
    };
    struct ofpbuf *msg = ofpbuf_new(0);

    ofputil_append_flow_monitor_request(&request, msg, OFPUTIL_P_OF15_OXM);
    ofpmsg_update_length(msg);
    a->has_monitor = true;
    a->monitor_xid = send_request(conn, msg);
    a->read_xid = 0;
    a->canary_xid = 0;
    audit_request_read(a);
}

void
audit_request_read(struct audit *a)
{
    a->next_read_ms = time_msec();
    a->n_requests++;
}

static void
start_read(struct audit *a, struct ofconn *conn)
{
    struct ofputil_flow_stats_request request = {
        .match = MATCH_CATCHALL_INITIALIZER,
        .table_id = OFPTT_ALL,
        .out_port = OFPP_ANY,
        .out_group = OFPG_ANY,
    };

    install_read_begin(a->install);
    a->n_flows = 0;
    a->read_request = a->n_requests;
    a->read_seqno = install_seqno(a->install);
    /* First, so that they are complete when the flows are. */
    a->group_xid = send_request(conn, ofputil_encode_group_desc_request(
                                          OFP15_VERSION, OFPG_ALL));
    a->meter_xid = send_request(conn, ofputil_encode_meter_request(
                                          OFP15_VERSION, OFPUTIL_METER_CONFIG,
                                          OFPM13_ALL));
    a->read_xid = send_request(conn, ofputil_encode_flow_stats_request(
                                         &request, OFPUTIL_P_OF15_OXM));
}

/* The canary is the flow that catches the misses of table 0. */
static const struct sn_flow *
find_canary(const struct flow_set *flows)
{
    struct match match = MATCH_CATCHALL_INITIALIZER;
    struct sn_flow key = { .table_id = 0, .priority = 0 };
    const struct sn_flow *canary;

    minimatch_init(&key.match, &match);
    canary = flow_set_find(flows, &key);
    minimatch_destroy(&key.match);
    return canary;
}

static void
ask_canary(struct audit *a, struct ofconn *conn)
{
    const struct sn_flow *canary = find_canary(install_flows(a->install));

    if (canary) {
        struct ofputil_flow_stats_request request = {
            .match = MATCH_CATCHALL_INITIALIZER,
            .cookie = htonll(canary->cookie),
            .cookie_mask = OVS_BE64_MAX,
            .out_port = OFPP_ANY,
            .out_group = OFPG_ANY,
        };

        COVERAGE_INC(audit_canary);
        a->canary_lives = false;
        a->canary_xid = send_request(conn, ofputil_encode_flow_stats_request(
                                               &request, OFPUTIL_P_OF15_OXM));
    }
}

void
audit_run(struct audit *a, struct ofconn *conn, const struct flow_set *desired)
{
    long long int now = time_msec();

    if (!ofconn_is_connected(conn)) {
        return;
    }
    if (!a->read_xid && now >= a->next_read_ms) {
        start_read(a, conn);
    }
    if (now >= a->next_canary_ms && !a->read_xid && !a->canary_xid) {
        a->next_canary_ms = now + canary_interval_ms[a->has_monitor];
        if (find_canary(desired)) {
            ask_canary(a, conn);
        }
    }
}

void
audit_wait(const struct audit *a)
{
    if (!a->read_xid) {
        poll_timer_wait_until(a->next_read_ms);
        if (!a->canary_xid) {
            poll_timer_wait_until(a->next_canary_ms);
        }
    }
}

static void
end_read(struct audit *a, const struct flow_set *desired)
{
    bool first = !install_is_read(a->install);
    size_t n = install_read_end(a->install, desired);
    bool moving = n && a->read_seqno != install_seqno(a->install);

    COVERAGE_INC(audit_read);
    controller_stats.reads++;
    a->read_xid = 0;
    a->last_flows = a->n_flows;
    a->last_differences = n;
    if (!first && moving) {
        /* We were changing flows meanwhile: look again. */
        a->next_read_ms = time_msec() + 100;
        return;
    }
    a->n_reads = a->read_request;
    a->next_read_ms = time_msec() + (a->n_requests != a->read_request ? 0
                                     : read_interval_ms[a->has_monitor]);
    if (first) {
        VLOG_INFO("%s: %"PRIuSIZE" flows read from the switch, %"PRIuSIZE
                  " of them with other cookies", a->name, a->n_flows,
                  install_n_foreign(a->install));
    }
}

static void
handle_flows(struct audit *a, const struct flow_set *desired,
             const struct ofpbuf *msg)
{
    const struct ofp_header *oh = msg->data;
    struct ofpbuf b = ofpbuf_const_initializer(oh, ntohs(oh->length));
    struct ofputil_flow_stats fs;
    uint64_t stub[1024 / 8];
    struct ofpbuf ofpacts;
    int retval;

    ofpbuf_use_stub(&ofpacts, stub, sizeof stub);
    while (!(retval = ofputil_decode_flow_stats_reply(&fs, &b, false,
                                                      &ofpacts))) {
        if (oh->xid == a->canary_xid) {
            a->canary_lives |= !fs.priority;
        } else {
            install_read_flow(a->install, &fs);
            a->n_flows++;
        }
    }
    ofpbuf_uninit(&ofpacts);
    if (retval != EOF) {
        VLOG_WARN_RL(&rl, "%s: a flow of the switch cannot be decoded (%s)",
                     a->name, ovs_retval_to_string(retval));
    }
    if (!ofpmp_more(oh)) {
        if (oh->xid == a->read_xid) {
            end_read(a, desired);
        } else {
            a->canary_xid = 0;
            if (!a->canary_lives && find_canary(desired)) {
                VLOG_WARN("%s: the switch has lost its flows", a->name);
                audit_request_read(a);
            }
        }
    }
}

static void
handle_groups(struct audit *a, const struct ofpbuf *msg)
{
    const struct ofp_header *oh = msg->data;
    struct ofpbuf b = ofpbuf_const_initializer(oh, ntohs(oh->length));
    struct ofputil_group_desc gd;
    int retval;

    while (!(retval = ofputil_decode_group_desc_reply(&gd, &b,
                                                      OFP15_VERSION))) {
        install_read_group(a->install, &gd);
        ofputil_uninit_group_desc(&gd);
    }
    if (retval != EOF) {
        VLOG_WARN_RL(&rl, "%s: a group of the switch cannot be decoded (%s)",
                     a->name, ovs_retval_to_string(retval));
    }
}

static void
handle_meters(struct audit *a, const struct ofpbuf *msg)
{
    const struct ofp_header *oh = msg->data;
    struct ofpbuf b = ofpbuf_const_initializer(oh, ntohs(oh->length));
    struct ofputil_meter_config mc;
    uint64_t stub[256 / 8];
    struct ofpbuf bands;
    int retval;

    ofpbuf_use_stub(&bands, stub, sizeof stub);
    while (!(retval = ofputil_decode_meter_config(&b, &mc, &bands))) {
        install_read_meter(a->install, &mc);
    }
    ofpbuf_uninit(&bands);
    if (retval != EOF) {
        VLOG_WARN_RL(&rl, "%s: a meter of the switch cannot be decoded (%s)",
                     a->name, ovs_retval_to_string(retval));
    }
}

static void
log_update(struct audit *a, const struct ofputil_flow_update *fu)
{
    COVERAGE_INC(audit_foreign_change);
    if (VLOG_IS_DBG_ENABLED()) {
        char *match = match_to_string(&fu->match, NULL, fu->priority);

        VLOG_DBG("%s: somebody else %s one of our flows: cookie=0x%"PRIx64
                 ",table=%u,%s", a->name,
                 fu->event == OFPFME_ADDED ? "added"
                 : fu->event == OFPFME_REMOVED ? "deleted" : "changed",
                 ntohll(fu->cookie), fu->table_id, match);
        free(match);
    }
}

static void
handle_updates(struct audit *a, const struct flow_set *desired,
               const struct ofpbuf *msg)
{
    const struct ofp_header *oh = msg->data;
    struct ofpbuf b = ofpbuf_const_initializer(oh, ntohs(oh->length));
    struct ofputil_flow_update fu;
    uint64_t stub[1024 / 8];
    struct ofpbuf ofpacts;
    int retval;

    ofpbuf_use_stub(&ofpacts, stub, sizeof stub);
    while (!(retval = ofputil_decode_flow_update(&fu, &b, &ofpacts))) {
        switch (fu.event) {
        case OFPFME_ADDED:
        case OFPFME_REMOVED:
        case OFPFME_MODIFIED:
            /* Before the first read ends, the read will tell. */
            if (install_is_read(a->install)
                && install_update(a->install, desired, &fu)) {
                log_update(a, &fu);
            }
            break;
        case OFPFME_RESUMED:
            audit_request_read(a);
            break;
        case OFPFME_INITIAL:
        case OFPFME_ABBREV:     /* Our own bundle: its reply tells. */
        case OFPFME_PAUSED:
        default:
            break;
        }
    }
    ofpbuf_uninit(&ofpacts);
    if (retval != EOF) {
        VLOG_WARN_RL(&rl, "%s: bad flow update (%s)", a->name,
                     ovs_retval_to_string(retval));
        audit_request_read(a);
    }
}

static bool
handle_error(struct audit *a, const struct ofp_header *oh)
{
    const char *error = ofperr_to_string(ofperr_decode_msg(oh, NULL));

    if (oh->xid == a->monitor_xid) {
        VLOG_WARN("%s: the switch has no flow monitor (%s), its flows are "
                  "read more often instead", a->name, error);
        a->has_monitor = false;
    } else if (a->read_xid && oh->xid == a->read_xid) {
        VLOG_WARN_RL(&rl, "%s: flows cannot be read (%s)", a->name, error);
        a->read_xid = 0;
        a->next_read_ms = time_msec() + 1000;
    } else if (a->canary_xid && oh->xid == a->canary_xid) {
        a->canary_xid = 0;
    } else if (a->read_xid
               && (oh->xid == a->group_xid || oh->xid == a->meter_xid)) {
        VLOG_INFO_RL(&rl, "%s: the switch has no %s (%s)", a->name,
                     oh->xid == a->group_xid ? "groups" : "meters", error);
    } else {
        return false;
    }
    return true;
}

bool
audit_handle(struct audit *a, const struct flow_set *desired,
             const struct ofpbuf *msg, enum ofptype type)
{
    const struct ofp_header *oh = msg->data;

    if (type == OFPTYPE_FLOW_STATS_REPLY) {
        if ((a->read_xid && oh->xid == a->read_xid)
            || (a->canary_xid && oh->xid == a->canary_xid)) {
            handle_flows(a, desired, msg);
        }
    } else if (type == OFPTYPE_GROUP_DESC_STATS_REPLY) {
        if (a->read_xid && oh->xid == a->group_xid) {
            handle_groups(a, msg);
        }
    } else if (type == OFPTYPE_METER_CONFIG_STATS_REPLY) {
        if (a->read_xid && oh->xid == a->meter_xid) {
            handle_meters(a, msg);
        }
    } else if (type == OFPTYPE_FLOW_MONITOR_STATS_REPLY) {
        handle_updates(a, desired, msg);
    } else if (type == OFPTYPE_ERROR) {
        return handle_error(a, oh);
    } else {
        return type == OFPTYPE_FLOW_MONITOR_PAUSED
               || type == OFPTYPE_FLOW_MONITOR_RESUMED;
    }
    return true;
}

unsigned int
audit_n_requests(const struct audit *a)
{
    return a->n_requests;
}

unsigned int
audit_n_reads(const struct audit *a)
{
    return a->n_reads;
}

size_t
audit_last_flows(const struct audit *a)
{
    return a->last_flows;
}

size_t
audit_last_differences(const struct audit *a)
{
    return a->last_differences;
}
