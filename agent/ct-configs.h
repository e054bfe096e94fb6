#ifndef SN_CT_CONFIGS_H
#define SN_CT_CONFIGS_H 1

/* The containers that this host's own tools know, by reading their files.
 *
 * Proxmox comes first: its /etc/pve is a cluster's file system, which tells
 * nobody of changes made on another host, so the files are looked at again
 * from time to time: at once when /etc/pve/.version changes.  A folder that
 * cannot be read any more (pmxcfs has ended) changes nothing: what was read
 * before holds. */

#include <stdbool.h>

struct ct_config;
struct ct_nic;
struct sset;
struct svec;

struct ct_configs;
/* The folders: "/etc/pve" and "/var/lib/lxc".  They need not exist. */
struct ct_configs *ct_configs_create(const char *pve_dir,
                                     const char *lxc_dir);
void ct_configs_destroy(struct ct_configs *);

/* Looks, if it is time to.  Returns true if anything changed. */
bool ct_configs_run(struct ct_configs *);
void ct_configs_wait(const struct ct_configs *);
/* Looks at the next run, whenever that is. */
void ct_configs_set_stale(struct ct_configs *);
/* What could not be read. */
void ct_configs_add_problems(const struct ct_configs *, struct sset *);

const struct ct_config *ct_configs_find(const struct ct_configs *,
                                        const char *id);
/* The container one of whose devices is called 'veth' on the host.  '*ret_nic'
 * is set if there is one. */
const struct ct_config *ct_configs_find_veth(const struct ct_configs *,
                                             const char *veth,
                                             const struct ct_nic **ret_nic);
/* Adds the ids of those with a device whose veth LXC calls as it likes. */
void ct_configs_add_unnamed(const struct ct_configs *, struct svec *ids);
/* Whether this is a Proxmox host: each container has to have a file. */
bool ct_configs_is_pve(const struct ct_configs *);
/* The file that a container of Proxmox would have.  To free. */
char *ct_configs_pve_file(const struct ct_configs *, unsigned int vmid);
/* The host of the cluster on which Proxmox has it, other than by its own
 * list; NULL if none.  To free. */
char *ct_configs_pve_elsewhere(const struct ct_configs *, unsigned int vmid);
/* Whether a virtual machine of this host has that number. */
bool ct_configs_is_vm(const struct ct_configs *, unsigned int vmid);

#endif /* agent/ct-configs.h */
