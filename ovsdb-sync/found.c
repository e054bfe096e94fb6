#include <config.h>

#include "ovsdb-sync/found.h"

#include <stdlib.h>
#include <string.h>

#include "lib/host-bridge.h"
#include "openvswitch/shash.h"
#include "ovsdb-idl.h"
#include "ovsdb-sync/socknet-idl.h"
#include "packets.h"
#include "state/adopt.h"
#include "state/model.h"
#include "svec.h"
#include "util.h"

void
found_add_columns(struct ovsdb_idl *idl)
{
    for (size_t i = 0; i < SNDB_FOUND_CONTAINER_N_COLUMNS; i++) {
        ovsdb_idl_track_add_column(idl, &sndb_found_container_columns[i]);
    }
}

static bool
is_stale(struct ovsdb_idl *idl, const struct model_changes *changes)
{
    static const enum model_kind kinds[] = {
        MODEL_MESH, MODEL_NODE, MODEL_CONTAINER, MODEL_SEGMENT, MODEL_SERVICE,
    };
    const struct sndb_found_container *row;

    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        if (!sset_is_empty(&changes->keys[kinds[i]])) {
            return true;
        }
    }
    SNDB_FOUND_CONTAINER_FOR_EACH_TRACKED (row, idl) {
        return true;
    }
    return changes->all;
}

/* NULL if the row makes no sense. */
static struct model_container *
found_read(const struct sndb_found_container *row)
{
    struct model_container *c = model_object_create(MODEL_CONTAINER);
    bool ok = true;

    c->name = xstrdup(row->name);
    c->id = xstrdup(row->id);
    c->node = xstrdup(row->node);
    c->bridge = xstrdup(SN_BRIDGE);
    c->veth = xstrdup(row->veth);
    c->adopted = true;
    c->has_hwaddr = eth_addr_from_string(row->mac, &c->hwaddr);
    c->addresses = xcalloc(row->n_addresses + 1, sizeof *c->addresses);
    for (size_t i = 0; i < row->n_addresses; i++) {
        char *error = sn_prefix_parse(row->addresses[i],
                                      &c->addresses[c->n_addresses++]);
        ok &= !error;
        free(error);
    }
    if (!ok || !c->has_hwaddr) {
        model_object_free(MODEL_CONTAINER, c);
        return NULL;
    }
    return c;
}

/* Takes the adopted containers out of the model. */
static void
take_adopted(struct model *model, struct shash *old)
{
    struct shash_node *node;

    SHASH_FOR_EACH_SAFE (node, &model->containers) {
        struct model_container *c = node->data;

        if (c->adopted) {
            shash_add(old, node->name, c);
            shash_delete(&model->containers, node);
        }
    }
}

/* In an order that is the same on every host: of two that cannot both be, the
 * first is. */
static void
adopt_all(struct ovsdb_idl *idl, struct model *model)
{
    struct shash rows = SHASH_INITIALIZER(&rows);
    const struct sndb_found_container *row;
    const struct shash_node **nodes;

    SNDB_FOUND_CONTAINER_FOR_EACH (row, idl) {
        char *key = xasprintf("%s/%s", row->node, row->veth);

        shash_add_nocopy(&rows, key, row);
    }
    nodes = shash_sort(&rows);
    for (size_t i = 0; i < shash_count(&rows); i++) {
        struct model_container *c = found_read(nodes[i]->data);
        char *reason = c ? adopt_check(model, c) : xstrdup("");

        if (reason) {           /* The node's own agent says why. */
            model_object_free(MODEL_CONTAINER, c);
            free(reason);
            continue;
        }
        adopt_set_tags(&model->mesh, c);
        model_put(model, MODEL_CONTAINER, c->name, c);
    }
    free(nodes);
    shash_destroy(&rows);
}

void
found_run(struct ovsdb_idl *idl, struct model *model, bool *has_adopted,
          struct model_changes *changes)
{
    struct shash old = SHASH_INITIALIZER(&old);
    struct shash_node *node;

    /* Most fleets have none, and many containers. */
    if (!is_stale(idl, changes)
        || (!*has_adopted && !sndb_found_container_first(idl))) {
        return;
    }
    *has_adopted = false;
    take_adopted(model, &old);
    if (model->mesh.adopt) {
        adopt_all(idl, model);
    }
    SHASH_FOR_EACH (node, &old) {
        const struct model_container *now = model_get_container(model,
                                                                node->name);
        if (!now || !model_object_equals(MODEL_CONTAINER, now, node->data)) {
            model_changes_add(changes, MODEL_CONTAINER, node->name);
        }
    }
    SHASH_FOR_EACH (node, &model->containers) {
        const struct model_container *c = node->data;

        *has_adopted |= c->adopted;
        if (c->adopted && !shash_find(&old, node->name)) {
            model_changes_add(changes, MODEL_CONTAINER, node->name);
        }
    }
    SHASH_FOR_EACH (node, &old) {
        model_object_free(MODEL_CONTAINER, node->data);
    }
    shash_destroy(&old);
}

static void
found_write(const struct sndb_found_container *row,
            const struct model_container *c)
{
    struct svec addresses = SVEC_EMPTY_INITIALIZER;
    char mac[ETH_ADDR_STRLEN + 1];

    for (size_t i = 0; i < c->n_addresses; i++) {
        svec_add_nocopy(&addresses, sn_prefix_to_string(&c->addresses[i]));
    }
    svec_sort(&addresses);
    snprintf(mac, sizeof mac, ETH_ADDR_FMT, ETH_ADDR_ARGS(c->hwaddr));
    sndb_found_container_set_id(row, c->id);
    sndb_found_container_set_name(row, c->name);
    sndb_found_container_set_mac(row, mac);
    sndb_found_container_set_addresses(
        row, CONST_CAST(const char **, addresses.names), addresses.n);
    svec_destroy(&addresses);
}

void
status_sync_found(struct ovsdb_idl_txn *txn, const char *node,
                  const struct model_container *const containers[], size_t n)
{
    struct ovsdb_idl *idl = ovsdb_idl_txn_get_idl(txn);
    const struct sndb_found_container *row;
    struct shash rows = SHASH_INITIALIZER(&rows);
    struct shash_node *gone;

    SNDB_FOUND_CONTAINER_FOR_EACH (row, idl) {
        if (!strcmp(row->node, node)) {
            shash_add(&rows, row->veth, row);
        }
    }
    for (size_t i = 0; i < n; i++) {
        row = shash_find_and_delete(&rows, containers[i]->veth);
        if (!row) {
            row = sndb_found_container_insert(txn);
            sndb_found_container_set_node(row, node);
            sndb_found_container_set_veth(row, containers[i]->veth);
        }
        found_write(row, containers[i]);
    }
    SHASH_FOR_EACH (gone, &rows) {
        sndb_found_container_delete(gone->data);
    }
    shash_destroy(&rows);
}
