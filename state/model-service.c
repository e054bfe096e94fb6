#include <config.h>

#include "state/model-private.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include "openvswitch/util.h"
#include "util.h"

struct model_service *
model_service_create(void)
{
    struct model_service *service = xzalloc(sizeof *service);

    simap_init(&service->weights);
    sset_init(&service->down);
    sset_init(&service->silent);
    sset_init(&service->unheard);
    service->ip_proto = IPPROTO_TCP;
    service->prefer_local = true;
    service->health = (struct model_health) {
        .type = HEALTH_NONE, .interval = 5, .timeout = 2, .rise = 2, .fall = 3,
    };
    return service;
}

void
model_service_free(struct model_service *service)
{
    free(service->name);
    free(service->vips);
    model_selectors_free(service->backends, service->n_backends);
    simap_destroy(&service->weights);
    free(service->health.path);
    free(service->other);
    sset_destroy(&service->down);
    sset_destroy(&service->silent);
    sset_destroy(&service->unheard);
    free(service);
}

static bool
model_health_equals(const struct model_health *a, const struct model_health *b)
{
    return (a->type == b->type && a->port == b->port
            && nullable_string_is_equal(a->path, b->path)
            && a->interval == b->interval && a->timeout == b->timeout
            && a->rise == b->rise && a->fall == b->fall);
}

static void
model_service_vips(const struct model_service *service, struct svec *out)
{
    svec_init(out);
    for (size_t i = 0; i < service->n_vips; i++) {
        svec_add_nocopy(out, sn_prefix_to_string(&service->vips[i]));
    }
}

bool
model_service_equals(const struct model_service *a,
                     const struct model_service *b)
{
    struct svec a_vips, b_vips;

    if (!model_loc_equals(&a->loc, &b->loc)
        || !nullable_string_is_equal(a->name, b->name)
        || a->ip_proto != b->ip_proto
        || a->port != b->port
        || !simap_equal(&a->weights, &b->weights)
        || !model_health_equals(&a->health, &b->health)
        || a->affinity != b->affinity
        || a->prefer_local != b->prefer_local
        || a->discovered != b->discovered
        || !nullable_string_is_equal(a->other, b->other)
        || !sset_equals(&a->down, &b->down)
        || !sset_equals(&a->silent, &b->silent)
        || !sset_equals(&a->unheard, &b->unheard)) {
        return false;
    }
    model_service_vips(a, &a_vips);
    model_service_vips(b, &b_vips);
    return (model_unordered_equal(&a_vips, &b_vips)
            && model_selectors_equal(a->backends, a->n_backends,
                                     b->backends, b->n_backends));
}
