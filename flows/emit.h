#ifndef SN_EMIT_H
#define SN_EMIT_H 1

/* Writes flows.
 *
 *     emit_flow(e, SN_TABLE_ROUTE, 100, cookie);
 *     emit_match_dst(e, &prefix);
 *     emit_set_reg(e, SN_REG_OUT, SN_OUT_HOST);
 *     emit_goto(e, SN_TABLE_DELIVER);
 *     emit_end(e);
 *
 * Built on libopenvswitch's match and ofpact functions and not on the
 * ovs-ofctl syntax, which takes ten times as long to parse. */

#include <stdbool.h>
#include <stdint.h>
#include "flows/reasons.h"
#include "flows/regs.h"
#include "flows/tables.h"
#include "lib/prefix.h"
#include "openvswitch/match.h"
#include "openvswitch/meta-flow.h"
#include "openvswitch/ofpbuf.h"

struct sn_flow;

struct emit {
    /* Takes ownership of each finished flow. */
    void (*sink)(struct sn_flow *, void *aux);
    void *aux;

    uint8_t table_id;
    uint16_t priority;
    uint64_t cookie;
    struct match match;
    struct ofpbuf acts;
    uint64_t acts_stub[128];
};

void emit_init(struct emit *, void (*sink)(struct sn_flow *, void *aux),
               void *aux);
void emit_uninit(struct emit *);
void emit_flow(struct emit *, enum sn_table, int priority, uint64_t cookie);
void emit_end(struct emit *);
/* emit_flow() and emit_end(): a flow that drops all. */
void emit_drop(struct emit *, enum sn_table, int priority, uint64_t cookie);

/* A prefix out of a literal, which must parse. */
struct sn_prefix emit_prefix(const char *literal);

/* Matches. */
void emit_match_reg(struct emit *, enum sn_reg, uint32_t value);
void emit_match_flags(struct emit *, uint32_t set, uint32_t clear);
void emit_match_dl_type(struct emit *, uint16_t dl_type);
void emit_match_family(struct emit *, bool is_v4);
void emit_match_proto(struct emit *, uint16_t dl_type, uint8_t proto);
void emit_match_icmp6(struct emit *, uint8_t type);
void emit_match_ct_state(struct emit *, uint32_t set, uint32_t clear);
/* These also match the family. */
void emit_match_src(struct emit *, const struct sn_prefix *);
void emit_match_dst(struct emit *, const struct sn_prefix *);
/* The connection's original addresses; also "+trk-inv". */
void emit_match_ct_src(struct emit *, const struct sn_prefix *);
void emit_match_ct_dst(struct emit *, const struct sn_prefix *);
void emit_match_arp_request(struct emit *, const struct sn_prefix *tpa);
void emit_match_arp_source(struct emit *, const struct sn_prefix *spa);
/* Of solicitations or advertisements. */
void emit_match_nd_target(struct emit *, uint8_t type,
                          const struct sn_prefix *);
void emit_match_ns(struct emit *, const struct sn_prefix *target);

/* Actions. */
void emit_set_reg(struct emit *, enum sn_reg, uint32_t value);
void emit_set_flags(struct emit *, uint32_t set);
void emit_set_mac(struct emit *, enum mf_field_id, struct eth_addr);
void emit_set_u16(struct emit *, enum mf_field_id, uint16_t value);
void emit_set_ipv4(struct emit *, enum mf_field_id, const struct sn_prefix *);
void emit_set_ipv6(struct emit *, enum mf_field_id, const struct sn_prefix *);
/* As many of the low bits as both have. */
void emit_move(struct emit *, enum mf_field_id src, enum mf_field_id dst);
void emit_dec_ttl(struct emit *);
void emit_conjunction(struct emit *, uint32_t id, int dim, int n_dims);
void emit_ct_lookup(struct emit *, enum sn_table next);
void emit_ct_commit(struct emit *);
/* In the zone of services: translates what it knows.  'commit' is for what is
 * related to a connection, which the kernel translates only then. */
void emit_ct_service(struct emit *, bool commit, enum sn_table next);
void emit_output(struct emit *, ofp_port_t);
/* By number: see compiler_add_object(). */
void emit_group(struct emit *, uint32_t id);
void emit_meter(struct emit *, uint32_t id);
/* Last of the actions. */
void emit_goto(struct emit *, enum sn_table);

#endif /* flows/emit.h */
