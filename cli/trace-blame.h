#ifndef SN_TRACE_BLAME_H
#define SN_TRACE_BLAME_H 1

/* Why a packet was stopped, where the agents only say by which flow; and
 * whether the switch has the flows that the state asks for. */

#include <stdbool.h>

struct explainer;
struct session;
struct trace_end;
struct trace_question;
struct trace_way;

/* Fills in 'way->why' and 'way->fix'.  'asked' (NULL: of a reply, of which the
 * compiled flows cannot tell) is the question as it was at the beginning. */
void trace_blame(struct session *, const struct trace_question *asked,
                 const struct trace_end *src, const struct explainer *,
                 struct trace_way *);

/* Whether the packet does not get where it should. */
bool trace_way_is_bad(const struct trace_way *);

#endif /* cli/trace-blame.h */
