#include <config.h>

/* The parts of the flow compiler, and what a change costs. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include "flow.h"
#include "flows/claims.h"
#include "flows/compiler.h"
#include "flows/cookie.h"
#include "flows/diff.h"
#include "flows/emit.h"
#include "flows/explain.h"
#include "flows/idreg.h"
#include "openvswitch/dynamic-string.h"
#include "tests/unit/flow-model.h"
#include "util.h"

/* Registries. */

static void
test_tables(void **state OVS_UNUSED)
{
    for (int i = 0; i < 256; i++) {
        const char *name = sn_table_name(i);
        assert_int_equal(sn_table_from_name(name ? name : "?"),
                         name ? i : -1);
    }
    assert_string_equal(sn_table_name(SN_TABLE_DELIVER), "deliver");
    assert_int_equal(sn_table_from_name("nothing"), -1);
}

static void
test_cookies(void **state OVS_UNUSED)
{
    uint64_t cookie = cookie_make(COOKIE_ACL, 0x89abcdef, 0x1234);

    assert_true(cookie == UINT64_C(0x530789abcdef1234));
    assert_true(cookie_is_ours(cookie));
    assert_false(cookie_is_ours(cookie ^ UINT64_C(1) << 63));
    assert_int_equal(cookie_kind(cookie), COOKIE_ACL);
    assert_int_equal(cookie_object(cookie), 0x89abcdef);
    assert_int_equal(cookie_detail(cookie), 0x1234);

    /* These are in switches: they must not change from one version to the
     * next. */
    assert_int_equal(cookie_name_id("api-to-vectors"), 0x3ce51775);
    assert_int_equal(cookie_name_id("management"), 0x14aff6b3);
    assert_int_not_equal(cookie_name_id("a") & COOKIE_RAW_BIT,
                         COOKIE_RAW_BIT);
}

static void
test_idreg(void **state OVS_UNUSED)
{
    struct idreg a, b;

    idreg_init(&a);
    idreg_add(&a, "y", 5);
    idreg_add(&a, "z", 6);
    assert_false(a.collided);
    assert_int_equal(idreg_get(&a, "z"), 6);
    idreg_add(&a, "x", 5);
    assert_true(a.collided);
    idreg_assign(&a);
    assert_int_equal(idreg_get(&a, "x"), 5);
    assert_int_equal(idreg_get(&a, "y"), 6);
    assert_int_equal(idreg_get(&a, "z"), 7);
    assert_string_equal(idreg_find(&a, 6), "y");

    /* Another order, the same numbers. */
    idreg_init(&b);
    idreg_add(&b, "x", 5);
    idreg_add(&b, "z", 6);
    idreg_add(&b, "y", 5);
    idreg_assign(&b);
    assert_int_equal(idreg_get(&b, "y"), 6);
    idreg_destroy(&b);

    /* Somebody's number is free again: everybody is dealt anew. */
    idreg_remove(&a, "x");
    assert_true(a.collided);
    idreg_assign(&a);
    assert_int_equal(idreg_get(&a, "y"), 5);
    assert_int_equal(idreg_get(&a, "z"), 6);
    idreg_destroy(&a);
}

/* Claims. */

static void
claim_sink(struct sn_flow *flow, void *claims)
{
    claims_add(claims, flow);
}

/* Owner 'owner' claims one flow: table 28, priority 1, reg1=5, and actions
 * that depend on 'conj' (0: none). */
static void
claim_one(struct claims *claims, const char *owner, uint64_t cookie,
          uint32_t conj)
{
    struct emit e;

    emit_init(&e, claim_sink, claims);
    claims_begin(claims, owner);
    emit_flow(&e, SN_TABLE_EGRESS_POLICY, 1, cookie);
    emit_match_reg(&e, SN_REG_SRC_ID, 5);
    if (conj) {
        emit_conjunction(&e, conj, 0, 2);
    }
    emit_end(&e);
    claims_end(claims);
    claims_resolve(claims);
    emit_uninit(&e);
}

static char *
format_only(const struct claims *claims)
{
    const struct sn_flow **flows = flow_set_sort(&claims->flows);
    struct ds s = DS_EMPTY_INITIALIZER;

    assert_int_equal(hmap_count(&claims->flows.flows), 1);
    sn_flow_format(flows[0], NULL, false, &s);
    free(flows);
    return ds_steal_cstr(&s);
}

static void
assert_only(const struct claims *claims, const char *want)
{
    char *got = format_only(claims);

    assert_string_equal(got, want);
    free(got);
}

static void
assert_delta(struct claims *claims, int n_added, int n_removed)
{
    struct flow_set added, removed;

    flow_set_init(&added);
    flow_set_init(&removed);
    claims_take_delta(claims, &added, &removed);
    assert_int_equal(hmap_count(&added.flows), n_added);
    assert_int_equal(hmap_count(&removed.flows), n_removed);
    flow_set_destroy(&added);
    flow_set_destroy(&removed);
}

static void
test_claims_merge_conjunctions(void **state OVS_UNUSED)
{
    struct claims claims;

    claims_init(&claims);
    claim_one(&claims, "b", 0x20, 9);
    claim_one(&claims, "a", 0x10, 7);
    assert_only(&claims, "cookie=0x0000000000000010, table=28, priority=1,"
                "reg1=0x5 actions=conjunction(7,1/2),conjunction(9,1/2)");
    assert_delta(&claims, 1, 0);
    claims_drop_owner(&claims, "a");
    claims_resolve(&claims);
    assert_only(&claims, "cookie=0x0000000000000020, table=28, priority=1,"
                "reg1=0x5 actions=conjunction(9,1/2)");
    assert_delta(&claims, 1, 0);
    claims_drop_owner(&claims, "b");
    claims_resolve(&claims);
    assert_int_equal(hmap_count(&claims.flows.flows), 0);
    assert_delta(&claims, 0, 1);
    claims_destroy(&claims);
}

static void
test_claims_lowest_cookie(void **state OVS_UNUSED)
{
    static const char drop20[] = "cookie=0x0000000000000020, table=28, "
                                 "priority=1,reg1=0x5 actions=drop";
    static const char drop10[] = "cookie=0x0000000000000010, table=28, "
                                 "priority=1,reg1=0x5 actions=drop";
    struct claims claims;

    claims_init(&claims);
    claim_one(&claims, "b", 0x20, 0);
    claim_one(&claims, "a", 0x10, 0);
    assert_only(&claims, drop10);
    claim_one(&claims, "a", 0x30, 0);
    assert_only(&claims, drop20);
    assert_delta(&claims, 1, 0);

    /* What comes and goes between two looks was never there. */
    claim_one(&claims, "a", 0x10, 0);
    claim_one(&claims, "a", 0x30, 0);
    assert_delta(&claims, 0, 0);
    claims_drop_owner(&claims, "a");
    claims_drop_owner(&claims, "b");
    claims_resolve(&claims);
    claim_one(&claims, "b", 0x20, 0);
    assert_delta(&claims, 0, 0);

    /* Those who do not say it again within a round do not want it. */
    claims_begin_round(&claims);
    claim_one(&claims, "c", 0x40, 0);
    claims_end_round(&claims);
    claims_resolve(&claims);
    assert_delta(&claims, 1, 0);
    assert_int_equal(claims_count_owner(&claims, "b"), 0);
    claims_destroy(&claims);
}

static void
set_sink(struct sn_flow *flow, void *set)
{
    flow_set_put(set, flow);
}

static void
put_flow(struct flow_set *set, int priority, uint64_t cookie, bool drop)
{
    struct emit e;

    emit_init(&e, set_sink, set);
    emit_flow(&e, SN_TABLE_ROUTE, priority, cookie);
    if (!drop) {
        emit_goto(&e, SN_TABLE_DELIVER);
    }
    emit_end(&e);
    emit_uninit(&e);
}

static void
test_diff(void **state OVS_UNUSED)
{
    struct flow_set desired, installed;
    struct flow_op *ops;

    flow_set_init(&desired);
    flow_set_init(&installed);
    put_flow(&desired, 1, 1, true);             /* As it is. */
    put_flow(&installed, 1, 1, true);
    put_flow(&desired, 2, 1, true);             /* Other actions. */
    put_flow(&installed, 2, 1, false);
    put_flow(&desired, 3, 1, true);             /* Other cookie. */
    put_flow(&installed, 3, 2, true);
    put_flow(&desired, 4, 1, true);             /* New. */
    put_flow(&installed, 9, 1, true);           /* Gone. */
    assert_int_equal(flow_diff(&desired, &installed, &ops), 4);
    assert_int_equal(ops[0].type, FLOW_OP_ADD);
    assert_int_equal(ops[0].flow->priority, 4);
    assert_int_equal(ops[1].type, FLOW_OP_MODIFY);
    assert_int_equal(ops[1].flow->priority, 3);
    assert_int_equal(ops[2].type, FLOW_OP_MODIFY);
    assert_int_equal(ops[2].flow->priority, 2);
    assert_int_equal(ops[3].type, FLOW_OP_DELETE);
    assert_int_equal(ops[3].flow->priority, 9);
    free(ops);
    assert_int_equal(flow_diff(&desired, &desired, &ops), 0);
    free(ops);
    flow_set_destroy(&desired);
    flow_set_destroy(&installed);
}

/* What a change costs. */

struct world {
    struct model *model;
    struct flow_ports *ports;
    struct compiler *compiler;
    size_t added, removed;      /* By the last change. */
};

static void
world_run(struct world *w, enum model_kind kind, const char *key,
          const char *port)
{
    struct model_changes changes;
    struct sset ports = SSET_INITIALIZER(&ports);
    struct flow_set added, removed;

    model_changes_init(&changes);
    if (key) {
        model_changes_add(&changes, kind, key);
    }
    if (port) {
        sset_add(&ports, port);
    }
    compiler_run(w->compiler, w->model, w->ports,
                 key || port ? &changes : NULL, &ports);
    flow_set_init(&added);
    flow_set_init(&removed);
    compiler_take_delta(w->compiler, &added, &removed);
    w->added = hmap_count(&added.flows);
    w->removed = hmap_count(&removed.flows);
    flow_set_destroy(&added);
    flow_set_destroy(&removed);
    model_changes_destroy(&changes);
    sset_destroy(&ports);
}

static int
world_setup(void **state)
{
    struct world *w = xzalloc(sizeof *w);
    struct model *m = w->model = model_create();

    fm_node(m, "a", "10.0.0.0/24 fd00::/64", "100.64.0.1", "");
    fm_node(m, "b", "10.1.0.0/24", "100.64.0.2", "");
    fm_exit(m, "a", "warp", "warp0", true);
    fm_container(m, "web", "100", "a", "10.0.0.100/24", "web", "");
    fm_container(m, "both", "101", "a", "10.0.0.101/24 fd00::101/64", "web",
                 "");
    fm_container(m, "idle", "102", "a", "10.0.0.102/24", "", "a/warp");
    fm_container(m, "db", "200", "b", "10.1.0.200/24", "db", "");
    fm_container(m, "other", "201", "b", "10.1.0.201/24", "other", "");
    fm_acl(m, "web-db", TIER_ACLS, ACTION_ACCEPT, "tag:web", "tag:db:5432",
           IPPROTO_TCP);
    fm_acl(m, "other", TIER_ACLS, ACTION_ACCEPT, "tag:other", "tag:db", 0);
    w->ports = fm_ports(m, "a");
    w->compiler = compiler_create("a");
    world_run(w, 0, NULL, NULL);
    *state = w;
    return 0;
}

static int
world_teardown(void **state)
{
    struct world *w = *state;

    compiler_destroy(w->compiler);
    flow_ports_destroy(w->ports);
    model_destroy(w->model);
    free(w);
    return 0;
}

static void
assert_cost(const struct world *w, int n_added, int n_removed)
{
    assert_int_equal(w->added, n_added);
    assert_int_equal(w->removed, n_removed);
}

static void
unplug(struct world *w, const char *veth, int n_flows)
{
    struct flow_port port = *flow_ports_find(w->ports, veth);

    flow_ports_remove(w->ports, veth);
    world_run(w, 0, NULL, veth);
    assert_cost(w, 0, n_flows);
    flow_ports_put(w->ports, veth, port.ofport, fm_mac(1));
    world_run(w, 0, NULL, veth);
    assert_cost(w, n_flows, 0);
}

static void
test_cost_of_plug(void **state)
{
    struct world *w = *state;

    unplug(w, "veth100", 7);    /* Port, IP, ARP, answer, errors, delivery. */
    unplug(w, "veth101", 11);
    unplug(w, "veth102", 7);

    /* A change of nothing, and of a port that nobody knows. */
    world_run(w, MODEL_CONTAINER, "web", NULL);
    assert_cost(w, 0, 0);
    world_run(w, 0, NULL, "stranger");
    assert_cost(w, 0, 0);
}

static void
test_cost_of_tags(void **state)
{
    struct world *w = *state;

    /* In: its identity as a source, where nobody has it as a destination. */
    fm_container(w->model, "idle", "102", "a", "10.0.0.102/24", "web",
                 "a/warp");
    world_run(w, MODEL_CONTAINER, "idle", NULL);
    assert_true(w->added <= 4 && w->removed <= 2);
    /* A tag that no rule names. */
    fm_container(w->model, "web", "100", "a", "10.0.0.100/24", "web x", "");
    world_run(w, MODEL_CONTAINER, "web", NULL);
    assert_cost(w, 0, 0);
    /* A far container that a rule of ours names, and one that none does. */
    fm_container(w->model, "db2", "203", "b", "10.1.0.203/24", "db", "");
    world_run(w, MODEL_CONTAINER, "db2", NULL);
    assert_cost(w, 1, 0);
    fm_container(w->model, "other2", "204", "b", "10.1.0.204/24", "other",
                 "");
    world_run(w, MODEL_CONTAINER, "other2", NULL);
    assert_cost(w, 0, 0);
}

/* What more than half of a far subnet's containers are costs one flow. */
static void
test_cost_of_many_alike(void **state)
{
    struct world *w = *state;

    model_remove(w->model, MODEL_CONTAINER, "other");
    world_run(w, MODEL_CONTAINER, "other", NULL);
    fm_container(w->model, "db2", "203", "b", "10.1.0.203/24", "db", "");
    world_run(w, MODEL_CONTAINER, "db2", NULL);
    assert_cost(w, 1, 0);
    fm_container(w->model, "db3", "204", "b", "10.1.0.204/24", "db", "");
    world_run(w, MODEL_CONTAINER, "db3", NULL);
    assert_cost(w, 1, 2);       /* The subnet's instead of two. */
    fm_container(w->model, "db4", "205", "b", "10.1.0.205/24", "db", "");
    world_run(w, MODEL_CONTAINER, "db4", NULL);
    assert_cost(w, 0, 0);
    fm_container(w->model, "db4", "205", "b", "10.1.0.205/24", "", "");
    world_run(w, MODEL_CONTAINER, "db4", NULL);
    assert_cost(w, 1, 0);       /* An exception. */
}

static void
test_cost_of_rules(void **state)
{
    struct world *w = *state;

    fm_acl(w->model, "far", TIER_ACLS, ACTION_ACCEPT, "other", "db", 0);
    world_run(w, MODEL_ACL, "far", NULL);
    /* Nobody's of ours; but "db" now has an identity of another name. */
    assert_int_equal(w->added, 2);
    model_remove(w->model, MODEL_ACL, "far");
    world_run(w, MODEL_ACL, "far", NULL);
    fm_acl(w->model, "web-db", TIER_ACLS, ACTION_ACCEPT, "tag:web",
           "tag:db:5433", IPPROTO_TCP);
    world_run(w, MODEL_ACL, "web-db", NULL);
    assert_cost(w, 1, 1);
    model_remove(w->model, MODEL_ACL, "web-db");
    world_run(w, MODEL_ACL, "web-db", NULL);
    /* The rule and its errors; the identities of three addresses of ours and
     * one of db. */
    assert_cost(w, 0, 6);
}

static void
test_cost_of_exits(void **state)
{
    struct world *w = *state;

    fm_exit(w->model, "a", "warp", "warp0", false);
    world_run(w, MODEL_EXIT, "a/warp", NULL);
    assert_cost(w, 1, 0);
    flow_ports_remove(w->ports, "x-warp0");
    world_run(w, 0, NULL, "x-warp0");
    assert_cost(w, 0, 1);       /* What came in by it. */
}

/* Another exit takes over, also one of another node, and gives back. */
static void
test_failover(void **state)
{
    struct world *w = *state;

    fm_exit(w->model, "b", "warp", "warp0", true);
    world_run(w, MODEL_EXIT, "b/warp", NULL);
    assert_cost(w, 0, 0);       /* Nobody here uses it. */
    fm_container(w->model, "idle", "102", "a", "10.0.0.102/24", "",
                 "a/warp b/warp");
    world_run(w, MODEL_CONTAINER, "idle", NULL);
    assert_cost(w, 0, 0);       /* Second choice. */
    flow_ports_put(w->ports, "x-xr-e2a1278d", u16_to_ofp(50), fm_mac(50));
    world_run(w, 0, NULL, "x-xr-e2a1278d");
    assert_cost(w, 2, 0);       /* In and out of the port. */
    struct model_exit *warp = shash_find_data(&w->model->exits, "a/warp");
    sset_add(&warp->down_at, "b");
    world_run(w, MODEL_EXIT, "a/warp", NULL);
    assert_cost(w, 0, 0);       /* What b sees is b's. */
    sset_add(&warp->down_at, "a");
    world_run(w, MODEL_EXIT, "a/warp", NULL);
    assert_cost(w, 2, 0);       /* The container's; the exit's is a drop. */
}

static void
test_pending(void **state)
{
    struct world *w = *state;
    const struct shash *pending = compiler_pending(w->compiler);
    struct model_container *c;

    assert_true(shash_is_empty(pending));
    c = fm_container(w->model, "idle", "102", "a", "10.0.0.102/24", "", "");
    c->has_hwaddr = false;
    world_run(w, MODEL_CONTAINER, "idle", NULL);
    assert_string_equal(shash_find_data(pending, "idle"),
                        "MAC address not known yet");
    c->seen_hwaddr = fm_mac(102);
    world_run(w, MODEL_CONTAINER, "idle", NULL);
    assert_true(shash_is_empty(pending));
    c->quarantined = true;
    world_run(w, MODEL_CONTAINER, "idle", NULL);
    assert_string_equal(shash_find_data(pending, "idle"),
                        "quarantined by the agent");
    assert_cost(w, 1, 7);       /* The drop that says so. */
    flow_ports_remove(w->ports, "veth100");
    world_run(w, 0, NULL, "veth100");
    assert_string_equal(shash_find_data(pending, "web"),
                        "no such port on the bridge");
    c = fm_container(w->model, "twin", "105", "a", "10.0.0.105/24", "", "");
    free(c->veth);
    c->veth = xstrdup("veth101");
    world_run(w, MODEL_CONTAINER, "twin", NULL);
    assert_string_equal(shash_find_data(pending, "twin"),
                        "another container has the same port");
    model_remove(w->model, MODEL_CONTAINER, "both");
    world_run(w, MODEL_CONTAINER, "both", NULL);
    assert_null(shash_find(pending, "twin"));
}

/* Every flow can be explained, and says where its object stands. */
static void
test_explain(void **state)
{
    struct world *w = *state;
    struct model_acl *acl = shash_find_data(&w->model->acls, "web-db");
    struct explainer *ex;
    const struct sn_flow *flow;

    acl->loc = (struct sn_loc) { sn_loc_intern("state.yaml"), 41, 5, 1 };
    ex = explainer_create(w->model);
    HMAP_FOR_EACH (flow, hmap_node, &compiler_flows(w->compiler)->flows) {
        char *text = explainer_explain(ex, flow->cookie);
        assert_non_null(text);
        free(text);
    }
    char *text = explainer_explain(ex, cookie_make(COOKIE_ACL,
                                                   cookie_name_id("web-db"),
                                                   0));
    assert_string_equal(text, "acl web-db (state.yaml:41:5)");
    free(text);
    text = explainer_explain(ex, cookie_make(COOKIE_BASE,
                                             SN_TABLE_EGRESS_POLICY,
                                             SN_WHY_DROP_NO_RULE));
    assert_string_equal(text, "pipeline egress_policy: "
                        "drop: no rule allows it");
    free(text);
    assert_null(explainer_explain(ex, cookie_make(COOKIE_ACL, 77, 0)));
    assert_null(explainer_explain(ex, 0x1234));
    explainer_destroy(ex);
}

/* A clone is the same flow; another priority is another key. */
static void
test_clones(void **state)
{
    struct world *w = *state;
    const struct sn_flow *flow;

    HMAP_FOR_EACH (flow, hmap_node, &compiler_flows(w->compiler)->flows) {
        struct sn_flow *copy = sn_flow_clone(flow);

        assert_true(sn_flow_same_content(copy, flow));
        assert_ptr_equal(flow_set_find(compiler_flows(w->compiler), copy),
                         flow);
        copy->priority ^= 1;
        assert_ptr_not_equal(flow_set_find(compiler_flows(w->compiler),
                                           copy), flow);
        sn_flow_free(copy);
    }
}

int
main(void)
{
#define WORLD_TEST(TEST)                                                     \
    cmocka_unit_test_setup_teardown(TEST, world_setup, world_teardown)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tables),
        cmocka_unit_test(test_cookies),
        cmocka_unit_test(test_idreg),
        cmocka_unit_test(test_claims_merge_conjunctions),
        cmocka_unit_test(test_claims_lowest_cookie),
        cmocka_unit_test(test_diff),
        WORLD_TEST(test_cost_of_plug),
        WORLD_TEST(test_cost_of_tags),
        WORLD_TEST(test_cost_of_many_alike),
        WORLD_TEST(test_cost_of_rules),
        WORLD_TEST(test_cost_of_exits),
        WORLD_TEST(test_failover),
        WORLD_TEST(test_pending),
        WORLD_TEST(test_explain),
        WORLD_TEST(test_clones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
