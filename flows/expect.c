#include <config.h>

#include "flows/expect.h"

#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include "flow.h"
#include "flows/compiler.h"
#include "flows/ports.h"
#include "openvswitch/util.h"
#include "packets.h"
#include "state/model.h"
#include "util.h"

static struct sn_prefix
prefix(const char *s)
{
    struct sn_prefix p;
    char *error = sn_prefix_parse(s, &p);

    ovs_assert(!error);
    return p;
}

static void
add(struct expect *e, space_set *set, space_set more)
{
    *set = space_or(e->space, *set, more);
}

static space_set
host_set(struct expect *e, enum expect_role role, const struct sn_prefix *p)
{
    struct sn_prefix host = sn_prefix_host(p);

    return header_prefix_set(e->space, role == EXPECT_SRC, &host);
}

bool
expect_is_trusted(const struct expect *e,
                  const struct model_container *container)
{
    return model_get_trusted(e->model, container->name, e->node) != NULL;
}

/* Routes: the longest prefix that has the destination. */

enum way { TO_HOST, TO_LOCAL, TO_NOWHERE, TO_EXIT };

struct route {
    struct sn_prefix dst;
    enum way way;
};

struct routes {
    struct route *items;
    size_t n, allocated;
};

static void
add_route(struct routes *r, const struct sn_prefix *dst, enum way way)
{
    if (r->n >= r->allocated) {
        r->items = x2nrealloc(r->items, &r->allocated, sizeof *r->items);
    }
    r->items[r->n++] = (struct route) { sn_prefix_network(dst), way };
}

static int
compare_routes(const void *a_, const void *b_)
{
    const struct route *a = a_;
    const struct route *b = b_;

    return (a->dst.plen != b->dst.plen ? b->dst.plen - a->dst.plen
            : sn_prefix_compare(&a->dst, &b->dst));
}

static void
add_node_routes(struct expect *e, struct routes *r,
                const struct model_node *node)
{
    bool own = !strcmp(node->name, e->node);
    enum way way = own || !node->revoked ? TO_HOST : TO_NOWHERE;

    for (size_t i = 0; i < node->n_subnets; i++) {
        add_route(r, &node->subnets[i], own ? TO_LOCAL : way);
        if (own) {
            struct sn_prefix gateway = sn_prefix_host(&node->gateways[i]);
            add_route(r, &gateway, TO_HOST);
        }
    }
    for (size_t i = 0; node->vpn && i < node->vpn->n_pools; i++) {
        add_route(r, &node->vpn->pools[i], way);
    }
    if (node->address.plen) {
        struct sn_prefix address = sn_prefix_host(&node->address);
        add_route(r, &address, way);
    }
}

/* Whether the subnets say where the address is. */
static bool
is_at_home(const struct model *model, const struct model_container *container,
           const struct sn_prefix *address)
{
    const struct shash_node *item;
    bool home = false, away = false;

    SHASH_FOR_EACH (item, &model->nodes) {
        const struct model_node *node = item->data;

        for (size_t i = 0; i < node->n_subnets; i++) {
            if (sn_prefix_contains(&node->subnets[i], address)) {
                bool own = !strcmp(node->name, container->node);

                home |= own;
                away |= !own;
            }
        }
    }
    return home && !away;
}

static void
add_strays(struct expect *e, struct routes *r)
{
    const struct shash_node *item;

    SHASH_FOR_EACH (item, &e->model->containers) {
        const struct model_container *container = item->data;
        bool local = !strcmp(container->node, e->node);

        for (size_t i = 0; i < container->n_addresses; i++) {
            struct sn_prefix a = sn_prefix_host(&container->addresses[i]);

            if (expect_is_trusted(e, container)
                && !is_at_home(e->model, container, &a)) {
                add_route(r, &a, local ? TO_LOCAL : TO_HOST);
                for (int role = 0; role < EXPECT_N_ROLES; role++) {
                    add(e, &e->mesh[role], host_set(e, role, &a));
                }
                if (!local) {
                    add(e, &e->remote_src, host_set(e, EXPECT_SRC, &a));
                }
            }
        }
    }
}

static void
make_routes(struct expect *e)
{
    static const char *martians[] = {
        "0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "240.0.0.0/4",
        "::/127", "fe80::/10",
    };
    struct routes r = { .n = 0 };
    space_set remaining = e->ip, ways[TO_EXIT + 1] = { SPACE_NONE };
    const struct shash_node *item;

    for (size_t i = 0; i < ARRAY_SIZE(martians); i++) {
        struct sn_prefix p = prefix(martians[i]);
        add_route(&r, &p, TO_NOWHERE);
    }
    if (e->model->mesh.prefix.plen) {
        add_route(&r, &e->model->mesh.prefix, TO_HOST);
    }
    SHASH_FOR_EACH (item, &e->model->nodes) {
        add_node_routes(e, &r, item->data);
    }
    add_strays(e, &r);
    qsort(r.items, r.n, sizeof *r.items, compare_routes);
    for (size_t i = 0; i < r.n; i++) {
        space_set dst = space_and(e->space, remaining,
                                  header_prefix_set(e->space, false,
                                                    &r.items[i].dst));

        add(e, &ways[r.items[i].way], dst);
        remaining = space_minus(e->space, remaining, dst);
    }
    free(r.items);
    e->to_host = ways[TO_HOST];
    e->to_local = ways[TO_LOCAL];
    e->to_exit = remaining;
}

/* Places. */

static void
add_places(struct expect *e, const struct model_node *node)
{
    bool own = !strcmp(node->name, e->node);

    for (int role = 0; role < EXPECT_N_ROLES; role++) {
        bool src = role == EXPECT_SRC;

        for (size_t i = 0; i < node->n_subnets; i++) {
            space_set net = header_prefix_set(e->space, src,
                                              &node->subnets[i]);
            space_set gateway = host_set(e, role, &node->gateways[i]);

            add(e, &e->mesh[role], space_or(e->space, net, gateway));
            if (own) {
                add(e, &e->own[role], gateway);
            } else {
                add(e, &e->nobody[role],
                    space_minus(e->space, net, gateway));
                add(e, &e->remote_src, src ? net : SPACE_NONE);
            }
        }
        if (node->address.plen) {
            space_set address = host_set(e, role, &node->address);

            add(e, &e->mesh[role], address);
            if (own) {
                add(e, &e->own[role], address);
            } else if (src) {
                add(e, &e->remote_src, address);
            }
        }
        for (size_t i = 0; node->vpn && i < node->vpn->n_pools; i++) {
            space_set pool = header_prefix_set(e->space, src,
                                               &node->vpn->pools[i]);

            add(e, &e->mesh[role], pool);
            add(e, &e->guests[role], pool);
            if (src) {
                add(e, &e->remote_src, pool);
            }
        }
    }
}

/* Whoever has an address is somebody. */
static void
take_containers_from_nobody(struct expect *e)
{
    for (int role = 0; role < EXPECT_N_ROLES; role++) {
        e->nobody[role] = space_minus(e->space, e->nobody[role],
                                      expect_containers(e, role));
    }
}

static bool
client_is_let_in(const struct model *model, const struct model_client *client)
{
    const struct model_node *node = model_get_node(model, client->node);

    return node && !node->revoked && !client->revoked;
}

/* The hosts' own addresses lie within their guests' pools. */
static void
take_hosts_from_guests(struct expect *e)
{
    const struct shash_node *item;

    SHASH_FOR_EACH (item, &e->model->nodes) {
        const struct model_node *node = item->data;

        for (int role = 0; role < EXPECT_N_ROLES; role++) {
            space_set *guests = &e->guests[role];

            for (size_t i = 0; i < node->n_subnets; i++) {
                *guests = space_minus(e->space, *guests,
                                      host_set(e, role, &node->gateways[i]));
            }
            if (node->address.plen) {
                *guests = space_minus(e->space, *guests,
                                      host_set(e, role, &node->address));
            }
        }
    }
}

static void
make_places(struct expect *e)
{
    const struct model_mesh *mesh = &e->model->mesh;
    const struct shash_node *item;

    for (int role = 0; role < EXPECT_N_ROLES; role++) {
        bool src = role == EXPECT_SRC;

        if (mesh->prefix.plen) {
            add(e, &e->mesh[role],
                header_prefix_set(e->space, src, &mesh->prefix));
        }
        if (mesh->service4.plen) {
            add(e, &e->services[role],
                header_prefix_set(e->space, src, &mesh->service4));
        }
        if (mesh->service6.plen) {
            add(e, &e->services[role],
                header_prefix_set(e->space, src, &mesh->service6));
        }
    }
    SHASH_FOR_EACH (item, &e->model->nodes) {
        add_places(e, item->data);
    }
    SHASH_FOR_EACH (item, &e->model->clients) {
        const struct model_client *client = item->data;

        for (size_t i = 0; i < client->n_addresses
                           && client_is_let_in(e->model, client); i++) {
            for (int role = 0; role < EXPECT_N_ROLES; role++) {
                space_set address = host_set(e, role, &client->addresses[i]);

                add(e, &e->mesh[role], address);
                add(e, &e->guests[role], address);
            }
        }
    }
    take_hosts_from_guests(e);
    take_containers_from_nobody(e);
}

/* Who is on which port. */

static bool
exit_is_up(const struct expect *e, const struct model_exit *exit,
           ofp_port_t *ret_port)
{
    char *name = model_exit_port(exit, e->node);
    const struct flow_port *port = flow_ports_find(e->ports, name);

    free(name);
    if (!port || !exit->enabled || sset_contains(&exit->down_at, e->node)) {
        return false;
    }
    *ret_port = port->ofport;
    return true;
}

static const struct model_exit *
choose_exit(const struct expect *e, const struct model_container *container)
{
    for (size_t i = 0; i < container->exits.n; i++) {
        const struct model_exit *exit
            = model_get_exit(e->model, container->exits.names[i]);
        ofp_port_t port;

        if (exit && exit_is_up(e, exit, &port)) {
            return exit;
        }
    }
    return NULL;
}

static void
add_endpoint(struct expect *e, const struct model_container *container,
             const struct flow_port *port)
{
    struct expect_endpoint *ep = &e->endpoints[e->n_endpoints++];
    space_set in_port = header_in_port_set(e->space, port->ofport);

    *ep = (struct expect_endpoint) {
        .container = container, .port = port->ofport,
        .mac = container->has_hwaddr ? container->hwaddr
               : container->seen_hwaddr,
        .exit = choose_exit(e, container),
    };
    for (size_t i = 0; i < container->n_addresses; i++) {
        add(e, &ep->from, host_set(e, EXPECT_SRC, &container->addresses[i]));
        add(e, &ep->to, host_set(e, EXPECT_DST, &container->addresses[i]));
    }
    ep->from = space_and(e->space, ep->from,
                         space_and(e->space, in_port,
                                   header_bytes_set(e->space,
                                                    HEADER_BYTE(dl_src),
                                                    &ep->mac, NULL,
                                                    sizeof ep->mac)));
    add(e, &e->from_ports, in_port);
}

static void
make_endpoints(struct expect *e, const struct shash *pending)
{
    const struct shash_node *item;

    e->endpoints = xcalloc(shash_count(&e->model->containers) + 1,
                           sizeof *e->endpoints);
    SHASH_FOR_EACH (item, &e->model->containers) {
        const struct model_container *container = item->data;
        const struct flow_port *port
            = strcmp(container->node, e->node) ? NULL
              : flow_ports_find_veth(e->ports, container->veth);

        if (strcmp(container->node, e->node)) {
            continue;
        }
        for (size_t i = 0; i < container->n_addresses; i++) {
            for (int role = 0; role < EXPECT_N_ROLES; role++) {
                add(e, &e->local[role],
                    host_set(e, role, &container->addresses[i]));
            }
        }
        if (port && !container->quarantined
            && !shash_find(pending, container->name)) {
            add_endpoint(e, container, port);
        }
    }
}

static void
make_exits(struct expect *e)
{
    const struct shash_node *item;

    e->exits = xcalloc(shash_count(&e->model->exits) + 1, sizeof *e->exits);
    SHASH_FOR_EACH (item, &e->model->exits) {
        struct expect_exit *x = &e->exits[e->n_exits];

        x->exit = item->data;
        if (!exit_is_up(e, x->exit, &x->port)) {
            continue;
        }
        e->n_exits++;
        for (size_t i = 0; i < e->n_endpoints; i++) {
            const struct expect_endpoint *ep = &e->endpoints[i];

            for (size_t j = 0; j < ep->container->exits.n; j++) {
                if (!strcmp(ep->container->exits.names[j], item->name)) {
                    add(e, &x->members,
                        header_in_port_set(e->space, ep->port));
                }
            }
        }
    }
}

static void
make_uplinks(struct expect *e)
{
    const struct model_node *node = model_get_node(e->model, e->node);
    struct sset names = SSET_INITIALIZER(&names);
    const char *name;

    if (node) {
        SSET_FOR_EACH (name, &node->uplinks) {
            sset_add(&names, name);
        }
    }
    flow_ports_add_taps(e->ports, &names);
    SSET_FOR_EACH (name, &names) {
        const struct flow_port *port = flow_ports_find(e->ports, name);

        if (port) {
            add(e, &e->from_uplinks,
                header_in_port_set(e->space, port->ofport));
        }
    }
    sset_destroy(&names);
}

/* What is no ordinary packet. */

enum { ICMP4_TYPE_UNREACHABLE = 3 };

static space_set
proto_set(struct expect *e, uint8_t ip_proto, bool is_v4)
{
    return space_and(e->space, header_family_set(e->space, is_v4),
                     header_u8_set(e->space, HEADER_BYTE(nw_proto),
                                   ip_proto));
}

static space_set
icmp_set(struct expect *e, bool is_v4, uint8_t type)
{
    return space_and(e->space,
                     proto_set(e, is_v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6,
                               is_v4),
                     header_be16_set(e->space, HEADER_BYTE(tp_src), type));
}

static void
make_refusals(struct expect *e)
{
    ovs_be16 rst = htons(TCP_RST);
    struct space *s = e->space;
    space_set reset = header_bytes_set(s, HEADER_BYTE(tcp_flags), &rst, &rst,
                                       sizeof rst);
    space_set tcp = header_u8_set(s, HEADER_BYTE(nw_proto), IPPROTO_TCP);
    space_set closed
        = space_or(s, space_and(s, icmp_set(e, true, ICMP4_TYPE_UNREACHABLE),
                                header_be16_set(s, HEADER_BYTE(tp_dst), 3)),
                   space_and(s, icmp_set(e, false, ICMP6_DST_UNREACH),
                             header_be16_set(s, HEADER_BYTE(tp_dst),
                                             ICMP6_DST_UNREACH_NOPORT)));

    e->refusals = space_or(s, space_and(s, e->services[EXPECT_SRC],
                                        space_and(s, tcp, reset)),
                           space_and(s, e->own[EXPECT_SRC], closed));
}

static void
make_odd(struct expect *e)
{
    static const char *multicast[] = {
        "224.0.0.0/4", "255.255.255.255/32", "ff00::/8",
    };
    ovs_be16 cfi = htons(VLAN_CFI);
    struct space *s = e->space;
    space_set tagged = header_bytes_set(s, HEADER_BYTE(vlans[0].tci), &cfi,
                                        &cfi, sizeof cfi);
    space_set both, subnets = SPACE_NONE;
    const struct model_node *node = model_get_node(e->model, e->node);

    e->neighbours = space_or(s, icmp_set(e, false, ND_NEIGHBOR_SOLICIT),
                             icmp_set(e, false, ND_NEIGHBOR_ADVERT));
    for (size_t i = 0; i < ARRAY_SIZE(multicast); i++) {
        struct sn_prefix p = prefix(multicast[i]);
        add(e, &e->multicast, header_prefix_set(s, false, &p));
    }
    both = space_or(s, space_or(s, tagged, e->multicast),
                    e->services[EXPECT_DST]);
    both = space_or(s, both, e->neighbours);
    e->odd = space_or(s, both, icmp_set(e, true, ICMP4_REDIRECT));
    add(e, &e->odd, icmp_set(e, false, ND_ROUTER_ADVERT));
    add(e, &e->odd, icmp_set(e, false, ND_REDIRECT));
    add(e, &e->odd, space_and(s, proto_set(e, IPPROTO_UDP, true),
                              header_be16_set(s, HEADER_BYTE(tp_src), 67)));
    add(e, &e->odd, space_and(s, proto_set(e, IPPROTO_UDP, false),
                              header_be16_set(s, HEADER_BYTE(tp_src), 547)));

    /* From the host nobody has an address of its containers. */
    for (size_t i = 0; node && i < node->n_subnets; i++) {
        subnets = space_or(s, subnets, header_prefix_set(s, true,
                                                         &node->subnets[i]));
    }
    subnets = space_minus(s, subnets, e->own[EXPECT_SRC]);
    subnets = space_minus(s, subnets, e->remote_src);
    e->odd_host = space_or(s, both, subnets);
    add(e, &e->odd_host, e->local[EXPECT_SRC]);
    add(e, &e->odd_host, e->services[EXPECT_SRC]);
}

void
expect_init(struct expect *e, struct space *s, struct expect_rules *rules,
            const char *node, const struct flow_ports *ports,
            const struct shash *pending)
{
    memset(e, 0, sizeof *e);
    e->space = s;
    e->rules = rules;
    e->model = expect_rules_model(rules);
    e->node = node;
    e->ports = ports;
    shash_init(&e->selectors);
    e->ip = space_or(s, header_family_set(s, true),
                     header_family_set(s, false));
    e->from_host = header_in_port_set(s, OFPP_LOCAL);
    make_places(e);
    make_endpoints(e, pending);
    make_exits(e);
    make_uplinks(e);
    make_routes(e);
    make_refusals(e);
    make_odd(e);
    expect_make_rules(e);
    expect_make_raw(e);
}

void
expect_uninit(struct expect *e)
{
    shash_destroy(&e->selectors);
    free(e->endpoints);
    free(e->exits);
    free(e->unproven);
}
