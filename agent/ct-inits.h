#ifndef SN_CT_INITS_H
#define SN_CT_INITS_H 1

/* The first process of each container that LXC runs, Proxmox's included.
 *
 * Root in a container chooses MAC addresses and names of interfaces in there,
 * but cannot put his first process into another container's network
 * namespace: a veth whose other end is where that process is, is the
 * container's.
 *
 * LXC's monitor, which runs a container, listens on an abstract socket of the
 * container's name.  Its child that is the first of a pid namespace is the
 * one: the name that "ps" shows of a monitor is not always there (Proxmox's
 * are not) and anybody can have it. */

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct ct_inits;
struct link;
struct nlk;

/* 'lxc_dir': "/var/lib/lxc", by which the sockets are named. */
struct ct_inits *ct_inits_create(const char *lxc_dir);
void ct_inits_destroy(struct ct_inits *);

/* The number that the network namespace of container 'id' has in this one, as
 * links into it have it (IFLA_LINK_NETNSID); -1: none.  ESRCH: LXC does not
 * run it, or it cannot be found out.  0 or errno. */
int ct_inits_read_netnsid(struct ct_inits *, struct nlk *, const char *id,
                          int *ret_netnsid);
/* After a round of questions: forgets what was not asked for. */
void ct_inits_end_round(struct ct_inits *);

enum ct_end {
    CT_END_UNKNOWN,             /* ESRCH above, or it is changing just now. */
    CT_END_INSIDE,
    CT_END_OUTSIDE,
};

/* Whether the other end of 'veth' (or NULL) is in container 'id'. */
enum ct_end ct_inits_check_end(struct ct_inits *, struct nlk *,
                               const struct link *veth, const char *id);

/* Remembers that 'veth' leads into container 'id', for as long as it is asked
 * for in each round. */
void ct_inits_note_end(struct ct_inits *, const struct link *veth,
                       const char *id);
/* The container that LXC no longer runs into which that same veth led, or, if
 * 'link' is NULL, the last one of that name: what is left of it. */
const char *ct_inits_recall_end(struct ct_inits *, struct nlk *,
                                const char *veth, const struct link *link);

/* For tests: texts of /proc, cut off perhaps, with names that somebody in a
 * container chose. */

/* /proc/PID/status. */
#define CT_PROCESS_MAX_PIDS 33  /* As deep as pid namespaces go. */
struct ct_process {
    pid_t parent;
    uid_t uid;                  /* Effective. */
    pid_t pids[CT_PROCESS_MAX_PIDS]; /* In this pid namespace first. */
    size_t n_pids;
};
bool ct_inits_parse_status(const char *, struct ct_process *ret);
/* /proc/PID/stat: when it began, in clock ticks since boot. */
bool ct_inits_parse_start(const char *, unsigned long long *ret_start);
/* A line of /proc/net/unix: the container to free whose monitor's socket it
 * is, or NULL. */
char *ct_inits_parse_socket(const char *line, const char *lxc_dir,
                            unsigned int *ret_inode);

#endif /* agent/ct-inits.h */
