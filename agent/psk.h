#ifndef SN_PSK_H
#define SN_PSK_H 1

/* Pre-shared keys of pairs of nodes (mesh.preshared_keys).
 *
 * Of a pair, the first node by name makes the key and offers it to the other
 * in its status row, encrypted with the WireGuard keys of both (crypto_box of
 * libsodium).  The other takes it into use and says so, and then the maker
 * does: WireGuard mixes it in at the next handshake, so that running sessions
 * do not notice.  An offer is for one pair of public keys; before a rotation
 * there is another for the pair to come.
 *
 * What is in the database opens the key to whoever has the private key of
 * either node, so it needs no other store: an agent that starts reads its own
 * offers there. */

#include <stdbool.h>
#include "agent/wg.h"
#include "openvswitch/shash.h"

struct central;
struct keyring;
struct plan;

struct psks {
    struct shash pairs;         /* struct psk_pair, by the peer's name. */
};

/* What is told to a peer; NULL: nothing. */
struct psk_report {
    const char *offer, *next_offer, *taken;
};

void psks_init(struct psks *);
void psks_destroy(struct psks *);

/* Between rotation_run() and mesh_run(): sets the pre-shared keys of the
 * plan's peers. */
void psks_run(struct psks *, struct plan *, const struct keyring *,
              const struct wg_device *, const struct central *);
/* Whether there is a key for the next key of this node too. */
bool psks_next_is_ready(const struct psks *, const char *peer);
/* 'have' is the peer as WireGuard has it.  The strings live until the next
 * psks_run(). */
struct psk_report psks_get_report(const struct psks *, const char *peer,
                                  const struct wg_peer *have);

/* Encrypts and signs; caller frees.  And back: false if it is not for this
 * pair. */
char *psk_seal(const struct wg_key *psk, const struct wg_key *to_public,
               const struct wg_key *from_private);
bool psk_open(const char *sealed, const struct wg_key *from_public,
              const struct wg_key *to_private, struct wg_key *ret_psk);

#endif /* agent/psk.h */
