#ifndef SN_EXPORT_LIMITS_H
#define SN_EXPORT_LIMITS_H 1

/* Rates and classes as keys of the state file; absent ones put nothing. */

#include "state/model.h"

struct json;

void export_put_rate(struct json *object, const char *key, struct sn_rate);
void export_put_class(struct json *object, enum model_class);
/* "rate" and "class" of a container. */
void export_put_limits(struct json *object, const struct model_container *);

#endif /* state/export-limits.h */
