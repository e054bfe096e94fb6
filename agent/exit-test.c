#include <config.h>
#include "agent/exit-test.h"

#include <errno.h>
#include <poll.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/dns-message.h"
#include "agent/dns-sock.h"
#include "agent/exit-probe.h"
#include "agent/plan.h"
#include "lib/prefix.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/poll-loop.h"
#include "timeval.h"
#include "util.h"

#define TIMEOUT_MS 4000
#define MAX_REPLY 4096

/* A name that its owner keeps for such uses. */
static const char dns_question[] = "\7example\3com\0\0\1\0\1";

struct exit_test {
    long long int started_ms, deadline_ms;
    struct exit_probe *probe;
    bool probed, answers;
    long long int probe_ms;

    int http_fd, dns_fd;        /* -1: over. */
    bool http_sent;
    char *request;
    char reply[MAX_REPLY + 1];
    size_t n_reply;
    uint8_t dns_id[2];
    char *seen_as, *names;      /* The results. */
};

static void
hang_up(int *fd)
{
    if (*fd >= 0) {
        close(*fd);
        *fd = -1;
    }
}

/* "http://HOST[:PORT]/PATH", checked by state/build-exit.c. */
static void
start_http(struct exit_test *t, const char *device, const char *url)
{
    const char *host = url + strlen("http://");
    size_t n = strcspn(host, "/");
    const char *colon = memrchr(host, ':', n), *bracket = memrchr(host, ']',
                                                                  n);
    char *target = xasprintf("%.*s%s", (int) n, host,
                             colon && (!bracket || colon > bracket) ? ""
                             : ":80");

    t->request = xasprintf("GET %s HTTP/1.0\r\nHost: %.*s\r\n"
                           "Connection: close\r\n\r\n",
                           host[n] ? host + n : "/", (int) n, host);
    t->http_fd = exit_probe_open(device, target);
    if (t->http_fd < 0) {
        t->seen_as = xasprintf("unknown: %s", ovs_strerror(-t->http_fd));
        t->http_fd = -1;
    }
    free(target);
}

static void
start_dns(struct exit_test *t, const char *device,
          const struct sn_prefix *resolver)
{
    uint8_t msg[12 + sizeof dns_question] = { [2] = 1, [5] = 1 };
    struct sockaddr_storage ss;
    socklen_t len;

    if (!resolver) {
        t->names = xstrdup("no resolver");
        return;
    }
    len = dns_sockaddr_from_prefix(resolver, &ss);
    t->dns_fd = socket(ss.ss_family, SOCK_DGRAM | SOCK_NONBLOCK
                       | SOCK_CLOEXEC, 0);
    randombytes_buf(t->dns_id, sizeof t->dns_id);
    memcpy(msg, t->dns_id, sizeof t->dns_id);
    memcpy(msg + 12, dns_question, sizeof dns_question - 1);
    if (t->dns_fd < 0
        || setsockopt(t->dns_fd, SOL_SOCKET, SO_BINDTODEVICE, device,
                      strlen(device) + 1)
        || connect(t->dns_fd, (struct sockaddr *) &ss, len)
        || send(t->dns_fd, msg, 12 + sizeof dns_question - 1, 0) < 0) {
        t->names = xasprintf("failed: %s", ovs_strerror(errno));
        hang_up(&t->dns_fd);
    }
}

struct exit_test *
exit_test_start(const char *device, const struct plan_probe *config,
                const struct sn_prefix *resolver)
{
    struct exit_test *t = xzalloc(sizeof *t);

    t->http_fd = t->dns_fd = -1;
    t->started_ms = time_msec();
    t->deadline_ms = t->started_ms + TIMEOUT_MS;
    t->probe = exit_probe_create();
    exit_probe_start(t->probe, device, &config->targets, TIMEOUT_MS);
    start_http(t, device, config->seen_by);
    start_dns(t, device, resolver);
    return t;
}

void
exit_test_destroy(struct exit_test *t)
{
    if (t) {
        exit_probe_destroy(t->probe);
        hang_up(&t->http_fd);
        hang_up(&t->dns_fd);
        free(t->request);
        free(t->seen_as);
        free(t->names);
        free(t);
    }
}

/* The address in an answer: after "ip=", else the first of the body. */
static char *
find_address(const char *reply)
{
    const char *body = strstr(reply, "\r\n\r\n");
    const char *ip = body ? strstr(body, "\nip=") : NULL;

    body = ip ? ip + 4 : body;
    while (body && *body) {
        size_t n = strspn(body, "0123456789abcdefABCDEF:.");

        if (n > 2 && n < 46) {
            char *word = xmemdup0(body, n);
            struct sn_prefix p;
            char *error = sn_prefix_parse(word, &p);

            if (!error) {
                return word;
            }
            free(error);
            free(word);
        }
        body += n ? n : 1;
    }
    return NULL;
}

static void
http_finish(struct exit_test *t, const char *why)
{
    t->reply[t->n_reply] = '\0';
    t->seen_as = find_address(t->reply);
    if (!t->seen_as) {
        t->seen_as = xasprintf("unknown: %s", why);
    }
    hang_up(&t->http_fd);
}

static void
run_http(struct exit_test *t)
{
    struct pollfd pfd = { .fd = t->http_fd,
                          .events = t->http_sent ? POLLIN : POLLOUT };

    if (t->http_fd < 0 || poll(&pfd, 1, 0) <= 0) {
        return;
    } else if (!t->http_sent) {
        size_t n = strlen(t->request);

        t->http_sent = true;
        if (send(t->http_fd, t->request, n, MSG_NOSIGNAL) != (ssize_t) n) {
            http_finish(t, ovs_strerror(errno));
        }
        return;
    }
    ssize_t n = recv(t->http_fd, t->reply + t->n_reply,
                     MAX_REPLY - t->n_reply, 0);
    if (n > 0) {
        t->n_reply += n;
    }
    if (n <= 0 || t->n_reply == MAX_REPLY) {
        http_finish(t, n < 0 ? ovs_strerror(errno)
                    : "the answer has no address");
    }
}

static void
run_dns(struct exit_test *t)
{
    uint8_t msg[1500];
    ssize_t n = t->dns_fd < 0 ? -1 : recv(t->dns_fd, msg, sizeof msg, 0);

    if (t->dns_fd < 0 || (n < 0 && errno == EAGAIN)) {
        return;
    } else if (n < 0) {
        t->names = xasprintf("failed: %s", ovs_strerror(errno));
    } else if (n < 12 || memcmp(msg, t->dns_id, 2) || !(msg[2] & 0x80)) {
        return;
    } else {
        t->names = xasprintf("answered in %lld ms",
                             time_msec() - t->started_ms);
    }
    hang_up(&t->dns_fd);
}

bool
exit_test_run(struct exit_test *t)
{
    if (exit_probe_run(t->probe, &t->answers)) {
        t->probed = true;
        t->probe_ms = time_msec() - t->started_ms;
    }
    run_http(t);
    run_dns(t);
    if (time_msec() >= t->deadline_ms) {
        if (t->http_fd >= 0) {
            http_finish(t, "no answer");
        }
        if (t->dns_fd >= 0) {
            t->names = xstrdup("no answer");
            hang_up(&t->dns_fd);
        }
    }
    return t->probed && t->http_fd < 0 && t->dns_fd < 0;
}

void
exit_test_wait(const struct exit_test *t)
{
    exit_probe_wait(t->probe);
    if (t->http_fd >= 0) {
        poll_fd_wait(t->http_fd, t->http_sent ? POLLIN : POLLOUT);
    }
    if (t->dns_fd >= 0) {
        poll_fd_wait(t->dns_fd, POLLIN);
    }
    poll_timer_wait_until(t->deadline_ms);
}

void
exit_test_format(const struct exit_test *t, struct ds *ds)
{
    if (t->answers) {
        ds_put_format(ds, "answer: after %lld ms\n", t->probe_ms);
    } else {
        ds_put_format(ds, "answer: %s\n", exit_probe_reason(t->probe));
    }
    ds_put_format(ds, "answers: %s\nseen_as: %s\nnames: %s\n",
                  t->answers ? "yes" : "no", t->seen_as, t->names);
}
