#ifndef SN_WG_H
#define SN_WG_H 1

/* WireGuard devices: what one holds, the difference to what it should hold,
 * and two ways of telling it.
 *
 * wg_diff() is pure: it compares and gives the changes, in an order in which
 * no prefix is ever without its peer.  wg_read() and wg_apply() speak to the
 * device, by generic netlink for the kernel's (wg-netlink.c), by the socket
 * /run/wireguard/<name>.sock for wireguard-go's (wg-uapi.c).  A device is
 * never made anew and its peers are never replaced wholesale. */

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include "lib/prefix.h"
#include "openvswitch/hmap.h"

struct ds;
struct nlk;

#define WG_KEY_LEN 32
#define WG_KEY_LEN_BASE64 45    /* With the terminator. */

struct wg_key {
    uint8_t bytes[WG_KEY_LEN];
};

bool wg_key_is_zero(const struct wg_key *);
bool wg_key_equals(const struct wg_key *, const struct wg_key *);
void wg_key_to_base64(const struct wg_key *, char text[WG_KEY_LEN_BASE64]);
bool wg_key_from_base64(const char *, struct wg_key *ret_key);

/* An endpoint; ss_family AF_UNSPEC: none. */
struct wg_peer {
    struct hmap_node node;      /* In struct wg_device's 'peers'. */
    struct wg_key key;
    struct sockaddr_storage endpoint;
    uint16_t keepalive_s;       /* 0: off. */
    struct wg_key preshared_key; /* Zero: none. */
    struct sn_prefix *allowed;  /* Networks, sorted after wg_peer_sort(). */
    size_t n_allowed, allocated_allowed;

    /* As read. */
    int64_t handshake;          /* Unix seconds; 0: never. */
    uint64_t rx_bytes, tx_bytes;

    /* As wanted. */
    bool force_endpoint;        /* Even if it roamed a moment ago. */
    bool reset;                 /* Its session, which is dead, ends, for a
                                 * handshake at once. */
    bool kick;                  /* Something is sent to it at once. */
    bool has_former;            /* It takes the place of the peer with this */
    struct wg_key former;       /* key: its endpoint, and a handshake. */
};

struct wg_device {
    struct wg_key private_key;
    uint16_t listen_port;
    struct hmap peers;          /* struct wg_peer, by key. */
};

void wg_device_init(struct wg_device *);
void wg_device_destroy(struct wg_device *);     /* Wipes the key. */
struct wg_peer *wg_device_add_peer(struct wg_device *, const struct wg_key *);
struct wg_peer *wg_device_find_peer(const struct wg_device *,
                                    const struct wg_key *);
void wg_peer_add_allowed(struct wg_peer *, const struct sn_prefix *);
void wg_peer_sort(struct wg_peer *);

bool wg_endpoint_equals(const struct sockaddr_storage *,
                        const struct sockaddr_storage *);
bool wg_endpoint_parse(const char *, struct sockaddr_storage *ret_ss);
/* "192.0.2.1:51821", "[2001:db8::1]:51821", "" for none. */
void wg_endpoint_format(const struct sockaddr_storage *, struct ds *);

/* A change of one peer. */
struct wg_peer_change {
    struct wg_key key;
    bool remove;                /* And nothing else. */
    bool set_endpoint, set_keepalive, set_preshared_key;
    struct wg_key preshared_key;
    struct sockaddr_storage endpoint;
    uint16_t keepalive_s;
    struct sn_prefix *allowed;  /* To add. */
    size_t n_allowed, allocated_allowed;
};

struct wg_changes {
    bool set_private_key;
    struct wg_key private_key;
    bool set_listen_port;
    uint16_t listen_port;
    struct wg_peer_change *peers;
    size_t n_peers, allocated_peers;
};

/* A handshake younger than this proves the endpoint that it came from
 * (WireGuard's own REJECT_AFTER_TIME). */
#define WG_FRESH_S 180

void wg_changes_init(struct wg_changes *);
void wg_changes_destroy(struct wg_changes *);
bool wg_changes_is_empty(const struct wg_changes *);
/* What makes 'have' into 'want' at the time 'now_s' (Unix seconds). */
void wg_diff(const struct wg_device *have, const struct wg_device *want,
             int64_t now_s, struct wg_changes *);

enum wg_backend { WG_NONE, WG_KERNEL, WG_USERSPACE };

const char *wg_backend_name(enum wg_backend);
/* What 'name' is: by its link's kind, and the socket. */
enum wg_backend wg_probe(const char *name, const char *link_kind);
/* 0 or errno.  'device' is initialized by the caller. */
int wg_read(struct nlk *, enum wg_backend, const char *name,
            struct wg_device *);
/* Counts the messages sent. */
int wg_apply(struct nlk *, enum wg_backend, const char *name,
             const struct wg_changes *);

#endif /* agent/wg.h */
