#ifndef SN_WG_NETLINK_H
#define SN_WG_NETLINK_H 1

/* WireGuard's generic netlink family, for the kernel's own devices
 * (linux/wireguard.h describes the messages). */

struct nlk;
struct wg_changes;
struct wg_device;

int wg_netlink_read(struct nlk *, const char *name, struct wg_device *);
int wg_netlink_apply(struct nlk *, const char *name,
                     const struct wg_changes *);

#endif /* agent/wg-netlink.h */
