#ifndef SN_TRACE_PRIVATE_H
#define SN_TRACE_PRIVATE_H 1

/* One packet's way through this host, for `socknet trace`: asked of those who
 * would carry it, and written down step by step.
 *
 *     container -> bridge -> [the host's routes -> mesh or exit]
 *     mesh, guest or host itself -> routes -> [bridge -> container]
 *
 * trace.c takes the request apart and writes the answer, trace-bridge.c asks
 * the switch, trace-host.c the kernel's routing, trace-tunnel.c WireGuard. */

#include <stdbool.h>
#include <stdint.h>
#include "lib/prefix.h"
#include "openvswitch/compiler.h"

struct agent;
struct exit_probe;
struct json;
struct link;
struct plan_exit;
struct vswitchd_call;

struct trace_packet {
    struct sn_prefix src, dst;  /* Hosts of one family. */
    uint8_t ip_proto;
    uint16_t sport, dport;      /* ICMP: type and code. */
};

/* A tunnel while it is probed. */
struct trace_tunnel {
    char *device;
    char *peer;                 /* Node, or exit. */
    char *text;                 /* What is said of it in any case. */
    uint64_t rx_bytes;          /* Before the probe. */
    const char *end;            /* trace_end(), if it is good. */
    char *from;                 /* For the next node, or NULL. */
};

struct trace {
    struct agent *agent;
    struct trace_packet packet; /* As it is by now. */
    struct trace_packet tuple;  /* That conntrack would have of it. */
    bool has_src;
    bool reply;                 /* Of the connection 'tuple'. */
    char *in;                   /* Interface by which it came into the host,
                                 * or NULL. */
    struct json *steps;
    int n_bridges;              /* How often it went into the bridge. */

    /* What is under way. */
    struct vswitchd_call *call; /* ofproto/trace */
    bool translated;            /* The call is a second one. */
    struct exit_probe *probe;   /* Of a tunnel. */
    struct trace_tunnel tunnel;

    /* How it ended; NULL: not yet. */
    const char *end;            /* "delivered", "left", "next", "stopped" */
    char *name;                 /* Container, node, exit. */
    char *from;                 /* For the next node. */
    char *why, *fix;            /* If stopped. */
};

/* A step other than a flow; 'good' false: it is noteworthy. */
void trace_step(struct trace *, const char *at, bool good,
                const char *format, ...) OVS_PRINTF_FORMAT(4, 5);
void trace_add_flow(struct trace *, uint8_t table, bool matched,
                    uint64_t cookie);
void trace_end(struct trace *, const char *end, const char *name);
/* 'why' and 'fix' are taken over; 'fix' may be NULL. */
void trace_stop(struct trace *, char *why, char *fix);

/* trace-bridge.c */
void trace_from_container(struct trace *, const char *name);
void trace_into_bridge(struct trace *);
bool trace_bridge_run(struct trace *);      /* False: still under way. */

/* trace-host.c: by interface 'iif', NULL: by the host itself. */
void trace_route(struct trace *, const char *iif);

/* trace-tunnel.c */
void trace_from_mesh(struct trace *, const char *node);
void trace_from_client(struct trace *, const char *client);
void trace_from_inlet(struct trace *, const char *exit_name);
void trace_into_mesh(struct trace *, const struct link *);
void trace_into_exit(struct trace *, const struct plan_exit *,
                     const struct link *);
void trace_into_guests(struct trace *, const struct link *);
bool trace_probe_run(struct trace *);       /* False: still under way. */

#endif /* agent/trace-private.h */
