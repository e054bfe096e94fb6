#ifndef SN_OBJECT_LIST_H
#define SN_OBJECT_LIST_H 1

/* Groups and meters beside a list of flows (flow-list.h): as comments, so that
 * the whole remains what ovs-ofctl takes for flows; what stands behind
 * "# add-group" and "# add-meter" are arguments for those commands. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct explainer;
struct object_set;
struct output;
struct sn_object;

struct object_line {
    struct sn_object *object;   /* Owned. */
    uint64_t n_packets;         /* From a switch only, ... */
    uint64_t n_bytes;
    uint64_t n_dropped;         /* ...packets, by a meter. */
};

struct object_list {
    struct object_line *lines;
    size_t n, allocated;
    bool has_counters;
};

void object_list_init(struct object_list *);
void object_list_destroy(struct object_list *);
/* Takes ownership; returns the line, valid until the next is added. */
struct object_line *object_list_add(struct object_list *,
                                    struct sn_object *);
void object_list_add_set(struct object_list *, const struct object_set *);
/* The lists "groups" and "meters". */
void object_list_output(struct object_list *, const struct explainer *,
                        struct output *);

#endif /* cli/object-list.h */
