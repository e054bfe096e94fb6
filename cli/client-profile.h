#ifndef SN_CLIENT_PROFILE_H
#define SN_CLIENT_PROFILE_H 1

/* What a guest's device needs to know, in wg-quick's syntax, and as a QR code.
 *
 * The profile holds the private key.  It is made here, printed, and kept
 * nowhere: whoever calls wipes it. */

#include <stddef.h>

struct ds;
struct model;
struct model_client;

/* Length of a key in base64, with its terminator. */
#define CLIENT_KEY_LEN 45

void client_key_make(char private_key[CLIENT_KEY_LEN],
                     char public_key[CLIENT_KEY_LEN]);
/* 'server_key' is the public key of the node's vpn_server.  Returns NULL, or
 * an error to free. */
char *client_profile_format(const struct model *, const struct model_client *,
                            const char *private_key, const char *server_key,
                            struct ds *profile);
void client_profile_wipe(struct ds *);

/* For a terminal: UTF-8, black on white whatever its colours. */
char *qr_format(const char *text, struct ds *ds);
/* A new file, mode 0600.  Both return NULL or an error to free. */
char *qr_write_png(const char *text, const char *path);

#endif /* cli/client-profile.h */
