#ifndef SN_PROBES_H
#define SN_PROBES_H 1

/* Packets that stand for all that one may send to another. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "cli/fabric.h"

struct model;
struct model_selector;
struct model_service;

/* An end of a connection: addresses of one name. */
struct probe_end {
    char *name;                 /* "xray", "node:oo1424oo", "internet". */
    const struct model_container *container;
    const char *node;           /* A host itself. */
    const struct model_service *service;
    struct sn_prefix *addresses; /* As hosts. */
    size_t n_addresses;
};

struct probe_ends {
    struct probe_end *items;
    size_t n, allocated;
};

/* All that the selector names. */
void probe_ends_find(const struct model *, const struct model_selector *,
                     struct probe_ends *);
void probe_ends_destroy(struct probe_ends *);

struct probe {
    struct fabric_packet packet;
    char *src;                  /* "xray", "node:oo1424oo". */
    char *dst;
    const struct model_container *dst_container;    /* Or NULL. */
    bool to_service;
};

struct probes {
    struct probe *items;
    size_t n, allocated;
};

/* Of every source to every destination that the selectors name, in each
 * address family that both have.  'ip_proto' 0: ICMP, TCP and UDP.  Of
 * 'ports' (fabric_get_ports()) those that 'dst' has, or all if it has none.
 * An end that cannot be had (a client, the internet as a source) gives
 * none. */
struct probe_ports {
    uint16_t *ports;            /* Sorted. */
    size_t n;
};
void probes_make(const struct fabric *, const struct model_selector *src,
                 const struct model_selector *dst, uint8_t ip_proto,
                 const struct probe_ports *, struct probes *);
void probes_destroy(struct probes *);
/* "xray -> mcp-server tcp/80": caller frees. */
char *probe_to_string(const struct probe *);

/* Whether the packet got to whom it was for. */
bool probe_has_arrived(const struct probe *, const struct fabric_way *);
/* Whether it got nowhere. */
bool probe_is_stopped(const struct fabric_way *);

#endif /* cli/probes.h */
