#include <config.h>
#include "agent/agent.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "agent/addr.h"
#include "agent/agent-private.h"
#include "agent/backend-watch.h"
#include "agent/bridge.h"
#include "agent/bridge-guard.h"
#include "agent/central.h"
#include "agent/ct-configs.h"
#include "agent/ct-count.h"
#include "agent/discover.h"
#include "agent/exit-sources.h"
#include "agent/guest-pools.h"
#include "agent/exit-tunnels.h"
#include "agent/exit-watch.h"
#include "agent/exits.h"
#include "agent/guests.h"
#include "agent/host.h"
#include "agent/mesh.h"
#include "agent/names.h"
#include "agent/nft.h"
#include "agent/nlk.h"
#include "agent/node-watch.h"
#include "agent/paths.h"
#include "agent/plan.h"
#include "agent/queues.h"
#include "agent/relay.h"
#include "agent/reopen.h"
#include "agent/requests.h"
#include "agent/resolve.h"
#include "agent/route.h"
#include "agent/socks-process.h"
#include "agent/socks.h"
#include "agent/stats.h"
#include "agent/sysctl.h"
#include "agent/vswitch.h"
#include "agent/wg-process.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "state/model.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(agent);

/* Events that come in a burst share a pass. */
#define PASS_INTERVAL_MS 30
/* Handshakes, and peers that somebody else changed. */
#define POLL_INTERVAL_MS 5000
/* The same while there are NATs. */
#define POLL_PATHS_INTERVAL_MS 1000
/* The same while a peer's key is about to be another. */
#define POLL_HANDOVER_INTERVAL_MS 300
/* After a transaction that the switch's database refused. */
#define RETRY_INTERVAL_MS 1000
/* Whatever no event told. */
#define FULL_INTERVAL_MS 30000

char *
agent_create(const struct agent_config *config, struct agent **ret_agent)
{
    struct agent *a = xzalloc(sizeof *a);
    int error = nlk_open(&a->nlk);

    if (error) {
        free(a);
        return xasprintf("netlink: %s", ovs_strerror(error));
    }
    a->node = xstrdup(config->node);
    a->nft = nft_create();
    a->paths = paths_create();
    a->relay = relay_create();
    a->mesh = mesh_create(config->state_dir, a->paths);
    a->guests = guests_create(config->state_dir);
    rotation_init(&a->rotation);
    handover_init(&a->handover);
    psks_init(&a->psks);
    a->configs = ct_configs_create(config->pve_dir, config->lxc_dir);
    a->discover = discover_create(config->state_dir, config->lxc_dir);
    a->reopen = reopen_create();
    a->names = names_create();
    a->exits = exit_watch_create();
    ovs_list_init(&a->tests);
    a->requests = requests_create();
    a->tunnels = exit_tunnels_create();
    a->sources = exit_sources_create();
    a->pools = guest_pools_create();
    a->nodes = node_watch_create();
    a->backends = backend_watch_create();
    a->connections = ct_count_create();
    a->socks = socks_process_create();
    a->sw = vswitch_create(config->ovsdb);
    a->central = config->db ? central_create(config->db, a->node,
                                             config->state_dir) : NULL;
    links_init(&a->links);
    sset_init(&a->addresses);
    sset_init(&a->plan_problems);
    sset_init(&a->problems);
    *ret_agent = a;
    return NULL;
}

/* Leaves the host as it is. */
void
agent_destroy(struct agent *a)
{
    if (a) {
        plan_destroy(a->plan);
        links_destroy(&a->links);
        sset_destroy(&a->plan_problems);
        sset_destroy(&a->problems);
        central_destroy(a->central);
        vswitch_destroy(a->sw);
        names_destroy(a->names);
        agent_end_tests(a);
        requests_destroy(a->requests);
        exit_watch_destroy(a->exits);
        exit_tunnels_destroy(a->tunnels);
        exit_sources_destroy(a->sources);
        guest_pools_destroy(a->pools);
        node_watch_destroy(a->nodes);
        backend_watch_destroy(a->backends);
        ct_count_destroy(a->connections);
        reopen_destroy(a->reopen);
        socks_process_destroy(a->socks);
        discover_destroy(a->discover);
        ct_configs_destroy(a->configs);
        guests_destroy(a->guests);
        psks_destroy(&a->psks);
        handover_destroy(&a->handover);
        mesh_destroy(a->mesh);
        paths_destroy(a->paths);
        relay_destroy(a->relay);
        sset_destroy(&a->addresses);
        nft_destroy(a->nft);
        nlk_close(a->nlk);
        free(a->node);
        free(a);
    }
}

/* Logs a problem when it appears and when it is gone, not every time. */
static void
agent_set_problems(struct agent *a, struct sset *problems)
{
    const char *text;

    SSET_FOR_EACH (text, problems) {
        if (!sset_contains(&a->problems, text)) {
            VLOG_WARN("%s", text);
        }
    }
    SSET_FOR_EACH (text, &a->problems) {
        if (!sset_contains(problems, text)) {
            VLOG_INFO("solved: %s", text);
        }
    }
    sset_swap(problems, &a->problems);
}

/* A node that the state file no longer has keeps what it has: it may be an
 * error, and the way to repair it may lead through the mesh. */
static void
agent_update_plan(struct agent *a)
{
    const struct model *model = central_model(a->central);
    struct plan *plan;

    if (!model || !a->stale_plan) {
        return;
    }
    a->stale_plan = false;
    sset_clear(&a->plan_problems);
    plan = plan_create(model, a->node, central_keys(a->central),
                       &a->plan_problems);
    if (!plan) {
        if (!shash_is_empty(&model->nodes)) {
            sset_add_and_free(&a->plan_problems, xasprintf(
                "the state file has no node \"%s\"; this host stays as it is",
                a->node));
        }
        return;
    }
    plan_set_next_keys(plan, central_next_keys(a->central));
    handover_apply(&a->handover, plan, central_next_keys(a->central),
                   time_msec());
    plan_destroy(a->plan);
    a->plan = plan;
    a->plan_generation = central_generation(a->central);
    names_set_model(a->names, model, a->node, a->plan_generation);
    backend_watch_set_model(a->backends, model, a->node);
    node_watch_set_model(a->nodes, model, a->node, plan->interface,
                         central_was_unreachable, a->central);
    ct_count_set_model(a->connections, model);
}

static int
agent_poll_interval(const struct agent *a)
{
    return (handover_is_under_way(&a->handover) ? POLL_HANDOVER_INTERVAL_MS
            : paths_need_polling(a->paths) ? POLL_PATHS_INTERVAL_MS
            : POLL_INTERVAL_MS);
}

static bool
pass_routes(struct agent *a, bool guarded, struct sset *problems)
{
    struct route_list routes = { .n = 0 };
    bool ok = host_add_routes(&a->links, a->plan, &routes, problems);

    ok &= exits_sync_kernel(a->nlk, &a->links, a->plan, &routes, problems);
    guests_add_routes(a->nlk, &a->links, a->plan, &routes);
    socks_add_routes(a->plan, a->exits, &a->links, &routes);
    ok &= !route_sync(a->nlk, &routes, problems);
    if (guarded) {
        ok &= exits_open_ports(a->nlk, &a->links, a->plan, problems);
    }
    route_list_destroy(&routes);
    return ok;
}

/* What must not get into the host's own stack: with the userspace datapath
 * that is all that containers send. */
static bool
pass_ingress(struct agent *a, bool netdev, struct sset *problems)
{
    struct sset guarded = SSET_INITIALIZER(&guarded);
    const char *name;

    SSET_FOR_EACH (name, discover_get_firewalls(a->discover)) {
        sset_add(&guarded, name);
    }
    if (netdev) {
        SSET_FOR_EACH (name, discover_get_veths(a->discover)) {
            sset_add(&guarded, name);
        }
    }

    /* For the moments in which somebody has flushed those. */
    SSET_FOR_EACH (name, &guarded) {
        sysctl_set(problems, 0, "ipv4/conf/%s/forwarding", name);
        sysctl_set(problems, 8, "ipv4/conf/%s/arp_ignore", name);
        if (sysctl_get(1, "ipv6/conf/%s/disable_ipv6", name) != 1) {
            sysctl_set(problems, 1, "ipv6/conf/%s/disable_ipv6", name);
        }
    }

    bool ok = nft_sync_ingress(a->nft, (netdev || !sset_is_empty(&guarded)
                                        ? &guarded : NULL), netdev,
                               problems);
    sset_destroy(&guarded);
    return ok;
}

static bool
pass_discover(struct agent *a, struct sset *problems)
{
    const char *datapath = bridge_datapath_type(a->sw);
    const struct model *model = central_model(a->central);
    bool netdev = datapath && !strcmp(datapath, "netdev");

    if (!vswitch_is_ready(a->sw) || !datapath) {
        return false;           /* Nothing known: nothing changed. */
    }
    ct_configs_add_problems(a->configs, problems);
    discover_run(a->discover, a->nlk, &a->links, a->sw, a->configs, model,
                 a->node, problems);
    bool ok = pass_ingress(a, netdev, problems);
    ok &= discover_sync_external_ids(a->discover, a->sw);
    return ok;
}

static bool
pass_mesh(struct agent *a, struct sset *problems)
{
    rotation_run(&a->rotation, a->mesh, a->plan, &a->psks, a->central,
                 problems);
    psks_run(&a->psks, a->plan, mesh_keyring(a->mesh), mesh_device(a->mesh),
             a->central);
    return mesh_run(a->mesh, a->nlk, &a->links, a->plan, problems);
}

static bool
pass_tunnels(struct agent *a, struct sset *problems)
{
    return exit_tunnels_run(a->tunnels, a->nlk, &a->links, a->plan,
                            mesh_private_key(a->mesh), problems);
}

/* A node that the state does not have keeps what it has. */
static bool
pass_bridge_guard(struct agent *a)
{
    const struct model_node *node = model_get_node(central_model(a->central),
                                                   a->node);

    struct sset plain;
    const char *name;

    if (!node) {
        return true;
    }
    sset_clone(&plain, &node->uplinks);
    SSET_FOR_EACH (name, discover_get_machines(a->discover)) {
        sset_add(&plain, name);
    }
    bool same = bridge_guard_sync(a->sw, &plain);
    sset_destroy(&plain);
    return same;
}

/* What is not wanted any more carries nothing when its guards go. */
static void
pass_close(struct agent *a, struct sset *problems)
{
    exits_close_ports(a->nlk, &a->links, a->plan);
    exit_tunnels_close(a->nlk, &a->links, a->plan);
    guests_close(a->nlk, &a->links, a->plan);
    if (!a->plan->socks) {
        socks_process_sync(a->socks, NULL, problems);
    }
}

/* The guards come first: nothing may be forwarded, and no exit be opened,
 * before they stand. */
static bool
pass_all(struct agent *a, struct sset *problems)
{
    pass_close(a, problems);
    bool ok = exit_tunnels_load(a->tunnels, a->plan, problems);
    exit_sources_run(a->sources, a->nft, a->nlk, &a->links, a->tunnels,
                     a->plan);
    guest_pools_run(a->pools, a->nft, a->plan);
    bool guarded = nft_sync(a->nft, a->plan, &a->links, problems);
    ok &= pass_discover(a, problems) && guarded;

    ok &= bridge_run(a->sw, &a->bridge_watch, problems);
    ok &= pass_bridge_guard(a);
    ok &= reopen_run(a->reopen, a->sw, &a->links);
    if (guarded) {
        ok &= exits_sync_ports(a->sw, a->plan, problems);
        ok &= host_sync_sysctls(a->nlk, &a->links, a->plan, problems);
    }
    bool meshed = pass_mesh(a, problems);
    ok &= meshed;
    ok &= guests_run(a->guests, a->nlk, &a->links, a->plan, problems);
    agent_sync_paths(a);
    agent_sync_relay(a, problems);
    if (guarded) {
        ok &= pass_tunnels(a, problems);
    }
    ok &= host_sync_bridge(a->nlk, &a->links, a->plan, problems);
    exit_watch_sync(a->exits, a->sw, &a->links, a->plan, central_exit_before,
                    a->central);
    ok &= pass_routes(a, guarded, problems);
    if (meshed) {
        ok &= socks_process_sync(a->socks, guarded ? a->plan->socks : NULL,
                                 problems);
    }
    /* Without them, all is sent in the order in which it comes. */
    queues_sync(a->nlk, &a->links, a->plan, problems);
    /* Not part of what is enforced: a port 53 that is taken is a problem. */
    names_sync(a->names, &a->links, central_model(a->central), a->plan,
               a->exits, a->tunnels, problems);
    return ok;
}

static void
agent_pass(struct agent *a)
{
    struct sset problems = SSET_INITIALIZER(&problems);
    int error = links_read(&a->links, a->nlk);
    bool ok = !error;
    const char *text;

    agent_stats.passes++;
    agent_update_plan(a);
    SSET_FOR_EACH (text, &a->plan_problems) {
        sset_add(&problems, text);
    }
    central_add_problems(a->central, &problems);
    if (error) {
        sset_add_and_free(&problems, xasprintf("cannot list links: %s",
                                               ovs_strerror(error)));
    } else if (a->plan) {
        ok = pass_all(a, &problems);
    }
    if (a->plan && ok) {
        a->enforced = a->plan_generation;
    }
    agent_set_problems(a, &problems);
    sset_destroy(&problems);
    a->dirty = false;
    a->report = true;
    a->last_pass_ms = time_msec();
    a->next_pass_ms = MIN(guests_next_ms(a->guests),
                          rotation_next_ms(&a->rotation));
    a->next_poll_ms = a->last_pass_ms + agent_poll_interval(a);
}

/* WireGuard tells nobody about handshakes. */
static void
agent_poll(struct agent *a)
{
    a->next_poll_ms = time_msec() + agent_poll_interval(a);
    if (a->plan) {
        struct sset ignored = SSET_INITIALIZER(&ignored);

        if (!mesh_run(a->mesh, a->nlk, &a->links, a->plan, &ignored)
            || !guests_run(a->guests, a->nlk, &a->links, a->plan,
                           &ignored)) {
            a->dirty = true;
        }
        paths_observe(a->paths, mesh_device(a->mesh));
        agent_sync_relay(a, &ignored);
        sset_destroy(&ignored);
        a->report = true;
    }
}

/* A key that a peer takes, or this node: until both ends have followed, what
 * is for the other has to wait.  The rest of the pass can. */
static void
agent_hurry_keys(struct agent *a)
{
    struct sset ignored = SSET_INITIALIZER(&ignored);

    if (a->plan) {
        agent_update_plan(a);
        a->next_poll_ms = MIN(a->next_poll_ms,
                              time_msec() + agent_poll_interval(a));
        if (pass_mesh(a, &ignored)) {
            pass_tunnels(a, &ignored);
        }
        if (central_txn(a->central)) {
            agent_report(a);
        }
    }
    a->stale_plan = a->dirty = true;
    sset_destroy(&ignored);
}

/* True if there was something to hurry for. */
static bool
agent_run_central(struct agent *a)
{
    bool changed = central_run(a->central);
    bool keys_changed = changed && central_keys_changed(a->central);

    if (changed) {
        a->stale_plan = a->dirty = true;
    }
    if (handover_run(&a->handover, mesh_device(a->mesh), time_msec())) {
        a->stale_plan = keys_changed = true;
    }
    if (keys_changed) {
        agent_hurry_keys(a);
    }
    return keys_changed;
}

void
agent_run(struct agent *a)
{
    if (agent_run_central(a)) {
        return;                 /* What that tells goes out first. */
    }

    enum nlk_events events = nlk_run(a->nlk);
    long long int now = time_msec();

    if (wg_process_reap() || mesh_is_starting(a->mesh)
        || exit_tunnels_are_starting(a->tunnels)
        || guests_is_starting(a->guests)) {
        a->dirty = true;
    }
    names_run(a->names);
    agent_run_tests(a);
    if (exit_watch_run(a->exits)) {
        a->dirty = true;
    }
    if (backend_watch_run(a->backends)) {
        a->report = true;
    }
    if (node_watch_run(a->nodes)) {
        a->report = true;
    }
    if (ct_count_run(a->connections)) {
        a->report = true;
    }
    if (socks_process_run(a->socks)) {
        a->dirty = true;
    }
    if (events & NLK_NFT) {
        nft_set_stale(a->nft);
    }
    agent_run_paths(a);
    if (discover_is_due(a->discover)) {
        a->dirty = true;
    }
    bool switch_changed = vswitch_run(a->sw);
    if (switch_changed || (events & NLK_ROUTE)) {
        ct_configs_set_stale(a->configs);   /* Written before the plug. */
    }
    bool configs_changed = ct_configs_run(a->configs);
    bool resolved = resolve_run();
    if (events || switch_changed || configs_changed || resolved) {
        a->dirty = true;
    }
    /* Also where something happens all the time. */
    if (now >= a->next_check_ms) {
        a->next_check_ms = now + FULL_INTERVAL_MS;
        nft_set_stale(a->nft);
        a->dirty = true;
    }
    a->dirty |= now >= a->next_pass_ms;
    if (a->dirty && now >= a->last_pass_ms + PASS_INTERVAL_MS) {
        agent_pass(a);
    } else if (now >= a->next_poll_ms) {
        agent_poll(a);
    }
    if (a->report && central_txn(a->central)) {
        agent_report(a);
        a->report = false;
    }
    requests_run(a->requests, a);
}

void
agent_wait(struct agent *a)
{
    nlk_wait(a->nlk);
    ct_configs_wait(a->configs);
    discover_wait(a->discover);
    names_wait(a->names);
    exit_watch_wait(a->exits);
    agent_wait_tests(a);
    requests_wait(a->requests);
    backend_watch_wait(a->backends);
    node_watch_wait(a->nodes);
    ct_count_wait(a->connections);
    socks_process_wait(a->socks);
    paths_wait(a->paths);
    relay_wait(a->relay);
    resolve_wait();
    if (!vswitch_commit_and_wait(a->sw)) {
        a->next_pass_ms = time_msec() + RETRY_INTERVAL_MS;
    }
    central_commit_and_wait(a->central);
    if (a->dirty) {
        poll_timer_wait_until(a->last_pass_ms + PASS_INTERVAL_MS);
    }
    handover_wait(&a->handover);
    poll_timer_wait_until(MIN(a->next_check_ms, MIN(a->next_poll_ms,
                                                    a->next_pass_ms)));
}

void
agent_resync(struct agent *a)
{
    agent_stats.resyncs++;
    nft_set_stale(a->nft);
    discover_set_stale(a->discover);
    ct_configs_set_stale(a->configs);
    a->stale_plan = a->dirty = true;
}
