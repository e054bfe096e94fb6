#include <config.h>

#include "lib/evloop.h"

#include <event2/event.h>
#include <event2/util.h>
#include <sys/time.h>
#include "openvswitch/poll-loop.h"
#include "openvswitch/util.h"
#include "util.h"

/* libevent tells wall-clock times: one that jumps must not make us sleep
 * through a timer. */
#define MAX_TIMER_MS 1000

struct event_base *
evloop_create(void)
{
    struct event_base *base = event_base_new();

    if (!base) {
        ovs_abort(0, "libevent has no way to wait for events");
    }
    return base;
}

void
evloop_destroy(struct event_base *base)
{
    if (base) {
        event_base_free(base);
    }
}

void
evloop_run(struct event_base *base)
{
    event_base_loop(base, EVLOOP_NONBLOCK);
}

static int
wait_for_event(const struct event_base *base OVS_UNUSED,
               const struct event *event, void *now_)
{
    const struct timeval *now = now_;
    short int what = event_get_events(event);
    struct timeval at;

    if (event_get_fd(event) >= 0 && !(what & EV_SIGNAL)
        && event_pending(event, what & (EV_READ | EV_WRITE), NULL)) {
        poll_fd_wait(event_get_fd(event), (what & EV_READ ? POLLIN : 0)
                                          | (what & EV_WRITE ? POLLOUT : 0));
    }
    if (event_pending(event, EV_TIMEOUT, &at)) {
        long long int ms = ((at.tv_sec - now->tv_sec) * 1000LL
                            + (at.tv_usec - now->tv_usec + 999) / 1000);

        poll_timer_wait(MIN(MAX(ms, 0), MAX_TIMER_MS));
    }
    return 0;
}

void
evloop_wait(struct event_base *base)
{
    struct timeval now;

    if (event_base_get_num_events(base, EVENT_BASE_COUNT_ACTIVE) > 0) {
        poll_immediate_wake();
        return;
    }
    evutil_gettimeofday(&now, NULL);
    event_base_foreach_event(base, wait_for_event, &now);
}
