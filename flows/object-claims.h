#ifndef SN_OBJECT_CLAIMS_H
#define SN_OBJECT_CLAIMS_H 1

/* Who wants which groups and meters: as claims.h for flows, whose owners these
 * are, and which calls all of this but object_claims_add().
 *
 * An object's number is known when it is declared, so that the owner's flows
 * can name it.  Should two names want the same number, it is not valid before
 * object_claims_renumber() has dealt them out anew: that says so, and then
 * every owner has to be asked again. */

#include <stdbool.h>
#include <stdint.h>
#include "flows/idreg.h"
#include "flows/objects.h"
#include "openvswitch/shash.h"
#include "sset.h"

struct object_claims {
    struct shash slots[SN_N_OBJECT_KINDS];  /* Name -> struct object_slot. */
    struct idreg ids[SN_N_OBJECT_KINDS];
    struct shash owners;        /* Owner -> struct object_owner. */
    struct object_set objects;  /* What the switch should have. */
    unsigned int seqno;         /* Grows when 'objects' changes. */

    unsigned int round;
    struct object_owner *current;   /* NULL: it has declared none, ... */
    char *current_name;             /* ...as of this owner. */
    struct sset dirty[SN_N_OBJECT_KINDS];
};

void object_claims_init(struct object_claims *);
void object_claims_destroy(struct object_claims *);
void object_claims_begin(struct object_claims *, const char *owner);
/* Returns the object's number. */
uint32_t object_claims_add(struct object_claims *, enum sn_object_kind,
                           const char *name, uint64_t cookie,
                           const char *spec);
void object_claims_end(struct object_claims *);
void object_claims_begin_round(struct object_claims *);
void object_claims_end_round(struct object_claims *);
/* Returns true if numbers are others now. */
bool object_claims_renumber(struct object_claims *);
void object_claims_resolve(struct object_claims *);

#endif /* flows/object-claims.h */
