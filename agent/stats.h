#ifndef SN_AGENT_STATS_H
#define SN_AGENT_STATS_H 1

/* What the agent did, for `ovs-appctl -t socknet-agent stats`.
 *
 * A counter counts messages that change something outside of this process;
 * reads, dumps and passes that find nothing to do leave all but 'passes',
 * 'resyncs' and 'status_writes' alone. */

#include <stdint.h>

struct ds;

struct agent_stats {
    uint64_t netlink_writes;    /* Links, addresses, routes, rules, sysctls. */
    uint64_t wg_writes;         /* WireGuard, either back end. */
    uint64_t nft_writes;        /* nftables transactions. */
    uint64_t ovsdb_writes;      /* Transactions on the switch's database. */
    uint64_t status_writes;     /* Transactions on the central database. */
    uint64_t write_errors;      /* Any of the above that failed. */
    uint64_t events;            /* Relevant messages seen on netlink. */
    uint64_t resyncs;           /* Events lost (ENOBUFS), or `resync`. */
    uint64_t passes;            /* Comparisons of all that is wanted. */
};

extern struct agent_stats agent_stats;

void agent_stats_format(struct ds *);

#endif /* agent/stats.h */
