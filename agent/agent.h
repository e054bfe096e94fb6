#ifndef SN_AGENT_H
#define SN_AGENT_H 1

/* The agent: everything that it keeps in order, and when it looks.
 *
 * A pass reads what the kernel and the switch have, compares it with the plan
 * and writes the differences.  One is due after a change of the model, of a
 * key, of the switch's database or of anything seen on netlink; events within
 * a few milliseconds share one.  There is no other path: first start, change,
 * repair and restart are all a pass. */

#include <stdbool.h>

struct agent;
struct ds;
struct unixctl_conn;

struct agent_config {
    const char *node;
    const char *db;             /* Central database. */
    const char *ovsdb;          /* Switch's database. */
    const char *state_dir;
    const char *pve_dir;        /* Proxmox's /etc/pve. */
    const char *lxc_dir;        /* LXC's /var/lib/lxc. */
};

/* Returns NULL, or an error to free. */
char *agent_create(const struct agent_config *, struct agent **ret_agent);
void agent_destroy(struct agent *);

/* Once per iteration of the main loop. */
void agent_run(struct agent *);
void agent_wait(struct agent *);

/* Replies when the exit has been tested. */
void agent_test_exit(struct agent *, const char *name, struct unixctl_conn *);

/* Adds a line about the whole to 'ds'; true if what the state wants of this
 * host is in force. */
bool agent_summarize(const struct agent *, struct ds *);

/* Looks again at everything. */
void agent_resync(struct agent *);

/* For unixctl. */
void agent_format_status(const struct agent *, struct ds *);
void agent_format_peers(const struct agent *, struct ds *);
void agent_format_exits(const struct agent *, struct ds *);
void agent_format_ports(const struct agent *, struct ds *);
void agent_format_names(const struct agent *, struct ds *);

/* Removes what agents made on this host and nothing else. */
char *agent_cleanup(const struct agent_config *);

#endif /* agent/agent.h */
