#ifndef SN_PATHS_H
#define SN_PATHS_H 1

/* How this node gets to each peer, when it is not enough to call its endpoint
 * and wait.
 *
 * A path is looked after while one of the two is behind a NAT, or while
 * nothing comes back from a peer with an endpoint.  What proves it good:
 * WireGuard received something, or a probe (probe-message.h) was answered.
 * When neither has been so for some seconds, the node hunts: it probes every
 * address at which the peer may be found, and the peer, who sees the same,
 * probes back, so that both NATs open.  The best address that answers becomes
 * WireGuard's endpoint.  When none has answered in time, both ask a hub to
 * relay; the hunt goes on now and then, and starts anew when a candidate or
 * this host's network changes.
 *
 * No path that works is left before a better one has answered. */

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include "agent/rendezvous.h"

struct ds;
struct paths;
struct plan;
struct relay_status;
struct wg_device;
struct wg_key;

struct paths *paths_create(void);
void paths_destroy(struct paths *);

/* What is wanted; the keys of this node, NULL if there are none yet. */
void paths_set_plan(struct paths *, const struct plan *,
                    const struct wg_key *private,
                    const struct wg_key *public);
/* What the nodes told.  Takes the contents over. */
void paths_set_rendezvous(struct paths *, struct rendezvous *);
/* This host's addresses or routes are others now. */
void paths_network_changed(struct paths *);
/* What socknet-relay has; and what it should carry to hubs by TCP: adds a
 * struct relay_conf_client for each such peer. */
void paths_set_relay_status(struct paths *, const struct relay_status *);
void paths_get_clients(const struct paths *, struct shash *clients);
const struct rendezvous *paths_get_rendezvous(const struct paths *);
/* What WireGuard says of the peers. */
void paths_observe(struct paths *, const struct wg_device *);

/* Once per iteration.  True if paths_get_endpoint() may say something else
 * than before. */
bool paths_run(struct paths *);
void paths_wait(const struct paths *);
/* Whether some path depends on what only WireGuard knows. */
bool paths_need_polling(const struct paths *);

/* Where WireGuard should send what is for 'node'. */
struct path_endpoint {
    struct sockaddr_storage ss; /* AF_UNSPEC: no opinion. */
    bool force;                 /* Even if it roamed a moment ago. */
    bool reset;                 /* With a handshake at once. */
    bool kick;                  /* And a sign of life. */
    bool keepalive;             /* Whoever is behind a NAT: by a relay. */
    bool quiet;                 /* None: the peer is to call. */
};
struct path_endpoint paths_get_endpoint(struct paths *, const char *node);

/* For people and for the other nodes.  The strings are the module's. */
struct path_status {
    enum path_kind kind;
    const char *relay;          /* Hub, or "". */
    const char *reason;         /* "" or why it is not better. */
};
struct path_status paths_get_status(const struct paths *, const char *node);

#endif /* agent/paths.h */
