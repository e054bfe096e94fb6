#include <config.h>
#include "agent/reopen.h"

#include <stdlib.h>
#include <string.h>

#include "agent/bridge.h"
#include "agent/link.h"
#include "agent/plan.h"
#include "agent/vswitch.h"
#include "openvswitch/shash.h"
#include "openvswitch/vlog.h"
#include "util.h"
#include "uuid.h"
#include "vswitch-idl.h"

VLOG_DEFINE_THIS_MODULE(reopen);

#define NO_SUCH_TYPE "socknet-reopen"

/* A veth that is a port. */
struct opened {
    struct uuid row;            /* Of the Interface. */
    int ifindex;                /* That the switch opened. */
    bool seen;                  /* In this run. */
};

struct reopen {
    struct shash by_name;       /* struct opened. */
};

struct reopen *
reopen_create(void)
{
    struct reopen *r = xzalloc(sizeof *r);

    shash_init(&r->by_name);
    return r;
}

void
reopen_destroy(struct reopen *r)
{
    if (r) {
        shash_destroy_free_data(&r->by_name);
        free(r);
    }
}

/* Returns true if the switch listens to this very interface. */
static bool
is_current(struct reopen *r, const struct ovsrec_interface *iface,
           const struct link *link)
{
    struct opened *o = shash_find_data(&r->by_name, iface->name);

    if (!o) {
        o = xzalloc(sizeof *o);
        shash_add(&r->by_name, iface->name, o);
    }
    o->seen = true;
    if (!uuid_equals(&o->row, &iface->header_.uuid)) {
        o->row = iface->header_.uuid;
        o->ifindex = link ? link->ifindex : 0;
    } else if (link && !o->ifindex) {
        o->ifindex = link->ifindex;
    }
    if (!link || link->ifindex == o->ifindex) {
        return true;
    }
    o->ifindex = link->ifindex;
    return false;
}

static bool
reopen_interface(struct reopen *r, const struct ovsrec_interface *iface,
                 const struct links *links)
{
    const struct link *link = links_find(links, iface->name);

    if (!strcmp(iface->type, NO_SUCH_TYPE)) {
        is_current(r, iface, link);
        if (iface->error || (iface->n_ofport && iface->ofport[0] < 0)) {
            ovsrec_interface_set_type(iface, "");
        }
        return false;           /* Else it has not let go yet. */
    } else if (iface->type[0] || (link && strcmp(link->kind, "veth"))
               || is_current(r, iface, link)) {
        return true;
    }
    VLOG_INFO("%s was made anew; the switch opens it again", iface->name);
    ovsrec_interface_set_type(iface, NO_SUCH_TYPE);
    return false;
}

static void
forget_unplugged(struct reopen *r)
{
    struct shash_node *node;

    SHASH_FOR_EACH_SAFE (node, &r->by_name) {
        struct opened *o = node->data;

        if (!o->seen) {
            free(o);
            shash_delete(&r->by_name, node);
        } else {
            o->seen = false;
        }
    }
}

bool
reopen_run(struct reopen *r, struct vswitch *sw, const struct links *links)
{
    const char *datapath = bridge_datapath_type(sw);
    const struct ovsrec_bridge *br = vswitch_find_bridge(sw, SN_BRIDGE);
    bool same = true;

    if (!datapath || strcmp(datapath, "netdev") || !br || !vswitch_txn(sw)) {
        return true;
    }
    for (size_t i = 0; i < br->n_ports; i++) {
        for (size_t j = 0; j < br->ports[i]->n_interfaces; j++) {
            same &= reopen_interface(r, br->ports[i]->interfaces[j], links);
        }
    }
    forget_unplugged(r);
    return same;
}
