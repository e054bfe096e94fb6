#ifndef SN_EXIT_HEALTH_H
#define SN_EXIT_HEALTH_H 1

/* Whether an exit works, from the results of probes: so many failures in a
 * row make it down, so many successes up again.  No clock and no I/O; the
 * times are the caller's. */

#include <stdbool.h>
#include <stdint.h>

enum exit_state {
    EXIT_STATE_UNKNOWN,         /* Not probed yet: may be used. */
    EXIT_STATE_UP,
    EXIT_STATE_DOWN,
};

struct exit_health_config {
    uint32_t interval_ms;
    uint32_t down_after, up_after;
};

struct exit_health {
    enum exit_state state;
    uint32_t n_ok, n_failed;    /* In a row. */
    long long int next_ms;      /* When to probe next. */
};

/* A result that contradicts the state is soon followed by another probe. */
#define EXIT_HEALTH_RETRY_MS 500

/* Takes in a result; returns whether the state changed. */
bool exit_health_result(struct exit_health *,
                        const struct exit_health_config *, bool ok,
                        long long int now_ms);
/* The exit has no way out at all: the next probes begin anew. */
void exit_health_cut(struct exit_health *, long long int now_ms);

#endif /* agent/exit-health.h */
