#ifndef SN_EXIT_VIEWS_H
#define SN_EXIT_VIEWS_H 1

/* Which nodes say that they cannot leave by which exits.
 *
 * An agent writes a row of Exit_Status for each exit of its node and for each
 * exit of another node that its containers use; the latter is called
 * NODE/NAME. */

#include <stdbool.h>
#include "openvswitch/shash.h"

struct model_exit;
struct ovsdb_idl;

struct exit_views {
    struct shash down;          /* Exit's key -> struct sset of nodes. */
};

void exit_views_init(struct exit_views *);
void exit_views_destroy(struct exit_views *);
void exit_views_add_columns(struct ovsdb_idl *);
/* Whether rows changed since the IDL's tracking was cleared. */
bool exit_views_are_stale(const struct ovsdb_idl *);
void exit_views_read(struct exit_views *, const struct ovsdb_idl *);
/* Gives the exit its status; returns whether that changes it. */
bool exit_views_apply(const struct exit_views *, struct model_exit *);

#endif /* ovsdb-sync/exit-views.h */
