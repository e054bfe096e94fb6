#ifndef SN_EXIT_DEVICE_H
#define SN_EXIT_DEVICE_H 1

/* WireGuard devices that the agent makes for exits: made, configured by
 * differences, and removed when nothing wants them any more. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "agent/wg.h"

struct links;
struct nlk;
struct sset;

/* `ip link` shows it: what carries it is ours. */
#define EXIT_LINK_ALIAS "socknet exit"

struct exit_device {
    const char *name;
    struct wg_device wg;        /* As wanted; listen_port 0: any. */
    struct sn_prefix *addresses;
    size_t n_addresses;
    uint32_t mtu;
    /* As read, for the exit's status. */
    int64_t handshake;          /* The latest of all peers; 0: never. */
};

/* May read 'links' anew.  Returns NULL or an error to free; '*ret_starting' is
 * set if the device is still to come. */
char *exit_device_sync(struct nlk *, struct links *, struct exit_device *,
                       bool *ret_starting);
/* Takes down those that are not in 'wanted'. */
void exit_devices_close(struct nlk *, const struct links *,
                        const struct sset *wanted);
/* Removes those that are not in 'wanted' (NULL: all).  0 or the first
 * errno. */
int exit_devices_remove(struct nlk *, const struct links *,
                        const struct sset *wanted);

#endif /* agent/exit-device.h */
