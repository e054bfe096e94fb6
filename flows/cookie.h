#ifndef SN_COOKIE_H
#define SN_COOKIE_H 1

/* Cookies say whose a flow is: 0x53, the kind of its owner, the owner's 32-bit
 * id, and a 16-bit detail.  The same intent has the same cookie after any
 * restart and on any host. */

#include <stdbool.h>
#include <stdint.h>

enum cookie_kind {
    COOKIE_BASE = 1,            /* The pipeline itself; object: table. */
    COOKIE_CONTAINER,           /* Object: endpoint number. */
    COOKIE_NODE,                /* Object: hash of the name. */
    COOKIE_EXIT,
    COOKIE_IDENTITY,            /* Object: identity. */
    COOKIE_SEGMENT,             /* Rules that follow from a segment. */
    COOKIE_ACL,
    COOKIE_DEFAULT,             /* Default tier. */
    COOKIE_RAW_FLOW,
    COOKIE_UPLINK,
    COOKIE_SERVICE,             /* Object: hash of the name. */
};

#define COOKIE_MAGIC UINT64_C(0x5300000000000000)
#define COOKIE_MAGIC_MASK UINT64_C(0xff00000000000000)

uint64_t cookie_make(enum cookie_kind, uint32_t object, uint16_t detail);
bool cookie_is_ours(uint64_t);
enum cookie_kind cookie_kind(uint64_t);
uint32_t cookie_object(uint64_t);
uint16_t cookie_detail(uint64_t);
/* Stable hash of an object's name: 31 bits, never 0.  Bit 31 sets what a raw
 * flow admitted (ct_mark) apart from what a rule did. */
#define COOKIE_RAW_BIT UINT32_C(0x80000000)
uint32_t cookie_name_id(const char *name);

#endif /* flows/cookie.h */
