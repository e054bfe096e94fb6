#include <config.h>

#include "flows/compiler-private.h"
#include "flow.h"
#include "packets.h"

/* conntrack: looks the connection up.
 *
 * What the host sends to anybody but a local container is no business of the
 * rules: it goes to the unmanaged ports if there are any, unless it is from
 * the mesh, which has nothing to seek there. */

static void
track_flow(struct compiler *c, int priority, uint32_t from, uint64_t cookie)
{
    emit_flow(&c->emit, SN_TABLE_CONNTRACK, priority, cookie);
    emit_match_flags(&c->emit, from, 0);
}

static void
track_drop_transit(struct compiler *c, const struct sn_prefix *src,
                   uint64_t cookie)
{
    if (!sset_is_empty(&c->uplinks)) {
        track_flow(c, 60, SN_F_FROM_LOCAL, cookie);
        emit_match_src(&c->emit, src);
        emit_end(&c->emit);
    }
}

/* What is still for a virtual address was not translated. */
static void
track_drop_services(struct compiler *c)
{
    for (int is_v4 = 0; is_v4 < 2; is_v4++) {
        if (c->has_vips[is_v4]) {
            emit_flow(&c->emit, SN_TABLE_CONNTRACK, 110,
                      cookie_base(SN_TABLE_CONNTRACK,
                                  SN_WHY_DROP_NO_SERVICE));
            emit_match_dst(&c->emit, is_v4 ? &c->model->mesh.service4
                                           : &c->model->mesh.service6);
            emit_end(&c->emit);
        }
    }
}

static void
track_drop_guests(struct compiler *c, const struct model_node *node,
                  uint64_t cookie)
{
    for (size_t i = 0; node->vpn && i < node->vpn->n_pools; i++) {
        track_drop_transit(c, &node->vpn->pools[i], cookie);
    }
}

void
stage_conntrack_base(struct compiler *c)
{
    uint64_t cookie = cookie_base(SN_TABLE_CONNTRACK, SN_WHY_TRACK);
    struct emit *e = &c->emit;

    for (int is_v4 = 0; is_v4 < 2; is_v4++) {
        track_flow(c, 100, SN_F_FROM_CONTAINER, cookie);
        emit_match_family(e, is_v4);
        emit_ct_lookup(e, SN_TABLE_USER);
        emit_end(e);
    }
    for (size_t i = 0; c->node && i < c->node->n_subnets; i++) {
        track_flow(c, 100, SN_F_FROM_LOCAL, cookie);
        emit_match_dst(e, &c->node->subnets[i]);
        emit_ct_lookup(e, SN_TABLE_USER);
        emit_end(e);
    }
    track_drop_services(c);
    track_drop_transit(c, &c->model->mesh.prefix,
                       cookie_base(SN_TABLE_CONNTRACK,
                                   SN_WHY_DROP_TRANSIT));
    if (c->node) {
        track_drop_guests(c, c->node, cookie_base(SN_TABLE_CONNTRACK,
                                                  SN_WHY_DROP_TRANSIT));
    }
    if (!sset_is_empty(&c->uplinks)) {
        track_flow(c, 50, SN_F_FROM_LOCAL,
                   cookie_base(SN_TABLE_CONNTRACK, SN_WHY_SWITCH));
        emit_set_reg(e, SN_REG_OUT, SN_OUT_UNMANAGED);
        emit_goto(e, SN_TABLE_DELIVER);
        emit_end(e);
    }
    emit_drop(e, SN_TABLE_CONNTRACK, 0,
              cookie_base(SN_TABLE_CONNTRACK, SN_WHY_DROP_TRANSIT));
}

void
stage_conntrack_node(struct compiler *c, const struct model_node *node)
{
    for (size_t i = 0; i < node->n_subnets; i++) {
        track_drop_transit(c, &node->subnets[i],
                           cookie_node(node, SN_WHY_DROP_TRANSIT));
    }
    track_drop_guests(c, node, cookie_node(node, SN_WHY_DROP_TRANSIT));
}

void
stage_conntrack_stray(struct compiler *c,
                      const struct model_container *container,
                      const struct sn_prefix *address)
{
    bool local = !strcmp(container->node, c->node_name);

    if (local) {
        track_flow(c, 100, SN_F_FROM_LOCAL,
                   cookie_container(c, container, SN_WHY_TRACK));
        emit_match_dst(&c->emit, address);
        emit_ct_lookup(&c->emit, SN_TABLE_USER);
        emit_end(&c->emit);
    } else {
        track_drop_transit(c, address,
                           cookie_container(c, container,
                                            SN_WHY_DROP_TRANSIT));
    }
}
