#include <config.h>
#include "agent/exit-health.h"

#include "util.h"

bool
exit_health_result(struct exit_health *h,
                   const struct exit_health_config *config, bool ok,
                   long long int now_ms)
{
    enum exit_state was = h->state;

    h->n_ok = ok ? h->n_ok + 1 : 0;
    h->n_failed = ok ? 0 : h->n_failed + 1;
    /* The first word on an exit of which nothing is known counts at once. */
    if (ok && h->n_ok >= (was == EXIT_STATE_UNKNOWN ? 1 : config->up_after)) {
        h->state = EXIT_STATE_UP;
    } else if (!ok && h->n_failed >= config->down_after) {
        h->state = EXIT_STATE_DOWN;
    }

    bool settled = h->state == (ok ? EXIT_STATE_UP : EXIT_STATE_DOWN);
    h->next_ms = now_ms + (settled ? config->interval_ms
                           : MIN(config->interval_ms, EXIT_HEALTH_RETRY_MS));
    return h->state != was;
}

void
exit_health_cut(struct exit_health *h, long long int now_ms)
{
    h->state = EXIT_STATE_DOWN;
    h->n_ok = h->n_failed = 0;
    h->next_ms = now_ms;
}
