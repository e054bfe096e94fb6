#include <config.h>

#include "state/places.h"

#include <stdarg.h>
#include <stdlib.h>
#include "openvswitch/util.h"
#include "util.h"

void
places_init(struct places *places)
{
    shash_init(&places->map);
}

void
places_destroy(struct places *places)
{
    shash_destroy_free_data(&places->map);
}

void
places_put(struct places *places, const struct sn_loc *loc,
           const char *format, ...)
{
    va_list args;

    va_start(args, format);
    char *name = xvasprintf(format, args);
    va_end(args);
    free(shash_replace(&places->map, name, xmemdup(loc, sizeof *loc)));
    free(name);
}

const struct sn_loc *
places_get(const struct places *places, const struct sn_loc *fallback,
           const char *format, ...)
{
    if (!places) {
        return fallback;
    }

    va_list args;
    va_start(args, format);
    char *name = xvasprintf(format, args);
    va_end(args);
    const struct sn_loc *loc = shash_find_data(&places->map, name);
    free(name);
    return loc ? loc : fallback;
}
