#include <config.h>

#include "ovsdb-sync/service-status.h"

#include <stdlib.h>
#include <string.h>

#include "ovsdb-idl.h"
#include "ovsdb-sync/socknet-idl.h"
#include "state/model.h"
#include "timeval.h"
#include "util.h"

#define COUNTERS_INTERVAL_MS 10000

void
service_status_add_columns(struct ovsdb_idl *idl)
{
    static const struct ovsdb_idl_column *const columns[] = {
        &sndb_service_status_col_node, &sndb_service_status_col_service,
        &sndb_service_status_col_backend, &sndb_service_status_col_state,
    };

    for (size_t i = 0; i < ARRAY_SIZE(columns); i++) {
        ovsdb_idl_track_add_column(idl, columns[i]);
    }
}

static bool
any_changed(struct ovsdb_idl *idl)
{
    const struct sndb_service_status *row;

    SNDB_SERVICE_STATUS_FOR_EACH_TRACKED (row, idl) {
        return true;
    }
    return false;
}

void
service_status_run(struct ovsdb_idl *idl, struct model *model, bool all,
                   struct model_changes *changes)
{
    struct shash down = SHASH_INITIALIZER(&down);
    const struct sndb_service_status *row;
    struct shash_node *node;

    if (!all && !any_changed(idl)) {
        return;
    }
    SHASH_FOR_EACH (node, &model->services) {
        struct sset *names = xmalloc(sizeof *names);
        sset_init(names);
        shash_add(&down, node->name, names);
    }
    SNDB_SERVICE_STATUS_FOR_EACH (row, idl) {
        struct sset *names = shash_find_data(&down, row->service);
        const struct model_container *container
            = model_get_container(model, row->backend);

        if (names && container && !strcmp(container->node, row->node)
            && row->state && !strcmp(row->state, "down")) {
            sset_add(names, row->backend);
        }
    }
    SHASH_FOR_EACH (node, &model->services) {
        struct model_service *service = node->data;
        struct sset *names = shash_find_and_delete(&down, node->name);

        if (!sset_equals(names, &service->down)) {
            sset_swap(names, &service->down);
            model_changes_add(changes, MODEL_SERVICE, node->name);
        }
        sset_destroy(names);
        free(names);
    }
    shash_destroy(&down);
}

static void
write_service(const struct sndb_service_status *row,
              const struct status_service *st, bool counters)
{
    if (!st->keep_state) {
        sndb_service_status_set_state(row, st->state);
        sndb_service_status_set_reason(row, st->reason && st->reason[0]
                                            ? st->reason : NULL);
    }
    if (counters || !st->connections || !row->connections) {
        sndb_service_status_set_connections(row, MAX(st->connections, 0));
    }
}

static char *
service_key(const char *service, const char *backend)
{
    return xasprintf("%s/%s", service, backend);
}

void
status_sync_services(struct ovsdb_idl_txn *txn, const char *node,
                     const struct status_service *services, size_t n,
                     long long int *next_counters_ms)
{
    struct ovsdb_idl *idl = ovsdb_idl_txn_get_idl(txn);
    bool counters = time_msec() >= *next_counters_ms;
    const struct sndb_service_status *row;
    struct shash rows = SHASH_INITIALIZER(&rows);
    struct shash_node *gone;

    SNDB_SERVICE_STATUS_FOR_EACH (row, idl) {
        if (!strcmp(row->node, node)) {
            shash_add_nocopy(&rows, service_key(row->service, row->backend),
                             row);
        }
    }
    for (size_t i = 0; i < n; i++) {
        char *key = service_key(services[i].service, services[i].backend);

        row = shash_find_and_delete(&rows, key);
        free(key);
        if (!row) {
            row = sndb_service_status_insert(txn);
            sndb_service_status_set_node(row, node);
            sndb_service_status_set_service(row, services[i].service);
            sndb_service_status_set_backend(row, services[i].backend);
        }
        write_service(row, &services[i], counters);
    }
    SHASH_FOR_EACH (gone, &rows) {
        sndb_service_status_delete(gone->data);
    }
    shash_destroy(&rows);
    if (counters) {
        *next_counters_ms = time_msec() + COUNTERS_INTERVAL_MS;
    }
}
