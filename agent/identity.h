#ifndef SN_IDENTITY_H
#define SN_IDENTITY_H 1

/* Whether those who know a container agree on who it is.
 *
 * The state says which port it has, its number, MAC and addresses; the host's
 * own configuration (agent/ct-configs.h) says the same; the port's name has
 * the number, and netlink tells what is on the other end. */

#include "agent/ct-inits.h"
#include "openvswitch/types.h"

struct ct_configs;
struct ct_owner;
struct links;
struct model;
struct model_container;

struct identity {
    const struct model_container *container;
    const struct ct_owner *owner;       /* Of the port. */
    struct eth_addr seen;               /* At the other end; zero: unknown. */
    enum ct_end end;                    /* Whether that is in 'container'. */
};

/* NULL, or what contradicts what, to free. */
char *identity_check(const struct identity *, const struct ct_configs *,
                     const struct links *);

/* Whether the owner's device is the one of a container to which LXC gives any
 * veth: that of the declared MAC address, or else its first on the bridge. */
bool identity_is_nic(const struct model_container *, const struct ct_owner *);

/* The owner, for adoption: if its first device on the bridge is this one, and
 * nobody declares it.  Else NULL.  To free. */
struct model_container *identity_create_candidate(
    const struct ct_owner *, const char *node, struct eth_addr seen,
    const struct model *);

/* The container that was adopted with that veth, as the model has it: for when
 * the host's configuration cannot be read.  NULL if none was.  To free. */
struct model_container *identity_clone_adopted(const struct model *,
                                               const char *node,
                                               const char *veth);

/* Where a container is that has no port here, to free; NULL: nobody says,
 * unless LXC gives it any veth. */
char *identity_explain_absence(const struct model_container *,
                               const struct ct_configs *);

/* Why a port is nobody's, to free. */
char *identity_explain_stranger(const struct ct_owner *,
                                const struct model *);

#endif /* agent/identity.h */
