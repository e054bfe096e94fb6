#include <config.h>

#include "state/model.h"

#include <stdlib.h>
#include <string.h>
#include "lib/work-set.h"
#include "openvswitch/util.h"
#include "sha1.h"
#include "state/port-name.h"
#include "util.h"

struct model *
model_create(void)
{
    struct model *model = xzalloc(sizeof *model);

    model_put(model, MODEL_MESH, "", model_object_create(MODEL_MESH));
    for (enum model_kind kind = MODEL_MESH + 1; kind < MODEL_N_KINDS; kind++) {
        shash_init(model_table(model, kind));
    }
    return model;
}

/* A mesh's members, freed without the struct, which is part of the model. */
static void
model_mesh_clear(struct model *model)
{
    struct model_mesh *mesh = xmemdup(&model->mesh, sizeof model->mesh);

    model_object_free(MODEL_MESH, mesh);
}

void
model_destroy(struct model *model)
{
    if (!model) {
        return;
    }
    model_mesh_clear(model);
    for (enum model_kind kind = MODEL_MESH + 1; kind < MODEL_N_KINDS; kind++) {
        struct shash *table = model_table(model, kind);
        struct shash_node *node;

        SHASH_FOR_EACH_SAFE (node, table) {
            model_object_free(kind, node->data);
            shash_delete(table, node);
        }
        shash_destroy(table);
    }
    for (size_t i = 0; i < model->n_tests; i++) {
        model_selector_destroy(&model->tests[i].src);
        model_selector_destroy(&model->tests[i].dst);
        free(model->tests[i].exit);
    }
    free(model->tests);
    free(model);
}

struct shash *
model_table(struct model *model, enum model_kind kind)
{
    switch (kind) {
    case MODEL_NODE: return &model->nodes;
    case MODEL_EXIT: return &model->exits;
    case MODEL_CONTAINER: return &model->containers;
    case MODEL_SEGMENT: return &model->segments;
    case MODEL_ACL: return &model->acls;
    case MODEL_RAW_FLOW: return &model->raw_flows;
    case MODEL_SERVICE: return &model->services;
    case MODEL_CLIENT: return &model->clients;
    case MODEL_MESH:
    case MODEL_N_KINDS:
        break;
    }
    OVS_NOT_REACHED();
}

/* DSCPs: expedited forwarding (RFC 3246); low-latency data, AF21 (RFC 4594);
 * the default; and CS1, which whoever does not know it for less than that
 * takes for the default. */
static const struct { const char *name; uint8_t dscp; } classes[N_CLASSES] = {
    [CLASS_REALTIME] = { "realtime", 46 },
    [CLASS_INTERACTIVE] = { "interactive", 18 },
    [CLASS_NORMAL] = { "normal", 0 },
    [CLASS_BULK] = { "bulk", 8 },
};

const char *
model_class_to_string(enum model_class class)
{
    return classes[class].name;
}

enum model_class
model_class_from_string(const char *s)
{
    for (int i = CLASS_NONE + 1; s && i < N_CLASSES; i++) {
        if (!strcmp(s, classes[i].name)) {
            return i;
        }
    }
    return CLASS_NONE;
}

uint8_t
model_class_dscp(enum model_class class)
{
    return classes[class].dscp;
}

const char *
model_kind_to_string(enum model_kind kind)
{
    switch (kind) {
    case MODEL_MESH: return "mesh";
    case MODEL_NODE: return "node";
    case MODEL_EXIT: return "exit";
    case MODEL_CONTAINER: return "container";
    case MODEL_SEGMENT: return "segment";
    case MODEL_ACL: return "acl";
    case MODEL_RAW_FLOW: return "raw flow";
    case MODEL_SERVICE: return "service";
    case MODEL_CLIENT: return "client";
    case MODEL_N_KINDS: break;
    }
    OVS_NOT_REACHED();
}

void
model_put(struct model *model, enum model_kind kind, const char *key,
          void *object)
{
    if (kind == MODEL_MESH) {
        model_mesh_clear(model);
        memcpy(&model->mesh, object, sizeof model->mesh);
        free(object);
        return;
    }
    /* 'key' may be the name inside the object that is replaced. */
    void *old = shash_replace(model_table(model, kind), key, object);
    if (old != object) {
        model_object_free(kind, old);
    }
}

void
model_remove(struct model *model, enum model_kind kind, const char *key)
{
    if (kind == MODEL_MESH) {
        model_put(model, kind, key, model_object_create(kind));
        return;
    }
    void *old = shash_find_and_delete(model_table(model, kind), key);
    model_object_free(kind, old);
}

const struct model_node *
model_get_node(const struct model *model, const char *name)
{
    return shash_find_data(&model->nodes, name);
}

const struct model_exit *
model_get_exit(const struct model *model, const char *node_slash_name)
{
    return shash_find_data(&model->exits, node_slash_name);
}

const struct model_container *
model_get_container(const struct model *model, const char *name)
{
    return shash_find_data(&model->containers, name);
}

const struct model_container *
model_get_trusted(const struct model *model, const char *name,
                  const char *from)
{
    const struct model_container *container = model_get_container(model,
                                                                  name);
    const struct model_node *node
        = container ? model_get_node(model, container->node) : NULL;

    return node && node->revoked && strcmp(node->name, from) ? NULL
           : container;
}

const struct model_segment *
model_get_segment(const struct model *model, const char *name)
{
    return shash_find_data(&model->segments, name);
}

const struct model_service *
model_get_service(const struct model *model, const char *name)
{
    return shash_find_data(&model->services, name);
}

const struct model_client *
model_get_client(const struct model *model, const char *name)
{
    return shash_find_data(&model->clients, name);
}

const struct model_acl *
model_get_acl(const struct model *model, const char *name)
{
    return shash_find_data(&model->acls, name);
}

/* SHA-1 and not hash_bytes(), which differs between builds: the key must be
 * the same on every host. */
char *
model_raw_flow_key(const char *node, const char *text)
{
    uint8_t digest[SHA1_DIGEST_SIZE];

    sha1_bytes(text, strlen(text), digest);
    return xasprintf("%s/%02x%02x%02x%02x", node,
                     digest[0], digest[1], digest[2], digest[3]);
}

void
model_changes_init(struct model_changes *changes)
{
    changes->all = false;
    for (size_t i = 0; i < MODEL_N_KINDS; i++) {
        sset_init(&changes->keys[i]);
    }
}

void
model_changes_destroy(struct model_changes *changes)
{
    for (size_t i = 0; i < MODEL_N_KINDS; i++) {
        sset_destroy(&changes->keys[i]);
    }
}

void
model_changes_clear(struct model_changes *changes)
{
    changes->all = false;
    for (size_t i = 0; i < MODEL_N_KINDS; i++) {
        work_set_reset(&changes->keys[i]);
    }
}

void
model_changes_add(struct model_changes *changes, enum model_kind kind,
                  const char *key)
{
    sset_add(&changes->keys[kind], key);
}

bool
model_changes_is_empty(const struct model_changes *changes)
{
    for (size_t i = 0; i < MODEL_N_KINDS; i++) {
        if (!sset_is_empty(&changes->keys[i])) {
            return false;
        }
    }
    return !changes->all;
}

static void
model_diff_table(const struct shash *a, const struct shash *b,
                 enum model_kind kind, struct model_changes *changes)
{
    const struct shash_node *node;

    SHASH_FOR_EACH (node, a) {
        const void *other = shash_find_data(b, node->name);
        if (!other || !model_object_equals(kind, node->data, other)) {
            model_changes_add(changes, kind, node->name);
        }
    }
    SHASH_FOR_EACH (node, b) {
        if (!shash_find(a, node->name)) {
            model_changes_add(changes, kind, node->name);
        }
    }
}

void
model_diff(const struct model *a, const struct model *b,
           struct model_changes *changes)
{
    if (!model_object_equals(MODEL_MESH, &a->mesh, &b->mesh)) {
        model_changes_add(changes, MODEL_MESH, "");
    }
    for (enum model_kind kind = MODEL_MESH + 1; kind < MODEL_N_KINDS; kind++) {
        model_diff_table(model_table(CONST_CAST(struct model *, a), kind),
                         model_table(CONST_CAST(struct model *, b), kind),
                         kind, changes);
    }
}

bool
model_container_set_port(struct model_container *container, const char *name)
{
    char *veth = name ? xstrdup(name) : port_name_unknown(container->id);
    bool changed = (container->any_veth
                    && !nullable_string_is_equal(container->veth, veth));

    if (changed) {
        free(container->veth);
        container->veth = veth;
    } else {
        free(veth);
    }
    return changed;
}
