#include <config.h>

/* switches DIR --unixctl=SOCKET: bridges without a datapath (sim-switch.h),
 * as many as the commands on its control socket ask for, each at
 * DIR/NAME.mgmt. */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fatal-signal.h"
#include "hash.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "tests/bench/sim-switch.h"
#include "unixctl.h"
#include "util.h"

struct switches {
    const char *dir;
    struct hmap map;            /* struct sim_switch, by name. */
    bool exiting;
};

static struct sim_switch *
find_switch(const struct switches *all, const char *name)
{
    struct sim_switch *sw;

    HMAP_FOR_EACH_WITH_HASH (sw, node, hash_string(name, 0), &all->map) {
        if (!strcmp(sw->name, name)) {
            return sw;
        }
    }
    return NULL;
}

/* add NAME [FIRST COUNT]: a bridge, with the ports veth<FIRST> and so on. */
static void
cmd_add(struct unixctl_conn *conn, int argc, const char *argv[], void *all_)
{
    struct switches *all = all_;

    if (find_switch(all, argv[1])) {
        unixctl_command_reply_error(conn, "there is one by that name");
        return;
    }

    struct sim_switch *sw = sim_switch_create(all->dir, argv[1]);
    int first = argc > 3 ? atoi(argv[2]) : 0;
    int n = argc > 3 ? atoi(argv[3]) : 0;

    for (int i = first; i < first + n; i++) {
        char *port = xasprintf("veth%d", i);

        sim_switch_plug(sw, port);
        free(port);
    }
    hmap_insert(&all->map, &sw->node, hash_string(argv[1], 0));
    unixctl_command_reply(conn, NULL);
}

static void
change_port(struct unixctl_conn *conn, const char *argv[], void *all,
            bool change(struct sim_switch *, const char *))
{
    struct sim_switch *sw = find_switch(all, argv[1]);

    if (!sw) {
        unixctl_command_reply_error(conn, "no such bridge");
    } else if (!change(sw, argv[2])) {
        unixctl_command_reply_error(conn, "nothing to do");
    } else {
        unixctl_command_reply(conn, NULL);
    }
}

static void
cmd_plug(struct unixctl_conn *conn, int argc OVS_UNUSED, const char *argv[],
         void *all)
{
    change_port(conn, argv, all, sim_switch_plug);
}

static void
cmd_unplug(struct unixctl_conn *conn, int argc OVS_UNUSED,
           const char *argv[], void *all)
{
    change_port(conn, argv, all, sim_switch_unplug);
}

/* mark: counting begins anew. */
static void
cmd_mark(struct unixctl_conn *conn, int argc OVS_UNUSED,
         const char *argv[] OVS_UNUSED, void *all_)
{
    struct switches *all = all_;
    struct sim_switch *sw;

    HMAP_FOR_EACH (sw, node, &all->map) {
        sim_switch_mark(sw);
    }
    unixctl_command_reply(conn, NULL);
}

/* count: what all bridges hold, and what they were sent since `mark`.  The
 * median and maximum are of the bridges that were sent something. */
static void
cmd_count(struct unixctl_conn *conn, int argc OVS_UNUSED,
          const char *argv[] OVS_UNUSED, void *all_)
{
    struct ds s = DS_EMPTY_INITIALIZER;
    struct sim_window sum = { .n_flow_mods = 0 };
    size_t n_flows = 0, n_touched = 0, n_connected = 0, max_flows = 0;
    struct switches *all = all_;
    uint64_t max_mods = 0;
    struct sim_switch *sw;

    HMAP_FOR_EACH (sw, node, &all->map) {
        const struct sim_window *w = &sw->window;
        size_t n = hmap_count(&sw->flows.flows);

        n_flows += n;
        max_flows = MAX(max_flows, n);
        n_connected += !ovs_list_is_empty(&sw->conns);
        n_touched += w->n_commits > 0;
        sum.n_flow_mods += w->n_flow_mods;
        sum.n_commits += w->n_commits;
        sum.n_bytes += w->n_bytes;
        max_mods = MAX(max_mods, w->n_flow_mods);
        if (w->first_us && (!sum.first_us || w->first_us < sum.first_us)) {
            sum.first_us = w->first_us;
        }
        sum.last_us = MAX(sum.last_us, w->last_us);
    }
    ds_put_format(&s, "{\"switches\": %"PRIuSIZE", \"connected\": %"PRIuSIZE
                  ", \"flows\": %"PRIuSIZE", \"max_flows\": %"PRIuSIZE
                  ", \"touched\": %"PRIuSIZE", \"max_mods\": %"PRIu64
                  ", \"mods\": %"PRIu64", \"commits\": %"PRIu64
                  ", \"bytes\": %"PRIu64", \"first_us\": %"PRId64
                  ", \"last_us\": %"PRId64"}\n",
                  hmap_count(&all->map), n_connected, n_flows, max_flows,
                  n_touched, max_mods, sum.n_flow_mods, sum.n_commits,
                  sum.n_bytes, sum.first_us, sum.last_us);
    unixctl_command_reply(conn, ds_cstr(&s));
    ds_destroy(&s);
}

/* flows NAME */
static void
cmd_flows(struct unixctl_conn *conn, int argc OVS_UNUSED, const char *argv[],
          void *all)
{
    const struct sim_switch *sw = find_switch(all, argv[1]);
    struct ds s = DS_EMPTY_INITIALIZER;

    if (!sw) {
        unixctl_command_reply_error(conn, "no such bridge");
        return;
    }
    sim_switch_format(sw, &s);
    unixctl_command_reply(conn, ds_cstr(&s));
    ds_destroy(&s);
}

static void
cmd_exit(struct unixctl_conn *conn, int argc OVS_UNUSED,
         const char *argv[] OVS_UNUSED, void *all_)
{
    struct switches *all = all_;

    all->exiting = true;
    unixctl_command_reply(conn, NULL);
}

static void
run(struct switches *all, struct unixctl_server *unixctl)
{
    while (!all->exiting) {
        struct sim_switch *sw;

        HMAP_FOR_EACH (sw, node, &all->map) {
            sim_switch_run(sw);
        }
        unixctl_server_run(unixctl);
        HMAP_FOR_EACH (sw, node, &all->map) {
            sim_switch_wait(sw);
        }
        unixctl_server_wait(unixctl);
        poll_block();
    }
    unixctl_server_run(unixctl);
}

int
main(int argc, char *argv[])
{
    static const char option[] = "--unixctl=";
    struct switches all = { .dir = argv[1] };
    struct sim_switch *sw, *next;
    struct unixctl_server *unixctl;

    ovs_set_program_name(argv[0], "-");
    if (argc != 3 || strncmp(argv[2], option, strlen(option))) {
        ovs_fatal(0, "usage: switches DIR --unixctl=SOCKET");
    }
    fatal_ignore_sigpipe();
    vlog_set_levels(NULL, VLF_ANY_DESTINATION, VLL_WARN);
    hmap_init(&all.map);
    if (unixctl_server_create(argv[2] + strlen(option), &unixctl)) {
        return EXIT_FAILURE;
    }
    unixctl_command_register("add", "NAME [FIRST COUNT]", 1, 3, cmd_add,
                             &all);
    unixctl_command_register("plug", "NAME PORT", 2, 2, cmd_plug, &all);
    unixctl_command_register("unplug", "NAME PORT", 2, 2, cmd_unplug, &all);
    unixctl_command_register("mark", "", 0, 0, cmd_mark, &all);
    unixctl_command_register("count", "", 0, 0, cmd_count, &all);
    unixctl_command_register("flows", "NAME", 1, 1, cmd_flows, &all);
    unixctl_command_register("exit", "", 0, 0, cmd_exit, &all);
    run(&all, unixctl);
    HMAP_FOR_EACH_SAFE (sw, next, node, &all.map) {
        hmap_remove(&all.map, &sw->node);
        sim_switch_destroy(sw);
    }
    hmap_destroy(&all.map);
    unixctl_server_destroy(unixctl);
    return EXIT_SUCCESS;
}
