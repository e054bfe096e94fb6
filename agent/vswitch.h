#ifndef SN_VSWITCH_H
#define SN_VSWITCH_H 1

/* The connection to this host's own Open vSwitch database. */

#include <stdbool.h>

struct ovsdb_idl_txn;
struct ovsrec_bridge;
struct ovsrec_interface;
struct ovsrec_port;
struct vswitch;

/* "unix:/var/run/openvswitch/db.sock", or below $OVS_RUNDIR. */
char *vswitch_default_remote(void);

struct vswitch *vswitch_create(const char *remote);
void vswitch_destroy(struct vswitch *);

/* Once per iteration.  Returns true if the contents changed. */
bool vswitch_run(struct vswitch *);
/* Ends the iteration: commits what was written into vswitch_txn().  Returns
 * false if an earlier commit failed and should be tried again. */
bool vswitch_commit_and_wait(struct vswitch *);

/* Whether the contents are known; they stay so while the server is away. */
bool vswitch_is_ready(const struct vswitch *);
/* Whether they should be known by now, and are not. */
bool vswitch_is_late(const struct vswitch *);
bool vswitch_is_connected(const struct vswitch *);
/* The open transaction; NULL while one is on its way. */
struct ovsdb_idl_txn *vswitch_txn(struct vswitch *);
/* Whether something written has not come back from the server yet. */
bool vswitch_is_busy(const struct vswitch *);

/* NULL if there is none. */
const struct ovsrec_bridge *vswitch_find_bridge(const struct vswitch *,
                                                const char *name);
const struct ovsrec_interface *vswitch_find_interface(const struct vswitch *,
                                                      const char *name);
const struct ovsrec_port *vswitch_find_port(const struct ovsrec_bridge *,
                                            const char *name);

/* Tells which rows the agent made: external_ids:socknet-owner. */
#define VSWITCH_OWNER_KEY "socknet-owner"
#define VSWITCH_OWNER "socknet-agent"

#endif /* agent/vswitch.h */
