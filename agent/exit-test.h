#ifndef SN_EXIT_TEST_H
#define SN_EXIT_TEST_H 1

/* One look at an exit, now: who answers through it, the address seen outside,
 * whether names are resolved by it.  For `socknet exit test`. */

#include <stdbool.h>

struct ds;
struct plan_probe;
struct sn_prefix;

struct exit_test;

/* 'resolver' may be NULL. */
struct exit_test *exit_test_start(const char *device,
                                  const struct plan_probe *,
                                  const struct sn_prefix *resolver);
void exit_test_destroy(struct exit_test *);
/* Returns true when it has come to an end. */
bool exit_test_run(struct exit_test *);
void exit_test_wait(const struct exit_test *);
/* Lines "KEY: VALUE". */
void exit_test_format(const struct exit_test *, struct ds *);

#endif /* agent/exit-test.h */
