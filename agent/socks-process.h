#ifndef SN_SOCKS_PROCESS_H
#define SN_SOCKS_PROCESS_H 1

/* microsocks, as the agent runs it.
 *
 * It is started in a session of its own and outlives the agent; an agent that
 * starts finds it by its pidfile, if it is what would be started now.  It is
 * nobody's (uid 65534) and sees, in a mount namespace of its own, a
 * resolv.conf that names the agent's server and an nsswitch.conf that knows of
 * no other way to ask. */

#include <stdbool.h>

struct plan_socks;
struct sset;

struct socks_process;
struct socks_process *socks_process_create(void);
/* Leaves the proxy running. */
void socks_process_destroy(struct socks_process *);

/* Starts, changes or ends it ('socks' NULL).  True if it runs as it should. */
bool socks_process_sync(struct socks_process *, const struct plan_socks *,
                        struct sset *problems);
/* Once per iteration: true if it ended. */
bool socks_process_run(struct socks_process *);
void socks_process_wait(const struct socks_process *);
/* Ends one that an agent started. */
void socks_process_cleanup(void);

#endif /* agent/socks-process.h */
