#ifndef SN_IDENTITY_H
#define SN_IDENTITY_H 1

/* Whether those who know a container agree on who it is.
 *
 * The state says which port it has, its number, MAC and addresses; the host's
 * own configuration (agent/ct-configs.h) says the same; the port's name has
 * the number, and netlink tells what is on the other end. */

#include "openvswitch/types.h"

struct ct_config;
struct ct_configs;
struct ct_nic;
struct link;
struct links;
struct model;
struct model_container;

struct identity {
    const struct model_container *container;
    const struct ct_config *config;     /* NULL: none has this port. */
    const struct ct_nic *nic;           /* Of 'config'. */
    const struct link *veth;            /* NULL: there is none. */
    struct eth_addr seen;               /* At the other end; zero: unknown. */
};

/* NULL, or what contradicts what, to free. */
char *identity_check(const struct identity *, const struct ct_configs *,
                     const struct links *);

/* The container that 'config' describes, for adoption: its first device on the
 * bridge, if that is 'nic', and nobody declares it.  Else NULL.  To free. */
struct model_container *identity_create_candidate(
    const struct ct_config *, const struct ct_nic *, const char *veth,
    const char *node, struct eth_addr seen, const struct model *);

/* The container that was adopted with that veth, as the model has it: for when
 * the host's configuration cannot be read.  NULL if none was.  To free. */
struct model_container *identity_clone_adopted(const struct model *,
                                               const char *node,
                                               const char *veth);

/* Where a container is that has no port here, to free; NULL: nobody says. */
char *identity_explain_absence(const struct model_container *,
                               const struct ct_configs *);

/* Why 'port' is nobody's, to free. */
char *identity_explain_stranger(const char *port, const struct ct_config *,
                                const struct ct_nic *,
                                const struct model *);

#endif /* agent/identity.h */
