#ifndef SN_NAME_H
#define SN_NAME_H 1

/* The spelling of names in the state file.  Each function returns NULL, or an
 * error that the caller frees; it does not quote the name. */

#include <stdbool.h>

/* Names of nodes, containers, segments, acls, tags, exits: letters, digits,
 * ".", "_" and "-", at most 63 characters (a DNS label). */
char *name_validate(const char *);
/* Names of network interfaces: at most 15 characters (IFNAMSIZ), none of the
 * words that mean something else to OpenFlow. */
char *name_validate_interface(const char *);
/* DNS domains: labels of at most 63 letters, digits, "-" and "_"; room for a
 * container's name before them. */
char *name_validate_domain(const char *);
/* The words that a container or a segment cannot be named: selectors. */
bool name_is_reserved(const char *);

bool str_is_decimal(const char *);      /* "0", "42", not "", "+1" or "0x1". */

/* Whether 's' is the base64 of 32 bytes, as `wg pubkey` prints a key. */
bool name_is_public_key(const char *s);

#endif /* state/name.h */
