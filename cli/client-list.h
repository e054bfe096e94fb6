#ifndef SN_CLIENT_LIST_H
#define SN_CLIENT_LIST_H 1

/* Guests and how they are doing. */

#include <stdbool.h>

struct command_context;
struct model;
struct session;

/* Of one guest, or of all if 'only' is NULL.  Returns an exit code. */
int client_list(const struct command_context *, const struct session *,
                const char *only);
/* Says so if there is none of that name. */
bool client_is_known(const struct model *, const char *name);

#endif /* cli/client-list.h */
