#ifndef SN_TRACE_RUN_H
#define SN_TRACE_RUN_H 1

/* A packet's way through the running network, as the agents of the hosts that
 * it passes tell it, one after the other. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "lib/prefix.h"

struct session;
struct trace_end;

struct trace_step {
    char *node;
    char *at;                   /* "flow", "route", ... */
    bool good;
    char *text;                 /* Not of a flow. */
    uint8_t table;              /* Of a flow. */
    uint64_t cookie;
};

enum trace_verdict {
    TRACE_DELIVERED,            /* 'name': to whom. */
    TRACE_LEFT,                 /* 'name': exit, or a device. */
    TRACE_STOPPED,
    TRACE_UNKNOWN,              /* Somebody did not answer. */
};

struct trace_way {
    struct trace_step *steps;
    size_t n, allocated;
    enum trace_verdict verdict;
    char *node;                 /* Where it ended. */
    char *name;
    char *why, *fix;            /* Or NULL. */
};

struct trace_question {
    const char *node;           /* Where it begins. */
    char *from;                 /* "container:xray"; see agent/trace.c. */
    bool has_src;
    struct sn_prefix src, dst;
    uint8_t ip_proto;
    uint16_t sport, dport;
    bool reply;
    int timeout_ms;             /* Of each host. */
};

/* Returns NULL, or an error that the caller frees.  Sets the source in
 * 'question' if it had none. */
char *trace_run(struct session *, struct trace_question *,
                struct trace_way *);
void trace_way_destroy(struct trace_way *);

#endif /* cli/trace-run.h */
