#ifndef SN_STANDBY_H
#define SN_STANDBY_H 1

/* One of several controllers is active, the others stand by with everything
 * read and compiled: OVSDB's lock chooses, and gives the next one the turn as
 * soon as the database misses the one before.  (Then see election.h.) */

#include <stdbool.h>

struct db_connection;

/* NULL, or an error that the caller frees: what locks may be called. */
char *standby_check_group(const char *group);

struct standby;
/* Those with the same 'group' are each other's standby.  NULL: always
 * active. */
struct standby *standby_create(struct db_connection *, const char *group);
void standby_destroy(struct standby *);
void standby_run(struct standby *);

/* There may be another one. */
bool standby_is_shared(const struct standby *);
bool standby_is_active(const struct standby *);
/* Active, and the database says so now. */
bool standby_is_chosen(const struct standby *);

#endif /* controller/standby.h */
