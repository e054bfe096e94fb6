#ifndef SN_NOTIFY_H
#define SN_NOTIFY_H 1

/* What a daemon tells the service manager that started it, by the protocol of
 * sd_notify(3): that it is ready, what it is doing, that it is alive.  Without
 * $NOTIFY_SOCKET all of this does nothing.
 *
 * A daemon is ready when it enforces the state.  One that has waited
 * SN_NOTIFY_LIMIT_MS for a state or for the switch is, too: it works, its
 * status line says what is missing, and who starts it needs not wait. */

#include <stdbool.h>

#define SN_NOTIFY_LIMIT_MS 5000

/* Once, before any child is started: children are not to speak for it. */
void sn_notify_init(void);

/* Once per iteration of the main loop: whether sn_notify_send() wants to know
 * now.  Until the daemon is ready that is always so, later once a second. */
bool sn_notify_is_due(void);
/* 'status' is one line. */
void sn_notify_send(bool enforcing, const char *status);
void sn_notify_wait(void);

/* Before the end. */
void sn_notify_stopping(void);

#endif /* lib/sn-notify.h */
