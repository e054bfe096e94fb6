#ifndef SN_CONTROLLER_STATS_H
#define SN_CONTROLLER_STATS_H 1

/* Counters since the start, over all bridges: what `stats` prints.  They count
 * messages that change something, not those that read. */

#include <stdint.h>

#define CONTROLLER_STATS                                                     \
    STAT(flow_mods_sent)        /* In bundles. */                            \
    STAT(group_mods_sent)       /* In bundles. */                            \
    STAT(meter_mods_sent)       /* Ahead of them. */                         \
    STAT(bundles_sent)                                                       \
    STAT(bundle_errors)         /* Error messages about them. */             \
    STAT(repairs)               /* Changes by others that were undone. */    \
    STAT(connects)              /* OpenFlow connections made. */             \
    STAT(port_changes)          /* Ports added, changed or removed. */       \
    STAT(compiles)              /* Runs of the compiler. */                  \
    STAT(reads)                 /* Complete reads of a switch. */            \
    STAT(database_writes)       /* Status transactions that succeeded. */

struct controller_stats {
#define STAT(NAME) uint64_t NAME;
    CONTROLLER_STATS
#undef STAT
};

extern struct controller_stats controller_stats;

#endif /* controller/stats.h */
