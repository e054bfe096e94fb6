#include <config.h>
#include "agent/agent.h"

#include <stdlib.h>

#include "agent/addr.h"
#include "agent/central.h"
#include "agent/bridge-guard.h"
#include "agent/discover.h"
#include "agent/exit-device.h"
#include "agent/exits.h"
#include "agent/guests.h"
#include "agent/link.h"
#include "agent/mesh.h"
#include "agent/nft.h"
#include "agent/nlk.h"
#include "agent/plugs.h"
#include "agent/relay.h"
#include "agent/route.h"
#include "agent/rule.h"
#include "agent/socks-process.h"
#include "agent/vswitch.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/poll-loop.h"
#include "sset.h"
#include "timeval.h"
#include "util.h"

/* socknet-agent --cleanup: each thing that agents make carries a mark, and
 * what carries the mark goes.  Settings of the bridge and sysctls stay: what
 * they were before is not known, and fail_mode=secure fails closed. */

#define SWITCH_TIMEOUT_MS 5000

/* Returns NULL, or what could not be removed. */
static char *
cleanup_switch(const char *remote)
{
    struct vswitch *sw = vswitch_create(remote);
    long long int deadline = time_msec() + SWITCH_TIMEOUT_MS;
    bool written = false, done = false;

    while (!done && time_msec() < deadline) {
        vswitch_run(sw);
        if (vswitch_txn(sw) && !written) {
            exits_cleanup_ports(sw);
            discover_cleanup_external_ids(sw);
            bridge_guard_cleanup(sw);
            written = true;
        }
        written = vswitch_commit_and_wait(sw) && written;
        done = written && !vswitch_is_busy(sw);
        if (!done) {
            poll_timer_wait_until(deadline);
            poll_block();
        }
    }
    vswitch_destroy(sw);
    return (done ? NULL
            : xasprintf("%s does not answer: exit ports and external_ids of "
                        "the switch stay", remote));
}

static void
put_error(struct ds *ds, const char *what, int error)
{
    if (error) {
        ds_put_format(ds, "%s%s: %s", ds->length ? "; " : "", what,
                      ovs_strerror(error));
    }
}

char *
agent_cleanup(const struct agent_config *config)
{
    struct route_list no_routes = { .n = 0 };
    struct sset problems = SSET_INITIALIZER(&problems);
    struct ds errors = DS_EMPTY_INITIALIZER;
    struct nft *nft = nft_create();
    struct links links;
    struct nlk *nlk;
    int error = nlk_open(&nlk);

    if (error) {
        nft_destroy(nft);
        return xasprintf("netlink: %s", ovs_strerror(error));
    }
    relay_cleanup();
    links_init(&links);
    /* The guard goes last. */
    char *switch_error = cleanup_switch(config->ovsdb);
    if (switch_error) {
        ds_put_cstr(&errors, switch_error);
        free(switch_error);
    }
    put_error(&errors, "routes", route_sync(nlk, &no_routes, &problems));
    put_error(&errors, "rules", rule_sync(nlk, NULL, 0));
    put_error(&errors, "addresses", addr_remove_all(nlk));
    error = links_read(&links, nlk);
    put_error(&errors, "mesh interface",
              error ? error : mesh_cleanup(nlk, &links));
    socks_process_cleanup();
    put_error(&errors, "exits' devices",
              exit_devices_remove(nlk, &links, NULL));
    put_error(&errors, "guests' interface",
              error ? error : guests_cleanup(nlk, &links));
    put_error(&errors, "nftables", nft_cleanup(nft));
    central_cleanup(config->state_dir);
    plugs_cleanup(config->state_dir);

    sset_destroy(&problems);
    links_destroy(&links);
    nlk_close(nlk);
    nft_destroy(nft);
    return errors.length ? ds_steal_cstr(&errors) : NULL;
}
