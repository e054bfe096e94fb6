#ifndef SN_BACKEND_WATCH_H
#define SN_BACKEND_WATCH_H 1

/* The backends of services on this host: which serve, and why others do
 * not. */

#include <stdbool.h>

struct model;

struct backend_watch;
struct backend_watch *backend_watch_create(void);
void backend_watch_destroy(struct backend_watch *);

/* Takes in services and containers; 'node' is this host. */
void backend_watch_set_model(struct backend_watch *, const struct model *,
                             const char *node);
/* Once per iteration of the main loop: true if some backend went up or down,
 * or was heard of for the first time. */
bool backend_watch_run(struct backend_watch *);
void backend_watch_wait(const struct backend_watch *);

struct backend_view {
    bool known;                 /* False: no probe has come to an end yet. */
    bool up;
    const char *reason;         /* Why not. */
};

/* What is known of a container as a backend of 'service', at all its ports.
 * False if it is not probed here. */
bool backend_watch_get(const struct backend_watch *, const char *service,
                       const char *container, struct backend_view *ret_view);

#endif /* agent/backend-watch.h */
