#include <config.h>
#include "agent/bridge-guard.h"

#include <stdlib.h>
#include <string.h>

#include "agent/plan.h"
#include "agent/vswitch.h"
#include "bitmap.h"
#include "smap.h"
#include "sset.h"
#include "state/port-name.h"
#include "util.h"
#include "vswitch-idl.h"

/* The VLANs of which one port each has one.  With more ports than these,
 * some share the last one. */
#define GUARD_FIRST 3072
#define GUARD_LAST 4094

/* On a Port: that it has settings of ours. */
#define GUARD_KEY "socknet-guard"

static bool
is_guard_vlan(int64_t vlan)
{
    return vlan >= GUARD_FIRST && vlan <= GUARD_LAST;
}

static bool
has_guard_tag(const struct ovsrec_port *port)
{
    return port->n_tag && is_guard_vlan(port->tag[0]);
}

static bool
is_marked(const struct ovsrec_port *port)
{
    return smap_get(&port->external_ids, GUARD_KEY) != NULL;
}

/* An uplink, or a virtual machine's port: one that may switch plainly. */
static bool
is_plain(const struct ovsrec_port *port, const struct sset *uplinks)
{
    return (sset_contains(uplinks, port->name)
            || port_name_is_tap(port->name));
}

/* Marks the VLANs that ports have, and keep, as used.  Returns the ports that
 * need one, to free. */
static const struct ovsrec_port **
find_vlanless(const struct ovsrec_bridge *br, const struct sset *uplinks,
              unsigned long *used, size_t *ret_n)
{
    const struct ovsrec_port **ports = xmalloc((br->n_ports + 1)
                                               * sizeof *ports);
    *ret_n = 0;
    for (size_t i = 0; i < br->n_ports; i++) {
        const struct ovsrec_port *port = br->ports[i];
        bool has_mode = port->vlan_mode && strcmp(port->vlan_mode, "access");

        if (!strcmp(port->name, SN_BRIDGE)) {
            continue;
        } else if (is_plain(port, uplinks)) {
            if (has_guard_tag(port) && !is_marked(port)) {
                bitmap_set1(used, port->tag[0]);    /* The operator's. */
            }
        } else if (has_guard_tag(port) && !has_mode
                   && !bitmap_is_set(used, port->tag[0])) {
            bitmap_set1(used, port->tag[0]);
        } else {
            ports[(*ret_n)++] = port;
        }
    }
    return ports;
}

static void
set_vlan(const struct ovsrec_port *port, unsigned long *used)
{
    int64_t vlan = GUARD_LAST;

    while (vlan > GUARD_FIRST && bitmap_is_set(used, vlan)) {
        vlan--;
    }
    vlan = bitmap_is_set(used, vlan) ? GUARD_LAST : vlan;
    bitmap_set1(used, vlan);
    ovsrec_port_set_tag(port, &vlan, 1);
    ovsrec_port_set_vlan_mode(port, NULL);
    ovsrec_port_update_external_ids_setkey(port, GUARD_KEY, "true");
}

/* What a trunk without a list carries, less ours. */
static void
set_trunks(const struct ovsrec_port *port)
{
    int64_t trunks[GUARD_FIRST];

    for (size_t i = 0; i < GUARD_FIRST; i++) {
        trunks[i] = i;
    }
    ovsrec_port_set_trunks(port, trunks, GUARD_FIRST);
    ovsrec_port_update_external_ids_setkey(port, GUARD_KEY, "true");
}

static bool
guard_plain_port(const struct ovsrec_port *port)
{
    bool same = true;

    if (has_guard_tag(port) && is_marked(port)) {
        ovsrec_port_set_tag(port, NULL, 0);     /* It became an uplink. */
        same = false;
    }
    if (!port->n_trunks
        && (!port->n_tag || (port->vlan_mode
                             && strcmp(port->vlan_mode, "access")))) {
        set_trunks(port);
        same = false;
    }
    return same;
}

bool
bridge_guard_sync(struct vswitch *sw, const struct sset *uplinks)
{
    const struct ovsrec_bridge *br = vswitch_find_bridge(sw, SN_BRIDGE);
    const struct ovsrec_port **ports;
    unsigned long *used;
    size_t n;

    if (!br || !vswitch_txn(sw)) {
        return false;
    }
    used = bitmap_allocate(GUARD_LAST + 1);
    ports = find_vlanless(br, uplinks, used, &n);
    bool same = !n;
    for (size_t i = 0; i < n; i++) {
        set_vlan(ports[i], used);
    }
    for (size_t i = 0; i < br->n_ports; i++) {
        if (is_plain(br->ports[i], uplinks)) {
            same &= guard_plain_port(br->ports[i]);
        }
    }
    free(ports);
    free(used);
    return same;
}

void
bridge_guard_cleanup(struct vswitch *sw)
{
    const struct ovsrec_bridge *br = vswitch_find_bridge(sw, SN_BRIDGE);

    for (size_t i = 0; br && vswitch_txn(sw) && i < br->n_ports; i++) {
        const struct ovsrec_port *port = br->ports[i];

        if (is_marked(port)) {
            if (has_guard_tag(port)) {
                ovsrec_port_set_tag(port, NULL, 0);
            }
            if (port->n_trunks == GUARD_FIRST) {
                ovsrec_port_set_trunks(port, NULL, 0);
            }
            ovsrec_port_update_external_ids_delkey(port, GUARD_KEY);
        }
    }
}
