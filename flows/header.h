#ifndef SN_HEADER_H
#define SN_HEADER_H 1

/* The header of a whole set of packets somewhere in the tables, as a function
 * of the packets as they came in: each bit is a constant, or a bit that the
 * packet came with.  What flows match can so be said of the packets that came
 * in, whatever was rewritten or moved meanwhile, and nothing is lost.
 *
 * Sets of packets (flows/space.h) are about bits of the packet as it came in.
 * Their order keeps what goes together close: what is for one destination,
 * then from one source, then the ports. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "flows/space.h"
#include "lib/prefix.h"
#include "openvswitch/flow.h"
#include "openvswitch/meta-flow.h"

struct match;

/* Bytes of a struct flow, but for its tunnel. */
#define HEADER_FIRST offsetof(struct flow, metadata)
#define HEADER_SIZE (sizeof(struct flow) - HEADER_FIRST)
#define HEADER_BYTE(FIELD) (offsetof(struct flow, FIELD) - HEADER_FIRST)
#define HEADER_REG(N) (HEADER_BYTE(regs) + 4 * (N))

struct header {
    uint8_t known[HEADER_SIZE]; /* Bits that are constants... */
    uint8_t value[HEADER_SIZE]; /* ...and these; else 0. */
    uint16_t from[HEADER_SIZE]; /* Of which byte of the packet the others
                                 * are; 0 if there are none. */
};

/* As a packet comes in: nothing is known of it but the registers. */
void header_init(struct header *);
bool header_equals(const struct header *, const struct header *);
uint32_t header_hash(const struct header *);
void header_set(struct header *, size_t byte, uint8_t value, uint8_t mask);
void header_move(struct header *, size_t dst, size_t src);
/* Conntrack has looked the packets up, the first ones of connections. */
void header_track(struct header *, uint16_t zone);
/* Whether the byte is one that packets come with. */
bool header_byte_is_packet(size_t byte);

/* Registers that sets may carry: bits of their own tell what the register of
 * each packet holds, so that packets with different values are one set.  It is
 * the value that the header has until then; what is dropped is 0. */
bool header_may_carry(int reg);
bool header_carries(const struct header *, int reg);
space_set header_carry(struct space *, struct header *, int reg, space_set);
space_set header_drop(struct space *, struct header *, int reg, space_set);

/* The bytes of a header that a field has, one for each of its value, if not
 * HEADER_NOWHERE; false if it has none of its own. */
#define HEADER_NOWHERE UINT16_MAX
bool header_field_bytes(const struct mf_field *, const uint16_t **ret_bytes);

/* What a flow matches of one byte. */
struct header_match {
    uint16_t byte;
    uint8_t mask, value;
};
/* A malloc'd array; '*ret_outside' is set if the match looks at more than
 * there is here. */
size_t header_match_from_match(const struct match *,
                               struct header_match **ret, bool *ret_outside);

/* A space for sets of packets. */
struct space *header_space_create(void);
/* The packets that satisfy the match once their header is 'header'. */
space_set header_match_set(struct space *, const struct header *,
                           const struct header_match *, size_t n);
/* The packets that came in with 'value' in a field, by its bytes as they are
 * in a struct flow. */
space_set header_bytes_set(struct space *, size_t byte, const void *value,
                           const void *mask, size_t n);
space_set header_u8_set(struct space *, size_t byte, uint8_t value);
space_set header_be16_set(struct space *, size_t byte, uint16_t value);
space_set header_family_set(struct space *, bool is_v4);
/* Source or destination within the prefix, and of its family. */
space_set header_prefix_set(struct space *, bool src,
                            const struct sn_prefix *);
/* The same of packets of any family. */
space_set header_address_set(struct space *, bool src,
                             const struct sn_prefix *);
space_set header_in_port_set(struct space *, ofp_port_t);

/* The packets that satisfy 'set', were it about them as 'header' has them
 * now.  Of bits that were moved, what they were is taken. */
space_set header_view(struct space *, const struct header *, space_set);

bool header_contains(const struct space *, space_set, const struct flow *);
/* One packet of a set that is not empty. */
void header_pick(struct space *, space_set, struct flow *);

#endif /* flows/header.h */
