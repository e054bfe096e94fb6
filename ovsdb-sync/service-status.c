#include <config.h>

#include "ovsdb-sync/service-status.h"

#include <stdlib.h>
#include <string.h>

#include "ovsdb-idl.h"
#include "ovsdb-sync/socknet-idl.h"
#include "ovsdb-sync/status-sync.h"
#include "state/model.h"
#include "state/service.h"
#include "timeval.h"
#include "util.h"

#define COUNTERS_INTERVAL_MS 10000

void
service_status_add_columns(struct ovsdb_idl *idl)
{
    static const struct ovsdb_idl_column *const columns[] = {
        &sndb_service_status_col_node, &sndb_service_status_col_service,
        &sndb_service_status_col_backend, &sndb_service_status_col_state,
        &sndb_node_status_col_node, &sndb_node_status_col_seen,
        &sndb_node_status_col_unreachable,
    };

    for (size_t i = 0; i < ARRAY_SIZE(columns); i++) {
        ovsdb_idl_track_add_column(idl, columns[i]);
    }
}

/* Silence. */

/* An agent is heard of every STATUS_SEEN_S / 3 while it can write. */
long long int node_silence_ms = (STATUS_SEEN_S + 10) * 1000LL;

struct heard {
    int64_t seen;               /* As the agent last wrote it... */
    long long int since_ms;     /* ...and when that came here. */
};

struct node_silence {
    struct shash nodes;         /* struct heard. */
    struct sset silent;
    struct sset views;          /* "NODE OTHER" that it does not reach. */
    bool was_connected;
};

struct node_silence *
node_silence_create(void)
{
    struct node_silence *ns = xzalloc(sizeof *ns);

    shash_init(&ns->nodes);
    sset_init(&ns->silent);
    sset_init(&ns->views);
    return ns;
}

void
node_silence_destroy(struct node_silence *ns)
{
    if (ns) {
        shash_destroy_free_data(&ns->nodes);
        sset_destroy(&ns->silent);
        sset_destroy(&ns->views);
        free(ns);
    }
}

/* Returns whether the silent ones are others now.  While the database is away,
 * everybody would be silent: nothing changes, and afterwards they all have
 * their time again. */
static bool
node_silence_run(struct node_silence *ns, struct ovsdb_idl *idl)
{
    struct sset silent = SSET_INITIALIZER(&silent);
    const struct sndb_node_status *row;
    long long int now = time_msec();
    bool connected = ovsdb_idl_is_connected(idl);
    bool back = connected && !ns->was_connected;

    ns->was_connected = connected;
    if (!connected) {
        sset_destroy(&silent);
        return false;
    }
    SNDB_NODE_STATUS_FOR_EACH (row, idl) {
        struct heard *h = shash_find_data(&ns->nodes, row->node);

        if (!h) {
            h = xmalloc(sizeof *h);
            *h = (struct heard) { .seen = row->seen, .since_ms = now };
            shash_add(&ns->nodes, row->node, h);
        } else if (h->seen != row->seen || back) {
            *h = (struct heard) { .seen = row->seen, .since_ms = now };
        } else if (now - h->since_ms >= node_silence_ms) {
            sset_add(&silent, row->node);
        }
    }
    bool changed = !sset_equals(&silent, &ns->silent);
    sset_swap(&silent, &ns->silent);
    sset_destroy(&silent);
    return changed;
}

/* Returns whether nodes see others than before. */
static bool
node_views_run(struct node_silence *ns, struct ovsdb_idl *idl)
{
    struct sset views = SSET_INITIALIZER(&views);
    const struct sndb_node_status *row;

    SNDB_NODE_STATUS_FOR_EACH (row, idl) {
        for (size_t i = 0; i < row->n_unreachable; i++) {
            sset_add_and_free(&views, xasprintf("%s %s", row->node,
                                                row->unreachable[i]));
        }
    }
    bool changed = !sset_equals(&views, &ns->views);
    sset_swap(&views, &ns->views);
    sset_destroy(&views);
    return changed;
}

/* Services. */

static bool
any_changed(struct ovsdb_idl *idl)
{
    const struct sndb_service_status *row;

    SNDB_SERVICE_STATUS_FOR_EACH_TRACKED (row, idl) {
        return true;
    }
    return false;
}

/* Names of the service's backends that are reported to be down. */
static void
collect_down(struct ovsdb_idl *idl, const struct model *model,
             struct shash *down)
{
    const struct sndb_service_status *row;

    SNDB_SERVICE_STATUS_FOR_EACH (row, idl) {
        const struct model_container *container
            = model_get_container(model, row->backend);

        if (container && !strcmp(container->node, row->node)
            && row->state && !strcmp(row->state, "down")) {
            struct sset *names = shash_find_data(down, row->service);

            if (!names) {
                names = xmalloc(sizeof *names);
                sset_init(names);
                shash_add(down, row->service, names);
            }
            sset_add(names, row->backend);
        }
    }
}

static void
collect_silent(const struct model *model, const struct node_silence *ns,
               const struct model_service *service, struct sset *names)
{
    struct service_backend *backends;
    size_t n = sset_is_empty(&ns->silent)
               ? 0 : service_get_backends(model, service, &backends);

    for (size_t i = 0; i < n; i++) {
        if (sset_contains(&ns->silent, backends[i].container->node)) {
            sset_add(names, backends[i].container->name);
        }
    }
    if (!sset_is_empty(&ns->silent)) {
        free(backends);
    }
}

/* Nodes that found another one unreachable do not send to it, though its
 * agent may have been heard of a moment ago. */
static void
collect_unheard(struct ovsdb_idl *idl, const struct model *model,
                const struct model_service *service, struct sset *keys)
{
    const struct sndb_node_status *row;
    struct service_backend *backends = NULL;
    size_t n = 0;

    SNDB_NODE_STATUS_FOR_EACH (row, idl) {
        if (row->n_unreachable && !backends) {
            n = service_get_backends(model, service, &backends);
        }
        for (size_t i = 0; row->n_unreachable && i < n; i++) {
            const struct model_container *container = backends[i].container;

            for (size_t j = 0; j < row->n_unreachable; j++) {
                if (!strcmp(row->unreachable[j], container->node)) {
                    sset_add_and_free(keys, service_unheard_key(
                        row->node, container->name));
                }
            }
        }
    }
    free(backends);
}

/* Returns whether 'now' is another set; takes it over. */
static bool
set_names(struct sset *names, struct sset *now)
{
    bool changed = !sset_equals(names, now);

    sset_swap(names, now);
    return changed;
}

void
service_status_run(struct ovsdb_idl *idl, struct model *model,
                   struct node_silence *ns, bool all,
                   struct model_changes *changes)
{
    bool silence_changed = node_silence_run(ns, idl);
    bool views_changed = node_views_run(ns, idl);
    struct shash down = SHASH_INITIALIZER(&down);
    struct shash_node *node;

    if (!all && !silence_changed && !views_changed && !any_changed(idl)) {
        return;
    }
    collect_down(idl, model, &down);
    SHASH_FOR_EACH (node, &model->services) {
        struct model_service *service = node->data;
        const struct sset *names = shash_find_data(&down, node->name);
        struct sset now_down, silent = SSET_INITIALIZER(&silent);
        struct sset unheard = SSET_INITIALIZER(&unheard);

        if (names) {
            sset_clone(&now_down, names);
        } else {
            sset_init(&now_down);
        }
        collect_silent(model, ns, service, &silent);
        collect_unheard(idl, model, service, &unheard);
        bool down_changed = set_names(&service->down, &now_down);
        bool silent_changed = set_names(&service->silent, &silent);
        bool unheard_changed = set_names(&service->unheard, &unheard);

        if (down_changed || silent_changed || unheard_changed) {
            model_changes_add(changes, MODEL_SERVICE, node->name);
        }
        sset_destroy(&now_down);
        sset_destroy(&silent);
        sset_destroy(&unheard);
    }
    SHASH_FOR_EACH (node, &down) {
        sset_destroy(node->data);
    }
    shash_destroy_free_data(&down);
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
