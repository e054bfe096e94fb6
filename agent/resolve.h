#ifndef SN_RESOLVE_H
#define SN_RESOLVE_H 1

/* Endpoints that name a host.
 *
 * The C library's resolver blocks for seconds, so a child process asks it and
 * writes the answer to a pipe; the caller gets the last answer known.  Names
 * are asked for again every few minutes. */

#include <stdbool.h>

struct sockaddr_storage;

/* Turns "HOST:PORT" into an address.  False: not known (yet). */
bool resolve_endpoint(const char *endpoint, struct sockaddr_storage *ret_ss);

/* Returns true when an answer came in that differs from the last. */
bool resolve_run(void);
void resolve_wait(void);

#endif /* agent/resolve.h */
