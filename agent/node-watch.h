#ifndef SN_NODE_WATCH_H
#define SN_NODE_WATCH_H 1

/* The other nodes that have backends of services: which do not answer this
 * one.  A node that has never answered is none of them: a firewall of its own
 * may keep it silent. */

#include <stdbool.h>

struct model;
struct sset;

struct node_watch;
struct node_watch *node_watch_create(void);
void node_watch_destroy(struct node_watch *);

/* Takes in services; 'node' is this host and 'device' its mesh interface.
 * 'before' says of a node that is new here whether it was unreachable when an
 * agent last ran. */
typedef bool node_watch_before(const char *node, const void *aux);
void node_watch_set_model(struct node_watch *, const struct model *,
                          const char *node, const char *device,
                          node_watch_before *, const void *aux);
/* Once per iteration of the main loop: true if others are unreachable now. */
bool node_watch_run(struct node_watch *);
void node_watch_wait(const struct node_watch *);

const struct sset *node_watch_get_unreachable(const struct node_watch *);

#endif /* agent/node-watch.h */
