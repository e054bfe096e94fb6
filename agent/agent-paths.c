#include <config.h>
#include "agent/agent-private.h"

#include "agent/central.h"
#include "agent/host.h"
#include "agent/mesh.h"
#include "agent/paths.h"
#include "agent/plan.h"
#include "agent/relay.h"
#include "agent/rendezvous.h"
#include "openvswitch/shash.h"
#include "timeval.h"

/* Ways to the peers: what the agent feeds paths.h and relay.h with. */

/* Another address or way out of this host is a reason to look for better
 * paths. */
void
agent_sync_paths(struct agent *a)
{
    struct sset addresses = SSET_INITIALIZER(&addresses);

    host_list_addresses(a->nlk, &a->links, a->plan, &addresses);
    if (!sset_equals(&addresses, &a->addresses)) {
        sset_swap(&addresses, &a->addresses);
        paths_network_changed(a->paths);
    }
    sset_destroy(&addresses);
    paths_set_plan(a->paths, a->plan, mesh_private_key(a->mesh),
                   mesh_public_key(a->mesh));
    paths_observe(a->paths, mesh_device(a->mesh));
}

/* Not before the database has told who asks for what: what the relay does
 * goes on. */
void
agent_sync_relay(struct agent *a, struct sset *problems)
{
    const struct rendezvous *r = paths_get_rendezvous(a->paths);
    const struct relay_keys keys = {
        .now = central_keys(a->central),
        .next = central_next_keys(a->central),
    };
    struct shash clients = SHASH_INITIALIZER(&clients);

    if (!shash_is_empty(&r->nodes)) {
        paths_get_clients(a->paths, &clients);
        relay_sync(a->relay, a->plan, r, &keys, &clients, problems);
        shash_destroy_free_data(&clients);
    }
    a->stale_relay = false;
}

/* Reports of the other nodes come in all the time: not a pass for each. */
void
agent_run_paths(struct agent *a)
{
    if (central_take_news(a->central)) {
        struct rendezvous r;

        rendezvous_init(&r);
        rendezvous_read(&r, central_idl(a->central));
        paths_set_rendezvous(a->paths, &r);
        rendezvous_destroy(&r);
        a->stale_relay = true;
    }
    if (relay_run(a->relay)) {
        paths_set_relay_status(a->paths, relay_get_status(a->relay));
        a->report = a->stale_relay = true;
    }
    if (paths_run(a->paths)) {
        a->next_poll_ms = 0;
        a->stale_relay = true;
    }
    if (a->plan && a->stale_relay) {
        struct sset ignored = SSET_INITIALIZER(&ignored);

        agent_sync_relay(a, &ignored);
        sset_destroy(&ignored);
    }
}
