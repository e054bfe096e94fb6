#ifndef SN_IDREG_H
#define SN_IDREG_H 1

/* Numbers for names.
 *
 * Each key prefers a number, a hash for the most part.  As long as no two
 * prefer the same, each has its own at once.  A collision raises 'collided':
 * idreg_assign() then deals numbers out in the order of the keys, so that the
 * result depends on the keys and not on their history. */

#include <stdbool.h>
#include <stdint.h>
#include "openvswitch/hmap.h"
#include "openvswitch/shash.h"

struct idreg {
    struct shash entries;       /* struct idreg_entry. */
    struct hmap by_id;          /* struct idreg_entry. */
    size_t n_moved;             /* Entries without the number they prefer. */
    bool collided;              /* Numbers are not valid before
                                 * idreg_assign(). */
};

void idreg_init(struct idreg *);
void idreg_destroy(struct idreg *);
/* 'preferred' is not 0.  Adding a key twice is an error of the caller. */
void idreg_add(struct idreg *, const char *key, uint32_t preferred);
void idreg_remove(struct idreg *, const char *key);
void idreg_assign(struct idreg *);
uint32_t idreg_get(const struct idreg *, const char *key);      /* 0: none. */
const char *idreg_find(const struct idreg *, uint32_t id);      /* Or NULL. */

/* For tests: numbers are taken from the bits of this mask. */
extern uint32_t idreg_test_mask;

#endif /* flows/idreg.h */
