#include <config.h>
#include "controller/install.h"

#include "byte-order.h"
#include "controller/install-batch.h"
#include "controller/install-objects.h"
#include "flows/compiler.h"
#include "flows/cookie.h"
#include "hmapx.h"
#include "openvswitch/ofp-actions.h"
#include "openvswitch/ofp-flow.h"
#include "openvswitch/ofp-monitor.h"
#include "openvswitch/ofpbuf.h"
#include "util.h"

/* Keys are struct sn_flow without actions.  Their 'cookie' says who made them
 * dirty. */
enum { BY_US = 0, BY_OTHERS = 1 };

struct install {
    struct flow_set installed;  /* What the switch holds. */
    struct flow_set reading;    /* The same, while it is being read. */
    struct hmapx odd;           /* Members of 'installed' or 'reading' with
                                 * timeouts or flags that ours never have. */
    struct flow_set dirty;      /* Keys where installed may be wrong. */
    struct refusals refusals;
    struct install_objects objects;
    size_t n_foreign;
    unsigned int seqno;
    bool dirty_by_us;           /* Any of 'dirty' is BY_US. */
    bool is_read;
};

static struct sn_flow *
flow_create(uint8_t table_id, uint16_t priority, const struct match *match,
            uint64_t cookie)
{
    struct sn_flow *flow = xzalloc(sizeof *flow);

    flow->table_id = table_id;
    flow->priority = priority;
    minimatch_init(&flow->match, match);
    flow->cookie = cookie;
    return flow;
}

static void
flow_set_actions(struct sn_flow *flow, const struct ofpact *ofpacts,
                 size_t len)
{
    free(flow->ofpacts);
    flow->ofpacts = len ? xmemdup(ofpacts, len) : NULL;
    flow->ofpacts_len = len;
}

static bool
flow_is_ours(const struct sn_flow *flow)
{
    return cookie_is_ours(flow->cookie);
}

static void
installed_remove(struct install *in, struct flow_set *set,
                 const struct sn_flow *key)
{
    struct sn_flow *old = flow_set_find(set, key);

    if (old) {
        in->n_foreign -= set == &in->installed && !flow_is_ours(old);
        hmapx_find_and_delete(&in->odd, old);
        flow_set_remove(set, old);
    }
}

/* Takes ownership of 'flow'. */
static void
installed_put(struct install *in, struct flow_set *set, struct sn_flow *flow,
              bool odd)
{
    installed_remove(in, set, flow);
    flow_set_put(set, flow);
    in->n_foreign += set == &in->installed && !flow_is_ours(flow);
    if (odd) {
        hmapx_add(&in->odd, flow);
    }
}

static void
dirty_put(struct install *in, const struct sn_flow *flow, int by_whom)
{
    struct sn_flow *key = flow_set_find(&in->dirty, flow);

    in->dirty_by_us |= by_whom == BY_US;
    if (!key) {
        struct match match;

        minimatch_expand(&flow->match, &match);
        key = flow_create(flow->table_id, flow->priority, &match, by_whom);
        flow_set_put(&in->dirty, key);
    } else if (by_whom == BY_US) {
        key->cookie = BY_US;
    }
}

/* The flow that 'desired' has for 'key', unless the switch refuses it or a
 * group or meter that it needs. */
static const struct sn_flow *
wanted_flow(const struct install *in, const struct flow_set *desired,
            const struct sn_flow *key)
{
    const struct sn_flow *flow = desired ? flow_set_find(desired, key) : NULL;

    return (flow && (refusals_contain(&in->refusals, flow)
                     || install_objects_block(&in->objects, flow))
            ? NULL : flow);
}

/* Both may be NULL. */
static bool
flow_is_right(const struct install *in, const struct sn_flow *wanted,
              const struct sn_flow *installed)
{
    if (!wanted) {
        return !installed || !flow_is_ours(installed);
    }
    return (installed
            && !hmapx_contains(&in->odd, installed)
            && sn_flow_same_content(wanted, installed));
}

struct install *
install_create(void)
{
    struct install *in = xzalloc(sizeof *in);

    flow_set_init(&in->installed);
    flow_set_init(&in->reading);
    flow_set_init(&in->dirty);
    hmapx_init(&in->odd);
    refusals_init(&in->refusals);
    install_objects_init(&in->objects);
    return in;
}

void
install_destroy(struct install *in)
{
    if (in) {
        flow_set_destroy(&in->installed);
        flow_set_destroy(&in->reading);
        flow_set_destroy(&in->dirty);
        hmapx_destroy(&in->odd);
        refusals_destroy(&in->refusals);
        install_objects_destroy(&in->objects);
        free(in);
    }
}

static void
flow_set_clear(struct flow_set *set)
{
    flow_set_destroy(set);
    flow_set_init(set);
}

void
install_forget(struct install *in)
{
    flow_set_clear(&in->installed);
    flow_set_clear(&in->reading);
    flow_set_clear(&in->dirty);
    in->dirty_by_us = false;
    hmapx_clear(&in->odd);
    refusals_clear(&in->refusals);
    install_objects_forget(&in->objects);
    in->n_foreign = 0;
    in->is_read = false;
}

bool
install_is_read(const struct install *in)
{
    return in->is_read;
}

void
install_read_begin(struct install *in)
{
    struct sn_flow *flow;

    HMAP_FOR_EACH (flow, hmap_node, &in->reading.flows) {
        hmapx_find_and_delete(&in->odd, flow);
    }
    flow_set_clear(&in->reading);
    install_objects_read_begin(&in->objects);
}

void
install_read_group(struct install *in, const struct ofputil_group_desc *gd)
{
    install_objects_read(&in->objects, sn_object_from_group(gd));
}

void
install_read_meter(struct install *in, const struct ofputil_meter_config *mc)
{
    install_objects_read(&in->objects, sn_object_from_meter(mc));
}

void
install_read_flow(struct install *in, const struct ofputil_flow_stats *fs)
{
    struct sn_flow *flow = flow_create(fs->table_id, fs->priority, &fs->match,
                                       ntohll(fs->cookie));

    flow_set_actions(flow, fs->ofpacts, fs->ofpacts_len);
    installed_put(in, &in->reading, flow,
                  fs->idle_timeout || fs->hard_timeout || fs->flags
                  || fs->importance);
}

static void
installed_take_reading(struct install *in)
{
    struct sn_flow *flow;

    HMAP_FOR_EACH (flow, hmap_node, &in->installed.flows) {
        hmapx_find_and_delete(&in->odd, flow);
    }
    flow_set_clear(&in->installed);
    hmap_swap(&in->installed.flows, &in->reading.flows);

    in->n_foreign = 0;
    HMAP_FOR_EACH (flow, hmap_node, &in->installed.flows) {
        in->n_foreign += !flow_is_ours(flow);
    }
}

size_t
install_read_end(struct install *in, const struct flow_set *desired)
{
    /* The first time, differences are ours to bring; later, others made
     * them. */
    int by_whom = in->is_read ? BY_OTHERS : BY_US;
    size_t n_differences = install_objects_read_end(&in->objects,
                                                    by_whom == BY_US);
    struct sn_flow *flow;

    installed_take_reading(in);
    in->is_read = true;
    HMAP_FOR_EACH (flow, hmap_node, &desired->flows) {
        const struct sn_flow *wanted = wanted_flow(in, desired, flow);

        if (!flow_is_right(in, wanted, flow_set_find(&in->installed, flow))) {
            dirty_put(in, flow, by_whom);
            n_differences++;
        }
    }
    HMAP_FOR_EACH (flow, hmap_node, &in->installed.flows) {
        if (flow_is_ours(flow) && !flow_set_find(desired, flow)) {
            dirty_put(in, flow, by_whom);
            n_differences++;
        }
    }
    return n_differences;
}

bool
install_update(struct install *in, const struct flow_set *desired,
               const struct ofputil_flow_update *fu)
{
    struct sn_flow *flow = flow_create(fu->table_id, fu->priority, &fu->match,
                                       ntohll(fu->cookie));
    struct sn_flow *key = sn_flow_clone(flow);
    bool right;

    if (fu->event == OFPFME_REMOVED) {
        installed_remove(in, &in->installed, flow);
        sn_flow_free(flow);
        flow = NULL;
    } else {
        flow_set_actions(flow, fu->ofpacts, fu->ofpacts_len);
        installed_put(in, &in->installed, flow,
                      fu->idle_timeout || fu->hard_timeout);
    }

    right = flow_is_right(in, wanted_flow(in, desired, key), flow);
    if (!right) {
        dirty_put(in, key, BY_OTHERS);
    }
    sn_flow_free(key);
    return !right;
}

void
install_touch(struct install *in, const struct flow_set *keys)
{
    const struct sn_flow *flow;

    HMAP_FOR_EACH (flow, hmap_node, &keys->flows) {
        dirty_put(in, flow, BY_US);
        in->seqno++;
    }
}

void
install_set_objects(struct install *in, const struct object_set *desired)
{
    in->objects.desired = desired;
}

void
install_touch_objects(struct install *in)
{
    in->objects.dirty = in->objects.dirty_by_us = true;
    in->seqno++;
}

void
install_suspect_objects(struct install *in)
{
    in->objects.suspicions++;
}

bool
install_is_suspect(const struct install *in)
{
    return install_objects_is_suspect(&in->objects);
}

unsigned int
install_seqno(const struct install *in)
{
    return in->seqno;
}

bool
install_is_dirty(const struct install *in)
{
    return !hmap_is_empty(&in->dirty.flows) || in->objects.dirty;
}

bool
install_is_repair(const struct install *in)
{
    return (install_is_dirty(in) && !in->dirty_by_us
            && !in->objects.dirty_by_us);
}

static void
dirty_clear(struct install *in)
{
    flow_set_clear(&in->dirty);
    in->dirty_by_us = false;
}

/* What goes before the flows.  Flows that had to do without get another
 * chance together with their object. */
static void
make_object_ops(struct install *in, const struct flow_set *desired,
                struct install_batch *batch)
{
    struct object_set retried;
    const struct sn_object *obj;
    const struct sn_flow *flow;

    object_set_init(&retried);
    install_objects_add(&in->objects, batch, &retried);
    HMAP_FOR_EACH (obj, node, &retried.map) {
        HMAP_FOR_EACH (flow, hmap_node, &desired->flows) {
            if (sn_object_is_used_by(obj, flow->ofpacts,
                                     flow->ofpacts_len)) {
                dirty_put(in, flow, BY_US);
            }
        }
    }
    object_set_destroy(&retried);
}

/* What no flow of the switch needs any more goes in a batch of its own. */
static void
make_object_deletions(struct install *in, struct install_batch *batch)
{
    if (batch->n) {
        return;
    }
    if (!batch->n_object_ops) {
        install_objects_delete(&in->objects, batch, &in->installed);
        in->objects.dirty = in->objects.dirty_by_us = false;
    }
}

void
install_make_batch(struct install *in, const struct flow_set *desired,
                   struct install_batch *batch)
{
    const struct sn_flow *key;

    refusals_forget_changed(&in->refusals, desired);
    if (in->objects.dirty) {
        make_object_ops(in, desired, batch);
    }
    /* Deletions first: should the switch take two of our keys for one, then
     * what is wanted stays. */
    HMAP_FOR_EACH (key, hmap_node, &in->dirty.flows) {
        const struct sn_flow *wanted = wanted_flow(in, desired, key);
        const struct sn_flow *installed = flow_set_find(&in->installed, key);

        if (!wanted && !flow_is_right(in, wanted, installed)) {
            install_batch_add(batch, INSTALL_DELETE, installed,
                              key->cookie == BY_OTHERS);
        }
    }
    HMAP_FOR_EACH (key, hmap_node, &in->dirty.flows) {
        const struct sn_flow *wanted = wanted_flow(in, desired, key);
        const struct sn_flow *installed = flow_set_find(&in->installed, key);
        bool is_repair = key->cookie == BY_OTHERS;

        if (!wanted || flow_is_right(in, wanted, installed)) {
            continue;
        }
        if (installed && installed->cookie == wanted->cookie
                   && !hmapx_contains(&in->odd, installed)) {
            install_batch_add(batch, INSTALL_MODIFY, wanted, is_repair);
        } else {
            install_batch_add(batch, INSTALL_ADD, wanted, is_repair);
        }
    }
    dirty_clear(in);
    if (in->objects.dirty) {
        make_object_deletions(in, batch);
    }
    in->seqno += !install_batch_is_empty(batch);
}

/* The flow is as good as any, but not what it points at. */
static bool
is_about_objects(enum ofperr error)
{
    return (error == OFPERR_OFPBAC_BAD_OUT_GROUP
            || error == OFPERR_OFPMMFC_INVALID_METER
            || error == OFPERR_OFPMMFC_UNKNOWN_METER);
}

static void
refuse(struct install *in, const struct install_op *op, bool object_refused)
{
    if (is_about_objects(op->error) && in->objects.desired
        && object_set_serves(in->objects.desired, op->flow->ofpacts,
                             op->flow->ofpacts_len)) {
        dirty_put(in, op->flow, BY_US);
        if (!object_refused) {
            install_suspect_objects(in);
        }
    } else if (op->command != INSTALL_DELETE) {
        refusals_add(&in->refusals, op->flow, op->error);
        /* An older flow of the same key is not desired any more. */
        dirty_put(in, op->flow, BY_US);
    }
}

void
install_confirm(struct install *in, const struct install_batch *batch)
{
    bool object_refused = install_objects_confirm(&in->objects, batch, true);

    in->seqno++;
    for (size_t i = 0; i < batch->n; i++) {
        const struct install_op *op = &batch->ops[i];
        struct sn_flow *old = flow_set_find(&in->installed, op->flow);

        if (op->error) {
            refuse(in, op, object_refused);
        } else if (op->command == INSTALL_DELETE) {
            if (old && old->cookie == op->flow->cookie) {
                installed_remove(in, &in->installed, op->flow);
            }
        } else if (op->command == INSTALL_ADD || old) {
            installed_put(in, &in->installed, sn_flow_clone(op->flow), false);
        } else {
            /* Somebody deleted what we modified: the switch did nothing. */
            dirty_put(in, op->flow, BY_OTHERS);
        }
    }
}

void
install_fail(struct install *in, const struct install_batch *batch)
{
    bool object_refused = install_objects_confirm(&in->objects, batch, false);

    for (size_t i = 0; i < batch->n; i++) {
        const struct install_op *op = &batch->ops[i];

        if (op->error) {
            refuse(in, op, object_refused);
        } else {
            dirty_put(in, op->flow, BY_US);
        }
    }
}

void
install_retry_refused(struct install *in)
{
    struct refusal *r;

    HMAP_FOR_EACH (r, node, &in->refusals.hmap) {
        dirty_put(in, r->flow, BY_US);
    }
    refusals_clear(&in->refusals);
    install_objects_retry_refused(&in->objects);
}

size_t
install_n_refused(const struct install *in)
{
    return (refusals_count(&in->refusals)
            + install_objects_n_refused(&in->objects));
}

void
install_to_problems(const struct install *in, struct sset *problems)
{
    refusals_to_problems(&in->refusals, problems);
    install_objects_to_problems(&in->objects, problems);
}

const struct flow_set *
install_flows(const struct install *in)
{
    return &in->installed;
}

size_t
install_n_ours(const struct install *in)
{
    return hmap_count(&in->installed.flows) - in->n_foreign;
}

size_t
install_n_foreign(const struct install *in)
{
    return in->n_foreign;
}

const struct sn_flow *
install_a_foreign(const struct install *in)
{
    const struct sn_flow *flow;

    if (in->n_foreign) {
        HMAP_FOR_EACH (flow, hmap_node, &in->installed.flows) {
            if (!flow_is_ours(flow)) {
                return flow;
            }
        }
    }
    return NULL;
}
