#include <config.h>
#include "agent/nlk.h"

#include <errno.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/rtnetlink.h>
#include <netlink/errno.h>
#include <netlink/genl/ctrl.h>
#include <netlink/genl/genl.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>
#include <sys/socket.h>

#include "agent/stats.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(nlk);

/* Room for the events of a thousand veths appearing at once. */
#define EVENT_RCVBUF (1024 * 1024)

struct nlk {
    struct nl_sock *route;      /* Requests. */
    struct nl_sock *strict;     /* Filtered dumps. */
    struct nl_sock *genl;       /* Requests. */
    struct nl_sock *events;     /* rtnetlink's groups. */
    struct nl_sock *nft_events; /* NULL: this kernel has no nftables. */
};

static struct nl_sock *
sock_open(int protocol, int *errnop)
{
    struct nl_sock *sock = nl_socket_alloc();
    int error = sock ? nl_connect(sock, protocol) : -NLE_NOMEM;

    if (error) {
        *errnop = errno ? errno : EPROTO;
        nl_socket_free(sock);
        return NULL;
    }
    /* libnl's 4 kB default truncates a large dump message. */
    nl_socket_set_msg_buf_size(sock, 64 * 1024);
    return sock;
}

/* Lets the kernel filter dumps by what stands in the request's header.  Not
 * for libnl-route's own requests: some have too short a header for this. */
static void
sock_set_strict(struct nl_sock *sock)
{
    int one = 1;

    setsockopt(nl_socket_get_fd(sock), SOL_NETLINK, NETLINK_GET_STRICT_CHK,
               &one, sizeof one);
}

static int
events_open(struct nlk *nlk)
{
    int error = 0;

    nlk->events = sock_open(NETLINK_ROUTE, &error);
    if (!nlk->events) {
        return error;
    }
    nl_socket_set_buffer_size(nlk->events, EVENT_RCVBUF, 0);
    nl_socket_set_nonblocking(nlk->events);
    if (nl_socket_add_memberships(nlk->events, RTNLGRP_LINK,
                                  RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR,
                                  RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE,
                                  RTNLGRP_IPV4_RULE, RTNLGRP_IPV6_RULE, 0)) {
        return errno ? errno : EPROTO;
    }

    nlk->nft_events = sock_open(NETLINK_NETFILTER, &error);
    if (nlk->nft_events) {
        nl_socket_set_buffer_size(nlk->nft_events, EVENT_RCVBUF, 0);
        nl_socket_set_nonblocking(nlk->nft_events);
        if (nl_socket_add_memberships(nlk->nft_events, NFNLGRP_NFTABLES, 0)) {
            nl_socket_free(nlk->nft_events);
            nlk->nft_events = NULL;
        }
    }
    return 0;
}

int
nlk_open(struct nlk **ret_nlk)
{
    struct nlk *nlk = xzalloc(sizeof *nlk);
    int error = 0;

    nlk->route = sock_open(NETLINK_ROUTE, &error);
    if (nlk->route) {
        nlk->strict = sock_open(NETLINK_ROUTE, &error);
    }
    if (nlk->strict) {
        sock_set_strict(nlk->strict);
        nlk->genl = sock_open(NETLINK_GENERIC, &error);
    }
    if (!nlk->genl || (error = events_open(nlk))) {
        nlk_close(nlk);
        return error;
    }
    *ret_nlk = nlk;
    return 0;
}

void
nlk_close(struct nlk *nlk)
{
    if (nlk) {
        nl_socket_free(nlk->route);
        nl_socket_free(nlk->strict);
        nl_socket_free(nlk->genl);
        nl_socket_free(nlk->events);
        nl_socket_free(nlk->nft_events);
        free(nlk);
    }
}

struct nl_sock *
nlk_route_sock(struct nlk *nlk)
{
    return nlk->route;
}

struct nl_sock *
nlk_strict_sock(struct nlk *nlk)
{
    return nlk->strict;
}

struct nl_sock *
nlk_genl_sock(struct nlk *nlk, const char *name, int *ret_family)
{
    int family = genl_ctrl_resolve(nlk->genl, name);

    if (family < 0) {
        return NULL;
    }
    *ret_family = family;
    return nlk->genl;
}

/* A routing daemon may change thousands of routes a second on this host.
 * Other people's routes do not matter here. */
static bool
event_is_relevant(const struct nlmsghdr *nlh)
{
    const struct rtmsg *rtm;

    switch (nlh->nlmsg_type) {
    case RTM_NEWROUTE:
    case RTM_DELROUTE:
        rtm = nlmsg_data(nlh);
        return (nlmsg_datalen(nlh) >= (int) sizeof *rtm
                && rtm->rtm_protocol == SN_RTPROT);
    default:
        return true;
    }
}

/* Returns true if 'sock' held anything of interest. */
static bool
events_drain(struct nl_sock *sock, bool is_route)
{
    static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(1, 5);
    static uint32_t buffer[16 * 1024];
    bool relevant = false;

    for (;;) {
        ssize_t n = recv(nl_socket_get_fd(sock), buffer, sizeof buffer,
                         MSG_DONTWAIT);

        if (n < 0 && errno == EINTR) {
            continue;
        } else if (n < 0 && errno == ENOBUFS) {
            VLOG_INFO_RL(&rl, "netlink events were lost; reading all again");
            agent_stats.resyncs++;
            relevant = true;
            continue;
        } else if (n <= 0) {
            return relevant;
        }

        struct nlmsghdr *nlh = (struct nlmsghdr *) buffer;
        int left = n;
        for (; nlmsg_ok(nlh, left); nlh = nlmsg_next(nlh, &left)) {
            if (!is_route || event_is_relevant(nlh)) {
                agent_stats.events++;
                relevant = true;
            }
        }
    }
}

enum nlk_events
nlk_run(struct nlk *nlk)
{
    enum nlk_events events = 0;

    if (events_drain(nlk->events, true)) {
        events |= NLK_ROUTE;
    }
    if (nlk->nft_events && events_drain(nlk->nft_events, false)) {
        events |= NLK_NFT;
    }
    return events;
}

void
nlk_wait(struct nlk *nlk)
{
    poll_fd_wait(nl_socket_get_fd(nlk->events), POLLIN);
    if (nlk->nft_events) {
        poll_fd_wait(nl_socket_get_fd(nlk->nft_events), POLLIN);
    }
}

/* One request in flight. */
struct nlk_exchange {
    nlk_dump_cb *cb;
    void *aux;
    int error;                  /* Positive errno. */
    bool done;
};

static int
exchange_valid(struct nl_msg *msg, void *ex_)
{
    struct nlk_exchange *ex = ex_;

    if (ex->cb) {
        ex->cb(nlmsg_hdr(msg), ex->aux);
    }
    return NL_OK;
}

static int
exchange_finish(struct nl_msg *msg, void *ex_)
{
    struct nlk_exchange *ex = ex_;
    const struct nlmsghdr *nlh = nlmsg_hdr(msg);

    /* NLMSG_DONE carries the error of a dump that failed on its way. */
    if (nlh->nlmsg_type == NLMSG_DONE
        && nlmsg_datalen(nlh) >= (int) sizeof(int)) {
        ex->error = -*(const int *) nlmsg_data(nlh);
    }
    ex->done = true;
    return NL_STOP;
}

static int
exchange_error(struct sockaddr_nl *who OVS_UNUSED, struct nlmsgerr *err,
               void *ex_)
{
    struct nlk_exchange *ex = ex_;

    ex->error = -err->error;
    ex->done = true;
    return NL_STOP;
}

static int
exchange_run(struct nl_sock *sock, struct nl_msg *msg,
             struct nlk_exchange *ex)
{
    struct nl_cb *cb = nl_cb_alloc(NL_CB_DEFAULT);
    int error;

    ovs_assert(cb);
    nl_cb_set(cb, NL_CB_VALID, NL_CB_CUSTOM, exchange_valid, ex);
    nl_cb_set(cb, NL_CB_FINISH, NL_CB_CUSTOM, exchange_finish, ex);
    nl_cb_set(cb, NL_CB_ACK, NL_CB_CUSTOM, exchange_finish, ex);
    nl_cb_err(cb, NL_CB_CUSTOM, exchange_error, ex);

    error = nl_send_auto(sock, msg);
    nlmsg_free(msg);
    while (error >= 0 && !ex->done) {
        error = nl_recvmsgs(sock, cb);
    }
    nl_cb_put(cb);
    return ex->error ? ex->error : error < 0 && !ex->done ? EPROTO : 0;
}

int
nlk_transact(struct nl_sock *sock, struct nl_msg *msg)
{
    struct nlk_exchange ex = { .cb = NULL };

    return exchange_run(sock, msg, &ex);
}

int
nlk_dump(struct nl_sock *sock, struct nl_msg *msg, nlk_dump_cb *cb, void *aux)
{
    struct nlk_exchange ex = { .cb = cb, .aux = aux };

    return exchange_run(sock, msg, &ex);
}

int
nlk_write(struct nlk *nlk, struct nl_msg *msg)
{
    int error = nlk_transact(nlk->route, msg);

    if (error == EOPNOTSUPP || error == EEXIST) {
        /* Answers more than failures: no such kind of thing here; and
         * somebody else's is there already. */
    } else if (error) {
        agent_stats.write_errors++;
    } else {
        agent_stats.netlink_writes++;
    }
    return error;
}
