#ifndef SN_REOPEN_H
#define SN_REOPEN_H 1

/* Veths made anew under a port that stayed.
 *
 * The userspace datapath goes on listening to the interface that is no more
 * and hears nothing of its namesake.  It lets go when the Interface gets a
 * type that nobody knows, and opens the new one when that is taken back; the
 * row stays, and an agent that is killed in between is followed by one that
 * takes it back. */

#include <stdbool.h>

struct links;
struct reopen;
struct vswitch;

struct reopen *reopen_create(void);
void reopen_destroy(struct reopen *);

/* Writes into the switch's open transaction.  Returns true if there was
 * nothing to do. */
bool reopen_run(struct reopen *, struct vswitch *, const struct links *);

#endif /* agent/reopen.h */
