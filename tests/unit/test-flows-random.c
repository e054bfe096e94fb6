#include <config.h>

/* After any sequence of changes the incremental compile equals the full one,
 * what claims_take_delta() said adds up to it, and so do the pending
 * containers.
 *
 * Steps are drawn from (seed, number of the step) alone, so that a failing
 * sequence can be shrunk by leaving steps out.  SN_SEED=N runs one seed,
 * SN_STEPS=N that many steps. */

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
#include "flows/diff.h"
#include "flows/idreg.h"
#include "flows/objects.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/ofp-actions.h"
#include "openvswitch/ofp-flow.h"
#include "openvswitch/ofp-msgs.h"
#include "openvswitch/ofpbuf.h"
#include "openvswitch/util.h"
#include "tests/unit/flow-model.h"
#include "tests/unit/random-world.h"
#include "util.h"

#define MAX_STEPS 1000

static char *
format_flow(const struct sn_flow *flow)
{
    struct ds s = DS_EMPTY_INITIALIZER;

    sn_flow_format(flow, NULL, true, &s);
    return ds_steal_cstr(&s);
}

/* Whether 'got' equals 'want'; if not and 'verbose', says where. */
static bool
sets_equal(const struct flow_set *want, const struct flow_set *got,
           const char *what, bool verbose)
{
    struct flow_op *ops;
    size_t n = flow_diff(want, got, &ops);

    for (size_t i = 0; verbose && i < n && i < 10; i++) {
        static const char *const names[] = { "lacks", "differs", "extra" };
        char *text = format_flow(ops[i].flow);
        fprintf(stderr, "%s %s: %s\n", what, names[ops[i].type], text);
        free(text);
    }
    free(ops);
    return !n;
}

/* The same of groups and meters. */
static bool
objects_equal(const struct object_set *want, const struct object_set *got,
              bool verbose)
{
    const struct sn_object *obj;
    bool equal = hmap_count(&want->map) == hmap_count(&got->map);

    HMAP_FOR_EACH (obj, node, &want->map) {
        const struct sn_object *other = object_set_find(got, obj->kind,
                                                        obj->id);

        if (!other || !sn_object_same_content(obj, other)
            || strcmp(obj->name, other->name)
            || obj->cookie != other->cookie) {
            equal = false;
            if (verbose) {
                fprintf(stderr, "incremental lacks %s %s\n", obj->name,
                        obj->spec);
            }
        }
    }
    return equal;
}

/* Every meter that a flow uses is there. */
static bool
meters_are_there(const struct compiler *c, bool verbose)
{
    const struct sn_flow *flow;
    const struct ofpact *a;

    HMAP_FOR_EACH (flow, hmap_node, &compiler_flows(c)->flows) {
        OFPACT_FOR_EACH (a, flow->ofpacts, flow->ofpacts_len) {
            if (a->type == OFPACT_METER
                && !object_set_find(compiler_objects(c), SN_METER,
                                    ofpact_get_METER(a)->meter_id)) {
                if (verbose) {
                    fprintf(stderr, "a flow lacks its meter\n");
                }
                return false;
            }
        }
    }
    return true;
}

/* A flow whose key comes back from the switch as another could neither be
 * found there nor be deleted. */
static void
check_key_survives_the_wire(const struct sn_flow *flow)
{
    enum ofputil_protocol protocol = OFPUTIL_P_OF15_OXM;
    struct ofputil_flow_mod sent = {
        .command = OFPFC_ADD,
        .table_id = flow->table_id,
        .priority = flow->priority,
        .new_cookie = htonll(flow->cookie),
        .buffer_id = UINT32_MAX,
        .out_port = OFPP_ANY,
        .out_group = OFPG_ANY,
        .ofpacts = flow->ofpacts,
        .ofpacts_len = flow->ofpacts_len,
    };
    struct ofputil_flow_mod got;
    struct minimatch got_match;
    struct ofpbuf acts;

    sent.match = flow->match;
    struct ofpbuf *msg = ofputil_encode_flow_mod(&sent, protocol);
    ofpmsg_update_length(msg);
    ofpbuf_init(&acts, 0);
    assert_int_equal(0, ofputil_decode_flow_mod(&got, msg->data, protocol,
                                                NULL, NULL, &acts, OFPP_MAX,
                                                255));
    got_match = got.match;
    if (!minimatch_equal(&got_match, &flow->match)) {
        struct ds s = DS_EMPTY_INITIALIZER;
        sn_flow_format(flow, NULL, true, &s);
        fail_msg("read back as another match: %s", ds_cstr(&s));
    }
    minimatch_destroy(&got_match);
    ofpbuf_uninit(&acts);
    ofpbuf_delete(msg);
}

static void
apply_delta(struct world *w)
{
    struct flow_set added, removed;
    const struct sn_flow *flow;

    flow_set_init(&added);
    flow_set_init(&removed);
    compiler_take_delta(w->compiler, &added, &removed);
    HMAP_FOR_EACH (flow, hmap_node, &removed.flows) {
        struct sn_flow *old = flow_set_find(&w->shadow, flow);
        assert_non_null(old);
        flow_set_remove(&w->shadow, old);
    }
    HMAP_FOR_EACH (flow, hmap_node, &added.flows) {
        const struct sn_flow *old = flow_set_find(&w->shadow, flow);
        assert_false(old && sn_flow_same_content(old, flow));
        check_key_survives_the_wire(flow);
        flow_set_put(&w->shadow, sn_flow_clone(flow));
    }
    flow_set_destroy(&added);
    flow_set_destroy(&removed);
}

static bool
pending_equal(const struct shash *a, const struct shash *b)
{
    struct shash_node *node;

    SHASH_FOR_EACH (node, a) {
        const char *other = shash_find_data(b, node->name);
        if (!other || strcmp(other, node->data)) {
            return false;
        }
    }
    return shash_count(a) == shash_count(b);
}

static bool
check_step(struct world *w, bool verbose)
{
    struct compiler *full = compiler_create("a");

    compiler_run(w->compiler, w->model, w->ports, &w->changes,
                 &w->changed_ports);
    apply_delta(w);
    compiler_run(full, w->model, w->ports, NULL, NULL);
    bool ok = sets_equal(compiler_flows(full), compiler_flows(w->compiler),
                         "incremental", verbose);
    ok = sets_equal(compiler_flows(full), &w->shadow, "delta", verbose) && ok;
    ok = objects_equal(compiler_objects(full), compiler_objects(w->compiler),
                       verbose) && ok;
    ok = meters_are_there(full, verbose) && ok;
    if (!pending_equal(compiler_pending(full),
                       compiler_pending(w->compiler))) {
        ok = false;
        if (verbose) {
            fprintf(stderr, "pending differs\n");
        }
    }
    compiler_destroy(full);
    model_changes_clear(&w->changes);
    sset_clear(&w->changed_ports);
    return ok;
}

/* Returns the step that failed, or -1. */
static int
run(uint32_t seed, int n_steps, const bool *skip, bool verbose)
{
    struct world w = { .log = DS_EMPTY_INITIALIZER };
    int failed = -1;

    w.model = model_create();
    w.ports = flow_ports_create();
    w.compiler = compiler_create("a");
    flow_set_init(&w.shadow);
    model_changes_init(&w.changes);
    sset_init(&w.changed_ports);
    fm_node(w.model, "a", "10.0.0.0/24 fd00::/64", "100.64.0.1", "");
    flow_ports_put(w.ports, "vmbr0", OFPP_LOCAL, fm_mac(0xfffe));
    for (int i = 0; i < n_steps && failed < 0; i++) {
        if (!skip[i]) {
            w.random = (uint64_t) seed << 32 | i;
            ds_clear(&w.log);
            random_world_step(&w);
            if (verbose) {
                fprintf(stderr, "step %d:%s\n", i, ds_cstr(&w.log));
            }
            failed = check_step(&w, verbose) ? -1 : i;
        }
    }
    ds_destroy(&w.log);
    flow_set_destroy(&w.shadow);
    model_changes_destroy(&w.changes);
    sset_destroy(&w.changed_ports);
    compiler_destroy(w.compiler);
    flow_ports_destroy(w.ports);
    model_destroy(w.model);
    return failed;
}

/* Leaves out every step without which it still fails. */
static void
shrink(uint32_t seed, int failed)
{
    static bool skip[MAX_STEPS];

    memset(skip, 0, sizeof skip);
    for (int i = failed - 1; i >= 0; i--) {
        skip[i] = true;
        if (run(seed, failed + 1, skip, false) != failed) {
            skip[i] = false;
        }
    }
    fprintf(stderr, "seed %u fails at step %d; shrunk:\n", seed, failed);
    run(seed, failed + 1, skip, true);
}

static int
get_env(const char *name, int otherwise)
{
    const char *s = getenv(name);
    return s ? atoi(s) : otherwise;
}

static void
check_seed(uint32_t seed, int n_steps)
{
    static const bool none[MAX_STEPS];
    int failed = run(seed, n_steps, none, false);

    if (failed >= 0) {
        shrink(seed, failed);
        fail();
    }
}

static void
test_incremental_equals_full(void **state OVS_UNUSED)
{
    int n_steps = MIN(get_env("SN_STEPS", 200), MAX_STEPS);
    int only = get_env("SN_SEED", -1);

    for (int seed = 1; seed <= 6; seed++) {
        check_seed(only >= 0 ? only : seed, n_steps);
    }
}

/* With three bits for all numbers, they collide all the time. */
static void
test_incremental_equals_full_with_collisions(void **state OVS_UNUSED)
{
    idreg_test_mask = 7;
    for (int seed = 101; seed <= 102; seed++) {
        check_seed(seed, MIN(get_env("SN_STEPS", 150), MAX_STEPS));
    }
    idreg_test_mask = UINT32_MAX;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_incremental_equals_full),
        cmocka_unit_test(test_incremental_equals_full_with_collisions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
