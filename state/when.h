#ifndef SN_WHEN_H
#define SN_WHEN_H 1

/* Points in time as people write them: "2026-12-24", its beginning, or
 * "2026-12-24T18:30:00Z"; UTC in any case (RFC 3339). */

#include <stdbool.h>
#include <stdint.h>

/* Unix seconds, above 0. */
bool when_parse(const char *, int64_t *ret_seconds);
char *when_to_string(int64_t seconds);
/* "30d", "12h", "90m", "45s", "2w": seconds. */
bool when_parse_duration(const char *, int64_t *ret_seconds);

#endif /* state/when.h */
