#ifndef SN_CONTROLLER_CTL_H
#define SN_CONTROLLER_CTL_H 1

/* The commands of `ovs-appctl -t socknet-controller`. */

#include <stdbool.h>

struct db_connection;
struct ds;
struct fleet;

struct ctl;
struct ctl *ctl_create(struct fleet *, const struct db_connection *);
void ctl_destroy(struct ctl *);
void ctl_run(struct ctl *);
bool ctl_is_exiting(const struct ctl *);

/* Adds a line about the whole to 'ds'; true if every bridge is as the state
 * wants it. */
bool ctl_summarize(const struct ctl *, struct ds *);

#endif /* controller/ctl.h */
