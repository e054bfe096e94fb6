#ifndef SN_FLOW_LIST_H
#define SN_FLOW_LIST_H 1

/* Flows as text, in the order in which people read them: by table, the
 * priority that wins first, then by match. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct explainer;
struct flow_set;
struct object_list;
struct ofputil_port_map;
struct output;

struct flow_line {
    uint8_t table_id;
    uint16_t priority;
    uint64_t cookie;
    char *text;                 /* In the syntax of ovs-ofctl. */
    uint64_t n_packets;         /* From a switch only. */
    uint64_t n_bytes;
};

struct flow_list {
    struct flow_line *lines;
    size_t n, allocated;
    bool has_counters;
};

void flow_list_init(struct flow_list *);
void flow_list_destroy(struct flow_list *);
/* A new line, all zero, for the caller to fill in. */
struct flow_line *flow_list_append(struct flow_list *);
/* 'names': of tables, as `ovs-ofctl --names` prints them. */
void flow_list_add_set(struct flow_list *, const struct flow_set *,
                       const struct ofputil_port_map *, bool names);
/* Reads the flows of the bridge at 'target', with counters, and its groups and
 * meters.  Returns NULL or
 * an error that the caller frees.  Ends the process with a message if the
 * switch does not answer within 'timeout_ms'. */
char *flow_list_add_switch(struct flow_list *, struct object_list *,
                           const char *target, int timeout_ms);
void flow_list_sort(struct flow_list *);
/* Keeps the lines for which 'keep' returns true. */
void flow_list_filter(struct flow_list *,
                      bool (*keep)(const struct flow_line *, void *aux),
                      void *aux);

/* Prints the list under the key "flows": for people the lines, with a comment
 * above each table and each change of cause if 'explain'. */
void flow_list_output(const struct flow_list *, const struct explainer *,
                      bool explain, struct output *);

#endif /* cli/flow-list.h */
