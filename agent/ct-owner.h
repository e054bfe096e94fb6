#ifndef SN_CT_OWNER_H
#define SN_CT_OWNER_H 1

/* Whose a port of the bridge is, by the word of the host's own configuration.
 *
 * The file that has the port's name, or else, where LXC gave the veth any
 * name, that of the container in whose network namespace the other end is
 * (agent/ct-inits.h). */

#include <stdbool.h>
#include "simap.h"

struct ct_configs;
struct ct_inits;
struct links;
struct nlk;

/* For one look at all ports. */
struct ct_owners {
    struct nlk *nlk;
    const struct links *links;
    const struct ct_configs *configs;
    struct ct_inits *inits;
    struct simap unnamed;       /* Containers' ids: network namespace. */
    bool ready;                 /* Whether 'unnamed' has been read. */
};

struct ct_owner {
    char *veth;                 /* The port, or the veth behind a firewall. */
    const struct link *link;    /* 'veth'; NULL: there is none. */
    const struct ct_config *config; /* NULL: no file has it. */
    const struct ct_nic *nic;   /* Of 'config'; NULL: no telling which. */
};

void ct_owners_init(struct ct_owners *, struct nlk *, const struct links *,
                    const struct ct_configs *, struct ct_inits *);
void ct_owners_destroy(struct ct_owners *);

void ct_owner_find(struct ct_owners *, const char *port, struct ct_owner *);
void ct_owner_destroy(struct ct_owner *);

#endif /* agent/ct-owner.h */
