#ifndef SN_STATUS_ROWS_H
#define SN_STATUS_ROWS_H 1

/* Finding what agents and controllers have reported about an object. */

#include <stdbool.h>
#include <stdint.h>

struct model_exit;
struct ovsdb_idl;
struct sndb_bridge_status;
struct sndb_exit_status;
struct sndb_node_status;

/* Each returns NULL if nobody has reported yet. */
const struct sndb_node_status *status_rows_node(const struct ovsdb_idl *,
                                                const char *node);
const struct sndb_bridge_status *status_rows_bridge(const struct ovsdb_idl *,
                                                    const char *node);
/* What 'node' sees of an exit, its own or another's. */
const struct sndb_exit_status *status_rows_exit(const struct ovsdb_idl *,
                                                const char *node,
                                                const struct model_exit *);

/* Whether a daemon that was seen at this time, of the database's host or
 * another with a good clock, must be taken to be down. */
bool status_rows_is_silent(int64_t seen);

#endif /* cli/status-rows.h */
