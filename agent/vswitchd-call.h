#ifndef SN_VSWITCHD_CALL_H
#define SN_VSWITCHD_CALL_H 1

/* A command of this host's ovs-vswitchd by its control socket, as ovs-appctl
 * does, but without ever waiting for it. */

#include <stdbool.h>
#include <stddef.h>

struct vswitchd_call;

/* 'args' need not outlive the call. */
struct vswitchd_call *vswitchd_call_start(const char *method,
                                          const char *const args[],
                                          size_t n_args);
void vswitchd_call_destroy(struct vswitchd_call *);

/* Returns true once when it has come to an end: '*ret_text' or '*ret_error' is
 * for the caller to free, the other is NULL. */
bool vswitchd_call_run(struct vswitchd_call *, char **ret_text,
                       char **ret_error);
void vswitchd_call_wait(const struct vswitchd_call *);
/* Whether it ended without any answer. */
bool vswitchd_call_is_silent(const struct vswitchd_call *);

#endif /* agent/vswitchd-call.h */
