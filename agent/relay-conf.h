#ifndef SN_RELAY_CONF_H
#define SN_RELAY_CONF_H 1

/* The two files by which an agent and socknet-relay speak, in a folder of
 * theirs: "conf", what the agent wants, and "status", what the relay has.
 * Either side can end and start again, and reads there where it was.
 *
 *     pair A B PORT KEY_A KEY_B OWN_A OWN_B NEXT_A NEXT_B
 *                                     relay at PORT; OWN: the port of this
 *                                     host's WireGuard, or 0; NEXT: the key
 *                                     that is to come, or "-"
 *     client PEER HUB:PORT WG         carry what is for PEER to the hub by
 *                                     TCP; WG: the port of WireGuard here
 *
 *     pair A B PORT ERROR LEG_A LEG_B HEARD_A HEARD_B
 *     client PEER LOCAL_PORT TEXT
 *     end
 *
 * A LEG is ADDRESS:PORT or "-", HEARD "udp", "tcp" or "-". */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "agent/wg.h"
#include "openvswitch/shash.h"

struct ds;

#define RELAY_DIR "/run/socknet/relay"
#define RELAY_CONF "conf"
#define RELAY_STATUS "status"

struct relay_conf_pair {        /* Keyed by "A B". */
    char *names[2];
    uint16_t port;
    struct wg_key keys[2];
    struct wg_key next_keys[2]; /* Zero: none. */
    uint16_t own[2];
};

struct relay_conf_client {      /* Keyed by the peer. */
    struct sockaddr_storage hub;
    uint16_t wg_port;
};

struct relay_conf {
    struct shash pairs;
    struct shash clients;
};

void relay_conf_init(struct relay_conf *);
void relay_conf_destroy(struct relay_conf *);
void relay_conf_format(const struct relay_conf *, struct ds *);
/* False, and nothing in it, if 'text' is not such a file. */
bool relay_conf_parse(const char *text, struct relay_conf *);

struct relay_status_pair {
    uint16_t port;
    int error;                  /* 0: open. */
    struct sockaddr_storage legs[2];
    char heard[2][4];           /* "udp", "tcp" or "-". */
};

struct relay_status_client {
    uint16_t port;              /* At 127.0.0.1. */
    char *text;                 /* "connected" or why not. */
};

struct relay_status {
    struct shash pairs;         /* As above. */
    struct shash clients;
};

void relay_status_init(struct relay_status *);
void relay_status_destroy(struct relay_status *);
void relay_status_format(const struct relay_status *, struct ds *);
/* False if it is not complete (being written). */
bool relay_status_parse(const char *text, struct relay_status *);

#endif /* agent/relay-conf.h */
