#include <config.h>

#include "ovsdb-sync/model-rows-private.h"

#include <stdlib.h>
#include <string.h>

#include "openvswitch/dynamic-string.h"
#include "ovsdb-idl.h"
#include "ovsdb-sync/socknet-idl.h"
#include "smap.h"
#include "state/model.h"
#include "util.h"

/* Exits.  Of a probe the row has what the operator wrote, and no defaults. */

static void
probe_read(const struct smap *row, struct model_probe *probe)
{
    const char *targets = smap_get(row, "targets");
    const char *seen_by = smap_get(row, "seen_by");

    probe->disabled = !smap_get_bool(row, "enabled", true);
    svec_parse_words(&probe->targets, targets ? targets : "");
    probe->interval_s = smap_get_uint(row, "interval", 0);
    probe->down_after = smap_get_uint(row, "down_after", 0);
    probe->up_after = smap_get_uint(row, "up_after", 0);
    probe->seen_by = nullable_xstrdup(seen_by);
}

static void
probe_put_number(struct smap *row, const char *key, uint32_t number)
{
    if (number) {
        smap_add_format(row, key, "%"PRIu32, number);
    }
}

static void
exit_write_probe(const struct sndb_exit *row, const struct model_probe *probe)
{
    struct smap smap = SMAP_INITIALIZER(&smap);

    if (probe->disabled) {
        smap_add(&smap, "enabled", "false");
    }
    if (probe->targets.n) {
        smap_add_nocopy(&smap, xstrdup("targets"),
                        svec_join(&probe->targets, " ", ""));
    }
    probe_put_number(&smap, "interval", probe->interval_s);
    probe_put_number(&smap, "down_after", probe->down_after);
    probe_put_number(&smap, "up_after", probe->up_after);
    if (probe->seen_by) {
        smap_add(&smap, "seen_by", probe->seen_by);
    }
    sndb_exit_set_probe(row, &smap);
    smap_destroy(&smap);
}

static char *
exit_key(const struct ovsdb_idl_row *row_)
{
    const struct sndb_exit *row = SNDB_ROW(exit, row_);

    return xasprintf("%s/%s", row->node, row->name);
}

void
model_rows_socks_read(const struct smap *row, struct model_socks *socks)
{
    const char *listen = smap_get(row, "listen");
    const char *exits = smap_get(row, "exits");
    const char *allow = smap_get(row, "allow");

    socks->enabled = smap_get(row, "port") != NULL;
    socks->port = smap_get_uint(row, "port", 0);
    if (listen) {
        char *error = sn_prefix_parse(listen, &socks->listen);

        socks->enabled &= !error;
        free(error);
    }
    svec_parse_words(&socks->exits, exits ? exits : "");
    svec_parse_words(&socks->allow, allow ? allow : "");
}

static void
socks_put_list(struct smap *row, const char *key, const struct svec *list)
{
    if (list->n) {
        smap_add_nocopy(row, xstrdup(key), svec_join(list, " ", ""));
    }
}

void
model_rows_socks_write(const struct model_socks *socks, struct smap *row)
{
    if (!socks->enabled) {
        return;
    }
    probe_put_number(row, "port", socks->port);
    if (socks->listen.plen) {
        smap_add_nocopy(row, xstrdup("listen"),
                        sn_prefix_addr_to_string(&socks->listen));
    }
    socks_put_list(row, "exits", &socks->exits);
    socks_put_list(row, "allow", &socks->allow);
}

static void *
exit_read(const struct ovsdb_idl_row *row_, char **ret_error)
{
    const struct sndb_exit *row = SNDB_ROW(exit, row_);
    struct model_exit *exit = model_object_create(MODEL_EXIT);

    *ret_error = NULL;
    exit->node = xstrdup(row->node);
    exit->name = xstrdup(row->name);
    exit->interface = xstrdup(row->interface);
    exit->profile = nullable_xstrdup(row->profile);
    exit->enabled = row->enabled;
    probe_read(&row->probe, &exit->probe);
    exit->other = other_from_string(row->other);
    source_from_string(row->source, &exit->loc);
    return exit;
}

static void
exit_write(const struct ovsdb_idl_row *row_, const void *exit_)
{
    const struct sndb_exit *row = SNDB_ROW(exit, row_);
    const struct model_exit *exit = exit_;
    char *source = source_to_string(&exit->loc);

    sndb_exit_set_node(row, exit->node);
    sndb_exit_set_name(row, exit->name);
    sndb_exit_set_interface(row, exit->interface);
    sndb_exit_set_profile(row, exit->profile);
    sndb_exit_set_enabled(row, exit->enabled);
    exit_write_probe(row, &exit->probe);
    sndb_exit_set_other(row, other_to_string(exit->other));
    sndb_exit_set_source(row, source);
    free(source);
}

const struct model_rows model_rows_exit = {
    .table = &sndb_table_exit,
    .key = exit_key,
    .read = exit_read,
    .write = exit_write,
    .aside = { &sndb_exit_col_source },
};
