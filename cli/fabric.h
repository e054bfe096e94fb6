#ifndef SN_FABRIC_H
#define SN_FABRIC_H 1

/* All hosts of a model, compiled, with the mesh between them: where a new
 * connection ends, decided by the flows themselves and without a switch.
 *
 * What lies between two bridges is taken as the agents make it: the host
 * routes to the node that has the address, by the mesh.  Ports and MAC
 * addresses are stand-ins (offline.h), and everything is taken to be up. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "flows/walk.h"
#include "lib/prefix.h"

struct model;
struct model_container;
struct offline;
struct svec;

struct fabric;
/* Gives containers without a MAC address a stand-in in 'model', which must
 * outlive the fabric. */
struct fabric *fabric_create(struct model *);
void fabric_destroy(struct fabric *);
const struct model *fabric_model(const struct fabric *);
/* The node's compiled tables; NULL: no such node. */
const struct offline *fabric_offline(const struct fabric *, const char *node);

enum fabric_end {
    FABRIC_CONTAINER,           /* 'name': whose port it leaves by. */
    FABRIC_HOST,                /* 'name': the node itself. */
    FABRIC_EXIT,                /* 'name': NODE/EXIT. */
    FABRIC_DROPPED,
    FABRIC_REFUSED,             /* By the host, for a service. */
    FABRIC_ASTRAY,              /* 'name': the port or host it leaks by. */
    FABRIC_UNKNOWN,             /* 'name': the action that is not known. */
};

struct fabric_hop {
    const char *node;
    struct flow packet;         /* As it comes to the bridge. */
    struct walk walk;
};

struct fabric_way {
    enum fabric_end end;
    char *name;
    struct fabric_hop hops[2];
    size_t n_hops;
    size_t n_buckets;           /* Of the service's group; 0: none met. */
    /* The flow of a rule that decided, else the last one; NULL: no flow. */
    const struct sn_flow *decided;
};

/* The packet that begins a connection. */
struct fabric_packet {
    const struct model_container *src;  /* NULL: from 'src_node' itself. */
    const char *src_node;
    struct sn_prefix src_address;       /* Hosts, of one family. */
    struct sn_prefix dst_address;
    uint8_t ip_proto;
    uint16_t port;                      /* TCP, UDP, SCTP. */
    size_t bucket;                      /* Which backend of a service. */
};

void fabric_send(const struct fabric *, const struct fabric_packet *,
                 struct fabric_way *);
void fabric_way_uninit(struct fabric_way *);
/* "delivered to vector-db", "leaves by oo1424oo/warp", "dropped": caller
 * frees. */
char *fabric_way_to_string(const struct fabric_way *);

/* The first port after 'port' from which on some flow makes a difference to
 * packets like this one; 65536: none does. */
uint32_t fabric_next_port(const struct fabric *, const struct fabric_way *,
                          uint8_t ip_proto, uint16_t port);

/* One number of each range of ports between which some flow makes a
 * difference: whatever holds for these, holds for every port.  A malloc'd,
 * sorted array. */
size_t fabric_get_ports(const struct fabric *, uint16_t **ret_ports);

#endif /* cli/fabric.h */
