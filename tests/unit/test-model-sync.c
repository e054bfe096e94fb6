#include <config.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "fatal-signal.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "ovsdb-idl.h"
#include "ovsdb-sync/db-connection.h"
#include "ovsdb-sync/model-apply.h"
#include "ovsdb-sync/model-rows.h"
#include "ovsdb-sync/model-sync.h"
#include "ovsdb-sync/socknet-idl.h"
#include "ovsdb-sync/status-sync.h"
#include "packets.h"
#include "state/model.h"
#include "tests/unit/db-server.h"
#include "tests/unit/sample-model.h"
#include "timeval.h"
#include "util.h"

/* Two clients of one server: an operator and a daemon. */

struct client {
    struct db_connection *conn;
    struct model_sync *sync;
    struct model_changes changes;
};

static struct db_server server;
static struct client operator, daemon_;

static void
client_open(struct client *c)
{
    c->conn = db_connection_create(server.remote);
    model_sync_add_columns(c->conn->idl);
    status_sync_add_columns(c->conn->idl);
    c->sync = model_sync_create(c->conn->idl);
    model_changes_init(&c->changes);

    char *error = db_connection_wait_ready(c->conn, 30000);
    assert_null(error);
}

static void
client_close(struct client *c)
{
    model_changes_destroy(&c->changes);
    model_sync_destroy(c->sync);
    db_connection_destroy(c->conn);
}

static void
client_run(struct client *c)
{
    ovsdb_idl_run(c->conn->idl);
    db_connection_run(c->conn);
    model_sync_run(c->sync, &c->changes);
    ovsdb_idl_track_clear(c->conn->idl);
}

/* Until the client has seen 'revision'. */
static void
client_catch_up(struct client *c, int64_t revision)
{
    long long int deadline = time_msec() + 30000;

    for (;;) {
        client_run(c);
        if (ovsdb_idl_is_connected(c->conn->idl)
            && model_apply_revision(c->conn->idl) >= revision) {
            return;
        }
        assert_true(time_msec() < deadline);
        ovsdb_idl_wait(c->conn->idl);
        db_connection_wait(c->conn);
        poll_timer_wait_until(deadline);
        poll_block();
    }
}

static enum ovsdb_idl_txn_status
commit(struct ovsdb_idl_txn *txn)
{
    enum ovsdb_idl_txn_status status = ovsdb_idl_txn_commit_block(txn);

    if (status == TXN_ERROR) {
        print_error("%s\n", ovsdb_idl_txn_get_error(txn));
    }
    ovsdb_idl_txn_destroy(txn);
    return status;
}

static enum ovsdb_idl_txn_status
apply(const struct model *model, struct model_apply *a)
{
    struct ovsdb_idl_txn *txn = ovsdb_idl_txn_create(operator.conn->idl);

    model_apply_compose(txn, model, a);
    return commit(txn);
}

static void
assert_models_equal(const struct model *a, const struct model *b)
{
    struct model_changes diff;

    model_changes_init(&diff);
    model_diff(a, b, &diff);
    for (enum model_kind kind = 0; kind < MODEL_N_KINDS; kind++) {
        const char *key;

        SSET_FOR_EACH (key, &diff.keys[kind]) {
            print_error("%s %s differs\n", model_kind_to_string(kind), key);
        }
    }
    assert_true(model_changes_is_empty(&diff));
    model_changes_destroy(&diff);
}

static int
setup(void **state OVS_UNUSED)
{
    vlog_set_levels(NULL, VLF_ANY_DESTINATION, VLL_OFF);
    db_server_start(&server);
    client_open(&operator);
    client_open(&daemon_);
    client_run(&operator);
    client_run(&daemon_);
    return 0;
}

static int
teardown(void **state OVS_UNUSED)
{
    client_close(&operator);
    client_close(&daemon_);
    db_server_stop(&server);
    return 0;
}

/* Applies 'model' and brings the daemon up to date. */
static void
apply_and_sync(const struct model *model, struct model_apply *a)
{
    model_changes_clear(&daemon_.changes);
    assert_int_equal(apply(model, a), TXN_SUCCESS);
    client_catch_up(&operator, a->revision + 1);
    client_catch_up(&daemon_, a->revision + 1);
}

static void
test_all_kinds_go_through(void **state OVS_UNUSED)
{
    struct model *model = sample_model_create();
    struct model_apply a;

    assert_true(daemon_.changes.all);
    model_changes_clear(&daemon_.changes);
    apply_and_sync(model, &a);
    assert_int_equal(a.generation, 1);
    assert_int_equal(a.added[MODEL_CONTAINER].n, 2);
    assert_string_equal(a.added[MODEL_CONTAINER].names[0], "db");
    assert_int_equal(a.changed[MODEL_MESH].n, 1);
    assert_models_equal(model, model_sync_model(daemon_.sync));
    assert_int_equal(model_sync_generation(daemon_.sync), 1);
    assert_false(daemon_.changes.all);
    assert_true(sset_contains(&daemon_.changes.keys[MODEL_ACL], "a"));

    const struct model_container *ct
        = model_get_container(model_sync_model(daemon_.sync), "web");
    assert_string_equal(ct->exits.names[0], "n1/warp");
    assert_true(ct->addresses[0].is_v4);

    /* Selectors keep their kind and ports. */
    const struct model_acl *acl
        = model_get_acl(model_sync_model(daemon_.sync), "a");
    assert_int_equal(acl->dst[0].kind, SEL_CIDR);
    assert_int_equal(acl->dst[0].ports[1].last, 100);
    assert_string_equal(acl->loc.file, "net.yaml");
    assert_int_equal(acl->loc.line, 70);

    model_apply_destroy(&a);
    model_destroy(model);
}

static void
test_same_again_writes_nothing(void **state OVS_UNUSED)
{
    struct model *model = sample_model_create();
    struct model_apply a;

    assert_int_equal(apply(model, &a), TXN_UNCHANGED);
    assert_true(model_apply_is_empty(&a));
    assert_int_equal(a.generation, 1);
    model_apply_destroy(&a);
    model_destroy(model);
}

static void
test_moved_object_is_no_change(void **state OVS_UNUSED)
{
    struct model *model = sample_model_create();
    struct model_apply a;

    ((struct model_acl *) model_get_acl(model, "a"))->loc.line = 71;
    apply_and_sync(model, &a);
    assert_false(model_apply_has_changes(&a));
    assert_int_equal(a.n_moved, 1);
    assert_int_equal(a.generation, 1);
    assert_true(model_changes_is_empty(&daemon_.changes));
    assert_int_equal(model_get_acl(model_sync_model(daemon_.sync),
                                   "a")->loc.line, 71);
    assert_int_equal(model_sync_generation(daemon_.sync), 1);
    model_apply_destroy(&a);
    model_destroy(model);
}

static void
test_change_names_what_changed(void **state OVS_UNUSED)
{
    struct model *model = sample_model_create();
    struct model_container *ct
        = CONST_CAST(struct model_container *,
                     model_get_container(model, "web"));
    struct model_apply a;

    sset_add(&ct->tags, "extra");
    model_remove(model, MODEL_CONTAINER, "db");
    sample_model_add_container(model, "cache", 40);
    apply_and_sync(model, &a);
    assert_int_equal(a.generation, 2);
    assert_string_equal(a.changed[MODEL_CONTAINER].names[0], "web");
    assert_string_equal(a.removed[MODEL_CONTAINER].names[0], "db");
    assert_string_equal(a.added[MODEL_CONTAINER].names[0], "cache");
    assert_models_equal(model, model_sync_model(daemon_.sync));
    assert_int_equal(sset_count(&daemon_.changes.keys[MODEL_CONTAINER]), 3);
    for (enum model_kind kind = 0; kind < MODEL_N_KINDS; kind++) {
        assert_true(kind == MODEL_CONTAINER
                    || sset_is_empty(&daemon_.changes.keys[kind]));
    }
    model_apply_destroy(&a);
    model_destroy(model);
}

static void
test_two_operators_do_not_mix(void **state OVS_UNUSED)
{
    struct model *mine = sample_model_create();
    struct model *theirs = sample_model_create();
    struct model_apply a, b;

    model_remove(mine, MODEL_ACL, "a");
    model_remove(theirs, MODEL_SEGMENT, "privacy");

    /* The daemon's connection plays the other operator, whose transaction is
     * composed before it has seen the first one's. */
    struct ovsdb_idl_txn *txn = ovsdb_idl_txn_create(daemon_.conn->idl);
    model_apply_compose(txn, theirs, &b);
    assert_int_equal(apply(mine, &a), TXN_SUCCESS);
    assert_int_equal(commit(txn), TXN_TRY_AGAIN);

    client_catch_up(&operator, a.revision + 1);
    client_catch_up(&daemon_, a.revision + 1);
    assert_models_equal(mine, model_sync_model(daemon_.sync));
    model_apply_destroy(&a);
    model_apply_destroy(&b);
    model_destroy(mine);
    model_destroy(theirs);
}

/* Runs both clients for 'ms', or until both have read the contents again since
 * they were at 'seqnos'.  Returns whether they have. */
static bool
run_both(const unsigned int seqnos[2], int ms)
{
    long long int deadline = time_msec() + ms;

    for (;;) {
        struct client *const clients[] = { &operator, &daemon_ };
        int n_back = 0;

        for (int i = 0; i < 2; i++) {
            client_run(clients[i]);
            n_back += ovsdb_idl_get_seqno(clients[i]->conn->idl) != seqnos[i];
            ovsdb_idl_wait(clients[i]->conn->idl);
            db_connection_wait(clients[i]->conn);
        }
        if (n_back == 2 || time_msec() >= deadline) {
            poll_immediate_wake();
            poll_block();
            return n_back == 2;
        }
        poll_timer_wait_until(deadline);
        poll_block();
    }
}

static void
test_reconnect_is_no_change(void **state OVS_UNUSED)
{
    unsigned int seqnos[2] = { ovsdb_idl_get_seqno(operator.conn->idl),
                               ovsdb_idl_get_seqno(daemon_.conn->idl) };

    client_run(&daemon_);
    model_changes_clear(&daemon_.changes);
    db_server_kill(&server);
    /* The IDL by itself tries after 1, 3, 7 and 15 s. */
    assert_false(run_both(seqnos, 7500));
    db_server_run(&server);
    assert_true(run_both(seqnos, 6000));
    assert_true(model_changes_is_empty(&daemon_.changes));
    assert_int_equal(shash_count(&model_sync_model(daemon_.sync)->containers),
                     2);
}

/* Somebody starts the server with a new file. */
static void
test_empty_database_is_no_order(void **state OVS_UNUSED)
{
    unsigned int seqnos[2];
    struct model *model = sample_model_create();
    struct model_apply a;
    int64_t generation;

    assert_models_equal(model, model_sync_model(daemon_.sync));
    model_changes_clear(&daemon_.changes);
    generation = model_sync_generation(daemon_.sync);

    db_server_kill(&server);
    db_server_forget(&server);
    seqnos[0] = ovsdb_idl_get_seqno(operator.conn->idl);
    seqnos[1] = ovsdb_idl_get_seqno(daemon_.conn->idl);
    db_server_run(&server);
    assert_true(run_both(seqnos, 30000));
    assert_int_equal(model_apply_revision(daemon_.conn->idl), 0);
    assert_true(model_changes_is_empty(&daemon_.changes));
    assert_models_equal(model, model_sync_model(daemon_.sync));
    assert_int_equal(model_sync_generation(daemon_.sync), generation);

    /* Filled again, only what differs is a change. */
    model_remove(model, MODEL_CONTAINER, "db");
    assert_int_equal(apply(model, &a), TXN_SUCCESS);
    client_catch_up(&operator, 1);
    client_catch_up(&daemon_, 1);
    assert_int_equal(model_sync_generation(daemon_.sync), 1);
    assert_models_equal(model, model_sync_model(daemon_.sync));
    assert_false(daemon_.changes.all);
    assert_int_equal(sset_count(&daemon_.changes.keys[MODEL_CONTAINER]), 1);
    for (enum model_kind kind = 0; kind < MODEL_N_KINDS; kind++) {
        assert_true(kind == MODEL_CONTAINER
                    || sset_is_empty(&daemon_.changes.keys[kind]));
    }
    model_apply_destroy(&a);
    model_destroy(model);
}

/* What no apply would write. */
static void
test_unreadable_row_is_ignored(void **state OVS_UNUSED)
{
    struct ovsdb_idl_txn *txn = ovsdb_idl_txn_create(operator.conn->idl);
    const struct sndb_container *ct = sndb_container_first(operator.conn->idl);
    const char *address = "10.0.0.300/24";
    int64_t revision = model_apply_revision(operator.conn->idl);

    model_changes_clear(&daemon_.changes);
    sndb_container_set_addresses(ct, &address, 1);
    sndb_mesh_set_revision(sndb_mesh_first(operator.conn->idl), revision + 1);
    assert_int_equal(commit(txn), TXN_SUCCESS);
    client_catch_up(&daemon_, revision + 1);
    assert_true(model_changes_is_empty(&daemon_.changes));
    assert_int_equal(model_get_container(model_sync_model(daemon_.sync),
                                         "web")->n_addresses, 2);
    client_catch_up(&operator, revision + 1);
}

/* Status. */

static struct status_port ports[] = {
    { .name = "veth20", .container = "web", .ofport = 5, .state = "up",
      .mac = ETH_ADDR_C(02,00,00,00,00,20), .reason = "" },
    { .name = "veth99", .container = "", .state = "quarantine",
      .reason = "nobody declared it" },
};

static enum ovsdb_idl_txn_status
report_ports(const char *node, size_t n)
{
    struct ovsdb_idl_txn *txn = ovsdb_idl_txn_create(operator.conn->idl);

    status_sync_ports(txn, node, ports, n);
    enum ovsdb_idl_txn_status status = commit(txn);
    client_run(&operator);
    return status;
}

static const struct model_container *
seen_by_daemon(const char *name, struct eth_addr mac, bool quarantined)
{
    long long int deadline = time_msec() + 30000;

    for (;;) {
        client_run(&daemon_);

        const struct model_container *ct
            = model_get_container(model_sync_model(daemon_.sync), name);
        if (eth_addr_equals(ct->seen_hwaddr, mac)
            && ct->quarantined == quarantined) {
            return ct;
        }
        assert_true(time_msec() < deadline);
        ovsdb_idl_wait(daemon_.conn->idl);
        poll_timer_wait_until(deadline);
        poll_block();
    }
}

static void
test_port_status_reaches_the_container(void **state OVS_UNUSED)
{
    struct model *model = sample_model_create();
    struct model_container *web = shash_find_data(&model->containers, "web");
    struct model_apply a;

    web->any_veth = true;
    model_container_set_port(web, NULL);
    apply_and_sync(model, &a);
    model_changes_clear(&daemon_.changes);

    assert_int_equal(report_ports("n1", 2), TXN_SUCCESS);
    assert_string_equal(seen_by_daemon("web", ports[0].mac, false)->veth,
                        "veth20");
    assert_int_equal(sset_count(&daemon_.changes.keys[MODEL_CONTAINER]), 1);

    /* The same again; then another node that claims the container. */
    assert_int_equal(report_ports("n1", 2), TXN_UNCHANGED);
    ports[0].mac = (struct eth_addr) ETH_ADDR_C(02,00,00,00,00,66);
    assert_int_equal(report_ports("n2", 1), TXN_SUCCESS);
    ports[0].mac = (struct eth_addr) ETH_ADDR_C(02,00,00,00,00,20);
    ports[0].state = "quarantine";
    assert_int_equal(report_ports("n1", 1), TXN_SUCCESS);
    seen_by_daemon("web", ports[0].mac, true);

    assert_int_equal(report_ports("n1", 0), TXN_SUCCESS);
    assert_string_equal(seen_by_daemon("web", eth_addr_zero, false)->veth,
                        web->veth);
    assert_int_equal(report_ports("n2", 0), TXN_SUCCESS);
    model_apply_destroy(&a);
    model_destroy(model);
    model = sample_model_create();
    apply_and_sync(model, &a);
    model_apply_destroy(&a);
    model_destroy(model);
}

static enum ovsdb_idl_txn_status
report_peer(const struct status_peer *peer, long long int *next_ms)
{
    struct ovsdb_idl_txn *txn = ovsdb_idl_txn_create(operator.conn->idl);

    status_sync_peers(txn, "n1", peer, 1, next_ms);
    enum ovsdb_idl_txn_status status = commit(txn);
    client_run(&operator);
    return status;
}

static void
test_peer_counters_are_rare(void **state OVS_UNUSED)
{
    struct status_peer peer = { .peer = "n2", .endpoint = "", .rx_bytes = 1 };
    long long int next_ms = 0;

    assert_int_equal(report_peer(&peer, &next_ms), TXN_SUCCESS);
    peer.rx_bytes = 2;
    assert_int_equal(report_peer(&peer, &next_ms), TXN_UNCHANGED);
    peer.latest_handshake = 1700000000;
    assert_int_equal(report_peer(&peer, &next_ms), TXN_SUCCESS);
    peer.endpoint = "198.51.100.12:51821";
    assert_int_equal(report_peer(&peer, &next_ms), TXN_SUCCESS);
    peer.tx_bytes = 5;
    assert_int_equal(report_peer(&peer, &next_ms), TXN_UNCHANGED);
    next_ms = 0;
    assert_int_equal(report_peer(&peer, &next_ms), TXN_SUCCESS);
    next_ms = 0;
    assert_int_equal(report_peer(&peer, &next_ms), TXN_UNCHANGED);
}

static enum ovsdb_idl_txn_status
report_all(void)
{
    struct ovsdb_idl_txn *txn = ovsdb_idl_txn_create(operator.conn->idl);
    struct sset problems = SSET_INITIALIZER(&problems);
    struct status_exit exit = { "warp", "x-warp0", "up", "" };

    sset_add(&problems, "no route");
    status_sync_node(txn, &(struct status_node) {
        .node = "n1", .public_key = "", .listen_port = 51821,
        .generation = 2, .datapath = "netdev", .wireguard = "kernel",
        .problems = &problems });
    status_sync_bridge(txn, &(struct status_bridge) {
        .node = "n1", .bridge = "vmbr0", .connected = true,
        .generation = 2, .n_flows = 7, .problems = &problems });
    status_sync_exits(txn, "n1", &exit, 1);
    enum ovsdb_idl_txn_status status = commit(txn);
    client_run(&operator);
    sset_destroy(&problems);
    return status;
}

static void
test_status_goes_with_its_node(void **state OVS_UNUSED)
{
    struct model *model = sample_model_create();
    struct model_apply a;

    assert_int_equal(report_all(), TXN_SUCCESS);
    assert_int_equal(report_all(), TXN_UNCHANGED);
    model_remove(model, MODEL_NODE, "n1");
    apply_and_sync(model, &a);
    assert_null(sndb_node_status_first(operator.conn->idl));
    assert_null(sndb_bridge_status_first(operator.conn->idl));
    assert_null(sndb_exit_status_first(operator.conn->idl));
    assert_null(sndb_peer_status_first(operator.conn->idl));
    model_apply_destroy(&a);
    model_destroy(model);
}

static void
test_the_database_refuses_nonsense(void **state OVS_UNUSED)
{
    struct ovsdb_idl_txn *txn = ovsdb_idl_txn_create(operator.conn->idl);
    const struct sndb_acl *acl = sndb_acl_insert(txn);

    sndb_acl_set_name(acl, "x");
    sndb_acl_set_tier(acl, "acls");
    sndb_acl_set_action(acl, "perhaps");
    enum ovsdb_idl_txn_status status = ovsdb_idl_txn_commit_block(txn);
    ovsdb_idl_txn_destroy(txn);
    assert_int_equal(status, TXN_ERROR);
}

static void
test_bad_selectors_are_refused(void **state OVS_UNUSED)
{
    static const char *const bad[] = {
        "", "web", "cidr:", "cidr:10.0.0.0/99", "container:web 0",
        "container:web 80-70", "container:web x", "other:web",
    };

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        struct model_selector sel;
        char *error = model_rows_selector_from_string(bad[i], &sel);

        if (!error) {
            fail_msg("\"%s\" was accepted", bad[i]);
        }
        free(error);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_kinds_go_through),
        cmocka_unit_test(test_same_again_writes_nothing),
        cmocka_unit_test(test_moved_object_is_no_change),
        cmocka_unit_test(test_change_names_what_changed),
        cmocka_unit_test(test_two_operators_do_not_mix),
        cmocka_unit_test(test_port_status_reaches_the_container),
        cmocka_unit_test(test_reconnect_is_no_change),
        cmocka_unit_test(test_empty_database_is_no_order),
        cmocka_unit_test(test_unreadable_row_is_ignored),
        cmocka_unit_test(test_peer_counters_are_rare),
        cmocka_unit_test(test_status_goes_with_its_node),
        cmocka_unit_test(test_the_database_refuses_nonsense),
        cmocka_unit_test(test_bad_selectors_are_refused),
    };

    set_program_name("test-model-sync");
    fatal_ignore_sigpipe();
    return cmocka_run_group_tests(tests, setup, teardown);
}
