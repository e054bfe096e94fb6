#ifndef SN_QUEUES_H
#define SN_QUEUES_H 1

/* Priority classes: queues of the mesh interface.
 *
 * A tunnel takes whatever it is given, so packets queue behind it, at the
 * uplink, where they are encrypted and all look alike.  With a mesh_rate the
 * agent holds them back before: an HTB of that rate on the mesh interface,
 * with a queue for each class.  A class is told by the DSCP of the packet that
 * is still in the clear.  (WireGuard gives the outer packet none of it.) */

struct links;
struct nlk;
struct plan;
struct sset;

/* Adds to 'problems' if it cannot be as planned. */
void queues_sync(struct nlk *, const struct links *, const struct plan *,
                 struct sset *problems);

#endif /* agent/queues.h */
