#include <config.h>

#include "cli/probes.h"

#include <inttypes.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include "openvswitch/dynamic-string.h"
#include "openvswitch/shash.h"
#include "state/model.h"
#include "state/service.h"
#include "util.h"

static struct probe_end *
ends_add(struct probe_ends *ends, const char *name)
{
    if (ends->n >= ends->allocated) {
        ends->items = x2nrealloc(ends->items, &ends->allocated,
                                 sizeof *ends->items);
    }
    struct probe_end *end = &ends->items[ends->n++];
    *end = (struct probe_end) { .name = xstrdup(name) };
    return end;
}

void
probe_ends_destroy(struct probe_ends *ends)
{
    for (size_t i = 0; i < ends->n; i++) {
        free(ends->items[i].name);
        free(ends->items[i].addresses);
    }
    free(ends->items);
}

static void
end_add_address(struct probe_end *end, const struct sn_prefix *address)
{
    end->addresses = xrealloc(end->addresses, (end->n_addresses + 1)
                              * sizeof *end->addresses);
    end->addresses[end->n_addresses++] = sn_prefix_host(address);
}

static void
end_add_literal(struct probe_end *end, const char *address)
{
    struct sn_prefix p;
    char *error = sn_prefix_parse(address, &p);

    ovs_assert(!error);
    end_add_address(end, &p);
}

static void
add_containers(const struct model *model, const struct model_selector *sel,
               struct probe_ends *ends)
{
    const struct shash_node **sorted = shash_sort(&model->containers);

    for (size_t i = 0; i < shash_count(&model->containers); i++) {
        const struct model_container *container = sorted[i]->data;

        if (model_selector_matches(model, sel, container)) {
            struct probe_end *end = ends_add(ends, container->name);

            end->container = container;
            for (size_t j = 0; j < container->n_addresses; j++) {
                end_add_address(end, &container->addresses[j]);
            }
        }
    }
    free(sorted);
}

static void
add_node(const struct model *model, const char *name, struct probe_ends *ends)
{
    const struct model_node *node = model_get_node(model, name);

    if (node) {
        char *text = xasprintf("node:%s", name);
        struct probe_end *end = ends_add(ends, text);

        free(text);
        end->node = node->name;
        if (node->address.plen) {
            end_add_address(end, &node->address);
        }
        for (size_t i = 0; i < node->n_subnets; i++) {
            end_add_address(end, &node->gateways[i]);
        }
    }
}

static void
add_service(const struct model *model, const char *name,
            struct probe_ends *ends)
{
    const struct model_service *service = model_get_service(model, name);

    if (service) {
        struct probe_end *end = ends_add(ends, name);

        end->service = service;
        for (int is_v4 = 0; is_v4 < 2; is_v4++) {
            const struct sn_prefix *vip = service_get_vip(service, is_v4);

            if (vip) {
                end_add_address(end, vip);
            }
        }
    }
}

void
probe_ends_find(const struct model *model, const struct model_selector *sel,
                struct probe_ends *ends)
{
    *ends = (struct probe_ends) { .n = 0 };
    switch (sel->kind) {
    case SEL_NODE:
        add_node(model, sel->text + strlen("node:"), ends);
        break;
    case SEL_SERVICE:
        add_service(model, sel->text, ends);
        break;
    case SEL_INTERNET: {
        /* Public resolvers: addresses that are nobody's here. */
        struct probe_end *end = ends_add(ends, "internet");

        end_add_literal(end, "1.1.1.1");
        end_add_literal(end, "2606:4700:4700::1111");
        break;
    }
    case SEL_CIDR: {
        struct sn_prefix first = sel->prefix;

        add_containers(model, sel, ends);
        if (!ends->n) {
            if (first.plen < (first.is_v4 ? 31 : 127)) {
                first = sn_prefix_nth(&first, 1);
            }
            end_add_address(ends_add(ends, sel->text), &first);
        }
        break;
    }
    case SEL_CLIENT:
        break;
    case SEL_ANY:
    case SEL_CONTAINER:
    case SEL_TAG:
    case SEL_SEGMENT:
    case SEL_GLOB:
        add_containers(model, sel, ends);
        break;
    }
}

static struct probe *
probes_add(struct probes *probes, const struct probe *probe)
{
    if (probes->n >= probes->allocated) {
        probes->items = x2nrealloc(probes->items, &probes->allocated,
                                   sizeof *probes->items);
    }
    probes->items[probes->n] = *probe;
    return &probes->items[probes->n++];
}

struct sending {
    const struct probe_end *src, *dst;
    const uint16_t *ports;      /* That make a difference. */
    size_t n_ports;
    const struct model_selector *sel;   /* Of the destination. */
};

static bool
port_is_wanted(const struct model_selector *sel, uint16_t port)
{
    for (size_t i = 0; i < sel->n_ports; i++) {
        if (port >= sel->ports[i].first && port <= sel->ports[i].last) {
            return true;
        }
    }
    return !sel->n_ports;
}

static bool
is_among(const uint16_t *ports, size_t n, uint16_t port)
{
    for (size_t i = 0; i < n; i++) {
        if (ports[i] == port) {
            return true;
        }
    }
    return false;
}

static void
add_proto(const struct sending *s, struct probe *probe, uint8_t ip_proto,
          struct probes *probes)
{
    const struct model_service *service = s->dst->service;

    probe->packet.ip_proto = ip_proto;
    probe->packet.port = 0;
    if (service) {
        if (ip_proto == service->ip_proto) {
            probe->packet.port = service->port;
            probes_add(probes, probe);
        }
        return;
    } else if (ip_proto == IPPROTO_ICMP || ip_proto == IPPROTO_ICMPV6) {
        if (!s->sel->n_ports) {
            probes_add(probes, probe);
        }
        return;
    }
    for (size_t i = 0; i < s->sel->n_ports; i++) {
        probe->packet.port = s->sel->ports[i].first;
        if (!is_among(s->ports, s->n_ports, probe->packet.port)) {
            probes_add(probes, probe);
        }
    }
    for (size_t i = 0; i < s->n_ports; i++) {
        if (port_is_wanted(s->sel, s->ports[i])) {
            probe->packet.port = s->ports[i];
            probes_add(probes, probe);
        }
    }
}

static void
add_pair(const struct sending *s, const struct sn_prefix *src,
         const struct sn_prefix *dst, uint8_t ip_proto, struct probes *probes)
{
    uint8_t icmp = src->is_v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6;
    struct probe probe = {
        .packet = {
            .src = s->src->container, .src_node = s->src->node,
            .src_address = *src, .dst_address = *dst,
        },
        .src = s->src->name, .dst = s->dst->name,
        .dst_container = s->dst->container,
        .to_service = s->dst->service != NULL,
    };

    if (ip_proto) {
        add_proto(s, &probe, ip_proto == IPPROTO_ICMP ? icmp : ip_proto,
                  probes);
    } else {
        add_proto(s, &probe, icmp, probes);
        add_proto(s, &probe, IPPROTO_TCP, probes);
        add_proto(s, &probe, IPPROTO_UDP, probes);
    }
}

static void
add_ends(const struct sending *s, uint8_t ip_proto, struct probes *probes)
{
    if (s->src->container && s->src->container == s->dst->container) {
        return;                 /* Does not pass the bridge. */
    }
    for (size_t i = 0; i < s->src->n_addresses; i++) {
        for (size_t j = 0; j < s->dst->n_addresses; j++) {
            const struct sn_prefix *src = &s->src->addresses[i];
            const struct sn_prefix *dst = &s->dst->addresses[j];

            if (src->is_v4 == dst->is_v4) {
                add_pair(s, src, dst, ip_proto, probes);
            }
        }
    }
}

void
probes_make(const struct fabric *fabric, const struct model_selector *src,
            const struct model_selector *dst, uint8_t ip_proto,
            const struct probe_ports *ports, struct probes *probes)
{
    const struct model *model = fabric_model(fabric);
    struct probe_ends srcs, dsts;

    *probes = (struct probes) { .n = 0 };
    probe_ends_find(model, src, &srcs);
    probe_ends_find(model, dst, &dsts);
    for (size_t i = 0; i < srcs.n; i++) {
        for (size_t j = 0; j < dsts.n; j++) {
            struct sending s = {
                .src = &srcs.items[i], .dst = &dsts.items[j],
                .ports = ports->ports, .n_ports = ports->n, .sel = dst,
            };
            size_t first = probes->n;

            if (s.src->container || s.src->node) {
                add_ends(&s, ip_proto, probes);
            }
            for (size_t k = first; k < probes->n; k++) {
                probes->items[k].src = xstrdup(probes->items[k].src);
                probes->items[k].dst = xstrdup(probes->items[k].dst);
            }
        }
    }
    probe_ends_destroy(&srcs);
    probe_ends_destroy(&dsts);
}

void
probes_destroy(struct probes *probes)
{
    for (size_t i = 0; i < probes->n; i++) {
        free(probes->items[i].src);
        free(probes->items[i].dst);
    }
    free(probes->items);
}

char *
probe_to_string(const struct probe *probe)
{
    const struct fabric_packet *packet = &probe->packet;
    struct ds s = DS_EMPTY_INITIALIZER;
    const char *family = packet->dst_address.is_v4 ? "" : " (IPv6)";

    ds_put_format(&s, "%s -> %s ", probe->src, probe->dst);
    switch (packet->ip_proto) {
    case IPPROTO_ICMP:
    case IPPROTO_ICMPV6:
        ds_put_cstr(&s, "ping");
        break;
    case IPPROTO_TCP:
        ds_put_format(&s, "tcp/%"PRIu16, packet->port);
        break;
    case IPPROTO_UDP:
        ds_put_format(&s, "udp/%"PRIu16, packet->port);
        break;
    default:
        ds_put_format(&s, "protocol %u/%"PRIu16, packet->ip_proto,
                      packet->port);
        break;
    }
    ds_put_cstr(&s, family);
    return ds_steal_cstr(&s);
}

bool
probe_has_arrived(const struct probe *probe, const struct fabric_way *way)
{
    switch (way->end) {
    case FABRIC_CONTAINER:
        return probe->to_service
               || (probe->dst_container
                   && !strcmp(way->name, probe->dst_container->name));
    case FABRIC_HOST:           /* Whose address it is. */
    case FABRIC_EXIT:
        return !probe->dst_container && !probe->to_service;
    case FABRIC_DROPPED:
    case FABRIC_REFUSED:
    case FABRIC_ASTRAY:
    case FABRIC_UNKNOWN:
        return false;
    }
    OVS_NOT_REACHED();
}

bool
probe_is_stopped(const struct fabric_way *way)
{
    return way->end == FABRIC_DROPPED || way->end == FABRIC_REFUSED;
}
