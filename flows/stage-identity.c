#include <config.h>

#include "flows/compiler-private.h"
#include "packets.h"

/* src_identity, dst_identity: the ends of the connection, and which local
 * container may report an ICMP error about it: the one that it goes to, or, if
 * the error is about a packet of the replies, the one that it began at.
 *
 * Always those of the connection's first packet, taken from its conntrack
 * entry: requests, replies and ICMP errors of one connection look the same to
 * the rules.  A longest prefix match; a flow stands only where it says
 * something else than the next shorter one.
 *
 * With the kernel datapath, ovs-vswitchd does not tell these ends of an ICMP
 * error that goes the way of the connection's first packet ("+rel-rpl"): one
 * about a packet of the replies.  There policy goes by the rule that had
 * accepted the connection.  Conntrack has seen to it that the error goes to
 * the connection's original destination; a container as the sender is
 * compared with the reporter by the commit stage. */

static uint64_t
cookie_ident(uint32_t id)
{
    return cookie_make(COOKIE_IDENTITY, id, SN_WHY_NONE);
}

/* 'above' for what stands above another flow for the same prefix. */
static void
identity_begin(struct compiler *c, enum policy_role role,
               const struct sn_prefix *prefix, uint64_t cookie, bool above)
{
    bool src = role == ROLE_SRC;
    struct emit *e = &c->emit;

    emit_flow(e, src ? SN_TABLE_SRC_IDENTITY : SN_TABLE_DST_IDENTITY,
              100 + prefix->plen + above, cookie);
    if (src) {
        emit_match_ct_src(e, prefix);
    } else {
        emit_match_ct_dst(e, prefix);
    }
}

/* 'flags' are those of a source. */
static void
identity_end(struct compiler *c, enum policy_role role, uint32_t flags,
             uint32_t id)
{
    bool src = role == ROLE_SRC;
    struct emit *e = &c->emit;

    if (id) {
        emit_set_reg(e, src ? SN_REG_SRC_ID : SN_REG_DST_ID, id);
    }
    if (flags) {
        emit_set_flags(e, src ? flags : flags << SN_F_DST_SHIFT);
    }
    emit_goto(e, src ? SN_TABLE_DST_IDENTITY : SN_TABLE_EGRESS_POLICY);
    emit_end(e);
}

static void
identity_of_error(struct compiler *c, uint32_t from, uint32_t flags)
{
    struct emit *e = &c->emit;

    emit_flow(e, SN_TABLE_SRC_IDENTITY, 300,
              cookie_base(SN_TABLE_SRC_IDENTITY, SN_WHY_PROCEED));
    emit_match_flags(e, from, 0);
    emit_match_ct_state(e, CS_TRACKED | CS_RELATED,
                        CS_INVALID | CS_NEW | CS_REPLY_DIR);
    emit_set_flags(e, flags);
    if (from == SN_F_FROM_CONTAINER) {
        emit_move(e, MFF_CT_LABEL, MFF_REG0 + SN_REG_REPORTER);
    }
    emit_goto(e, SN_TABLE_EGRESS_POLICY);
    emit_end(e);
}

void
stage_identity_base(struct compiler *c)
{
    identity_of_error(c, SN_F_FROM_CONTAINER,
                      SN_F_SRC_LOCAL | SN_F_DST_MESH);
    identity_of_error(c, SN_F_FROM_LOCAL, SN_F_DST_LOCAL);
    emit_drop(&c->emit, SN_TABLE_SRC_IDENTITY, 0,
              cookie_base(SN_TABLE_SRC_IDENTITY, SN_WHY_DROP_INVALID));
    emit_drop(&c->emit, SN_TABLE_DST_IDENTITY, 0,
              cookie_base(SN_TABLE_DST_IDENTITY, SN_WHY_DROP_INVALID));
}

void
stage_identity_point(struct compiler *c, const struct point *point)
{
    for (int role = 0; role < N_ROLES; role++) {
        enum sn_table table = role == ROLE_SRC ? SN_TABLE_SRC_IDENTITY
                                               : SN_TABLE_DST_IDENTITY;
        uint32_t id = point_id(point, role);

        if (id || point->fixed) {
            identity_begin(c, role, &point->prefix,
                           id ? cookie_ident(id)
                              : cookie_base(table, SN_WHY_PROCEED), false);
            identity_end(c, role, point->flags, id);
        }
    }
}

static void
identity_container(struct compiler *c, enum policy_role role,
                   const struct model_container *container,
                   const struct policy_container *pc,
                   const struct sn_prefix *address)
{
    uint32_t flags = SN_F_SRC_MESH | (pc->local ? SN_F_SRC_LOCAL : 0);
    const struct point *around = points_lookup(&c->points, address);
    uint32_t id = policy_ident_needed(pc->ident, role);
    bool reports = false;
    struct endpoint ep;

    if (role == ROLE_DST && pc->local) {
        reports = !compiler_get_endpoint(c, container, &ep);
    }
    if (reports || id != point_id(around, role) || flags != around->flags) {
        identity_begin(c, role, address,
                       id ? cookie_ident(id)
                          : cookie_container(c, container, SN_WHY_NONE),
                       point_is_host(around));
        if (reports) {
            emit_set_reg(&c->emit, SN_REG_REPORTER, ep.number);
        }
        identity_end(c, role, flags, id);
    }
}

/* A rule may name the address of a container: a point of its own, which knows
 * nothing of the container's name, tags and segments. */
void
stage_identity_container(struct compiler *c,
                         const struct model_container *container)
{
    const struct policy_container *pc
        = shash_find_data(&c->policy.containers, container->name);

    for (size_t i = 0; i < container->n_addresses; i++) {
        struct sn_prefix a = sn_prefix_host(&container->addresses[i]);

        for (int role = 0; role < N_ROLES; role++) {
            identity_container(c, role, container, pc, &a);
        }
    }
}
