#ifndef SN_LINK_H
#define SN_LINK_H 1

/* Network links: what the kernel has, and the few changes that the agent
 * makes to them.
 *
 * 'struct links' is one dump.  The functions that change something compare
 * with it first and write only a difference. */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include "openvswitch/shash.h"
#include "openvswitch/types.h"

struct nlk;

struct link {
    char *name;
    char *kind;                 /* "veth", "wireguard", …; "" physical. */
    char *alias;                /* "" if it has none. */
    int ifindex;
    uint32_t mtu;
    bool up;                    /* Administratively. */
    bool carrier;
    struct eth_addr mac;        /* Zero if it has none. */
    int peer_ifindex;           /* IFLA_LINK: a veth's other end; 0: none. */
    int peer_netnsid;           /* -1: this namespace. */
};

struct links {
    struct shash by_name;       /* struct link. */
};

void links_init(struct links *);
void links_destroy(struct links *);
/* Replaces the contents by a new dump.  0 or errno. */
int links_read(struct links *, struct nlk *);
const struct link *links_find(const struct links *, const char *name);
const struct link *links_find_ifindex(const struct links *, int ifindex);

int link_create(struct nlk *, const char *name, const char *kind);
int link_delete(struct nlk *, int ifindex);
/* Marks a link as ours. */
int link_set_alias(struct nlk *, int ifindex, const char *alias);
int link_set_down(struct nlk *, int ifindex);
/* Brings 'link' up with 'mtu' (0: as it is), if it is not so already. */
int link_configure(struct nlk *, const struct link *, uint32_t mtu);

/* The other end of a veth, in whatever namespace. */
struct link_peer {
    struct eth_addr mac;
    char name[16];              /* IFNAMSIZ */
};
int link_read_peer(struct nlk *, const struct link *, struct link_peer *ret);

/* What 'peer_netnsid' of a link is now. */
int link_read_peer_netnsid(struct nlk *, const struct link *, int *ret_id);
/* The number that a process's network namespace has here; -1: none. */
int link_read_netnsid(struct nlk *, pid_t, int *ret_id);

#endif /* agent/link.h */
