#ifndef SN_PLAN_SERVICES_H
#define SN_PLAN_SERVICES_H 1

/* Where this host itself, and its guests, get to by virtual addresses: a part
 * of the plan. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "lib/prefix.h"

struct model;
struct plan;

struct plan_target {
    struct sn_prefix address;
    uint16_t port;
    unsigned int weight;
};

struct plan_vip {
    struct sn_prefix address;
    uint8_t ip_proto;
    uint16_t port;
    bool affinity;
    struct plan_target *targets; /* None: refused. */
    size_t n_targets;
};

void plan_add_vips(struct plan *, const struct model *);
void plan_free_vips(struct plan *);

#endif /* agent/plan-services.h */
