#ifndef SN_CLASSES_H
#define SN_CLASSES_H 1

/* Containers of which no rule, raw flow or service tells one from the other:
 * what holds for one of a class holds for all of it. */

#include <stddef.h>
#include "svec.h"

struct model;

struct classes {
    struct svec *items;         /* Names, sorted; none is empty. */
    size_t n;
};

/* Of containers that are alike in each of the models. */
void classes_find(struct classes *, const struct model *const models[],
                  size_t n_models);
void classes_destroy(struct classes *);

#endif /* cli/classes.h */
