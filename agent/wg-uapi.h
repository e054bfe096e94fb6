#ifndef SN_WG_UAPI_H
#define SN_WG_UAPI_H 1

/* WireGuard's cross-platform userspace protocol: "key=value" lines over
 * /run/wireguard/<name>.sock (https://www.wireguard.com/xplatform/). */

#include <stdbool.h>

struct ds;
struct wg_changes;
struct wg_device;

/* Whether something listens on the socket of device 'name'. */
bool wg_uapi_alive(const char *name);

int wg_uapi_read(const char *name, struct wg_device *);
int wg_uapi_apply(const char *name, const struct wg_changes *);

/* The two directions of the text, apart from the socket. */
/* Parses the answer to "get=1" into 'device'.  Returns the answer's errno, or
 * EPROTO, and then what 'device' holds is incomplete. */
int wg_uapi_parse(const char *text, struct wg_device *);
/* The "set=1" request; holds the private key if the changes do. */
void wg_uapi_format(const struct wg_changes *, struct ds *);

#endif /* agent/wg-uapi.h */
