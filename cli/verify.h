#ifndef SN_VERIFY_H
#define SN_VERIFY_H 1

/* `plan --verify`: the compiled tables of all hosts in a scratch Open vSwitch
 * (scratch-switch.h), and for each pair that rules tell apart packets that
 * get through and packets that do not, traced by it: it has to find the same
 * flows, one after the other, and the same ports as flows/walk.h does.
 *
 * Every allowed pair has a packet, and every packet of the state's tests is
 * among them, up to a number that keeps the time bearable. */

#include <stddef.h>

struct model;

struct verify_difference {
    char *packet;               /* "xray -> mcp-server tcp/80". */
    char *node;
    char *ours, *theirs;        /* Where they part. */
};

struct verify_result {
    char *version;              /* Of Open vSwitch. */
    size_t n_nodes, n_flows, n_objects;
    size_t n_packets;           /* Traced, each at one host or two. */
    size_t n_allowed;           /* Pairs, of them... */
    size_t n_tried;             /* ...with a packet of their own. */
    struct verify_difference *differences;
    size_t n_differences, allocated;
};

/* Gives containers without a MAC address stand-ins in the model.  Returns
 * NULL, or why it cannot be done, which the caller frees; '*result' is to be
 * destroyed in any case. */
char *verify_run(struct model *, struct verify_result *);
void verify_result_destroy(struct verify_result *);

#endif /* cli/verify.h */
