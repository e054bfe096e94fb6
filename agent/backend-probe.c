#include <config.h>
#include "agent/backend-probe.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/http_struct.h>
#include <stdlib.h>
#include <string.h>

#include "agent/dns-sock.h"
#include "lib/prefix.h"
#include "util.h"

/* Nobody reads what a backend says. */
#define MAX_BODY (1 << 20)

struct backend_probe {
    struct event_base *base;
    struct bufferevent *bev;            /* Of a connection... */
    struct evhttp_connection *http;     /* ...or of a GET. */
    bool running, done, ok;
    int status;                 /* Of HTTP; 0: none yet. */
    char *reason;
};

struct backend_probe *
backend_probe_create(struct event_base *base)
{
    struct backend_probe *p = xzalloc(sizeof *p);

    p->base = base;
    return p;
}

void
backend_probe_cancel(struct backend_probe *p)
{
    if (p->bev) {
        bufferevent_free(p->bev);
        p->bev = NULL;
    }
    if (p->http) {
        evhttp_connection_free(p->http);
        p->http = NULL;
    }
    p->running = p->done = false;
}

void
backend_probe_destroy(struct backend_probe *p)
{
    if (p) {
        backend_probe_cancel(p);
        free(p->reason);
        free(p);
    }
}

/* Takes ownership of 'reason', NULL if all is well.  The first word counts. */
static void
probe_finish(struct backend_probe *p, char *reason)
{
    if (p->running && !p->done) {
        p->done = true;
        p->ok = !reason;
        free(p->reason);
        p->reason = reason;
    } else {
        free(reason);
    }
}

static void
probe_connected(struct bufferevent *bev OVS_UNUSED, short what, void *p_)
{
    struct backend_probe *p = p_;

    if (what & BEV_EVENT_CONNECTED) {
        probe_finish(p, NULL);
    } else if (what & BEV_EVENT_TIMEOUT) {
        probe_finish(p, xstrdup("no answer"));
    } else {
        int error = EVUTIL_SOCKET_ERROR();
        probe_finish(p, xstrdup(error ? ovs_strerror(error)
                                : "connection closed"));
    }
}

static void
probe_start_tcp(struct backend_probe *p, const struct sn_prefix *address,
                uint16_t port, const struct timeval *timeout)
{
    struct sockaddr_storage ss;
    socklen_t len = dns_sockaddr_from_prefix(address, &ss);

    if (address->is_v4) {
        ((struct sockaddr_in *) &ss)->sin_port = htons(port);
    } else {
        ((struct sockaddr_in6 *) &ss)->sin6_port = htons(port);
    }
    p->bev = bufferevent_socket_new(p->base, -1, BEV_OPT_CLOSE_ON_FREE);
    bufferevent_setcb(p->bev, NULL, NULL, probe_connected, p);
    bufferevent_set_timeouts(p->bev, timeout, timeout);
    if (bufferevent_socket_connect(p->bev, (struct sockaddr *) &ss, len)) {
        probe_finish(p, xstrdup(ovs_strerror(EVUTIL_SOCKET_ERROR())));
    }
}

static int
probe_got_head(struct evhttp_request *req, void *p_)
{
    struct backend_probe *p = p_;
    int status = evhttp_request_get_response_code(req);

    probe_finish(p, status >= 200 && status < 400
                    ? NULL : xasprintf("HTTP status %d", status));
    return 0;
}

static void
probe_failed(enum evhttp_request_error error, void *p_)
{
    static const char *const reasons[] = {
        [EVREQ_HTTP_TIMEOUT] = "no answer",
        [EVREQ_HTTP_EOF] = "closed before an answer",
        [EVREQ_HTTP_INVALID_HEADER] = "no HTTP",
    };
    const char *reason = (size_t) error < ARRAY_SIZE(reasons)
                         ? reasons[error] : NULL;

    probe_finish(p_, xstrdup(reason ? reason : "no valid answer"));
}

static void
probe_answered(struct evhttp_request *req, void *p_)
{
    if (!req || !evhttp_request_get_response_code(req)) {
        probe_finish(p_, xstrdup("no connection"));
    } else {
        probe_got_head(req, p_);
    }
}

static void
probe_start_http(struct backend_probe *p, const struct sn_prefix *address,
                 uint16_t port, const char *host, const char *path,
                 const struct timeval *timeout)
{
    char *s = sn_prefix_addr_to_string(address);

    p->http = evhttp_connection_base_new(p->base, NULL, s, port);
    evhttp_connection_set_timeout_tv(p->http, timeout);
    evhttp_connection_set_max_body_size(p->http, MAX_BODY);
    evhttp_connection_set_max_headers_size(p->http, 65536);

    struct evhttp_request *req = evhttp_request_new(probe_answered, p);
    evhttp_request_set_header_cb(req, probe_got_head);
    evhttp_request_set_error_cb(req, probe_failed);
    evhttp_add_header(evhttp_request_get_output_headers(req), "Host", host);
    evhttp_add_header(evhttp_request_get_output_headers(req), "Connection",
                      "close");
    if (evhttp_make_request(p->http, req, EVHTTP_REQ_GET, path)) {
        probe_finish(p, xstrdup("no connection"));
    }
    free(s);
}

void
backend_probe_start(struct backend_probe *p, const struct sn_prefix *address,
                    uint16_t port, const char *host, const char *path,
                    unsigned int timeout_s)
{
    const struct timeval timeout = { .tv_sec = timeout_s };

    backend_probe_cancel(p);
    p->running = true;
    if (path) {
        probe_start_http(p, address, port, host, path, &timeout);
    } else {
        probe_start_tcp(p, address, port, &timeout);
    }
}

bool
backend_probe_is_running(const struct backend_probe *p)
{
    return p->running;
}

bool
backend_probe_run(struct backend_probe *p, bool *ret_ok)
{
    if (!p->done) {
        return false;
    }
    *ret_ok = p->ok;
    backend_probe_cancel(p);
    return true;
}

const char *
backend_probe_reason(const struct backend_probe *p)
{
    return p->reason ? p->reason : "";
}
