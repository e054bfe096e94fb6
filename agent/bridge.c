#include <config.h>
#include "agent/bridge.h"

#include <string.h>

#include "agent/plan.h"
#include "agent/vswitch.h"
#include "flows/tables.h"
#include "openvswitch/vlog.h"
#include "packets.h"
#include "smap.h"
#include "sset.h"
#include "svec.h"
#include "timeval.h"
#include "util.h"
#include "uuid.h"
#include "vswitch-idl.h"

VLOG_DEFINE_THIS_MODULE(bridge);

/* How long a bridge that somebody opened is a problem. */
#define ALARM_MS (10 * 60 * 1000)

struct table_name {
    int id;
    const char *name;
};

static const struct table_name table_names[] = {
#define SN_TABLE(ID, ENUM, NAME, PURPOSE) { ID, NAME },
    SN_TABLES
#undef SN_TABLE
};

static const char *
bridge_table_name(const struct ovsrec_bridge *br, int id)
{
    for (size_t i = 0; i < br->n_flow_tables; i++) {
        if (br->key_flow_tables[i] == id) {
            const char *name = br->value_flow_tables[i]->name;

            return name ? name : "";
        }
    }
    return "";
}

/* The rows of other tables, and other columns of ours, stay as they are. */
static bool
bridge_set_flow_tables(struct ovsdb_idl_txn *txn,
                       const struct ovsrec_bridge *br)
{
    bool same = true;

    for (size_t i = 0; i < ARRAY_SIZE(table_names); i++) {
        const struct table_name *t = &table_names[i];

        if (strcmp(bridge_table_name(br, t->id), t->name)) {
            struct ovsrec_flow_table *row = ovsrec_flow_table_insert(txn);

            ovsrec_flow_table_set_name(row, t->name);
            ovsrec_bridge_update_flow_tables_setkey(br, t->id, row);
            same = false;
        }
    }
    return same;
}

static bool
bridge_set_protocols(const struct ovsrec_bridge *br)
{
    /* What OVS offers when the column is empty. */
    static const char *const defaults[] = {
        "OpenFlow10", "OpenFlow11", "OpenFlow12", "OpenFlow13", "OpenFlow14",
        "OpenFlow15",
    };

    for (size_t i = 0; i < br->n_protocols; i++) {
        if (!strcmp(br->protocols[i], "OpenFlow15")) {
            return true;
        }
    }
    if (br->n_protocols) {
        ovsrec_bridge_update_protocols_addvalue(br, "OpenFlow15");
    } else {
        ovsrec_bridge_set_protocols(br, CONST_CAST(const char **, defaults),
                                    ARRAY_SIZE(defaults));
    }
    return false;
}

static bool
bridge_set_modes(const struct ovsrec_bridge *br, struct bridge_watch *watch)
{
    bool same = true;

    if (!br->fail_mode || strcmp(br->fail_mode, "secure")) {
        VLOG_WARN("%s: fail_mode was \"%s\", set to \"secure\"", br->name,
                  br->fail_mode ? br->fail_mode : "");
        ovsrec_bridge_set_fail_mode(br, "secure");
        if (uuid_equals(&watch->bridge, &br->header_.uuid)) {
            watch->alarm_ms = time_msec() + ALARM_MS;
        }
        same = false;
    }
    watch->bridge = br->header_.uuid;
    if (!smap_get_bool(&br->other_config, "disable-in-band", false)) {
        ovsrec_bridge_update_other_config_setkey(br, "disable-in-band",
                                                 "true");
        same = false;
    }
    return same;
}

static struct eth_addr
bridge_mac_in_use(const struct vswitch *sw)
{
    const struct ovsrec_interface *local = vswitch_find_interface(sw,
                                                                  SN_BRIDGE);
    struct eth_addr mac;

    return (local && local->mac_in_use
            && eth_addr_from_string(local->mac_in_use, &mac)
            ? mac : eth_addr_zero);
}

/* Unless told, the bridge takes the lowest MAC address among its ports: a port
 * that comes or goes would change the gateway's under running traffic. */
static bool
bridge_pin_mac(const struct vswitch *sw, const struct ovsrec_bridge *br,
               struct eth_addr *mac)
{
    const char *pinned = smap_get(&br->other_config, "hwaddr");
    char text[ETH_ADDR_STRLEN + 1];

    if (pinned && eth_addr_from_string(pinned, mac)) {
        return true;
    } else if (eth_addr_is_zero(*mac)) {
        *mac = bridge_mac_in_use(sw);
    }
    if (eth_addr_is_zero(*mac)) {
        return true;            /* The switch is about to choose one. */
    }
    snprintf(text, sizeof text, ETH_ADDR_FMT, ETH_ADDR_ARGS(*mac));
    ovsrec_bridge_update_other_config_setkey(br, "hwaddr", text);
    return false;
}

static void
bridge_alarm(const struct bridge_watch *watch, struct sset *problems)
{
    if (time_msec() < watch->alarm_ms) {
        sset_add(problems, "somebody cleared fail_mode of " SN_BRIDGE ", as "
                 "\"Apply Configuration\" of Proxmox does, and with it all "
                 "flows; they are back. socknet-agent --install keeps it "
                 "in /etc/network/interfaces");
    }
}

bool
bridge_run(struct vswitch *sw, struct bridge_watch *watch,
           struct sset *problems)
{
    const struct ovsrec_bridge *br = vswitch_find_bridge(sw, SN_BRIDGE);
    struct ovsdb_idl_txn *txn = vswitch_txn(sw);

    if (vswitch_is_late(sw)) {
        sset_add(problems, "the switch's database does not answer; is "
                 "ovsdb-server running (systemctl status "
                 "openvswitch-switch)?");
        return false;
    } else if (!vswitch_is_ready(sw)) {
        return false;
    } else if (!br) {
        sset_add(problems, "there is no bridge " SN_BRIDGE "; make it with: "
                 "ovs-vsctl add-br " SN_BRIDGE " -- set bridge " SN_BRIDGE
                 " fail_mode=secure");
        return false;
    }
    bridge_alarm(watch, problems);
    if (!txn) {
        return false;
    }

    bool same = bridge_set_modes(br, watch);
    same &= bridge_pin_mac(sw, br, &watch->mac);
    same &= bridge_set_protocols(br);
    same &= bridge_set_flow_tables(txn, br);
    return same;
}

const char *
bridge_datapath_type(const struct vswitch *sw)
{
    const struct ovsrec_bridge *br = (vswitch_is_ready(sw)
                                      ? vswitch_find_bridge(sw, SN_BRIDGE)
                                      : NULL);

    return (!br ? NULL
            : br->datapath_type && br->datapath_type[0] ? br->datapath_type
            : "system");
}
