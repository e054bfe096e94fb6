#include <config.h>
#include "agent/wg.h"

#include <errno.h>
#include <string.h>

#include "agent/wg-netlink.h"
#include "agent/wg-uapi.h"

/* Which of the two ways leads to a device. */

enum wg_backend
wg_probe(const char *name, const char *link_kind)
{
    return (!strcmp(link_kind, "wireguard") ? WG_KERNEL
            : wg_uapi_alive(name) ? WG_USERSPACE
            : WG_NONE);
}

int
wg_read(struct nlk *nlk, enum wg_backend backend, const char *name,
        struct wg_device *device)
{
    return (backend == WG_KERNEL ? wg_netlink_read(nlk, name, device)
            : backend == WG_USERSPACE ? wg_uapi_read(name, device)
            : ENODEV);
}

int
wg_apply(struct nlk *nlk, enum wg_backend backend, const char *name,
         const struct wg_changes *changes)
{
    return (backend == WG_KERNEL ? wg_netlink_apply(nlk, name, changes)
            : backend == WG_USERSPACE ? wg_uapi_apply(name, changes)
            : ENODEV);
}
