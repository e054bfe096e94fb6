#include <config.h>
#include "agent/exit-watch.h"

#include <stdlib.h>
#include <string.h>

#include "agent/exit-health.h"
#include "agent/exit-probe.h"
#include "agent/link.h"
#include "agent/plan.h"
#include "agent/vswitch.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/shash.h"
#include "openvswitch/vlog.h"
#include "svec.h"
#include "timeval.h"
#include "util.h"
#include "vswitch-idl.h"

VLOG_DEFINE_THIS_MODULE(exit_watch);

/* A probe has as long as it takes until the next. */
#define MAX_TIMEOUT_MS 2000

struct watched {
    char *device;
    struct plan_probe config;
    struct exit_health health;
    struct exit_probe *probe;
    char *reason;               /* What can be seen; "" nothing amiss. */
    bool cut;                   /* 'reason' is about the tunnel. */
    bool wanted;
    bool was_known, was_up;
    int64_t since;
};

struct exit_watch {
    struct shash exits;         /* struct watched. */
    bool changed;
};

struct exit_watch *
exit_watch_create(void)
{
    struct exit_watch *w = xzalloc(sizeof *w);

    shash_init(&w->exits);
    return w;
}

static void
watched_free(struct watched *x)
{
    exit_probe_destroy(x->probe);
    plan_probe_destroy(&x->config);
    free(x->device);
    free(x->reason);
    free(x);
}

void
exit_watch_destroy(struct exit_watch *w)
{
    struct shash_node *node;

    if (w) {
        SHASH_FOR_EACH (node, &w->exits) {
            watched_free(node->data);
        }
        shash_destroy(&w->exits);
        free(w);
    }
}

static void
watched_view(const struct watched *x, struct exit_view *view)
{
    bool probed = x->config.enabled;
    bool failed = probed && x->health.state == EXIT_STATE_DOWN;

    view->known = (x->reason[0] || !probed
                   || x->health.state != EXIT_STATE_UNKNOWN);
    view->up = !x->reason[0] && !failed;
    view->reason = (x->reason[0] ? x->reason
                    : !failed ? ""
                    : exit_probe_reason(x->probe)[0]
                    ? exit_probe_reason(x->probe) : "not probed yet");
    view->since = x->since;
}

/* Notes a change; returns whether there was one. */
static bool
watched_check(struct watched *x, const char *name)
{
    struct exit_view view;

    watched_view(x, &view);
    if (!view.known || (x->was_known && x->was_up == view.up)) {
        return false;
    }
    if (x->was_known || !view.up) {
        VLOG_INFO("exit %s is %s%s%s", name, view.up ? "up" : "down",
                  view.up ? "" : ": ", view.reason);
    }
    x->was_known = true;
    x->was_up = view.up;
    x->since = time_wall();
    return true;
}

static char *
tunnel_reason(const struct links *links, const struct plan_exit *x)
{
    const struct link *tunnel = links_find(links, x->tunnel);

    if (!tunnel && (x->remote || x->profile)) {
        return xasprintf("%s is not made yet: see this node's problems",
                         x->tunnel);
    }
    return (!tunnel ? xasprintf("there is no interface %s; start the tunnel",
                                x->tunnel)
            : !tunnel->up ? xasprintf("%s is down", x->tunnel)
            : NULL);
}

/* Says nothing while the switch's database is away. */
static char *
port_reason(const struct vswitch *sw, const struct links *links,
            const struct plan_exit *x)
{
    const struct ovsrec_interface *iface
        = vswitch_is_ready(sw) ? vswitch_find_interface(sw, x->port) : NULL;

    if (!vswitch_is_ready(sw)) {
        return NULL;
    } else if (iface && iface->error) {
        return xasprintf("port %s: %s", x->port, iface->error);
    } else if (!iface || !iface->n_ofport || iface->ofport[0] <= 0) {
        return xasprintf("port %s is not in the switch yet", x->port);
    } else if (!links_find(links, x->port)) {
        return xasprintf("there is no interface %s", x->port);
    }
    return NULL;
}

static struct watched *
watched_create(const struct plan_exit *px, exit_watch_before *before,
               const void *aux)
{
    struct watched *x = xzalloc(sizeof *x);
    int64_t since = 0;
    int was = before ? before(px->name, &since, aux) : -1;

    x->probe = exit_probe_create();
    plan_probe_clone(&x->config, &px->probe);
    x->device = xstrdup(px->tunnel);
    if (was >= 0) {
        x->health.state = was ? EXIT_STATE_UP : EXIT_STATE_DOWN;
        x->was_known = true;
        x->was_up = was;
        x->since = since;
    }
    return x;
}

static void
watched_configure(struct watched *x, const struct plan_exit *px)
{
    if (!plan_probe_equals(&x->config, &px->probe)
        || strcmp(x->device, px->tunnel)) {
        plan_probe_destroy(&x->config);
        plan_probe_clone(&x->config, &px->probe);
        free(x->device);
        x->device = xstrdup(px->tunnel);
        x->health.n_ok = x->health.n_failed = 0;
        x->health.next_ms = 0;
        exit_probe_cancel(x->probe);
    }
}

static void
watched_look(struct watched *x, const struct vswitch *sw,
             const struct links *links, const struct plan_exit *px)
{
    free(x->reason);
    x->reason = tunnel_reason(links, px);
    x->cut = x->reason != NULL;
    if (x->cut) {
        exit_health_cut(&x->health, time_msec());
        exit_probe_cancel(x->probe);
    } else {
        x->reason = port_reason(sw, links, px);
    }
    x->reason = x->reason ? x->reason : xstrdup("");
}

void
exit_watch_sync(struct exit_watch *w, const struct vswitch *sw,
                const struct links *links, const struct plan *plan,
                exit_watch_before *before, const void *aux)
{
    struct shash_node *node;

    SHASH_FOR_EACH (node, &w->exits) {
        struct watched *x = node->data;
        x->wanted = false;
    }
    for (size_t i = 0; i < plan->n_exits; i++) {
        const struct plan_exit *px = &plan->exits[i];

        if (px->enabled) {
            struct watched *x = shash_find_data(&w->exits, px->name);

            if (!x) {
                x = watched_create(px, before, aux);
                shash_add(&w->exits, px->name, x);
            }
            watched_configure(x, px);
            watched_look(x, sw, links, px);
            x->wanted = true;
            w->changed |= watched_check(x, px->name);
        }
    }
    SHASH_FOR_EACH_SAFE (node, &w->exits) {
        struct watched *x = node->data;

        if (!x->wanted) {
            watched_free(x);
            shash_delete(&w->exits, node);
        }
    }
}

static bool
watched_run(struct watched *x, const char *name)
{
    bool ok;

    if (!x->config.enabled || x->cut) {
        return false;
    }
    if (exit_probe_run(x->probe, &ok)) {
        exit_health_result(&x->health, &x->config.health, ok, time_msec());
    } else if (!exit_probe_is_running(x->probe)
               && time_msec() >= x->health.next_ms) {
        exit_probe_start(x->probe, x->device, &x->config.targets,
                         MIN(x->config.health.interval_ms, MAX_TIMEOUT_MS));
    }
    return watched_check(x, name);
}

bool
exit_watch_run(struct exit_watch *w)
{
    bool changed = w->changed;
    struct shash_node *node;

    SHASH_FOR_EACH (node, &w->exits) {
        changed |= watched_run(node->data, node->name);
    }
    w->changed = false;
    return changed;
}

void
exit_watch_wait(const struct exit_watch *w)
{
    struct shash_node *node;

    if (w->changed) {
        poll_immediate_wake();
    }
    SHASH_FOR_EACH (node, &w->exits) {
        const struct watched *x = node->data;

        if (!x->config.enabled || x->cut) {
            continue;
        } else if (exit_probe_is_running(x->probe)) {
            exit_probe_wait(x->probe);
        } else {
            poll_timer_wait_until(x->health.next_ms);
        }
    }
}

bool
exit_watch_get(const struct exit_watch *w, const char *name,
               struct exit_view *ret_view)
{
    const struct watched *x = shash_find_data(&w->exits, name);

    if (!x || !x->reason) {
        return false;
    }
    watched_view(x, ret_view);
    return true;
}

bool
exit_watch_is_usable(const struct exit_watch *w, const struct plan_exit *px)
{
    struct exit_view view;

    return exit_watch_get(w, px->name, &view) && view.up;
}
