#ifndef SN_CT_CONFIG_H
#define SN_CT_CONFIG_H 1

/* What the host's own configuration says of a container.
 *
 * pve_conf_parse() reads Proxmox's /etc/pve/lxc/<vmid>.conf, lxc_conf_parse()
 * plain LXC's /var/lib/lxc/<name>/config.  Both take what socknet compares,
 * and skip what they do not understand: the files are not ours to judge. */

#include <stdbool.h>
#include <stddef.h>
#include "lib/prefix.h"
#include "openvswitch/types.h"

struct ct_nic {
    unsigned int index;         /* 0 in "net0" and "lxc.net.0". */
    bool is_veth;               /* Else a macvlan, a device of the host, … */
    char *veth;                 /* On the host; NULL: any name. */
    char *name;                 /* In the container; NULL: not said. */
    char *bridge;               /* NULL: not said. */
    bool has_mac;
    struct eth_addr mac;
    bool link_down;             /* Proxmox does not plug it. */
    struct sn_prefix addresses[2]; /* Static ones, one per family. */
    size_t n_addresses;
};

struct ct_config {
    char *id;                   /* VMID, or LXC's name. */
    char *name;                 /* Host name; 'id' if none is said. */
    char *file;                 /* For messages. */
    struct ct_nic *nics;        /* Sorted by index. */
    size_t n_nics;
};

struct ct_config *ct_config_create(const char *id, const char *file);
void ct_config_destroy(struct ct_config *);
void ct_config_clear_nics(struct ct_config *);

/* NULL if there is none. */
const struct ct_nic *ct_config_find_nic(const struct ct_config *,
                                        const char *veth);
/* Whether LXC calls its veth as it likes. */
bool ct_nic_is_unnamed(const struct ct_nic *);
/* Of those whose veth LXC calls as it likes, the one that has 'mac' (zero: not
 * known) inside, or 'name', or else the only one on 'bridge'.  Which of its
 * own devices it is may depend on what root in the container says; which
 * container it is may not.  NULL if there is none, or no telling. */
const struct ct_nic *ct_config_choose_nic(const struct ct_config *,
                                          const char *bridge,
                                          struct eth_addr mac,
                                          const char *name);
/* The one with that index, made if need be. */
struct ct_nic *ct_config_get_nic(struct ct_config *, unsigned int index);
/* An address, as the files write it; other words ("dhcp") are skipped. */
void ct_nic_add_address(struct ct_nic *, const char *text, bool is_v4);
bool ct_nic_set_mac(struct ct_nic *, const char *text);

/* Only the part before the first "[section]": what follows are snapshots and
 * changes that wait for the next start. */
void pve_conf_parse(const char *text, struct ct_config *);

/* Called for lxc.include; adds what that file says. */
typedef void lxc_include_cb(const char *path, struct ct_config *, void *aux);
void lxc_conf_parse(const char *text, struct ct_config *,
                    lxc_include_cb *, void *aux);

#endif /* agent/ct-config.h */
