#include <config.h>

#include "ovsdb-sync/model-sync.h"

#include <inttypes.h>

#include "openvswitch/vlog.h"
#include "ovsdb-sync/fallback.h"
#include "ovsdb-sync/model-sync-private.h"
#include "ovsdb-sync/service-status.h"

VLOG_DEFINE_THIS_MODULE(model_sync_fallback);

void
model_sync_honour_fallback(struct model_sync *sync)
{
    sync->fallback = fallback_create();
}

bool
model_sync_is_fallen(const struct model_sync *sync)
{
    return sync->fallen;
}

/* Takes an object out of 'model'; NULL: it has none. */
static void *
model_take(struct model *model, enum model_kind kind, const char *key)
{
    if (kind != MODEL_MESH) {
        return shash_find_and_delete(model_table(model, kind), key);
    }
    struct model_mesh *mesh = model_object_create(MODEL_MESH);
    struct model_mesh old = *mesh;

    *mesh = model->mesh;
    model->mesh = old;
    return mesh;
}

/* Puts the state of before in the place of the one that nobody confirmed. */
static void
model_sync_fall(struct model_sync *sync, struct model_changes *changes)
{
    struct model *before = fallback_load(sync->fallback);
    struct model_changes diff;

    if (!before) {
        return;
    }
    VLOG_WARN("generation %"PRId64" was not confirmed in time: back to the "
              "state before it", sync->generation);
    model_changes_init(&diff);
    model_diff(sync->model, before, &diff);
    for (enum model_kind kind = 0; kind < MODEL_N_KINDS; kind++) {
        const char *key;

        SSET_FOR_EACH (key, &diff.keys[kind]) {
            void *object = model_take(before, kind, key);

            if (!object) {
                model_remove(sync->model, kind, key);
            } else {
                model_sync_apply_status(sync, kind, object);
                model_put(sync->model, kind, key, object);
            }
            model_changes_add(changes, kind, key);
        }
    }
    service_status_run(sync->idl, sync->model, sync->silence, true, changes);
    model_changes_destroy(&diff);
    model_destroy(before);
    sync->fallen = true;
}

/* Obeys the database again. */
static void
model_sync_rise(struct model_sync *sync, struct model_changes *changes)
{
    sync->fallen = false;
    model_sync_run_all(sync, changes);
    for (enum model_kind kind = MODEL_MESH + 1; kind < MODEL_N_KINDS;
         kind++) {
        struct shash_node *node;

        SHASH_FOR_EACH_SAFE (node, model_table(sync->model, kind)) {
            if (!shash_find(&sync->keys[kind], node->name)) {
                model_changes_add(changes, kind, node->name);
                model_remove(sync->model, kind, node->name);
            }
        }
    }
}

void
model_sync_run_fallback(struct model_sync *sync, const struct sndb_mesh *mesh,
                        bool live, struct model_changes *changes)
{
    if (!sync->fallback) {
        return;
    }
    fallback_run(sync->fallback, mesh, live);

    bool due = fallback_is_due(sync->fallback);
    if (due && !sync->fallen) {
        model_sync_fall(sync, changes);
    } else if (!due && sync->fallen) {
        model_sync_rise(sync, changes);
    }
}

bool
model_sync_is_due(const struct model_sync *sync)
{
    return sync->fallback && !sync->fallen
           && fallback_is_due(sync->fallback);
}

void
model_sync_wait(const struct model_sync *sync)
{
    if (sync->fallback) {
        fallback_wait(sync->fallback);
    }
}
