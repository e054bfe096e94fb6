#include <config.h>
#include "agent/node-watch.h"

#include <stdlib.h>
#include <string.h>

#include "agent/exit-health.h"
#include "agent/exit-probe.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/shash.h"
#include "openvswitch/vlog.h"
#include "sset.h"
#include "state/model.h"
#include "state/service.h"
#include "svec.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(node_watch);

/* Down within four seconds: a probe is given up after one.  Of many nodes each
 * is asked less often. */
#define INTERVAL_MS 1000
#define NODES_PER_S 50
#define DOWN_AFTER 3
#define UP_AFTER 2

/* "discard" (RFC 863): that nobody listens there is an answer as well. */
#define PROBE_PORT 9

struct watched {
    struct svec target;         /* "ADDRESS:PORT" in the mesh. */
    struct exit_probe *probe;
    struct exit_health health;
    bool answered;              /* Ever. */
    bool wanted;
};

struct node_watch {
    char *device;
    struct shash nodes;         /* struct watched. */
    struct sset unreachable;
    bool changed;
};

struct node_watch *
node_watch_create(void)
{
    struct node_watch *w = xzalloc(sizeof *w);

    shash_init(&w->nodes);
    sset_init(&w->unreachable);
    return w;
}

static void
watched_free(struct watched *x)
{
    exit_probe_destroy(x->probe);
    svec_destroy(&x->target);
    free(x);
}

void
node_watch_destroy(struct node_watch *w)
{
    struct shash_node *node;

    if (w) {
        SHASH_FOR_EACH (node, &w->nodes) {
            watched_free(node->data);
        }
        shash_destroy(&w->nodes);
        sset_destroy(&w->unreachable);
        free(w->device);
        free(w);
    }
}

static void
add_nodes(const struct model *model, const struct model_service *service,
          struct sset *nodes)
{
    struct service_backend *backends;
    size_t n = service_get_backends(model, service, &backends);

    for (size_t i = 0; i < n; i++) {
        sset_add(nodes, backends[i].container->node);
    }
    free(backends);
}

static void
watch_node(struct node_watch *w, const struct model_node *node,
           node_watch_before *before, const void *aux)
{
    struct watched *x = shash_find_data(&w->nodes, node->name);
    struct sn_prefix host = sn_prefix_host(&node->address);
    char *address = sn_prefix_addr_to_string(&host);

    if (!x) {
        x = xzalloc(sizeof *x);
        x->probe = exit_probe_create();
        svec_init(&x->target);
        shash_add(&w->nodes, node->name, x);
        if (before(node->name, aux)) {
            x->health.state = EXIT_STATE_DOWN;
            x->answered = true;
            sset_add(&w->unreachable, node->name);
        }
    }
    svec_clear(&x->target);
    svec_add_nocopy(&x->target, xasprintf(host.is_v4 ? "%s:%d" : "[%s]:%d",
                                          address, PROBE_PORT));
    free(address);
    x->wanted = true;
}

static void
forget_unwanted(struct node_watch *w)
{
    struct shash_node *node;

    SHASH_FOR_EACH_SAFE (node, &w->nodes) {
        struct watched *x = node->data;

        if (!x->wanted) {
            w->changed |= sset_find_and_delete(&w->unreachable, node->name);
            watched_free(x);
            shash_delete(&w->nodes, node);
        }
    }
}

void
node_watch_set_model(struct node_watch *w, const struct model *model,
                     const char *self, const char *device,
                     node_watch_before *before, const void *aux)
{
    struct sset names = SSET_INITIALIZER(&names);
    struct shash_node *n;
    const char *name;

    free(w->device);
    w->device = xstrdup(device);
    SHASH_FOR_EACH (n, &w->nodes) {
        struct watched *x = n->data;
        x->wanted = false;
    }
    SHASH_FOR_EACH (n, &model->services) {
        add_nodes(model, n->data, &names);
    }
    SSET_FOR_EACH (name, &names) {
        const struct model_node *node = model_get_node(model, name);

        if (node && strcmp(name, self) && !node->revoked
            && node->address.plen) {
            watch_node(w, node, before, aux);
        }
    }
    sset_destroy(&names);
    forget_unwanted(w);
}

static void
take_result(struct node_watch *w, struct watched *x, const char *name,
            bool ok)
{
    const struct exit_health_config config = {
        .interval_ms = INTERVAL_MS * (1 + shash_count(&w->nodes)
                                      / NODES_PER_S),
        .down_after = DOWN_AFTER, .up_after = UP_AFTER,
    };

    x->answered |= ok;
    if (exit_health_result(&x->health, &config, ok, time_msec())
        && x->answered) {
        bool down = x->health.state == EXIT_STATE_DOWN;

        w->changed = true;
        if (down) {
            sset_add(&w->unreachable, name);
            VLOG_INFO("%s does not answer any more: its backends of services "
                      "are the last choice", name);
        } else if (sset_find_and_delete(&w->unreachable, name)) {
            VLOG_INFO("%s answers again", name);
        }
    }
}

bool
node_watch_run(struct node_watch *w)
{
    struct shash_node *node;
    bool changed;

    SHASH_FOR_EACH (node, &w->nodes) {
        struct watched *x = node->data;
        bool ok;

        if (exit_probe_run(x->probe, &ok)) {
            take_result(w, x, node->name, ok);
        } else if (!exit_probe_is_running(x->probe)
                   && time_msec() >= x->health.next_ms) {
            exit_probe_start(x->probe, w->device, &x->target, INTERVAL_MS);
        }
    }
    changed = w->changed;
    w->changed = false;
    return changed;
}

void
node_watch_wait(const struct node_watch *w)
{
    struct shash_node *node;

    SHASH_FOR_EACH (node, &w->nodes) {
        const struct watched *x = node->data;

        if (exit_probe_is_running(x->probe)) {
            exit_probe_wait(x->probe);
        } else {
            poll_timer_wait_until(x->health.next_ms);
        }
    }
}

const struct sset *
node_watch_get_unreachable(const struct node_watch *w)
{
    return &w->unreachable;
}
