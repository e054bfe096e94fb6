#ifndef SN_CT_COUNT_H
#define SN_CT_COUNT_H 1

/* Connections to virtual addresses that this host's bridge translates, by
 * service and backend: ovs-vswitchd is asked now and then for the connections
 * in the zone of services, without ever waiting for it.
 *
 * What is stuck is taken out: a client that goes on sending from the same port
 * (UDP), or tries again to connect (TCP), would for ever get the backend that
 * it got first, also after that is down or no backend any more. */

#include <stdbool.h>
#include <stdint.h>

struct ct_count;
struct model;

struct ct_count *ct_count_create(void);
void ct_count_destroy(struct ct_count *);

/* 'model' may be NULL: nothing to count. */
void ct_count_set_model(struct ct_count *, const struct model *);
/* True if the numbers changed. */
bool ct_count_run(struct ct_count *);
void ct_count_wait(const struct ct_count *);

int64_t ct_count_get(const struct ct_count *, const char *service,
                     const char *container);

/* A line of `ovs-appctl dpctl/dump-conntrack`. */
struct ct_entry {
    char proto[8];              /* "tcp", "udp". */
    char src[48], vip[48];      /* The client's, and what it asked for. */
    char backend[48];           /* What it got. */
    uint16_t sport, dport;      /* Of the client, of the service. */
    uint16_t backend_port;
    char state[24];             /* Of TCP, or "". */
};
bool ct_entry_parse(const char *line, struct ct_entry *);
/* Whether TCP has closed it. */
bool ct_entry_is_over(const struct ct_entry *);

#endif /* agent/ct-count.h */
