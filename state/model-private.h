#ifndef SN_MODEL_PRIVATE_H
#define SN_MODEL_PRIVATE_H 1

/* What the files that create, free and compare the model's objects share. */

#include "state/model.h"

/* An order-free list of descriptions, to compare arrays whose order has no
 * meaning (and which the database does not keep).  Destroys both. */
bool model_unordered_equal(struct svec *, struct svec *);
bool model_loc_equals(const struct sn_loc *, const struct sn_loc *);
void model_selectors_free(struct model_selector *, size_t n);
bool model_selectors_equal(const struct model_selector *, size_t n,
                           const struct model_selector *, size_t n_other);

struct model_service *model_service_create(void);
void model_service_free(struct model_service *);
bool model_service_equals(const struct model_service *,
                          const struct model_service *);

#endif /* state/model-private.h */
