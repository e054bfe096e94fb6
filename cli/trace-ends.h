#ifndef SN_TRACE_ENDS_H
#define SN_TRACE_ENDS_H 1

/* The two ends of a packet that is to be traced, out of what people write. */

#include <stdbool.h>
#include <stdint.h>
#include "lib/prefix.h"

struct model;
struct model_client;
struct model_container;
struct model_node;
struct model_service;

struct trace_end {
    char *name;
    const struct model_container *container;    /* One of these, or none... */
    const struct model_node *node;
    const struct model_client *client;
    const struct model_service *service;
    struct sn_prefix *addresses;                /* ...but an address. */
    size_t n_addresses;
};

/* Return NULL, or an error that the caller frees. */
char *trace_end_from(const struct model *, const char *text,
                     struct trace_end *);
char *trace_end_to(const struct model *, const char *text,
                   struct trace_end *);
void trace_end_destroy(struct trace_end *);
/* The host where it is; NULL: outside, or wherever. */
const char *trace_end_host(const struct trace_end *);

/* One address of each, of the same family: IPv4 unless 'ipv6', or unless they
 * have only the other in common. */
bool trace_ends_pair(const struct trace_end *src, const struct trace_end *dst,
                     bool ipv6, struct sn_prefix *ret_src,
                     struct sn_prefix *ret_dst);

#endif /* cli/trace-ends.h */
