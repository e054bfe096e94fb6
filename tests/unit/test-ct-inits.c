#include <config.h>

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <cmocka.h>
#include "agent/ct-inits.h"
#include "agent/link.h"
#include "agent/nlk.h"
#include "openvswitch/dynamic-string.h"
#include "util.h"

static void
test_status(void **state)
{
    static const struct {
        const char *text;
        size_t n;               /* 0: refused. */
        pid_t last, parent;
        uid_t uid;
    } rows[] = {
        { "Name:\tsh\nPPid:\t5\nUid:\t7\t8\t9\t9\nNSpid:\t812\nNSsid:\t1\n",
          1, 812, 5, 8 },
        { "Name:\tx\nPPid:\t5\nUid:\t0\t0\t0\t0\nNSpid:\t812\t1\nN:\t9\n",
          2, 1, 5, 0 },
        { "Name:\tx\nPPid:\t0\nUid:\t0\t0\t0\t0\nNSpid:\t812\t44\t1\n",
          3, 1, 0, 0 },
        /* What a process calls itself. */
        { "Name:\t\\nPPid:\t1\\nNSpid:\t5\t1\nPPid:\t5\nUid:\t0\t1\t0\t0\n"
          "NSpid:\t812\n", 1, 812, 5, 1 },
        { "NSpid:\t5\t1\n", 0, 0, 0, 0 },
        { "Name:\tx\nPPid:\t5\nUid:\t0\t0\t0\t0\nNSpid:\n812\n", 0, 0, 0, 0 },
        { "Name:\tx\nPPid:\t5\nUid:\t0\t0\t0\t0\nNSpid:\t-1\n", 0, 0, 0, 0 },
        { "Name:\tx\nPPid:\t5\nUid:\t0\nNSpid:\t1\n", 0, 0, 0, 0 },
        { "Name:\tx\nUid:\t0\t0\t0\t0\nNSpid:\t1\n", 0, 0, 0, 0 },
        { "Name:\tx\nPPid:\t5\nUid:\t0\t0\t0\t0\nNSpid:\t", 0, 0, 0, 0 },
        { "Name:\tx\nNSpi", 0, 0, 0, 0 },
        { "", 0, 0, 0, 0 },
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct ct_process p;
        bool ok = ct_inits_parse_status(rows[i].text, &p);

        if (ok != (rows[i].n > 0)
            || (ok && (p.n_pids != rows[i].n || p.parent != rows[i].parent
                       || p.pids[p.n_pids - 1] != rows[i].last
                       || p.uid != rows[i].uid))) {
            fail_msg("row %"PRIuSIZE": %"PRIuSIZE, i, p.n_pids);
        }
    }

    struct ds ds = DS_EMPTY_INITIALIZER;
    struct ct_process p;
    ds_put_cstr(&ds, "Name:\tx\nPPid:\t5\nUid:\t0\t0\t0\t0\nNSpid:");
    for (int i = 1; i < 100; i++) {
        ds_put_format(&ds, "\t%d", i);
    }
    assert_true(ct_inits_parse_status(ds_cstr(&ds), &p));
    assert_int_equal(p.n_pids, CT_PROCESS_MAX_PIDS);
    ds_destroy(&ds);
}

static void
test_socket(void **state)
{
    static const struct { const char *line, *id; } rows[] = {
        { "0000a1: 00000002 00000000 00010000 0001 01 4711 @/d/web/command\n",
          "web" },
        { "0000a1: 00000002 00000000 00010000 0001 01 4711 @/d/a b/command",
          "a b" },
        /* Connected; another folder; another socket; a file. */
        { "0000a1: 00000003 00000000 00000000 0001 03 4711 @/d/web/command\n",
          NULL },
        { "0000a1: 00000002 00000000 00010000 0001 01 4711 @/dd/web/command",
          NULL },
        { "0000a1: 00000002 00000000 00010000 0001 01 4711 @/d/web/commander",
          NULL },
        { "0000a1: 00000002 00000000 00010000 0001 01 4711 @/d/a/web/command",
          NULL },
        { "0000a1: 00000002 00000000 00010000 0001 01 4711 @/d//command",
          NULL },
        { "0000a1: 00000002 00000000 00010000 0001 01 4711 /d/web/command",
          NULL },
        { "0000a1: 00000002 00000000 00010000 0001 01 4711 @/d/web\n", NULL },
        { "0000a1: 00000002 00000000 00010000 0001 01 4711 @/d", NULL },
        { "0000a1: 00000002 00000000 00010000 0001 01 4711\n", NULL },
        { "Num       RefCount Protocol Flags    Type St Inode Path\n", NULL },
        { "", NULL },
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        unsigned int inode = 0;
        char *id = ct_inits_parse_socket(rows[i].line, "/d", &inode);

        if (!nullable_string_is_equal(id, rows[i].id)
            || (id && inode != 4711)) {
            fail_msg("row %"PRIuSIZE": %s", i, id ? id : "(none)");
        }
        free(id);
    }
}

static void
test_start(void **state)
{
    static const char numbers[] =
        "S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 987654 20 21\n";
    static const char *const bad[] = {
        "", "812", "812 (sh", "812 (sh)", "812 (sh) S 1 2 3",
        "812 (sh) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 98765",
    };
    static const char *const names[] = {
        "sh", "a b", ") R 1 2", "(x) ) (", "",
    };
    unsigned long long start;

    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        char *text = xasprintf("812 (%s) %s", names[i], numbers);

        assert_true(ct_inits_parse_start(text, &start));
        assert_int_equal(start, 987654);
        free(text);
    }
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        assert_false(ct_inits_parse_start(bad[i], &start));
    }
}

/* Whoever has the socket of a container and no child that is the first of a
 * pid namespace runs none, and so nobody can say where its other end is. */
static void
test_no_container(void **state)
{
    char *dir = xasprintf("/nonexistent/%ld", (long int) getpid());
    struct sockaddr_un sun = { .sun_family = AF_UNIX };
    struct link link = { .name = CONST_CAST(char *, "vethx"),
                         .kind = CONST_CAST(char *, "veth"),
                         .ifindex = 1, .peer_netnsid = 0 };
    struct ct_inits *inits = ct_inits_create(dir);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    int n = snprintf(sun.sun_path + 1, sizeof sun.sun_path - 1,
                     "%s/web/command", dir);
    struct nlk *nlk;
    int id;

    assert_int_equal(nlk_open(&nlk), 0);
    assert_int_equal(ct_inits_read_netnsid(inits, nlk, "web", &id), ESRCH);
    assert_int_equal(bind(fd, (struct sockaddr *) &sun,
                          offsetof(struct sockaddr_un, sun_path) + 1 + n), 0);
    assert_int_equal(listen(fd, 5), 0);
    assert_int_equal(ct_inits_read_netnsid(inits, nlk, "web", &id), ESRCH);
    assert_int_equal(ct_inits_check_end(inits, nlk, &link, "web"),
                     CT_END_UNKNOWN);
    assert_int_equal(ct_inits_check_end(inits, nlk, NULL, "web"),
                     CT_END_UNKNOWN);
    ct_inits_end_round(inits);

    /* What it left: that veth, or its name, until nobody asks. */
    struct link other = link;
    other.peer_netnsid = 1;
    assert_null(ct_inits_recall_end(inits, nlk, "vethx", &link));
    ct_inits_note_end(inits, &link, "web");
    ct_inits_end_round(inits);
    assert_string_equal(ct_inits_recall_end(inits, nlk, "vethx", &link),
                        "web");
    assert_string_equal(ct_inits_recall_end(inits, nlk, "vethx", NULL),
                        "web");
    assert_null(ct_inits_recall_end(inits, nlk, "vethx", &other));
    assert_null(ct_inits_recall_end(inits, nlk, "vethy", NULL));
    ct_inits_end_round(inits);
    ct_inits_end_round(inits);
    assert_null(ct_inits_recall_end(inits, nlk, "vethx", &link));

    close(fd);
    nlk_close(nlk);
    ct_inits_destroy(inits);
    free(dir);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_status),
        cmocka_unit_test(test_socket),
        cmocka_unit_test(test_start),
        cmocka_unit_test(test_no_container),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
