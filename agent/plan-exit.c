#include <config.h>
#include "agent/plan-exit.h"

#include <net/if.h>
#include <stdlib.h>
#include <string.h>

#include "agent/plan.h"
#include "hash.h"
#include "packets.h"
#include "sset.h"
#include "state/model.h"
#include "util.h"

/* The exits of a plan. */

/* Public resolvers that answer on TCP everywhere; 1.1.1.1 belongs to whom WARP
 * belongs to. */
static const char *const default_targets[] = {
    "1.1.1.1:443", "9.9.9.9:443", "[2606:4700:4700::1111]:443",
};
#define DEFAULT_INTERVAL_S 3
#define DEFAULT_DOWN_AFTER 3
#define DEFAULT_UP_AFTER 2
#define DEFAULT_SEEN_BY "http://1.1.1.1/cdn-cgi/trace"

void
plan_probe_init(struct plan_probe *p)
{
    p->enabled = true;
    svec_init(&p->targets);
    for (size_t i = 0; i < ARRAY_SIZE(default_targets); i++) {
        svec_add(&p->targets, default_targets[i]);
    }
    p->health = (struct exit_health_config) {
        .interval_ms = DEFAULT_INTERVAL_S * 1000,
        .down_after = DEFAULT_DOWN_AFTER,
        .up_after = DEFAULT_UP_AFTER,
    };
    p->seen_by = xstrdup(DEFAULT_SEEN_BY);
}

void
plan_probe_destroy(struct plan_probe *p)
{
    svec_destroy(&p->targets);
    free(p->seen_by);
}

void
plan_probe_clone(struct plan_probe *p, const struct plan_probe *from)
{
    *p = *from;
    svec_clone(&p->targets, &from->targets);
    p->seen_by = xstrdup(from->seen_by);
}

bool
plan_probe_equals(const struct plan_probe *a, const struct plan_probe *b)
{
    return (a->enabled == b->enabled
            && svec_equal(&a->targets, &b->targets)
            && a->health.interval_ms == b->health.interval_ms
            && a->health.down_after == b->health.down_after
            && a->health.up_after == b->health.up_after
            && !strcmp(a->seen_by, b->seen_by));
}

static void
plan_probe_set(struct plan_probe *p, const struct model_probe *model)
{
    plan_probe_init(p);
    p->enabled = !model->disabled;
    if (model->targets.n) {
        svec_destroy(&p->targets);
        svec_clone(&p->targets, &model->targets);
    }
    if (model->interval_s) {
        p->health.interval_ms = model->interval_s * 1000;
    }
    if (model->down_after) {
        p->health.down_after = model->down_after;
    }
    if (model->up_after) {
        p->health.up_after = model->up_after;
    }
    if (model->seen_by) {
        free(p->seen_by);
        p->seen_by = xstrdup(model->seen_by);
    }
}

/* The number is free of those of the exits before this one. */
static uint32_t
exit_number(const struct plan *plan, const char *interface)
{
    uint32_t number = hash_string(interface, 0) % PLAN_EXIT_TABLES;

    for (size_t i = 0; i < plan->n_exits; i++) {
        if (plan->exits[i].table == PLAN_EXIT_TABLE_BASE + number) {
            number = (number + 1) % PLAN_EXIT_TABLES;
            i = SIZE_MAX;       /* Start over. */
        }
    }
    return number;
}

static void
plan_add_exit(struct plan *plan, const struct model_exit *exit,
              struct sset *problems)
{
    bool own = !strcmp(exit->node, plan->node);
    char *device = model_exit_device(exit, plan->node);
    char *port = model_exit_port(exit, plan->node);
    uint32_t number = exit_number(plan, device);
    uint32_t hash = hash_string(plan->node, hash_string(device, 0));

    if (strlen(port) >= IFNAMSIZ || plan->n_exits >= PLAN_EXIT_TABLES) {
        sset_add_and_free(problems, xasprintf(
            "exit %s: %s is too long a name for the exit's port; give the "
            "interface a name of at most %d characters", exit->name, port,
            IFNAMSIZ - 3));
        free(device);
        free(port);
        return;
    }
    struct plan_exit *x = &plan->exits[plan->n_exits++];
    x->key = xasprintf("%s/%s", exit->node, exit->name);
    x->name = xstrdup(own ? exit->name : x->key);
    x->tunnel = device;
    x->port = port;
    x->enabled = exit->enabled;
    x->table = PLAN_EXIT_TABLE_BASE + number;
    x->address = (struct sn_prefix) { .is_v4 = true, .plen = 32 };
    memcpy(x->address.addr.s6_addr,
           (uint8_t[16]) { [10] = 0xff, [11] = 0xff,
                           169, 254, 83, number + 1 }, 16);
    x->mac = (struct eth_addr) { .ea = { 0x02, 0x53, 0x4e, hash >> 16,
                                         hash >> 8, hash } };
    plan_probe_set(&x->probe, &exit->probe);
}

void
plan_add_exits(struct plan *plan, const struct model *model,
               struct sset *problems)
{
    const struct shash_node **exits = shash_sort(&model->exits);
    size_t n = shash_count(&model->exits);

    plan->exits = xcalloc(n + 1, sizeof *plan->exits);
    for (size_t i = 0; i < n; i++) {
        const struct model_exit *exit = exits[i]->data;

        if (!strcmp(exit->node, plan->node)) {
            plan_add_exit(plan, exit, problems);
        }
    }
    free(exits);
}

void
plan_free_exits(struct plan *plan)
{
    for (size_t i = 0; i < plan->n_exits; i++) {
        struct plan_exit *x = &plan->exits[i];

        free(x->key);
        free(x->name);
        free(x->tunnel);
        free(x->port);
        plan_probe_destroy(&x->probe);
    }
    free(plan->exits);
}
