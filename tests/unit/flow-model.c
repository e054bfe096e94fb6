#include <config.h>

#include "tests/unit/flow-model.h"

#include <stdlib.h>
#include <string.h>
#include "flow.h"
#include "flows/compiler.h"
#include "openvswitch/util.h"
#include "packets.h"
#include "util.h"

static struct sn_prefix
parse_prefix(const char *s)
{
    struct sn_prefix prefix;
    char *error = sn_prefix_parse(s, &prefix);

    if (error) {
        ovs_abort(0, "%s", error);
    }
    return prefix;
}

static void
split(const char *s, struct svec *words)
{
    svec_init(words);
    svec_parse_words(words, s ? s : "");
}

static void
split_set(const char *s, struct sset *words)
{
    struct svec list;

    split(s, &list);
    for (size_t i = 0; i < list.n; i++) {
        sset_add(words, list.names[i]);
    }
    svec_destroy(&list);
}

void
fm_node(struct model *model, const char *name, const char *subnets,
        const char *address, const char *uplinks)
{
    struct model_node *node = model_object_create(MODEL_NODE);
    struct svec list;

    node->name = xstrdup(name);
    if (address) {
        node->address = parse_prefix(address);
    }
    split(subnets, &list);
    node->subnets = xmalloc((list.n + 1) * sizeof *node->subnets);
    node->gateways = xmalloc((list.n + 1) * sizeof *node->gateways);
    for (size_t i = 0; i < list.n; i++) {
        node->subnets[i] = parse_prefix(list.names[i]);
        node->gateways[i] = sn_prefix_nth(&node->subnets[i], 1);
    }
    node->n_subnets = list.n;
    svec_destroy(&list);
    split_set(uplinks, &node->uplinks);
    node->ip_forward = true;
    model_put(model, MODEL_NODE, name, node);
}

struct eth_addr
fm_mac(unsigned int number)
{
    struct eth_addr mac = {
        .ea = { 0x02, 0, 0, number >> 16, number >> 8, number }
    };
    return mac;
}

struct model_container *
fm_container(struct model *model, const char *name, const char *id,
             const char *node, const char *addresses, const char *tags,
             const char *exits)
{
    struct model_container *container = xzalloc(sizeof *container);
    struct svec list;

    container->name = xstrdup(name);
    container->id = xstrdup(id);
    container->node = xstrdup(node);
    container->bridge = xstrdup("vmbr0");
    container->veth = xasprintf("veth%s", id);
    container->has_hwaddr = true;
    container->hwaddr = fm_mac(atoi(id));
    split(addresses, &list);
    container->addresses = xmalloc((list.n + 1)
                                   * sizeof *container->addresses);
    for (size_t i = 0; i < list.n; i++) {
        container->addresses[i] = parse_prefix(list.names[i]);
    }
    container->n_addresses = list.n;
    svec_destroy(&list);
    sset_init(&container->tags);
    split_set(tags, &container->tags);
    split(exits, &container->exits);
    model_put(model, MODEL_CONTAINER, name, container);
    return container;
}

void
fm_exit(struct model *model, const char *node, const char *name,
        const char *interface, bool enabled)
{
    struct model_exit *exit = model_object_create(MODEL_EXIT);
    char *key = xasprintf("%s/%s", node, name);

    exit->node = xstrdup(node);
    exit->name = xstrdup(name);
    exit->interface = xstrdup(interface);
    exit->enabled = enabled;
    model_put(model, MODEL_EXIT, key, exit);
    free(key);
}

static struct model_selector *
parse_selectors(const struct model *model, const char *s, bool with_ports,
                size_t *n)
{
    struct svec list;
    struct model_selector *sels;

    split(s, &list);
    sels = xzalloc((list.n + 1) * sizeof *sels);
    for (size_t i = 0; i < list.n; i++) {
        char *error = model_selector_parse(model, list.names[i], with_ports,
                                           &sels[i]);
        if (error) {
            ovs_abort(0, "%s", error);
        }
    }
    *n = list.n;
    svec_destroy(&list);
    return sels;
}

void
fm_segment(struct model *model, const char *name, const char *members,
           const char *isolated_from, enum model_internet internet)
{
    struct model_segment *segment = xzalloc(sizeof *segment);

    segment->name = xstrdup(name);
    segment->members = parse_selectors(model, members, false,
                                       &segment->n_members);
    split(isolated_from, &segment->isolated_from);
    segment->internet = internet;
    model_put(model, MODEL_SEGMENT, name, segment);
}

void
fm_acl(struct model *model, const char *name, enum model_tier tier,
       enum model_action action, const char *srcs, const char *dsts,
       int ip_proto)
{
    struct model_acl *acl = xzalloc(sizeof *acl);

    acl->name = xstrdup(name);
    acl->tier = tier;
    acl->action = action;
    acl->src = parse_selectors(model, srcs, false, &acl->n_src);
    acl->dst = parse_selectors(model, dsts, true, &acl->n_dst);
    acl->ip_proto = ip_proto;
    model_put(model, MODEL_ACL, name, acl);
}

void
fm_raw(struct model *model, const char *node, const char *key,
       const char *text)
{
    struct model_raw_flow *raw = xzalloc(sizeof *raw);

    raw->node = xstrdup(node);
    raw->bridge = xstrdup("vmbr0");
    raw->text = xstrdup(text);
    model_put(model, MODEL_RAW_FLOW, key, raw);
}

static void
collect_ports(const struct model *model, const char *node,
              struct sset *names)
{
    const struct model_node *n = model_get_node(model, node);
    struct shash_node *snode;
    const char *uplink;

    SHASH_FOR_EACH (snode, &model->containers) {
        const struct model_container *container = snode->data;
        if (!strcmp(container->node, node)) {
            sset_add(names, container->veth);
        }
    }
    SHASH_FOR_EACH (snode, &model->exits) {
        const struct model_exit *exit = snode->data;
        if (model_exit_is_used(model, exit, node)) {
            sset_add_and_free(names, model_exit_port(exit, node));
        }
    }
    if (n) {
        SSET_FOR_EACH (uplink, &n->uplinks) {
            sset_add(names, uplink);
        }
    }
}

struct flow_ports *
fm_ports(const struct model *model, const char *node)
{
    struct flow_ports *ports = flow_ports_create();
    struct sset names = SSET_INITIALIZER(&names);

    collect_ports(model, node, &names);
    const char **sorted = sset_sort(&names);
    flow_ports_put(ports, "vmbr0", OFPP_LOCAL, fm_mac(0xfffe));
    for (size_t i = 0; i < sset_count(&names); i++) {
        flow_ports_put(ports, sorted[i], u16_to_ofp(i + 1),
                       fm_mac(0x10000 + i));
    }
    free(sorted);
    sset_destroy(&names);
    return ports;
}
