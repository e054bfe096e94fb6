#include <config.h>

#include "state/export-private.h"

#include <stdlib.h>
#include "openvswitch/json.h"
#include "util.h"

/* Those that are not the default. */
static void
put_service_prefixes(struct json *object, const struct model_mesh *mesh)
{
    struct model_mesh *dflt = model_object_create(MODEL_MESH);
    struct json *prefixes = json_array_create_empty();

    if (!sn_prefix_equals(&mesh->service4, &dflt->service4)) {
        json_array_add(prefixes, json_string_create_nocopy(
                           sn_prefix_to_string(&mesh->service4)));
    }
    if (!sn_prefix_equals(&mesh->service6, &dflt->service6)) {
        json_array_add(prefixes, json_string_create_nocopy(
                           sn_prefix_to_string(&mesh->service6)));
    }
    export_put(object, "service_prefix", prefixes);
    model_object_free(MODEL_MESH, dflt);
}

static void
put_adopts(struct json *object, const struct model_mesh *mesh)
{
    struct json *adopts = json_array_create_empty();

    for (size_t i = 0; i < mesh->n_adopts; i++) {
        struct json *adopt = json_object_create();

        json_object_put_string(adopt, "match", mesh->adopts[i].match);
        json_object_put(adopt, "tags",
                        export_sset(&mesh->adopts[i].tags));
        json_array_add(adopts, adopt);
    }
    if (mesh->adopt) {
        json_object_put_string(object, "undeclared", "adopt");
    }
    export_put(object, "adopt", adopts);
}

struct json *
export_mesh(const struct model_mesh *mesh)
{
    struct json *object = json_object_create();

    json_object_put_string(object, "name", mesh->name);
    json_object_put(object, "prefix", json_string_create_nocopy(
                        sn_prefix_to_string(&mesh->prefix)));
    json_object_put_string(object, "interface", mesh->interface);
    json_object_put(object, "listen_port",
                    json_integer_create(mesh->listen_port));
    json_object_put_string(object, "domain", mesh->domain);
    if (mesh->preshared_keys) {
        json_object_put(object, "preshared_keys", json_boolean_create(true));
    }
    if (!mesh->names) {
        json_object_put(object, "names", json_boolean_create(false));
    }
    if (mesh->resolvers.n) {
        json_object_put(object, "resolvers", export_strings(
            CONST_CAST(const char *const *, mesh->resolvers.names),
            mesh->resolvers.n));
    }
    put_service_prefixes(object, mesh);
    json_object_put_string(object, "default_policy",
                           mesh->default_policy == MODEL_ALLOW
                           ? "allow" : "deny");
    put_adopts(object, mesh);
    if (mesh->new_connections) {
        json_object_put(object, "new_connections",
                        json_integer_create(mesh->new_connections));
    }
    return object;
}
