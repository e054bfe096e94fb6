#include <config.h>

#include "ovsdb-sync/model-apply.h"

#include <stdlib.h>

#include "bitmap.h"
#include "openvswitch/shash.h"
#include "ovsdb-idl-provider.h"
#include "ovsdb-idl.h"
#include "ovsdb-sync/model-rows.h"
#include "ovsdb-sync/socknet-idl.h"
#include "sset.h"

static void
model_apply_init(struct model_apply *apply)
{
    *apply = (struct model_apply) { .n_moved = 0 };
    for (size_t i = 0; i < MODEL_N_KINDS; i++) {
        svec_init(&apply->added[i]);
        svec_init(&apply->changed[i]);
        svec_init(&apply->removed[i]);
    }
}

void
model_apply_destroy(struct model_apply *apply)
{
    for (size_t i = 0; i < MODEL_N_KINDS; i++) {
        svec_destroy(&apply->added[i]);
        svec_destroy(&apply->changed[i]);
        svec_destroy(&apply->removed[i]);
    }
}

bool
model_apply_has_changes(const struct model_apply *apply)
{
    for (size_t i = 0; i < MODEL_N_KINDS; i++) {
        if (apply->added[i].n || apply->changed[i].n || apply->removed[i].n) {
            return true;
        }
    }
    return false;
}

bool
model_apply_is_empty(const struct model_apply *apply)
{
    return !apply->n_moved && !model_apply_has_changes(apply);
}

int64_t
model_apply_revision(const struct ovsdb_idl *idl)
{
    const struct sndb_mesh *mesh = sndb_mesh_first(idl);

    return mesh ? mesh->revision : 0;
}

enum row_difference { ROW_SAME, ROW_MOVED, ROW_CHANGED };

/* What the open transaction writes into 'row', which existed before it. */
static enum row_difference
row_difference(const struct model_rows *rows, const struct ovsdb_idl_row *row)
{
    enum row_difference difference = ROW_SAME;

    for (size_t i = 0; row->written && i < rows->table->n_columns; i++) {
        if (bitmap_is_set(row->written, i)) {
            if (!model_rows_is_aside(rows, &rows->table->columns[i])) {
                return ROW_CHANGED;
            }
            difference = ROW_MOVED;
        }
    }
    return difference;
}

static void
write_row(const struct model_rows *rows, const struct ovsdb_idl_row *row,
          const void *object, enum model_kind kind, const char *key,
          struct model_apply *apply)
{
    rows->write(row, object);
    switch (row_difference(rows, row)) {
    case ROW_SAME:
        break;
    case ROW_MOVED:
        apply->n_moved++;
        break;
    case ROW_CHANGED:
        svec_add(&apply->changed[kind], key);
        break;
    }
}

static void
compose_kind(struct ovsdb_idl_txn *txn, const struct model *model,
             enum model_kind kind, struct model_apply *apply)
{
    const struct model_rows *rows = model_rows_get(kind);
    const struct shash *objects
        = model_table(CONST_CAST(struct model *, model), kind);
    struct ovsdb_idl *idl = ovsdb_idl_txn_get_idl(txn);
    struct shash present = SHASH_INITIALIZER(&present);
    const struct ovsdb_idl_row *row;
    struct shash_node *node;

    for (row = ovsdb_idl_first_row(idl, rows->table); row;
         row = ovsdb_idl_next_row(row)) {
        shash_add_nocopy(&present, rows->key(row), row);
    }
    SHASH_FOR_EACH (node, objects) {
        row = shash_find_and_delete(&present, node->name);
        if (row) {
            write_row(rows, row, node->data, kind, node->name, apply);
        } else {
            row = ovsdb_idl_txn_insert(txn, rows->table, NULL);
            rows->write(row, node->data);
            svec_add(&apply->added[kind], node->name);
        }
    }
    SHASH_FOR_EACH (node, &present) {
        ovsdb_idl_txn_delete(node->data);
        svec_add(&apply->removed[kind], node->name);
    }
    shash_destroy(&present);

    svec_sort(&apply->added[kind]);
    svec_sort(&apply->changed[kind]);
    svec_sort(&apply->removed[kind]);
}

/* What nodes that are no more have reported. */
static void
delete_status(struct ovsdb_idl *idl, const struct sset *nodes)
{
    const struct sndb_node_status *node;
    const struct sndb_port_status *port;
    const struct sndb_peer_status *peer;
    const struct sndb_exit_status *exit;
    const struct sndb_client_status *client;
    const struct sndb_bridge_status *bridge;
    const struct sndb_service_status *service;
    const struct sndb_found_container *found;

    SNDB_FOUND_CONTAINER_FOR_EACH_SAFE (found, idl) {
        if (sset_contains(nodes, found->node)) {
            sndb_found_container_delete(found);
        }
    }
    SNDB_NODE_STATUS_FOR_EACH_SAFE (node, idl) {
        if (sset_contains(nodes, node->node)) {
            sndb_node_status_delete(node);
        }
    }
    SNDB_PORT_STATUS_FOR_EACH_SAFE (port, idl) {
        if (sset_contains(nodes, port->node)) {
            sndb_port_status_delete(port);
        }
    }
    SNDB_PEER_STATUS_FOR_EACH_SAFE (peer, idl) {
        if (sset_contains(nodes, peer->node)) {
            sndb_peer_status_delete(peer);
        }
    }
    SNDB_CLIENT_STATUS_FOR_EACH_SAFE (client, idl) {
        if (sset_contains(nodes, client->node)) {
            sndb_client_status_delete(client);
        }
    }
    SNDB_EXIT_STATUS_FOR_EACH_SAFE (exit, idl) {
        if (sset_contains(nodes, exit->node)) {
            sndb_exit_status_delete(exit);
        }
    }
    SNDB_SERVICE_STATUS_FOR_EACH_SAFE (service, idl) {
        if (sset_contains(nodes, service->node)) {
            sndb_service_status_delete(service);
        }
    }
    SNDB_BRIDGE_STATUS_FOR_EACH_SAFE (bridge, idl) {
        if (sset_contains(nodes, bridge->node)) {
            sndb_bridge_status_delete(bridge);
        }
    }
}

/* Whoever writes has seen the revision that he builds upon. */
static const struct sndb_mesh *
begin_revision(struct ovsdb_idl_txn *txn, struct model_apply *apply)
{
    const struct sndb_mesh *mesh
        = sndb_mesh_first(ovsdb_idl_txn_get_idl(txn));

    model_apply_init(apply);
    if (mesh) {
        sndb_mesh_verify_revision(mesh);
        apply->generation = mesh->generation;
        apply->revision = mesh->revision;
    }
    return mesh;
}

static void
end_revision(const struct sndb_mesh *mesh, struct model_apply *apply)
{
    if (model_apply_has_changes(apply)) {
        sndb_mesh_set_generation(mesh, ++apply->generation);
    }
    if (!model_apply_is_empty(apply)) {
        sndb_mesh_set_revision(mesh, apply->revision + 1);
    }
}

static const struct sndb_mesh *
compose_mesh(struct ovsdb_idl_txn *txn, const struct model *model,
             struct model_apply *apply)
{
    const struct model_rows *rows = model_rows_get(MODEL_MESH);
    const struct sndb_mesh *mesh = begin_revision(txn, apply);

    if (mesh) {
        write_row(rows, &mesh->header_, &model->mesh, MODEL_MESH, "", apply);
    } else {
        /* Of two that insert it, the second is refused: there is one row. */
        mesh = sndb_mesh_insert(txn);
        rows->write(&mesh->header_, &model->mesh);
        svec_add(&apply->added[MODEL_MESH], "");
    }
    return mesh;
}

void
model_apply_compose(struct ovsdb_idl_txn *txn, const struct model *model,
                    struct model_apply *apply)
{
    const struct sndb_mesh *mesh = compose_mesh(txn, model, apply);
    struct sset gone;

    for (enum model_kind kind = MODEL_MESH + 1; kind < MODEL_N_KINDS; kind++) {
        compose_kind(txn, model, kind, apply);
    }
    sset_init(&gone);
    sset_add_array(&gone, apply->removed[MODEL_NODE].names,
                   apply->removed[MODEL_NODE].n);
    delete_status(ovsdb_idl_txn_get_idl(txn), &gone);
    sset_destroy(&gone);
    end_revision(mesh, apply);
}

void
model_apply_compose_one(struct ovsdb_idl_txn *txn, enum model_kind kind,
                        const char *key, const void *object,
                        struct model_apply *apply)
{
    const struct model_rows *rows = model_rows_get(kind);
    const struct sndb_mesh *mesh = begin_revision(txn, apply);
    const struct ovsdb_idl_row *row
        = model_rows_find(ovsdb_idl_txn_get_idl(txn), kind, key);

    if (row && object) {
        write_row(rows, row, object, kind, key, apply);
    } else if (row) {
        ovsdb_idl_txn_delete(row);
        svec_add(&apply->removed[kind], key);
    } else if (object) {
        row = ovsdb_idl_txn_insert(txn, rows->table, NULL);
        rows->write(row, object);
        svec_add(&apply->added[kind], key);
    }
    if (mesh) {
        end_revision(mesh, apply);
    }
}
