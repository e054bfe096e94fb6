#include <config.h>

#include "state/build.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include "lib/suggest.h"
#include "openvswitch/util.h"
#include "packets.h"
#include "state/document.h"
#include "state/model.h"
#include "state/name.h"
#include "util.h"

/* Containers. */

static uint8_t
ip_proto_from_string(const char *s)
{
    return (!s || !strcmp(s, "tcp") ? IPPROTO_TCP
            : !strcmp(s, "udp") ? IPPROTO_UDP
            : IPPROTO_SCTP);
}

static void
build_container_services(struct model_container *container,
                         const struct doc_value *list)
{
    size_t n = list && list->type == DOC_LIST ? list->n_elems : 0;

    container->services = xcalloc(MAX(n, 1), sizeof *container->services);
    for (size_t i = 0; i < n; i++) {
        const struct doc_value *doc = list->elems[i];
        unsigned int port = build_number(doc, "port", UINT16_MAX, 0);
        if (port) {
            container->services[container->n_services++]
                = (struct model_port) {
                    .name = build_string(doc, "name", ""),
                    .ip_proto = ip_proto_from_string(
                        doc_get_string(doc, "protocol")),
                    .port = port,
                };
        }
    }
}

static void
build_container_addresses(struct build *build,
                          struct model_container *container,
                          const struct doc_value *properties)
{
    static const char *const keys[] = { "ipv4_address", "ipv6_address" };

    container->addresses = xcalloc(2, sizeof *container->addresses);
    for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
        const struct doc_value *scalar = doc_get(properties, keys[i]);
        struct sn_prefix p;
        if (build_prefix(scalar, &p) && p.is_v4 == !i
            && strchr(scalar->string, '/')) {
            container->addresses[container->n_addresses++] = p;
            places_put(&build->places, &scalar->loc,
                       "container/%s/address/%d", container->name, i ? 6 : 4);
        }
    }
    if (!doc_get(properties, keys[0]) && !doc_get(properties, keys[1])) {
        diags_add(build->diags, DIAG_WARNING, &container->loc,
                  "give it an ipv4_address in its properties",
                  "container \"%s\" has no address: it can reach nothing",
                  container->name);
    }
}

/* "veth", or the name that Proxmox gives it, or any that LXC gives it. */
static void
build_container_veth(struct model_container *container,
                     const struct doc_value *doc)
{
    const char *veth = doc_get_string(doc, "veth");

    if (doc_get(doc, "veth")) {
        container->veth = xstrdup(veth ? veth : "");
    } else if (str_is_decimal(container->id)) {
        container->veth = xasprintf("veth%si0", container->id);
    } else {
        container->any_veth = true;
        model_container_set_port(container, NULL);
    }
}

/* Where the container runs: "node", or the node that it stands under. */
static char *
build_container_node(struct build *build, const struct doc_value *doc,
                     const char *node_name)
{
    const char *name = doc_get_string(doc, "node");

    if (!name || model_get_node(build->model, name)) {
        return xstrdup(name ? name : node_name);
    }

    const struct shash_node *node;
    struct suggest near;
    suggest_init(&near, name);
    SHASH_FOR_EACH (node, &build->model->nodes) {
        suggest_offer(&near, node->name);
    }
    char *fix = near.best ? xasprintf("write %s", near.best) : NULL;
    diags_add(build->diags, DIAG_ERROR, &doc_get(doc, "node")->loc, fix,
              "no node is named \"%s\"", name);
    free(fix);
    return xstrdup(node_name);
}

static void
build_container_places(struct build *build, const struct doc_value *doc,
                       const char *name)
{
    static const char *const keys[] = { "id", "veth", "hwaddr", "node" };
    const struct doc_value *gateway
        = doc_get(doc_get(doc, "properties"), "gateway");

    for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
        const struct doc_value *value = doc_get(doc, keys[i]);
        if (value) {
            places_put(&build->places, &value->loc, "container/%s/%s",
                       name, keys[i]);
        }
    }
    if (gateway) {
        places_put(&build->places, &gateway->loc, "container/%s/gateway",
                   name);
    }
}

/* The container's name and the place to point at for it.  Returns NULL if
 * there is nothing to go by or the name is another's. */
static char *
build_container_name(struct build *build, const struct doc_value *doc,
                     const char *id)
{
    const struct doc_value *properties = doc_get(doc, "properties");
    char *dflt = xasprintf("ct%s", id);
    char *name = build_string(properties, "name", dflt);
    const struct doc_value *place = doc_get(properties, "name");

    free(dflt);
    place = place ? place : doc_get(doc, "id");

    char *error = name_validate(name);
    const struct model_container *first
        = model_get_container(build->model, name);
    if (first) {
        build_report_duplicate(build, &place->loc, "container", name,
                               places_get(&build->places, &first->loc,
                                          "container/%s/name", name));
    } else if (!error) {
        places_put(&build->places, &place->loc, "container/%s/name", name);
    } else if (place == doc_get(doc, "id")) {
        diags_add(build->diags, DIAG_ERROR, &place->loc,
                  "give it a name in its properties",
                  "a container without a name is named after its id, but "
                  "\"%s\" is no name: %s", name, error);
    }
    if (first || error) {
        free(error);
        free(name);
        return NULL;
    }
    return name;
}

static void
build_container_limits(struct build *build, struct model_container *container,
                       const struct doc_value *doc)
{
    const struct doc_value *burst = doc_get(doc, "burst");
    struct model_limits *limits = &container->limits;

    *limits = (struct model_limits) {
        .egress_kbps = build_rate(doc, "egress").kbps,
        .ingress_kbps = build_rate(doc, "ingress").kbps,
        .egress_pps = build_number(doc, "pps", UINT32_MAX, 0),
        .burst_kbit = build_rate(doc, "burst").kbps,
    };

    uint32_t rate = MAX(limits->egress_kbps, limits->ingress_kbps);
    uint32_t least_kbit = rate / SN_RATE_PER_BURST;

    if (limits->burst_kbit && !rate) {
        diags_add(build->diags, DIAG_WARNING, &burst->loc,
                  "add egress or ingress, or leave the burst out",
                  "a burst means nothing without a rate");
    } else if (limits->burst_kbit && limits->burst_kbit < least_kbit) {
        char *least = sn_rate_to_string((struct sn_rate) {
            .kbps = least_kbit });
        char *fix = xasprintf("write %s, or leave the burst out", least);

        diags_add(build->diags, DIAG_WARNING, &burst->loc, fix,
                  "TCP does not reach a rate whose burst is less than a "
                  "fifth of it");
        free(least);
        free(fix);
    }
}

static void
build_container(struct build *build, const char *node_name,
                const struct doc_value *doc)
{
    const struct doc_value *properties = doc_get(doc, "properties");
    const char *id = doc_get_string(doc, "id");
    char *name = id && id[0] ? build_container_name(build, doc, id) : NULL;

    if (!name) {
        return;
    }
    struct model_container *container = model_object_create(MODEL_CONTAINER);
    container->loc = doc->loc;
    container->name = name;
    container->id = xstrdup(id);
    container->node = build_container_node(build, doc, node_name);
    container->bridge = build_string(doc, "bridge", "vmbr0");
    build_container_veth(container, doc);
    build_container_places(build, doc, name);

    const char *hwaddr = doc_get_string(doc, "hwaddr");
    container->has_hwaddr
        = hwaddr && eth_addr_from_string(hwaddr, &container->hwaddr);
    build_container_addresses(build, container, properties);
    container->gateway = build_string(properties, "gateway", NULL);

    const struct doc_value *tags = doc_get(doc, "tags");
    for (size_t i = 0; i < doc_n_items(tags); i++) {
        const struct doc_value *tag = doc_item(tags, i);
        if (tag->type == DOC_SCALAR) {
            sset_add(&container->tags, tag->string);
        }
    }
    build_container_exits(build, container, doc_get(doc, "exit"));
    build_container_services(container, doc_get(properties, "services"));
    build_container_limits(build, container, doc_get(doc, "rate"));
    container->class = model_class_from_string(doc_get_string(doc, "class"));

    const struct schema *lxc = schema_find_key(&schema_node, "lxc")->schema;
    const struct schema *list = schema_find_key(lxc, "containers")->schema;
    container->other = build_kept(list->item, doc);
    model_put(build->model, MODEL_CONTAINER, name, container);
}

void
build_node_containers(struct build *build, const char *name,
                      const struct doc_value *doc)
{
    const struct doc_value *list = doc_get(doc_get(doc, "lxc"),
                                           "containers");

    for (size_t i = 0; list && i < list->n_elems; i++) {
        build_container(build, name, list->elems[i]);
    }
}
