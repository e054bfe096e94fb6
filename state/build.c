#include <config.h>

#include "state/build.h"

#include <stdlib.h>
#include <string.h>
#include "openvswitch/json.h"
#include "openvswitch/util.h"
#include "state/document.h"
#include "state/model.h"
#include "state/name.h"
#include "util.h"

/* Values. */

char *
build_string(const struct doc_value *map, const char *key, const char *dflt)
{
    const char *s = doc_get_string(map, key);

    return nullable_xstrdup(s && s[0] ? s : dflt);
}

unsigned int
build_number(const struct doc_value *map, const char *key, unsigned int max,
             unsigned int dflt)
{
    const char *s = doc_get_string(map, key);
    unsigned int number;

    return (s && str_is_decimal(s) && str_to_uint(s, 10, &number)
            && number <= max ? number : dflt);
}

bool
build_bool(const struct doc_value *map, const char *key, bool dflt)
{
    const char *s = doc_get_string(map, key);

    return !s ? dflt
           : !strcmp(s, "true") ? true
           : !strcmp(s, "false") ? false
           : dflt;
}

struct sn_rate
build_rate(const struct doc_value *map, const char *key)
{
    const char *s = doc_get_string(map, key);
    struct sn_rate rate = { 0, 0 };

    if (s) {
        free(sn_rate_parse(s, &rate));
    }
    return rate;
}

bool
build_prefix(const struct doc_value *scalar, struct sn_prefix *ret_p)
{
    if (!scalar || scalar->type != DOC_SCALAR) {
        return false;
    }
    char *error = sn_prefix_parse(scalar->string, ret_p);
    free(error);
    return !error;
}

char *
build_kept(const struct schema *schema, const struct doc_value *value)
{
    struct json *json = schema_kept(schema, value);
    char *s = json ? json_to_string(json, JSSF_SORT) : NULL;

    json_destroy(json);
    return s;
}

void
build_report_duplicate(struct build *build, const struct sn_loc *loc,
                       const char *what, const char *name,
                       const struct sn_loc *first)
{
    char *first_s = sn_loc_to_string(first);

    diags_add(build->diags, DIAG_ERROR, loc, NULL,
              "duplicate %s \"%s\", first at %s", what, name, first_s);
    free(first_s);
}

static void
build_resolvers(const struct doc_value *value, struct svec *resolvers)
{
    for (size_t i = 0; i < doc_n_items(value); i++) {
        struct sn_prefix p;

        if (build_prefix(doc_item(value, i), &p)) {
            svec_add_nocopy(resolvers, sn_prefix_addr_to_string(&p));
        }
    }
}

static void
build_service_prefixes(struct build *build, struct model_mesh *mesh,
                       const struct doc_value *list)
{
    for (size_t i = 0; i < doc_n_items(list); i++) {
        const struct doc_value *scalar = doc_item(list, i);
        struct sn_prefix p;

        if (build_prefix(scalar, &p) && !sn_prefix_has_host_bits(&p)) {
            *(p.is_v4 ? &mesh->service4 : &mesh->service6) = p;
            places_put(&build->places, &scalar->loc, "mesh/service_prefix/%d",
                       p.is_v4 ? 4 : 6);
        }
    }
}

static void
build_adopts(struct build *build, struct model_mesh *mesh,
             const struct doc_value *list)
{
    mesh->adopts = xcalloc(doc_n_items(list) + 1, sizeof *mesh->adopts);
    for (size_t i = 0; i < doc_n_items(list); i++) {
        const struct doc_value *item = doc_item(list, i);
        const struct doc_value *tags = doc_get(item, "tags");
        const char *match = doc_get_string(item, "match");
        struct model_adopt *adopt = &mesh->adopts[mesh->n_adopts++];

        adopt->match = xstrdup(match ? match : "");
        sset_init(&adopt->tags);
        for (size_t j = 0; j < doc_n_items(tags); j++) {
            const struct doc_value *tag = doc_item(tags, j);

            if (tag->type == DOC_SCALAR) {
                sset_add(&adopt->tags, tag->string);
            }
        }
    }
    if (list && !mesh->adopt) {
        diags_add(build->diags, DIAG_WARNING, &list->loc,
                  "write \"undeclared: adopt\" beside it",
                  "nothing is adopted");
    }
}

/* A name such as "site-" is none of a domain. */
static char *
default_domain(const char *mesh, const char *otherwise)
{
    char *domain = xasprintf("%s.internal", mesh);
    char *error = name_validate_domain(domain);

    if (error) {
        free(domain);
        domain = xstrdup(otherwise);
    }
    free(error);
    return domain;
}

/* The mesh.  One host's file may leave it to the keys that Netmaker's client
 * has for the same things. */
static void
build_mesh(struct build *build, const struct doc_value *root, bool is_host)
{
    struct model_mesh *mesh = model_object_create(MODEL_MESH);
    const struct doc_value *doc = doc_get(root, "mesh");
    const struct doc_value *netmaker = is_host ? doc_get(root, "netmaker")
                                               : NULL;
    const char *network = doc_get_string(netmaker, "network");
    const char *interface = doc_get_string(netmaker, "interface");

    if (network) {
        char *error = name_validate(network);
        if (!error) {
            free(mesh->name);
            mesh->name = xstrdup(network);
        }
        free(error);
    }
    if (interface) {
        char *error = name_validate_interface(interface);
        if (!error) {
            free(mesh->interface);
            mesh->interface = xstrdup(interface);
        }
        free(error);
    }

    char *name = build_string(doc, "name", mesh->name);
    char *domain = default_domain(name, mesh->domain);
    char *device = build_string(doc, "interface", mesh->interface);
    free(mesh->name);
    free(mesh->interface);
    free(mesh->domain);
    mesh->name = name;
    mesh->interface = device;
    mesh->domain = build_string(doc, "domain", domain);
    free(domain);

    struct sn_prefix prefix;
    if (build_prefix(doc_get(doc, "prefix"), &prefix)
        && !sn_prefix_has_host_bits(&prefix)) {
        mesh->prefix = prefix;
        places_put(&build->places, &doc_get(doc, "prefix")->loc,
                   "mesh/prefix");
    }
    build_service_prefixes(build, mesh, doc_get(doc, "service_prefix"));
    mesh->listen_port = build_number(doc, "listen_port", UINT16_MAX,
                                     mesh->listen_port);
    mesh->preshared_keys = build_bool(doc, "preshared_keys", false);
    mesh->names = build_bool(doc, "names", mesh->names);
    build_resolvers(doc_get(doc, "resolvers"), &mesh->resolvers);
    mesh->new_connections = build_number(doc, "new_connections", UINT32_MAX,
                                         0);
    const char *undeclared = doc_get_string(doc, "undeclared");
    mesh->adopt = undeclared && !strcmp(undeclared, "adopt");
    build_adopts(build, mesh, doc_get(doc, "adopt"));
    const char *policy = doc_get_string(doc, "default_policy");
    mesh->default_policy = policy && !strcmp(policy, "allow") ? MODEL_ALLOW
                                                              : MODEL_DENY;
    mesh->loc = doc ? doc_find(root, "mesh")->key_loc : root->loc;
    mesh->other = build_kept(&schema_fleet, root);
    model_put(build->model, MODEL_MESH, "", mesh);
}

void
build_model(struct build *build, const struct doc_value *root,
            const char *host_name)
{
    const struct doc_value *nodes = doc_get(root, "nodes");
    size_t n = nodes && nodes->type == DOC_MAP ? nodes->n_members : 0;

    build_mesh(build, root, host_name != NULL);
    if (host_name) {
        build_node(build, host_name, &root->loc, root);
        build_node_containers(build, host_name, root);
        build_infer_subnets(build, host_name, root);
    }
    for (size_t i = 0; i < n; i++) {
        build_node(build, nodes->members[i].key, &nodes->members[i].key_loc,
                   nodes->members[i].value);
    }
    for (size_t i = 0; i < n; i++) {
        build_node_containers(build, nodes->members[i].key,
                              nodes->members[i].value);
    }
    for (size_t i = 0; i < n; i++) {
        build_infer_subnets(build, nodes->members[i].key,
                            nodes->members[i].value);
    }
    build_clients(build, root);
    build_segments(build, doc_get(root, "segments"));
    build_services(build, root, host_name);
    build_policy(build, root);
    build_inherited_exits(build);
    if (host_name) {
        build_socks(build, host_name, root);
    }
    for (size_t i = 0; i < n; i++) {
        build_socks(build, nodes->members[i].key, nodes->members[i].value);
    }
}
