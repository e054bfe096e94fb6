#ifndef SN_WG_LINK_H
#define SN_WG_LINK_H 1

/* Making WireGuard devices, by the kernel or by wireguard-go. */

struct link;
struct links;
struct nlk;

/* Makes the device, or has it made; may read 'links' anew.  '*ret_link' is
 * NULL if it is not there yet.  Returns NULL, or an error to free. */
char *wg_link_make(struct nlk *, struct links *, const char *name,
                   const struct link **ret_link);

#endif /* agent/wg-link.h */
