#ifndef SN_SERVICE_H
#define SN_SERVICE_H 1

/* Services: virtual addresses, and the containers behind them.
 *
 * A backend is a container and a port.  A service names its backends by
 * selectors, each with a port of its own or that of the service.  A weight is
 * given to a container or to a selector; the container's counts.  Weight 0
 * drains: no new connections, and those that there are go on. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "lib/prefix.h"

struct model;
struct model_container;
struct model_service;
struct sset;

#define SERVICE_MAX_WEIGHT 100

struct service_backend {
    const struct model_container *container;
    uint16_t port;
    unsigned int weight;
    bool down;                  /* It does not answer its agent's probes. */
    bool silent;                /* Nobody tells: the last choice. */
};

/* The backends by name and port, each once: a malloc'd array. */
size_t service_get_backends(const struct model *,
                            const struct model_service *,
                            struct service_backend **ret_backends);
/* Whether 'container' is a backend of 'service' (may be NULL) at 'port', or at
 * any port if that is 0. */
bool service_has_backend(const struct model *, const struct model_service *,
                         uint16_t port, const struct model_container *);
/* The ports of its backends, sorted: a malloc'd array.  Follows from the
 * service alone, whoever its backends are. */
size_t service_get_ports(const struct model_service *, uint16_t **ret_ports);
/* Whether who its backends are depends on more than 'container's name. */
bool service_may_have_backend(const struct model_service *,
                              const char *container);
/* Its virtual address of a family, or NULL. */
const struct sn_prefix *service_get_vip(const struct model_service *,
                                        bool is_v4);
/* The container's address of a family as a host; false if it has none. */
bool service_backend_address(const struct model_container *, bool is_v4,
                             struct sn_prefix *ret_address);
/* The source that a backend sees of a connection to itself: the first address
 * of the services' prefix. */
struct sn_prefix service_hairpin(const struct model *, bool is_v4);

/* Adds the services that containers declare on nodes with service_discovery,
 * in 'nodes', and that the model does not have, each with an address out of
 * the services' prefix that follows from its name. */
void service_discover(struct model *, const struct sset *nodes);

/* In model_service.unheard: 'node' does not hear of 'container'.  The caller
 * frees it. */
char *service_unheard_key(const char *node, const char *container);

/* A backend as 'node' sees it. */
struct service_target {
    const struct model_container *container;
    struct sn_prefix address;   /* A host. */
    uint16_t port;
    unsigned int weight;
    bool local;
    bool usable;                /* For new connections... */
    bool silent;                /* ...if there are none but such. */
    uint32_t id;                /* For the caller; 0. */
};

/* Those with an address of the family: a malloc'd array. */
size_t service_get_targets(const struct model *, const struct model_service *,
                           const char *node, bool is_v4,
                           struct service_target **ret_targets);
/* Takes those away that new connections of the node do not go to. */
size_t service_choose_targets(const struct model_service *,
                              struct service_target *, size_t n);

#endif /* state/service.h */
