#include <config.h>

#include "lib/sn-notify.h"

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "openvswitch/dynamic-string.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(notify);

#define INTERVAL_MS 1000

static int sock = -1;
static struct sockaddr_un address;
static socklen_t address_len;
static bool ready;
static long long int limit_ms;      /* Ready from then on. */
static long long int next_ms;       /* Nothing to say before. */
static int watchdog_ms;             /* Between signs of life; 0: none. */
static long long int watchdog_next_ms;
static char *last_status;

/* A name in the file system, or, with "@", an abstract one. */
static bool
parse_address(const char *path)
{
    size_t len = strlen(path);

    if ((path[0] != '/' && path[0] != '@') || len < 2
        || len >= sizeof address.sun_path) {
        return false;
    }
    address.sun_family = AF_UNIX;
    memcpy(address.sun_path, path, len);
    if (path[0] == '@') {
        address.sun_path[0] = '\0';
    }
    address_len = offsetof(struct sockaddr_un, sun_path) + len;
    return true;
}

/* Half of what the manager allows, if it means this process. */
static int
parse_watchdog(void)
{
    const char *usec = getenv("WATCHDOG_USEC");
    const char *pid = getenv("WATCHDOG_PID");
    long long int limit_us = usec ? strtoll(usec, NULL, 10) : 0;

    if (limit_us <= 0 || limit_us / 2000 > INT32_MAX
        || (pid && strtoll(pid, NULL, 10) != getpid())) {
        return 0;
    }
    return MAX(limit_us / 2000, 1);
}

void
sn_notify_init(void)
{
    const char *path = getenv("NOTIFY_SOCKET");

    if (path && path[0]) {
        if (parse_address(path)) {
            sock = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        }
        if (sock < 0) {
            VLOG_WARN("NOTIFY_SOCKET=%s: cannot be used", path);
        }
        watchdog_ms = sock >= 0 ? parse_watchdog() : 0;
        limit_ms = time_msec() + SN_NOTIFY_LIMIT_MS;
    }
    unsetenv("NOTIFY_SOCKET");
    unsetenv("WATCHDOG_USEC");
    unsetenv("WATCHDOG_PID");
}

static void
notify(const char *message)
{
    static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(1, 5);

    /* Never waits: a manager that hangs must not hang this daemon. */
    if (sendto(sock, message, strlen(message), MSG_NOSIGNAL | MSG_DONTWAIT,
               (struct sockaddr *) &address, address_len) < 0) {
        VLOG_WARN_RL(&rl, "telling the service manager failed (%s)",
                     ovs_strerror(errno));
    }
}

bool
sn_notify_is_due(void)
{
    return sock >= 0 && (!ready || time_msec() >= next_ms);
}

void
sn_notify_send(bool enforcing, const char *status)
{
    struct ds message = DS_EMPTY_INITIALIZER;
    long long int now = time_msec();

    if (sock < 0) {
        return;
    }
    if (!ready && (enforcing || now >= limit_ms)) {
        ready = true;
        ds_put_cstr(&message, "READY=1\n");
    }
    if (!last_status || strcmp(last_status, status)) {
        free(last_status);
        last_status = xstrdup(status);
        ds_put_format(&message, "STATUS=%.*s\n",
                      (int) strcspn(status, "\n"), status);
    }
    if (watchdog_ms && now >= watchdog_next_ms) {
        watchdog_next_ms = now + watchdog_ms;
        ds_put_cstr(&message, "WATCHDOG=1\n");
    }
    if (message.length) {
        notify(ds_cstr(&message));
    }
    ds_destroy(&message);
    next_ms = now + INTERVAL_MS;
}

void
sn_notify_wait(void)
{
    if (sock >= 0 && !ready) {
        poll_timer_wait_until(limit_ms);
    }
    if (sock >= 0 && watchdog_ms) {
        poll_timer_wait_until(watchdog_next_ms);
    }
}

void
sn_notify_stopping(void)
{
    if (sock >= 0) {
        notify("STOPPING=1\n");
        close(sock);
        sock = -1;
    }
}
