#include <config.h>
#include "agent/exit-probe.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/dns-sock.h"
#include "lib/prefix.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/poll-loop.h"
#include "state/model.h"
#include "svec.h"
#include "timeval.h"
#include "util.h"

#define MAX_TARGETS 8

struct attempt {
    int fd;                     /* -1: over. */
    size_t target;              /* Index. */
};

struct exit_probe {
    char *device;
    struct svec targets;
    struct attempt attempts[MAX_TARGETS];
    size_t n_attempts;
    size_t favourite;           /* Target that answered last. */
    bool all;                   /* The favourite did not answer. */
    bool running;
    int last_errno;
    long long int deadline_ms;
    char *reason;
};

struct exit_probe *
exit_probe_create(void)
{
    struct exit_probe *p = xzalloc(sizeof *p);

    svec_init(&p->targets);
    p->all = true;
    return p;
}

void
exit_probe_cancel(struct exit_probe *p)
{
    for (size_t i = 0; i < p->n_attempts; i++) {
        if (p->attempts[i].fd >= 0) {
            close(p->attempts[i].fd);
        }
    }
    p->n_attempts = 0;
    p->running = false;
}

void
exit_probe_destroy(struct exit_probe *p)
{
    if (p) {
        exit_probe_cancel(p);
        svec_destroy(&p->targets);
        free(p->device);
        free(p->reason);
        free(p);
    }
}

int
exit_probe_open(const char *device, const char *target)
{
    struct sn_prefix address;
    struct sockaddr_storage ss;
    uint16_t port;
    char *error = model_probe_target_parse(target, &address, &port);

    if (error) {
        free(error);
        return -EINVAL;
    }
    socklen_t len = dns_sockaddr_from_prefix(&address, &ss);
    if (address.is_v4) {
        ((struct sockaddr_in *) &ss)->sin_port = htons(port);
    } else {
        ((struct sockaddr_in6 *) &ss)->sin6_port = htons(port);
    }

    int fd = socket(ss.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
                    0);
    if (fd < 0) {
        return -errno;
    } else if (setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, device,
                          strlen(device) + 1)
               || (connect(fd, (struct sockaddr *) &ss, len)
                   && errno != EINPROGRESS)) {
        int retval = -errno;

        close(fd);
        return retval;
    }
    return fd;
}

void
exit_probe_start(struct exit_probe *p, const char *device,
                 const struct svec *targets, int timeout_ms)
{
    exit_probe_cancel(p);
    if (!svec_equal(&p->targets, targets)) {
        svec_destroy(&p->targets);
        svec_clone(&p->targets, targets);
        p->favourite = 0;
        p->all = true;
    }
    free(p->device);
    p->device = xstrdup(device);
    p->running = true;
    p->last_errno = 0;
    p->deadline_ms = time_msec() + timeout_ms;
    for (size_t i = 0; i < targets->n && p->n_attempts < MAX_TARGETS; i++) {
        if (p->all || i == p->favourite) {
            int fd = exit_probe_open(device, targets->names[i]);

            if (fd >= 0) {
                p->attempts[p->n_attempts++] = (struct attempt) { fd, i };
            } else {
                p->last_errno = -fd;
            }
        }
    }
}

bool
exit_probe_is_running(const struct exit_probe *p)
{
    return p->running;
}

static void
probe_set_reason(struct exit_probe *p)
{
    struct ds s = DS_EMPTY_INITIALIZER;

    if (p->last_errno) {
        ds_put_format(&s, "nothing gets through %s: %s", p->device,
                      ovs_strerror(p->last_errno));
    } else {
        ds_put_format(&s, "no answer through %s from", p->device);
        for (size_t i = 0; i < p->targets.n; i++) {
            ds_put_format(&s, "%s %s", i ? "," : "", p->targets.names[i]);
        }
    }
    free(p->reason);
    p->reason = ds_steal_cstr(&s);
}

/* Returns whether the far end answered. */
static bool
attempt_run(struct exit_probe *p, struct attempt *a)
{
    struct pollfd pfd = { .fd = a->fd, .events = POLLOUT };
    socklen_t len = sizeof p->last_errno;
    int error = 0;

    if (a->fd < 0 || poll(&pfd, 1, 0) <= 0) {
        return false;
    }
    getsockopt(a->fd, SOL_SOCKET, SO_ERROR, &error, &len);
    close(a->fd);
    a->fd = -1;
    if (!error || error == ECONNREFUSED || error == ECONNRESET) {
        p->favourite = a->target;
        return true;
    }
    p->last_errno = error;
    return false;
}

bool
exit_probe_run(struct exit_probe *p, bool *ret_ok)
{
    bool pending = false, ok = false;

    if (!p->running) {
        return false;
    }
    for (size_t i = 0; i < p->n_attempts && !ok; i++) {
        ok = attempt_run(p, &p->attempts[i]);
        pending |= p->attempts[i].fd >= 0;
    }
    if (!ok && pending && time_msec() < p->deadline_ms) {
        return false;
    }
    if (!ok) {
        probe_set_reason(p);
    }
    p->all = !ok;
    exit_probe_cancel(p);
    *ret_ok = ok;
    return true;
}

void
exit_probe_wait(const struct exit_probe *p)
{
    if (p->running) {
        bool pending = false;

        for (size_t i = 0; i < p->n_attempts; i++) {
            if (p->attempts[i].fd >= 0) {
                poll_fd_wait(p->attempts[i].fd, POLLOUT);
                pending = true;
            }
        }
        if (pending) {
            poll_timer_wait_until(p->deadline_ms);
        } else {
            poll_immediate_wake();
        }
    }
}

const char *
exit_probe_reason(const struct exit_probe *p)
{
    return p->reason ? p->reason : "";
}
