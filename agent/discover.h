#ifndef SN_DISCOVER_H
#define SN_DISCOVER_H 1

/* Discovery: which port of the bridge is which container.
 *
 * The switch says that a port exists, the model who it should be, the host's
 * own configuration who it is, netlink which interface is on its other end.
 * Where they disagree (agent/identity.h) the port is in quarantine, which the
 * controller takes for "drop", and the reason says why.
 *
 * The MAC address of a container is the one that its plug began with: see
 * agent/plugs.h. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "openvswitch/types.h"

struct ct_configs;
struct discover;
struct links;
struct model;
struct nlk;
struct ovsrec_interface;
struct sset;
struct vswitch;

enum port_state {
    PORT_UP, PORT_DOWN, PORT_MISSING, PORT_QUARANTINE,
    PORT_MACHINE,               /* A virtual machine's: switched plainly. */
};
const char *port_state_to_string(enum port_state);

struct port_report {
    char *name;                 /* Of the interface. */
    char *container;            /* "" if nobody declared it. */
    int64_t ofport;             /* 0: none. */
    struct eth_addr mac;        /* Zero: unknown. */
    enum port_state state;
    char *reason;               /* "" or why. */
    struct model_container *found; /* One to adopt, or NULL. */
    const struct ovsrec_interface *iface; /* Of this iteration, or NULL. */
};

/* 'lxc_dir': see agent/ct-inits.h. */
struct discover *discover_create(const char *state_dir, const char *lxc_dir);
void discover_destroy(struct discover *);

/* The next run reads every MAC address anew, not only those that are due. */
void discover_set_stale(struct discover *);

/* Looks again. */
void discover_run(struct discover *, struct nlk *, const struct links *,
                  const struct vswitch *, const struct ct_configs *,
                  const struct model *, const char *node,
                  struct sset *problems);

/* Whether it should look again though nothing happened.  True only once. */
bool discover_is_due(struct discover *);
void discover_wait(const struct discover *);

/* Whether it has looked since it was created: until then, that it knows of no
 * port means nothing. */
bool discover_is_ready(const struct discover *);

/* Sorted by name. */
const struct port_report *discover_get_ports(const struct discover *,
                                             size_t *n);
/* Virtual machines' ports whose name might be a container's. */
const struct sset *discover_get_machines(const struct discover *);
/* The veths that carry, or are to carry, containers' traffic. */
const struct sset *discover_get_veths(const struct discover *);
/* The Linux bridges of Proxmox's firewall before containers: what is sent to
 * such a bridge's own address reaches the host around all flows. */
const struct sset *discover_get_firewalls(const struct discover *);

/* Writes what people like to see on the Interface rows, into the switch's
 * open transaction.  Returns true if there was nothing to write. */
bool discover_sync_external_ids(const struct discover *, struct vswitch *);
/* Removes it again. */
void discover_cleanup_external_ids(struct vswitch *);

#endif /* agent/discover.h */
