#ifndef SN_ELECTION_H
#define SN_ELECTION_H 1

/* Which of several controllers may change a bridge (`--standby`).
 *
 * The database's lock chooses one of them.  The switch has the last word: who
 * is chosen becomes its primary (OpenFlow 1.5, 6.3.6), by which the one before
 * becomes secondary and is refused from then on, also if it has not heard from
 * the database that another was chosen.  Each claim has a higher generation id
 * than the switch has seen, so that a late one of before fails.
 *
 * Who is primary stays so while the database is away. */

#include <stdbool.h>
#include "openvswitch/ofp-msgs.h"

struct ofconn;
struct ofp_header;

struct election;
struct election *election_create(const char *name, struct ofconn *);
void election_destroy(struct election *);

/* 'wanted': to be the primary; 'chosen': the lock says so at this moment.
 * (Without the database, who was chosen last still wants to.) */
void election_set(struct election *, bool wanted, bool chosen);
/* A new connection, on which nobody is anything yet. */
void election_begin(struct election *);
void election_run(struct election *);
void election_wait(const struct election *);
/* Returns true if the message was about this. */
bool election_handle(struct election *, const struct ofp_header *,
                     enum ofptype);

bool election_is_won(const struct election *);

#endif /* controller/election.h */
