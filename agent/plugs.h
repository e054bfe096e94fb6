#ifndef SN_PLUGS_H
#define SN_PLUGS_H 1

/* The MAC address that each plug of a veth began with.
 *
 * The MAC address at the far end of a veth is taken once per plug, that is per
 * interface index: the container's own root can change it, and what the
 * controller lets through must not follow.  A file in the agent's state folder
 * remembers them over a restart of the agent, not over one of the host, where
 * interface indexes begin anew. */

#include <stdbool.h>
#include "openvswitch/types.h"

struct link;
struct nlk;
struct plugs;
struct sset;

struct plugs *plugs_create(const char *state_dir);
void plugs_destroy(struct plugs *);

/* Removes the file. */
void plugs_cleanup(const char *state_dir);

/* The next calls read every MAC address anew, not only those that are due. */
void plugs_set_stale(struct plugs *);

/* Zero while it is not known.  One that came later is a problem, unless it is
 * the 'declared' one (or NULL): LXC sets that after the plug, and until then,
 * for a little while, it is not known. */
struct eth_addr plugs_get_mac(struct plugs *, struct nlk *,
                              const struct link *veth,
                              const struct eth_addr *declared,
                              struct sset *problems);
/* Before and after a round of plugs_get_mac(): what was not asked for is
 * unplugged. */
void plugs_begin_round(struct plugs *);
void plugs_end_round(struct plugs *, struct sset *problems);
/* Whether another round should be because of that.  True only once. */
bool plugs_is_due(struct plugs *);
void plugs_wait(const struct plugs *);

#endif /* agent/plugs.h */
