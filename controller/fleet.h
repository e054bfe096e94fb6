#ifndef SN_FLEET_H
#define SN_FLEET_H 1

/* All bridges that this process manages: one per node named on the command
 * line, or with --all one per node of the mesh that has a target. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "smap.h"
#include "sset.h"

struct bridge;
struct model;
struct model_changes;

struct fleet_options {
    struct sset nodes;          /* --node */
    bool all;                   /* --all */
    /* --bridge NODE=TARGET; "*" stands for all others, with %n for the node's
     * name. */
    struct smap targets;
    char *default_node;         /* This host, ... */
    char *default_target;       /* ...and where its bridge is. */
};
void fleet_options_init(struct fleet_options *);
void fleet_options_destroy(struct fleet_options *);
/* Takes --bridge's argument.  Returns NULL or an error for the caller to
 * free. */
char *fleet_options_add_target(struct fleet_options *, const char *);
/* The same for the options as a whole. */
char *fleet_options_check(const struct fleet_options *);
/* The node whose certificate this process has. */
const char *fleet_options_name(const struct fleet_options *);

struct fleet;
struct fleet *fleet_create(const struct fleet_options *);   /* Borrows. */
void fleet_destroy(struct fleet *);
/* 'model' is NULL until the database has been read once; 'changes' are those
 * since the last call. */
void fleet_run(struct fleet *, const struct model *, int64_t generation,
               const struct model_changes *changes);
void fleet_wait(struct fleet *);
/* For all bridges, as bridge_set_turn(). */
void fleet_set_turn(struct fleet *, bool active, bool chosen);

/* In order of the nodes' names; the array is the fleet's. */
struct bridge **fleet_bridges(const struct fleet *, size_t *n);
/* Increases when a bridge is added or removed. */
unsigned int fleet_seqno(const struct fleet *);

#endif /* controller/fleet.h */
