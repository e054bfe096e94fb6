#ifndef SN_NLK_H
#define SN_NLK_H 1

/* The netlink sockets: the one place that knows how libnl's are set up.
 *
 * 'request' sockets block: the kernel answers at once.  Event sockets do not:
 * nlk_run() drains them and says what may have changed.  Events are a reason
 * to look, never a source of truth; what is there is read by dump, so that a
 * lost event (ENOBUFS) costs nothing but another look. */

#include <linux/netlink.h>
#include <stdbool.h>
#include <stdint.h>

struct nl_msg;
struct nl_sock;
struct nlk;

/* Whatever the agent puts into the kernel's routing carries this protocol
 * number (rtm_protocol, FRA_PROTOCOL, IFA_PROTO): that is how it knows its own
 * after a restart. */
#define SN_RTPROT 83

int nlk_open(struct nlk **ret_nlk);
void nlk_close(struct nlk *);

enum nlk_events {
    NLK_ROUTE = 1 << 0,         /* Links, addresses, routes, rules. */
    NLK_NFT = 1 << 1,           /* Somebody's nftables rules. */
};
/* What may have changed since the last call. */
enum nlk_events nlk_run(struct nlk *);
void nlk_wait(struct nlk *);

struct nl_sock *nlk_route_sock(struct nlk *);   /* For libnl-route's caches. */
/* Dumps on this one are filtered by what stands in the request's header. */
struct nl_sock *nlk_strict_sock(struct nlk *);

/* NULL if the kernel has no such family; '*ret_family' its number. */
struct nl_sock *nlk_genl_sock(struct nlk *, const char *name,
                              int *ret_family);

/* Sends 'msg' (freed), waits for the acknowledgment.  Counts it as a write.
 * Returns 0 or a positive errno. */
int nlk_write(struct nlk *, struct nl_msg *);

/* Sends 'msg' (freed), passes each answer to 'cb'.  0 or errno. */
typedef void nlk_dump_cb(struct nlmsghdr *, void *aux);
int nlk_dump(struct nl_sock *, struct nl_msg *, nlk_dump_cb *, void *aux);

/* The same without the counting, on any socket. */
int nlk_transact(struct nl_sock *, struct nl_msg *);

#endif /* agent/nlk.h */
