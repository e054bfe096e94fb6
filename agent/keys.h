#ifndef SN_KEYS_H
#define SN_KEYS_H 1

/* The node's WireGuard key pair.
 *
 * Made on this host, kept in <state-dir>/<mesh>.key (base64, as `wg genkey`
 * prints it), readable by its owner alone, and never sent, logged or passed
 * to another program other than through the device's own control socket.  A
 * file that others can read is refused: the key must be taken for known. */

#include "agent/wg.h"

/* Reads the key pair of 'mesh', making it first if there is none.  Returns
 * NULL, or an error to free.  The caller wipes '*ret_private' with
 * sodium_memzero(). */
char *keys_load(const char *state_dir, const char *mesh,
                struct wg_key *ret_private, struct wg_key *ret_public);

void keys_public(const struct wg_key *private, struct wg_key *ret_public);

#endif /* agent/keys.h */
