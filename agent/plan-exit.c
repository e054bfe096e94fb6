#include <config.h>
#include "agent/plan-exit.h"

#include <net/if.h>
#include <stdlib.h>
#include <string.h>

#include "agent/plan.h"
#include "hash.h"
#include "packets.h"
#include "sha1.h"
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

static void
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

/* UDP ports of tunnels between nodes, within the mesh: both ends compute the
 * number, so it must not depend on the host (as hash_string() may).  Below the
 * range of ephemeral ports. */
#define INLET_PORT_BASE 28000
#define INLET_PORTS 2000
#define OUTLET_PORT_BASE 30000

static uint16_t
name_to_port(const struct model_exit *exit)
{
    char *key = xasprintf("%s/%s", exit->node, exit->name);
    uint8_t digest[SHA1_DIGEST_SIZE];

    sha1_bytes(key, strlen(key), digest);
    free(key);
    return INLET_PORT_BASE + (digest[0] << 8 | digest[1]) % INLET_PORTS;
}

/* Where the exit's node listens: free of those of the exits before it. */
static uint16_t
inlet_port(const struct model *model, const struct model_exit *exit)
{
    const struct shash_node **exits = shash_sort(&model->exits);
    struct sset taken = SSET_INITIALIZER(&taken);
    uint16_t port = 0;

    for (size_t i = 0; i < shash_count(&model->exits); i++) {
        const struct model_exit *other = exits[i]->data;

        if (strcmp(other->node, exit->node)) {
            continue;
        }
        port = name_to_port(other);
        for (;;) {
            char *s = xasprintf("%u", port);
            bool is_new = sset_add(&taken, s) != NULL;

            free(s);
            if (is_new) {
                break;
            }
            port = port + 1 < INLET_PORT_BASE + INLET_PORTS
                   ? port + 1 : INLET_PORT_BASE;
        }
        if (other == exit) {
            break;
        }
    }
    sset_destroy(&taken);
    free(exits);
    return port;
}

static struct plan_grant *
get_grant(struct plan_exit *x, const struct model_node *node)
{
    for (size_t i = 0; i < x->n_grants; i++) {
        if (!strcmp(x->grants[i].node, node->name)) {
            return &x->grants[i];
        }
    }
    x->grants = xrealloc(x->grants, (x->n_grants + 1) * sizeof *x->grants);
    struct plan_grant *g = &x->grants[x->n_grants++];
    *g = (struct plan_grant) { .node = xstrdup(node->name) };
    if (node->address.plen) {
        /* For its agent: probes and names. */
        struct sn_prefix host = sn_prefix_host(&node->address);
        plan_prefixes_add(&g->sources, &host);
    }
    return g;
}

/* Who of other nodes may leave by an exit of this one: the containers that
 * name it. */
static void
plan_exit_add_grants(struct plan *plan, struct plan_exit *x,
                     const struct model *model)
{
    const struct shash_node **containers = shash_sort(&model->containers);

    for (size_t i = 0; i < shash_count(&model->containers); i++) {
        const struct model_container *c = containers[i]->data;
        const struct model_node *node = model_get_node(model, c->node);

        if (!node || !strcmp(c->node, plan->node) || node->revoked
            || plan->revoked || !svec_contains_unsorted(&c->exits, x->key)) {
            continue;
        }
        struct plan_grant *g = get_grant(x, node);
        for (size_t j = 0; j < c->n_addresses; j++) {
            struct sn_prefix host = sn_prefix_host(&c->addresses[j]);
            plan_prefixes_add(&g->sources, &host);
        }
    }
    free(containers);
}

/* The proxy of another node: its connections have the node's address. */
static void
plan_exit_grant_proxies(struct plan *plan, struct plan_exit *x,
                        const struct model *model)
{
    const struct shash_node **nodes = shash_sort(&model->nodes);

    for (size_t i = 0; i < shash_count(&model->nodes); i++) {
        const struct model_node *node = nodes[i]->data;

        if (strcmp(node->name, plan->node) && node->socks.enabled
            && !node->revoked && !plan->revoked
            && svec_contains_unsorted(&node->socks.exits, x->key)) {
            get_grant(x, node);
        }
    }
    free(nodes);
}

static void
plan_exit_set_own(struct plan *plan, struct plan_exit *x,
                  const struct model *model, const struct model_exit *exit)
{
    x->profile = nullable_xstrdup(exit->profile);
    if (!exit->enabled) {
        return;
    }
    plan_exit_add_grants(plan, x, model);
    plan_exit_grant_proxies(plan, x, model);
    if (x->n_grants) {
        x->inlet = model_exit_device(exit, "");
        x->inlet_port = inlet_port(model, exit);
        x->return_table = x->table - PLAN_EXIT_TABLE_BASE
                          + PLAN_RETURN_TABLE_BASE;
    }
}

static void
plan_exit_set_remote(struct plan_exit *x, const struct model *model,
                     const struct model_exit *exit)
{
    const struct model_node *node = model_get_node(model, exit->node);

    x->remote = xstrdup(exit->node);
    x->remote_port = inlet_port(model, exit);
    x->local_port = OUTLET_PORT_BASE + x->table - PLAN_EXIT_TABLE_BASE;
    if (node && node->address.plen && !node->revoked) {
        x->remote_address = sn_prefix_host(&node->address);
    }
}

static void
plan_add_exit(struct plan *plan, const struct model *model,
              const struct model_exit *exit, struct sset *problems)
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
    if (own) {
        plan_exit_set_own(plan, x, model, exit);
    } else {
        plan_exit_set_remote(x, model, exit);
    }
}

/* This node's own first: their numbers do not depend on the others'. */
void
plan_add_exits(struct plan *plan, const struct model *model,
               struct sset *problems)
{
    const struct shash_node **exits = shash_sort(&model->exits);
    size_t n = shash_count(&model->exits);

    plan->exits = xcalloc(n + 1, sizeof *plan->exits);
    shash_init(&plan->sources);
    for (int remote = 0; remote < 2; remote++) {
        for (size_t i = 0; i < n; i++) {
            const struct model_exit *exit = exits[i]->data;

            if (!strcmp(exit->node, plan->node) == !remote
                && model_exit_is_used(model, exit, plan->node)) {
                plan_add_exit(plan, model, exit, problems);
            }
        }
    }
    free(exits);
}

void
plan_sources_destroy(struct shash *sources)
{
    struct shash_node *node;

    SHASH_FOR_EACH (node, sources) {
        struct plan_sources *s = node->data;
        free(s->all.prefixes);
        free(s->own.prefixes);
    }
    shash_destroy_free_data(sources);
}

const struct plan_sources *
plan_get_sources(const struct plan *plan, const char *tunnel)
{
    static const struct plan_sources none;
    const struct plan_sources *s = shash_find_data(&plan->sources, tunnel);

    return s ? s : &none;
}

void
plan_free_exits(struct plan *plan)
{
    for (size_t i = 0; i < plan->n_exits; i++) {
        struct plan_exit *x = &plan->exits[i];

        for (size_t j = 0; j < x->n_grants; j++) {
            free(x->grants[j].node);
            free(x->grants[j].sources.prefixes);
        }
        free(x->grants);
        free(x->key);
        free(x->name);
        free(x->tunnel);
        free(x->port);
        free(x->profile);
        free(x->remote);
        free(x->inlet);
        plan_probe_destroy(&x->probe);
    }
    free(plan->exits);
    plan_sources_destroy(&plan->sources);
}
