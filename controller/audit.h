#ifndef SN_AUDIT_H
#define SN_AUDIT_H 1

/* Keeps 'installed' (install.h) true to the switch: reads all flows, groups
 * and meters on connect and from time to time, and listens to a flow monitor
 * for what others add, change or delete in between; they forward what happens
 * to groups and meters.  A canary flow, asked for more often, tells a switch
 * that has lost its flows without a word.
 *
 * A switch without a flow monitor is read and asked more often instead. */

#include <stdbool.h>
#include <stddef.h>
#include "openvswitch/ofp-msgs.h"

struct flow_set;
struct install;
struct ofconn;
struct ofpbuf;

struct audit;
struct audit *audit_create(const char *name, struct install *);
void audit_destroy(struct audit *);

/* A new connection. */
void audit_begin(struct audit *, struct ofconn *);
/* Reads the switch as soon as possible. */
void audit_request_read(struct audit *);
/* Returns true if the message was an answer to one of ours. */
bool audit_handle(struct audit *, const struct flow_set *desired,
                  const struct ofpbuf *, enum ofptype);
void audit_run(struct audit *, struct ofconn *,
               const struct flow_set *desired);
void audit_wait(const struct audit *);

/* Completed reads that were asked for after now have a higher number than
 * this. */
unsigned int audit_n_requests(const struct audit *);
unsigned int audit_n_reads(const struct audit *);
/* Flows and differences in the last read. */
size_t audit_last_flows(const struct audit *);
size_t audit_last_differences(const struct audit *);

#endif /* controller/audit.h */
