#include <config.h>

#include "cli/status-rows.h"

#include <stdlib.h>
#include <string.h>
#include "ovsdb-sync/socknet-idl.h"
#include "ovsdb-sync/status-sync.h"
#include "state/model.h"
#include "timeval.h"
#include "util.h"

const struct sndb_node_status *
status_rows_node(const struct ovsdb_idl *idl, const char *node)
{
    const struct sndb_node_status *row;

    SNDB_NODE_STATUS_FOR_EACH (row, idl) {
        if (!strcmp(row->node, node)) {
            return row;
        }
    }
    return NULL;
}

const struct sndb_bridge_status *
status_rows_bridge(const struct ovsdb_idl *idl, const char *node)
{
    const struct sndb_bridge_status *row;

    SNDB_BRIDGE_STATUS_FOR_EACH (row, idl) {
        if (!strcmp(row->node, node)) {
            return row;
        }
    }
    return NULL;
}

const struct sndb_exit_status *
status_rows_exit(const struct ovsdb_idl *idl, const char *node,
                 const struct model_exit *exit)
{
    const struct sndb_exit_status *row;
    char *name = (strcmp(exit->node, node)
                  ? xasprintf("%s/%s", exit->node, exit->name)
                  : xstrdup(exit->name));

    SNDB_EXIT_STATUS_FOR_EACH (row, idl) {
        if (!strcmp(row->node, node) && !strcmp(row->name, name)) {
            break;
        }
    }
    free(name);
    return row;
}

bool
status_rows_is_silent(int64_t seen)
{
    return time_wall() - seen > STATUS_SEEN_S;
}
