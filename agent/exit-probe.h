#ifndef SN_EXIT_PROBE_H
#define SN_EXIT_PROBE_H 1

/* A probe of an exit: TCP connections to a few addresses of the internet,
 * bound to the exit's device, so that nothing else can carry them.  Any answer
 * is a success, a refusal too: it came from out there. */

#include <stdbool.h>
#include <stddef.h>

struct sn_prefix;
struct svec;

/* A socket on which a connection to "ADDRESS:PORT" by the device is under way,
 * or a negative errno. */
int exit_probe_open(const char *device, const char *target);

struct exit_probe;
struct exit_probe *exit_probe_create(void);
void exit_probe_destroy(struct exit_probe *);

/* Begins; a probe under way is given up.  'targets' are "ADDRESS:PORT"; as
 * long as the one that answered last does, the others are spared. */
void exit_probe_start(struct exit_probe *, const char *device,
                      const struct svec *targets, int timeout_ms);
void exit_probe_cancel(struct exit_probe *);
bool exit_probe_is_running(const struct exit_probe *);

/* Returns true once when the probe has come to an end: '*ret_ok', and if it
 * failed exit_probe_reason(). */
bool exit_probe_run(struct exit_probe *, bool *ret_ok);
void exit_probe_wait(const struct exit_probe *);
const char *exit_probe_reason(const struct exit_probe *);

#endif /* agent/exit-probe.h */
