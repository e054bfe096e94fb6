#include <config.h>

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
#include "lib/sn-notify.h"
#include "timeval.h"
#include "util.h"

/* The service manager: a socket that nobody else knows. */
static int manager;

static void
assert_heard(const char *expected)
{
    char buf[512];
    ssize_t n = recv(manager, buf, sizeof buf - 1, MSG_DONTWAIT);

    buf[MAX(n, 0)] = '\0';
    assert_string_equal(buf, expected);
}

static void
test_protocol(void **state)
{
    struct sockaddr_un sun = { .sun_family = AF_UNIX };
    char name[64], pid[32];
    size_t len;

    /* Without a manager: nothing. */
    unsetenv("NOTIFY_SOCKET");
    sn_notify_init();
    assert_false(sn_notify_is_due());
    sn_notify_send(true, "nobody hears this");

    len = snprintf(name, sizeof name, "@socknet-test-notify-%ld",
                   (long int) getpid());
    memcpy(sun.sun_path + 1, name + 1, len - 1);
    manager = socket(AF_UNIX, SOCK_DGRAM, 0);
    assert_int_equal(bind(manager, (struct sockaddr *) &sun,
                          offsetof(struct sockaddr_un, sun_path) + len), 0);
    snprintf(pid, sizeof pid, "%ld", (long int) getpid());
    setenv("NOTIFY_SOCKET", name, true);
    setenv("WATCHDOG_USEC", "20000", true);
    setenv("WATCHDOG_PID", pid, true);
    sn_notify_init();
    /* Not the children's. */
    assert_null(getenv("NOTIFY_SOCKET"));
    assert_null(getenv("WATCHDOG_USEC"));

    assert_true(sn_notify_is_due());
    sn_notify_send(false, "waiting");
    assert_heard("STATUS=waiting\nWATCHDOG=1\n");
    assert_true(sn_notify_is_due());
    xnanosleep(15 * 1000 * 1000);
    sn_notify_send(false, "waiting");
    assert_heard("WATCHDOG=1\n");
    xnanosleep(15 * 1000 * 1000);
    sn_notify_send(true, "2 lines\nREADY=1");
    assert_heard("READY=1\nSTATUS=2 lines\nWATCHDOG=1\n");
    /* Ready once, and then not more often than needed. */
    assert_false(sn_notify_is_due());
    xnanosleep(15 * 1000 * 1000);
    sn_notify_send(true, "enforcing");
    assert_heard("STATUS=enforcing\nWATCHDOG=1\n");
    sn_notify_stopping();
    assert_heard("STOPPING=1\n");
    assert_false(sn_notify_is_due());
    sn_notify_send(true, "ended");
    assert_heard("");
    close(manager);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_protocol),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
