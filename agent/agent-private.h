#ifndef SN_AGENT_PRIVATE_H
#define SN_AGENT_PRIVATE_H 1

/* struct agent, for agent*.c alone. */

#include <stdbool.h>
#include <stdint.h>
#include "agent/bridge.h"
#include "agent/handover.h"
#include "agent/link.h"
#include "agent/psk.h"
#include "agent/rotation.h"
#include "openvswitch/list.h"
#include "sset.h"

struct ovsdb_idl_txn;

struct agent {
    char *node;
    struct nlk *nlk;
    struct nft *nft;
    struct paths *paths;
    struct relay *relay;
    struct mesh *mesh;
    struct guests *guests;
    struct rotation rotation;
    struct handover handover;
    struct psks psks;
    struct ct_configs *configs;
    struct bridge_watch bridge_watch;
    struct discover *discover;
    struct reopen *reopen;
    struct names *names;
    struct exit_watch *exits;
    struct ovs_list tests;      /* See agent-test.c. */
    struct requests *requests;
    struct exit_tunnels *tunnels;
    struct exit_sources *sources;
    struct guest_pools *pools;
    struct node_watch *nodes;
    struct backend_watch *backends;
    struct ct_count *connections;
    struct socks_process *socks;
    struct vswitch *sw;
    struct central *central;

    struct links links;         /* As of the last pass. */
    struct sset addresses;      /* Of this host, for the other nodes. */
    struct plan *plan;          /* NULL: none yet. */
    struct sset plan_problems;  /* Of the plan. */
    struct sset problems;       /* Of the last pass, with the plan's. */

    bool stale_plan;            /* Compute it again. */
    bool dirty;                 /* A pass is due. */
    bool report;                /* Status is to be written. */
    bool stale_relay;           /* What is relayed may be different. */
    long long int last_pass_ms;
    long long int next_poll_ms; /* WireGuard's state has no events. */
    long long int next_pass_ms; /* Something is due then. */
    long long int next_check_ms; /* Everything is read again. */
    long long int next_counters_ms; /* status_sync_peers(). */
    long long int next_service_counters_ms; /* status_sync_services(). */
    long long int next_guest_counters_ms;
    int64_t plan_generation;    /* That the plan came from. */
    int64_t enforced;           /* Generation that the host has. */
};

/* agent-paths.c */
void agent_sync_paths(struct agent *);
void agent_sync_relay(struct agent *, struct sset *problems);
void agent_run_paths(struct agent *);

/* agent-test.c */
void agent_run_tests(struct agent *);
void agent_wait_tests(const struct agent *);
void agent_end_tests(struct agent *);

/* agent-status.c */
void agent_report(struct agent *);

/* agent-services.c */
void agent_report_services(struct agent *, struct ovsdb_idl_txn *);

#endif /* agent/agent-private.h */
