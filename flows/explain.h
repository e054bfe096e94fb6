#ifndef SN_EXPLAIN_H
#define SN_EXPLAIN_H 1

/* Cookies of a whole dump, explained, and the numbers of groups and meters.
 * cookie_explain() does one cookie and builds its index of the model each
 * time. */

#include <stdint.h>
#include "flows/objects.h"

struct model;
struct explainer;

/* Copies what it needs of the model. */
struct explainer *explainer_create(const struct model *);
void explainer_destroy(struct explainer *);
/* As cookie_explain(). */
char *explainer_explain(const struct explainer *, uint64_t cookie);
/* The name of the group or meter that has a number (objects.h), or NULL. */
const char *explainer_object(const struct explainer *, enum sn_object_kind,
                             uint32_t id);

#endif /* flows/explain.h */
