#include <config.h>

#include "state/lint-private.h"

#include <stdlib.h>
#include "openvswitch/util.h"
#include "state/service.h"
#include "util.h"

/* Services. */

static void
lint_vip(struct lint *lint, struct lint_seen *seen,
         const struct model_service *service, const struct sn_prefix *vip)
{
    const struct model_mesh *mesh = &lint->model->mesh;
    const struct sn_prefix *prefix = vip->is_v4 ? &mesh->service4
                                                : &mesh->service6;
    const struct sn_loc *loc = places_get(lint->places, &service->loc,
                                          "service/%s/vip/%d", service->name,
                                          vip->is_v4 ? 4 : 6);
    struct sn_prefix hairpin = service_hairpin(lint->model, vip->is_v4);
    struct sn_prefix network = sn_prefix_nth(prefix, 0);
    char *s = sn_prefix_addr_to_string(vip);

    if (!sn_prefix_contains(prefix, vip)) {
        char *prefix_s = sn_prefix_to_string(prefix);
        char *fix = xasprintf("take an address of %s, or set service_prefix "
                              "in mesh", prefix_s);
        diags_add(lint->diags, DIAG_ERROR, loc, fix,
                  "%s cannot be the address of a service: it is outside of "
                  "the services' prefix %s", s, prefix_s);
        free(fix);
        free(prefix_s);
    } else if (sn_prefix_equals(vip, &hairpin)
               || sn_prefix_equals(vip, &network)) {
        diags_add(lint->diags, DIAG_ERROR, loc, "take another one",
                  "%s cannot be the address of a service: the first two "
                  "addresses of the services' prefix are socknet's own", s);
    }
    char *first = lint_seen_add(seen, s, loc);
    if (first) {
        diags_add(lint->diags, DIAG_ERROR, loc,
                  "give each service an address of its own",
                  "%s is the address of another service, at %s", s, first);
        free(first);
    }
    free(s);
}

/* Backends that a virtual address cannot be translated to. */
static void
lint_backends(struct lint *lint, const struct model_service *service)
{
    struct service_backend *backends;
    size_t n = service_get_backends(lint->model, service, &backends);
    unsigned int weight = 0;

    for (size_t i = 0; i < n; i++) {
        weight += backends[i].weight;
        for (size_t j = 0; j < service->n_vips; j++) {
            bool is_v4 = service->vips[j].is_v4;
            struct sn_prefix address;
            if (!service_backend_address(backends[i].container, is_v4,
                                         &address)) {
                diags_add(lint->diags, DIAG_WARNING, &service->loc, NULL,
                          "backend \"%s\" of service \"%s\" has no %s "
                          "address: it serves the other family only",
                          backends[i].container->name, service->name,
                          is_v4 ? "IPv4" : "IPv6");
            }
        }
    }
    if (!n) {
        diags_add(lint->diags, DIAG_WARNING, &service->loc, NULL,
                  "service \"%s\" has no backend: it refuses everybody",
                  service->name);
    } else if (!weight) {
        diags_add(lint->diags, DIAG_WARNING, &service->loc, NULL,
                  "all backends of service \"%s\" drain: it refuses "
                  "everybody new", service->name);
    }
    free(backends);
}

static void
lint_service_name(struct lint *lint, const struct model_service *service)
{
    const char *name = service->name;

    if (model_get_container(lint->model, name)
        || model_get_segment(lint->model, name)) {
        diags_add(lint->diags, DIAG_ERROR, &service->loc,
                  "choose another name",
                  "service \"%s\" has the name of a container or segment",
                  name);
    }
    lint_reserved_name(lint, &service->loc, "service", name);
}

/* What of a node cannot be in the services' prefix, or NULL. */
static const char *
find_in_prefix(const struct model_node *node, const struct sn_prefix *prefix)
{
    struct sn_prefix endpoint;

    for (size_t i = 0; i < node->n_subnets; i++) {
        if (sn_prefix_contains(&node->subnets[i], prefix)
            || sn_prefix_contains(prefix, &node->subnets[i])) {
            return "subnet";
        }
    }
    for (size_t i = 0; node->vpn && i < node->vpn->n_pools; i++) {
        if (sn_prefix_contains(&node->vpn->pools[i], prefix)
            || sn_prefix_contains(prefix, &node->vpn->pools[i])) {
            return "ip_pool";
        }
    }
    return (node->endpoint && lint_endpoint_address(node->endpoint, &endpoint)
            && sn_prefix_contains(prefix, &endpoint) ? "endpoint" : NULL);
}

/* Networks that hosts know to be elsewhere. */
static void
lint_service_prefix(struct lint *lint, const struct sn_prefix *prefix)
{
    const struct model_mesh *mesh = &lint->model->mesh;
    const struct sn_loc *loc = places_get(lint->places, &mesh->loc,
                                          "mesh/service_prefix/%d",
                                          prefix->is_v4 ? 4 : 6);
    char *s = sn_prefix_to_string(prefix);

    if (prefix->plen > (prefix->is_v4 ? 30 : 126) || prefix->plen < 8) {
        diags_add(lint->diags, DIAG_ERROR, loc, NULL,
                  "the services' prefix %s is too %s", s,
                  prefix->plen < 8 ? "large" : "small");
    }
    if (sn_prefix_contains(&mesh->prefix, prefix)
        || sn_prefix_contains(prefix, &mesh->prefix)) {
        diags_add(lint->diags, DIAG_ERROR, loc,
                  "set service_prefix in mesh to another network",
                  "the services' prefix %s overlaps the mesh's prefix", s);
    }
    for (size_t i = 0; i < lint->n_nodes; i++) {
        const struct model_node *node = lint->nodes[i];
        const char *what = find_in_prefix(node, prefix);

        if (what) {
            diags_add(lint->diags, DIAG_ERROR, loc,
                      "set service_prefix in mesh to another network",
                      "the services' prefix %s overlaps the %s of node "
                      "\"%s\"", s, what, node->name);
        }
    }
    free(s);
}

void
lint_services(struct lint *lint)
{
    size_t n;
    struct model_service **services = lint_sort(lint->model, MODEL_SERVICE,
                                                &n);
    bool has_vip[2] = { false, false };
    struct lint_seen seen;

    lint_seen_init(&seen);
    for (size_t i = 0; i < n; i++) {
        lint_service_name(lint, services[i]);
        for (size_t j = 0; j < services[i]->n_vips; j++) {
            lint_vip(lint, &seen, services[i], &services[i]->vips[j]);
            has_vip[services[i]->vips[j].is_v4] = true;
        }
        if (!services[i]->discovered) {
            lint_backends(lint, services[i]);
        }
    }
    if (has_vip[true]) {
        lint_service_prefix(lint, &lint->model->mesh.service4);
    }
    if (has_vip[false]) {
        lint_service_prefix(lint, &lint->model->mesh.service6);
    }
    lint_seen_destroy(&seen);
    free(services);
}
