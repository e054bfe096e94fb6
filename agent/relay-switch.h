#ifndef SN_RELAY_SWITCH_H
#define SN_RELAY_SWITCH_H 1

/* What a relay does with a message of WireGuard: pure, no sockets.
 *
 * A relay serves pairs of nodes, each at a port of its own.  It can read
 * nothing of what it forwards; it forwards from one side of a pair to the
 * other and to nobody else.  Where a side is, its leg, it learns from
 * handshakes: an initiation names its receiver by mac1, which only who knows
 * the receiver's public key can make, so it came from the other of the two;
 * it may go to where the receiver is or may be.  Legs are settled when the
 * initiator sends on in the session that the responder agreed to: neither
 * accepts a handshake from anybody but the other.  Until then whoever called
 * gets handshakes and nothing else. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include "agent/wg.h"

enum wg_message_type {
    WG_MSG_NONE = 0,            /* Not WireGuard's. */
    WG_MSG_INITIATION = 1,
    WG_MSG_RESPONSE = 2,
    WG_MSG_COOKIE = 3,
    WG_MSG_DATA = 4,
};
enum wg_message_type wg_message_classify(const void *, size_t n);
/* Whether an initiation or a response was made for the owner of 'key'. */
bool wg_message_is_for(const void *, size_t n, const struct wg_key *);

/* Where a side is. */
struct relay_leg {
    enum relay_leg_type { LEG_NONE, LEG_UDP, LEG_TCP } type;
    struct sockaddr_storage ss; /* LEG_UDP. */
    uint32_t conn;              /* LEG_TCP: the connection's number. */
};
bool relay_leg_equals(const struct relay_leg *, const struct relay_leg *);

/* A handshake under way. */
struct relay_attempt {
    struct relay_leg leg;       /* Of its initiator. */
    uint32_t index;             /* That the initiator gave it. */
    struct relay_leg responder; /* LEG_NONE: no response yet. */
    uint32_t responder_index;
    long long int when_ms;
};

#define RELAY_ATTEMPTS 4
#define RELAY_ATTEMPT_MS 10000
#define RELAY_MAX_OUT (1 + RELAY_ATTEMPTS)

struct relay_pair {
    struct wg_key keys[2];
    struct wg_key next_keys[2]; /* That they are about to take; or zero. */
    struct relay_leg legs[2];   /* Settled. */
    bool fixed[2];              /* This host's own WireGuard. */
    struct relay_attempt attempts[2][RELAY_ATTEMPTS];
    long long int tokens_ms;    /* Of initiations: a bucket. */
    long long int heard_ms[2];
    enum relay_leg_type heard[2];
};

/* Takes a message that came in from 'from'.  Returns to how many legs it goes,
 * at most RELAY_MAX_OUT. */
size_t relay_pair_input(struct relay_pair *, const struct relay_leg *from,
                        const void *data, size_t n, long long int now_ms,
                        struct relay_leg out[RELAY_MAX_OUT]);
/* A connection has ended. */
void relay_pair_forget(struct relay_pair *, const struct relay_leg *);

#endif /* agent/relay-switch.h */
