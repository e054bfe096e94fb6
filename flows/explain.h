#ifndef SN_EXPLAIN_H
#define SN_EXPLAIN_H 1

/* Cookies of a whole dump, explained.  cookie_explain() does one and builds
 * its index of the model each time. */

#include <stdint.h>

struct model;
struct explainer;

/* Copies what it needs of the model. */
struct explainer *explainer_create(const struct model *);
void explainer_destroy(struct explainer *);
/* As cookie_explain(). */
char *explainer_explain(const struct explainer *, uint64_t cookie);

#endif /* flows/explain.h */
