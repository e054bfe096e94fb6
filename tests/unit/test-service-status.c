#include <config.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "ovsdb-idl.h"
#include "ovsdb-sync/db-connection.h"
#include "ovsdb-sync/model-apply.h"
#include "ovsdb-sync/model-sync.h"
#include "ovsdb-sync/service-status.h"
#include "ovsdb-sync/socknet-idl.h"
#include "ovsdb-sync/status-sync.h"
#include "state/model.h"
#include "state/service.h"
#include "tests/unit/db-server.h"
#include "tests/unit/sample-model.h"
#include "timeval.h"
#include "util.h"

/* What agents report of backends, and that they report at all. */

static struct db_server server;
static struct db_connection *conn;
static struct model_sync *sync;
static struct model_changes changes;

static void
run(void)
{
    ovsdb_idl_run(conn->idl);
    db_connection_run(conn);
    model_sync_run(sync, &changes);
    ovsdb_idl_track_clear(conn->idl);
}

static void
commit(struct ovsdb_idl_txn *txn)
{
    enum ovsdb_idl_txn_status status = ovsdb_idl_txn_commit_block(txn);

    assert_true(status == TXN_SUCCESS || status == TXN_UNCHANGED);
    ovsdb_idl_txn_destroy(txn);
}

/* Until the service is as wanted. */
static void
wait_for(bool down, bool silent)
{
    long long int deadline = time_msec() + 30000;

    for (;;) {
        run();
        const struct model_service *service
            = model_get_service(model_sync_model(sync), "vectors");
        if (service && sset_contains(&service->down, "web") == down
            && sset_contains(&service->silent, "web") == silent) {
            return;
        }
        assert_true(time_msec() < deadline);
        ovsdb_idl_wait(conn->idl);
        poll_timer_wait_until(MIN(deadline, time_msec() + 50));
        poll_block();
    }
}

static int
setup(void **state OVS_UNUSED)
{
    struct model *model = sample_model_create();
    struct model_apply apply;

    vlog_set_levels(NULL, VLF_ANY_DESTINATION, VLL_OFF);
    db_server_start(&server);
    conn = db_connection_create(server.remote);
    model_sync_add_columns(conn->idl);
    status_sync_add_columns(conn->idl);
    sync = model_sync_create(conn->idl);
    model_changes_init(&changes);
    char *error = db_connection_wait_ready(conn, 30000);
    assert_null(error);

    struct ovsdb_idl_txn *txn = ovsdb_idl_txn_create(conn->idl);
    model_apply_compose(txn, model, &apply);
    commit(txn);
    model_apply_destroy(&apply);
    model_destroy(model);
    wait_for(false, false);
    return 0;
}

static int
teardown(void **state OVS_UNUSED)
{
    model_changes_destroy(&changes);
    model_sync_destroy(sync);
    db_connection_destroy(conn);
    db_server_stop(&server);
    return 0;
}

static void
report(const char *node, const char *state, bool keep)
{
    struct ovsdb_idl_txn *txn = ovsdb_idl_txn_create(conn->idl);
    struct status_service row = {
        .service = "vectors", .backend = "web", .state = state,
        .keep_state = keep,
    };
    long long int next = LLONG_MAX;

    status_sync_services(txn, node, &row, state || keep ? 1 : 0, &next);
    commit(txn);
}

static void
test_down(void **state OVS_UNUSED)
{
    model_changes_clear(&changes);
    report("n1", "down", false);
    wait_for(true, false);
    assert_true(sset_contains(&changes.keys[MODEL_SERVICE], "vectors"));

    /* An agent that starts and does not know yet changes nothing. */
    report("n1", NULL, true);
    wait_for(true, false);
    report("n1", "up", false);
    wait_for(false, false);

    /* What another node says of it does not count. */
    report("n2", "down", false);
    report("n1", "down", false);
    wait_for(true, false);
    report("n1", NULL, false);
    wait_for(false, false);
    report("n2", NULL, false);
}

static void
hear_of(int64_t seen)
{
    struct ovsdb_idl_txn *txn = ovsdb_idl_txn_create(conn->idl);
    const struct sndb_node_status *row = sndb_node_status_first(conn->idl);

    if (!row) {
        status_sync_node(txn, &(struct status_node) {
            .node = "n1", .public_key = "", .listen_port = 51821 });
    } else {
        sndb_node_status_set_seen(row, seen);
    }
    commit(txn);
}

static void
test_silence(void **state OVS_UNUSED)
{
    hear_of(1);
    wait_for(false, false);
    node_silence_ms = 0;
    wait_for(false, true);

    /* It writes again. */
    node_silence_ms = 60 * 60 * 1000;
    hear_of(2);
    wait_for(false, false);
}

static void
see(const char *unreachable)
{
    struct ovsdb_idl_txn *txn = ovsdb_idl_txn_create(conn->idl);
    struct sset names = SSET_INITIALIZER(&names);

    if (unreachable) {
        sset_add(&names, unreachable);
    }
    status_sync_node(txn, &(struct status_node) {
        .node = "n2", .public_key = "", .listen_port = 51821,
        .unreachable = &names });
    commit(txn);
    sset_destroy(&names);
}

static bool
is_unheard(const char *viewer)
{
    const struct model_service *service
        = model_get_service(model_sync_model(sync), "vectors");
    char *key = service_unheard_key(viewer, "web");
    bool found = sset_contains(&service->unheard, key);

    free(key);
    return found;
}

/* One node does not reach another: that is its own view. */
static void
test_unreachable(void **state OVS_UNUSED)
{
    see(NULL);
    wait_for(false, false);
    model_changes_clear(&changes);
    see("n1");
    run();
    assert_true(is_unheard("n2"));
    assert_false(is_unheard("n1"));
    assert_true(sset_contains(&changes.keys[MODEL_SERVICE], "vectors"));
    see("n3");
    run();
    assert_false(is_unheard("n2"));
    see(NULL);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_down),
        cmocka_unit_test(test_silence),
        cmocka_unit_test(test_unreachable),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
