#ifndef SN_SIM_SWITCH_H
#define SN_SIM_SWITCH_H 1

/* The OpenFlow 1.5 end of a bridge, without a datapath: it keeps the flows
 * that it is sent, tells them when asked, and counts.  So that a bench can
 * have a thousand hosts on one machine; what a real switch takes, a real one
 * beside them tells.
 *
 * No groups and no meters: the states of the bench have none. */

#include <stdbool.h>
#include <stdint.h>
#include "flows/compiler.h"
#include "openvswitch/hmap.h"
#include "openvswitch/list.h"

struct ds;
struct rconn;
struct pvconn;

/* What went on since sim_switch_mark(). */
struct sim_window {
    uint64_t n_flow_mods;
    uint64_t n_commits;
    uint64_t n_bytes;           /* Of bundles, as they came over the wire. */
    int64_t first_us, last_us;  /* Commits, of CLOCK_MONOTONIC. */
};

struct sim_switch {
    struct hmap_node node;      /* By 'name', for the program. */
    char *name;
    struct pvconn *listener;
    struct ovs_list conns;      /* struct sim_conn. */
    struct hmap ports;          /* struct sim_port. */
    struct flow_set flows;
    uint16_t last_ofport;
    struct sim_window window;
};

/* Listens at DIR/NAME.mgmt; ends the program if it cannot.  A bridge has its
 * own port and those that are plugged. */
struct sim_switch *sim_switch_create(const char *dir, const char *name);
void sim_switch_destroy(struct sim_switch *);
void sim_switch_run(struct sim_switch *);
void sim_switch_wait(struct sim_switch *);
void sim_switch_mark(struct sim_switch *);
/* Says whether there was (not) such a port. */
bool sim_switch_plug(struct sim_switch *, const char *port);
bool sim_switch_unplug(struct sim_switch *, const char *port);
/* Flows as `ovs-ofctl add-flows` reads them. */
void sim_switch_format(const struct sim_switch *, struct ds *);

#endif /* tests/bench/sim-switch.h */
