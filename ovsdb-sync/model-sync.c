#include <config.h>

#include "ovsdb-sync/model-sync.h"

#include <stdlib.h>
#include <string.h>

#include "hash.h"
#include "hmapx.h"
#include "openvswitch/hmap.h"
#include "openvswitch/vlog.h"
#include "ovsdb-idl.h"
#include "ovsdb-sync/exit-views.h"
#include "ovsdb-sync/fallback.h"
#include "ovsdb-sync/found.h"
#include "ovsdb-sync/model-rows.h"
#include "ovsdb-sync/model-sync-private.h"
#include "ovsdb-sync/service-status.h"
#include "ovsdb-sync/socknet-idl.h"
#include "packets.h"
#include "state/model.h"
#include "state/port-name.h"
#include "util.h"
#include "uuid.h"

VLOG_DEFINE_THIS_MODULE(model_sync);

static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(5, 20);

/* Which object a row stands for: what the row was named when it was read. */
struct row_entry {
    struct hmap_node hmap_node; /* In 'rows', by 'uuid'. */
    struct uuid uuid;
    enum model_kind kind;
    char *key;
    bool gone;                  /* Deleted in this run. */
};

/* A row of Port_Status that names a container. */
struct port_entry {
    struct hmap_node uuid_node; /* In 'ports', by 'uuid'. */
    struct hmap_node owner_node; /* In 'port_owners', by 'container'. */
    struct uuid uuid;
    char *node;
    char *container;
    char *name;                 /* Of the interface. */
    struct eth_addr mac;
    bool up;
    bool quarantined;
};

void
model_sync_add_columns(struct ovsdb_idl *idl)
{
    static const struct ovsdb_idl_column *const port_columns[] = {
        &sndb_port_status_col_node, &sndb_port_status_col_container,
        &sndb_port_status_col_mac, &sndb_port_status_col_state,
        &sndb_port_status_col_name,
    };

    model_rows_add_columns(idl);
    found_add_columns(idl);
    for (size_t i = 0; i < ARRAY_SIZE(port_columns); i++) {
        ovsdb_idl_track_add_column(idl, port_columns[i]);
    }
    exit_views_add_columns(idl);
    service_status_add_columns(idl);
}

struct model_sync *
model_sync_create(struct ovsdb_idl *idl)
{
    struct model_sync *sync = xzalloc(sizeof *sync);

    sync->idl = idl;
    sync->model = model_create();
    hmap_init(&sync->rows);
    for (size_t i = 0; i < MODEL_N_KINDS; i++) {
        shash_init(&sync->keys[i]);
    }
    sync->silence = node_silence_create();
    hmap_init(&sync->ports);
    hmap_init(&sync->port_owners);
    exit_views_init(&sync->exits);
    machine_ports_init(&sync->machines);
    return sync;
}

static void
row_entry_remove(struct model_sync *sync, struct row_entry *entry)
{
    hmap_remove(&sync->rows, &entry->hmap_node);
    free(entry->key);
    free(entry);
}

static void
port_entry_remove(struct model_sync *sync, struct port_entry *port)
{
    hmap_remove(&sync->ports, &port->uuid_node);
    hmap_remove(&sync->port_owners, &port->owner_node);
    free(port->node);
    free(port->container);
    free(port->name);
    free(port);
}

void
model_sync_destroy(struct model_sync *sync)
{
    struct row_entry *entry;
    struct port_entry *port;

    if (!sync) {
        return;
    }
    HMAP_FOR_EACH_SAFE (entry, hmap_node, &sync->rows) {
        row_entry_remove(sync, entry);
    }
    HMAP_FOR_EACH_SAFE (port, uuid_node, &sync->ports) {
        port_entry_remove(sync, port);
    }
    hmap_destroy(&sync->rows);
    for (size_t i = 0; i < MODEL_N_KINDS; i++) {
        shash_destroy(&sync->keys[i]);
    }
    hmap_destroy(&sync->ports);
    hmap_destroy(&sync->port_owners);
    exit_views_destroy(&sync->exits);
    machine_ports_destroy(&sync->machines);
    fallback_destroy(sync->fallback);
    model_destroy(sync->model);
    node_silence_destroy(sync->silence);
    free(sync);
}

const struct model *
model_sync_model(const struct model_sync *sync)
{
    return sync->model;
}

int64_t
model_sync_generation(const struct model_sync *sync)
{
    /* The state before is that of the generation before. */
    return sync->generation - sync->fallen;
}

/* What the agents saw of containers. */

static struct port_entry *
port_entry_find(const struct model_sync *sync, const struct uuid *uuid)
{
    struct port_entry *port;

    HMAP_FOR_EACH_WITH_HASH (port, uuid_node, uuid_hash(uuid), &sync->ports) {
        if (uuid_equals(&port->uuid, uuid)) {
            return port;
        }
    }
    return NULL;
}

/* Gives 'ct' the status that its own node's agent reports; what other nodes
 * claim to have seen of it does not count.  Returns whether that changes it.
 */
static bool
container_apply_status(const struct model_sync *sync,
                       struct model_container *ct)
{
    const struct port_entry *port, *best = NULL;
    struct eth_addr mac = eth_addr_zero;
    bool quarantined = false;
    const char *name = NULL;

    HMAP_FOR_EACH_WITH_HASH (port, owner_node, hash_string(ct->name, 0),
                             &sync->port_owners) {
        if (strcmp(port->container, ct->name)
            || strcmp(port->node, ct->node)) {
            continue;
        }
        quarantined |= port->quarantined;
        if (!eth_addr_is_zero(port->mac) && (!best || port->up)) {
            best = port;
        }
        /* Of several, which would be the agent's mistake, the first. */
        if (!port_name_is_unknown(port->name)
            && (!name || strcmp(port->name, name) < 0)) {
            name = port->name;
        }
    }
    if (best) {
        mac = best->mac;
    }

    bool changed = (!eth_addr_equals(mac, ct->seen_hwaddr)
                    || quarantined != ct->quarantined);
    ct->seen_hwaddr = mac;
    ct->quarantined = quarantined;
    return model_container_set_port(ct, name) || changed;
}

static void
container_status_changed(struct model_sync *sync, const char *name,
                         struct model_changes *changes)
{
    struct model_container *ct = shash_find_data(&sync->model->containers,
                                                 name);
    if (ct && container_apply_status(sync, ct)) {
        model_changes_add(changes, MODEL_CONTAINER, name);
    }
}

static void
port_entry_add(struct model_sync *sync, const struct sndb_port_status *row)
{
    struct port_entry *port = xzalloc(sizeof *port);

    port->uuid = row->header_.uuid;
    port->node = xstrdup(row->node);
    port->container = xstrdup(row->container);
    port->name = xstrdup(row->name);
    port->up = !strcmp(row->state, "up");
    port->quarantined = !strcmp(row->state, "quarantine");
    if (row->mac && !eth_addr_from_string(row->mac, &port->mac)) {
        port->mac = eth_addr_zero;
    }
    hmap_insert(&sync->ports, &port->uuid_node, uuid_hash(&port->uuid));
    hmap_insert(&sync->port_owners, &port->owner_node,
                hash_string(port->container, 0));
}

/* Adds the containers whose status this can change to 'touched'. */
static void
port_changed(struct model_sync *sync, const struct sndb_port_status *row,
             bool deleted, struct sset *touched)
{
    struct port_entry *old = port_entry_find(sync, &row->header_.uuid);

    if (old) {
        sset_add(touched, old->container);
        port_entry_remove(sync, old);
    }
    if (!deleted && row->container) {
        sset_add(touched, row->container);
        port_entry_add(sync, row);
    }
}

/* Desired rows. */

static struct row_entry *
row_entry_find(const struct model_sync *sync, const struct uuid *uuid)
{
    struct row_entry *entry;

    HMAP_FOR_EACH_WITH_HASH (entry, hmap_node, uuid_hash(uuid), &sync->rows) {
        if (uuid_equals(&entry->uuid, uuid)) {
            return entry;
        }
    }
    return NULL;
}

static const void *
model_find(const struct model *model, enum model_kind kind, const char *key)
{
    return kind == MODEL_MESH
           ? &model->mesh
           : shash_find_data(model_table(CONST_CAST(struct model *, model),
                                         kind), key);
}

/* 'entry' is no longer the row of its key.  If no other row is either, the
 * object is gone. */
static void
row_entry_release_key(struct model_sync *sync, struct row_entry *entry,
                      struct model_changes *changes)
{
    struct shash *keys = &sync->keys[entry->kind];

    if (shash_find_data(keys, entry->key) == entry) {
        shash_find_and_delete(keys, entry->key);
        model_remove(sync->model, entry->kind, entry->key);
        model_changes_add(changes, entry->kind, entry->key);
    }
}

/* Returns the entry of a row of 'kind' that is there, now called 'key'. */
static struct row_entry *
row_entry_claim(struct model_sync *sync, enum model_kind kind,
                const struct uuid *uuid, const char *key,
                struct model_changes *changes)
{
    struct row_entry *entry = row_entry_find(sync, uuid);

    if (!entry) {
        entry = xzalloc(sizeof *entry);
        entry->uuid = *uuid;
        entry->kind = kind;
        entry->key = xstrdup(key);
        hmap_insert(&sync->rows, &entry->hmap_node, uuid_hash(uuid));
    } else if (strcmp(entry->key, key)) {
        row_entry_release_key(sync, entry, changes);
        free(entry->key);
        entry->key = xstrdup(key);
    }
    entry->gone = false;
    shash_replace(&sync->keys[kind], key, entry);
    return entry;
}

void
model_sync_apply_status(const struct model_sync *sync, enum model_kind kind,
                        void *object)
{
    if (kind == MODEL_CONTAINER) {
        container_apply_status(sync, object);
    } else if (kind == MODEL_EXIT) {
        exit_views_apply(&sync->exits, object);
    } else if (kind == MODEL_NODE) {
        machine_ports_apply(&sync->machines, object);
    }
}

/* A new row, or one that changed.  Whether that changes its object is found
 * out by comparing the object with the old one ('compare'), or else by which
 * columns are tracked as changed. */
static void
row_present(struct model_sync *sync, enum model_kind kind,
            const struct ovsdb_idl_row *row, bool compare,
            struct model_changes *changes)
{
    const struct model_rows *rows = model_rows_get(kind);
    char *error;
    void *object = rows->read(row, &error);
    char *key = rows->key(row);

    if (!object) {
        /* Only a hand-written row can be like that.  Keeping what was there is
         * safer than to act as if there were no such object. */
        VLOG_WARN_RL(&rl, "%s %s: %s; the row is ignored",
                     model_kind_to_string(kind), key, error);
        struct row_entry *entry = row_entry_find(sync, &row->uuid);
        if (entry) {
            entry->gone = false;
        }
        free(error);
        free(key);
        return;
    }
    model_sync_apply_status(sync, kind, object);

    compare |= !row_entry_find(sync, &row->uuid);
    row_entry_claim(sync, kind, &row->uuid, key, changes);
    const void *old = model_find(sync->model, kind, key);
    if (!old || (compare ? !model_object_equals(kind, old, object)
                         : model_rows_is_content_updated(rows, row))) {
        model_changes_add(changes, kind, key);
    }
    model_put(sync->model, kind, key, object);
    free(key);
}

/* What the agents say of virtual machines' ports. */
static void
machines_run(struct model_sync *sync, struct model_changes *changes)
{
    struct shash_node *node;

    machine_ports_read(&sync->machines, sync->idl);
    SHASH_FOR_EACH (node, &sync->model->nodes) {
        if (machine_ports_apply(&sync->machines, node->data)) {
            model_changes_add(changes, MODEL_NODE, node->name);
        }
    }
}

/* What the agents say of exits, for exits that are there already. */
static void
exits_run(struct model_sync *sync, struct model_changes *changes)
{
    struct shash_node *node;

    exit_views_read(&sync->exits, sync->idl);
    SHASH_FOR_EACH (node, &sync->model->exits) {
        if (exit_views_apply(&sync->exits, node->data)) {
            model_changes_add(changes, MODEL_EXIT, node->name);
        }
    }
}

static bool
row_is_deleted(const struct ovsdb_idl_row *row)
{
    return ovsdb_idl_row_get_seqno(row, OVSDB_IDL_CHANGE_DELETE) > 0;
}

/* Removes the objects of those rows in 'gone' that did not come again, and
 * destroys 'gone'. */
static void
remove_gone(struct model_sync *sync, struct hmapx *gone,
            struct model_changes *changes)
{
    struct hmapx_node *node;

    HMAPX_FOR_EACH (node, gone) {
        struct row_entry *entry = node->data;

        if (entry->gone) {
            row_entry_release_key(sync, entry, changes);
            row_entry_remove(sync, entry);
        }
    }
    hmapx_destroy(gone);
}

void
model_sync_run_all(struct model_sync *sync, struct model_changes *changes)
{
    const struct sndb_port_status *port;
    struct port_entry *old;
    struct row_entry *entry;
    struct hmapx gone = HMAPX_INITIALIZER(&gone);
    struct sset touched = SSET_INITIALIZER(&touched);
    const char *name;

    HMAP_FOR_EACH_SAFE (old, uuid_node, &sync->ports) {
        sset_add(&touched, old->container);
        port_entry_remove(sync, old);
    }
    HMAP_FOR_EACH (entry, hmap_node, &sync->rows) {
        entry->gone = true;
        hmapx_add(&gone, entry);
    }

    /* Status first, so that each container is built once. */
    SNDB_PORT_STATUS_FOR_EACH (port, sync->idl) {
        port_changed(sync, port, false, &touched);
    }
    exits_run(sync, changes);
    machines_run(sync, changes);
    for (enum model_kind kind = 0; kind < MODEL_N_KINDS; kind++) {
        const struct ovsdb_idl_table_class *table
            = model_rows_get(kind)->table;
        const struct ovsdb_idl_row *row;

        for (row = ovsdb_idl_first_row(sync->idl, table); row;
             row = ovsdb_idl_next_row(row)) {
            row_present(sync, kind, row, true, changes);
        }
    }
    remove_gone(sync, &gone, changes);
    SSET_FOR_EACH (name, &touched) {
        container_status_changed(sync, name, changes);
    }
    service_status_run(sync->idl, sync->model, sync->silence, true, changes);
    sset_destroy(&touched);
}

/* Rows of 'kind': those that are gone and then those that are there, since an
 * object may have a new row by the same name. */
static void
run_tracked(struct model_sync *sync, enum model_kind kind,
            struct model_changes *changes)
{
    const struct ovsdb_idl_table_class *table = model_rows_get(kind)->table;
    const struct ovsdb_idl_row *row;
    struct hmapx gone = HMAPX_INITIALIZER(&gone);

    for (row = ovsdb_idl_track_get_first(sync->idl, table); row;
         row = ovsdb_idl_track_get_next(row)) {
        struct row_entry *entry = row_entry_find(sync, &row->uuid);

        if (entry && row_is_deleted(row)) {
            entry->gone = true;
            hmapx_add(&gone, entry);
        }
    }
    for (row = ovsdb_idl_track_get_first(sync->idl, table); row;
         row = ovsdb_idl_track_get_next(row)) {
        if (!row_is_deleted(row)) {
            /* After a reconnect, every row can be a new one and still say what
             * the old one said. */
            bool compare
                = ovsdb_idl_row_get_seqno(row, OVSDB_IDL_CHANGE_INSERT) > 0;

            row_present(sync, kind, row, compare, changes);
        }
    }
    remove_gone(sync, &gone, changes);
}

static void
run_changes(struct model_sync *sync, struct model_changes *changes)
{
    const struct sndb_port_status *port;
    struct sset touched = SSET_INITIALIZER(&touched);
    const char *name;

    SNDB_PORT_STATUS_FOR_EACH_TRACKED (port, sync->idl) {
        port_changed(sync, port, row_is_deleted(&port->header_), &touched);
    }
    if (exit_views_are_stale(sync->idl)) {
        exits_run(sync, changes);
    }
    if (machine_ports_are_stale(&sync->machines, sync->idl)) {
        machines_run(sync, changes);
    }
    /* Desired rows do not count while they are not obeyed. */
    for (enum model_kind kind = 0; !sync->fallen && kind < MODEL_N_KINDS;
         kind++) {
        run_tracked(sync, kind, changes);
    }
    SSET_FOR_EACH (name, &touched) {
        container_status_changed(sync, name, changes);
    }
    service_status_run(sync->idl, sync->model, sync->silence,
                       !sset_is_empty(&changes->keys[MODEL_SERVICE])
                       || !sset_is_empty(&changes->keys[MODEL_CONTAINER]),
                       changes);
    sset_destroy(&touched);
}

/* A database that has never seen an apply, where there was one that had, is a
 * new and empty file: somebody is about to fill it.  To obey it would mean to
 * take the network down. */
static bool
model_sync_must_hold(const struct model_sync *sync, int64_t generation)
{
    return sync->generation > 0 && generation == 0;
}

/* After a reconnect to a server that does not know what we have seen, all rows
 * are new ones, and the IDL does not tell which of the old ones did not come
 * again.  There is always a row of Mesh. */
static bool
contents_are_new(const struct sndb_mesh *mesh)
{
    return mesh && ovsdb_idl_row_get_seqno(&mesh->header_,
                                           OVSDB_IDL_CHANGE_INSERT) > 0;
}

bool
model_sync_run(struct model_sync *sync, struct model_changes *changes)
{
    const struct sndb_mesh *mesh;
    int64_t generation;

    if (!ovsdb_idl_has_ever_connected(sync->idl)) {
        return false;
    }
    mesh = sndb_mesh_first(sync->idl);
    generation = mesh ? mesh->generation : 0;
    if (model_sync_must_hold(sync, generation)) {
        if (!sync->hold) {
            VLOG_WARN("the database is empty, where it was at generation "
                      "%"PRId64"; what it said then stays in force",
                      sync->generation);
        }
        sync->hold = true;
        return true;
    }

    bool live = sync->read_once;
    if (!sync->read_once || sync->hold || contents_are_new(mesh)) {
        sync->fallen = false;
        model_sync_run_all(sync, changes);
        changes->all = changes->all || !sync->read_once;
        sync->read_once = true;
        sync->hold = false;
    } else {
        run_changes(sync, changes);
    }
    if (generation < sync->generation) {
        VLOG_WARN("the database went back from generation %"PRId64" to "
                  "%"PRId64": it was replaced or restored",
                  sync->generation, generation);
    }
    sync->generation = generation;
    model_sync_run_fallback(sync, mesh, live, changes);
    found_run(sync->idl, sync->model, &sync->has_adopted, changes);
    return true;
}
