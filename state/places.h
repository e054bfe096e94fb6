#ifndef SN_PLACES_H
#define SN_PLACES_H 1

/* Where in the file the members of the model's objects were written.
 *
 * The model knows a place per object.  While a file is being loaded, the
 * checks can do better and point at the very value: "container/xray/veth". */

#include "lib/diag.h"
#include "openvswitch/compiler.h"
#include "openvswitch/shash.h"

struct places {
    struct shash map;           /* struct sn_loc. */
};

void places_init(struct places *);
void places_destroy(struct places *);
void places_put(struct places *, const struct sn_loc *, const char *format,
                ...) OVS_PRINTF_FORMAT(3, 4);
/* The place, or 'fallback'; 'places' may be NULL. */
const struct sn_loc *places_get(const struct places *,
                                const struct sn_loc *fallback,
                                const char *format, ...)
    OVS_PRINTF_FORMAT(3, 4);

#endif /* state/places.h */
