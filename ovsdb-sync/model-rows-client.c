#include <config.h>

#include "ovsdb-sync/model-rows-private.h"

#include <string.h>

#include "ovsdb-idl.h"
#include "ovsdb-sync/socknet-idl.h"
#include "smap.h"
#include "svec.h"
#include "util.h"

/* Guests, and where they are let in. */

/* Adds the words of 's' to '*words'. */
static void
split_words(const char *s, struct svec *words)
{
    svec_init(words);
    svec_parse_words(words, s ? s : "");
}

static char *
vpn_read_pools(const char *s, struct model_vpn *vpn)
{
    struct svec words;
    char *error = NULL;

    split_words(s, &words);
    vpn->pools = xcalloc(MAX(words.n, 1), sizeof *vpn->pools);
    for (size_t i = 0; i < words.n && !error; i++) {
        error = sn_prefix_parse(words.names[i], &vpn->pools[vpn->n_pools]);
        vpn->n_pools += !error;
    }
    svec_destroy(&words);
    return error;
}

char *
vpn_read(const struct sndb_node *row, struct model_vpn **ret_vpn)
{
    const struct smap *map = &row->vpn_server;

    if (smap_is_empty(map)) {
        return NULL;
    }
    struct model_vpn *vpn = *ret_vpn = xzalloc(sizeof *vpn);
    vpn->interface = xstrdup(smap_get_def(map, "interface", "wgsn"));
    vpn->listen_port = smap_get_int(map, "listen_port", 51820);
    vpn->auto_provision = smap_get_bool(map, "auto_provision", false);
    vpn->endpoint = nullable_xstrdup(smap_get(map, "endpoint"));
    vpn->exit = nullable_xstrdup(smap_get(map, "exit"));
    split_words(smap_get(map, "dns"), &vpn->dns);
    return vpn_read_pools(smap_get(map, "ip_pool"), vpn);
}

void
vpn_write(const struct sndb_node *row, const struct model_vpn *vpn)
{
    struct smap map = SMAP_INITIALIZER(&map);

    if (vpn) {
        struct svec pools = SVEC_EMPTY_INITIALIZER;

        for (size_t i = 0; i < vpn->n_pools; i++) {
            svec_add_nocopy(&pools, sn_prefix_to_string(&vpn->pools[i]));
        }
        smap_add(&map, "interface", vpn->interface);
        smap_add_format(&map, "listen_port", "%u", vpn->listen_port);
        smap_add(&map, "auto_provision",
                 vpn->auto_provision ? "true" : "false");
        smap_add_nocopy(&map, xstrdup("ip_pool"),
                        svec_join(&pools, " ", ""));
        if (vpn->endpoint) {
            smap_add(&map, "endpoint", vpn->endpoint);
        }
        if (vpn->exit) {
            smap_add(&map, "exit", vpn->exit);
        }
        if (vpn->dns.n) {
            smap_add_nocopy(&map, xstrdup("dns"),
                            svec_join(&vpn->dns, " ", ""));
        }
        svec_destroy(&pools);
    }
    sndb_node_set_vpn_server(row, &map);
    smap_destroy(&map);
}

static char *
client_key(const struct ovsdb_idl_row *row)
{
    return xstrdup(SNDB_ROW(client, row)->name);
}

static void *
client_read(const struct ovsdb_idl_row *row_, char **ret_error)
{
    const struct sndb_client *row = SNDB_ROW(client, row_);
    struct model_client *client = model_object_create(MODEL_CLIENT);

    *ret_error = NULL;
    client->name = xstrdup(row->name);
    client->node = xstrdup(row->node);
    client->public_key = xstrdup(row->public_key);
    sset_add_array(&client->tags, row->tags, row->n_tags);
    client->expires = row->n_expires ? *row->expires : 0;
    client->revoked = row->revoked;
    client->other = other_from_string(row->other);
    source_from_string(row->source, &client->loc);
    client->addresses = xcalloc(MAX(row->n_addresses, 1),
                                sizeof *client->addresses);
    for (size_t i = 0; i < row->n_addresses && !*ret_error; i++) {
        struct sn_prefix p;

        *ret_error = sn_prefix_parse(row->addresses[i], &p);
        if (!*ret_error) {
            client->addresses[client->n_addresses++] = sn_prefix_host(&p);
        }
    }
    if (*ret_error) {
        model_object_free(MODEL_CLIENT, client);
        return NULL;
    }
    qsort(client->addresses, client->n_addresses, sizeof *client->addresses,
          model_rows_compare_prefixes);
    return client;
}

static void
client_write(const struct ovsdb_idl_row *row_, const void *client_)
{
    const struct sndb_client *row = SNDB_ROW(client, row_);
    const struct model_client *client = client_;
    char **addresses = xcalloc(MAX(client->n_addresses, 1),
                               sizeof *addresses);
    const char **tags = sset_array(&client->tags);
    char *source = source_to_string(&client->loc);

    for (size_t i = 0; i < client->n_addresses; i++) {
        addresses[i] = sn_prefix_addr_to_string(&client->addresses[i]);
    }
    sndb_client_set_name(row, client->name);
    sndb_client_set_node(row, client->node);
    sndb_client_set_public_key(row, client->public_key);
    sndb_client_set_addresses(row, CONST_STRINGS(addresses),
                              client->n_addresses);
    sndb_client_set_tags(row, tags, sset_count(&client->tags));
    sndb_client_set_expires(row, &client->expires, client->expires > 0);
    sndb_client_set_revoked(row, client->revoked);
    sndb_client_set_other(row, other_to_string(client->other));
    sndb_client_set_source(row, source);
    free_strings(addresses, client->n_addresses);
    free(tags);
    free(source);
}

const struct model_rows model_rows_client = {
    .table = &sndb_table_client,
    .key = client_key,
    .read = client_read,
    .write = client_write,
    .aside = { &sndb_client_col_source },
};
