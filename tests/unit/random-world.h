#ifndef RANDOM_WORLD_H
#define RANDOM_WORLD_H 1

/* A model and ports that change at random. */

#include "flows/compiler.h"
#include "openvswitch/dynamic-string.h"
#include "state/model.h"

struct world {
    struct model *model;
    struct flow_ports *ports;
    struct compiler *compiler;
    struct flow_set shadow;     /* Deltas added up. */
    struct model_changes changes;
    struct sset changed_ports;
    uint64_t random;
    struct ds log;              /* What the current step did. */
};

/* One to four changes, drawn from 'random' and noted in 'changes',
 * 'changed_ports' and 'log'. */
void random_world_step(struct world *);

#endif /* tests/unit/random-world.h */
