#ifndef SN_EXPLAIN_H
#define SN_EXPLAIN_H 1

/* Cookies explained, and the numbers of groups and meters: from the model
 * alone, without a compile. */

#include <stdint.h>
#include "flows/objects.h"

struct model;
struct explainer;

/* Copies what it needs of the model. */
struct explainer *explainer_create(const struct model *);
void explainer_destroy(struct explainer *);
/* What a cookie stands for: "acl api-to-vectors (two-hosts.yaml:41:5)", …
 * Returns NULL when the cookie is not ours or names nothing in the model;
 * caller frees. */
char *explainer_explain(const struct explainer *, uint64_t cookie);
/* The name of the group or meter that has a number (objects.h), or NULL. */
const char *explainer_object(const struct explainer *, enum sn_object_kind,
                             uint32_t id);

#endif /* flows/explain.h */
