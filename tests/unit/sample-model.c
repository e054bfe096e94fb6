#include <config.h>

#include "tests/unit/sample-model.h"

#include <netinet/in.h>
#include <stdlib.h>
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

static struct sn_loc
loc(int line)
{
    return (struct sn_loc) { sn_loc_intern("net.yaml"), line, 3, 1 };
}

static void
add_node(struct model *model)
{
    struct model_node *node = model_object_create(MODEL_NODE);

    node->loc = loc(4);
    node->name = xstrdup("n1");
    node->endpoint = xstrdup("198.51.100.11");
    node->address = prefix("100.64.0.1/32");
    node->n_subnets = 2;
    node->subnets = xcalloc(2, sizeof *node->subnets);
    node->gateways = xcalloc(2, sizeof *node->gateways);
    node->subnets[0] = prefix("10.0.0.0/24");
    node->gateways[0] = prefix("10.0.0.1");
    node->subnets[1] = prefix("fd00:53::/64");
    node->gateways[1] = prefix("fd00:53::1");
    node->n_routes = 2;
    node->routes = xcalloc(2, sizeof *node->routes);
    node->routes[0].dst = prefix("10.1.0.0/24");
    node->routes[0].via = xstrdup("nm-privacy");
    node->routes[0].metric = 50;
    node->routes[1].dst = prefix("10.2.0.0/24");
    node->routes[1].via = xstrdup("eth0");
    sset_add(&node->uplinks, "eno1");
    node->ip_forward = false;
    node->mesh_kbps = 250000;
    node->key_epoch = 3;
    node->revoked = true;
    sset_add(&node->refused_keys,
             "VZDZxA+wzu5sNoLO8US4olWjWsI7bRblOCkvJlNkgnY=");
    node->other = xstrdup("{\"systemd\":{}}");
    model_put(model, MODEL_NODE, node->name, node);
}

static void
add_exit(struct model *model)
{
    struct model_exit *exit = model_object_create(MODEL_EXIT);

    exit->loc = loc(9);
    exit->node = xstrdup("n1");
    exit->name = xstrdup("warp");
    exit->interface = xstrdup("warp0");
    exit->profile = xstrdup("/etc/socknet/warp.conf");
    exit->enabled = true;
    exit->probe.disabled = true;
    svec_add(&exit->probe.targets, "[2001:db8::1]:443");
    svec_add(&exit->probe.targets, "192.0.2.1:80");
    exit->probe.interval_s = 7;
    exit->probe.down_after = 4;
    exit->probe.up_after = 5;
    exit->probe.seen_by = xstrdup("http://192.0.2.1/");
    model_put(model, MODEL_EXIT, "n1/warp", exit);
}

void
sample_model_add_container(struct model *model, const char *name,
                           int number)
{
    struct model_container *ct = model_object_create(MODEL_CONTAINER);
    char *address = xasprintf("10.0.0.%d/24", number);

    ct->loc = loc(number);
    ct->name = xstrdup(name);
    ct->id = xasprintf("%d", number);
    ct->node = xstrdup("n1");
    ct->bridge = xstrdup("vmbr0");
    ct->veth = xasprintf("veth%d", number);
    ct->has_hwaddr = eth_addr_from_string("bc:24:11:00:00:01", &ct->hwaddr);
    ct->n_addresses = 2;
    ct->addresses = xcalloc(2, sizeof *ct->addresses);
    ct->addresses[0] = prefix(address);
    ct->addresses[1] = prefix("fd00:53::5/64");
    ct->gateway = xstrdup("10.0.0.1");
    sset_add(&ct->tags, "privacy");
    ct->class = CLASS_REALTIME;
    ct->limits = (struct model_limits) { 100000, 50000, 2000, 30000 };
    svec_add(&ct->exits, "n1/warp");
    svec_add(&ct->exits, "n1/other");   /* Not sorted: preference. */
    ct->n_services = 2;
    ct->services = xcalloc(2, sizeof *ct->services);
    ct->services[0] = (struct model_port) { xstrdup("web:s"), IPPROTO_TCP,
                                            443 };
    ct->services[1] = (struct model_port) { NULL, IPPROTO_UDP, 53 };
    model_put(model, MODEL_CONTAINER, name, ct);
    free(address);
}

static struct model_selector
selector(enum selector_kind kind, const char *text, int port)
{
    struct model_selector sel = { .kind = kind, .text = xstrdup(text) };

    if (kind == SEL_CIDR) {
        sel.prefix = prefix(text);
    }
    if (port) {
        sel.n_ports = 2;
        sel.ports = xcalloc(2, sizeof *sel.ports);
        sel.ports[0] = (struct model_port_range) { port, port };
        sel.ports[1] = (struct model_port_range) { port + 10, port + 20 };
    }
    return sel;
}

static void
add_policy(struct model *model)
{
    struct model_segment *segment = model_object_create(MODEL_SEGMENT);
    struct model_acl *acl = model_object_create(MODEL_ACL);

    segment->loc = loc(60);
    segment->name = xstrdup("privacy");
    segment->n_members = 2;
    segment->members = xcalloc(2, sizeof *segment->members);
    segment->members[0] = selector(SEL_TAG, "tag:privacy", 0);
    segment->members[1] = selector(SEL_GLOB, "web-*", 0);
    svec_add(&segment->isolated_from, "management");
    segment->internet = INTERNET_EXIT;
    svec_add(&segment->exits, "warp");
    svec_add(&segment->exits, "n1/warp");
    model_put(model, MODEL_SEGMENT, segment->name, segment);

    acl->loc = loc(70);
    acl->name = xstrdup("a");
    acl->tier = TIER_EMERGENCY;
    acl->action = ACTION_ACCEPT;
    acl->ip_proto = IPPROTO_TCP;
    acl->rate.kbps = 512;
    acl->class = CLASS_BULK;
    acl->n_src = 4;
    acl->src = xcalloc(4, sizeof *acl->src);
    acl->src[0] = selector(SEL_CONTAINER, "web", 0);
    acl->src[1] = selector(SEL_SEGMENT, "privacy", 0);
    acl->src[2] = selector(SEL_ANY, "*", 0);
    acl->src[3] = selector(SEL_INTERNET, "internet", 0);
    acl->n_dst = 3;
    acl->dst = xcalloc(3, sizeof *acl->dst);
    acl->dst[0] = selector(SEL_CIDR, "fd00::/8", 80);
    acl->dst[1] = selector(SEL_NODE, "node:n1", 22);
    acl->dst[2] = selector(SEL_SERVICE, "vectors", 0);
    model_put(model, MODEL_ACL, acl->name, acl);
}

static void
add_service(struct model *model)
{
    struct model_service *service = model_object_create(MODEL_SERVICE);

    service->loc = loc(90);
    service->name = xstrdup("vectors");
    service->n_vips = 2;
    service->vips = xcalloc(2, sizeof *service->vips);
    service->vips[0] = prefix("10.96.0.10");
    service->vips[1] = prefix("fd00:10:96::10");
    service->ip_proto = IPPROTO_UDP;
    service->port = 53;
    service->n_backends = 2;
    service->backends = xcalloc(2, sizeof *service->backends);
    service->backends[0] = selector(SEL_TAG, "tag:vectors", 0);
    service->backends[1] = selector(SEL_CONTAINER, "web", 0);
    service->backends[1].n_ports = 1;
    service->backends[1].ports = xmalloc(sizeof *service->backends[1].ports);
    service->backends[1].ports[0] = (struct model_port_range) { 54, 54 };
    simap_put(&service->weights, "web", 0);
    simap_put(&service->weights, "tag:vectors", 7);
    service->health = (struct model_health) {
        .type = HEALTH_HTTP, .port = 8080, .path = xstrdup("/up"),
        .interval = 7, .timeout = 6, .rise = 5, .fall = 4,
    };
    service->affinity = true;
    service->prefer_local = false;
    service->other = xstrdup("{\"description\":\"x\"}");
    model_put(model, MODEL_SERVICE, service->name, service);
}

static void
add_raw_flow(struct model *model)
{
    struct model_raw_flow *raw = model_object_create(MODEL_RAW_FLOW);
    char *key;

    raw->loc = loc(80);
    raw->node = xstrdup("n1");
    raw->bridge = xstrdup("vmbr0");
    raw->position = 1;
    raw->text = xstrdup("priority=90,in_port=veth200,actions=normal");
    key = model_raw_flow_key(raw->node, raw->text);
    model_put(model, MODEL_RAW_FLOW, key, raw);
    free(key);
}

struct model *
sample_model_create(void)
{
    struct model *model = model_create();

    model->mesh.loc = loc(1);
    model->mesh.default_policy = MODEL_ALLOW;
    model->mesh.names = false;
    model->mesh.adopt = true;
    model->mesh.n_adopts = 1;
    model->mesh.adopts = xcalloc(1, sizeof *model->mesh.adopts);
    model->mesh.adopts[0].match = xstrdup("web 1-*");
    sset_init(&model->mesh.adopts[0].tags);
    sset_add(&model->mesh.adopts[0].tags, "b");
    sset_add(&model->mesh.adopts[0].tags, "a");
    model->mesh.preshared_keys = true;
    model->mesh.new_connections = 2000;
    model->mesh.service4 = prefix("10.98.0.0/16");
    svec_add(&model->mesh.resolvers, "192.0.2.53");
    svec_add(&model->mesh.resolvers, "192.0.2.1");
    model->mesh.other = xstrdup("{\"tests\":[]}");
    add_node(model);
    add_exit(model);
    sample_model_add_container(model, "web", 20);
    sample_model_add_container(model, "db", 30);
    add_policy(model);
    add_raw_flow(model);
    add_service(model);
    return model;
}
