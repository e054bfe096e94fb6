#ifndef SN_EVLOOP_H
#define SN_EVLOOP_H 1

/* libevent within OVS's poll loop, on one thread.
 *
 * evloop_run() calls back for what is ready and never sleeps; evloop_wait()
 * tells the poll loop which descriptors and timers libevent waits for, so that
 * poll_block() remains the only sleep.  Callbacks must not enter the OVS loop
 * themselves (poll_block()). */

struct event_base;

struct event_base *evloop_create(void);
void evloop_destroy(struct event_base *);

void evloop_run(struct event_base *);
void evloop_wait(struct event_base *);

#endif /* lib/evloop.h */
