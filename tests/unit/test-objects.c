#include <config.h>

/* Groups and meters: who wants them, under which number, and in which order
 * they go to the switch. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "byte-order.h"
#include "controller/install-batch.h"
#include "controller/install.h"
#include "flows/compiler.h"
#include "flows/object-claims.h"
#include "flows/objects.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/ofp-actions.h"
#include "openvswitch/ofp-flow.h"
#include "openvswitch/ofp-group.h"
#include "openvswitch/ofp-meter.h"
#include "openvswitch/ofp-msgs.h"
#include "openvswitch/ofpbuf.h"
#include "sset.h"
#include "util.h"

#define KBPS(RATE) "kbps burst bands=type=drop rate=" #RATE " burst_size=10"

/* Texts. */

static void
assert_format(enum sn_object_kind kind, const char *spec, const char *want)
{
    struct sn_object *obj = sn_object_create(kind, 5, "x", 0, spec);
    struct ds s = DS_EMPTY_INITIALIZER;

    sn_object_format(obj, &s);
    assert_string_equal(ds_cstr(&s), want);

    /* Written once, it stays. */
    struct sn_object *again = sn_object_create(kind, 5, "x", 0, obj->spec);
    assert_string_equal(again->spec, obj->spec);
    sn_object_free(again);
    sn_object_free(obj);
    ds_destroy(&s);
}

static void
test_format(void **state OVS_UNUSED)
{
    assert_format(SN_METER, "kbps,burst,bands=type=drop,rate=1000,"
                  "burst_size=100", "meter=5 kbps burst bands=type=drop "
                  "rate=1000 burst_size=100");
    assert_format(SN_METER, "pktps stats bands=type=drop rate=7",
                  "meter=5 pktps stats bands=type=drop rate=7");
    assert_format(SN_GROUP, "type=select,selection_method=dp_hash,"
                  "bucket=bucket_id:3,weight:100,actions=load:1->NXM_NX_REG1[]"
                  ",bucket=bucket_id:4,actions=ct(commit,table=12,zone=9,"
                  "nat(dst=10.0.0.1:80))",
                  "group_id=5,type=select,selection_method=dp_hash,"
                  "bucket=bucket_id:3,weight:100,actions=set_field:0x1->reg1,"
                  "bucket=bucket_id:4,actions=ct(commit,table=12,zone=9,"
                  "nat(dst=10.0.0.1:80))");
}

/* Claims. */

static uint32_t
claim(struct object_claims *oc, const char *owner, const char *name,
      const char *spec)
{
    uint32_t id;

    object_claims_begin(oc, owner);
    id = name ? object_claims_add(oc, SN_METER, name, 1, spec) : 0;
    object_claims_end(oc);
    return id;
}

static void
settle(struct object_claims *oc)
{
    assert_false(object_claims_renumber(oc));
    object_claims_resolve(oc);
}

static const char *
spec_of(const struct object_claims *oc, uint32_t id)
{
    const struct sn_object *obj = object_set_find(&oc->objects, SN_METER, id);

    return obj ? obj->spec : "none";
}

static void
test_claims(void **state OVS_UNUSED)
{
    struct object_claims oc;
    unsigned int seqno;
    uint32_t id;

    object_claims_init(&oc);
    id = claim(&oc, "a", "m", KBPS(2));
    settle(&oc);
    assert_true(sn_object_id_is_ours(id));
    assert_string_equal(spec_of(&oc, id), KBPS(2));

    /* The same again is no change; another owner's may be. */
    seqno = oc.seqno;
    assert_int_equal(claim(&oc, "a", "m", KBPS(2)), id);
    assert_int_equal(claim(&oc, "b", "m", KBPS(3)), id);
    settle(&oc);
    assert_int_equal(oc.seqno, seqno);
    claim(&oc, "b", "m", KBPS(1));
    settle(&oc);
    assert_int_equal(oc.seqno, seqno + 1);
    assert_string_equal(spec_of(&oc, id), KBPS(1));

    claim(&oc, "b", NULL, NULL);
    settle(&oc);
    assert_string_equal(spec_of(&oc, id), KBPS(2));
    object_claims_begin_round(&oc);
    object_claims_end_round(&oc);
    settle(&oc);
    assert_string_equal(spec_of(&oc, id), "none");
    assert_true(hmap_is_empty(&oc.objects.map));
    assert_true(shash_is_empty(&oc.owners));
    object_claims_destroy(&oc);
}

/* Two names that hash alike: the same numbers in whatever order they come, and
 * after one has gone. */
static void
test_collision(void **state OVS_UNUSED)
{
    uint32_t ids[2][2];

    idreg_test_mask = 1;
    for (int order = 0; order < 2; order++) {
        const char *names[] = { "m0", "m1" };
        struct object_claims oc;

        object_claims_init(&oc);
        claim(&oc, "a", names[order], KBPS(1));
        settle(&oc);
        claim(&oc, "b", names[!order], KBPS(2));
        assert_true(object_claims_renumber(&oc));
        ids[order][order] = claim(&oc, "a", names[order], KBPS(1));
        ids[order][!order] = claim(&oc, "b", names[!order], KBPS(2));
        settle(&oc);
        assert_int_not_equal(ids[order][0], ids[order][1]);
        assert_string_equal(spec_of(&oc, ids[order][order]), KBPS(1));
        assert_string_equal(spec_of(&oc, ids[order][!order]), KBPS(2));

        claim(&oc, "a", NULL, NULL);
        assert_true(object_claims_renumber(&oc));
        assert_int_equal(claim(&oc, "b", names[!order], KBPS(2)), 1);
        settle(&oc);
        assert_string_equal(spec_of(&oc, 1), KBPS(2));
        assert_int_equal(hmap_count(&oc.objects.map), 1);
        object_claims_destroy(&oc);
    }
    idreg_test_mask = UINT32_MAX;
    assert_memory_equal(ids[0], ids[1], sizeof ids[0]);
}

/* Installing. */

struct fake {
    struct install *in;
    struct flow_set flows;      /* Desired. */
    struct object_set objects;
    struct object_set there;    /* On the switch. */
};

#define METER UINT32_C(0x50000001)

static void
fake_init(struct fake *f)
{
    f->in = install_create();
    flow_set_init(&f->flows);
    object_set_init(&f->objects);
    object_set_init(&f->there);
    install_set_objects(f->in, &f->objects);
}

static void
fake_destroy(struct fake *f)
{
    install_destroy(f->in);
    flow_set_destroy(&f->flows);
    object_set_destroy(&f->objects);
    object_set_destroy(&f->there);
}

static void
fake_want(struct fake *f, uint32_t id, const char *spec)
{
    struct sn_object *old = object_set_find(&f->objects, SN_METER, id);

    if (spec) {
        object_set_put(&f->objects,
                       sn_object_create(SN_METER, id, "m", 1, spec));
    } else if (old) {
        object_set_remove(&f->objects, old);
    }
    install_touch_objects(f->in);
}

static void
fake_want_flow(struct fake *f, const char *s, bool want)
{
    enum ofputil_protocol usable;
    struct ofputil_flow_mod fm;
    struct flow_set changed;
    char *error = parse_ofp_str(&fm, OFPFC_ADD, s, NULL, NULL, &usable);

    assert_null(error);
    struct sn_flow *flow = xzalloc(sizeof *flow);
    flow->priority = fm.priority;
    flow->match = fm.match;
    flow->cookie = ntohll(fm.new_cookie);
    flow->ofpacts = fm.ofpacts;
    flow->ofpacts_len = fm.ofpacts_len;
    flow_set_init(&changed);
    flow_set_put(&changed, sn_flow_clone(flow));
    if (want) {
        flow_set_put(&f->flows, flow);
    } else {
        flow_set_remove(&f->flows, flow_set_find(&f->flows, flow));
        sn_flow_free(flow);
    }
    install_touch(f->in, &changed);
    flow_set_destroy(&changed);
}

/* Through the messages that a switch would get and give. */
static void
fake_read(struct fake *f)
{
    const struct sn_flow *flow;
    const struct sn_object *obj;

    install_read_begin(f->in);
    HMAP_FOR_EACH (obj, node, &f->there.map) {
        struct ofpbuf *msg = sn_object_encode_add(obj, false);
        struct ofputil_meter_mod mm;
        struct ofpbuf bands;

        ofpbuf_init(&bands, 64);
        assert_int_equal(ofputil_decode_meter_mod(msg->data, &mm, &bands), 0);
        install_read_meter(f->in, &mm.meter);
        ofpbuf_uninit(&bands);
        ofpbuf_delete(msg);
    }
    HMAP_FOR_EACH (flow, hmap_node, &install_flows(f->in)->flows) {
        struct ofputil_flow_stats fs = {
            .cookie = htonll(flow->cookie),
            .priority = flow->priority,
            .ofpacts = flow->ofpacts,
            .ofpacts_len = flow->ofpacts_len,
        };

        minimatch_expand(&flow->match, &fs.match);
        install_read_flow(f->in, &fs);
    }
    install_read_end(f->in, &f->flows);
}

/* One batch.  'error', if any, is for its operations on objects, and fails
 * the flows.  Says what went: "+meter +flow", "*meter", "-meter", ... */
static char *
fake_flush(struct fake *f, enum ofperr error)
{
    static const char signs[] = "+*-";
    struct ds s = DS_EMPTY_INITIALIZER;
    struct install_batch batch;

    install_batch_init(&batch);
    install_make_batch(f->in, &f->flows, &batch);
    for (size_t i = 0; i < batch.n_object_ops; i++) {
        struct object_op *op = &batch.object_ops[i];
        struct sn_object *old = object_set_find(&f->there, SN_METER,
                                                op->object->id);

        op->xid = htonl(1);
        op->error = error;
        if (error) {
        } else if (op->command != INSTALL_DELETE) {
            assert_int_equal(!!old, op->command == INSTALL_MODIFY);
            object_set_put(&f->there, sn_object_clone(op->object));
        } else {
            object_set_remove(&f->there, old);
        }
        ds_put_format(&s, "%cmeter ", signs[op->command]);
    }
    for (size_t i = 0; i < batch.n; i++) {
        ds_put_format(&s, "%cflow ", signs[batch.ops[i].command]);
        if (error) {
            batch.ops[i].error = OFPERR_OFPMMFC_INVALID_METER;
        }
    }
    if (error && batch.n) {
        install_fail(f->in, &batch);
    } else {
        install_confirm(f->in, &batch);
    }
    install_batch_destroy(&batch);
    ds_chomp(&s, ' ');
    return ds_steal_cstr(&s);
}

static void
assert_flush(struct fake *f, enum ofperr error, const char *want)
{
    char *got = fake_flush(f, error);

    assert_string_equal(got, want);
    free(got);
}

#define USER "cookie=0x5302000000010000,ip,actions=meter:1342177281"

static void
test_order(void **state OVS_UNUSED)
{
    struct fake f;

    fake_init(&f);
    fake_read(&f);
    fake_want(&f, METER, KBPS(1));
    fake_want_flow(&f, USER, true);
    assert_flush(&f, 0, "+meter +flow");
    assert_flush(&f, 0, "");
    assert_false(install_is_dirty(f.in));

    fake_want(&f, METER, KBPS(2));
    assert_flush(&f, 0, "*meter");
    assert_flush(&f, 0, "");

    /* The flow first, and only then what it used. */
    fake_want(&f, METER, NULL);
    fake_want_flow(&f, USER, false);
    assert_flush(&f, 0, "-flow");
    assert_true(install_is_dirty(f.in));
    assert_flush(&f, 0, "-meter");
    assert_false(install_is_dirty(f.in));
    fake_destroy(&f);
}

/* After a restart: what is right stays, what is not goes. */
static void
test_read(void **state OVS_UNUSED)
{
    struct fake f;

    fake_init(&f);
    object_set_put(&f.there, sn_object_create(SN_METER, METER, "", 0,
                                              KBPS(1)));
    object_set_put(&f.there, sn_object_create(SN_METER, METER + 1, "", 0,
                                              KBPS(1)));
    object_set_put(&f.there, sn_object_create(SN_METER, 7, "", 0, KBPS(1)));
    fake_want(&f, METER, KBPS(1));
    fake_read(&f);
    assert_flush(&f, 0, "-meter");
    assert_int_equal(hmap_count(&f.there.map), 2);
    assert_flush(&f, 0, "");

    /* Somebody else deletes it: nothing before the switch has been read. */
    object_set_remove(&f.there, object_set_find(&f.there, SN_METER, METER));
    install_suspect_objects(f.in);
    assert_true(install_is_suspect(f.in));
    fake_read(&f);
    assert_false(install_is_suspect(f.in));
    assert_true(install_is_repair(f.in));
    assert_flush(&f, 0, "+meter");
    fake_destroy(&f);
}

static void
test_refused(void **state OVS_UNUSED)
{
    struct sset problems = SSET_INITIALIZER(&problems);
    const char *problem;
    struct fake f;

    fake_init(&f);
    fake_read(&f);
    fake_want(&f, METER, KBPS(1));
    fake_want_flow(&f, USER, true);
    assert_flush(&f, OFPERR_OFPMMFC_OUT_OF_METERS, "+meter +flow");

    /* The meter is refused, the flow waits. */
    assert_int_equal(install_n_refused(f.in), 1);
    install_to_problems(f.in, &problems);
    assert_int_equal(sset_count(&problems), 1);
    SSET_FOR_EACH (problem, &problems) {
        assert_non_null(strstr(problem, "meter m (OFPMMFC_OUT_OF_METERS)"));
    }
    assert_flush(&f, 0, "");
    assert_false(install_is_suspect(f.in));

    /* A refused change leaves the flow alone. */
    fake_want(&f, METER, KBPS(2));
    assert_flush(&f, 0, "+meter +flow");
    fake_want(&f, METER, KBPS(3));
    assert_flush(&f, OFPERR_OFPMMFC_BAD_BURST, "*meter");
    assert_flush(&f, 0, "");
    fake_read(&f);
    assert_flush(&f, 0, "");
    install_retry_refused(f.in);
    assert_flush(&f, 0, "*meter");
    assert_int_equal(install_n_refused(f.in), 0);

    /* Nobody wants it any more. */
    fake_want(&f, METER, KBPS(4));
    assert_flush(&f, OFPERR_OFPMMFC_BAD_BURST, "*meter");
    fake_want(&f, METER, NULL);
    fake_want_flow(&f, USER, false);
    assert_flush(&f, 0, "-flow");
    assert_int_equal(install_n_refused(f.in), 0);
    sset_destroy(&problems);
    fake_destroy(&f);
}

/* A flow is refused for want of a meter that should be there. */
static void
test_surprise(void **state OVS_UNUSED)
{
    struct install_batch batch;
    struct fake f;

    fake_init(&f);
    fake_read(&f);
    fake_want(&f, METER, KBPS(1));
    assert_flush(&f, 0, "+meter");
    fake_want_flow(&f, USER, true);
    install_batch_init(&batch);
    install_make_batch(f.in, &f.flows, &batch);
    assert_int_equal(batch.n, 1);
    batch.ops[0].error = OFPERR_OFPMMFC_INVALID_METER;
    object_set_clear(&f.there);
    install_fail(f.in, &batch);
    install_batch_destroy(&batch);
    assert_int_equal(install_n_refused(f.in), 0);
    assert_true(install_is_suspect(f.in));
    fake_read(&f);
    assert_flush(&f, 0, "+meter +flow");
    fake_destroy(&f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_format),
        cmocka_unit_test(test_claims),
        cmocka_unit_test(test_collision),
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_read),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_surprise),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
