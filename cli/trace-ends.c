#include <config.h>

#include "cli/trace-ends.h"

#include <stdlib.h>
#include <string.h>
#include "openvswitch/shash.h"
#include "state/model.h"
#include "util.h"

static void
add_address(struct trace_end *end, const struct sn_prefix *address)
{
    end->addresses = xrealloc(end->addresses, (end->n_addresses + 1)
                              * sizeof *end->addresses);
    end->addresses[end->n_addresses++] = sn_prefix_host(address);
}

static void
add_literal(struct trace_end *end, const char *address)
{
    struct sn_prefix p;
    char *error = sn_prefix_parse(address, &p);

    ovs_assert(!error);
    add_address(end, &p);
}

static void
take_container(struct trace_end *end, const struct model_container *container)
{
    end->container = container;
    for (size_t i = 0; i < container->n_addresses; i++) {
        add_address(end, &container->addresses[i]);
    }
}

/* Other hosts use the address in the mesh. */
static void
take_node(struct trace_end *end, const struct model_node *node)
{
    end->node = node;
    if (node->address.plen) {
        add_address(end, &node->address);
    }
    for (size_t i = 0; i < node->n_subnets; i++) {
        add_address(end, &node->gateways[i]);
    }
}

static void
take_client(struct trace_end *end, const struct model_client *client)
{
    end->client = client;
    for (size_t i = 0; i < client->n_addresses; i++) {
        add_address(end, &client->addresses[i]);
    }
}

static void
take_service(struct trace_end *end, const struct model_service *service)
{
    end->service = service;
    for (size_t i = 0; i < service->n_vips; i++) {
        add_address(end, &service->vips[i]);
    }
}

/* Who or what has an address. */
static void
take_address(struct trace_end *end, const struct model *model,
             const struct sn_prefix *address)
{
    const struct shash_node *item;

    add_address(end, address);
    end->container = model_find_container(model, &end->addresses[0]);
    SHASH_FOR_EACH (item, &model->services) {
        const struct model_service *service = item->data;

        for (size_t i = 0; i < service->n_vips; i++) {
            if (sn_prefix_equals(&service->vips[i], &end->addresses[0])) {
                end->service = service;
            }
        }
    }
}

static bool
take_named(struct trace_end *end, const struct model *model, const char *text)
{
    const struct model_container *container = model_get_container(model,
                                                                  text);
    bool says_node = !strncmp(text, "node:", 5);
    const struct model_node *node = model_get_node(model, text
                                                   + 5 * says_node);
    const struct model_client *client
        = !strncmp(text, "client:", 7) ? model_get_client(model, text + 7)
          : NULL;

    if (container) {
        take_container(end, container);
    } else if (node) {
        take_node(end, node);
    } else if (client) {
        take_client(end, client);
    } else {
        return false;
    }
    return true;
}

char *
trace_end_from(const struct model *model, const char *text,
               struct trace_end *end)
{
    struct sn_prefix address;
    char *error = NULL;

    *end = (struct trace_end) { .name = xstrdup(text) };
    if (take_named(end, model, text)) {
        return NULL;
    }
    error = sn_prefix_parse(text, &address);
    if (!error) {
        take_address(end, model, &address);
        if (end->container) {
            return NULL;
        }
    }
    free(error);
    return xasprintf("\"%s\" is no container, node:NAME or client:NAME to "
                     "send from", text);
}

char *
trace_end_to(const struct model *model, const char *text,
             struct trace_end *end)
{
    const struct model_service *service = model_get_service(model, text);
    struct sn_prefix address;
    char *error;

    *end = (struct trace_end) { .name = xstrdup(text) };
    if (take_named(end, model, text)) {
        return NULL;
    } else if (service) {
        take_service(end, service);
        return service->n_vips ? NULL
               : xasprintf("the service %s has no virtual address; trace to "
                           "one of its backends", text);
    } else if (!strcmp(text, "internet")) {
        add_literal(end, "1.1.1.1");
        add_literal(end, "2606:4700:4700::1111");
        return NULL;
    }
    error = sn_prefix_parse(text, &address);
    if (!error) {
        take_address(end, model, &address);
        return NULL;
    }
    free(error);
    return xasprintf("\"%s\" is no container, node:NAME, client:NAME, "
                     "service, address, or internet", text);
}

void
trace_end_destroy(struct trace_end *end)
{
    free(end->name);
    free(end->addresses);
}

const char *
trace_end_host(const struct trace_end *end)
{
    return end->container ? end->container->node
           : end->client ? end->client->node
           : end->node ? end->node->name : NULL;
}

bool
trace_ends_pair(const struct trace_end *src, const struct trace_end *dst,
                bool ipv6, struct sn_prefix *ret_src,
                struct sn_prefix *ret_dst)
{
    const char *host = trace_end_host(src);
    bool at_home = dst->node && host && !strcmp(host, dst->node->name);

    for (int round = 0; round < 2; round++) {
        bool is_v4 = ipv6 == (round == 1);

        for (size_t i = 0; i < src->n_addresses; i++) {
            for (size_t j = 0; j < dst->n_addresses; j++) {
                if (src->addresses[i].is_v4 == is_v4
                    && dst->addresses[j].is_v4 == is_v4
                    /* Its own containers know their host as a gateway. */
                    && (!at_home || j || dst->n_addresses == 1)) {
                    *ret_src = src->addresses[i];
                    *ret_dst = dst->addresses[j];
                    return true;
                }
            }
        }
    }
    return false;
}
