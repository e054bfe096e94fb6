#include <config.h>
#include "controller/install-objects.h"

#include <stdlib.h>
#include "controller/install-batch.h"
#include "flows/compiler.h"
#include "openvswitch/dynamic-string.h"
#include "sset.h"
#include "util.h"

struct object_refusal {
    struct sn_object *object;
    enum ofperr error;
};

void
install_objects_init(struct install_objects *io)
{
    memset(io, 0, sizeof *io);
    object_set_init(&io->installed);
    object_set_init(&io->reading);
    shash_init(&io->refused);
}

static void
object_refusal_free(struct object_refusal *r)
{
    if (r) {
        sn_object_free(r->object);
        free(r);
    }
}

static void
refused_clear(struct install_objects *io)
{
    struct shash_node *node;

    SHASH_FOR_EACH (node, &io->refused) {
        object_refusal_free(node->data);
    }
    shash_clear(&io->refused);
}

void
install_objects_destroy(struct install_objects *io)
{
    refused_clear(io);
    shash_destroy(&io->refused);
    object_set_destroy(&io->installed);
    object_set_destroy(&io->reading);
}

void
install_objects_forget(struct install_objects *io)
{
    object_set_clear(&io->installed);
    object_set_clear(&io->reading);
    refused_clear(io);
    io->dirty = false;
    io->dirty_by_us = false;
    io->read_suspicions = io->suspicions;
}

static char *
object_key(const struct sn_object *obj)
{
    return xasprintf("%s %"PRIu32, sn_object_kind_name(obj->kind), obj->id);
}

static struct object_refusal *
find_refusal(const struct install_objects *io, const struct sn_object *obj)
{
    struct object_refusal *r = NULL;

    if (!shash_is_empty(&io->refused)) {
        char *key = object_key(obj);
        r = shash_find_data(&io->refused, key);
        free(key);
    }
    return r;
}

static bool
is_refused(const struct install_objects *io, const struct sn_object *obj)
{
    const struct object_refusal *r = find_refusal(io, obj);

    return r && sn_object_same_content(r->object, obj);
}

static void
unrefuse(struct install_objects *io, const struct sn_object *obj)
{
    char *key = object_key(obj);

    object_refusal_free(shash_find_and_delete(&io->refused, key));
    free(key);
}

static void
refuse(struct install_objects *io, const struct sn_object *obj,
       enum ofperr error)
{
    struct object_refusal *r = xmalloc(sizeof *r);
    char *key = object_key(obj);

    r->object = sn_object_clone(obj);
    r->error = error;
    object_refusal_free(shash_find_and_delete(&io->refused, key));
    shash_add(&io->refused, key, r);
    free(key);
}

static bool
is_right(const struct install_objects *io, const struct sn_object *wanted)
{
    const struct sn_object *obj = object_set_find(&io->installed,
                                                  wanted->kind, wanted->id);

    return obj && sn_object_same_content(obj, wanted);
}

static bool
is_superfluous(const struct install_objects *io, const struct sn_object *obj)
{
    return (sn_object_id_is_ours(obj->id)
            && !(io->desired
                 && object_set_find(io->desired, obj->kind, obj->id)));
}

/* Reading. */

void
install_objects_read_begin(struct install_objects *io)
{
    object_set_clear(&io->reading);
    io->reading_suspicions = io->suspicions;
}

void
install_objects_read(struct install_objects *io, struct sn_object *obj)
{
    object_set_put(&io->reading, obj);
}

size_t
install_objects_read_end(struct install_objects *io, bool by_us)
{
    const struct sn_object *obj;
    size_t n = 0;

    hmap_swap(&io->installed.map, &io->reading.map);
    object_set_clear(&io->reading);
    io->read_suspicions = io->reading_suspicions;
    if (io->desired) {
        HMAP_FOR_EACH (obj, node, &io->desired->map) {
            n += !is_right(io, obj) && !is_refused(io, obj);
        }
    }
    HMAP_FOR_EACH (obj, node, &io->installed.map) {
        n += is_superfluous(io, obj);
    }
    if (n) {
        io->dirty = true;
        io->dirty_by_us |= by_us;
    }
    return n;
}

bool
install_objects_is_suspect(const struct install_objects *io)
{
    return io->suspicions != io->read_suspicions;
}

/* Changing. */

/* What nobody wants any more is no refusal. */
static void
forget_undesired(struct install_objects *io)
{
    struct shash_node *node;

    SHASH_FOR_EACH_SAFE (node, &io->refused) {
        struct object_refusal *r = node->data;

        if (!object_set_find(io->desired, r->object->kind, r->object->id)) {
            object_refusal_free(r);
            shash_delete(&io->refused, node);
        }
    }
}

void
install_objects_add(struct install_objects *io, struct install_batch *batch,
                    struct object_set *retried)
{
    const struct sn_object *obj;

    if (!io->desired) {
        return;
    }
    forget_undesired(io);
    HMAP_FOR_EACH (obj, node, &io->desired->map) {
        if (find_refusal(io, obj) && !is_refused(io, obj)) {
            unrefuse(io, obj);
            object_set_put(retried, sn_object_clone(obj));
        }
        if (!is_right(io, obj) && !is_refused(io, obj)) {
            bool exists = object_set_find(&io->installed, obj->kind, obj->id);

            install_batch_add_object(batch,
                                     exists ? INSTALL_MODIFY : INSTALL_ADD,
                                     obj, !io->dirty_by_us);
        }
    }
}

static bool
is_used(const struct sn_object *obj, const struct flow_set *flows)
{
    const struct sn_flow *flow;

    HMAP_FOR_EACH (flow, hmap_node, &flows->flows) {
        if (sn_object_is_used_by(obj, flow->ofpacts, flow->ofpacts_len)) {
            return true;
        }
    }
    return false;
}

void
install_objects_delete(struct install_objects *io,
                       struct install_batch *batch,
                       const struct flow_set *flows)
{
    const struct sn_object *obj;

    HMAP_FOR_EACH (obj, node, &io->installed.map) {
        /* To delete one that is used would delete the flows as well. */
        if (is_superfluous(io, obj) && !is_used(obj, flows)) {
            install_batch_add_object(batch, INSTALL_DELETE, obj,
                                     !io->dirty_by_us);
        }
    }
}

static void
confirm_op(struct install_objects *io, const struct object_op *op)
{
    struct sn_object *old = object_set_find(&io->installed, op->object->kind,
                                            op->object->id);

    if (op->command != INSTALL_DELETE) {
        object_set_put(&io->installed, sn_object_clone(op->object));
    } else if (old) {
        object_set_remove(&io->installed, old);
    }
}

/* The switch is not as we thought. */
static bool
is_surprise(enum ofperr error)
{
    return (error == OFPERR_OFPMMFC_METER_EXISTS
            || error == OFPERR_OFPMMFC_UNKNOWN_METER
            || error == OFPERR_OFPGMFC_UNKNOWN_GROUP);
}

bool
install_objects_confirm(struct install_objects *io,
                        const struct install_batch *batch, bool bundle_done)
{
    bool any_refused = false;

    for (size_t i = 0; i < batch->n_object_ops; i++) {
        const struct object_op *op = &batch->object_ops[i];

        if (op->error) {
            if (op->command == INSTALL_DELETE || is_surprise(op->error)) {
                io->suspicions++;
            } else {
                refuse(io, op->object, op->error);
                any_refused = true;
            }
        } else if (bundle_done || (op->object->kind == SN_METER && op->xid)) {
            confirm_op(io, op);
        } else {
            io->dirty = io->dirty_by_us = true;
        }
    }
    return any_refused;
}

bool
install_objects_block(const struct install_objects *io,
                      const struct sn_flow *flow)
{
    const struct shash_node *node;

    SHASH_FOR_EACH (node, &io->refused) {
        const struct sn_object *obj
            = ((const struct object_refusal *) node->data)->object;

        if (!object_set_find(&io->installed, obj->kind, obj->id)
            && sn_object_is_used_by(obj, flow->ofpacts, flow->ofpacts_len)) {
            return true;
        }
    }
    return false;
}

size_t
install_objects_n_refused(const struct install_objects *io)
{
    return shash_count(&io->refused);
}

/* Spoils what is remembered of them, so that they are seen as changed. */
void
install_objects_retry_refused(struct install_objects *io)
{
    struct shash_node *node;

    SHASH_FOR_EACH (node, &io->refused) {
        struct object_refusal *r = node->data;

        free(r->object->spec);
        r->object->spec = xstrdup("");
        io->dirty = io->dirty_by_us = true;
    }
}

void
install_objects_to_problems(const struct install_objects *io,
                            struct sset *problems)
{
    const struct shash_node *node;

    SHASH_FOR_EACH (node, &io->refused) {
        const struct object_refusal *r = node->data;
        struct ds s = DS_EMPTY_INITIALIZER;

        ds_put_format(&s, "the switch refuses %s %s (%s): ",
                      sn_object_kind_name(r->object->kind), r->object->name,
                      ofperr_to_string(r->error));
        sn_object_format(r->object, &s);
        sset_add(problems, ds_cstr(&s));
        ds_destroy(&s);
    }
}
