#ifndef SN_PROBE_MESSAGE_H
#define SN_PROBE_MESSAGE_H 1

/* Probes: what agents send each other from WireGuard's own port, to open a
 * NAT and to learn which addresses of a peer can be reached.
 *
 * A probe is 80 octets, and so is its answer: nobody gains by sending one
 * with another's address.  No WireGuard message begins like it, so WireGuard
 * drops it.
 *
 *     "SNp1" | tag (8) | nonce (24) | box (44)
 *
 * The tag tells the receiver which peer it is from and nobody else anything;
 * the box is libsodium's crypto_box between the nodes' WireGuard keys.  An
 * answer counts only with the number of a probe that was sent lately; a
 * replayed probe makes the receiver answer and nothing else. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include "agent/wg.h"

#define PROBE_LEN 80
#define PROBE_TAG_LEN 8

enum probe_type { PROBE_PING = 1, PROBE_PONG = 2 };

struct probe_msg {
    enum probe_type type;
    uint64_t id;
    struct sockaddr_storage seen;   /* Pong: where the ping came from. */
};

/* Between this node and one peer. */
struct probe_key {
    uint8_t shared[32];
    uint8_t tag_out[PROBE_TAG_LEN], tag_in[PROBE_TAG_LEN];
};

/* False if 'peer' is no key. */
bool probe_key_derive(struct probe_key *, const struct wg_key *private,
                      const struct wg_key *public, const struct wg_key *peer);

void probe_encode(const struct probe_key *, const struct probe_msg *,
                  uint8_t out[PROBE_LEN]);
/* False unless it is authentic and makes sense. */
bool probe_decode(const struct probe_key *, const void *data, size_t n,
                  struct probe_msg *);

#endif /* agent/probe-message.h */
