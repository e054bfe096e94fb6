#ifndef SN_TEST_PROVE_HOST_H
#define SN_TEST_PROVE_HOST_H 1

/* One host of a model, compiled and proven, and packets for it. */

#include <stdbool.h>
#include <stdint.h>
#include "flows/prove.h"

struct compiler;
struct flow;
struct flow_ports;
struct flow_set;
struct model;
struct walk_bridge;

/* From 0 to 'n' - 1.  Follows from prove_seed() alone. */
void prove_seed(uint64_t);
uint32_t prove_draw(uint32_t n);

struct host {
    struct model *model;
    const char *node;
    struct flow_ports *ports;
    struct compiler *compiler;
};

void host_compile(struct host *);
/* 'flows' instead of its own. */
void host_prove(const struct host *, const struct flow_set *flows,
                struct proof *);
/* On standard error, with the ways of the packets. */
void host_print_findings(const struct host *, const struct proof *);
/* What senders would send, and some that they would not. */
void host_draw_packet(const struct host *, struct flow *packet);

/* By which ports a packet leaves. */
struct outs {
    bool ports[1024];
    bool local;
};
void find_outs(const struct walk_bridge *, const struct flow *packet,
               struct outs *);

#endif /* tests/unit/prove-host.h */
