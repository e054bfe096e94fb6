#ifndef SN_ROUTE_LOOKUP_H
#define SN_ROUTE_LOOKUP_H 1

/* Where the kernel would send a packet: asked, not worked out. */

#include <stdbool.h>
#include <stdint.h>
#include "lib/prefix.h"

struct nlk;

struct route_answer {
    int error;                  /* Why it goes nowhere (EXDEV: its source is
                                 * not believed, rp_filter), or 0. */
    bool local;                 /* To the host itself. */
    int oif;                    /* 0: none. */
    uint32_t table;
    bool has_dst;
    struct sn_prefix dst;       /* Of the route. */
    bool has_source;
    struct sn_prefix source;    /* That the host would use. */
};

/* A packet that comes in by interface 'iif', or with 0 one of the host
 * itself; 'src' may be NULL then.  Positive errno if it cannot be asked. */
void route_lookup(struct nlk *, int iif, const struct sn_prefix *src,
                  const struct sn_prefix *dst, struct route_answer *);

/* The first policy rule that sends such a packet to 'table', or, with 0, that
 * refuses it: "100: from all to 10.1.0.0/24 lookup 100".  NULL if there is
 * none; caller frees. */
char *route_explain_rule(struct nlk *, const char *iif,
                         const struct sn_prefix *src,
                         const struct sn_prefix *dst, uint32_t table);

#endif /* agent/route-lookup.h */
