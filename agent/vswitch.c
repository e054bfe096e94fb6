#include <config.h>
#include "agent/vswitch.h"

#include <string.h>

#include "agent/stats.h"
#include "dirs.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "ovsdb-idl.h"
#include "timeval.h"
#include "util.h"
#include "vswitch-idl.h"

VLOG_DEFINE_THIS_MODULE(vswitch);

/* The first contents take a moment; only later is their absence a problem. */
#define LATE_MS 2000

struct vswitch {
    struct ovsdb_idl_loop loop;
    struct ovsdb_idl_txn *txn;
    unsigned int seqno;
    long long int late_ms;      /* When not to be ready is a problem. */
    bool was_late;
    bool busy;
};

char *
vswitch_default_remote(void)
{
    return xasprintf("unix:%s/db.sock", ovs_rundir());
}

static void
vswitch_add_columns(struct ovsdb_idl *idl)
{
    static const struct ovsdb_idl_column *const columns[] = {
        &ovsrec_open_vswitch_col_bridges,
        &ovsrec_bridge_col_name,
        &ovsrec_bridge_col_ports,
        &ovsrec_bridge_col_fail_mode,
        &ovsrec_bridge_col_protocols,
        &ovsrec_bridge_col_other_config,
        &ovsrec_bridge_col_datapath_type,
        &ovsrec_bridge_col_flow_tables,
        &ovsrec_flow_table_col_name,
        &ovsrec_port_col_name,
        &ovsrec_port_col_interfaces,
        &ovsrec_port_col_external_ids,
        &ovsrec_port_col_tag,
        &ovsrec_port_col_vlan_mode,
        &ovsrec_port_col_trunks,
        &ovsrec_interface_col_name,
        &ovsrec_interface_col_type,
        &ovsrec_interface_col_mac,
        &ovsrec_interface_col_mac_in_use,
        &ovsrec_interface_col_ofport,
        &ovsrec_interface_col_error,
        &ovsrec_interface_col_external_ids,
    };

    ovsdb_idl_add_table(idl, &ovsrec_table_open_vswitch);
    ovsdb_idl_add_table(idl, &ovsrec_table_bridge);
    ovsdb_idl_add_table(idl, &ovsrec_table_flow_table);
    ovsdb_idl_add_table(idl, &ovsrec_table_port);
    ovsdb_idl_add_table(idl, &ovsrec_table_interface);
    for (size_t i = 0; i < ARRAY_SIZE(columns); i++) {
        ovsdb_idl_add_column(idl, columns[i]);
    }
}

struct vswitch *
vswitch_create(const char *remote)
{
    struct vswitch *sw = xzalloc(sizeof *sw);
    struct ovsdb_idl *idl = ovsdb_idl_create(remote, &ovsrec_idl_class,
                                             false, true);

    vswitch_add_columns(idl);
    sw->loop = (struct ovsdb_idl_loop) OVSDB_IDL_LOOP_INITIALIZER(idl);
    sw->late_ms = time_msec() + LATE_MS;
    return sw;
}

void
vswitch_destroy(struct vswitch *sw)
{
    if (sw) {
        ovsdb_idl_loop_destroy(&sw->loop);
        free(sw);
    }
}

bool
vswitch_run(struct vswitch *sw)
{
    unsigned int seqno;

    sw->txn = ovsdb_idl_loop_run(&sw->loop);
    seqno = ovsdb_idl_get_seqno(sw->loop.idl);
    bool late = vswitch_is_late(sw);
    bool changed = seqno != sw->seqno || late != sw->was_late;
    sw->seqno = seqno;
    sw->was_late = late;
    return changed;
}

bool
vswitch_commit_and_wait(struct vswitch *sw)
{
    bool had_open = sw->txn != NULL;
    int retval = ovsdb_idl_loop_commit_and_wait(&sw->loop);

    sw->txn = NULL;
    sw->busy = sw->loop.committing_txn != NULL;
    if (had_open && sw->busy) {
        agent_stats.ovsdb_writes++;
    }
    if (!retval) {
        static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(1, 5);

        agent_stats.write_errors++;
        VLOG_WARN_RL(&rl, "the switch's database refused a transaction");
    }
    if (!vswitch_is_ready(sw) && !sw->was_late) {
        poll_timer_wait_until(sw->late_ms);
    }
    return retval != 0;
}

bool
vswitch_is_ready(const struct vswitch *sw)
{
    return ovsdb_idl_has_ever_connected(sw->loop.idl);
}

bool
vswitch_is_late(const struct vswitch *sw)
{
    return !vswitch_is_ready(sw) && time_msec() >= sw->late_ms;
}

bool
vswitch_is_connected(const struct vswitch *sw)
{
    return ovsdb_idl_is_connected(sw->loop.idl);
}

struct ovsdb_idl_txn *
vswitch_txn(struct vswitch *sw)
{
    return vswitch_is_ready(sw) ? sw->txn : NULL;
}

bool
vswitch_is_busy(const struct vswitch *sw)
{
    return sw->busy;
}

const struct ovsrec_bridge *
vswitch_find_bridge(const struct vswitch *sw, const char *name)
{
    const struct ovsrec_bridge *br;

    OVSREC_BRIDGE_FOR_EACH (br, sw->loop.idl) {
        if (!strcmp(br->name, name)) {
            return br;
        }
    }
    return NULL;
}

const struct ovsrec_interface *
vswitch_find_interface(const struct vswitch *sw, const char *name)
{
    const struct ovsrec_interface *iface;

    OVSREC_INTERFACE_FOR_EACH (iface, sw->loop.idl) {
        if (!strcmp(iface->name, name)) {
            return iface;
        }
    }
    return NULL;
}

const struct ovsrec_port *
vswitch_find_port(const struct ovsrec_bridge *br, const char *name)
{
    for (size_t i = 0; i < br->n_ports; i++) {
        if (!strcmp(br->ports[i]->name, name)) {
            return br->ports[i];
        }
    }
    return NULL;
}
