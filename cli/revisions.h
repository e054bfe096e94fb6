#ifndef SN_REVISIONS_H
#define SN_REVISIONS_H 1

/* Revisions as arguments of commands. */

#include <stdbool.h>
#include <stdint.h>

struct session;
struct sndb_revision;

/* False, having said why: 'text' is no number of a revision. */
bool revisions_parse(const char *command, const char *text,
                     int64_t *ret_number);
/* NULL, having said why, if there is none. */
const struct sndb_revision *revisions_find(const struct session *,
                                           int64_t number);

#endif /* cli/revisions.h */
