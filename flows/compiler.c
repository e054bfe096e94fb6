#include <config.h>

#include "flows/compiler.h"

#include <stdlib.h>
#include <string.h>
#include "flows/compiler-private.h"
#include "flows/ports.h"
#include "flows/user.h"
#include "lib/work-set.h"
#include "openvswitch/shash.h"
#include "openvswitch/util.h"
#include "packets.h"
#include "util.h"

/* One path for a full compile and for a change: first the compiler's own
 * indexes take in what changed and find out which owners that touches, then
 * those owners are recomputed.  A full compile begins with empty indexes and
 * touches everybody. */

static void
compiler_sink(struct sn_flow *flow, void *c_)
{
    struct compiler *c = c_;
    claims_add(&c->claims, flow);
}

void
compiler_init_state(struct compiler *c)
{
    policy_init(&c->policy, c->node_name);
    points_init(&c->points);
    idreg_init(&c->endpoints);
    shash_init(&c->places);
    shash_init(&c->veths);
    sset_init(&c->uplinks);
    sset_init(&c->revoked);
    sset_init(&c->raw_names);
    sset_init(&c->raw_targets);
    shash_init(&c->pending);
    sset_init(&c->dirty_containers);
    sset_init(&c->dirty_exits);
    sset_init(&c->dirty_nodes);
    sset_init(&c->dirty_services);
    hmapx_init(&c->dirty_points);
    hmapx_init(&c->moved);
}

void
compiler_destroy_state(struct compiler *c)
{
    struct shash_node *node;

    policy_destroy(&c->policy);
    points_destroy(&c->points);
    idreg_destroy(&c->endpoints);
    SHASH_FOR_EACH (node, &c->places) {
        place_free(node->data);
    }
    shash_destroy(&c->places);
    SHASH_FOR_EACH (node, &c->veths) {
        sset_destroy(node->data);
        free(node->data);
    }
    shash_destroy(&c->veths);
    sset_destroy(&c->uplinks);
    sset_destroy(&c->revoked);
    sset_destroy(&c->raw_names);
    sset_destroy(&c->raw_targets);
    shash_destroy_free_data(&c->pending);
    sset_destroy(&c->dirty_containers);
    sset_destroy(&c->dirty_exits);
    sset_destroy(&c->dirty_nodes);
    sset_destroy(&c->dirty_services);
    hmapx_destroy(&c->dirty_points);
    hmapx_destroy(&c->moved);
}

struct compiler *
compiler_create(const char *node_name)
{
    struct compiler *c = xzalloc(sizeof *c);

    c->node_name = xstrdup(node_name);
    c->has_meters = true;
    claims_init(&c->claims);
    compiler_init_state(c);
    emit_init(&c->emit, compiler_sink, c);
    return c;
}

void
compiler_destroy(struct compiler *c)
{
    if (c) {
        compiler_destroy_state(c);
        claims_destroy(&c->claims);
        emit_uninit(&c->emit);
        free(c->node_name);
        free(c->local_name);
        free(c);
    }
}

void
compiler_set_meters(struct compiler *c, bool has_meters)
{
    c->has_meters = has_meters;
}

/* Owners. */

static void
compiler_owner_begin(struct compiler *c, const char *kind, const char *key)
{
    char *owner = xasprintf("%s:%s", kind, key);
    claims_begin(&c->claims, owner);
    free(owner);
}

static void
compiler_emit_base(struct compiler *c)
{
    claims_begin(&c->claims, "base");
    stage_classify_base(c);
    stage_guard_base(c);
    stage_arp_nd_base(c);
    stage_service_base(c);
    stage_conntrack_base(c);
    stage_user_base(c);
    stage_identity_base(c);
    stage_policy_base(c);
    stage_route_base(c);
    stage_commit_base(c);
    stage_deliver_base(c);
    claims_end(&c->claims);
}

/* Flows that need the container's port and MAC. */
static void
compiler_emit_endpoint(struct compiler *c,
                       const struct model_container *container)
{
    struct endpoint ep;
    const char *reason = compiler_get_endpoint(c, container, &ep);

    free(shash_find_and_delete(&c->pending, container->name));
    if (reason) {
        shash_add(&c->pending, container->name, xstrdup(reason));
        if (container->quarantined) {
            stage_classify_quarantine(c, container);
        }
        return;
    }
    stage_classify_container(c, &ep);
    stage_guard_container(c, &ep);
    stage_arp_nd_container(c, &ep);
    stage_route_container(c, &ep);
    stage_commit_container(c, &ep);
    stage_deliver_container(c, &ep);
}

/* The subnets of a revoked node lead nowhere. */
static bool
lies_at_revoked(const struct compiler *c, const struct sn_prefix *address)
{
    const char *name;

    SSET_FOR_EACH (name, &c->revoked) {
        const struct model_node *node = model_get_node(c->model, name);

        for (size_t i = 0; node && i < node->n_subnets; i++) {
            if (sn_prefix_contains(&node->subnets[i], address)) {
                return true;
            }
        }
    }
    return false;
}

static void
compiler_emit_container(struct compiler *c, const char *name)
{
    const struct model_container *container
        = model_get_trusted(c->model, name, c->node_name);

    compiler_owner_begin(c, "container", name);
    if (container) {
        bool local = !strcmp(container->node, c->node_name);
        uint32_t flags = SN_F_SRC_MESH | (local ? SN_F_SRC_LOCAL : 0);

        if (local) {
            compiler_emit_endpoint(c, container);
        } else {
            free(shash_find_and_delete(&c->pending, name));
        }
        for (size_t i = 0; i < container->n_addresses; i++) {
            struct sn_prefix a = sn_prefix_host(&container->addresses[i]);

            if (points_lookup(&c->points, &a)->flags != flags
                || lies_at_revoked(c, &a)) {
                stage_guard_stray(c, container, &a);
                stage_arp_nd_stray(c, container, &a);
                stage_conntrack_stray(c, container, &a);
                stage_route_stray(c, container, &a);
            }
        }
        stage_identity_container(c, container);
    } else {
        free(shash_find_and_delete(&c->pending, name));
    }
    claims_end(&c->claims);
}

static void
compiler_emit_node(struct compiler *c, const char *name)
{
    const struct model_node *node = model_get_node(c->model, name);

    compiler_owner_begin(c, "node", name);
    if (node && strcmp(name, c->node_name)) {
        if (node->revoked) {
            stage_route_revoked(c, node);
        } else {
            stage_guard_node(c, node);
        stage_arp_nd_node(c, node);
            stage_route_node(c, node);
        }
        stage_conntrack_node(c, node);
    }
    claims_end(&c->claims);
}

static void
compiler_emit_exit(struct compiler *c, const char *key)
{
    const struct model_exit *exit = model_get_exit(c->model, key);

    compiler_owner_begin(c, "exit", key);
    if (exit && compiler_exit_is_here(c, exit)) {
        stage_classify_exit(c, exit);
        stage_deliver_exit(c, exit);
    }
    claims_end(&c->claims);
}

static void
compiler_emit_service(struct compiler *c, const char *name)
{
    const struct model_service *service = model_get_service(c->model, name);

    compiler_owner_begin(c, "service", name);
    if (service) {
        stage_service(c, service);
    }
    claims_end(&c->claims);
}

static void
compiler_emit_services(struct compiler *c)
{
    struct shash_node *node;
    const char *name;

    if (c->dirty_all_services) {
        SHASH_FOR_EACH (node, &c->model->services) {
            sset_add(&c->dirty_services, node->name);
        }
    }
    SSET_FOR_EACH (name, &c->dirty_services) {
        compiler_emit_service(c, name);
    }
}

/* Which ports and containers the raw flows name.  Containers that begin or
 * cease to be delivered to have to be told. */
static void
compiler_index_raw(struct compiler *c)
{
    struct sset targets = SSET_INITIALIZER(&targets);
    struct shash_node *node;
    const char *name;

    sset_clear(&c->raw_names);
    SHASH_FOR_EACH (node, &c->model->raw_flows) {
        const struct model_raw_flow *raw = node->data;
        if (!strcmp(raw->node, c->node_name)) {
            user_collect_names(c, raw, &c->raw_names, &targets);
        }
    }
    SSET_FOR_EACH (name, &targets) {
        if (!sset_contains(&c->raw_targets, name)) {
            sset_add(&c->dirty_containers, name);
        }
    }
    SSET_FOR_EACH (name, &c->raw_targets) {
        if (!sset_contains(&targets, name)) {
            sset_add(&c->dirty_containers, name);
        }
    }
    sset_swap(&c->raw_targets, &targets);
    sset_destroy(&targets);
}

static void
compiler_emit_raw(struct compiler *c)
{
    struct shash_node *node;

    claims_begin(&c->claims, "raw");
    SHASH_FOR_EACH (node, &c->model->raw_flows) {
        const struct model_raw_flow *raw = node->data;
        if (!strcmp(raw->node, c->node_name)) {
            stage_user_raw(c, raw, node->name);
        }
    }
    claims_end(&c->claims);
}

static void
compiler_emit_policy(struct compiler *c)
{
    const struct hmapx_node *node;
    const char *owner;

    SSET_FOR_EACH (owner, &c->policy.gone) {
        claims_drop_owner(&c->claims, owner);
    }
    HMAPX_FOR_EACH (node, &c->policy.changed_clauses) {
        const struct policy_clause *clause = node->data;
        claims_begin(&c->claims, clause->key);
        stage_policy_clause(c, clause);
        claims_end(&c->claims);
    }
    HMAPX_FOR_EACH (node, &c->policy.changed_idents) {
        const struct policy_ident *ident = node->data;
        compiler_owner_begin(c, "identity", ident->name);
        stage_policy_ident(c, ident);
        claims_end(&c->claims);
    }
}

static void
compiler_emit_points(struct compiler *c)
{
    const struct hmapx_node *node;
    const char *gone;

    SSET_FOR_EACH (gone, &c->points.gone) {
        claims_drop_owner(&c->claims, gone);
    }
    work_set_reset(&c->points.gone);
    HMAPX_FOR_EACH (node, &c->dirty_points) {
        char *owner = point_owner_name(node->data);

        claims_begin(&c->claims, owner);
        stage_identity_point(c, node->data);
        claims_end(&c->claims);
        free(owner);
    }
}

static void
compiler_emit_dirty(struct compiler *c)
{
    struct shash_node *node;
    const char *name;

    if (c->dirty_base) {
        compiler_emit_base(c);
    }
    if (c->dirty_all_nodes) {
        SHASH_FOR_EACH (node, &c->model->nodes) {
            sset_add(&c->dirty_nodes, node->name);
        }
    }
    SSET_FOR_EACH (name, &c->dirty_nodes) {
        compiler_emit_node(c, name);
    }
    SSET_FOR_EACH (name, &c->dirty_exits) {
        compiler_emit_exit(c, name);
    }
    if (c->dirty_raw) {
        compiler_emit_raw(c);
    }
    compiler_emit_services(c);
    compiler_emit_policy(c);
    compiler_emit_points(c);
    if (c->dirty_all_containers) {
        SHASH_FOR_EACH (node, &c->model->containers) {
            sset_add(&c->dirty_containers, node->name);
        }
    }
    SSET_FOR_EACH (name, &c->policy.changed_containers) {
        sset_add(&c->dirty_containers, name);
    }
    SSET_FOR_EACH (name, &c->dirty_containers) {
        compiler_emit_container(c, name);
    }
}

static void
compiler_clear_dirty(struct compiler *c)
{
    work_set_reset(&c->dirty_containers);
    work_set_reset(&c->dirty_exits);
    work_set_reset(&c->dirty_nodes);
    work_set_reset(&c->dirty_services);
    c->dirty_all_containers = false;
    c->dirty_all_nodes = false;
    c->dirty_all_services = false;
    c->dirty_raw = false;
    c->dirty_base = false;
    c->dirty_topology = false;
    work_ptrs_reset(&c->dirty_points);
    policy_clear_changes(&c->policy);
}

/* Brings the indexes up to date.  Returns false if numbers collided, which
 * only a full compile settles. */
static bool
compiler_update_state(struct compiler *c)
{
    policy_update_idents(&c->policy, c->model);
    if (c->dirty_topology || c->policy.points_changed) {
        points_update(&c->points, &c->policy, c->model, c->node_name,
                      &c->moved);
    }
    compiler_update_pools(c);
    policy_update_clauses(&c->policy);
    compiler_check_points(c);
    if (c->dirty_raw) {
        compiler_index_raw(c);
    }
    bool collided = c->policy.collided || c->endpoints.collided;
    if (c->endpoints.collided) {
        idreg_assign(&c->endpoints);
    }
    return !collided;
}

static void
compiler_enter(struct compiler *c, const struct model *model,
               const struct flow_ports *ports)
{
    c->model = model;
    c->ports = ports;
    c->node = model_get_node(model, c->node_name);
    c->local = flow_ports_find_local(ports);
}

static void
compiler_leave(struct compiler *c)
{
    free(c->local_name);
    c->local_name = nullable_xstrdup(c->local ? c->local->name : NULL);
    c->model = NULL;
    c->ports = NULL;
    c->node = NULL;
    c->local = NULL;
}

static void
compiler_run_all(struct compiler *c)
{
    compiler_clear_dirty(c);
    compiler_take_all(c);
    compiler_update_state(c);
    claims_begin_round(&c->claims);
    compiler_emit_dirty(c);
    claims_end_round(&c->claims);
}

void
compiler_run(struct compiler *c, const struct model *model,
             const struct flow_ports *ports,
             const struct model_changes *changes,
             const struct sset *changed_ports)
{
    bool all = !changes || changes->all || !c->inited;

    compiler_enter(c, model, ports);
    if (!all) {
        compiler_take_changes(c, changes, changed_ports);
        all = !compiler_update_state(c);
    }
    if (all) {
        compiler_run_all(c);
    } else {
        compiler_emit_dirty(c);
    }
    if (claims_renumber(&c->claims)) {
        compiler_run_all(c);
    }
    claims_resolve(&c->claims);
    compiler_clear_dirty(c);
    compiler_leave(c);
    c->inited = true;
}

uint32_t
compiler_add_object(struct compiler *c, enum sn_object_kind kind,
                    const char *name, uint64_t cookie, const char *spec)
{
    return object_claims_add(&c->claims.objects, kind, name, cookie, spec);
}

const struct object_set *
compiler_objects(const struct compiler *c)
{
    return &c->claims.objects.objects;
}

unsigned int
compiler_objects_seqno(const struct compiler *c)
{
    return c->claims.objects.seqno;
}

const struct flow_set *
compiler_flows(const struct compiler *c)
{
    return &c->claims.flows;
}

void
compiler_take_delta(struct compiler *c, struct flow_set *added,
                    struct flow_set *removed)
{
    claims_take_delta(&c->claims, added, removed);
}

const struct shash *
compiler_pending(const struct compiler *c)
{
    return &c->pending;
}
