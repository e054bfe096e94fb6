#include <config.h>

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
#include "flows/cookie.h"
#include "openvswitch/ofp-actions.h"
#include "openvswitch/ofp-flow.h"
#include "openvswitch/ofp-monitor.h"
#include "openvswitch/ofp-parse.h"
#include "openvswitch/ofpbuf.h"
#include "random.h"
#include "sset.h"
#include "util.h"

#define OURS "cookie=0x5302000000010000,"
#define OURS_2 "cookie=0x5302000000020000,"
#define THEIRS "cookie=0x1,"

static struct sn_flow *
flow(const char *s)
{
    enum ofputil_protocol usable;
    struct ofputil_flow_mod fm;
    char *error = parse_ofp_str(&fm, OFPFC_ADD, s, NULL, NULL, &usable);

    if (error) {
        fail_msg("%s: %s", s, error);
    }

    struct sn_flow *f = xzalloc(sizeof *f);

    f->table_id = fm.table_id == 255 ? 0 : fm.table_id;
    f->priority = fm.priority;
    f->match = fm.match;
    f->cookie = ntohll(fm.new_cookie);
    f->ofpacts = fm.ofpacts;
    f->ofpacts_len = fm.ofpacts_len;
    return f;
}

/* A bridge without I/O: what it should hold, and what it does. */
struct fake {
    struct install *in;
    struct flow_set desired;
    struct flow_set table;
};

static void
fake_init(struct fake *f)
{
    f->in = install_create();
    flow_set_init(&f->desired);
    flow_set_init(&f->table);
}

static void
fake_destroy(struct fake *f)
{
    install_destroy(f->in);
    flow_set_destroy(&f->desired);
    flow_set_destroy(&f->table);
}

static void
fake_want(struct fake *f, const char *s)
{
    struct flow_set changed;
    struct sn_flow *new = flow(s);

    flow_set_init(&changed);
    flow_set_put(&changed, sn_flow_clone(new));
    flow_set_put(&f->desired, new);
    install_touch(f->in, &changed);
    flow_set_destroy(&changed);
}

static void
fake_unwant(struct fake *f, const char *s)
{
    struct flow_set changed;
    struct sn_flow *key = flow(s);
    struct sn_flow *old = flow_set_find(&f->desired, key);

    flow_set_init(&changed);
    flow_set_put(&changed, key);
    if (old) {
        flow_set_remove(&f->desired, old);
    }
    install_touch(f->in, &changed);
    flow_set_destroy(&changed);
}

static size_t
fake_read_with(struct fake *f, uint16_t hard_timeout)
{
    const struct sn_flow *flow;

    install_read_begin(f->in);
    HMAP_FOR_EACH (flow, hmap_node, &f->table.flows) {
        struct ofputil_flow_stats fs = {
            .cookie = htonll(flow->cookie),
            .table_id = flow->table_id,
            .priority = flow->priority,
            .hard_timeout = hard_timeout,
            .ofpacts = flow->ofpacts,
            .ofpacts_len = flow->ofpacts_len,
        };

        minimatch_expand(&flow->match, &fs.match);
        install_read_flow(f->in, &fs);
    }
    return install_read_end(f->in, &f->desired);
}

static size_t
fake_read(struct fake *f)
{
    return fake_read_with(f, 0);
}

/* Somebody else's flow_mod, and the event that it causes. */
static bool
fake_foreign(struct fake *f, enum ofp_flow_update_event event, const char *s)
{
    struct sn_flow *new = flow(s);
    struct sn_flow *old = flow_set_find(&f->table, new);
    struct ofputil_flow_update fu = {
        .event = event,
        .cookie = htonll(old && event == OFPFME_REMOVED
                         ? old->cookie : new->cookie),
        .table_id = new->table_id,
        .priority = new->priority,
        .ofpacts = new->ofpacts,
        .ofpacts_len = new->ofpacts_len,
    };

    minimatch_expand(&new->match, &fu.match);
    bool ours = install_update(f->in, &f->desired, &fu);
    if (event == OFPFME_REMOVED) {
        if (old) {
            flow_set_remove(&f->table, old);
        }
        sn_flow_free(new);
    } else {
        flow_set_put(&f->table, new);
    }
    return ours;
}

/* As OVS does it. */
static void
fake_apply(struct fake *f, const struct install_op *op)
{
    struct sn_flow *old = flow_set_find(&f->table, op->flow);
    struct ofputil_flow_mod fm;

    install_op_to_flow_mod(op, &fm);
    switch (fm.command) {
    case OFPFC_ADD:
        flow_set_put(&f->table, sn_flow_clone(op->flow));
        break;
    case OFPFC_MODIFY_STRICT:
        if (old) {
            struct sn_flow *new = sn_flow_clone(op->flow);

            new->cookie = old->cookie;
            flow_set_put(&f->table, new);
        }
        break;
    case OFPFC_DELETE_STRICT:
        if (old && !((htonll(old->cookie) ^ fm.cookie) & fm.cookie_mask)) {
            flow_set_remove(&f->table, old);
        }
        break;
    default:
        fail();
    }
}

static struct install_batch
fake_batch(struct fake *f)
{
    struct install_batch batch;

    install_batch_init(&batch);
    install_make_batch(f->in, &f->desired, &batch);
    return batch;
}

/* Sends what is dirty; returns the number of operations. */
static size_t
fake_flush(struct fake *f)
{
    struct install_batch batch = fake_batch(f);

    for (size_t i = 0; i < batch.n; i++) {
        fake_apply(f, &batch.ops[i]);
    }
    install_confirm(f->in, &batch);

    size_t n = batch.n;

    install_batch_destroy(&batch);
    return n;
}

/* The switch holds 'n' flows, all that are desired among them. */
static void
assert_holds(const struct fake *f, size_t n)
{
    const struct sn_flow *flow;

    assert_int_equal(hmap_count(&f->table.flows), n);
    assert_int_equal(hmap_count(&install_flows(f->in)->flows), n);
    HMAP_FOR_EACH (flow, hmap_node, &f->desired.flows) {
        const struct sn_flow *there = flow_set_find(&f->table, flow);
        const struct sn_flow *known = flow_set_find(install_flows(f->in),
                                                    flow);

        assert_non_null(there);
        assert_true(sn_flow_same_content(flow, there));
        assert_non_null(known);
        assert_true(sn_flow_same_content(flow, known));
    }
}

static void
test_commands(void **state)
{
    static const struct {
        const char *before, *after;
        int command;            /* -1: nothing to do. */
    } rows[] = {
        { NULL, OURS "ip,actions=drop", INSTALL_ADD },
        { OURS "ip,actions=drop", NULL, INSTALL_DELETE },
        { OURS "ip,actions=drop", OURS "ip,actions=drop", -1 },
        { OURS "ip,actions=drop", OURS "ip,actions=1", INSTALL_MODIFY },
        { OURS "ip,actions=drop", OURS_2 "ip,actions=drop", INSTALL_ADD },
        { THEIRS "ip,actions=drop", OURS "ip,actions=drop", INSTALL_ADD },
        { THEIRS "ip,actions=drop", NULL, -1 },
        { THEIRS "arp,actions=drop", OURS "ip,actions=drop", INSTALL_ADD },
        /* Only another way to write the same. */
        { OURS "actions=load:5->NXM_NX_REG1[]",
          OURS "actions=set_field:5->reg1", -1 },
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct fake f;

        fake_init(&f);
        if (rows[i].before) {
            flow_set_put(&f.table, flow(rows[i].before));
        }
        if (rows[i].after) {
            fake_want(&f, rows[i].after);
        }
        fake_read(&f);

        struct install_batch batch = fake_batch(&f);
        if (batch.n != (rows[i].command >= 0)
            || (batch.n && batch.ops[0].command != rows[i].command)) {
            fail_msg("row %"PRIuSIZE": %"PRIuSIZE" operations, the first %d",
                     i, batch.n, batch.n ? (int) batch.ops[0].command : -1);
        }
        assert_int_equal(batch.n_repairs, 0);
        install_batch_destroy(&batch);
        fake_destroy(&f);
    }
}

static void
test_flow_mods(void **state)
{
    struct sn_flow *f = flow(OURS "table=4,priority=7,ip,actions=1");
    struct install_op op = { .flow = f };
    struct ofputil_flow_mod fm;

    op.command = INSTALL_ADD;
    install_op_to_flow_mod(&op, &fm);
    assert_int_equal(fm.flags, 0);              /* No OFPFF_RESET_COUNTS. */
    assert_int_equal(ntohll(fm.new_cookie), f->cookie);
    assert_int_equal(fm.cookie_mask, 0);
    assert_int_equal(fm.priority, 7);
    assert_int_equal(fm.table_id, 4);

    op.command = INSTALL_DELETE;
    install_op_to_flow_mod(&op, &fm);
    assert_int_equal(fm.command, OFPFC_DELETE_STRICT);
    assert_int_equal(ntohll(fm.cookie), f->cookie);
    assert_true(fm.cookie_mask == OVS_BE64_MAX);
    assert_int_equal(fm.out_port, OFPP_ANY);
    sn_flow_free(f);
}

static void
test_deletions_come_first(void **state)
{
    struct fake f;

    fake_init(&f);
    for (int i = 0; i < 20; i++) {
        char *s = xasprintf(OURS "priority=%d,actions=drop", i);

        if (i % 2) {
            fake_want(&f, s);
        } else {
            flow_set_put(&f.table, flow(s));
        }
        free(s);
    }
    fake_read(&f);

    struct install_batch batch = fake_batch(&f);
    assert_int_equal(batch.n, 20);
    for (size_t i = 0; i < 20; i++) {
        assert_int_equal(batch.ops[i].command == INSTALL_DELETE, i < 10);
    }
    install_batch_destroy(&batch);
    fake_destroy(&f);
}

static void
test_read_differences(void **state)
{
    struct fake f;

    fake_init(&f);
    fake_want(&f, OURS "ip,actions=drop");
    fake_want(&f, OURS "arp,actions=drop");
    flow_set_put(&f.table, flow(OURS "ip,actions=drop"));
    flow_set_put(&f.table, flow(OURS "ipv6,actions=drop"));
    flow_set_put(&f.table, flow(THEIRS "tcp,actions=drop"));
    assert_false(install_is_read(f.in));
    assert_int_equal(fake_read(&f), 2);
    assert_true(install_is_read(f.in));
    assert_int_equal(install_n_foreign(f.in), 1);
    assert_int_equal(fake_flush(&f), 2);
    assert_holds(&f, 3);
    assert_int_equal(fake_read(&f), 0);
    assert_int_equal(fake_flush(&f), 0);

    /* Found by a later read: somebody else did it. */
    struct sn_flow *key = flow(OURS "arp,actions=drop");
    flow_set_remove(&f.table, flow_set_find(&f.table, key));
    sn_flow_free(key);
    assert_int_equal(fake_read(&f), 1);
    assert_true(install_is_repair(f.in));

    struct install_batch batch = fake_batch(&f);
    assert_int_equal(batch.n_repairs, 1);
    install_batch_destroy(&batch);

    install_forget(f.in);
    assert_false(install_is_read(f.in));
    assert_int_equal(install_n_foreign(f.in), 0);
    fake_destroy(&f);
}

static void
test_timeouts_are_not_ours(void **state)
{
    struct fake f;

    fake_init(&f);
    fake_want(&f, OURS "ip,actions=drop");
    flow_set_put(&f.table, flow(OURS "ip,actions=drop"));
    assert_int_equal(fake_read_with(&f, 30), 1);

    struct install_batch batch = fake_batch(&f);
    assert_int_equal(batch.n, 1);
    assert_int_equal(batch.ops[0].command, INSTALL_ADD);
    install_confirm(f.in, &batch);
    install_batch_destroy(&batch);
    assert_int_equal(fake_read_with(&f, 0), 0);
    fake_destroy(&f);
}

static void
test_foreign_changes(void **state)
{
    static const struct {
        enum ofp_flow_update_event event;
        const char *flow;
        bool is_repair;
    } rows[] = {
        { OFPFME_REMOVED, OURS "ip,actions=drop", true },
        { OFPFME_ADDED, OURS "ip,actions=drop", false },
        { OFPFME_ADDED, THEIRS "ip,actions=drop", true },
        { OFPFME_MODIFIED, OURS "ip,actions=1", true },
        { OFPFME_ADDED, OURS "tcp,actions=drop", true },
        { OFPFME_ADDED, THEIRS "tcp,actions=drop", false },
        { OFPFME_REMOVED, THEIRS "tcp,actions=drop", false },
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct fake f;

        fake_init(&f);
        fake_want(&f, OURS "ip,actions=drop");
        fake_want(&f, OURS "arp,actions=drop");
        fake_read(&f);
        fake_flush(&f);
        assert_holds(&f, 2);
        if (fake_foreign(&f, rows[i].event, rows[i].flow)
            != rows[i].is_repair) {
            fail_msg("row %"PRIuSIZE, i);
        }
        assert_int_equal(install_is_repair(f.in), rows[i].is_repair);
        assert_int_equal(fake_flush(&f), rows[i].is_repair);
        assert_int_equal(fake_flush(&f), 0);
        assert_holds(&f, 2 + install_n_foreign(f.in));
        assert_int_equal(install_n_foreign(f.in), i == 5);
        fake_destroy(&f);
    }
}

/* The bundle modifies what somebody else deletes at the same moment. */
static void
test_modify_of_a_deleted_flow(void **state)
{
    struct fake f;

    fake_init(&f);
    fake_want(&f, OURS "ip,actions=drop");
    fake_read(&f);
    fake_flush(&f);
    fake_want(&f, OURS "ip,actions=1");

    struct install_batch batch = fake_batch(&f);
    assert_int_equal(batch.ops[0].command, INSTALL_MODIFY);
    fake_foreign(&f, OFPFME_REMOVED, OURS "ip,actions=drop");
    fake_apply(&f, &batch.ops[0]);
    install_confirm(f.in, &batch);
    install_batch_destroy(&batch);
    assert_int_equal(fake_flush(&f), 1);
    assert_holds(&f, 1);
    fake_destroy(&f);
}

static struct install_op *
find_op(struct install_batch *batch, const char *s)
{
    struct sn_flow *key = flow(s);
    struct install_op *found = NULL;

    for (size_t i = 0; i < batch->n; i++) {
        if (minimatch_equal(&batch->ops[i].flow->match, &key->match)) {
            found = &batch->ops[i];
        }
    }
    sn_flow_free(key);
    assert_non_null(found);
    return found;
}

static void
test_refused_flow(void **state)
{
    struct fake f;
    struct sset problems = SSET_INITIALIZER(&problems);

    fake_init(&f);
    fake_want(&f, OURS "ip,actions=drop");
    fake_read(&f);
    fake_flush(&f);

    /* Nothing of a bundle with a bad flow is done... */
    fake_want(&f, OURS "ip,actions=group:7");
    fake_want(&f, OURS "arp,actions=drop");

    struct install_batch batch = fake_batch(&f);
    assert_int_equal(batch.n, 2);
    find_op(&batch, "ip,actions=drop")->error = OFPERR_OFPBAC_BAD_OUT_GROUP;
    install_fail(f.in, &batch);
    install_batch_destroy(&batch);
    install_to_problems(f.in, &problems);
    assert_int_equal(sset_count(&problems), 1);

    const char **sorted = sset_sort(&problems);
    assert_non_null(strstr(sorted[0], "OFPBAC_BAD_OUT_GROUP"));
    assert_non_null(strstr(sorted[0], "group:7"));
    free(sorted);
    sset_destroy(&problems);

    /* ...the rest is sent again, and what the bad one should have replaced is
     * not what anybody wants. */
    assert_int_equal(fake_flush(&f), 2);
    assert_int_equal(hmap_count(&f.table.flows), 1);
    assert_int_equal(fake_flush(&f), 0);
    assert_int_equal(fake_read(&f), 0);

    /* The same once more is not sent; another one is. */
    fake_want(&f, OURS "ip,actions=group:7");
    assert_int_equal(fake_flush(&f), 0);
    fake_want(&f, OURS "ip,actions=1");
    assert_int_equal(fake_flush(&f), 1);
    assert_int_equal(install_n_refused(f.in), 0);
    assert_holds(&f, 2);
    fake_destroy(&f);
}

/* A switch that takes the rest of the bundle. */
static void
test_refused_on_confirm(void **state)
{
    struct fake f;

    fake_init(&f);
    fake_want(&f, OURS "ip,actions=drop");
    fake_want(&f, OURS "arp,actions=drop");
    fake_read(&f);

    struct install_batch batch = fake_batch(&f);
    find_op(&batch, "arp,actions=drop")->error = OFPERR_OFPBAC_BAD_TYPE;
    fake_apply(&f, find_op(&batch, "ip,actions=drop"));
    install_confirm(f.in, &batch);
    install_batch_destroy(&batch);
    assert_int_equal(fake_flush(&f), 0);
    assert_int_equal(hmap_count(&install_flows(f.in)->flows), 1);

    install_retry_refused(f.in);
    assert_int_equal(fake_flush(&f), 1);
    assert_holds(&f, 2);
    fake_destroy(&f);
}

static char *
random_flow(bool ours)
{
    return xasprintf("cookie=0x%s%d,table=%d,priority=%d,actions=%d",
                     ours ? "530200000000000" : "1", random_range(2),
                     random_range(3) * 4, random_range(4),
                     1 + random_range(3));
}

/* Whatever happens in whatever order, in the end the switch holds what is
 * desired and what is others', and nothing more is sent. */
static void
test_random(void **state)
{
    random_set_seed(1);
    for (int round = 0; round < 200; round++) {
        struct fake f;

        fake_init(&f);
        fake_read(&f);
        for (int step = 0; step < 100; step++) {
            int what = random_range(10);
            char *s = random_flow(what < 8);

            if (what < 4) {
                fake_want(&f, s);
            } else if (what < 6) {
                fake_unwant(&f, s);
            } else if (what < 9) {
                fake_foreign(&f, random_range(2) ? OFPFME_REMOVED
                             : OFPFME_ADDED, s);
            } else {
                fake_flush(&f);
            }
            free(s);
        }
        while (install_is_dirty(f.in)) {
            fake_flush(&f);
        }
        assert_holds(&f, hmap_count(&f.desired.flows)
                         + install_n_foreign(f.in));
        assert_int_equal(fake_read(&f), 0);
        fake_destroy(&f);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_commands),
        cmocka_unit_test(test_flow_mods),
        cmocka_unit_test(test_deletions_come_first),
        cmocka_unit_test(test_read_differences),
        cmocka_unit_test(test_timeouts_are_not_ours),
        cmocka_unit_test(test_foreign_changes),
        cmocka_unit_test(test_modify_of_a_deleted_flow),
        cmocka_unit_test(test_refused_flow),
        cmocka_unit_test(test_refused_on_confirm),
        cmocka_unit_test(test_random),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
