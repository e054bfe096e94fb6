#include <config.h>
#include "agent/agent.h"

#include <stdlib.h>

#include "agent/agent-private.h"
#include "agent/backend-watch.h"
#include "agent/central.h"
#include "agent/ct-count.h"
#include "openvswitch/dynamic-string.h"
#include "ovsdb-sync/service-status.h"
#include "state/model.h"
#include "state/service.h"
#include "util.h"

/* What the agent knows of services, to the central database and to unixctl. */

struct service_rows {
    struct status_service *rows;
    size_t n, allocated;
};

static void
rows_add(struct service_rows *list, const struct agent *a,
         const struct model_service *service,
         const struct model_container *container)
{
    struct status_service row = {
        .service = service->name, .backend = container->name,
    };
    struct backend_view view;

    row.connections = ct_count_get(a->connections, row.service, row.backend);
    if (!backend_watch_get(a->backends, row.service, row.backend, &view)) {
        if (!row.connections) {
            return;
        }
    } else if (view.known) {
        row.state = view.up ? "up" : "down";
        row.reason = view.reason;
    } else {
        row.keep_state = true;
    }
    if (list->n >= list->allocated) {
        list->rows = x2nrealloc(list->rows, &list->allocated,
                                sizeof *list->rows);
    }
    list->rows[list->n++] = row;
}

void
agent_report_services(struct agent *a, struct ovsdb_idl_txn *txn)
{
    const struct model *model = central_model(a->central);
    struct service_rows list = { NULL, 0, 0 };
    struct shash_node *node;

    if (!model) {
        return;
    }
    SHASH_FOR_EACH (node, &model->services) {
        const struct model_service *service = node->data;
        struct service_backend *backends;
        size_t n = service_get_backends(model, service, &backends);

        for (size_t i = 0; i < n; i++) {
            if (!i || backends[i].container != backends[i - 1].container) {
                rows_add(&list, a, service, backends[i].container);
            }
        }
        free(backends);
    }
    status_sync_services(txn, a->node, list.rows, list.n,
                         &a->next_service_counters_ms);
    free(list.rows);
}
