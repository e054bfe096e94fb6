#ifndef SN_COMPILER_H
#define SN_COMPILER_H 1

/* Model -> the flows of one bridge.
 *
 * Every owner (container, rule, identity, peer node, exit, raw flow, base)
 * has a pure function that gives its flows.  compiler_run() recomputes the
 * owners that a change touches and leaves the set of all desired flows equal
 * to a full compile: the full compile (changes == NULL) is the specification.
 * No I/O here: `plan`, `compile`, tests and the controller share it. */

#include <stdbool.h>
#include <stdint.h>
#include "openvswitch/hmap.h"
#include "openvswitch/match.h"
#include "openvswitch/types.h"
#include "sset.h"

struct ds;
struct model;
struct model_changes;
struct object_set;
struct ofpact;
struct ofputil_port_map;

/* The ports of the bridge as the switch told them. */
struct flow_port {
    char *name;
    ofp_port_t ofport;
    struct eth_addr hwaddr;
};
struct flow_ports;
struct flow_ports *flow_ports_create(void);
void flow_ports_destroy(struct flow_ports *);
void flow_ports_put(struct flow_ports *, const char *name, ofp_port_t,
                    struct eth_addr);   /* Replaces. */
void flow_ports_remove(struct flow_ports *, const char *name);
const struct flow_port *flow_ports_find(const struct flow_ports *,
                                        const char *name);

/* One flow, desired or installed.  Key: table, priority, match. */
struct sn_flow {
    struct hmap_node hmap_node; /* In a struct flow_set, by key. */
    uint8_t table_id;
    uint16_t priority;
    struct minimatch match;
    uint64_t cookie;
    struct ofpact *ofpacts;
    size_t ofpacts_len;
};

struct flow_set {
    struct hmap flows;          /* struct sn_flow. */
};
void flow_set_init(struct flow_set *);
void flow_set_destroy(struct flow_set *);
struct sn_flow *flow_set_find(const struct flow_set *,
                              const struct sn_flow *key);
/* Takes ownership; replaces an equal key. */
void flow_set_put(struct flow_set *, struct sn_flow *);
void flow_set_remove(struct flow_set *, struct sn_flow *);  /* Frees. */
struct sn_flow *sn_flow_clone(const struct sn_flow *);
void sn_flow_free(struct sn_flow *);
bool sn_flow_same_content(const struct sn_flow *, const struct sn_flow *);
/* `ovs-ofctl` syntax; port names through 'map', table names if 'names'. */
void sn_flow_format(const struct sn_flow *, const struct ofputil_port_map *,
                    bool names, struct ds *);

struct compiler;
struct compiler *compiler_create(const char *node_name);
void compiler_destroy(struct compiler *);

/* Whether the switch has meters (default true).  Without, rates are left out;
 * the next compiler_run() has to be told that everything changed. */
void compiler_set_meters(struct compiler *, bool has_meters);

/* Brings the desired flows up to date with 'model' and 'ports'.  'changes'
 * says which objects of the model changed since the last run (NULL: any) and
 * 'changed_ports' (may be NULL) the names of the ports that did.  The keys of
 * the flows added, removed or altered are collected for
 * compiler_take_delta(). */
void compiler_run(struct compiler *, const struct model *,
                  const struct flow_ports *,
                  const struct model_changes *changes,
                  const struct sset *changed_ports);
const struct flow_set *compiler_flows(const struct compiler *);
/* The groups and meters that those flows need (objects.h); the number grows
 * with each change of them. */
const struct object_set *compiler_objects(const struct compiler *);
unsigned int compiler_objects_seqno(const struct compiler *);

/* What changed in compiler_flows() since the last call: desired flows now
 * ('added', which includes altered ones) and keys that are gone ('removed').
 * Flows are clones owned by the sets, which the caller initialised. */
void compiler_take_delta(struct compiler *, struct flow_set *added,
                         struct flow_set *removed);

/* Containers of this node that cannot have flows yet, and why (port missing,
 * MAC unknown, quarantined): shash of name -> char *reason. */
const struct shash *compiler_pending(const struct compiler *);

#endif /* flows/compiler.h */
