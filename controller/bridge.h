#ifndef SN_BRIDGE_H
#define SN_BRIDGE_H 1

/* One managed bridge: the model and the bridge's ports go into the compiler,
 * and what comes out goes to the switch.
 *
 *     model changes --.
 *                      >-- compiler -- install -- bundle --> ofconn
 *     port changes ---'                   ^                    |
 *                                         '----- audit <-------'
 *
 * Nothing is sent before a model has been given, and the last one goes on
 * being enforced, port changes included, when the database is away. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ds;
struct model;
struct model_changes;
struct sset;

struct bridge;
struct bridge *bridge_create(const char *node, const char *bridge,
                             const char *target);
void bridge_destroy(struct bridge *);

/* The model changed: 'changes' is what did since the last call. */
void bridge_set_model(struct bridge *, const struct model *,
                      int64_t generation, const struct model_changes *);
/* There are several controllers, and this one is 'active' or not, 'chosen' by
 * the database at this moment or not (see election.h).  Until the first call
 * there is no other. */
void bridge_set_turn(struct bridge *, bool active, bool chosen);
void bridge_run(struct bridge *);
void bridge_wait(struct bridge *);

const char *bridge_node(const struct bridge *);
const char *bridge_name(const struct bridge *);
const char *bridge_target(const struct bridge *);
bool bridge_is_connected(const struct bridge *);
/* The generation that the switch has confirmed; -1: none yet. */
int64_t bridge_generation(const struct bridge *);
/* Whether that is the one wanted. */
bool bridge_is_current(const struct bridge *);
size_t bridge_n_desired(const struct bridge *);
size_t bridge_n_installed(const struct bridge *);
uint64_t bridge_n_repairs(const struct bridge *);
/* What an operator should know; adds to the set. */
void bridge_get_problems(const struct bridge *, struct sset *);
/* Increases when any of the above may have changed. */
unsigned int bridge_seqno(const struct bridge *);

/* For unixctl.  bridge_request_audit() has been answered when
 * bridge_audit_is_done() with its result. */
unsigned int bridge_request_audit(struct bridge *);
bool bridge_audit_is_done(const struct bridge *, unsigned int request,
                          struct ds *result);
void bridge_format_status(const struct bridge *, struct ds *);
void bridge_format_flows(const struct bridge *, struct ds *);
/* Compiles anew and compares with the incremental result.  Returns the number
 * of differences, described in the 'ds'. */
size_t bridge_check_compile(const struct bridge *, struct ds *);

#endif /* controller/bridge.h */
