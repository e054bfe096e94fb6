#include <config.h>
#include "agent/stats.h"

#include <inttypes.h>

#include "openvswitch/dynamic-string.h"

struct agent_stats agent_stats;

void
agent_stats_format(struct ds *ds)
{
#define STAT(NAME) ds_put_format(ds, #NAME ": %"PRIu64"\n", agent_stats.NAME)
    STAT(netlink_writes);
    STAT(wg_writes);
    STAT(nft_writes);
    STAT(ovsdb_writes);
    STAT(status_writes);
    STAT(write_errors);
    STAT(events);
    STAT(resyncs);
    STAT(passes);
#undef STAT
}
