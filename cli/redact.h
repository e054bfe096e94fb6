#ifndef SN_REDACT_H
#define SN_REDACT_H 1

/* Takes secrets out of text that is to leave the host: private keys in PEM,
 * WireGuard's keys that are not known to be public, and what stands behind a
 * word such as "password", "token" or "psk". */

#include "sset.h"

/* Replaces each secret with "[redacted]".  'public_keys' (base64) stay.  The
 * caller frees the result. */
char *redact(const char *text, const struct sset *public_keys);

#endif /* cli/redact.h */
