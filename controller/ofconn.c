#include <config.h>
#include "controller/ofconn.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "controller/stats.h"
#include "coverage.h"
#include "openvswitch/ofp-connection.h"
#include "openvswitch/ofp-msgs.h"
#include "openvswitch/ofp-switch.h"
#include "openvswitch/ofp-util.h"
#include "openvswitch/ofpbuf.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/rconn.h"
#include "openvswitch/vlog.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(ofconn);

COVERAGE_DEFINE(ofconn_connect);

#define MAX_BACKOFF_S 8
/* A switch that is silent this long is asked, and given up after as long
 * again.  Not sooner: what it has been sent already would be lost. */
#define PROBE_S 15
/* How often a unix socket is looked at for a switch that has come back, while
 * it is fresh news that it left, and later. */
#define SOCKET_CHECK_MS 20
#define SOCKET_CHECK_LATE_MS 1000
#define SOCKET_CHECK_EARLY_MS 30000
#define SOCKET_HURRY_MS 1000

struct ofconn {
    char *name;
    char *target;
    char *remote;               /* 'target', or whoever passes on to it. */
    struct rconn *rconn;
    bool connected;             /* As last logged. */
    unsigned int seqno;

    /* A unix target: its file, to notice a new one. */
    const char *socket_path;    /* Inside 'target', or NULL. */
    struct timespec socket_ctime;
    long long int next_check_ms;
    long long int hurry_until_ms;
    long long int lost_ms;
};

static const char *via_dir;

void
ofconn_set_via(const char *dir)
{
    via_dir = dir;
}

static char *
find_remote(const char *target)
{
    const char *slash = strrchr(target, '/');

    return (via_dir && slash && !strncmp(target, "unix:", 5)
            ? xasprintf("unix:%s%s", via_dir, slash) : xstrdup(target));
}

static void
connect_now(struct ofconn *c)
{
    rconn_connect(c->rconn, c->remote, c->name);
    /* It has just switched probes off for a unix socket, but a switch can
     * hang as well as a network. */
    rconn_set_probe_interval(c->rconn, PROBE_S);
}

struct ofconn *
ofconn_create(const char *name, const char *target)
{
    struct ofconn *c = xzalloc(sizeof *c);

    c->name = xstrdup(name);
    c->target = xstrdup(target);
    c->remote = find_remote(target);
    if (!strncmp(target, "unix:", 5)) {
        c->socket_path = c->target + 5;
    }
    c->rconn = rconn_create(PROBE_S, MAX_BACKOFF_S, 0, 1u << OFP15_VERSION);
    c->lost_ms = time_msec();
    connect_now(c);
    return c;
}

void
ofconn_destroy(struct ofconn *c)
{
    if (c) {
        rconn_destroy(c->rconn);
        free(c->name);
        free(c->target);
        free(c->remote);
        free(c);
    }
}

static void
send_asynchronous_config(struct ofconn *c)
{
    struct ofputil_switch_config config = {
        .frag = OFPUTIL_FRAG_NORMAL,
        .invalid_ttl_to_controller = 0,
        /* A management connection gets no asynchronous message at all while
         * this is 0. */
        .miss_send_len = 128,
    };
    struct ofputil_async_cfg async = OFPUTIL_ASYNC_CFG_INIT;

    async.primary[OAM_PORT_STATUS] = async.secondary[OAM_PORT_STATUS]
        = (1u << OFPPR_ADD) | (1u << OFPPR_DELETE) | (1u << OFPPR_MODIFY);
    async.primary[OAM_REQUESTFORWARD] = async.secondary[OAM_REQUESTFORWARD]
        = (1u << OFPRFR_GROUP_MOD) | (1u << OFPRFR_METER_MOD);
    ofconn_send(c, ofputil_encode_set_config(&config, OFP15_VERSION));
    ofconn_send(c, ofputil_encode_set_async_config(
                       &async, (1u << OAM_N_TYPES) - 1, OFP15_VERSION));
}

static bool
socket_ctime(const struct ofconn *c, struct timespec *ctime)
{
    struct stat s;

    memset(ctime, 0, sizeof *ctime);
    if (stat(c->socket_path, &s)) {
        return false;
    }
    *ctime = s.st_ctim;
    return true;
}

/* rconn waits at least a second before it tries again.  A restarted switch has
 * no flows, so look for its new socket instead, and try again at once while it
 * does not listen yet. */
static void
check_socket(struct ofconn *c)
{
    long long int now_ms = time_msec();
    struct timespec ctime;

    if (!c->socket_path || now_ms < c->next_check_ms) {
        return;
    }
    c->next_check_ms = now_ms + (now_ms < c->lost_ms + SOCKET_CHECK_EARLY_MS
                                 ? SOCKET_CHECK_MS : SOCKET_CHECK_LATE_MS);
    bool exists = socket_ctime(c, &ctime);
    if (via_dir && !exists) {
        /* Who passes on accepts everybody, for nothing. */
        rconn_disconnect(c->rconn);
    } else if (via_dir && !strcmp(rconn_get_state(c->rconn), "VOID")) {
        connect_now(c);
    }
    if (exists
        && (ctime.tv_sec != c->socket_ctime.tv_sec
            || ctime.tv_nsec != c->socket_ctime.tv_nsec)) {
        c->socket_ctime = ctime;
        c->hurry_until_ms = now_ms + SOCKET_HURRY_MS;
    }
    if (now_ms < c->hurry_until_ms
        && !strcmp(rconn_get_state(c->rconn), "BACKOFF")) {
        connect_now(c);
    }
}

void
ofconn_run(struct ofconn *c)
{
    rconn_run(c->rconn);

    bool connected = rconn_is_connected(c->rconn);

    if (connected && (!c->connected || rconn_get_connection_seqno(c->rconn)
                                       != c->seqno)) {
        VLOG_INFO("%s: connected to %s", c->name, c->target);
        COVERAGE_INC(ofconn_connect);
        controller_stats.connects++;
        if (c->socket_path) {
            socket_ctime(c, &c->socket_ctime);
        }
        send_asynchronous_config(c);
    } else if (!connected && c->connected) {
        VLOG_WARN("%s: connection to %s lost (%s); the flows stay as they are",
                  c->name, c->target, ofconn_failure(c));
        c->lost_ms = time_msec();
    }
    c->connected = connected;
    c->seqno = rconn_get_connection_seqno(c->rconn);
    if (!connected) {
        check_socket(c);
    }
}

void
ofconn_wait(struct ofconn *c)
{
    rconn_run_wait(c->rconn);
    rconn_recv_wait(c->rconn);
    if (!c->connected && c->socket_path) {
        poll_timer_wait_until(c->next_check_ms);
    }
}

bool
ofconn_is_connected(const struct ofconn *c)
{
    return c->connected && rconn_is_connected(c->rconn);
}

unsigned int
ofconn_seqno(const struct ofconn *c)
{
    return c->seqno;
}

const char *
ofconn_target(const struct ofconn *c)
{
    return c->target;
}

int
ofconn_error(const struct ofconn *c)
{
    return rconn_get_last_error(c->rconn);
}

const char *
ofconn_failure(const struct ofconn *c)
{
    int error = ofconn_error(c);

    if (via_dir && c->socket_path && access(c->socket_path, F_OK)) {
        error = errno;
    }
    switch (error) {
    case 0:
        return "not answered yet";
    case EPROTO:
        return "protocol error: no OpenFlow 1.5 there, or TLS was refused";
    case EPIPE:
    case ECONNRESET:
        /* A switch of another version may close before our refusal of it is
         * written. */
        return "closed by the switch: no OpenFlow 1.5 there, or it ended";
    case ENOENT:
        return "no such socket: no bridge, or no switch running";
    default:
        return ovs_retval_to_string(error);
    }
}

void
ofconn_send(struct ofconn *c, struct ofpbuf *msg)
{
    rconn_send(c->rconn, msg, NULL);
}

struct ofpbuf *
ofconn_recv(struct ofconn *c)
{
    struct ofpbuf *msg;

    while ((msg = rconn_recv(c->rconn))) {
        enum ofptype type;

        if (!ofptype_decode(&type, msg->data)
            && type == OFPTYPE_ECHO_REQUEST) {
            ofconn_send(c, ofputil_encode_echo_reply(msg->data));
            ofpbuf_delete(msg);
            continue;
        }
        return msg;
    }
    return NULL;
}
