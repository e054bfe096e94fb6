#include <config.h>

#include "flows/cookie.h"

#include "openvswitch/util.h"

uint64_t
cookie_make(enum cookie_kind kind, uint32_t object, uint16_t detail)
{
    return (COOKIE_MAGIC | (uint64_t) (kind & 0xff) << 48
            | (uint64_t) object << 16 | detail);
}

bool
cookie_is_ours(uint64_t cookie)
{
    return (cookie & COOKIE_MAGIC_MASK) == COOKIE_MAGIC;
}

enum cookie_kind
cookie_kind(uint64_t cookie)
{
    return (cookie >> 48) & 0xff;
}

uint32_t
cookie_object(uint64_t cookie)
{
    return cookie >> 16;
}

uint16_t
cookie_detail(uint64_t cookie)
{
    return cookie;
}

/* FNV-1a with a final mix.  Not OVS's hash_string(), which differs from one
 * processor to another. */
uint32_t
cookie_name_id(const char *name)
{
    uint32_t hash = 2166136261u;

    for (const char *p = name; *p; p++) {
        hash = (hash ^ (uint8_t) *p) * 16777619u;
    }
    hash ^= hash >> 16;
    hash *= 0x7feb352du;
    hash ^= hash >> 15;
    hash *= 0x846ca68bu;
    hash ^= hash >> 16;
    hash &= 0x7fffffff;
    return hash ? hash : 1;
}
