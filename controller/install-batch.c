#include <config.h>
#include "controller/install-batch.h"

#include <string.h>

#include "byte-order.h"
#include "flows/compiler.h"
#include "flows/objects.h"
#include "hash.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/ofp-flow.h"
#include "sset.h"
#include "util.h"

/* The most refused flows that are named one by one. */
#define MAX_NAMED 20

void
install_batch_init(struct install_batch *batch)
{
    memset(batch, 0, sizeof *batch);
}

void
install_batch_destroy(struct install_batch *batch)
{
    for (size_t i = 0; i < batch->n; i++) {
        sn_flow_free(batch->ops[i].flow);
    }
    free(batch->ops);
    for (size_t i = 0; i < batch->n_object_ops; i++) {
        sn_object_free(batch->object_ops[i].object);
    }
    free(batch->object_ops);
    install_batch_init(batch);
}

void
install_batch_add(struct install_batch *batch, enum install_command command,
                  const struct sn_flow *flow, bool is_repair)
{
    if (batch->n >= batch->allocated) {
        batch->ops = x2nrealloc(batch->ops, &batch->allocated,
                                sizeof *batch->ops);
    }
    batch->ops[batch->n++] = (struct install_op) {
        .command = command,
        .flow = sn_flow_clone(flow),
        .is_repair = is_repair,
    };
    batch->n_repairs += is_repair;
}

void
install_batch_add_object(struct install_batch *batch,
                         enum install_command command,
                         const struct sn_object *object, bool is_repair)
{
    if (batch->n_object_ops >= batch->allocated_object_ops) {
        batch->object_ops = x2nrealloc(batch->object_ops,
                                       &batch->allocated_object_ops,
                                       sizeof *batch->object_ops);
    }
    batch->object_ops[batch->n_object_ops++] = (struct object_op) {
        .command = command,
        .object = sn_object_clone(object),
        .is_repair = is_repair,
    };
    batch->n_repairs += is_repair;
}

bool
install_batch_is_empty(const struct install_batch *batch)
{
    return !batch->n && !batch->n_object_ops;
}

/* An OFPFC_ADD without OFPFF_RESET_COUNTS that replaces a flow keeps its
 * packet and byte counts in OVS, and can change the cookie, but starts its
 * duration anew.  OFPFC_MODIFY_STRICT keeps all three and the cookie. */
void
install_op_to_flow_mod(const struct install_op *op,
                       struct ofputil_flow_mod *fm)
{
    static const uint16_t commands[] = {
        [INSTALL_ADD] = OFPFC_ADD,
        [INSTALL_MODIFY] = OFPFC_MODIFY_STRICT,
        [INSTALL_DELETE] = OFPFC_DELETE_STRICT,
    };
    const struct sn_flow *flow = op->flow;
    bool deletes = op->command == INSTALL_DELETE;

    *fm = (struct ofputil_flow_mod) {
        .match = flow->match,
        .priority = flow->priority,
        .cookie = deletes ? htonll(flow->cookie) : 0,
        .cookie_mask = deletes ? OVS_BE64_MAX : 0,
        .new_cookie = (op->command == INSTALL_ADD
                       ? htonll(flow->cookie) : OVS_BE64_MAX),
        .table_id = flow->table_id,
        .command = commands[op->command],
        .buffer_id = UINT32_MAX,
        .out_port = OFPP_ANY,
        .out_group = OFPG_ANY,
        .ofpacts = deletes ? NULL : flow->ofpacts,
        .ofpacts_len = deletes ? 0 : flow->ofpacts_len,
    };
}

static uint32_t
key_hash(const struct sn_flow *flow)
{
    return minimatch_hash(&flow->match,
                          hash_2words(flow->table_id, flow->priority));
}

static struct refusal *
refusal_find(const struct refusals *rs, const struct sn_flow *key)
{
    struct refusal *r;

    HMAP_FOR_EACH_WITH_HASH (r, node, key_hash(key), &rs->hmap) {
        if (r->flow->table_id == key->table_id
            && r->flow->priority == key->priority
            && minimatch_equal(&r->flow->match, &key->match)) {
            return r;
        }
    }
    return NULL;
}

static void
refusal_destroy(struct refusals *rs, struct refusal *r)
{
    hmap_remove(&rs->hmap, &r->node);
    sn_flow_free(r->flow);
    free(r);
}

void
refusals_init(struct refusals *rs)
{
    hmap_init(&rs->hmap);
}

void
refusals_destroy(struct refusals *rs)
{
    refusals_clear(rs);
    hmap_destroy(&rs->hmap);
}

void
refusals_clear(struct refusals *rs)
{
    struct refusal *r, *next;

    HMAP_FOR_EACH_SAFE (r, next, node, &rs->hmap) {
        refusal_destroy(rs, r);
    }
}

void
refusals_add(struct refusals *rs, const struct sn_flow *flow,
             enum ofperr error)
{
    struct refusal *r = refusal_find(rs, flow);

    if (r) {
        refusal_destroy(rs, r);
    }
    r = xmalloc(sizeof *r);
    r->flow = sn_flow_clone(flow);
    r->error = error;
    hmap_insert(&rs->hmap, &r->node, key_hash(flow));
}

bool
refusals_contain(const struct refusals *rs, const struct sn_flow *flow)
{
    const struct refusal *r;

    if (hmap_is_empty(&rs->hmap)) {
        return false;
    }
    r = refusal_find(rs, flow);
    return r && sn_flow_same_content(r->flow, flow);
}

void
refusals_forget_changed(struct refusals *rs, const struct flow_set *desired)
{
    struct refusal *r, *next;

    HMAP_FOR_EACH_SAFE (r, next, node, &rs->hmap) {
        const struct sn_flow *flow = flow_set_find(desired, r->flow);

        if (!flow || !sn_flow_same_content(flow, r->flow)) {
            refusal_destroy(rs, r);
        }
    }
}

size_t
refusals_count(const struct refusals *rs)
{
    return hmap_count(&rs->hmap);
}

void
refusals_to_problems(const struct refusals *rs, struct sset *problems)
{
    const struct refusal *r;
    size_t n = 0;

    HMAP_FOR_EACH (r, node, &rs->hmap) {
        struct ds s = DS_EMPTY_INITIALIZER;

        if (n++ == MAX_NAMED) {
            ds_put_format(&s, "the switch refuses %"PRIuSIZE" more flows",
                          hmap_count(&rs->hmap) - MAX_NAMED);
        } else {
            ds_put_format(&s, "the switch refuses a flow (%s): ",
                          ofperr_to_string(r->error));
            sn_flow_format(r->flow, NULL, true, &s);
        }
        sset_add(problems, ds_cstr(&s));
        ds_destroy(&s);
        if (n > MAX_NAMED) {
            break;
        }
    }
}
