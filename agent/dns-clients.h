#ifndef SN_DNS_CLIENTS_H
#define SN_DNS_CLIENTS_H 1

/* Who may ask the agent for names, what becomes of his queries for other
 * domains, and how much of each he may have. */

#include <stdbool.h>
#include <stddef.h>
#include "lib/prefix.h"
#include "openvswitch/hmap.h"
#include "openvswitch/token-bucket.h"

struct model;
struct plan;
struct plan_exit;

enum dns_way {
    DNS_WAY_HOST,               /* As the host routes. */
    DNS_WAY_DEVICE,             /* By the exit's device alone. */
    DNS_WAY_DOWN,               /* He has an exit, which cannot carry it. */
    DNS_WAY_NONE,               /* Names of the mesh only. */
};

struct dns_client {
    struct hmap_node node;
    struct sn_prefix address;
    enum dns_way way;
    char *device;               /* DNS_WAY_DEVICE. */
    bool limited;
    bool stale;
    struct token_bucket bucket;
    size_t n_pending;           /* Queries that resolvers have. */
    size_t n_conns;
};

struct dns_clients {
    struct hmap map;            /* struct dns_client. */
};

void dns_clients_init(struct dns_clients *);
void dns_clients_destroy(struct dns_clients *);
struct dns_client *dns_clients_find(const struct dns_clients *,
                                    const struct sn_prefix *address);

/* Whether the exit leads out at the moment. */
typedef bool dns_is_usable(const struct plan_exit *, const void *aux);

/* Makes the clients those of 'model', as seen from the plan's node.  Those
 * that stay keep their counts. */
void dns_clients_update(struct dns_clients *, const struct model *,
                        const struct plan *, dns_is_usable *,
                        const void *aux);

#endif /* agent/dns-clients.h */
