#include <config.h>

#include "tests/unit/random-world.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include "flow.h"
#include "openvswitch/util.h"
#include "tests/unit/flow-model.h"
#include "util.h"

#define N_NODES 3
#define N_CONTAINERS 14
#define N_RULES 6
#define N_SEGMENTS 3
static const char *node_names[N_NODES] = { "a", "b", "c" };

static uint32_t
draw(struct world *w, uint32_t n)
{
    w->random += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t z = w->random;
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (z ^ (z >> 31)) % n;
}

static void
changed(struct world *w, enum model_kind kind, const char *key)
{
    model_changes_add(&w->changes, kind, key);
    ds_put_format(&w->log, " kind %d %s;", kind, key);
}

/* Draws a list of words out of 'words'. */
static char *
draw_words(struct world *w, const char *const words[], size_t n)
{
    struct ds s = DS_EMPTY_INITIALIZER;

    for (size_t i = 0; i < n; i++) {
        if (!draw(w, 3)) {
            ds_put_format(&s, "%s%s", s.length ? " " : "", words[i]);
        }
    }
    return ds_steal_cstr(&s);
}

static void
draw_vpn(struct world *w, struct model_node *node, int i)
{
    struct model_vpn *vpn = xzalloc(sizeof *vpn);
    char *pool = xasprintf("10.%d.0.0/24", 8 + (draw(w, 6) ? i : 0));

    vpn->interface = xstrdup("wg0");
    vpn->pools = xzalloc(sizeof *vpn->pools);
    free(sn_prefix_parse(pool, &vpn->pools[0]));
    vpn->n_pools = 1;
    svec_init(&vpn->dns);
    node->vpn = vpn;
    free(pool);
}

/* Guests, some of nodes that are not there or have no pool. */
static void
step_client(struct world *w)
{
    char *name = xasprintf("g%u", draw(w, 5));

    if (!draw(w, 3)) {
        model_remove(w->model, MODEL_CLIENT, name);
    } else {
        struct model_client *client = model_object_create(MODEL_CLIENT);
        int i = draw(w, N_NODES);
        char *address = xasprintf("10.%d.0.%u", 8 + i, 2 + draw(w, 6));

        client->name = xstrdup(name);
        client->node = xstrdup(node_names[i]);
        client->public_key = xstrdup(name);
        client->addresses = xzalloc(sizeof *client->addresses);
        free(sn_prefix_parse(address, &client->addresses[0]));
        client->n_addresses = 1;
        client->revoked = !draw(w, 4);
        if (draw(w, 2)) {
            sset_add(&client->tags, draw(w, 2) ? "t0" : "t1");
        }
        model_put(w->model, MODEL_CLIENT, name, client);
        free(address);
    }
    changed(w, MODEL_CLIENT, name);
    free(name);
}

static void
step_node(struct world *w)
{
    static const char *const subnets[][2] = {
        { "10.0.0.0/24", "10.0.0.0/24 fd00::/64" },
        { "10.1.0.0/24", "10.1.0.0/24 fd00:1::/64" },
        { "10.2.0.0/24", "10.2.0.0/25 fd00:2::/64" },
    };
    static const char *const addresses[] = { "100.64.0.1", "100.64.0.2",
                                             "100.64.0.3" };
    int i = draw(w, N_NODES);

    if (!draw(w, 5)) {
        model_remove(w->model, MODEL_NODE, node_names[i]);
    } else {
        fm_node(w->model, node_names[i], subnets[i][draw(w, 2)],
                draw(w, 4) ? addresses[i] : NULL,
                draw(w, 3) ? "" : draw(w, 2) ? "eno1" : "eno1 tap0");
        struct model_node *node = shash_find_data(&w->model->nodes,
                                                  node_names[i]);
        node->revoked = !draw(w, 4);
        if (!draw(w, 2)) {
            draw_vpn(w, node, i);
        }
    }
    changed(w, MODEL_NODE, node_names[i]);
}

static char *
draw_address(struct world *w, int node, int number)
{
    switch (draw(w, 12)) {
    case 0:                     /* In some node's subnet. */
        return xasprintf("10.%u.0.%d/24", draw(w, N_NODES), 50 + number);
    case 1:                     /* Nowhere. */
        return xasprintf("172.16.0.%d/16", 1 + number);
    case 2:                     /* Perhaps somebody else's. */
        return xasprintf("10.%d.0.%u/24", node, 100 + draw(w, N_CONTAINERS));
    default:
        return xasprintf("10.%d.0.%d/24", node, 100 + number);
    }
}

static void
step_container(struct world *w)
{
    static const char *const tags[] = { "t0", "t1", "t2" };
    static const char *const exits[] = { "", "", "", "a/warp", "a/alt a/warp",
                                         "b/warp", "b/warp a/alt" };
    int number = draw(w, N_CONTAINERS);
    int node = draw(w, 2) ? 0 : draw(w, 4) ? 1 : 2;
    char *name = xasprintf("c%d", number);

    if (!draw(w, 4)) {
        model_remove(w->model, MODEL_CONTAINER, name);
    } else {
        char *v4 = draw_address(w, node, number);
        char *both = xasprintf("%s fd00:%d::%d/64", v4, node, 100 + number);
        char *tag_list = draw_words(w, tags, ARRAY_SIZE(tags));
        char *id = draw(w, 8) ? xasprintf("%d", 100 + number)
                              : xasprintf("name%d", number);
        struct model_container *container = fm_container(
            w->model, name, id, node_names[node], draw(w, 2) ? v4 : both,
            tag_list, exits[draw(w, ARRAY_SIZE(exits))]);
        if (!draw(w, 20)) {     /* A port that another has as well. */
            free(container->veth);
            container->veth = xasprintf("veth%u",
                                        100 + draw(w, N_CONTAINERS));
        }
        if (!draw(w, 4)) {      /* One that a firewall may hide. */
            free(container->veth);
            container->veth = xasprintf("veth%ui0", 100 + number);
        }
        container->has_hwaddr = draw(w, 4);
        container->hwaddr = fm_mac(number + (draw(w, 6) ? 0 : 0x100));
        if (draw(w, 2)) {
            container->seen_hwaddr = fm_mac(number + 0x200);
        }
        container->quarantined = !draw(w, 10);
        container->limits = (struct model_limits) {
            .egress_kbps = draw(w, 2) ? 0 : 1000 * draw(w, 3),
            .ingress_kbps = draw(w, 2) ? 0 : 1000 * draw(w, 3),
            .egress_pps = draw(w, 4) ? 0 : 100,
            .burst_kbit = draw(w, 2) ? 0 : 5000,
        };
        container->class = draw(w, 3) ? CLASS_NONE : draw(w, N_CLASSES);
        free(v4);
        free(both);
        free(tag_list);
        free(id);
    }
    changed(w, MODEL_CONTAINER, name);
    free(name);
}

/* Selectors are not looked up in the model: names may be of nothing. */
static struct model_selector *
draw_selectors(struct world *w, bool segments, bool any, size_t *n)
{
    static const struct { enum selector_kind kind; const char *text; }
    pool[] = {
        { SEL_CONTAINER, "c0" }, { SEL_CONTAINER, "c1" },
        { SEL_CONTAINER, "c2" }, { SEL_TAG, "tag:t0" }, { SEL_TAG, "tag:t1" },
        { SEL_TAG, "tag:t2" }, { SEL_GLOB, "c[3-6]" }, { SEL_NODE, "node:a" },
        { SEL_NODE, "node:b" }, { SEL_INTERNET, "internet" },
        { SEL_CIDR, "10.0.0.96/28" }, { SEL_CIDR, "10.1.0.0/24" },
        { SEL_CIDR, "192.0.2.0/24" }, { SEL_CIDR, "0.0.0.0/0" },
        { SEL_CIDR, "fd00::/16" }, { SEL_CIDR, "10.8.0.0/24" },
        { SEL_CLIENT, "client:g0" }, { SEL_CLIENT, "client:g1" },
        { SEL_SEGMENT, "s0" },
        { SEL_SEGMENT, "s1" }, { SEL_SERVICE, "v0" }, { SEL_SERVICE, "v1" },
        { SEL_ANY, "*" },
    };
    size_t n_pool = ARRAY_SIZE(pool) - (segments ? any ? 0 : 1 : 5);
    struct model_selector *sels = xzalloc(4 * sizeof *sels);

    *n = 1 + draw(w, 4);
    for (size_t i = 0; i < *n; i++) {
        uint32_t j = draw(w, n_pool);
        sels[i].kind = pool[j].kind;
        sels[i].text = xstrdup(pool[j].text);
        if (sels[i].kind == SEL_CIDR) {
            free(sn_prefix_parse(pool[j].text, &sels[i].prefix));
        }
    }
    return sels;
}

static void
step_segment(struct world *w)
{
    static const char *const others[] = { "s0", "s1", "s2" };
    char *name = xasprintf("s%u", draw(w, N_SEGMENTS));

    if (!draw(w, 4)) {
        model_remove(w->model, MODEL_SEGMENT, name);
    } else {
        char *isolated = draw_words(w, others, ARRAY_SIZE(others));
        fm_segment(w->model, name, "", isolated, draw(w, 3));
        struct model_segment *segment = shash_find_data(&w->model->segments,
                                                        name);
        free(segment->members);
        segment->members = draw_selectors(w, false, false,
                                          &segment->n_members);
        free(isolated);
    }
    changed(w, MODEL_SEGMENT, name);
    free(name);
}

static void
draw_ports(struct world *w, struct model_selector *sel)
{
    static const struct model_port_range ranges[] = {
        { 80, 80 }, { 443, 443 }, { 8000, 8010 }, { 1, 65535 },
    };

    sel->n_ports = draw(w, 3);
    sel->ports = xmalloc(3 * sizeof *sel->ports);
    for (size_t i = 0; i < sel->n_ports; i++) {
        sel->ports[i] = ranges[draw(w, ARRAY_SIZE(ranges))];
    }
}

static void
step_acl(struct world *w)
{
    static const int protos[] = { 0, IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP };
    char *name = xasprintf("r%u", draw(w, N_RULES));

    if (!draw(w, 4)) {
        model_remove(w->model, MODEL_ACL, name);
    } else {
        fm_acl(w->model, name, draw(w, 4) ? TIER_ACLS : TIER_EMERGENCY,
               draw(w, 3) ? ACTION_ACCEPT : ACTION_DENY, "", "",
               protos[draw(w, ARRAY_SIZE(protos))]);
        struct model_acl *acl = shash_find_data(&w->model->acls, name);
        free(acl->src);
        acl->src = draw_selectors(w, true, true, &acl->n_src);
        free(acl->dst);
        acl->dst = draw_selectors(w, true, true, &acl->n_dst);
        acl->rate.kbps = draw(w, 3) ? 0 : 1000 + draw(w, 3);
        acl->class = draw(w, 3) ? CLASS_NONE : draw(w, N_CLASSES);
        for (size_t i = 0; i < acl->n_dst && draw(w, 2); i++) {
            draw_ports(w, &acl->dst[i]);
        }
    }
    changed(w, MODEL_ACL, name);
    free(name);
}

static void
step_service(struct world *w)
{
    static const struct { enum selector_kind kind; const char *text; }
    pool[] = {
        { SEL_CONTAINER, "c0" }, { SEL_CONTAINER, "c1" },
        { SEL_CONTAINER, "c2" }, { SEL_TAG, "tag:t0" },
        { SEL_SEGMENT, "s0" }, { SEL_GLOB, "c[3-6]" },
    };
    static const uint8_t protos[] = { IPPROTO_TCP, IPPROTO_UDP };
    uint32_t number = draw(w, 3);
    char *name = xasprintf("v%u", number);

    if (!draw(w, 4)) {
        model_remove(w->model, MODEL_SERVICE, name);
    } else {
        struct model_service *s = model_object_create(MODEL_SERVICE);

        s->name = xstrdup(name);
        s->ip_proto = protos[draw(w, 2)];
        s->port = 80 + draw(w, 2);
        s->vips = xcalloc(2, sizeof *s->vips);
        s->n_vips = draw(w, 3);
        s->vips[0] = sn_prefix_nth(&w->model->mesh.service4, 16 + number);
        s->vips[1] = sn_prefix_nth(&w->model->mesh.service6, 16 + number);
        s->n_backends = draw(w, 4);
        s->backends = xcalloc(4, sizeof *s->backends);
        for (size_t i = 0; i < s->n_backends; i++) {
            uint32_t j = draw(w, ARRAY_SIZE(pool));
            s->backends[i].kind = pool[j].kind;
            s->backends[i].text = xstrdup(pool[j].text);
            if (draw(w, 2)) {
                s->backends[i].ports = xmalloc(
                    sizeof *s->backends[i].ports);
                s->backends[i].ports[0] = (struct model_port_range) { 8, 8 };
                s->backends[i].n_ports = 1;
            }
            simap_put(&s->weights, pool[j].text, draw(w, 3));
        }
        s->affinity = !draw(w, 3);
        s->prefer_local = draw(w, 2);
        if (draw(w, 2)) {
            sset_add_and_free(&s->down, xasprintf("c%u", draw(w, 4)));
            sset_add_and_free(&s->silent, xasprintf("c%u", draw(w, 4)));
        }
        model_put(w->model, MODEL_SERVICE, name, s);
    }
    changed(w, MODEL_SERVICE, name);
    free(name);
}

static void
step_exit(struct world *w)
{
    static const char *const keys[][3] = {
        { "a", "warp", "warp0" }, { "a", "alt", "wg1" },
        { "b", "warp", "warp0" },
    };
    int i = draw(w, ARRAY_SIZE(keys));
    char *key = xasprintf("%s/%s", keys[i][0], keys[i][1]);

    if (!draw(w, 3)) {
        model_remove(w->model, MODEL_EXIT, key);
    } else {
        fm_exit(w->model, keys[i][0], keys[i][1], keys[i][2], draw(w, 3));
        struct model_exit *exit = shash_find_data(&w->model->exits, key);
        if (draw(w, 2)) {
            sset_add(&exit->down_at, draw(w, 3) ? "a" : "b");
        }
    }
    changed(w, MODEL_EXIT, key);
    free(key);
}

static void
step_raw(struct world *w)
{
    static const char *const texts[] = {
        "priority=100,in_port=veth100,actions=output:warp0",
        "priority=90,ip,in_port=veth101,nw_dst=10.0.0.102,actions=drop",
        "priority=80,udp,tp_dst=51820,actions=output:veth102",
        "priority=70,in_port=veth103,actions=local",
        "priority=10,actions=normal",
        "priority=60,tcp,in_port=LOCAL,tp_dst=22,actions=output:veth104",
        "priority=50,in_port=veth105,actions=output:nothere",
        "priority=40,ip,actions=output:veth106",
    };
    uint32_t i = draw(w, ARRAY_SIZE(texts));
    char *key = xasprintf("a/%08x", i);

    if (!draw(w, 3)) {
        model_remove(w->model, MODEL_RAW_FLOW, key);
    } else {
        fm_raw(w->model, draw(w, 8) ? "a" : "b", key, texts[i]);
    }
    changed(w, MODEL_RAW_FLOW, key);
    free(key);
}

static void
step_port(struct world *w)
{
    static const char *const others[] = { "x-warp0", "x-wg1", "eno1", "tap0",
                                          "vmbr0", "stranger",
                                          "x-xr-e2a1278d", "tap100i0",
                                          "tap101i0" };
    static const char *const ends[][2] = {
        { "veth", "" }, { "veth", "i0" }, { "fwln", "o0" },
    };
    const char *const *end = ends[draw(w, ARRAY_SIZE(ends))];
    uint32_t i = draw(w, N_CONTAINERS + ARRAY_SIZE(others));
    char *name = i < N_CONTAINERS
                 ? xasprintf("%s%u%s", end[0], 100 + i, end[1])
                 : xstrdup(others[i - N_CONTAINERS]);

    if (!draw(w, 3)) {
        flow_ports_remove(w->ports, name);
    } else {
        flow_ports_put(w->ports, name,
                       !strcmp(name, "vmbr0") ? OFPP_LOCAL
                       : u16_to_ofp(1 + i + (draw(w, 4) ? 0 : 100)),
                       fm_mac(0x1000 + i + (draw(w, 4) ? 0 : 100)));
    }
    sset_add(&w->changed_ports, name);
    ds_put_format(&w->log, " port %s;", name);
    free(name);
}

static void
step_mesh(struct world *w)
{
    w->model->mesh.default_policy = draw(w, 2) ? MODEL_ALLOW : MODEL_DENY;
    w->model->mesh.names = draw(w, 4);
    w->model->mesh.new_connections = draw(w, 2) ? 0 : 1000 + draw(w, 2);
    free(sn_prefix_parse(draw(w, 3) ? "100.64.0.0/24" : "100.64.0.0/16",
                         &w->model->mesh.prefix));
    changed(w, MODEL_MESH, "");
}

void
random_world_step(struct world *w)
{
    int n = draw(w, 4) ? 1 : 1 + draw(w, 4);

    while (n--) {
        uint32_t what = draw(w, 100);

        if (what < 30) {
            step_container(w);
        } else if (what < 35) {
            step_client(w);
        } else if (what < 50) {
            step_acl(w);
        } else if (what < 58) {
            step_service(w);
        } else if (what < 75) {
            step_port(w);
        } else if (what < 83) {
            step_segment(w);
        } else if (what < 88) {
            step_exit(w);
        } else if (what < 94) {
            step_raw(w);
        } else if (what < 98) {
            step_node(w);
        } else {
            step_mesh(w);
        }
    }
}
