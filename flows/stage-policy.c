#include <config.h>

#include "flows/compiler-private.h"
#include <netinet/in.h>
#include <stdlib.h>
#include "flow.h"
#include "flows/limits.h"
#include "packets.h"
#include "util.h"

/* egress_policy, ingress_policy: the rules.
 *
 * A connection of a local container is judged at egress, one from elsewhere to
 * a local container at ingress; each packet of it anew, in either direction.
 *
 * Each tier has a class of priorities for its denials, above one for its
 * acceptances.  Within a class a clause is a flow for each pair of identities
 * (and port), or, where that would be many, a conjunction: each identity then
 * has one flow for all clauses that it is in.  Direct flows and conjunctions
 * never share a priority: OVS does not say which it would prefer. */

#define PRIO_CONJ(TIER, ACTION)                                              \
    (20000 - 100 * (2 * (TIER) + ((ACTION) == ACTION_ACCEPT)))
#define PRIO_DIRECT(TIER, ACTION) (PRIO_CONJ(TIER, ACTION) + 10)

static enum sn_table
policy_table(enum policy_side side)
{
    return side == POLICY_EGRESS ? SN_TABLE_EGRESS_POLICY
                                 : SN_TABLE_INGRESS_POLICY;
}

static enum sn_table
policy_next(enum policy_side side)
{
    return side == POLICY_EGRESS ? SN_TABLE_ROUTE : SN_TABLE_COMMIT;
}

static void
emit_accept(struct emit *e, enum policy_side side, uint32_t rule)
{
    emit_set_reg(e, SN_REG_RULE, rule);
    emit_goto(e, policy_next(side));
}

/* Denials have no actions. */
static void
emit_verdict(struct compiler *c, enum policy_side side,
             const struct policy_clause *clause)
{
    if (clause->action == ACTION_ACCEPT) {
        limits_emit_rule(c, clause);
        emit_accept(&c->emit, side, clause->rule);
    }
}

/* Of some ICMP errors no more is known than the rule that had accepted their
 * connection (see stage-identity.c): they pass while that rule stands, and
 * nothing above it denies everything. */
static void
emit_errors(struct compiler *c, enum policy_side side, enum model_tier tier,
            uint64_t cookie, uint32_t rule)
{
    struct emit *e = &c->emit;

    emit_flow(e, policy_table(side), PRIO_DIRECT(tier, ACTION_ACCEPT),
              cookie);
    emit_match_ct_state(e, CS_TRACKED | CS_RELATED,
                        CS_INVALID | CS_NEW | CS_REPLY_DIR);
    match_set_ct_mark(&e->match, rule);
    emit_accept(e, side, rule);
    emit_end(e);
}

static void
match_port(struct emit *e, const struct policy_port *port)
{
    if (port->proto) {
        emit_match_ct_state(e, CS_TRACKED, CS_INVALID);
        match_set_ct_nw_proto(&e->match, port->proto);
    }
    if (port->mask) {
        match_set_ct_tp_dst_masked(&e->match, htons(port->port),
                                   htons(port->mask));
    }
}

/* The userspace datapath knows the connection of a datagram's later fragments,
 * but not its ports.  Where some port is allowed they pass between the same
 * ends; without the first fragment, which is judged by its port, they are
 * worth nothing to the receiver.  (The kernel's conntrack hands over whole
 * datagrams.  TCP does not fragment.) */
static bool
clause_passes_fragments(const struct policy_clause *clause)
{
    for (size_t i = 0; i < clause->n_ports; i++) {
        if (clause->ports[i].proto == IPPROTO_UDP && clause->ports[i].mask) {
            return clause->action == ACTION_ACCEPT;
        }
    }
    return false;
}

static void
match_later_fragment(struct emit *e, bool is_v4)
{
    emit_match_family(e, is_v4);
    emit_match_ct_state(e, CS_TRACKED, CS_INVALID);
    match_set_ct_nw_proto(&e->match, IPPROTO_UDP);
    match_set_nw_frag(&e->match, FLOW_NW_FRAG_ANY | FLOW_NW_FRAG_LATER);
}

/* Identities that a clause's role has on one side, each once; a single NULL
 * stands for any. */
static size_t
collect_idents(const struct policy_clause *clause, enum policy_side side,
               enum policy_role role, const struct policy_ident ***ret)
{
    bool egress = side == POLICY_EGRESS;
    bool local = egress || role == ROLE_DST;
    bool other = egress ? role == ROLE_DST : role == ROLE_SRC;
    struct hmapx seen = HMAPX_INITIALIZER(&seen);
    const struct hmapx_node *node;
    size_t n = 0;

    *ret = xmalloc((clause->standing[side].n[role] + 1) * sizeof **ret);
    if (clause->any[role]) {
        (*ret)[n++] = NULL;
        return n;
    }
    for (size_t i = 0; i < clause->n_sels[role]; i++) {
        HMAPX_FOR_EACH (node, &clause->sels[role][i]->idents) {
            const struct policy_ident *ident = node->data;
            if (((local && ident->n_local) || (other && ident->n_other))
                && hmapx_add(&seen, node->data)) {
                (*ret)[n++] = ident;
            }
        }
    }
    hmapx_destroy(&seen);
    return n;
}

static void
begin_pair(struct compiler *c, const struct policy_clause *clause,
           enum policy_side side, const struct policy_ident *src,
           const struct policy_ident *dst)
{
    struct emit *e = &c->emit;

    emit_flow(e, policy_table(side),
              PRIO_DIRECT(clause->tier, clause->action), clause->cookie);
    if (src) {
        emit_match_reg(e, SN_REG_SRC_ID, src->id);
    }
    if (dst) {
        emit_match_reg(e, SN_REG_DST_ID, dst->id);
    }
}

/* Marking a packet takes a flow for each family. */
static int
clause_n_families(const struct policy_clause *clause)
{
    return clause->class == CLASS_NONE ? 1 : 2;
}

static void
match_clause_family(struct emit *e, const struct policy_clause *clause, int i)
{
    if (clause_n_families(clause) > 1) {
        emit_match_family(e, i == 0);
    }
}

static void
emit_pair(struct compiler *c, const struct policy_clause *clause,
          enum policy_side side, const struct policy_ident *src,
          const struct policy_ident *dst)
{
    int n_families = clause_n_families(clause);
    struct emit *e = &c->emit;

    for (size_t i = 0; i < clause->n_ports * n_families; i++) {
        begin_pair(c, clause, side, src, dst);
        match_clause_family(e, clause, i % n_families);
        match_port(e, &clause->ports[i / n_families]);
        emit_verdict(c, side, clause);
        emit_end(e);
    }
    for (int v4 = 0; v4 < 2 && clause_passes_fragments(clause); v4++) {
        begin_pair(c, clause, side, src, dst);
        match_later_fragment(e, v4);
        emit_verdict(c, side, clause);
        emit_end(e);
    }
}

static void
emit_direct(struct compiler *c, const struct policy_clause *clause,
            enum policy_side side)
{
    const struct policy_ident **srcs, **dsts;
    size_t n_src = collect_idents(clause, side, ROLE_SRC, &srcs);
    size_t n_dst = collect_idents(clause, side, ROLE_DST, &dsts);

    for (size_t i = 0; i < n_src; i++) {
        for (size_t j = 0; j < n_dst; j++) {
            emit_pair(c, clause, side, srcs[i], dsts[j]);
        }
    }
    free(srcs);
    free(dsts);
}

static int
clause_n_dims(const struct policy_clause *clause)
{
    return (!clause->any[ROLE_SRC] + !clause->any[ROLE_DST]
            + !!clause->ports[0].proto);
}

/* What of a conjunction is the clause's own: what to do when all sides match,
 * and the ports.  The identities bring the rest. */
static void
emit_conjunctive(struct compiler *c, const struct policy_clause *clause,
                 enum policy_side side)
{
    int priority = PRIO_CONJ(clause->tier, clause->action);
    int n_dims = clause_n_dims(clause);
    struct emit *e = &c->emit;

    for (int i = 0; i < clause_n_families(clause); i++) {
        emit_flow(e, policy_table(side), priority, clause->cookie);
        match_clause_family(e, clause, i);
        match_set_conj_id(&e->match, clause->conj_id);
        emit_verdict(c, side, clause);
        emit_end(e);
    }
    for (size_t i = 0; clause->ports[0].proto && i < clause->n_ports; i++) {
        emit_flow(e, policy_table(side), priority, clause->cookie);
        match_port(e, &clause->ports[i]);
        emit_conjunction(e, clause->conj_id, n_dims - 1, n_dims);
        emit_end(e);
    }
    for (int v4 = 0; v4 < 2 && clause_passes_fragments(clause); v4++) {
        emit_flow(e, policy_table(side), priority, clause->cookie);
        match_later_fragment(e, v4);
        emit_conjunction(e, clause->conj_id, n_dims - 1, n_dims);
        emit_end(e);
    }
}

void
stage_policy_clause(struct compiler *c, const struct policy_clause *clause)
{
    for (int side = 0; side < POLICY_N_SIDES; side++) {
        const struct policy_standing *standing = &clause->standing[side];
        if (standing->conjunctive) {
            emit_conjunctive(c, clause, side);
        } else if (standing->active) {
            emit_direct(c, clause, side);
        }
        if (standing->active && clause->action == ACTION_ACCEPT) {
            emit_errors(c, side, clause->tier, clause->cookie, clause->rule);
        }
    }
}

struct conj_ref {
    int priority;
    const struct policy_clause *clause;
};

static int
compare_conj_refs(const void *a_, const void *b_)
{
    const struct conj_ref *a = a_;
    const struct conj_ref *b = b_;

    if (a->priority != b->priority) {
        return a->priority < b->priority ? -1 : 1;
    }
    return (a->clause->conj_id < b->clause->conj_id ? -1
            : a->clause->conj_id > b->clause->conj_id);
}

/* The conjunctions on 'side' that 'ident' has a part in as 'role', sorted. */
static size_t
collect_conjunctions(const struct policy_ident *ident, enum policy_side side,
                     enum policy_role role, struct conj_ref **ret)
{
    struct conj_ref *refs = NULL;
    size_t n = 0, allocated = 0, unique = 0;
    const struct hmapx_node *node;

    for (size_t i = 0; i < ident->n_sels; i++) {
        HMAPX_FOR_EACH (node, &ident->sels[i]->clauses[role]) {
            const struct policy_clause *clause = node->data;
            if (clause->standing[side].conjunctive && !clause->any[role]) {
                if (n >= allocated) {
                    refs = x2nrealloc(refs, &allocated, sizeof *refs);
                }
                refs[n].priority = PRIO_CONJ(clause->tier, clause->action);
                refs[n++].clause = clause;
            }
        }
    }
    if (n) {
        qsort(refs, n, sizeof *refs, compare_conj_refs);
    }
    for (size_t i = 0; i < n; i++) {
        if (!i || refs[i].clause != refs[i - 1].clause) {
            refs[unique++] = refs[i];
        }
    }
    *ret = refs;
    return unique;
}

void
stage_policy_ident(struct compiler *c, const struct policy_ident *ident)
{
    uint64_t cookie = cookie_make(COOKIE_IDENTITY, ident->id, SN_WHY_MEMBER);
    struct emit *e = &c->emit;

    for (int side = 0; side < POLICY_N_SIDES; side++) {
        for (int role = 0; role < N_ROLES; role++) {
            bool local = (side == POLICY_EGRESS) == (role == ROLE_SRC);
            struct conj_ref *refs;

            if (local ? !ident->n_local
                : side == POLICY_INGRESS && !ident->n_other) {
                continue;
            }
            size_t n = collect_conjunctions(ident, side, role, &refs);
            for (size_t i = 0; i < n; i++) {
                const struct policy_clause *clause = refs[i].clause;

                if (!i || refs[i].priority != refs[i - 1].priority) {
                    emit_flow(e, policy_table(side), refs[i].priority,
                              cookie);
                    emit_match_reg(e, role == ROLE_SRC ? SN_REG_SRC_ID
                                                       : SN_REG_DST_ID,
                                   ident->id);
                }
                emit_conjunction(e, clause->conj_id,
                                 role == ROLE_DST && !clause->any[ROLE_SRC],
                                 clause_n_dims(clause));
                if (i + 1 == n || refs[i + 1].priority != refs[i].priority) {
                    emit_end(e);
                }
            }
            free(refs);
        }
    }
}

/* Decisions that do not depend on identities. */
static void
policy_shortcut(struct compiler *c, enum policy_side side, int priority,
                uint32_t set, uint32_t clear, enum sn_reason reason)
{
    enum sn_table table = policy_table(side);
    struct emit *e = &c->emit;

    emit_flow(e, table, priority, cookie_base(table, reason));
    emit_match_flags(e, set, clear);
    if (reason < SN_REASON_DROPS) {
        emit_goto(e, policy_next(side));
    }
    emit_end(e);
}

static void
policy_default(struct compiler *c, enum policy_side side, uint32_t flags,
               uint32_t clear, uint32_t rule)
{
    uint64_t cookie = cookie_make(COOKIE_DEFAULT, rule, SN_WHY_NONE);
    struct emit *e = &c->emit;

    emit_flow(e, policy_table(side), PRIO_DIRECT(TIER_DEFAULT, ACTION_ACCEPT),
              cookie);
    emit_match_flags(e, flags, clear);
    emit_accept(e, side, rule);
    emit_end(e);
    emit_errors(c, side, TIER_DEFAULT, cookie, rule);
}

/* A local container to this host's gateway addresses, where the agent answers
 * DNS.  Denials of any tier come before. */
static void
policy_names(struct compiler *c)
{
    static const uint8_t protos[] = { IPPROTO_UDP, IPPROTO_TCP };
    uint64_t cookie = cookie_make(COOKIE_DEFAULT, POLICY_RULE_NAMES,
                                  SN_WHY_NONE);
    struct emit *e = &c->emit;

    emit_errors(c, POLICY_EGRESS, TIER_DEFAULT, cookie, POLICY_RULE_NAMES);
    for (size_t i = 0; c->node && i < c->node->n_subnets; i++) {
        struct sn_prefix gateway = sn_prefix_host(&c->node->gateways[i]);

        for (size_t j = 0; j < ARRAY_SIZE(protos); j++) {
            emit_flow(e, SN_TABLE_EGRESS_POLICY,
                      PRIO_DIRECT(TIER_DEFAULT, ACTION_ACCEPT), cookie);
            emit_match_ct_dst(e, &gateway);
            match_set_ct_nw_proto(&e->match, protos[j]);
            match_set_ct_tp_dst(&e->match, htons(53));
            emit_accept(e, POLICY_EGRESS, POLICY_RULE_NAMES);
            emit_end(e);
        }
    }
}

void
stage_policy_base(struct compiler *c)
{
    policy_shortcut(c, POLICY_EGRESS, 65535, 0, SN_F_SRC_LOCAL,
                    SN_WHY_PROCEED);
    policy_shortcut(c, POLICY_EGRESS, 65534, SN_F_RAW_EXIT, SN_F_DST_MESH,
                    SN_WHY_DECIDED);
    policy_shortcut(c, POLICY_EGRESS, 65533, SN_F_RAW_HOST | SN_F_DST_HOST,
                    0, SN_WHY_DECIDED);
    policy_shortcut(c, POLICY_EGRESS, 65532, SN_F_RAW_HOST, 0,
                    SN_WHY_DROP_NOT_HOST);
    policy_shortcut(c, POLICY_INGRESS, 65535, SN_F_SRC_LOCAL, 0,
                    SN_WHY_DECIDED);
    policy_shortcut(c, POLICY_INGRESS, 65534, SN_F_RAW, 0, SN_WHY_DECIDED);
    policy_shortcut(c, POLICY_INGRESS, 65533, 0, SN_F_DST_LOCAL,
                    SN_WHY_DROP_TRANSIT);
    policy_default(c, POLICY_INGRESS, SN_F_SRC_HOST, 0, POLICY_RULE_HOST);
    if (c->model->mesh.names) {
        policy_names(c);
    }
    if (c->model->mesh.default_policy == MODEL_ALLOW) {
        /* Guests need a rule in any case. */
        for (int side = 0; side < POLICY_N_SIDES; side++) {
            policy_default(c, side, SN_F_SRC_MESH | SN_F_DST_MESH,
                           SN_F_SRC_GUEST | SN_F_DST_GUEST,
                           POLICY_RULE_ALLOW);
        }
    }
    for (int side = 0; side < POLICY_N_SIDES; side++) {
        enum sn_table table = policy_table(side);
        emit_drop(&c->emit, table, 0,
                  cookie_base(table, SN_WHY_DROP_NO_RULE));
    }
}
