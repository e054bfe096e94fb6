#include <config.h>

#include "cli/fabric.h"

#include <netinet/icmp6.h>
#include <stdlib.h>
#include <string.h>
#include "bitmap.h"
#include "cli/offline.h"
#include "cli/port-marks.h"
#include "flow.h"
#include "flows/compiler.h"
#include "flows/cookie.h"
#include "hash.h"
#include "lib/host-bridge.h"
#include "openvswitch/ofp-port.h"
#include "openvswitch/shash.h"
#include "packets.h"
#include "state/model.h"
#include "util.h"

/* Where a client's connections come from, of which no rule speaks. */
enum { SOURCE_PORT = 50000 };

struct fabric_node {
    const struct model_node *node;
    struct offline *offline;
    struct walk_bridge *bridge;
    struct port_marks *marks;
};

/* Who has an address. */
struct fabric_address {
    struct hmap_node hmap_node;
    struct sn_prefix address;   /* As a host. */
    const struct model_container *container;
};

struct fabric {
    const struct model *model;
    struct shash nodes;         /* struct fabric_node. */
    struct hmap addresses;      /* struct fabric_address. */
    struct shash ports;         /* "NODE VETH": struct model_container. */
};

static uint32_t
hash_address(const struct sn_prefix *address)
{
    return hash_bytes(&address->addr, sizeof address->addr, address->is_v4);
}

/* Of two that have it, the first by name. */
static void
index_container(struct fabric *f, const struct model_container *container)
{
    char *port = xasprintf("%s %s", container->node, container->veth);

    shash_add_once(&f->ports, port, container);
    free(port);
    for (size_t i = 0; i < container->n_addresses; i++) {
        struct fabric_address *a = xzalloc(sizeof *a);

        a->address = sn_prefix_host(&container->addresses[i]);
        a->container = container;
        hmap_insert(&f->addresses, &a->hmap_node, hash_address(&a->address));
    }
}

static void
index_containers(struct fabric *f)
{
    const struct shash_node *item;

    hmap_init(&f->addresses);
    shash_init(&f->ports);
    SHASH_FOR_EACH (item, &f->model->containers) {
        index_container(f, item->data);
    }
}

struct fabric *
fabric_create(struct model *model)
{
    struct fabric *f = xzalloc(sizeof *f);
    const struct shash_node *item;

    f->model = model;
    shash_init(&f->nodes);
    index_containers(f);
    SHASH_FOR_EACH (item, &model->nodes) {
        struct fabric_node *n = xzalloc(sizeof *n);

        n->node = item->data;
        n->offline = offline_create(item->name);
        offline_invent_macs(n->offline, model);
        shash_add(&f->nodes, item->name, n);
    }
    SHASH_FOR_EACH (item, &f->nodes) {
        struct fabric_node *n = item->data;
        const struct compiler *compiler = offline_compiler(n->offline);

        offline_run(n->offline, model);
        n->bridge = walk_bridge_create(compiler_flows(compiler),
                                       compiler_objects(compiler));
        n->marks = port_marks_create(compiler_flows(compiler));
    }
    return f;
}

void
fabric_destroy(struct fabric *f)
{
    if (f) {
        struct fabric_address *a;
        struct shash_node *item;

        SHASH_FOR_EACH (item, &f->nodes) {
            struct fabric_node *n = item->data;

            port_marks_destroy(n->marks);
            walk_bridge_destroy(n->bridge);
            offline_destroy(n->offline);
        }
        HMAP_FOR_EACH_POP (a, hmap_node, &f->addresses) {
            free(a);
        }
        hmap_destroy(&f->addresses);
        shash_destroy(&f->ports);
        shash_destroy_free_data(&f->nodes);
        free(f);
    }
}

const struct model *
fabric_model(const struct fabric *f)
{
    return f->model;
}

const struct offline *
fabric_offline(const struct fabric *f, const char *node)
{
    const struct fabric_node *n = shash_find_data(&f->nodes, node);

    return n ? n->offline : NULL;
}

static struct eth_addr
container_mac(const struct model_container *container)
{
    return container->has_hwaddr ? container->hwaddr : container->seen_hwaddr;
}

static const struct model_container *
find_container(const struct fabric *f, const struct sn_prefix *address)
{
    const struct fabric_address *a;

    HMAP_FOR_EACH_WITH_HASH (a, hmap_node, hash_address(address),
                             &f->addresses) {
        if (sn_prefix_equals(&a->address, address)) {
            return a->container;
        }
    }
    return NULL;
}

static bool
node_has_address(const struct model_node *node,
                 const struct sn_prefix *address)
{
    struct sn_prefix own = sn_prefix_host(&node->address);

    if (node->address.plen && sn_prefix_equals(&own, address)) {
        return true;
    }
    for (size_t i = 0; i < node->n_subnets; i++) {
        own = sn_prefix_host(&node->gateways[i]);
        if (sn_prefix_equals(&own, address)) {
            return true;
        }
    }
    return false;
}

/* To whom the hosts' routes carry a packet; NULL: to none of the mesh. */
static const char *
find_node(const struct fabric *f, const struct sn_prefix *address)
{
    const struct model_container *container = find_container(f, address);
    const struct shash_node *item;

    if (container) {
        return container->node;
    }
    SHASH_FOR_EACH (item, &f->model->nodes) {
        const struct model_node *node = item->data;

        if (node_has_address(node, address)) {
            return node->name;
        }
        for (size_t i = 0; i < node->n_subnets; i++) {
            if (sn_prefix_contains(&node->subnets[i], address)) {
                return node->name;
            }
        }
    }
    return NULL;
}

static void
packet_to_flow(const struct fabric_packet *packet, struct flow *flow)
{
    *flow = (struct flow) { .nw_ttl = 64 };
    flow->packet_type = htonl(PT_ETH);
    flow->nw_proto = packet->ip_proto;
    if (packet->dst_address.is_v4) {
        flow->dl_type = htons(ETH_TYPE_IP);
        flow->nw_src = in6_addr_get_mapped_ipv4(&packet->src_address.addr);
        flow->nw_dst = in6_addr_get_mapped_ipv4(&packet->dst_address.addr);
    } else {
        flow->dl_type = htons(ETH_TYPE_IPV6);
        flow->ipv6_src = packet->src_address.addr;
        flow->ipv6_dst = packet->dst_address.addr;
    }
    if (packet->ip_proto == IPPROTO_ICMP) {
        flow->tp_src = htons(ICMP4_ECHO_REQUEST);
    } else if (packet->ip_proto == IPPROTO_ICMPV6) {
        flow->tp_src = htons(ICMP6_ECHO_REQUEST);
    } else {
        flow->tp_src = htons(SOURCE_PORT);
        flow->tp_dst = htons(packet->port);
    }
}

static struct sn_prefix
flow_destination(const struct flow *flow)
{
    struct sn_prefix p = { .plen = 128 };

    if (flow->dl_type == htons(ETH_TYPE_IP)) {
        p.is_v4 = true;
        p.plen = 32;
        in6_addr_set_mapped_ipv4(&p.addr, flow->nw_dst);
    } else {
        p.addr = flow->ipv6_dst;
    }
    return p;
}

/* As the container's own stack would send it. */
static void
address_from_container(const struct fabric *f, const struct fabric_node *n,
                       const struct fabric_packet *packet, struct flow *flow)
{
    const struct flow_ports *ports = offline_ports(n->offline);
    const struct flow_port *port = flow_ports_find(ports, packet->src->veth);
    const struct flow_port *local = flow_ports_find(ports,
                                                    packet->src->bridge);
    const struct model_container *dst
        = find_container(f, &packet->dst_address);
    bool direct = (dst && !strcmp(dst->node, packet->src->node)
                   && model_container_is_on_link(packet->src,
                                                 &packet->dst_address));

    flow->in_port.ofp_port = port ? port->ofport : OFPP_NONE;
    flow->dl_src = container_mac(packet->src);
    flow->dl_dst = direct ? container_mac(dst)
                   : local ? local->hwaddr : eth_addr_zero;
}

/* As the host's stack would hand it to its bridge. */
static void
address_from_host(const struct fabric *f, const struct fabric_node *n,
                  struct flow *flow)
{
    const struct flow_port *local
        = flow_ports_find(offline_ports(n->offline), SN_BRIDGE);
    struct sn_prefix dst_address = flow_destination(flow);
    const struct model_container *dst = find_container(f, &dst_address);

    flow->in_port.ofp_port = OFPP_LOCAL;
    flow->dl_src = local ? local->hwaddr : eth_addr_zero;
    flow->dl_dst = dst ? container_mac(dst) : eth_addr_zero;
}

static bool
is_rule(const struct sn_flow *flow)
{
    enum cookie_kind kind = flow ? cookie_kind(flow->cookie) : COOKIE_BASE;

    return (kind == COOKIE_ACL || kind == COOKIE_SEGMENT
            || kind == COOKIE_DEFAULT || kind == COOKIE_RAW_FLOW);
}

static void
find_decided(struct fabric_way *way)
{
    for (size_t i = 0; i < way->n_hops; i++) {
        const struct walk *walk = &way->hops[i].walk;

        for (size_t j = 0; j < walk->n_steps; j++) {
            if (is_rule(walk->steps[j].flow)) {
                way->decided = walk->steps[j].flow;
            }
        }
    }
    if (!way->decided && way->n_hops) {
        way->decided = walk_last(&way->hops[way->n_hops - 1].walk);
    }
}

static void
way_end(struct fabric_way *way, enum fabric_end end, const char *name)
{
    way->end = end;
    way->name = name ? xstrdup(name) : NULL;
    find_decided(way);
}

/* By which port of 'n' the packet leaves, if not to the host. */
static void
end_at_port(const struct fabric *f, const struct fabric_node *n,
            ofp_port_t ofport, struct fabric_way *way)
{
    const char *port
        = ofputil_port_map_get_name(offline_port_map(n->offline), ofport);
    const struct shash_node *item;
    char *key = xasprintf("%s %s", n->node->name, port ? port : "");
    const struct model_container *container = shash_find_data(&f->ports, key);

    free(key);
    if (container) {
        way_end(way, FABRIC_CONTAINER, container->name);
        return;
    }
    SHASH_FOR_EACH (item, &f->model->exits) {
        char *exit_port = model_exit_port(item->data, n->node->name);
        bool is_it = port && exit_port && !strcmp(exit_port, port);

        free(exit_port);
        if (is_it) {
            way_end(way, FABRIC_EXIT, item->name);
            return;
        }
    }
    way_end(way, FABRIC_ASTRAY, port ? port : "an unknown port");
}

static void
walk_at(const struct fabric *f, const char *node, struct flow *flow,
        size_t bucket, struct fabric_way *way);

/* The packet is in the host 'n'. */
static void
route(const struct fabric *f, const struct fabric_node *n,
      const struct flow *packet, size_t bucket, struct fabric_way *way)
{
    struct sn_prefix dst = flow_destination(packet);
    const struct model_mesh *mesh = &f->model->mesh;
    const char *next = find_node(f, &dst);
    const struct fabric_node *at = next ? shash_find_data(&f->nodes, next)
                                   : NULL;

    if (at && node_has_address(at->node, &dst)) {
        way_end(way, FABRIC_HOST, next);
    } else if (sn_prefix_contains(&mesh->service4, &dst)
               || sn_prefix_contains(&mesh->service6, &dst)) {
        way_end(way, FABRIC_REFUSED, n->node->name);
    } else if (!at || (at == n && way->n_hops)
               || way->n_hops >= ARRAY_SIZE(way->hops)) {
        way_end(way, FABRIC_ASTRAY, n->node->name);
    } else {
        struct flow fresh = { .nw_ttl = 63 };

        /* Nothing but the packet itself gets across. */
        fresh.packet_type = packet->packet_type;
        fresh.dl_type = packet->dl_type;
        fresh.nw_proto = packet->nw_proto;
        fresh.nw_src = packet->nw_src;
        fresh.nw_dst = packet->nw_dst;
        fresh.ipv6_src = packet->ipv6_src;
        fresh.ipv6_dst = packet->ipv6_dst;
        fresh.tp_src = packet->tp_src;
        fresh.tp_dst = packet->tp_dst;
        address_from_host(f, at, &fresh);
        walk_at(f, next, &fresh, bucket, way);
    }
}

static void
walk_at(const struct fabric *f, const char *node, struct flow *flow,
        size_t bucket, struct fabric_way *way)
{
    const struct fabric_node *n = shash_find_data(&f->nodes, node);
    struct fabric_hop *hop = &way->hops[way->n_hops++];

    hop->node = n->node->name;
    hop->packet = *flow;
    walk_run(n->bridge, flow, bucket, &hop->walk);
    way->n_buckets = MAX(way->n_buckets, hop->walk.n_buckets);
    if (hop->walk.unknown) {
        way_end(way, FABRIC_UNKNOWN, hop->walk.unknown);
    } else if (!hop->walk.n_outputs) {
        way_end(way, FABRIC_DROPPED, NULL);
    } else if (hop->walk.outputs[0].port == OFPP_LOCAL) {
        route(f, n, &hop->walk.outputs[0].packet, bucket, way);
    } else {
        end_at_port(f, n, hop->walk.outputs[0].port, way);
    }
}

void
fabric_send(const struct fabric *f, const struct fabric_packet *packet,
            struct fabric_way *way)
{
    const char *node = packet->src ? packet->src->node : packet->src_node;
    const struct fabric_node *n = shash_find_data(&f->nodes, node);
    struct flow flow;

    *way = (struct fabric_way) { .n_hops = 0 };
    packet_to_flow(packet, &flow);
    if (packet->src) {
        address_from_container(f, n, packet, &flow);
        walk_at(f, node, &flow, packet->bucket, way);
    } else {
        route(f, n, &flow, packet->bucket, way);
    }
}

void
fabric_way_uninit(struct fabric_way *way)
{
    for (size_t i = 0; i < way->n_hops; i++) {
        walk_uninit(&way->hops[i].walk);
    }
    free(way->name);
}

char *
fabric_way_to_string(const struct fabric_way *way)
{
    switch (way->end) {
    case FABRIC_CONTAINER:
        return xasprintf("delivered to %s", way->name);
    case FABRIC_HOST:
        return xasprintf("delivered to node:%s itself", way->name);
    case FABRIC_EXIT:
        return xasprintf("leaves by exit %s", way->name);
    case FABRIC_DROPPED:
        return xstrdup("dropped");
    case FABRIC_REFUSED:
        return xstrdup("refused: no such service");
    case FABRIC_ASTRAY:
        return xasprintf("goes astray at %s", way->name);
    case FABRIC_UNKNOWN:
        return xasprintf("not known: a flow has the action %s", way->name);
    }
    OVS_NOT_REACHED();
}

uint32_t
fabric_next_port(const struct fabric *f, const struct fabric_way *way,
                 uint8_t ip_proto, uint16_t port)
{
    uint32_t next = UINT16_MAX + 1;

    for (size_t i = 0; i < way->n_hops; i++) {
        const struct fabric_hop *hop = &way->hops[i];
        const struct fabric_node *n = shash_find_data(&f->nodes, hop->node);
        uint32_t here = port_marks_next(n->marks, &hop->walk.last, ip_proto,
                                        port);

        next = MIN(next, here);
    }
    return next;
}

size_t
fabric_get_ports(const struct fabric *f, uint16_t **ret_ports)
{
    unsigned long *starts = bitmap_allocate(UINT16_MAX + 1);
    const struct shash_node *item;
    uint16_t *ports;
    size_t n = 0;

    bitmap_set1(starts, 1);
    SHASH_FOR_EACH (item, &f->nodes) {
        const struct fabric_node *node = item->data;

        port_marks_collect(node->marks, starts);
    }
    ports = xmalloc(bitmap_count1(starts, UINT16_MAX + 1) * sizeof *ports);
    for (size_t port = 1; port <= UINT16_MAX; port++) {
        if (bitmap_is_set(starts, port)) {
            ports[n++] = port;
        }
    }
    free(starts);
    *ret_ports = ports;
    return n;
}
