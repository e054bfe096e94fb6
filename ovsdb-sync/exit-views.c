#include <config.h>

#include "ovsdb-sync/exit-views.h"

#include <stdlib.h>
#include <string.h>

#include "ovsdb-idl.h"
#include "ovsdb-sync/socknet-idl.h"
#include "sset.h"
#include "state/model.h"
#include "util.h"

void
exit_views_init(struct exit_views *views)
{
    shash_init(&views->down);
}

static void
exit_views_clear(struct exit_views *views)
{
    struct shash_node *node;

    SHASH_FOR_EACH_SAFE (node, &views->down) {
        sset_destroy(node->data);
        free(node->data);
        shash_delete(&views->down, node);
    }
}

void
exit_views_destroy(struct exit_views *views)
{
    exit_views_clear(views);
    shash_destroy(&views->down);
}

void
exit_views_add_columns(struct ovsdb_idl *idl)
{
    static const struct ovsdb_idl_column *const columns[] = {
        &sndb_exit_status_col_node, &sndb_exit_status_col_name,
        &sndb_exit_status_col_state,
    };

    for (size_t i = 0; i < ARRAY_SIZE(columns); i++) {
        ovsdb_idl_track_add_column(idl, columns[i]);
    }
}

bool
exit_views_are_stale(const struct ovsdb_idl *idl)
{
    return ovsdb_idl_track_get_first(idl, &sndb_table_exit_status) != NULL;
}

void
exit_views_read(struct exit_views *views, const struct ovsdb_idl *idl)
{
    const struct sndb_exit_status *row;

    exit_views_clear(views);
    SNDB_EXIT_STATUS_FOR_EACH (row, idl) {
        if (strcmp(row->state, "down")) {
            continue;
        }
        char *key = (strchr(row->name, '/') ? xstrdup(row->name)
                     : xasprintf("%s/%s", row->node, row->name));
        struct sset *nodes = shash_find_data(&views->down, key);

        if (!nodes) {
            nodes = xmalloc(sizeof *nodes);
            sset_init(nodes);
            shash_add(&views->down, key, nodes);
        }
        sset_add(nodes, row->node);
        free(key);
    }
}

bool
exit_views_apply(const struct exit_views *views, struct model_exit *exit)
{
    static const struct sset none = SSET_INITIALIZER(&none);
    char *key = xasprintf("%s/%s", exit->node, exit->name);
    const struct sset *nodes = shash_find_data(&views->down, key);

    free(key);
    nodes = nodes ? nodes : &none;
    if (sset_equals(nodes, &exit->down_at)) {
        return false;
    }
    sset_destroy(&exit->down_at);
    sset_clone(&exit->down_at, nodes);
    return true;
}
