#include <config.h>
#include "agent/discover.h"

#include <stdio.h>
#include <string.h>

#include "agent/plan.h"
#include "agent/vswitch.h"
#include "packets.h"
#include "smap.h"
#include "util.h"
#include "vswitch-idl.h"

/* What discovery writes on the Interface rows. */

static bool
set_id(const struct ovsrec_interface *iface, const char *key,
       const char *value)
{
    const char *old = smap_get(&iface->external_ids, key);

    if (!value[0] || (old && !strcmp(old, value))) {
        return true;
    }
    ovsrec_interface_update_external_ids_setkey(iface, key, value);
    return false;
}

static bool
clear_ids(const struct ovsrec_interface *iface)
{
    static const char *const keys[] = {
        "socknet-container", "iface-id", "attached-mac",
    };

    if (!smap_get(&iface->external_ids, keys[0])) {
        return true;
    }
    for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
        ovsrec_interface_update_external_ids_delkey(iface, keys[i]);
    }
    return false;
}

bool
discover_sync_external_ids(const struct discover *d, struct vswitch *sw)
{
    size_t n;
    const struct port_report *ports = discover_get_ports(d, &n);
    bool same = true;

    if (!vswitch_txn(sw)) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        const struct port_report *r = &ports[i];
        const struct ovsrec_interface *iface = r->iface;
        char mac[ETH_ADDR_STRLEN + 1] = "";

        if (!iface) {
            continue;
        } else if (!r->container[0]) {
            same &= clear_ids(iface);
            continue;
        }
        if (!eth_addr_is_zero(r->mac)) {
            snprintf(mac, sizeof mac, ETH_ADDR_FMT, ETH_ADDR_ARGS(r->mac));
        }
        same &= set_id(iface, "socknet-container", r->container);
        same &= set_id(iface, "iface-id", r->container);
        same &= set_id(iface, "attached-mac", mac);
    }
    return same;
}

void
discover_cleanup_external_ids(struct vswitch *sw)
{
    const struct ovsrec_bridge *br = vswitch_find_bridge(sw, SN_BRIDGE);

    for (size_t i = 0; br && vswitch_txn(sw) && i < br->n_ports; i++) {
        for (size_t j = 0; j < br->ports[i]->n_interfaces; j++) {
            clear_ids(br->ports[i]->interfaces[j]);
        }
    }
}
