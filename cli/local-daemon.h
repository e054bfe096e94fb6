#ifndef SN_LOCAL_DAEMON_H
#define SN_LOCAL_DAEMON_H 1

/* Asking the daemons of this host by their control sockets, as ovs-appctl
 * does. */

#include <stdbool.h>

enum local_daemon_state {
    LOCAL_DAEMON_ABSENT,        /* No pidfile: it does not run. */
    LOCAL_DAEMON_SILENT,        /* It runs, or should, but does not answer. */
    LOCAL_DAEMON_ANSWERS,
};

/* Sends 'command' to the daemon 'name' ("socknet-agent").  '*ret_text' is the
 * answer, or what is wrong; the caller frees it. */
enum local_daemon_state local_daemon_ask(const char *name,
                                         const char *command,
                                         char **ret_text);

/* The same with an argument. */
enum local_daemon_state local_daemon_ask_about(const char *name,
                                               const char *command,
                                               const char *argument,
                                               char **ret_text);

/* The value of the line "KEY: VALUE" of an answer, which the caller frees; or
 * NULL. */
char *local_daemon_value(const char *text, const char *key);

#endif /* cli/local-daemon.h */
