#include <config.h>

#include "ovsdb-sync/model-rows-private.h"

#include <string.h>

#include "ovsdb-idl.h"
#include "ovsdb-sync/socknet-idl.h"
#include "smap.h"
#include "util.h"

static const char *const health_types[] = { "none", "tcp", "http" };

static char *
service_key(const struct ovsdb_idl_row *row)
{
    return xstrdup(SNDB_ROW(service, row)->name);
}

static void
health_read(const struct smap *smap, struct model_health *health)
{
    const char *type = smap_get_def(smap, "type", "none");

    for (size_t i = 0; i < ARRAY_SIZE(health_types); i++) {
        if (!strcmp(type, health_types[i])) {
            health->type = i;
        }
    }
    health->port = smap_get_uint(smap, "port", 0);
    health->path = nullable_xstrdup(smap_get(smap, "path"));
    health->interval = MAX(smap_get_uint(smap, "interval", health->interval),
                           1);
    health->timeout = MAX(smap_get_uint(smap, "timeout", health->timeout), 1);
    health->rise = MAX(smap_get_uint(smap, "rise", health->rise), 1);
    health->fall = MAX(smap_get_uint(smap, "fall", health->fall), 1);
}

static char *
vips_read(const struct sndb_service *row, struct model_service *service)
{
    service->vips = xcalloc(row->n_vips + 1, sizeof *service->vips);
    for (size_t i = 0; i < row->n_vips; i++) {
        char *error = sn_prefix_parse(row->vips[i],
                                      &service->vips[service->n_vips]);
        if (error) {
            return error;
        }
        service->n_vips++;
    }
    return NULL;
}

static void *
service_read(const struct ovsdb_idl_row *row_, char **ret_error)
{
    const struct sndb_service *row = SNDB_ROW(service, row_);
    struct model_service *service = model_object_create(MODEL_SERVICE);

    service->name = xstrdup(row->name);
    service->ip_proto = row->ip_proto;
    service->port = row->port;
    for (size_t i = 0; i < row->n_weights; i++) {
        simap_put(&service->weights, row->key_weights[i],
                  row->value_weights[i]);
    }
    health_read(&row->health, &service->health);
    service->affinity = !strcmp(row->affinity, "client");
    service->prefer_local = strcmp(row->prefer, "none");
    service->discovered = row->discovered;
    service->other = other_from_string(row->other);
    source_from_string(row->source, &service->loc);
    *ret_error = vips_read(row, service);
    if (!*ret_error) {
        *ret_error = model_rows_selectors_read(row->backends, row->n_backends,
                                               &service->loc,
                                               &service->backends,
                                               &service->n_backends);
    }
    if (*ret_error) {
        model_object_free(MODEL_SERVICE, service);
        return NULL;
    }
    return service;
}

static void
health_write(const struct sndb_service *row, const struct model_health *health)
{
    struct smap smap = SMAP_INITIALIZER(&smap);

    smap_add(&smap, "type", health_types[health->type]);
    if (health->port) {
        smap_add_format(&smap, "port", "%"PRIu16, health->port);
    }
    if (health->path) {
        smap_add(&smap, "path", health->path);
    }
    smap_add_format(&smap, "interval", "%u", health->interval);
    smap_add_format(&smap, "timeout", "%u", health->timeout);
    smap_add_format(&smap, "rise", "%u", health->rise);
    smap_add_format(&smap, "fall", "%u", health->fall);
    sndb_service_set_health(row, &smap);
    smap_destroy(&smap);
}

static void
weights_write(const struct sndb_service *row, const struct simap *weights)
{
    const struct simap_node **nodes = simap_sort(weights);
    size_t n = simap_count(weights);
    const char **names = xcalloc(n + 1, sizeof *names);
    int64_t *values = xcalloc(n + 1, sizeof *values);

    for (size_t i = 0; i < n; i++) {
        names[i] = nodes[i]->name;
        values[i] = nodes[i]->data;
    }
    sndb_service_set_weights(row, names, values, n);
    free(nodes);
    free(names);
    free(values);
}

static void
service_write(const struct ovsdb_idl_row *row_, const void *service_)
{
    const struct sndb_service *row = SNDB_ROW(service, row_);
    const struct model_service *service = service_;
    char *source = source_to_string(&service->loc);
    char **backends = model_rows_selectors_to_strings(service->backends,
                                                      service->n_backends);
    char **vips = xcalloc(service->n_vips + 1, sizeof *vips);

    for (size_t i = 0; i < service->n_vips; i++) {
        vips[i] = sn_prefix_addr_to_string(&service->vips[i]);
    }
    sndb_service_set_name(row, service->name);
    sndb_service_set_vips(row, CONST_STRINGS(vips), service->n_vips);
    sndb_service_set_ip_proto(row, service->ip_proto);
    sndb_service_set_port(row, service->port);
    sndb_service_set_backends(row, CONST_STRINGS(backends),
                              service->n_backends);
    weights_write(row, &service->weights);
    health_write(row, &service->health);
    sndb_service_set_affinity(row, service->affinity ? "client" : "none");
    sndb_service_set_prefer(row, service->prefer_local ? "local" : "none");
    sndb_service_set_discovered(row, service->discovered);
    sndb_service_set_other(row, other_to_string(service->other));
    sndb_service_set_source(row, source);
    free_strings(backends, service->n_backends);
    free_strings(vips, service->n_vips);
    free(source);
}

const struct model_rows model_rows_service = {
    .table = &sndb_table_service,
    .key = service_key,
    .read = service_read,
    .write = service_write,
    .aside = { &sndb_service_col_source },
};
