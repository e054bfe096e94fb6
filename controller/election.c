#include <config.h>
#include "controller/election.h"

#include <inttypes.h>
#include <stdlib.h>

#include "byte-order.h"
#include "controller/ofconn.h"
#include "openflow/openflow-1.2.h"
#include "openvswitch/ofp-connection.h"
#include "openvswitch/ofp-errors.h"
#include "openvswitch/ofpbuf.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(election);

/* If two that do not share a lock both claim a bridge, it must not change
 * hands as fast as they can. */
#define RETRY_MS 5000

static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(5, 5);

enum state {
    ELECTION_IDLE,
    ELECTION_ASKED,             /* Which generation id the switch has. */
    ELECTION_CLAIMED,
    ELECTION_WON,
};

struct election {
    const char *name;           /* For the log. */
    struct ofconn *ofconn;
    enum state state;
    bool wanted, chosen;
    bool beaten;                /* By another, since it was chosen. */
    ovs_be32 xid;               /* Of the request under way. */
    uint64_t id;                /* Of the last claim; 0: none. */
    long long int retry_ms;
};

struct election *
election_create(const char *name, struct ofconn *ofconn)
{
    struct election *e = xzalloc(sizeof *e);

    e->name = name;
    e->ofconn = ofconn;
    return e;
}

void
election_destroy(struct election *e)
{
    free(e);
}

void
election_set(struct election *e, bool wanted, bool chosen)
{
    if (chosen && !e->chosen) {
        e->beaten = false;
        e->retry_ms = 0;
        if (e->state == ELECTION_WON) {
            e->state = ELECTION_IDLE;   /* With a higher id. */
        }
    }
    if (!wanted && e->state != ELECTION_IDLE) {
        VLOG_INFO("%s: another controller is active, standing by", e->name);
        e->state = ELECTION_IDLE;
    }
    e->wanted = wanted;
    e->chosen = chosen;
}

void
election_begin(struct election *e)
{
    e->state = ELECTION_IDLE;
    e->xid = 0;
}

static void
send_request(struct election *e, enum ofp12_controller_role role,
             uint64_t id, enum state state)
{
    struct ofpbuf *msg = ofpraw_alloc(OFPRAW_OFPT12_ROLE_REQUEST,
                                      OFP15_VERSION, 0);
    struct ofp12_role_request *body = ofpbuf_put_zeros(msg, sizeof *body);

    body->role = htonl(role);
    body->generation_id = htonll(id);
    ofpmsg_update_length(msg);
    e->xid = ((struct ofp_header *) msg->data)->xid;
    e->state = state;
    ofconn_send(e->ofconn, msg);
}

void
election_run(struct election *e)
{
    if (e->state != ELECTION_IDLE || !e->wanted
        || !ofconn_is_connected(e->ofconn) || time_msec() < e->retry_ms) {
        return;
    }
    if (e->chosen) {
        if (e->beaten) {
            VLOG_WARN_RL(&rl, "%s: a controller that does not ask for the "
                         "same lock claims this bridge, too", e->name);
            e->beaten = false;
        }
        send_request(e, OFPCR12_ROLE_NOCHANGE, 0, ELECTION_ASKED);
    } else if (e->id && !e->beaten) {
        /* A new connection without the database: with the old id, which fails
         * if another has come. */
        send_request(e, OFPCR12_ROLE_PRIMARY, e->id, ELECTION_CLAIMED);
    }
}

void
election_wait(const struct election *e)
{
    if (e->state == ELECTION_IDLE && e->wanted
        && (e->chosen || (e->id && !e->beaten))
        && ofconn_is_connected(e->ofconn)) {
        poll_timer_wait_until(e->retry_ms);
    }
}

static void
handle_reply(struct election *e, const struct ofp_header *oh)
{
    struct ofputil_role_request reply;

    if (ofputil_decode_role_message(oh, &reply)) {
        return;
    }
    if (e->state == ELECTION_ASKED) {
        e->id = MAX(reply.have_generation_id ? reply.generation_id + 1 : 1,
                    1);
        send_request(e, OFPCR12_ROLE_PRIMARY, e->id, ELECTION_CLAIMED);
    } else if (e->state == ELECTION_CLAIMED
               && reply.role == OFPCR12_ROLE_PRIMARY) {
        VLOG_INFO("%s: active (%"PRIu64")", e->name, e->id);
        e->state = ELECTION_WON;
    }
}

/* Another one is the primary. */
static void
lose(struct election *e)
{
    e->state = ELECTION_IDLE;
    e->beaten = true;
    e->retry_ms = time_msec() + RETRY_MS;
    VLOG_INFO("%s: another controller is active, standing by", e->name);
}

bool
election_handle(struct election *e, const struct ofp_header *oh,
                enum ofptype type)
{
    if (type == OFPTYPE_ROLE_STATUS) {
        struct ofputil_role_status status;

        if (!ofputil_decode_role_status(oh, &status)
            && status.role == OFPCR12_ROLE_SECONDARY) {
            lose(e);
        }
        return true;
    }
    if (!e->xid || oh->xid != e->xid) {
        return false;
    }
    e->xid = 0;
    if (type == OFPTYPE_ROLE_REPLY) {
        handle_reply(e, oh);
        return true;
    } else if (type == OFPTYPE_ERROR) {
        if (e->chosen) {
            e->state = ELECTION_IDLE;   /* Ask for the id again. */
        } else {
            lose(e);
        }
        return true;
    }
    return false;
}

bool
election_is_won(const struct election *e)
{
    return e->state == ELECTION_WON && e->wanted;
}
