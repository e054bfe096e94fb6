#include <config.h>
#include "agent/backend-watch.h"

#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#include "agent/backend-probe.h"
#include "agent/exit-health.h"
#include "lib/evloop.h"
#include "lib/prefix.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/shash.h"
#include "openvswitch/vlog.h"
#include "state/model.h"
#include "state/service.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(backend_watch);

struct backend {
    char *service, *container;
    struct sn_prefix address;
    uint16_t port;
    char *path;                 /* NULL: TCP. */
    unsigned int timeout_s;
    struct exit_health_config config;
    struct exit_health health;
    struct backend_probe *probe;
    bool wanted;
};

struct backend_watch {
    struct event_base *base;
    struct shash backends;      /* "SERVICE/CONTAINER/PORT" -> backend. */
};

struct backend_watch *
backend_watch_create(void)
{
    struct backend_watch *w = xzalloc(sizeof *w);

    w->base = evloop_create();
    shash_init(&w->backends);
    return w;
}

static void
backend_free(struct backend *b)
{
    backend_probe_destroy(b->probe);
    free(b->service);
    free(b->container);
    free(b->path);
    free(b);
}

void
backend_watch_destroy(struct backend_watch *w)
{
    struct shash_node *node;

    if (w) {
        SHASH_FOR_EACH (node, &w->backends) {
            backend_free(node->data);
        }
        shash_destroy(&w->backends);
        evloop_destroy(w->base);
        free(w);
    }
}

/* What is probed is another thing: what was found out does not count. */
static void
backend_aim(struct backend *b, const struct sn_prefix *address, uint16_t port,
            const char *path)
{
    if (!sn_prefix_equals(&b->address, address) || b->port != port
        || !nullable_string_is_equal(b->path, path)) {
        b->address = *address;
        b->port = port;
        free(b->path);
        b->path = nullable_xstrdup(path);
        b->health = (struct exit_health) { .state = EXIT_STATE_UNKNOWN };
        backend_probe_cancel(b->probe);
    }
}

static void
watch_backend(struct backend_watch *w, const struct model_service *service,
              const struct service_backend *sb)
{
    const struct model_health *health = &service->health;
    struct sn_prefix address;

    if (!service_backend_address(sb->container, true, &address)
        && !service_backend_address(sb->container, false, &address)) {
        return;
    }
    char *key = xasprintf("%s/%s/%d", service->name, sb->container->name,
                          sb->port);
    struct backend *b = shash_find_data(&w->backends, key);
    if (!b) {
        b = xzalloc(sizeof *b);
        b->service = xstrdup(service->name);
        b->container = xstrdup(sb->container->name);
        b->probe = backend_probe_create(w->base);
        shash_add(&w->backends, key, b);
    }
    free(key);
    backend_aim(b, &address, health->port ? health->port : sb->port,
                health->type == HEALTH_HTTP ? health->path : NULL);
    b->timeout_s = health->timeout;
    b->config = (struct exit_health_config) {
        .interval_ms = health->interval * 1000,
        .down_after = health->fall,
        .up_after = health->rise,
    };
    b->wanted = true;
}

static void
watch_service(struct backend_watch *w, const struct model *model,
              const struct model_service *service, const char *node)
{
    struct service_backend *backends;
    size_t n = service_get_backends(model, service, &backends);

    for (size_t i = 0; i < n; i++) {
        if (!strcmp(backends[i].container->node, node)) {
            watch_backend(w, service, &backends[i]);
        }
    }
    free(backends);
}

void
backend_watch_set_model(struct backend_watch *w, const struct model *model,
                        const char *node)
{
    struct shash_node *n;

    SHASH_FOR_EACH (n, &w->backends) {
        struct backend *b = n->data;
        b->wanted = false;
    }
    SHASH_FOR_EACH (n, &model->services) {
        const struct model_service *service = n->data;
        if (service->health.type != HEALTH_NONE) {
            watch_service(w, model, service, node);
        }
    }
    SHASH_FOR_EACH_SAFE (n, &w->backends) {
        struct backend *b = n->data;
        if (!b->wanted) {
            backend_free(b);
            shash_delete(&w->backends, n);
        }
    }
}

static bool
backend_take_result(struct backend *b, bool ok)
{
    enum exit_state was = b->health.state;

    if (!exit_health_result(&b->health, &b->config, ok, time_msec())) {
        return false;
    }
    if (was != EXIT_STATE_UNKNOWN || !ok) {
        VLOG_INFO("backend %s of service %s is %s%s%s", b->container,
                  b->service, ok ? "up" : "down", ok ? "" : ": ",
                  ok ? "" : backend_probe_reason(b->probe));
    }
    return true;
}

bool
backend_watch_run(struct backend_watch *w)
{
    struct shash_node *node;
    bool changed = false;

    if (shash_is_empty(&w->backends)) {
        return false;
    }
    evloop_run(w->base);
    SHASH_FOR_EACH (node, &w->backends) {
        struct backend *b = node->data;
        bool ok;

        if (backend_probe_run(b->probe, &ok)) {
            changed |= backend_take_result(b, ok);
        } else if (!backend_probe_is_running(b->probe)
                   && time_msec() >= b->health.next_ms) {
            backend_probe_start(b->probe, &b->address, b->port, b->container,
                                b->path, b->timeout_s);
        }
    }
    return changed;
}

void
backend_watch_wait(const struct backend_watch *w)
{
    struct shash_node *node;

    if (shash_is_empty(&w->backends)) {
        return;
    }
    evloop_wait(w->base);
    SHASH_FOR_EACH (node, &w->backends) {
        const struct backend *b = node->data;
        if (!backend_probe_is_running(b->probe)) {
            poll_timer_wait_until(b->health.next_ms);
        }
    }
}

bool
backend_watch_get(const struct backend_watch *w, const char *service,
                  const char *container, struct backend_view *ret_view)
{
    struct backend_view view = { .known = false, .up = true, .reason = "" };
    struct shash_node *node;
    bool found = false;

    SHASH_FOR_EACH (node, &w->backends) {
        const struct backend *b = node->data;

        if (strcmp(b->service, service) || strcmp(b->container, container)) {
            continue;
        }
        found = true;
        if (b->health.state == EXIT_STATE_DOWN) {
            view.known = true;
            view.up = false;
            view.reason = backend_probe_reason(b->probe);
        } else if (b->health.state == EXIT_STATE_UP) {
            view.known = true;
        }
    }
    *ret_view = view;
    return found;
}
