#ifndef SN_SERVICE_STATUS_H
#define SN_SERVICE_STATUS_H 1

/* Service_Status: what agents report of the backends of services. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct model;
struct model_changes;
struct node_silence;
struct ovsdb_idl;
struct ovsdb_idl_txn;

/* Nodes whose agents have not been heard of for a while, told by this host's
 * own clock and by nobody else's. */
struct node_silence *node_silence_create(void);
void node_silence_destroy(struct node_silence *);
/* After so long; tests have no patience. */
extern long long int node_silence_ms;

/* Registers what service_status_run() reads, with change tracking. */
void service_status_add_columns(struct ovsdb_idl *);
/* Brings model_service.down up to date: what a backend's own node reports of
 * it counts, and nothing else; and model_service.silent.  Adds the services
 * for which that changes something.  'all' says to look even if no row is
 * tracked as changed. */
void service_status_run(struct ovsdb_idl *, struct model *,
                        struct node_silence *, bool all,
                        struct model_changes *);

struct status_service {
    const char *service, *backend;
    const char *state;          /* up, down; or NULL: not probed here. */
    bool keep_state;            /* Not known yet: what the row says stays. */
    const char *reason;         /* "" or why. */
    int64_t connections;        /* That this host has translated. */
};
/* As the functions of status-sync.h.  A number of connections alone is a
 * reason to write only every 10 s, unless it comes to 0. */
void status_sync_services(struct ovsdb_idl_txn *, const char *node,
                          const struct status_service *, size_t n,
                          long long int *next_counters_ms);

#endif /* ovsdb-sync/service-status.h */
