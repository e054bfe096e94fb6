#ifndef SN_LINT_H
#define SN_LINT_H 1

/* Checks across the objects of a model.
 *
 * What would silently do something else than what is written is an error;
 * what is suspicious but harmless is a warning.  'places' may be NULL. */

struct diags;
struct model;
struct places;

void lint_model(const struct model *, const struct places *, struct diags *);

#endif /* state/lint.h */
