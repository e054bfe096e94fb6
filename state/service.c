#include <config.h>

#include "state/service.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include "openvswitch/util.h"
#include "sha1.h"
#include "state/model.h"
#include "util.h"

static uint16_t
backend_port(const struct model_service *service,
             const struct model_selector *sel)
{
    return sel->n_ports ? sel->ports[0].first : service->port;
}

static unsigned int
backend_weight(const struct model_service *service,
               const struct model_selector *sel,
               const struct model_container *container)
{
    const char *names[] = { container->name, sel->text };

    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        const struct simap_node *node = simap_find(&service->weights,
                                                   names[i]);
        if (node) {
            return node->data;
        }
    }
    return 1;
}

/* By name and port; of one that several selectors name, the lightest first, so
 * that to drain is the stronger word. */
static int
compare_backends(const void *a_, const void *b_)
{
    const struct service_backend *a = a_;
    const struct service_backend *b = b_;
    int cmp = strcmp(a->container->name, b->container->name);

    return (cmp ? cmp
            : a->port != b->port ? (int) a->port - (int) b->port
            : a->weight < b->weight ? -1 : a->weight > b->weight);
}

static bool
same_backend(const struct service_backend *a, const struct service_backend *b)
{
    return a->container == b->container && a->port == b->port;
}

struct backend_list {
    struct service_backend *backends;
    size_t n, allocated;
};

static void
backend_list_add(struct backend_list *list,
                 const struct model_service *service,
                 const struct model_selector *sel,
                 const struct model_container *container)
{
    if (list->n >= list->allocated) {
        list->backends = x2nrealloc(list->backends, &list->allocated,
                                    sizeof *list->backends);
    }
    list->backends[list->n++] = (struct service_backend) {
        .container = container,
        .port = backend_port(service, sel),
        .weight = backend_weight(service, sel, container),
        .down = sset_contains(&service->down, container->name),
        .silent = sset_contains(&service->silent, container->name),
    };
}

static void
backend_list_add_selector(struct backend_list *list,
                          const struct model *model,
                          const struct model_service *service,
                          const struct model_selector *sel)
{
    struct shash_node *node;

    if (sel->kind == SEL_CONTAINER) {
        const struct model_container *container
            = model_get_container(model, sel->text);
        if (container) {
            backend_list_add(list, service, sel, container);
        }
        return;
    }
    SHASH_FOR_EACH (node, &model->containers) {
        if (model_selector_matches(model, sel, node->data)) {
            backend_list_add(list, service, sel, node->data);
        }
    }
}

size_t
service_get_backends(const struct model *model,
                     const struct model_service *service,
                     struct service_backend **ret_backends)
{
    struct backend_list list = { NULL, 0, 0 };
    size_t n = 0;

    for (size_t i = 0; i < service->n_backends; i++) {
        backend_list_add_selector(&list, model, service,
                                  &service->backends[i]);
    }
    if (list.n) {
        qsort(list.backends, list.n, sizeof *list.backends, compare_backends);
    }
    for (size_t i = 0; i < list.n; i++) {
        if (!n || !same_backend(&list.backends[n - 1], &list.backends[i])) {
            list.backends[n++] = list.backends[i];
        }
    }
    *ret_backends = list.backends;
    return n;
}

bool
service_has_backend(const struct model *model,
                    const struct model_service *service, uint16_t port,
                    const struct model_container *container)
{
    for (size_t i = 0; service && i < service->n_backends; i++) {
        const struct model_selector *sel = &service->backends[i];
        if ((!port || port == backend_port(service, sel))
            && sel->kind != SEL_SERVICE
            && model_selector_matches(model, sel, container)) {
            return true;
        }
    }
    return false;
}

static int
compare_ports(const void *a_, const void *b_)
{
    const uint16_t *a = a_;
    const uint16_t *b = b_;

    return (int) *a - (int) *b;
}

size_t
service_get_ports(const struct model_service *service, uint16_t **ret_ports)
{
    size_t n = 0;

    *ret_ports = xmalloc((service->n_backends + 1) * sizeof **ret_ports);
    for (size_t i = 0; i < service->n_backends; i++) {
        (*ret_ports)[i] = backend_port(service, &service->backends[i]);
    }
    qsort(*ret_ports, service->n_backends, sizeof **ret_ports, compare_ports);
    for (size_t i = 0; i < service->n_backends; i++) {
        if (!n || (*ret_ports)[n - 1] != (*ret_ports)[i]) {
            (*ret_ports)[n++] = (*ret_ports)[i];
        }
    }
    return n;
}

bool
service_may_have_backend(const struct model_service *service,
                         const char *container)
{
    for (size_t i = 0; i < service->n_backends; i++) {
        const struct model_selector *sel = &service->backends[i];
        if (sel->kind != SEL_CONTAINER || !strcmp(sel->text, container)) {
            return true;
        }
    }
    return false;
}

const struct sn_prefix *
service_get_vip(const struct model_service *service, bool is_v4)
{
    for (size_t i = 0; i < service->n_vips; i++) {
        if (service->vips[i].is_v4 == is_v4) {
            return &service->vips[i];
        }
    }
    return NULL;
}

bool
service_backend_address(const struct model_container *container, bool is_v4,
                        struct sn_prefix *ret_address)
{
    for (size_t i = 0; i < container->n_addresses; i++) {
        if (container->addresses[i].is_v4 == is_v4) {
            *ret_address = sn_prefix_host(&container->addresses[i]);
            return true;
        }
    }
    return false;
}

struct sn_prefix
service_hairpin(const struct model *model, bool is_v4)
{
    return sn_prefix_nth(is_v4 ? &model->mesh.service4
                               : &model->mesh.service6, 1);
}

/* Discovery. */

/* The services that discovery has found: by name, of one protocol each. */
static void
discover_container(struct model *model,
                   const struct model_container *container,
                   struct shash *found)
{
    for (size_t i = 0; i < container->n_services; i++) {
        const struct model_port *port = &container->services[i];
        struct model_service *service = shash_find_data(found, port->name);

        if (!port->name[0] || model_get_service(model, port->name)
            || model_get_container(model, port->name)
            || model_get_segment(model, port->name)
            || (service && service->ip_proto != port->ip_proto)) {
            continue;
        }
        if (!service) {
            service = model_object_create(MODEL_SERVICE);
            service->loc = container->loc;
            service->name = xstrdup(port->name);
            service->ip_proto = port->ip_proto;
            service->port = port->port;
            service->discovered = true;
            service->health.type = port->ip_proto == IPPROTO_TCP
                                   ? HEALTH_TCP : HEALTH_NONE;
            shash_add(found, port->name, service);
        }
        service->backends = xrealloc(service->backends,
                                     (service->n_backends + 1)
                                     * sizeof *service->backends);
        struct model_selector *sel
            = &service->backends[service->n_backends++];
        *sel = (struct model_selector) {
            .loc = container->loc, .kind = SEL_CONTAINER,
            .text = xstrdup(container->name),
        };
        if (port->port != service->port) {
            sel->ports = xmalloc(sizeof *sel->ports);
            sel->ports[0] = (struct model_port_range) {
                .first = port->port, .last = port->port,
            };
            sel->n_ports = 1;
        }
    }
}

/* The 'i'th choice of an address for a name: not one of the first 16, which
 * are for people, nor the last. */
static struct sn_prefix
discover_choice(const struct sn_prefix *prefix, const char *name,
                unsigned int i)
{
    int bits = MIN((prefix->is_v4 ? 32 : 128) - prefix->plen, 24);
    uint32_t room = (UINT32_C(1) << bits) - 17;
    uint8_t digest[SHA1_DIGEST_SIZE];

    sha1_bytes(name, strlen(name), digest);
    uint32_t hash = (digest[0] << 16 | digest[1] << 8 | digest[2]) + i;
    return sn_prefix_nth(prefix, 16 + hash % room);
}

static void
discover_vip(struct model *model, struct model_service *service,
             const struct sn_prefix *prefix, struct sset *taken)
{
    int bits = (prefix->is_v4 ? 32 : 128) - prefix->plen;

    for (unsigned int i = 0; bits >= 6 && i < 4096; i++) {
        struct sn_prefix vip = discover_choice(prefix, service->name, i);
        char *s = sn_prefix_to_string(&vip);
        bool free_one = sset_add(taken, s) != NULL;

        free(s);
        if (free_one) {
            service->vips[service->n_vips++] = vip;
            return;
        }
    }
}

static bool
has_family(const struct model *model, const struct model_service *service,
           bool is_v4)
{
    for (size_t i = 0; i < service->n_backends; i++) {
        const struct model_container *container
            = model_get_container(model, service->backends[i].text);
        struct sn_prefix address;
        if (service_backend_address(container, is_v4, &address)) {
            return true;
        }
    }
    return false;
}

void
service_discover(struct model *model, const struct sset *nodes)
{
    const struct shash_node **containers = shash_sort(&model->containers);
    struct shash found = SHASH_INITIALIZER(&found);
    struct sset taken = SSET_INITIALIZER(&taken);
    struct shash_node *node;

    for (size_t i = 0; i < shash_count(&model->containers); i++) {
        const struct model_container *container = containers[i]->data;
        if (sset_contains(nodes, container->node)) {
            discover_container(model, container, &found);
        }
    }
    SHASH_FOR_EACH (node, &model->services) {
        const struct model_service *service = node->data;
        for (size_t i = 0; i < service->n_vips; i++) {
            sset_add_and_free(&taken,
                              sn_prefix_to_string(&service->vips[i]));
        }
    }
    const struct shash_node **sorted = shash_sort(&found);
    for (size_t i = 0; i < shash_count(&found); i++) {
        struct model_service *service = sorted[i]->data;

        service->vips = xcalloc(2, sizeof *service->vips);
        if (has_family(model, service, true)) {
            discover_vip(model, service, &model->mesh.service4, &taken);
        }
        if (has_family(model, service, false)) {
            discover_vip(model, service, &model->mesh.service6, &taken);
        }
        model_put(model, MODEL_SERVICE, service->name, service);
    }
    free(sorted);
    free(containers);
    shash_destroy(&found);
    sset_destroy(&taken);
}

char *
service_unheard_key(const char *node, const char *container)
{
    return xasprintf("%s %s", node, container);
}

size_t
service_get_targets(const struct model *model,
                    const struct model_service *service, const char *node,
                    bool is_v4, struct service_target **ret_targets)
{
    struct service_backend *backends;
    size_t n_backends = service_get_backends(model, service, &backends);
    struct service_target *targets = xcalloc(n_backends + 1, sizeof *targets);
    size_t n = 0;

    for (size_t i = 0; i < n_backends; i++) {
        const struct service_backend *b = &backends[i];
        struct sn_prefix address;

        if (service_backend_address(b->container, is_v4, &address)) {
            char *unheard = service_unheard_key(node, b->container->name);

            targets[n++] = (struct service_target) {
                .container = b->container,
                .address = address,
                .port = b->port,
                .weight = b->weight,
                .local = !strcmp(b->container->node, node),
                .usable = (b->weight && !b->down
                           && !b->container->quarantined),
                .silent = (b->silent
                           || sset_contains(&service->unheard, unheard)),
            };
            free(unheard);
        }
    }
    free(backends);
    *ret_targets = targets;
    return n;
}

size_t
service_choose_targets(const struct model_service *service,
                       struct service_target *targets, size_t n)
{
    size_t n_local = 0, n_heard_of = 0, n_chosen = 0;

    for (size_t i = 0; i < n; i++) {
        n_local += targets[i].usable && targets[i].local;
        n_heard_of += targets[i].usable && !targets[i].silent;
    }
    bool only_local = service->prefer_local && n_local;
    for (size_t i = 0; i < n; i++) {
        if (targets[i].usable && (targets[i].local || !only_local)
            && (targets[i].local || !targets[i].silent || !n_heard_of)) {
            targets[n_chosen++] = targets[i];
        }
    }
    return n_chosen;
}
