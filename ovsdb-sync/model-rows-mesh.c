#include <config.h>

#include "ovsdb-sync/model-rows-private.h"

#include <string.h>

#include "openvswitch/dynamic-string.h"
#include "ovsdb-idl.h"
#include "ovsdb-sync/socknet-idl.h"
#include "util.h"

/* Mesh. */

static char *
mesh_key(const struct ovsdb_idl_row *row OVS_UNUSED)
{
    return xstrdup("");
}

static void
replace_string(char **s, const char *value)
{
    if (value) {
        free(*s);
        *s = xstrdup(value);
    }
}

static char *
mesh_read_service_prefixes(const struct sndb_mesh *row,
                           struct model_mesh *mesh)
{
    for (size_t i = 0; i < row->n_service_prefixes; i++) {
        struct sn_prefix p;
        char *error = sn_prefix_parse(row->service_prefixes[i], &p);
        if (error) {
            return error;
        }
        *(p.is_v4 ? &mesh->service4 : &mesh->service6) = p;
    }
    return NULL;
}

/* "PATTERN TAG,TAG": tags have neither blanks nor commas. */
static void
mesh_read_adopts(const struct sndb_mesh *row, struct model_mesh *mesh)
{
    mesh->adopt = row->undeclared && !strcmp(row->undeclared, "adopt");
    mesh->adopts = xcalloc(row->n_adopts + 1, sizeof *mesh->adopts);
    for (size_t i = 0; i < row->n_adopts; i++) {
        struct model_adopt *adopt = &mesh->adopts[mesh->n_adopts++];
        char *text = xstrdup(row->value_adopts[i]);
        char *tags = strrchr(text, ' '), *save = NULL;

        sset_init(&adopt->tags);
        if (tags) {
            *tags++ = '\0';
            for (char *tag = strtok_r(tags, ",", &save); tag;
                 tag = strtok_r(NULL, ",", &save)) {
                sset_add(&adopt->tags, tag);
            }
        }
        adopt->match = text;
    }
}

static void
mesh_write_adopts(const struct sndb_mesh *row, const struct model_mesh *mesh)
{
    int64_t *order = xcalloc(mesh->n_adopts + 1, sizeof *order);
    char **texts = xcalloc(mesh->n_adopts + 1, sizeof *texts);

    for (size_t i = 0; i < mesh->n_adopts; i++) {
        const char **tags = sset_sort(&mesh->adopts[i].tags);
        struct ds text = DS_EMPTY_INITIALIZER;

        ds_put_format(&text, "%s ", mesh->adopts[i].match);
        for (size_t j = 0; j < sset_count(&mesh->adopts[i].tags); j++) {
            ds_put_format(&text, "%s%s", j ? "," : "", tags[j]);
        }
        texts[i] = ds_steal_cstr(&text);
        order[i] = i;
        free(tags);
    }
    sndb_mesh_set_undeclared(row, mesh->adopt ? "adopt" : NULL);
    sndb_mesh_set_adopts(row, order, CONST_STRINGS(texts), mesh->n_adopts);
    free_strings(texts, mesh->n_adopts);
    free(order);
}

static void *
mesh_read(const struct ovsdb_idl_row *row_, char **ret_error)
{
    const struct sndb_mesh *row = SNDB_ROW(mesh, row_);
    struct model_mesh *mesh = model_object_create(MODEL_MESH);

    *ret_error = row->prefix ? sn_prefix_parse(row->prefix, &mesh->prefix)
                             : NULL;
    if (!*ret_error) {
        *ret_error = mesh_read_service_prefixes(row, mesh);
    }
    if (*ret_error) {
        model_object_free(MODEL_MESH, mesh);
        return NULL;
    }
    replace_string(&mesh->name, row->name);
    replace_string(&mesh->interface, row->interface);
    replace_string(&mesh->domain, row->domain);
    if (row->n_names) {
        mesh->names = row->names[0];
    }
    mesh->preshared_keys = row->n_preshared_keys && row->preshared_keys[0];
    /* The keys are sorted: the order of preference. */
    for (size_t i = 0; i < row->n_resolvers; i++) {
        svec_add(&mesh->resolvers, row->value_resolvers[i]);
    }
    mesh_read_adopts(row, mesh);
    if (row->n_new_connections) {
        mesh->new_connections = *row->new_connections;
    }
    if (row->n_listen_port) {
        mesh->listen_port = *row->listen_port;
    }
    if (row->default_policy) {
        mesh->default_policy = !strcmp(row->default_policy, "allow")
                               ? MODEL_ALLOW : MODEL_DENY;
    }
    mesh->other = other_from_string(row->other);
    source_from_string(row->source, &mesh->loc);
    return mesh;
}

static void
mesh_write_names(const struct sndb_mesh *row, const struct model_mesh *mesh)
{
    int64_t *order = xcalloc(mesh->resolvers.n + 1, sizeof *order);

    for (size_t i = 0; i < mesh->resolvers.n; i++) {
        order[i] = i;
    }
    sndb_mesh_set_domain(row, mesh->domain);
    sndb_mesh_set_names(row, &mesh->names, 1);
    sndb_mesh_set_preshared_keys(row, &mesh->preshared_keys,
                                 mesh->preshared_keys);
    sndb_mesh_set_resolvers(row, order, CONST_STRINGS(mesh->resolvers.names),
                            mesh->resolvers.n);
    free(order);
}

static void
mesh_write(const struct ovsdb_idl_row *row_, const void *mesh_)
{
    const struct sndb_mesh *row = SNDB_ROW(mesh, row_);
    const struct model_mesh *mesh = mesh_;
    char *prefix = sn_prefix_to_string(&mesh->prefix);
    char *source = source_to_string(&mesh->loc);
    int64_t new_connections = mesh->new_connections;
    int64_t listen_port = mesh->listen_port;

    sndb_mesh_set_name(row, mesh->name);
    sndb_mesh_set_prefix(row, prefix);
    sndb_mesh_set_interface(row, mesh->interface);
    sndb_mesh_set_listen_port(row, &listen_port, listen_port != 0);
    mesh_write_names(row, mesh);
    mesh_write_adopts(row, mesh);
    sndb_mesh_set_new_connections(row, &new_connections,
                                  new_connections != 0);
    const struct sn_prefix services[] = { mesh->service4, mesh->service6 };
    char **prefixes = model_rows_prefixes_to_strings(services, 2);
    sndb_mesh_set_service_prefixes(row, CONST_STRINGS(prefixes), 2);
    free_strings(prefixes, 2);
    sndb_mesh_set_default_policy(
        row, mesh->default_policy == MODEL_ALLOW ? "allow" : "deny");
    sndb_mesh_set_other(row, other_to_string(mesh->other));
    sndb_mesh_set_source(row, source);
    free(prefix);
    free(source);
}

const struct model_rows model_rows_mesh = {
    .table = &sndb_table_mesh,
    .key = mesh_key,
    .read = mesh_read,
    .write = mesh_write,
    .aside = {
        &sndb_mesh_col_source, &sndb_mesh_col_generation,
        &sndb_mesh_col_revision, &sndb_mesh_col_connections,
        &sndb_mesh_col_ssl, &sndb_mesh_col_confirm_by,
        &sndb_mesh_col_confirm_within, &sndb_mesh_col_fallback,
    },
};
