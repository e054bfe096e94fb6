#ifndef SN_RENDEZVOUS_H
#define SN_RENDEZVOUS_H 1

/* What the nodes told the central database about how they can be reached,
 * and from that the addresses worth a try between two of them.
 *
 * rendezvous_read() copies from the database; all else is pure. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include "openvswitch/shash.h"
#include "sset.h"

struct ovsdb_idl;

/* How a packet gets to a peer.  In order of preference. */
enum path_kind {
    PATH_LAN,                   /* Both behind the same NAT. */
    PATH_IPV6,
    PATH_DIRECT,
    PATH_RELAY,                 /* By a hub, over UDP. */
    PATH_TCP_RELAY,             /* By a hub, this end over TCP. */
    PATH_NONE,
};
const char *path_kind_to_string(enum path_kind);

struct rendezvous_observed {
    char *by;                   /* The node that sees it so. */
    struct sockaddr_storage ss;
};

struct rendezvous_node {
    struct sset addresses;      /* Of its interfaces, without ports. */
    uint16_t listen_port;       /* 0: unknown. */
    struct rendezvous_observed *observed;
    size_t n_observed, allocated_observed;
    struct shash relays;        /* Peer -> hub (char *) that it asks for. */
    struct sset reaches;        /* Peers that it has a handshake with. */
    struct sset lost;           /* Peers that it has no path to now. */
};

struct rendezvous_relay {
    char *hub, *a, *b;          /* a < b. */
    uint16_t port;              /* 0: not yet. */
    char *heard_a, *heard_b;    /* "udp", "tcp" or NULL. */
};

struct rendezvous {
    struct shash nodes;         /* struct rendezvous_node. */
    struct rendezvous_relay *relays;
    size_t n_relays, allocated_relays;
};

void rendezvous_init(struct rendezvous *);
void rendezvous_destroy(struct rendezvous *);
void rendezvous_swap(struct rendezvous *, struct rendezvous *);
void rendezvous_read(struct rendezvous *, const struct ovsdb_idl *);

struct rendezvous_node *rendezvous_get(struct rendezvous *, const char *node);
const struct rendezvous_node *rendezvous_find(const struct rendezvous *,
                                              const char *node);
void rendezvous_add_observed(struct rendezvous *, const char *node,
                             const char *by, const struct sockaddr_storage *);
const struct rendezvous_relay *rendezvous_find_relay(
    const struct rendezvous *, const char *hub, const char *x, const char *y);

#define RENDEZVOUS_MAX 12

struct rendezvous_candidate {
    struct sockaddr_storage ss;
    enum path_kind kind;
};

/* Where 'self' may reach 'peer', the best first, at most RENDEZVOUS_MAX.
 * 'configured' is the peer's endpoint in the state, family AF_UNSPEC if it has
 * none.  Returns how many. */
size_t rendezvous_candidates(const struct rendezvous *, const char *self,
                             const char *peer,
                             const struct sockaddr_storage *configured,
                             struct rendezvous_candidate[RENDEZVOUS_MAX]);

bool ss_is_loopback(const struct sockaddr_storage *);
/* The addresses without the ports. */
bool ss_same_host(const struct sockaddr_storage *,
                  const struct sockaddr_storage *);

#endif /* agent/rendezvous.h */
