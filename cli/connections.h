#ifndef SN_CONNECTIONS_H
#define SN_CONNECTIONS_H 1

/* The connections that are open now, as the agents of all hosts tell them, and
 * which of them a new state would cut. */

#include <stddef.h>

struct connections;
struct model;
struct output;
struct session;

/* Asks; of hosts that do not answer it knows nothing. */
struct connections *connections_read(struct session *);
void connections_destroy(struct connections *);

/* Those that pass by 'old' and not, or not by the same exit, by 'new'. */
void connections_output_cut(const struct connections *, struct model *old,
                            struct model *new, struct output *);

#endif /* cli/connections.h */
