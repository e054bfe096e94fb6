#ifndef SN_KEYS_H
#define SN_KEYS_H 1

/* The node's WireGuard key pair.
 *
 * Made on this host, kept in <state-dir>/<mesh>.key (base64, as `wg genkey`
 * prints it), readable by its owner alone, and never sent, logged or passed
 * to another program other than through the device's own control socket.  A
 * file that others can read is refused: the key must be taken for known. */

#include <stdbool.h>
#include "agent/wg.h"

/* Reads the key pair of 'mesh', making it first if there is none.  Returns
 * NULL, or an error to free.  The caller wipes '*ret_private' with
 * sodium_memzero(). */
char *keys_load(const char *state_dir, const char *mesh,
                struct wg_key *ret_private, struct wg_key *ret_public);

/* The pair that a rotation makes ready, in <state-dir>/<mesh>.next.key. */
struct keyring {
    char *state_dir;
    char *mesh;                 /* Whose keys are loaded; NULL: none. */
    struct wg_key private_key, public_key;
    bool has_next;
    struct wg_key next_private, next_public;
};

void keyring_init(struct keyring *, const char *state_dir);
void keyring_destroy(struct keyring *);         /* Wipes the keys. */
/* Loads the keys of 'mesh', unless it has them.  Each of these returns NULL,
 * or an error to free that leaves everything as it was. */
char *keyring_load(struct keyring *, const char *mesh);
char *keyring_make_next(struct keyring *);
/* The next pair becomes the pair; the former is destroyed. */
char *keyring_switch(struct keyring *);
/* Destroys the next pair, if there is one. */
void keyring_drop_next(struct keyring *);

void keys_public(const struct wg_key *private, struct wg_key *ret_public);

#endif /* agent/keys.h */
