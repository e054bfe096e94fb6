#include <config.h>

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "ovsdb-idl.h"
#include "ovsdb-sync/cache-file.h"
#include "ovsdb-sync/db-cache.h"
#include "ovsdb-sync/db-connection.h"
#include "ovsdb-sync/model-apply.h"
#include "ovsdb-sync/model-sync.h"
#include "ovsdb-sync/socknet-idl.h"
#include "ovsdb-sync/status-sync.h"
#include "state/model.h"
#include "tests/unit/db-server.h"
#include "tests/unit/sample-model.h"
#include "timeval.h"
#include "util.h"

/* A daemon with a cache, and a database that comes and goes. */

struct daemon_ {
    struct db_connection *conn;
    struct model_sync *sync;
    struct model_changes changes;
    bool usable;
};

static struct db_server server;
static char *cache_path;

static void
daemon_open(struct daemon_ *d, bool with_cache)
{
    d->conn = db_connection_create(server.remote);
    model_sync_add_columns(d->conn->idl);
    status_sync_add_columns(d->conn->idl);
    if (with_cache) {
        db_connection_set_cache(d->conn, cache_path);
        d->conn->replay_ms = time_msec() + 100;
    }
    d->sync = model_sync_create(d->conn->idl);
    model_changes_init(&d->changes);
    d->usable = false;
}

static void
daemon_close(struct daemon_ *d)
{
    model_changes_destroy(&d->changes);
    model_sync_destroy(d->sync);
    db_connection_destroy(d->conn);
}

static void
daemon_run(struct daemon_ *d)
{
    ovsdb_idl_run(d->conn->idl);
    db_connection_run(d->conn);
    d->usable = model_sync_run(d->sync, &d->changes);
    ovsdb_idl_track_clear(d->conn->idl);
}

/* Until there is a model, from the database or not; or 'ms' are over. */
static bool
daemon_wait(struct daemon_ *d, bool connected, int ms)
{
    long long int deadline = time_msec() + ms;

    for (;;) {
        daemon_run(d);
        if (d->usable && (!connected
                          || !db_connection_headless_since(d->conn))) {
            return true;
        } else if (time_msec() >= deadline) {
            return false;
        }
        ovsdb_idl_wait(d->conn->idl);
        db_connection_wait(d->conn);
        poll_timer_wait_until(deadline);
        poll_block();
    }
}

static void
daemon_run_for(struct daemon_ *d, int ms)
{
    long long int deadline = time_msec() + ms;

    /* Once at least, however long this process waited for a processor. */
    do {
        daemon_run(d);
        ovsdb_idl_wait(d->conn->idl);
        db_connection_wait(d->conn);
        poll_timer_wait_until(deadline);
        poll_block();
    } while (time_msec() < deadline);
    daemon_run(d);
}

/* Until the model has no ACL 'name', and a moment longer. */
static void
daemon_run_until_without(struct daemon_ *d, const char *name)
{
    long long int deadline = time_msec() + 20000;

    while (model_get_acl(model_sync_model(d->sync), name)) {
        assert_true(time_msec() < deadline);
        daemon_run_for(d, 50);
    }
    daemon_run_for(d, 200);
}

static void
apply(struct daemon_ *d, const struct model *model)
{
    struct ovsdb_idl_txn *txn = ovsdb_idl_txn_create(d->conn->idl);
    struct status_node status = {
        .node = "n1", .listen_port = 51821, .generation = 1,
        .public_key = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
    };
    struct model_apply a;

    model_apply_compose(txn, model, &a);
    status_sync_node(txn, &status);
    assert_int_equal(ovsdb_idl_txn_commit_block(txn), TXN_SUCCESS);
    ovsdb_idl_txn_destroy(txn);
    model_apply_destroy(&a);
}

static void
assert_has_model(const struct daemon_ *d, const struct model *model)
{
    struct model_changes diff;

    model_changes_init(&diff);
    model_diff(model, model_sync_model(d->sync), &diff);
    for (enum model_kind kind = 0; kind < MODEL_N_KINDS; kind++) {
        const char *key;

        SSET_FOR_EACH (key, &diff.keys[kind]) {
            print_error("%s %s differs\n", model_kind_to_string(kind), key);
        }
    }
    assert_true(model_changes_is_empty(&diff));
    model_changes_destroy(&diff);
}

static void
test_no_cache_no_model(void **state OVS_UNUSED)
{
    struct daemon_ d;

    db_server_kill(&server);
    daemon_open(&d, true);
    assert_false(daemon_wait(&d, false, 400));
    assert_int_equal(db_connection_headless_since(d.conn), 0);
    daemon_close(&d);
    db_server_run(&server);
}

static void
test_model_without_database(void **state OVS_UNUSED)
{
    struct model *model = sample_model_create();
    struct daemon_ d;
    struct stat st;

    daemon_open(&d, true);
    assert_true(daemon_wait(&d, true, 30000));
    apply(&d, model);
    daemon_run_for(&d, 50);
    daemon_close(&d);
    assert_int_equal(stat(cache_path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);

    db_server_kill(&server);
    daemon_open(&d, true);
    assert_true(daemon_wait(&d, false, 30000));
    assert_true(d.changes.all);
    assert_has_model(&d, model);
    assert_int_equal(model_sync_generation(d.sync), 1);
    assert_in_range(time_wall() - db_connection_headless_since(d.conn), 0,
                    60);
    const struct sndb_node_status *row
        = sndb_node_status_first(d.conn->idl);
    assert_non_null(row);
    assert_string_equal(row->node, "n1");
    assert_int_equal(row->generation, 0);   /* Not of those kept. */

    /* The database comes back: nothing of the model is news. */
    model_changes_clear(&d.changes);
    db_server_run(&server);
    assert_true(daemon_wait(&d, true, 30000));
    daemon_run_for(&d, 200);
    assert_true(model_changes_is_empty(&d.changes));
    assert_false(d.changes.all);
    assert_has_model(&d, model);
    daemon_close(&d);
    model_destroy(model);
}

static void
test_changes_while_away_are_differences(void **state OVS_UNUSED)
{
    struct model *model = sample_model_create();
    struct daemon_ d, operator;

    daemon_open(&operator, false);
    assert_true(daemon_wait(&operator, true, 30000));
    model_remove(model, MODEL_ACL, "a");
    apply(&operator, model);
    db_server_kill(&server);

    /* The cache is older than the database. */
    daemon_open(&d, true);
    assert_true(daemon_wait(&d, false, 30000));
    assert_non_null(model_get_acl(model_sync_model(d.sync), "a"));
    model_changes_clear(&d.changes);
    db_server_run(&server);
    assert_true(daemon_wait(&d, true, 30000));
    daemon_run_for(&d, 200);
    assert_has_model(&d, model);
    assert_int_equal(sset_count(&d.changes.keys[MODEL_ACL]), 1);
    assert_true(sset_is_empty(&d.changes.keys[MODEL_CONTAINER]));
    daemon_close(&d);

    /* And now it is not. */
    db_server_kill(&server);
    daemon_open(&d, true);
    assert_true(daemon_wait(&d, false, 30000));
    assert_has_model(&d, model);
    daemon_close(&d);
    db_server_run(&server);
    daemon_close(&operator);
    model_destroy(model);
}

/* The same for a daemon that ran all the time: the server that comes back
 * sends what there is, and not what went. */
static void
test_removed_while_away(void **state OVS_UNUSED)
{
    struct model *model = sample_model_create();
    struct daemon_ d, operator;

    daemon_open(&operator, false);
    assert_true(daemon_wait(&operator, true, 30000));
    apply(&operator, model);
    daemon_close(&operator);
    daemon_open(&d, false);
    assert_true(daemon_wait(&d, true, 30000));
    assert_has_model(&d, model);
    model_changes_clear(&d.changes);

    db_server_kill(&server);
    db_server_run(&server);
    daemon_open(&operator, false);
    assert_true(daemon_wait(&operator, true, 30000));
    model_remove(model, MODEL_ACL, "a");
    apply(&operator, model);
    daemon_close(&operator);
    daemon_run_until_without(&d, "a");
    assert_has_model(&d, model);
    assert_int_equal(sset_count(&d.changes.keys[MODEL_ACL]), 1);
    assert_true(sset_is_empty(&d.changes.keys[MODEL_CONTAINER]));
    daemon_close(&d);
    model_destroy(model);
}

static void
test_empty_database_does_not_empty_it(void **state OVS_UNUSED)
{
    struct daemon_ d;

    db_server_kill(&server);
    db_server_forget(&server);
    db_server_run(&server);
    daemon_open(&d, true);
    assert_true(daemon_wait(&d, true, 30000));
    daemon_run_for(&d, 100);
    daemon_close(&d);

    db_server_kill(&server);
    daemon_open(&d, true);
    assert_true(daemon_wait(&d, false, 30000));
    assert_int_equal(shash_count(&model_sync_model(d.sync)->containers), 2);
    daemon_close(&d);
    db_server_run(&server);
}

static void
write_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static void
test_damaged_file_is_begun_anew(void **state OVS_UNUSED)
{
    char *bad = xasprintf("%s.bad", cache_path);
    char *loose = xasprintf("%s.loose", cache_path);
    struct cache_file *f;

    cache_file_unlink(cache_path);
    write_file(cache_path, "this is no database, and long enough to be sure "
               "of that: it has more than a hundred bytes, all of them wrong");
    assert_null(cache_file_open(cache_path, &f));
    assert_int_equal(cache_file_get(f, "connected"), 0);
    cache_file_begin(f);
    cache_file_put(f, "Mesh", "x", "{}");
    cache_file_set(f, "connected", 7);
    assert_null(cache_file_commit(f));
    cache_file_close(f);
    assert_int_equal(access(bad, F_OK), 0);

    assert_null(cache_file_open(cache_path, &f));
    assert_int_equal(cache_file_get(f, "connected"), 7);
    cache_file_close(f);

    /* Rows that are none do no harm. */
    struct daemon_ d;
    db_server_kill(&server);
    daemon_open(&d, true);
    daemon_wait(&d, false, 300);
    assert_true(shash_is_empty(&model_sync_model(d.sync)->nodes));
    daemon_close(&d);
    db_server_run(&server);

    write_file(loose, "");
    assert_int_equal(chmod(loose, 0644), 0);
    assert_null(cache_file_open(loose, &f));
    cache_file_close(f);
    struct stat st;
    assert_int_equal(stat(loose, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    free(bad);
    free(loose);
}

/* As on a full disk: no file grows beyond 'size'. */
static void
limit_files(rlim_t size)
{
    struct rlimit limit;

    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = MIN(size, limit.rlim_max);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void
put_number(struct cache_file *f, int64_t number)
{
    cache_file_begin(f);
    cache_file_set(f, "connected", number);
    assert_null(cache_file_commit(f));
}

static void
test_full_disk(void **state OVS_UNUSED)
{
    char *path = xasprintf("%s/full.db", server.dir);
    struct cache_file *f;

    assert_null(cache_file_open(path, &f));
    put_number(f, 7);
    cache_file_close(f);

    /* What SQLite has beside the file does not fit. */
    signal(SIGXFSZ, SIG_IGN);
    limit_files(4096);
    assert_null(cache_file_open(path, &f));
    assert_int_equal(cache_file_get(f, "connected"), 7);
    cache_file_begin(f);
    cache_file_set(f, "connected", 8);
    char *error = cache_file_commit(f);
    assert_non_null(error);
    free(error);
    assert_int_equal(cache_file_get(f, "connected"), 7);

    limit_files(RLIM_INFINITY);
    put_number(f, 9);
    cache_file_close(f);
    assert_null(cache_file_open(path, &f));
    assert_int_equal(cache_file_get(f, "connected"), 9);
    cache_file_close(f);
    free(path);
}

/* There is none at first, for want of room, and one as soon as there is. */
static void
test_cache_is_opened_later(void **state OVS_UNUSED)
{
    struct daemon_ d;

    cache_file_unlink(cache_path);
    limit_files(0);
    daemon_open(&d, true);
    char *problem = db_connection_cache_problem(d.conn);
    assert_non_null(problem);
    assert_non_null(strstr(problem, "would know no state"));
    free(problem);
    limit_files(RLIM_INFINITY);

    assert_true(daemon_wait(&d, true, 30000));
    assert_null(d.conn->cache);
    d.conn->cache_ms = time_msec();
    daemon_run_for(&d, 50);
    assert_null(db_connection_cache_problem(d.conn));
    assert_non_null(d.conn->cache);
    daemon_close(&d);
    assert_int_equal(access(cache_path, F_OK), 0);
}

static void
test_unusable_path_is_an_error(void **state OVS_UNUSED)
{
    char *below_file = xasprintf("%s/folder/x.db", cache_path);
    char *nested = xasprintf("%s/a/b/x.db", server.dir);
    struct cache_file *f;
    char *error = cache_file_open(nested, &f);

    assert_null(error);
    cache_file_close(f);
    error = cache_file_open(below_file, &f);
    assert_non_null(error);
    assert_non_null(strstr(error, "folder"));
    free(error);
    free(nested);
    free(below_file);
    error = cache_file_open("/dev/null", &f);
    assert_non_null(error);
    free(error);
}

static int
setup(void **state OVS_UNUSED)
{
    vlog_set_levels(NULL, VLF_ANY_DESTINATION, VLL_OFF);
    db_server_start(&server);
    cache_path = xasprintf("%s/cache.db", server.dir);
    return 0;
}

static int
teardown(void **state OVS_UNUSED)
{
    free(cache_path);
    db_server_stop(&server);
    return 0;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_cache_no_model),
        cmocka_unit_test(test_model_without_database),
        cmocka_unit_test(test_changes_while_away_are_differences),
        cmocka_unit_test(test_removed_while_away),
        cmocka_unit_test(test_empty_database_does_not_empty_it),
        cmocka_unit_test(test_damaged_file_is_begun_anew),
        cmocka_unit_test(test_full_disk),
        cmocka_unit_test(test_cache_is_opened_later),
        cmocka_unit_test(test_unusable_path_is_an_error),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
