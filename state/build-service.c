#include <config.h>

#include "state/build.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include "openvswitch/util.h"
#include "state/document.h"
#include "state/model.h"
#include "state/service.h"
#include "util.h"

/* Services: those of the file, and those that containers declare. */

static void
build_vips(struct build *build, struct model_service *service,
           const struct doc_value *list)
{
    service->vips = xcalloc(2, sizeof *service->vips);
    for (size_t i = 0; i < doc_n_items(list); i++) {
        const struct doc_value *scalar = doc_item(list, i);
        struct sn_prefix vip;

        if (!build_prefix(scalar, &vip)) {
            continue;
        } else if (service_get_vip(service, vip.is_v4)) {
            diags_add(build->diags, DIAG_ERROR, &scalar->loc,
                      "write a service for each",
                      "service \"%s\" has two addresses of one family",
                      service->name);
            continue;
        }
        service->vips[service->n_vips++] = sn_prefix_host(&vip);
        places_put(&build->places, &scalar->loc, "service/%s/vip/%d",
                   service->name, vip.is_v4 ? 4 : 6);
    }
}

/* What cannot serve: hosts and the world. */
static const char *
backend_error(const struct model_selector *sel)
{
    return (sel->kind == SEL_SERVICE ? "a service"
            : sel->kind == SEL_INTERNET ? "the internet"
            : sel->kind == SEL_NODE ? "a node"
            : sel->kind == SEL_CLIENT ? "a client"
            : sel->kind == SEL_CIDR ? "an address"
            : sel->kind == SEL_ANY ? "everything"
            : sel->n_ports > 1 || (sel->n_ports
                                   && sel->ports[0].first
                                      != sel->ports[0].last)
              ? "several ports" : NULL);
}

static void
build_backend(struct build *build, struct model_service *service,
              const struct doc_value *item)
{
    struct model_selector sel;

    if (item->type != DOC_SCALAR || !item->string[0]) {
        return;
    }
    char *error = model_selector_parse(build->model, item->string, true, &sel);
    if (error) {
        diags_add(build->diags, DIAG_ERROR, &item->loc, NULL, "%s", error);
        free(error);
        return;
    }
    const char *what = backend_error(&sel);
    if (what) {
        diags_add(build->diags, DIAG_ERROR, &item->loc,
                  "name containers, tags, segments or patterns, each with at "
                  "most one port",
                  "%s (\"%s\") cannot be a backend of a service", what,
                  item->string);
        model_selector_destroy(&sel);
        return;
    }
    sel.loc = item->loc;
    service->backends = xrealloc(service->backends,
                                 (service->n_backends + 1)
                                 * sizeof *service->backends);
    service->backends[service->n_backends++] = sel;
}

/* Whether 'name' says which backend it weighs: as written among the backends,
 * or a container of them. */
static bool
weight_is_of_backend(const struct build *build,
                     const struct model_service *service, const char *name)
{
    const struct model_container *container
        = model_get_container(build->model, name);

    for (size_t i = 0; i < service->n_backends; i++) {
        if (!strcmp(service->backends[i].text, name)) {
            return true;
        }
    }
    return (container && service_has_backend(build->model, service, 0,
                                             container));
}

static void
build_weights(struct build *build, struct model_service *service,
              const struct doc_value *weights)
{
    size_t n = weights && weights->type == DOC_MAP ? weights->n_members : 0;

    for (size_t i = 0; i < n; i++) {
        const struct doc_member *member = &weights->members[i];
        unsigned int weight = build_number(weights, member->key, UINT32_MAX,
                                           UINT32_MAX);

        if (!weight_is_of_backend(build, service, member->key)) {
            diags_add(build->diags, DIAG_ERROR, &member->key_loc,
                      "write it as among the backends, without its port",
                      "\"%s\" is no backend of service \"%s\"", member->key,
                      service->name);
        } else if (weight > SERVICE_MAX_WEIGHT) {
            diags_add(build->diags, DIAG_ERROR, &member->value->loc, NULL,
                      "a weight is a number from 0, which drains, to %d",
                      SERVICE_MAX_WEIGHT);
        } else {
            simap_put(&service->weights, member->key, weight);
        }
    }
}

static unsigned int
build_positive(struct build *build, const struct doc_value *map,
               const char *key, unsigned int max, unsigned int dflt)
{
    unsigned int number = build_number(map, key, UINT32_MAX, dflt);

    if (!number || number > max) {
        diags_add(build->diags, DIAG_ERROR, &doc_get(map, key)->loc, NULL,
                  "\"%s\" must be a number from 1 to %u", key, max);
        return dflt;
    }
    return number;
}

static void
build_health(struct build *build, struct model_service *service,
             const struct doc_value *doc)
{
    struct model_health *health = &service->health;
    const char *type = doc_get_string(doc, "type");
    const struct doc_value *path = doc_get(doc, "path");

    health->type = type && !strcmp(type, "none") ? HEALTH_NONE
                   : type && !strcmp(type, "http") ? HEALTH_HTTP
                   : type ? HEALTH_TCP
                   : path ? HEALTH_HTTP
                   : service->ip_proto == IPPROTO_TCP ? HEALTH_TCP
                   : HEALTH_NONE;
    health->port = build_number(doc, "port", UINT16_MAX, 0);
    health->path = build_string(doc, "path",
                                health->type == HEALTH_HTTP ? "/" : NULL);
    health->interval = build_positive(build, doc, "interval", 3600,
                                      health->interval);
    health->timeout = build_positive(build, doc, "timeout", 60,
                                     MIN(health->timeout, health->interval));
    health->rise = build_positive(build, doc, "rise", 100, health->rise);
    health->fall = build_positive(build, doc, "fall", 100, health->fall);

    if (path && health->type != HEALTH_HTTP) {
        diags_add(build->diags, DIAG_ERROR, &path->loc, "write type: http",
                  "a path is asked for by HTTP only");
    } else if (path && path->type == DOC_SCALAR
               && (path->string[0] != '/'
                   || strpbrk(path->string, " \t\r\n"))) {
        diags_add(build->diags, DIAG_ERROR, &path->loc, NULL,
                  "a path begins with \"/\" and has no spaces");
    } else if (health->type != HEALTH_NONE && !health->port
               && service->ip_proto != IPPROTO_TCP) {
        diags_add(build->diags, DIAG_ERROR, &doc->loc,
                  "write the port of a TCP listener that tells, or type: "
                  "none",
                  "probes speak TCP, and service \"%s\" does not",
                  service->name);
    }
}

static void
build_service(struct build *build, const struct doc_member *member)
{
    const struct schema *schema
        = schema_find_key(&schema_fleet, "services")->schema->item;
    const struct doc_value *doc = member->value;
    const char *proto = doc_get_string(doc, "protocol");
    const char *affinity = doc_get_string(doc, "affinity");
    const char *prefer = doc_get_string(doc, "prefer");
    const struct doc_value *backends = doc_get(doc, "backends");
    struct model_service *service = model_object_create(MODEL_SERVICE);

    service->loc = member->key_loc;
    service->name = xstrdup(member->key);
    service->ip_proto = (!proto || !strcmp(proto, "tcp") ? IPPROTO_TCP
                         : !strcmp(proto, "udp") ? IPPROTO_UDP
                         : IPPROTO_SCTP);
    service->port = build_number(doc, "port", UINT16_MAX, 0);
    service->affinity = affinity && !strcmp(affinity, "client");
    service->prefer_local = !prefer || strcmp(prefer, "none");
    service->other = build_kept(schema, doc);
    build_vips(build, service, doc_get(doc, "vip"));
    for (size_t i = 0; i < doc_n_items(backends); i++) {
        build_backend(build, service, doc_item(backends, i));
    }
    build_weights(build, service, doc_get(doc, "weights"));
    build_health(build, service, doc_get(doc, "health"));
    model_put(build->model, MODEL_SERVICE, member->key, service);
}

/* Nodes whose containers' services are discovered. */
static void
collect_discovery(const struct doc_value *node, const char *name,
                  struct sset *ret_nodes)
{
    const struct doc_value *routing
        = doc_get(doc_get(node, "openflow"), "dynamic_routing");

    if (build_bool(routing, "enabled", true)
        && build_bool(routing, "service_discovery", false)) {
        sset_add(ret_nodes, name);
    }
}

void
build_services(struct build *build, const struct doc_value *root,
               const char *host_name)
{
    const struct doc_value *services = doc_get(root, "services");
    const struct doc_value *nodes = doc_get(root, "nodes");
    struct sset discovery = SSET_INITIALIZER(&discovery);

    if (services && services->type == DOC_MAP) {
        for (size_t i = 0; i < services->n_members; i++) {
            build_service(build, &services->members[i]);
        }
    }
    if (host_name) {
        collect_discovery(root, host_name, &discovery);
    }
    for (size_t i = 0; nodes && i < nodes->n_members; i++) {
        collect_discovery(nodes->members[i].value, nodes->members[i].key,
                          &discovery);
    }
    service_discover(build->model, &discovery);
    sset_destroy(&discovery);
}
