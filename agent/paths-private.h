#ifndef SN_PATHS_PRIVATE_H
#define SN_PATHS_PRIVATE_H 1

/* struct paths, for paths*.c and path-*.c alone. */

#include "agent/paths.h"
#include "agent/probe-message.h"
#include "agent/wg.h"
#include "openvswitch/shash.h"

/* Addresses from which a peer called; and how long an answer is worth
 * something. */
#define PATH_MAX_REFLEXIVE 2
#define PATH_ANSWER_MS 5000
/* After this silence a ping; after this long without an answer, the end. */
#define PATH_SILENT_MS 10000
#define PATH_DEAD_MS 1500
/* What is certainly more than nothing and a keepalive. */
#define PATH_SENDING_BYTES 100

/* A handshake with a peer's new key is begun anew after so long; WireGuard
 * itself would wait for five seconds. */
#define REKEY_RETRY_MS 500
#define REKEY_RETRY_END_MS 3000
/* The peer's own call and its answer to ours, and nothing since.  If both come
 * at once, wireguard-go can lose the index of the session that it then sends
 * in: it hears nothing, and calls again only after 15 s. */
#define REKEY_CROSSED_BYTES (148 + 92)

struct path_candidate {
    struct sockaddr_storage ss;
    enum path_kind kind;
    uint64_t id;                /* Of the last probe; 0: none. */
    long long int answered_ms;  /* LLONG_MIN: never. */
    bool reflexive;             /* The peer called from there. */
};

struct path {
    char *node;
    bool peer_behind_nat, peer_relays;
    struct sockaddr_storage configured;
    struct wg_key key;
    struct probe_key probe_key;
    bool has_key;
    long long int rekeyed_ms;   /* When 'key' took another's place. */
    long long int next_rekey_ms;        /* When it needs another try. */

    struct path_candidate candidates[RENDEZVOUS_MAX + PATH_MAX_REFLEXIVE];
    size_t n_candidates;

    /* WireGuard's view. */
    bool observed;              /* Once before. */
    struct sockaddr_storage endpoint;
    int64_t handshake;
    uint64_t rx_bytes, tx_bytes;
    uint64_t tx_at_proof;
    long long int proof_ms;     /* It worked then. */
    bool fresh;                 /* The last handshake is young. */
    bool proven;                /* It worked once. */
    /* Where the peer saw this node when that called it there. */
    struct sockaddr_storage seen, seen_by;
    bool kick;                  /* WireGuard should send something. */

    /* Liveness of a path that is not relayed. */
    uint64_t ping_id;
    long long int ping_ms;      /* First ping without answer; 0: none. */
    long long int next_ping_ms;

    /* The hunt. */
    bool hunting;
    long long int hunt_ms;      /* When it began. */
    long long int next_volley_ms;

    bool has_best;
    struct path_candidate best; /* Of those that answered. */
    long long int best_ms;      /* When the first of them did. */
    long long int next_force_ms, next_reset_ms;
    char *hub;                  /* That this side asks for, or NULL. */
    bool adopted;               /* 'hub', from the database. */
    char *avoid;                /* One that brought nothing. */
    long long int avoid_ms;     /* Since when. */
    bool serves;                /* The peer relays for another path; */
    bool hub_moved;             /* and is at another address now. */
    long long int hub_ms;       /* Since when. */
    bool hub_proven;            /* Something came by it since then. */
    /* From another hub, or the relay does not know where this node is; and
     * nothing came yet. */
    bool moved;
    bool calls;                 /* The latter. */
    long long int unheard_ms;   /* Its relay hears nothing; 0: it does. */
    struct sockaddr_storage former_relay;       /* There. */
    struct sockaddr_storage hub_endpoint;       /* With the pair's port. */
    bool needs_client;          /* By TCP, at 'hub_endpoint'. */
    uint16_t client_port;       /* Here, of what carries it; 0: not yet. */
    bool client_connected;
    struct sockaddr_storage tunnel;     /* The peer's address in the mesh. */
    long long int next_ask_ms;
    struct sockaddr_storage relay;      /* AF_UNSPEC: not ready. */
    enum path_kind relay_kind;
    long long int direct_ms;    /* Since when it needs no relay; 0: not. */
    enum path_kind kind;        /* For people, as is the reason. */
    char *reason;               /* Never NULL. */
};

struct paths {
    char *node, *interface;
    bool behind_nat, relays;
    uint16_t listen_port;
    struct wg_key private_key, public_key;
    bool has_keys;
    struct probe_sock *sock;
    struct shash paths;         /* struct path. */
    struct rendezvous rendezvous;       /* The last known. */
    long long int start_ms;
    long long int udp_ms;       /* When UDP last brought anything. */
    bool changed;
};

/* A path that socknet looks after. */
bool path_is_watched(const struct paths *, const struct path *);
bool path_is_alive(const struct paths *, const struct path *);
/* By what WireGuard does now. */
enum path_kind path_classify(const struct path *);
void path_start_hunt(struct paths *, struct path *, const char *why);

/* A direct path may have ended: it is asked at once. */
void path_suspect(struct path *);

/* path-probe.c */
void path_ping(struct paths *, const struct path *,
               const struct sockaddr_storage *to, uint64_t *idp);
void path_volley(struct paths *, struct path *);
void paths_receive_probes(struct paths *);
/* Sends something through the tunnel that is answered. */
void path_ask(const struct paths *, const struct path *);

static inline bool
path_kind_is_relay(enum path_kind kind)
{
    return kind == PATH_RELAY || kind == PATH_TCP_RELAY;
}

/* path-relay.c */
void path_explain_nat(const struct paths *, const struct path *, struct ds *);
void path_explain_relay(const struct paths *, const struct path *,
                        struct ds *);
/* Where the relay is, if it is open. */
void path_update_relay(struct paths *, struct path *);
/* Whether it is time for one; asks for it or lets it go. */
void path_ask_relay(struct paths *, struct path *, bool needed);
/* The relay is to learn from a handshake where this node is. */
void path_call_relay(struct paths *, struct path *);
/* Does so if it has forgotten. */
void path_watch_relay(struct paths *, struct path *, long long int now);
/* Whether a relayed path brings nothing any more, for the hub is gone. */
bool path_has_lost_hub(const struct paths *, const struct path *);
/* Which paths are needed for others; and whether those still work. */
void paths_watch_hubs(struct paths *);

#endif /* agent/paths-private.h */
