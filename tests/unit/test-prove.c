#include <config.h>

/* The proof holds of random states, and sets of packets fare as each packet
 * does.  SN_SEED=N runs one seed, SN_SEEDS=N that many. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "flow.h"
#include "flows/compiler.h"
#include "flows/prove.h"
#include "flows/regs.h"
#include "flows/symbolic.h"
#include "flows/tables.h"
#include "flows/walk.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/match.h"
#include "openvswitch/ofp-actions.h"
#include "openvswitch/ofpbuf.h"
#include "openvswitch/util.h"
#include "packets.h"
#include "state/model.h"
#include "tests/unit/flow-model.h"
#include "tests/unit/prove-host.h"
#include "tests/unit/random-world.h"
#include "util.h"

static int
get_env(const char *name, int otherwise)
{
    const char *s = getenv(name);

    return s ? atoi(s) : otherwise;
}

static void
print_selectors(const char *what, const struct model_selector *sels, size_t n)
{
    fprintf(stderr, " %s", what);
    for (size_t i = 0; i < n; i++) {
        char *s = model_selector_to_string(&sels[i]);
        fprintf(stderr, " %s", s);
        free(s);
    }
}

static void
print_model(const struct model *model)
{
    const struct shash_node *item;

    fprintf(stderr, "default %d\n", model->mesh.default_policy);
    SHASH_FOR_EACH (item, &model->nodes) {
        const struct model_node *node = item->data;
        fprintf(stderr, "node %s%s\n", item->name,
                node->revoked ? " revoked" : "");
    }
    SHASH_FOR_EACH (item, &model->containers) {
        const struct model_container *container = item->data;
        char *address = sn_prefix_to_string(&container->addresses[0]);
        const char *tag;

        fprintf(stderr, "container %s at %s %s %s%s", item->name,
                container->node, container->veth, address,
                container->quarantined ? " quarantined" : "");
        SSET_FOR_EACH (tag, &container->tags) {
            fprintf(stderr, " tag:%s", tag);
        }
        fprintf(stderr, "\n");
        free(address);
    }
    SHASH_FOR_EACH (item, &model->segments) {
        const struct model_segment *segment = item->data;
        fprintf(stderr, "segment %s internet %d", item->name,
                segment->internet);
        print_selectors("members", segment->members, segment->n_members);
        for (size_t i = 0; i < segment->isolated_from.n; i++) {
            fprintf(stderr, " isolated from %s",
                    segment->isolated_from.names[i]);
        }
        fprintf(stderr, "\n");
    }
    SHASH_FOR_EACH (item, &model->acls) {
        const struct model_acl *acl = item->data;
        fprintf(stderr, "acl %s tier %d %s protocol %d", item->name,
                acl->tier, acl->action == ACTION_DENY ? "deny" : "accept",
                acl->ip_proto);
        print_selectors("src", acl->src, acl->n_src);
        print_selectors("dst", acl->dst, acl->n_dst);
        fprintf(stderr, "\n");
    }
    SHASH_FOR_EACH (item, &model->raw_flows) {
        const struct model_raw_flow *raw = item->data;
        fprintf(stderr, "raw flow at %s: %s\n", raw->node, raw->text);
    }
}

/* Whether either of two flows may take a packet somewhere. */
static bool
is_tied(const struct symbolic *symbolic, const struct space *space,
        const struct flow *packet)
{
    for (size_t i = 0; i < symbolic->n_troubles; i++) {
        const struct symbolic_trouble *t = &symbolic->troubles[i];

        if (t->kind == SYMBOLIC_TIE
            && header_contains(space, t->set, packet)) {
            return true;
        }
    }
    return false;
}

/* Sets of packets and single packets leave by the same ports. */
static void
check_packets(const struct host *h, const struct flow_set *flows,
              int n_packets, bool may_tie)
{
    const struct object_set *objects = compiler_objects(h->compiler);
    struct walk_bridge *bridge = walk_bridge_create(flows, objects);
    struct space *space = header_space_create();
    const struct symbolic_end *end;
    struct symbolic symbolic;
    struct outs outs;

    symbolic_run(&symbolic, space, symbolic_any_packet(space), flows,
                 objects);
    HMAP_FOR_EACH (end, node, &symbolic.ends) {
        struct flow packet;

        header_pick(space, end->set, &packet);
        find_outs(bridge, &packet, &outs);
        if (may_tie && is_tied(&symbolic, space, &packet)) {
            continue;
        }
        assert_true(end->port == OFPP_IN_PORT
                    || (end->port == OFPP_LOCAL ? outs.local
                        : outs.ports[ofp_to_u16(end->port)]));
    }
    for (int i = 0; i < n_packets; i++) {
        struct flow packet;
        struct outs sets = { .local = false };

        host_draw_packet(h, &packet);
        find_outs(bridge, &packet, &outs);
        HMAP_FOR_EACH (end, node, &symbolic.ends) {
            if (end->port != OFPP_IN_PORT
                && header_contains(space, end->set, &packet)) {
                *(end->port == OFPP_LOCAL ? &sets.local
                  : &sets.ports[ofp_to_u16(end->port)]) = true;
            }
        }
        if (!may_tie || !is_tied(&symbolic, space, &packet)) {
            assert_memory_equal(&sets, &outs, sizeof outs);
        }
    }
    symbolic_uninit(&symbolic);
    space_destroy(space);
    walk_bridge_destroy(bridge);
}

/* Flows that no stage makes: they give the registers that sets carry another
 * value on the way, as a whole or in part, and copy one to the other. */

static uint32_t
draw_value(const struct flow_set *flows, int reg)
{
    uint32_t value = prove_draw(4);
    const struct sn_flow *flow;
    uint32_t n = 1;

    HMAP_FOR_EACH (flow, hmap_node, &flows->flows) {
        struct match match;

        minimatch_expand(&flow->match, &match);
        if (match.wc.masks.regs[reg] == UINT32_MAX && !prove_draw(n++)) {
            value = match.flow.regs[reg];
        }
    }
    return value;
}

static void
put_odd_action(const struct flow_set *flows, uint32_t oddity,
               struct ofpbuf *acts)
{
    int reg = prove_draw(SN_REG_DST_ID + 1);
    const struct mf_field *mf = mf_from_id(MFF_REG0 + reg);
    ovs_be32 value = htonl(draw_value(flows, reg));
    ovs_be32 mask = htonl(oddity == 1 ? 0xff : UINT32_MAX);

    if (oddity == 2) {
        struct ofpact_reg_move *move = ofpact_put_REG_MOVE(acts);

        move->src.field = mf;
        move->dst.field = mf_from_id(MFF_REG0 + prove_draw(3));
        move->src.n_bits = move->dst.n_bits = 32;
    } else {
        value &= mask;
        ofpact_put_set_field(acts, mf, &value, &mask);
    }
}

static void
put_odd_flow(const struct host *h, struct flow_set *flows, int priority,
             uint32_t oddity)
{
    static const enum sn_table ways[][2] = {
        { SN_TABLE_SPOOF_GUARD, SN_TABLE_CONNTRACK },
        { SN_TABLE_USER, SN_TABLE_SRC_IDENTITY },
        { SN_TABLE_SRC_IDENTITY, SN_TABLE_DST_IDENTITY },
        { SN_TABLE_DST_IDENTITY, SN_TABLE_EGRESS_POLICY },
        { SN_TABLE_EGRESS_POLICY, SN_TABLE_ROUTE },
        { SN_TABLE_ROUTE, SN_TABLE_INGRESS_POLICY },
    };
    const enum sn_table *way = ways[prove_draw(ARRAY_SIZE(ways))];
    struct sn_flow *flow = xzalloc(sizeof *flow);
    struct match match = MATCH_CATCHALL_INITIALIZER;
    struct flow packet;
    struct ofpbuf acts;

    host_draw_packet(h, &packet);
    match_set_dl_type(&match, packet.dl_type);
    if (prove_draw(3)) {
        match_set_nw_proto(&match, packet.nw_proto);
    }
    if (!prove_draw(3)) {
        match_set_in_port(&match, packet.in_port.ofp_port);
    }
    if (!prove_draw(3)) {
        match_set_reg(&match, SN_REG_SRC_ID,
                      draw_value(flows, SN_REG_SRC_ID));
    }
    flow->table_id = way[0];
    flow->priority = priority;
    minimatch_init(&flow->match, &match);
    ofpbuf_init(&acts, 64);
    put_odd_action(flows, oddity, &acts);
    ofpact_put_GOTO_TABLE(&acts)->table_id = way[1];
    flow->ofpacts_len = acts.size;
    flow->ofpacts = ofpbuf_steal_data(&acts);
    flow_set_put(flows, flow);
}

static void
check_odd_packets(const struct host *h, uint32_t oddity, int n_packets)
{
    const struct sn_flow *flow;
    struct flow_set flows;

    flow_set_init(&flows);
    HMAP_FOR_EACH (flow, hmap_node, &compiler_flows(h->compiler)->flows) {
        flow_set_put(&flows, sn_flow_clone(flow));
    }
    for (int i = 0; i < 6; i++) {
        put_odd_flow(h, &flows, 60000 + i, oddity);
    }
    check_packets(h, &flows, n_packets, true);
    flow_set_destroy(&flows);
}

/* Random states. */

static bool
address_is_taken(const struct model *model, const struct sn_prefix *address,
                 struct sset *taken)
{
    struct sn_prefix host = sn_prefix_host(address);
    char *s = sn_prefix_to_string(&host);
    bool is_new = sset_add_and_free(taken, s) != NULL;
    const struct shash_node *item;

    SHASH_FOR_EACH (item, &model->nodes) {
        const struct model_node *node = item->data;

        for (size_t i = 0; i < node->n_subnets; i++) {
            struct sn_prefix gateway = sn_prefix_host(&node->gateways[i]);
            is_new &= !sn_prefix_equals(&gateway, &host);
        }
    }
    return !is_new;
}

/* Clashes are errors of the linter's: a state has none. */
static void
remove_clashes(struct world *w)
{
    struct sset taken = SSET_INITIALIZER(&taken);
    struct sset pools = SSET_INITIALIZER(&pools);
    const struct shash_node **items = shash_sort(&w->model->containers);
    size_t n = shash_count(&w->model->containers);
    struct shash_node *item;

    for (size_t i = 0; i < n; i++) {
        const struct model_container *container = items[i]->data;
        char *veth = xasprintf("%s %s", container->node, container->veth);
        bool ok = (sset_add_and_free(&taken, veth) != NULL
                   && model_get_node(w->model, container->node));

        for (size_t j = 0; j < container->n_addresses; j++) {
            ok &= !address_is_taken(w->model, &container->addresses[j],
                                    &taken);
        }
        if (!ok) {
            model_remove(w->model, MODEL_CONTAINER, items[i]->name);
        }
    }
    free(items);
    SHASH_FOR_EACH (item, &w->model->nodes) {
        struct model_node *node = item->data;
        char *pool = node->vpn ? sn_prefix_to_string(&node->vpn->pools[0])
                     : NULL;

        if (pool && !sset_add(&pools, pool)) {
            node->vpn->n_pools = 0;
        }
        free(pool);
    }
    SHASH_FOR_EACH_SAFE (item, &w->model->clients) {
        const struct model_client *client = item->data;
        const struct model_node *node = model_get_node(w->model,
                                                       client->node);

        if (!node || !node->vpn || !node->vpn->n_pools
            || !sn_prefix_contains(&node->vpn->pools[0],
                                   &client->addresses[0])
            || address_is_taken(w->model, &client->addresses[0], &taken)) {
            model_remove(w->model, MODEL_CLIENT, item->name);
        }
    }
    sset_destroy(&taken);
    sset_destroy(&pools);
}

static void
check_host(struct host *h, uint32_t seed)
{
    struct proof proof;

    host_compile(h);
    host_prove(h, compiler_flows(h->compiler), &proof);
    if (proof.n_findings) {
        fprintf(stderr, "seed %u:\n", seed);
        print_model(h->model);
        host_print_findings(h, &proof);
    }
    assert_int_equal(proof.n_findings, 0);
    proof_uninit(&proof);
    check_packets(h, compiler_flows(h->compiler), 60, false);
    for (uint32_t oddity = 0; oddity < 3; oddity++) {
        check_odd_packets(h, oddity, 200);
    }
    compiler_destroy(h->compiler);
}

static void
check_seed(uint32_t seed)
{
    struct world w = { .log = DS_EMPTY_INITIALIZER };
    const struct shash_node *item;

    w.model = model_create();
    w.ports = flow_ports_create();
    model_changes_init(&w.changes);
    sset_init(&w.changed_ports);
    fm_node(w.model, "a", "10.0.0.0/24 fd00::/64", "100.64.0.1", "");
    flow_ports_put(w.ports, "vmbr0", OFPP_LOCAL, fm_mac(0xfffe));
    for (int i = 0; i < 250; i++) {
        w.random = (uint64_t) seed << 32 | i;
        random_world_step(&w);
    }
    remove_clashes(&w);
    prove_seed(seed);
    SHASH_FOR_EACH (item, &w.model->nodes) {
        struct host h = { .model = w.model, .node = item->name };

        h.ports = fm_ports(w.model, item->name);
        check_host(&h, seed);
        flow_ports_destroy(h.ports);
    }
    ds_destroy(&w.log);
    model_changes_destroy(&w.changes);
    sset_destroy(&w.changed_ports);
    flow_ports_destroy(w.ports);
    model_destroy(w.model);
}

static void
test_random_states(void **state OVS_UNUSED)
{
    int only = get_env("SN_SEED", -1), n = get_env("SN_SEEDS", 12);

    for (int seed = 1; seed <= n; seed++) {
        check_seed(only >= 0 ? only : seed);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_states),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
