#include <config.h>

#include "state/export-private.h"

#include <netinet/in.h>
#include "openvswitch/json.h"
#include "openvswitch/util.h"
#include "util.h"

/* Services as in a state file. */

static void
put_number(struct json *object, const char *name, unsigned int value,
           unsigned int dflt)
{
    if (value != dflt) {
        json_object_put(object, name, json_integer_create(value));
    }
}

/* What is not as it would be without a word. */
static struct json *
health_to_json(const struct model_service *service)
{
    static const char *const types[] = { "none", "tcp", "http" };
    const struct model_health *health = &service->health;
    struct model_service *dflt = model_object_create(MODEL_SERVICE);
    struct json *object = json_object_create();

    if (health->type != (service->ip_proto == IPPROTO_TCP ? HEALTH_TCP
                                                          : HEALTH_NONE)) {
        json_object_put_string(object, "type", types[health->type]);
    }
    put_number(object, "port", health->port, 0);
    if (health->path) {
        json_object_put_string(object, "path", health->path);
    }
    put_number(object, "interval", health->interval, dflt->health.interval);
    put_number(object, "timeout", health->timeout,
               MIN(dflt->health.timeout, health->interval));
    put_number(object, "rise", health->rise, dflt->health.rise);
    put_number(object, "fall", health->fall, dflt->health.fall);
    model_object_free(MODEL_SERVICE, dflt);
    return object;
}

static struct json *
service_to_json(const struct model_service *service)
{
    struct json *object = json_object_create();
    struct json *vips = json_array_create_empty();
    struct json *weights = json_object_create();
    const struct simap_node *node;

    for (size_t i = 0; i < service->n_vips; i++) {
        json_array_add(vips, json_string_create_nocopy(
                           sn_prefix_addr_to_string(&service->vips[i])));
    }
    SIMAP_FOR_EACH (node, &service->weights) {
        json_object_put(weights, node->name, json_integer_create(node->data));
    }
    export_put(object, "vip", vips);
    json_object_put_string(object, "protocol",
                           service->ip_proto == IPPROTO_UDP ? "udp"
                           : service->ip_proto == IPPROTO_SCTP ? "sctp"
                           : "tcp");
    json_object_put(object, "port", json_integer_create(service->port));
    json_object_put(object, "backends", export_selectors(service->backends,
                                                         service->n_backends));
    export_put(object, "weights", weights);
    export_put(object, "health", health_to_json(service));
    if (service->affinity) {
        json_object_put_string(object, "affinity", "client");
    }
    if (!service->prefer_local) {
        json_object_put_string(object, "prefer", "none");
    }
    export_merge_other(object, service->other);
    return object;
}

struct json *
export_services(const struct model *model)
{
    struct json *services = json_object_create();
    const struct shash_node *node;

    SHASH_FOR_EACH (node, &model->services) {
        const struct model_service *service = node->data;
        if (!service->discovered) {
            json_object_put(services, node->name, service_to_json(service));
        }
    }
    return services;
}
