#ifndef SN_EXIT_WATCH_H
#define SN_EXIT_WATCH_H 1

/* The exits of this host: which can be used at the moment, and why not.
 *
 * What can be seen at once (the tunnel is down, the port is not there) counts
 * at once; that nobody answers any more is found out by probes, with
 * hysteresis. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct links;
struct plan;
struct plan_exit;
struct vswitch;

struct exit_view {
    bool known;                 /* False: no probe has come to an end yet. */
    bool up;                    /* May be used; true while not known. */
    const char *reason;         /* Why not; "" if up. */
    int64_t since;              /* Unix seconds; 0: not known. */
};

struct exit_watch;
struct exit_watch *exit_watch_create(void);
void exit_watch_destroy(struct exit_watch *);

/* What was reported of an exit before this process: 1 up, 0 down, -1 nothing.
 * An agent that starts begins with that, as a restart is no news. */
typedef int exit_watch_before(const char *name, int64_t *ret_since,
                              const void *aux);

/* The exits that there are now. */
void exit_watch_sync(struct exit_watch *, const struct vswitch *,
                     const struct links *, const struct plan *,
                     exit_watch_before *, const void *aux);
/* Once per iteration of the main loop: true if some exit went up or down. */
bool exit_watch_run(struct exit_watch *);
void exit_watch_wait(const struct exit_watch *);

/* 'name' as in the plan.  False if there is no such enabled exit. */
bool exit_watch_get(const struct exit_watch *, const char *name,
                    struct exit_view *ret_view);
bool exit_watch_is_usable(const struct exit_watch *,
                          const struct plan_exit *);

#endif /* agent/exit-watch.h */
