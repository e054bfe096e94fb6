#include <config.h>

#include <stdlib.h>
#include <string.h>
#include "flows/compiler-private.h"
#include "flows/ports.h"
#include "lib/work-set.h"
#include "openvswitch/shash.h"
#include "openvswitch/util.h"
#include "state/port-name.h"
#include "state/service.h"
#include "util.h"

/* Taking in changes: which owners does a changed object or port touch?
 *
 * A full compile begins with empty indexes and has everything change. */

/* Services whose backend a container is, was, or may be. */
static void
compiler_touch_backend(struct compiler *c, const char *container)
{
    struct shash_node *node;

    SHASH_FOR_EACH (node, &c->model->services) {
        if (service_may_have_backend(node->data, container)) {
            sset_add(&c->dirty_services, node->name);
        }
    }
}

/* Only one container can have a port; if several say so, it is the first by
 * name, and the others have to be told when that changes. */
static void
compiler_touch_veth(struct compiler *c, const struct sset *names)
{
    const char *name;

    SSET_FOR_EACH (name, names) {
        sset_add(&c->dirty_containers, name);
        compiler_touch_backend(c, name);
    }
}

static void
compiler_add_veth(struct compiler *c, const char *veth, const char *name)
{
    struct sset *names = shash_find_data(&c->veths, veth);

    if (!names) {
        names = xmalloc(sizeof *names);
        sset_init(names);
        shash_add(&c->veths, veth, names);
    }
    sset_add(names, name);
    compiler_touch_veth(c, names);
}

static void
compiler_drop_veth(struct compiler *c, const char *veth, const char *name)
{
    struct sset *names = shash_find_data(&c->veths, veth);

    sset_find_and_delete(names, name);
    compiler_touch_veth(c, names);
    if (sset_is_empty(names)) {
        sset_destroy(names);
        free(shash_find_and_delete(&c->veths, veth));
    }
}

void
place_free(struct place *place)
{
    free(place->veth);
    free(place->covers);
    free(place);
}

static void
compiler_leave_points(struct compiler *c, struct place *place)
{
    for (size_t i = 0; i < place->n_covers; i++) {
        points_leave(&c->points, place->covers[i].point, place,
                     place->in_pools, place->pooled);
    }
    place->n_covers = 0;
    free(place->covers);
    place->covers = NULL;
}

static void
compiler_forget_place(struct compiler *c, const char *name)
{
    struct place *place = shash_find_and_delete(&c->places, name);

    if (place) {
        compiler_leave_points(c, place);
        hmapx_find_and_delete(&c->moved, place);
        if (sset_contains(&c->raw_names, place->veth)) {
            c->dirty_raw = true;
        }
        if (place->local) {
            compiler_drop_veth(c, place->veth, name);
            idreg_remove(&c->endpoints, name);
        }
        place_free(place);
    }
}

static void
compiler_change_container(struct compiler *c, const char *name)
{
    const struct model_container *container
        = model_get_trusted(c->model, name, c->node_name);

    compiler_forget_place(c, name);
    if (container) {
        struct place *place = xzalloc(sizeof *place);

        place->veth = xstrdup(container->veth);
        place->local = !strcmp(container->node, c->node_name);
        place->name = shash_add(&c->places, name, place)->name;
        if (place->local) {
            compiler_add_veth(c, place->veth, name);
            idreg_add(&c->endpoints, name, cookie_container_number(container));
        }
        if (sset_contains(&c->raw_names, place->veth)) {
            c->dirty_raw = true;
        }
    }
    policy_change_container(&c->policy, name);
    compiler_touch_backend(c, name);
    sset_add(&c->dirty_containers, name);
}

static bool
container_uses_exit(const struct model_container *container, const char *key)
{
    for (size_t i = 0; i < container->exits.n; i++) {
        if (!strcmp(container->exits.names[i], key)) {
            return true;
        }
    }
    return false;
}

/* An exit may be the one that any container of this node uses. */
static void
compiler_change_exit(struct compiler *c, const char *key)
{
    size_t len = strlen(c->node_name);
    const struct shash_node *node;
    const char *name;

    sset_add(&c->dirty_exits, key);
    SHASH_FOR_EACH (node, &c->veths) {
        const struct sset *names = node->data;

        SSET_FOR_EACH (name, names) {
            const struct model_container *container
                = model_get_container(c->model, name);
            if (container && container_uses_exit(container, key)) {
                sset_add(&c->dirty_containers, name);
            }
        }
    }
    if (!strncmp(key, c->node_name, len) && key[len] == '/') {
        c->dirty_raw = true;
    }
}

/* Containers of a node that is revoked, or no more, come and go with that; and
 * those that kept an address of its subnets elsewhere need routes. */
static void
compiler_change_trust(struct compiler *c, const char *name)
{
    const struct model_node *node = model_get_node(c->model, name);
    bool revoked = node && node->revoked && strcmp(name, c->node_name);
    struct shash_node *snode;

    c->dirty_all_containers |= revoked || sset_contains(&c->revoked, name);
    if (revoked == sset_contains(&c->revoked, name)) {
        return;
    } else if (revoked) {
        sset_add(&c->revoked, name);
    } else {
        sset_find_and_delete(&c->revoked, name);
    }
    SHASH_FOR_EACH (snode, &c->model->containers) {
        const struct model_container *container = snode->data;
        if (!strcmp(container->node, name)) {
            compiler_change_container(c, snode->name);
        }
    }
}

static void
compiler_change_node(struct compiler *c, const char *name)
{
    compiler_change_trust(c, name);
    c->dirty_topology = true;
    if (!strcmp(name, c->node_name)) {
        const struct model_node *node = model_get_node(c->model, name);

        sset_clear(&c->uplinks);
        if (node) {
            const char *uplink;

            flow_ports_add_taps(c->ports, &c->uplinks);
            SSET_FOR_EACH (uplink, &node->uplinks) {
                sset_add(&c->uplinks, uplink);
            }
            SSET_FOR_EACH (uplink, &node->machines) {
                sset_add(&c->uplinks, uplink);
            }
        }
        c->dirty_base = true;
        c->dirty_raw = true;
        c->dirty_all_nodes = true;
        c->dirty_all_services = true;
        c->dirty_all_containers = true;
    } else {
        sset_add(&c->dirty_nodes, name);
    }
}

/* The pipeline of all is another if there is no service at all. */
static void
compiler_change_service(struct compiler *c, const char *name)
{
    bool has_vips[2] = { false, false };
    struct shash_node *node;

    sset_add(&c->dirty_services, name);
    policy_change_service(&c->policy, c->model, name);
    SHASH_FOR_EACH (node, &c->model->services) {
        const struct model_service *service = node->data;
        for (size_t i = 0; i < service->n_vips; i++) {
            has_vips[service->vips[i].is_v4] = true;
        }
    }
    if (memcmp(has_vips, c->has_vips, sizeof has_vips)) {
        memcpy(c->has_vips, has_vips, sizeof has_vips);
        c->dirty_base = true;
    }
}

/* Services that have the members of a segment as backends. */
static void
compiler_change_backend_segment(struct compiler *c, const char *segment)
{
    struct shash_node *node;

    SHASH_FOR_EACH (node, &c->model->services) {
        const struct model_service *service = node->data;
        for (size_t i = 0; i < service->n_backends; i++) {
            if (service->backends[i].kind == SEL_SEGMENT
                && !strcmp(service->backends[i].text, segment)) {
                compiler_change_service(c, node->name);
                break;
            }
        }
    }
}

static void
compiler_change(struct compiler *c, enum model_kind kind, const char *key)
{
    switch (kind) {
    case MODEL_MESH:
        c->dirty_topology = true;
        c->dirty_base = true;
        c->dirty_all_nodes = true;
        if (c->model->mesh.new_connections != c->new_connections) {
            c->new_connections = c->model->mesh.new_connections;
            c->dirty_all_containers = true;
        }
        c->dirty_all_services = true;
        break;
    case MODEL_NODE:
        compiler_change_node(c, key);
        break;
    case MODEL_EXIT:
        compiler_change_exit(c, key);
        break;
    case MODEL_CONTAINER:
        compiler_change_container(c, key);
        break;
    case MODEL_SEGMENT:
        policy_change_segment(&c->policy, c->model, key);
        compiler_change_backend_segment(c, key);
        break;
    case MODEL_ACL:
        policy_change_acl(&c->policy, c->model, key);
        break;
    case MODEL_RAW_FLOW:
        c->dirty_raw = true;
        break;
    case MODEL_SERVICE:
        compiler_change_service(c, key);
        break;
    case MODEL_CLIENT:
        c->dirty_topology = true;
        break;
    case MODEL_N_KINDS:
    default:
        OVS_NOT_REACHED();
    }
}

/* A virtual machine's port is like an uplink, as long as it is there. */
static void
compiler_change_tap(struct compiler *c, const char *name)
{
    const struct model_node *node = model_get_node(c->model, c->node_name);
    bool was_empty = sset_is_empty(&c->uplinks);

    if (node && (flow_ports_find(c->ports, name)
                 || sset_contains(&node->uplinks, name))) {
        sset_add(&c->uplinks, name);
    } else {
        sset_find_and_delete(&c->uplinks, name);
    }
    c->dirty_base = true;
    if (sset_is_empty(&c->uplinks) != was_empty) {
        c->dirty_all_nodes = true;
        c->dirty_all_containers = true;
    }
}

static void
compiler_change_port(struct compiler *c, const char *name)
{
    char *veth = port_name_veth(name);
    const struct sset *containers = shash_find_data(&c->veths, veth);
    struct shash_node *node;

    free(veth);
    if (containers) {
        compiler_touch_veth(c, containers);
    }
    SHASH_FOR_EACH (node, &c->model->exits) {
        char *port = model_exit_port(node->data, c->node_name);
        if (!strcmp(port, name)) {
            compiler_change_exit(c, node->name);
        }
        free(port);
    }
    if (port_name_is_tap(name)) {
        compiler_change_tap(c, name);
    }
    if (sset_contains(&c->uplinks, name)) {
        c->dirty_base = true;
    }
    if ((c->local && !strcmp(c->local->name, name))
        || (c->local_name && !strcmp(c->local_name, name))) {
        c->dirty_base = true;
        c->dirty_raw = true;
        c->dirty_all_nodes = true;
        c->dirty_all_services = true;
        c->dirty_all_containers = true;
    }
}

void
compiler_take_changes(struct compiler *c, const struct model_changes *changes,
                      const struct sset *changed_ports)
{
    const char *key;

    for (int kind = 0; kind < MODEL_N_KINDS; kind++) {
        SSET_FOR_EACH (key, &changes->keys[kind]) {
            compiler_change(c, kind, key);
        }
    }
    if (changed_ports) {
        SSET_FOR_EACH (key, changed_ports) {
            compiler_change_port(c, key);
        }
    }
}

void
compiler_take_all(struct compiler *c)
{
    static const enum model_kind kinds[] = {
        MODEL_NODE, MODEL_EXIT, MODEL_CONTAINER, MODEL_SEGMENT, MODEL_ACL,
        MODEL_SERVICE,
    };

    compiler_destroy_state(c);
    compiler_init_state(c);
    policy_change_defaults(&c->policy);
    c->policy.dirty_all_containers = true;
    compiler_change(c, MODEL_MESH, "");
    compiler_change(c, MODEL_RAW_FLOW, "");
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        const struct shash *table
            = model_table(CONST_CAST(struct model *, c->model), kinds[i]);
        struct shash_node *node;

        SHASH_FOR_EACH (node, table) {
            compiler_change(c, kinds[i], node->name);
        }
    }
    c->dirty_all_containers = true;
    c->dirty_all_services = true;
    c->dirty_base = true;
}

/* Pools. */

static void
compiler_join_points(struct compiler *c, struct place *place,
                     const struct model_container *container)
{
    const struct policy_container *pc
        = shash_find_data(&c->policy.containers, place->name);

    place->n_covers = container->n_addresses;
    place->covers = xzalloc((place->n_covers + 1) * sizeof *place->covers);
    place->pooled = pc->ident;
    place->in_pools = !place->local;
    for (size_t i = 0; i < place->n_covers; i++) {
        struct sn_prefix a = sn_prefix_host(&container->addresses[i]);
        struct point *point = CONST_CAST(struct point *,
                                         points_lookup(&c->points, &a));

        place->covers[i].point = point;
        points_join(&c->points, point, place, place->in_pools,
                    place->pooled);
    }
}

static void
compiler_note_moved(struct compiler *c, const char *name)
{
    struct place *place = shash_find_data(&c->places, name);

    if (place) {
        hmapx_add(&c->moved, place);
    }
}

void
compiler_update_pools(struct compiler *c)
{
    const struct hmapx_node *node;
    const char *name;

    SSET_FOR_EACH (name, &c->policy.changed_containers) {
        compiler_note_moved(c, name);
    }
    SSET_FOR_EACH (name, &c->dirty_containers) {
        compiler_note_moved(c, name);
    }
    HMAPX_FOR_EACH (node, &c->moved) {
        struct place *place = node->data;
        const struct model_container *container
            = model_get_trusted(c->model, place->name, c->node_name);

        compiler_leave_points(c, place);
        if (container) {
            compiler_join_points(c, place, container);
        }
    }
    points_reap(&c->points);
}

/* Returns whether anything is not as it was. */
static bool
place_update_covers(struct place *place)
{
    bool changed = false;

    for (size_t i = 0; i < place->n_covers; i++) {
        struct cover *cover = &place->covers[i];
        struct cover now = {
            .point = cover->point,
            .flags = cover->point->flags,
            .ids = { point_id(cover->point, ROLE_SRC),
                     point_id(cover->point, ROLE_DST) },
            .is_host = point_is_host(cover->point),
        };

        if (now.flags != cover->flags || now.ids[0] != cover->ids[0]
            || now.ids[1] != cover->ids[1]
            || now.is_host != cover->is_host) {
            *cover = now;
            changed = true;
        }
    }
    return changed;
}

void
compiler_check_points(struct compiler *c)
{
    const struct hmapx_node *node, *member;

    points_check(&c->points, c->policy.need_changed, &c->dirty_points);
    HMAPX_FOR_EACH (node, &c->dirty_points) {
        const struct point *point = node->data;

        HMAPX_FOR_EACH (member, &point->members) {
            hmapx_add(&c->moved, member->data);
        }
    }
    HMAPX_FOR_EACH (node, &c->moved) {
        struct place *place = node->data;

        if (place_update_covers(place)) {
            sset_add(&c->dirty_containers, place->name);
        }
    }
    work_ptrs_reset(&c->moved);
}
