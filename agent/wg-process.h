#ifndef SN_WG_PROCESS_H
#define SN_WG_PROCESS_H 1

/* wireguard-go, for kernels without WireGuard.
 *
 * The agent starts it in a session of its own, so that it outlives the agent;
 * an agent that starts finds it by its socket and adopts it.  Its end shows as
 * the end of its tun device, which the next pass makes again.  No key is ever
 * among its arguments or in its environment. */

#include <stdbool.h>

/* Starts one for device 'name', unless that has been done within the last
 * seconds; the device appears a moment later.  Returns NULL, or an error to
 * free: it is not installed, or the last one ended at once. */
char *wg_process_start(const char *name);

/* The device is there and works: what went wrong before is forgotten. */
void wg_process_forget_failure(const char *name);

/* Collects those that ended; true if there was one.  Call once per iteration
 * of the main loop. */
bool wg_process_reap(void);
/* Whether a start is still under way (and its device to come). */
bool wg_process_starting(const char *name);

#endif /* agent/wg-process.h */
