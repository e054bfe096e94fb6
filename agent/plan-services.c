#include <config.h>
#include "agent/plan-services.h"

#include <stdlib.h>

#include "agent/plan.h"
#include "state/model.h"
#include "state/service.h"
#include "util.h"

static void
add_vip(struct plan *plan, const struct model *model,
        const struct model_service *service, const struct sn_prefix *address)
{
    struct service_target *targets;
    size_t n = service_get_targets(model, service, plan->node, address->is_v4,
                                   &targets);
    struct plan_vip *vip = &plan->vips[plan->n_vips++];

    n = service_choose_targets(service, targets, n);
    *vip = (struct plan_vip) {
        .address = sn_prefix_host(address), .ip_proto = service->ip_proto,
        .port = service->port, .affinity = service->affinity,
        .targets = xcalloc(n + 1, sizeof *vip->targets),
    };
    for (size_t i = 0; i < n; i++) {
        vip->targets[vip->n_targets++] = (struct plan_target) {
            targets[i].address, targets[i].port, targets[i].weight,
        };
    }
    free(targets);
}

void
plan_add_vips(struct plan *plan, const struct model *model)
{
    const struct shash_node **services = shash_sort(&model->services);
    size_t n = 0;

    for (size_t i = 0; i < shash_count(&model->services); i++) {
        const struct model_service *service = services[i]->data;
        n += service->n_vips;
    }
    plan->vips = xcalloc(n + 1, sizeof *plan->vips);
    for (size_t i = 0; i < shash_count(&model->services); i++) {
        const struct model_service *service = services[i]->data;

        for (size_t j = 0; j < service->n_vips; j++) {
            add_vip(plan, model, service, &service->vips[j]);
        }
    }
    free(services);
}

void
plan_free_vips(struct plan *plan)
{
    for (size_t i = 0; i < plan->n_vips; i++) {
        free(plan->vips[i].targets);
    }
    free(plan->vips);
}
