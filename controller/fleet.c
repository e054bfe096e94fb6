#include <config.h>
#include "controller/fleet.h"

#include <string.h>

#include "controller/bridge.h"
#include "lib/host-bridge.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/shash.h"
#include "openvswitch/vlog.h"
#include "state/model.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(fleet);

/* The longest that one call works; the bridges that are left have their turn
 * in the next.  A fleet's first compile takes long, and others wait. */
#define RUN_SLICE_MS 200

struct fleet {
    const struct fleet_options *options;
    struct bridge **bridges;
    size_t n;
    unsigned int seqno;
    bool model_seen;
    bool shared, active, chosen; /* As fleet_set_turn() was told. */
    int64_t generation;
    size_t next;                /* The bridge whose turn it is. */
    bool more;                  /* Not all had their turn in the last run. */
};

void
fleet_options_init(struct fleet_options *o)
{
    memset(o, 0, sizeof *o);
    sset_init(&o->nodes);
    smap_init(&o->targets);
}

void
fleet_options_destroy(struct fleet_options *o)
{
    sset_destroy(&o->nodes);
    smap_destroy(&o->targets);
    free(o->default_node);
    free(o->default_target);
}

char *
fleet_options_add_target(struct fleet_options *o, const char *arg)
{
    const char *equals = strchr(arg, '=');

    if (!equals || equals == arg || !strchr(equals, ':')) {
        return xasprintf("--bridge=%s: expected NODE=TARGET, with a TARGET "
                         "like unix:/run/openvswitch/vmbr0.mgmt", arg);
    }
    smap_add_nocopy(&o->targets, xmemdup0(arg, equals - arg),
                    xstrdup(equals + 1));
    return NULL;
}

/* Returns the target of a node's bridge, for the caller to free, or NULL. */
static char *
target_of(const struct fleet_options *o, const char *node)
{
    const char *target = smap_get(&o->targets, node);

    if (target) {
        return xstrdup(target);
    }
    if (!strcmp(node, o->default_node)
        || (sset_contains(&o->nodes, node) && sset_count(&o->nodes) == 1
            && !o->all)) {
        return xstrdup(o->default_target);
    }
    target = smap_get(&o->targets, "*");
    if (target) {
        struct ds s = DS_EMPTY_INITIALIZER;
        const char *p;

        for (p = target; *p; p++) {
            if (p[0] == '%' && p[1] == 'n') {
                ds_put_cstr(&s, node);
                p++;
            } else {
                ds_put_char(&s, *p);
            }
        }
        return ds_steal_cstr(&s);
    }
    return NULL;
}

char *
fleet_options_check(const struct fleet_options *o)
{
    struct sset seen = SSET_INITIALIZER(&seen);
    char *error = NULL;
    const char *node;

    SSET_FOR_EACH (node, &o->nodes) {
        char *target = target_of(o, node);

        if (!target) {
            error = xasprintf("--node=%s: say where its bridge is with "
                              "--bridge=%s=TARGET", node, node);
        } else if (!sset_add(&seen, target)) {
            error = xasprintf("--node=%s: %s is another node's bridge", node,
                              target);
        }
        free(target);
        if (error) {
            break;
        }
    }
    sset_destroy(&seen);
    return error;
}

const char *
fleet_options_name(const struct fleet_options *o)
{
    return (sset_count(&o->nodes) == 1 ? SSET_FIRST(&o->nodes)
            : o->default_node);
}

static int
compare_bridges(const void *a_, const void *b_)
{
    struct bridge *const *a = a_;
    struct bridge *const *b = b_;

    return strcmp(bridge_node(*a), bridge_node(*b));
}

static struct bridge *
find_bridge(const struct fleet *f, const char *node)
{
    for (size_t i = 0; i < f->n; i++) {
        if (!strcmp(bridge_node(f->bridges[i]), node)) {
            return f->bridges[i];
        }
    }
    return NULL;
}

static bool
target_is_used(const struct fleet *f, const char *target)
{
    for (size_t i = 0; i < f->n; i++) {
        if (!strcmp(bridge_target(f->bridges[i]), target)) {
            return true;
        }
    }
    return false;
}

static void
add_bridge(struct fleet *f, const char *node, const struct model *model)
{
    static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(1, 20);
    char *target = target_of(f->options, node);

    if (!target || target_is_used(f, target)) {
        VLOG_INFO_RL(&rl, "%s: %s", node,
                     target ? "its target is another node's bridge"
                     : "not managed here, no --bridge says where it is");
        free(target);
        return;
    }

    struct bridge *b = bridge_create(node, SN_BRIDGE, target);

    free(target);
    if (f->shared) {
        bridge_set_turn(b, f->active, f->chosen);
    }
    f->bridges = xrealloc(f->bridges, (f->n + 1) * sizeof *f->bridges);
    f->bridges[f->n++] = b;
    qsort(f->bridges, f->n, sizeof *f->bridges, compare_bridges);
    f->seqno++;
    if (model) {
        struct model_changes all;

        model_changes_init(&all);
        all.all = true;
        bridge_set_model(b, model, f->generation, &all);
        model_changes_destroy(&all);
    }
}

struct fleet *
fleet_create(const struct fleet_options *options)
{
    struct fleet *f = xzalloc(sizeof *f);
    const char *node;

    f->options = options;
    SSET_FOR_EACH (node, &options->nodes) {
        add_bridge(f, node, NULL);
    }
    return f;
}

void
fleet_destroy(struct fleet *f)
{
    if (f) {
        for (size_t i = 0; i < f->n; i++) {
            bridge_destroy(f->bridges[i]);
        }
        free(f->bridges);
        free(f);
    }
}

/* --all: the nodes of the mesh come and go.  The bridge of one that went keeps
 * its flows. */
static void
follow_nodes(struct fleet *f, const struct model *model)
{
    const struct shash_node *node;

    for (size_t i = 0; i < f->n; ) {
        const char *name = bridge_node(f->bridges[i]);

        if (!model_get_node(model, name)
            && !sset_contains(&f->options->nodes, name)) {
            VLOG_INFO("%s: not declared any more, its bridge is left as it is",
                      name);
            bridge_destroy(f->bridges[i]);
            memmove(&f->bridges[i], &f->bridges[i + 1],
                    (f->n - i - 1) * sizeof *f->bridges);
            f->n--;
            f->seqno++;
        } else {
            i++;
        }
    }
    SHASH_FOR_EACH (node, &model->nodes) {
        if (!find_bridge(f, node->name)) {
            add_bridge(f, node->name, model);
        }
    }
}

void
fleet_run(struct fleet *f, const struct model *model, int64_t generation,
          const struct model_changes *changes)
{
    if (model && (!f->model_seen || generation != f->generation
                  || !model_changes_is_empty(changes) || changes->all)) {
        bool first = !f->model_seen;

        f->model_seen = true;
        f->generation = generation;
        for (size_t i = 0; i < f->n; i++) {
            bridge_set_model(f->bridges[i], model, generation, changes);
        }
        if (f->options->all
            && (first || changes->all
                || !sset_is_empty(&changes->keys[MODEL_NODE]))) {
            follow_nodes(f, model);
        }
    }

    long long int start = time_msec();
    f->more = false;
    for (size_t i = 0; i < f->n && !f->more; i++) {
        bridge_run(f->bridges[f->next++ % f->n]);
        f->more = i + 1 < f->n && time_msec() - start > RUN_SLICE_MS;
    }
    f->next = f->n ? f->next % f->n : 0;
}

void
fleet_set_turn(struct fleet *f, bool active, bool chosen)
{
    f->shared = true;
    f->active = active;
    f->chosen = chosen;
    for (size_t i = 0; i < f->n; i++) {
        bridge_set_turn(f->bridges[i], active, chosen);
    }
}

void
fleet_wait(struct fleet *f)
{
    if (f->more) {
        poll_immediate_wake();
    }
    for (size_t i = 0; i < f->n; i++) {
        bridge_wait(f->bridges[i]);
    }
}

struct bridge **
fleet_bridges(const struct fleet *f, size_t *n)
{
    *n = f->n;
    return f->bridges;
}

unsigned int
fleet_seqno(const struct fleet *f)
{
    return f->seqno;
}
