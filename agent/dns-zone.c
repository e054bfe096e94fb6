#include <config.h>
#include "agent/dns-zone.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "agent/dns-message.h"
#include "openvswitch/ofpbuf.h"
#include "openvswitch/shash.h"
#include "state/model.h"
#include "state/service.h"
#include "util.h"

/* Short, as an apply takes effect at once. */
#define TTL 30
#define NEGATIVE_TTL 5

struct dns_rr {
    uint16_t type;
    struct sn_prefix address;   /* DNS_A, DNS_AAAA. */
    char *target;               /* DNS_PTR, DNS_SRV. */
    uint16_t port;              /* DNS_SRV. */
};

/* One without records has names below it. */
struct dns_node {
    struct dns_rr *rrs;
    size_t n, allocated;
};

struct dns_zone {
    char *domain;               /* NULL: not one. */
    char *server;               /* This node's name. */
    uint32_t serial;
    struct shash names;         /* struct dns_node. */
    struct sn_prefix *nets;     /* Whose reverse names are ours. */
    size_t n_nets, allocated_nets;
};

/* Making it. */

static struct dns_node *
zone_get_node(struct dns_zone *z, const char *name)
{
    struct dns_node *node = shash_find_data(&z->names, name);

    if (!node) {
        const char *parent = strchr(name, '.');

        node = xzalloc(sizeof *node);
        shash_add(&z->names, name, node);
        if (parent) {
            zone_get_node(z, parent + 1);
        }
    }
    return node;
}

/* Takes ownership of rr.target. */
static void
zone_add(struct dns_zone *z, const char *name, struct dns_rr rr)
{
    struct dns_node *node = zone_get_node(z, name);

    for (size_t i = 0; i < node->n; i++) {
        const struct dns_rr *o = &node->rrs[i];

        if (o->type == rr.type && o->port == rr.port
            && sn_prefix_equals(&o->address, &rr.address)
            && nullable_string_is_equal(o->target, rr.target)) {
            free(rr.target);
            return;
        }
    }
    if (node->n >= node->allocated) {
        node->rrs = x2nrealloc(node->rrs, &node->allocated,
                               sizeof *node->rrs);
    }
    node->rrs[node->n++] = rr;
}

/* "a.b" of "a" and "b" as a canonical name, or NULL. */
static char *
join(const char *name, const char *domain)
{
    char canonical[DNS_NAME_TEXT];
    char *text = xasprintf("%s.%s", name, domain);
    bool ok = dns_name_from_text(text, canonical);

    free(text);
    return ok ? xstrdup(canonical) : NULL;
}

static void
zone_add_address(struct dns_zone *z, const char *name,
                 const struct sn_prefix *address)
{
    struct dns_rr rr = { .type = address->is_v4 ? DNS_A : DNS_AAAA };

    rr.address = sn_prefix_host(address);
    zone_add(z, name, rr);
}

static void
zone_add_reverse(struct dns_zone *z, const char *name,
                 const struct sn_prefix *address)
{
    struct sn_prefix host = sn_prefix_host(address);
    char *reverse = dns_reverse_name(&host);
    struct dns_rr rr = { .type = DNS_PTR, .target = xstrdup(name) };

    zone_add(z, reverse, rr);
    free(reverse);
}

static void
zone_add_net(struct dns_zone *z, const struct sn_prefix *net)
{
    if (z->n_nets >= z->allocated_nets) {
        z->nets = x2nrealloc(z->nets, &z->allocated_nets, sizeof *z->nets);
    }
    z->nets[z->n_nets++] = sn_prefix_network(net);
}

static bool
zone_has(const struct dns_zone *z, const char *name)
{
    const struct dns_node *node = shash_find_data(&z->names, name);

    return node && node->n;
}

static void
zone_add_container(struct dns_zone *z, const struct model_container *c)
{
    char *name = join(c->name, z->domain);

    for (size_t i = 0; name && i < c->n_addresses; i++) {
        zone_add_address(z, name, &c->addresses[i]);
        zone_add_reverse(z, name, &c->addresses[i]);
    }
    free(name);
}

static void
zone_add_model_node(struct dns_zone *z, const struct model_node *n)
{
    char *name = join(n->name, z->domain);

    if (name) {
        bool taken = zone_has(z, name);

        if (n->address.plen) {
            if (!taken) {
                zone_add_address(z, name, &n->address);
            }
            zone_add_reverse(z, name, &n->address);
        }
        for (size_t i = 0; i < n->n_subnets; i++) {
            zone_add_reverse(z, name, &n->gateways[i]);
        }
    }
    free(name);
}

static const char *
proto_name(uint8_t ip_proto)
{
    return (ip_proto == IPPROTO_UDP ? "udp"
            : ip_proto == IPPROTO_SCTP ? "sctp" : "tcp");
}

static void
zone_add_srv(struct dns_zone *z, const char *service, uint8_t ip_proto,
             uint16_t port, const char *below, const char *target)
{
    char *label = xasprintf("_%s._%s", service, proto_name(ip_proto));
    char *name = join(label, below);

    if (name) {
        struct dns_rr rr = {
            .type = DNS_SRV, .target = xstrdup(target), .port = port,
        };
        zone_add(z, name, rr);
    }
    free(name);
    free(label);
}

/* A service without a virtual address: its backends that serve. */
static void
zone_add_backends(struct dns_zone *z, const struct model *model,
                  const struct model_service *service, const char *name)
{
    struct service_backend *backends;
    size_t n = service_get_backends(model, service, &backends);

    for (size_t i = 0; i < n; i++) {
        const struct model_container *c = backends[i].container;
        char *target = join(c->name, z->domain);

        if (target && backends[i].weight && !backends[i].down) {
            for (size_t j = 0; name && j < c->n_addresses; j++) {
                zone_add_address(z, name, &c->addresses[j]);
            }
            zone_add_srv(z, service->name, service->ip_proto,
                         backends[i].port, z->domain, target);
        }
        free(target);
    }
    free(backends);
}

/* 'taken': names that are a container's or a node's. */
static void
zone_add_service(struct dns_zone *z, const struct model *model,
                 const struct model_service *service,
                 const struct sset *taken)
{
    char *name = join(service->name, z->domain);
    bool is_free = name && !sset_contains(taken, name);

    if (!service->n_vips) {
        zone_add_backends(z, model, service, is_free ? name : NULL);
    } else if (is_free) {
        for (size_t i = 0; i < service->n_vips; i++) {
            zone_add_address(z, name, &service->vips[i]);
            zone_add_reverse(z, name, &service->vips[i]);
        }
        zone_add_srv(z, service->name, service->ip_proto, service->port,
                     z->domain, name);
    }
    free(name);
}

/* What a container declares and no service of that name gathers. */
static void
zone_add_ports(struct dns_zone *z, const struct model *model,
               const struct model_container *c, const struct sset *taken)
{
    char *target = join(c->name, z->domain);

    for (size_t i = 0; target && i < c->n_services; i++) {
        const struct model_port *port = &c->services[i];
        char *name = port->name ? join(port->name, z->domain) : NULL;

        if (port->name) {
            zone_add_srv(z, port->name, port->ip_proto, port->port, target,
                         target);
        }
        if (!port->name || model_get_service(model, port->name)) {
            free(name);
            continue;
        }
        zone_add_srv(z, port->name, port->ip_proto, port->port, z->domain,
                     target);
        for (size_t j = 0; name && !sset_contains(taken, name)
             && j < c->n_addresses; j++) {
            zone_add_address(z, name, &c->addresses[j]);
        }
        free(name);
    }
    free(target);
}

static void
zone_add_domain(struct dns_zone *z, const struct model *model)
{
    const struct shash_node **nodes = shash_sort(&model->nodes);
    const struct shash_node **containers = shash_sort(&model->containers);
    size_t n_containers = shash_count(&model->containers);
    struct sset taken = SSET_INITIALIZER(&taken);
    struct shash_node *node;

    zone_get_node(z, z->domain);
    for (size_t i = 0; i < n_containers; i++) {
        zone_add_container(z, containers[i]->data);
    }
    for (size_t i = 0; i < shash_count(&model->nodes); i++) {
        zone_add_model_node(z, nodes[i]->data);
    }
    SHASH_FOR_EACH (node, &z->names) {
        if (zone_has(z, node->name)) {
            sset_add(&taken, node->name);
        }
    }
    for (size_t i = 0; i < n_containers; i++) {
        zone_add_ports(z, model, containers[i]->data, &taken);
    }
    SHASH_FOR_EACH (node, &model->services) {
        zone_add_service(z, model, node->data, &taken);
    }
    sset_destroy(&taken);
    free(nodes);
    free(containers);
}

struct dns_zone *
dns_zone_create(const struct model *model, const char *node, uint32_t serial)
{
    const struct model_node *self = model_get_node(model, node);
    char domain[DNS_NAME_TEXT];
    struct shash_node *snode;

    if (!self) {
        return NULL;
    }

    struct dns_zone *z = xzalloc(sizeof *z);
    z->serial = serial;
    shash_init(&z->names);
    if (model->mesh.prefix.plen) {
        zone_add_net(z, &model->mesh.prefix);
    }
    SHASH_FOR_EACH (snode, &model->services) {
        if (service_get_vip(snode->data, true)) {
            zone_add_net(z, &model->mesh.service4);
            break;
        }
    }
    SHASH_FOR_EACH (snode, &model->services) {
        if (service_get_vip(snode->data, false)) {
            zone_add_net(z, &model->mesh.service6);
            break;
        }
    }
    SHASH_FOR_EACH (snode, &model->nodes) {
        const struct model_node *n = snode->data;

        for (size_t i = 0; i < n->n_subnets; i++) {
            zone_add_net(z, &n->subnets[i]);
        }
    }
    if (model->mesh.domain && dns_name_from_text(model->mesh.domain,
                                                 domain)) {
        z->domain = xstrdup(domain);
        z->server = join(node, domain);
        zone_add_domain(z, model);
    }
    if (!z->server) {
        z->server = xstrdup("localhost");
    }
    return z;
}

void
dns_zone_destroy(struct dns_zone *z)
{
    struct shash_node *node;

    if (!z) {
        return;
    }
    SHASH_FOR_EACH (node, &z->names) {
        struct dns_node *n = node->data;

        for (size_t i = 0; i < n->n; i++) {
            free(n->rrs[i].target);
        }
        free(n->rrs);
    }
    shash_destroy_free_data(&z->names);
    free(z->nets);
    free(z->domain);
    free(z->server);
    free(z);
}

bool
dns_zone_has_domain(const struct dns_zone *z)
{
    return z->domain != NULL;
}

size_t
dns_zone_count(const struct dns_zone *z)
{
    return shash_count(&z->names);
}

/* Answering. */

/* The apex of the zone of ours that has 'name', to free, or NULL. */
static char *
zone_find_apex(const struct dns_zone *z, const char *name)
{
    const struct sn_prefix *best = NULL;
    struct sn_prefix p;

    if (z->domain && dns_name_is_within(name, z->domain)) {
        return xstrdup(z->domain);
    }
    if (!dns_reverse_parse(name, &p)) {
        return NULL;
    }
    for (size_t i = 0; i < z->n_nets; i++) {
        if (sn_prefix_contains(&z->nets[i], &p)
            && (!best || z->nets[i].plen > best->plen)) {
            best = &z->nets[i];
        }
    }
    return best ? dns_reverse_name(best) : NULL;
}

static void
put_soa(const struct dns_zone *z, struct ofpbuf *b, enum dns_section section,
        const char *apex)
{
    size_t rr = dns_rr_begin(b, section, apex, DNS_SOA, NEGATIVE_TTL);

    dns_put_name(b, z->server);
    dns_put_name(b, z->server);         /* Whom to tell: nobody else. */
    dns_put_u32(b, z->serial);
    dns_put_u32(b, 60);                 /* Refresh, retry, expire: nobody */
    dns_put_u32(b, 30);                 /* transfers this zone. */
    dns_put_u32(b, 600);
    dns_put_u32(b, NEGATIVE_TTL);       /* RFC 2308, section 4. */
    dns_rr_end(b, rr);
}

static void
put_rr(struct ofpbuf *b, enum dns_section section, const char *owner,
       const struct dns_rr *data)
{
    size_t rr = dns_rr_begin(b, section, owner, data->type, TTL);

    switch (data->type) {
    case DNS_A:
        ofpbuf_put(b, &data->address.addr.s6_addr[12], 4);
        break;
    case DNS_AAAA:
        ofpbuf_put(b, &data->address.addr, 16);
        break;
    case DNS_SRV:
        dns_put_u16(b, 0);              /* Priority and weight: all alike. */
        dns_put_u16(b, 0);
        dns_put_u16(b, data->port);
        dns_put_name(b, data->target);
        break;
    case DNS_PTR:
        dns_put_name(b, data->target);
        break;
    default:
        OVS_NOT_REACHED();
    }
    dns_rr_end(b, rr);
}

/* The addresses of SRV targets (RFC 2782), as far as there is room. */
static void
put_targets(const struct dns_zone *z, const struct dns_node *node,
            size_t limit, struct ofpbuf *b)
{
    for (size_t i = 0; i < node->n; i++) {
        const struct dns_node *target
            = (node->rrs[i].type == DNS_SRV
               ? shash_find_data(&z->names, node->rrs[i].target) : NULL);

        for (size_t j = 0; target && j < target->n; j++) {
            /* The name, the record's head, its data, an OPT. */
            size_t len = strlen(node->rrs[i].target) + 2 + 10 + 16 + 11;

            if (target->rrs[j].address.plen && b->size + len <= limit) {
                put_rr(b, DNS_ADDITIONAL, node->rrs[i].target,
                       &target->rrs[j]);
            }
        }
    }
}

/* Not always in the same order, so that clients spread. */
static size_t
put_answers(const struct dns_node *node, const struct dns_query *q,
            struct ofpbuf *b)
{
    size_t n = 0;

    for (size_t i = 0; node && i < node->n; i++) {
        const struct dns_rr *rr = &node->rrs[(i + q->id) % node->n];

        if (rr->type == q->type || q->type == DNS_ANY) {
            put_rr(b, DNS_ANSWER, NULL, rr);
            n++;
        }
    }
    return n;
}

bool
dns_zone_answer(const struct dns_zone *z, const uint8_t *msg,
                const struct dns_query *q, size_t limit, struct ofpbuf *reply)
{
    char *apex = zone_find_apex(z, q->name);
    const struct dns_node *node = shash_find_data(&z->names, q->name);
    int rcode = DNS_NOERROR;
    size_t n;

    if (!apex) {
        return false;
    }
    bool is_apex = !strcmp(apex, q->name);
    dns_reply_begin(reply, msg, q, true);
    n = put_answers(node, q, reply);
    if (is_apex && (q->type == DNS_SOA || q->type == DNS_ANY)) {
        put_soa(z, reply, DNS_ANSWER, apex);
        n++;
    }
    if (is_apex && (q->type == DNS_NS || q->type == DNS_ANY)) {
        size_t rr = dns_rr_begin(reply, DNS_ANSWER, NULL, DNS_NS, TTL);

        dns_put_name(reply, z->server);
        dns_rr_end(reply, rr);
        n++;
    }
    if (!n) {
        rcode = node || is_apex ? DNS_NOERROR : DNS_NXDOMAIN;
        put_soa(z, reply, DNS_AUTHORITY, apex);
    } else if (node) {
        put_targets(z, node, limit, reply);
    }
    dns_reply_end(reply, q, rcode, limit);
    free(apex);
    return true;
}
