#ifndef SN_RULE_H
#define SN_RULE_H 1

/* Policy rules "iif NAME lookup TABLE" and "oif NAME lookup TABLE" (for the
 * host's own sockets that are bound to NAME), for both families; and "from
 * ADDRESS lookup TABLE" for one.
 *
 * The agent's own carry FRA_PROTOCOL SN_RTPROT; only those are removed. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "lib/prefix.h"

struct nlk;

/* Of outgoing ones the next, by source the one after.  Before main (32766) and
 * whatever wg-quick adds, after local (0). */
#define RULE_PRIORITY 5300

struct rule {
    const char *interface;      /* "": none, 'from' instead. */
    bool outgoing;              /* oif, not iif. */
    uint32_t table;
    struct sn_prefix from;      /* A host; plen 0: any. */
};

/* Makes the agent's rules equal to 'wanted', in IPv4 and IPv6.  0, or the
 * first errno. */
int rule_sync(struct nlk *, const struct rule *wanted, size_t n_wanted);

#endif /* agent/rule.h */
