#ifndef SN_SCRATCH_PROCESS_H
#define SN_SCRATCH_PROCESS_H 1

/* An ovsdb-server and an ovs-vswitchd of this command's own, in a folder of
 * their own, without root and without a port of this machine (its dummy
 * datapath), to try flows in.
 *
 * A keeper stands between: a process that ends both and removes the folder
 * when this one stops them, or ends in whatever way, be it by SIGKILL. */

struct scratch;

/* Returns NULL or an error that the caller frees.  The servers are starting
 * then. */
char *scratch_start(struct scratch **);
void scratch_stop(struct scratch *);

/* Where the sockets are: "db.sock", "switch.ctl", "BRIDGE.mgmt". */
const char *scratch_folder(const struct scratch *);
/* NULL while both run; else what they had to say, which the caller frees. */
char *scratch_check(const struct scratch *);

#endif /* cli/scratch-process.h */
