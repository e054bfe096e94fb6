#include <config.h>

#include "flows/compiler-private.h"
#include <stdlib.h>
#include "flow.h"
#include "flows/user.h"
#include "openvswitch/ofp-actions.h"
#include "packets.h"
#include "state/rawflow.h"
#include "util.h"

/* user: the raw flows of the state file.
 *
 * They see IP packets of known senders with their connection looked up.  Port
 * names are symbols: a container, an exit's interface, LOCAL.
 *
 *     drop        drop, every packet that matches
 *     normal      go on through the pipeline
 *     output:veth deliver to that container; the rules are not asked
 *     output:exit leave by that exit, if the destination is outside the mesh;
 *                 within the mesh the rules decide as ever
 *     local       only to this host's own addresses
 *
 * The last three admit connections, so they look at original-direction packets
 * only (unless the flow matches ct_state itself); replies pass by the mark
 * that the connection then has. */

enum raw_verb { RAW_DROP, RAW_NORMAL, RAW_HOST, RAW_CONTAINER, RAW_EXIT,
                RAW_NOWHERE };

struct raw_target {
    enum raw_verb verb;
    const struct model_container *container;
    const struct model_exit *exit;
};

/* The container with that host interface, on this node first. */
static const struct model_container *
user_find_veth(const struct compiler *c, const char *veth)
{
    const char *name = compiler_veth_owner(c, veth);
    const struct model_container *found = NULL;
    struct shash_node *node;

    if (name) {
        return model_get_trusted(c->model, name, c->node_name);
    }
    SHASH_FOR_EACH (node, &c->model->containers) {
        const struct model_container *container = node->data;
        if (!strcmp(container->veth, veth)
            && model_get_trusted(c->model, node->name, c->node_name)
            && (!found || strcmp(container->name, found->name) < 0)) {
            found = container;
        }
    }
    return found;
}

static const struct model_exit *
find_exit_interface(const struct compiler *c, const char *interface)
{
    const struct model_exit *found = NULL;
    struct shash_node *node;

    SHASH_FOR_EACH (node, &c->model->exits) {
        const struct model_exit *exit = node->data;
        if (!strcmp(exit->node, c->node_name)
            && !strcmp(exit->interface, interface)
            && (!found || strcmp(exit->name, found->name) < 0)) {
            found = exit;
        }
    }
    return found;
}

static bool
raw_name_is_local(const struct compiler *c, const char *name)
{
    return (!strcmp(name, "LOCAL")
            || (c->local && !strcmp(name, c->local->name)));
}

static void
raw_resolve_output(const struct compiler *c, const struct raw_flow *raw,
                   ofp_port_t port, struct raw_target *target)
{
    const char *name = raw_flow_port_name(raw, port);

    if (port == OFPP_NORMAL) {
        target->verb = RAW_NORMAL;
    } else if (port == OFPP_LOCAL || (name && raw_name_is_local(c, name))) {
        target->verb = RAW_HOST;
    } else if (name) {
        target->container = user_find_veth(c, name);
        target->exit = find_exit_interface(c, name);
        target->verb = (target->container ? RAW_CONTAINER
                        : target->exit ? RAW_EXIT : RAW_NOWHERE);
    } else {
        target->verb = RAW_NOWHERE;
    }
}

/* What the actions come to.  'rewrites' gets those that go before it. */
static void
raw_resolve(const struct compiler *c, const struct raw_flow *raw,
            struct raw_target *target, struct ofpbuf *rewrites)
{
    const struct ofpact *a;

    memset(target, 0, sizeof *target);
    target->verb = RAW_DROP;
    OFPACT_FOR_EACH (a, raw->ofpacts, raw->ofpacts_len) {
        switch ((int) a->type) {
        case OFPACT_OUTPUT:
            if (target->verb != RAW_DROP) {
                target->verb = RAW_NOWHERE;
                return;
            }
            raw_resolve_output(c, raw, ofpact_get_OUTPUT(a)->port, target);
            break;
        case OFPACT_SET_IP_DSCP:
        case OFPACT_SET_IP_ECN:
        case OFPACT_SET_IP_TTL:
        case OFPACT_NOTE:
            ofpbuf_put(rewrites, a, OFPACT_ALIGN(a->len));
            break;
        default:
            target->verb = RAW_NOWHERE;
            return;
        }
    }
}

/* The symbolic in_port as a match on what classify found out.  Returns false
 * if no packet can come from there. */
static bool
raw_match_in_port(const struct compiler *c, const struct raw_flow *raw,
                  struct match *match)
{
    const struct model_container *container;

    match->flow.in_port.ofp_port = 0;
    match->wc.masks.in_port.ofp_port = 0;
    if (!raw->in_port) {
        return true;
    } else if (raw_name_is_local(c, raw->in_port)
               || find_exit_interface(c, raw->in_port)) {
        match_set_reg_masked(match, SN_REG_FLAGS, SN_F_FROM_LOCAL,
                             SN_F_FROM_LOCAL);
        return true;
    }
    container = user_find_veth(c, raw->in_port);
    if (!container || strcmp(container->node, c->node_name)) {
        return false;
    }
    match_set_reg(match, SN_REG_ENDPOINT,
                  idreg_get(&c->endpoints, container->name));
    return true;
}

struct raw_emit {
    struct compiler *c;
    struct match match;
    struct ofpbuf rewrites;
    int priority;
    uint32_t mark;
};

static struct emit *
raw_flow_begin(const struct raw_emit *r, enum sn_reason reason)
{
    struct emit *e = &r->c->emit;

    emit_flow(e, SN_TABLE_USER, r->priority,
              cookie_make(COOKIE_RAW_FLOW, r->mark, reason));
    e->match = r->match;
    return e;
}

/* Of a connection's replies, it began at the container of the label. */
static void
emit_reporter_of_label(struct emit *e)
{
    emit_move(e, MFF_CT_LABEL, MFF_REG0 + SN_REG_REPORTER);
}

/* As raw_flow_begin(), for a flow that admits connections. */
static struct emit *
raw_admit_begin(const struct raw_emit *r)
{
    struct emit *e = raw_flow_begin(r, SN_WHY_NONE);

    if (!e->match.wc.masks.ct_state) {
        emit_match_ct_state(e, CS_TRACKED, CS_REPLY_DIR);
    }
    ofpbuf_put(&e->acts, r->rewrites.data, r->rewrites.size);
    emit_set_reg(e, SN_REG_RULE, r->mark);
    return e;
}

/* An ICMP error about what was delivered comes from there; one about a reply,
 * from where the connection began. */
static void
raw_emit_replies(const struct raw_emit *r, uint32_t reporter)
{
    static const struct { uint32_t set, clear; } states[] = {
        { CS_TRACKED | CS_ESTABLISHED | CS_REPLY_DIR, 0 },
        { CS_TRACKED | CS_RELATED | CS_REPLY_DIR, 0 },
        { CS_TRACKED | CS_RELATED, CS_REPLY_DIR },
    };
    struct emit *e = &r->c->emit;

    for (size_t i = 0; i < ARRAY_SIZE(states); i++) {
        emit_flow(e, SN_TABLE_USER, 65534,
                  cookie_make(COOKIE_RAW_FLOW, r->mark, SN_WHY_REPLIES));
        emit_match_ct_state(e, states[i].set, states[i].clear);
        match_set_ct_mark(&e->match, r->mark);
        emit_set_reg(e, SN_REG_RULE, r->mark);
        emit_set_flags(e, SN_F_RAW);
        if (states[i].clear) {
            emit_reporter_of_label(e);
        } else if (states[i].set & CS_RELATED && reporter) {
            emit_set_reg(e, SN_REG_REPORTER, reporter);
        }
        emit_goto(e, SN_TABLE_ROUTE);
        emit_end(e);
    }
}

/* By the mesh a packet goes where its address says, and nowhere else. */
static void
raw_emit_remote(const struct raw_emit *r,
                const struct model_container *container)
{
    for (size_t i = 0; i < container->n_addresses; i++) {
        struct sn_prefix a = sn_prefix_host(&container->addresses[i]);
        struct emit *e = raw_admit_begin(r);
        struct match before = e->match;

        if (!e->match.wc.masks.dl_type
            || ntohs(e->match.flow.dl_type)
               == (a.is_v4 ? ETH_TYPE_IP : ETH_TYPE_IPV6)) {
            emit_match_dst(e, &a);
            /* What the flow matched of the destination must agree. */
            struct flow_wildcards *wc = &before.wc;
            if (flow_equal_except(&before.flow, &e->match.flow, wc)) {
                emit_match_flags(e, SN_F_FROM_CONTAINER, 0);
                emit_reporter_of_label(e);
                emit_set_reg(e, SN_REG_OUT, SN_OUT_HOST);
                emit_goto(e, SN_TABLE_COMMIT);
                emit_end(e);
            }
        }
    }
}

static void
raw_emit_admission(const struct raw_emit *r, const struct raw_target *target)
{
    bool remote = (target->container
                   && strcmp(target->container->node, r->c->node_name));
    uint32_t endpoint = 0;
    struct emit *e;

    if (remote) {
        raw_emit_remote(r, target->container);
    } else {
        e = raw_admit_begin(r);
        if (target->verb == RAW_CONTAINER) {
            endpoint = idreg_get(&r->c->endpoints, target->container->name);
            emit_reporter_of_label(e);
            emit_set_reg(e, SN_REG_OUT, SN_OUT_ENDPOINT);
            emit_set_reg(e, SN_REG_OUT_ID, endpoint);
            emit_goto(e, SN_TABLE_COMMIT);
        } else {
            emit_match_flags(e, SN_F_FROM_CONTAINER, 0);
            if (target->verb == RAW_EXIT) {
                emit_set_reg(e, SN_REG_OUT_ID, exit_number(target->exit));
            }
            emit_set_flags(e, target->verb == RAW_EXIT ? SN_F_RAW_EXIT
                                                       : SN_F_RAW_HOST);
            emit_goto(e, SN_TABLE_SRC_IDENTITY);
        }
        emit_end(e);
    }
    raw_emit_replies(r, endpoint);
}

static void
raw_emit(struct raw_emit *r, const struct raw_target *target)
{
    struct emit *e;

    switch (target->verb) {
    case RAW_DROP:
        raw_flow_begin(r, SN_WHY_DROP_RULE);
        emit_end(&r->c->emit);
        break;
    case RAW_NOWHERE:
        raw_flow_begin(r, SN_WHY_DROP_RAW_TARGET);
        emit_end(&r->c->emit);
        break;
    case RAW_NORMAL:
        e = raw_flow_begin(r, SN_WHY_NONE);
        ofpbuf_put(&e->acts, r->rewrites.data, r->rewrites.size);
        emit_goto(e, SN_TABLE_SRC_IDENTITY);
        emit_end(e);
        break;
    case RAW_HOST:
    case RAW_CONTAINER:
    case RAW_EXIT:
        raw_emit_admission(r, target);
        break;
    }
}

/* A raw flow that does not parse gives no flows: who loaded it was told. */
void
stage_user_raw(struct compiler *c, const struct model_raw_flow *mrf,
               const char *key)
{
    struct raw_flow *raw = raw_flow_parse(mrf, NULL);

    if (raw) {
        struct raw_emit r = {
            .c = c,
            .match = raw->match,
            .priority = MAX(1, MIN(raw->priority, 65533)),
            .mark = COOKIE_RAW_BIT | cookie_name_id(key),
        };
        struct raw_target target;

        ofpbuf_init(&r.rewrites, 0);
        raw_resolve(c, raw, &target, &r.rewrites);
        if (raw_match_in_port(c, raw, &r.match)) {
            raw_emit(&r, &target);
        }
        ofpbuf_uninit(&r.rewrites);
        raw_flow_destroy(raw);
    }
}

/* The names of ports that a raw flow mentions, and the local container that it
 * delivers to. */
void
user_collect_names(const struct compiler *c, const struct model_raw_flow *mrf,
                   struct sset *names, struct sset *targets)
{
    struct raw_flow *raw = raw_flow_parse(mrf, NULL);
    const struct ofpact *a;

    if (!raw) {
        return;
    }
    if (raw->in_port) {
        sset_add(names, raw->in_port);
    }
    OFPACT_FOR_EACH (a, raw->ofpacts, raw->ofpacts_len) {
        const char *name = a->type == OFPACT_OUTPUT
                           ? raw_flow_port_name(raw,
                                                ofpact_get_OUTPUT(a)->port)
                           : NULL;
        if (name) {
            const struct model_container *container = user_find_veth(c, name);

            sset_add(names, name);
            if (container && !strcmp(container->node, c->node_name)) {
                sset_add(targets, container->name);
            }
        }
    }
    raw_flow_destroy(raw);
}

void
stage_user_base(struct compiler *c)
{
    struct emit *e = &c->emit;

    emit_flow(e, SN_TABLE_USER, 65535,
              cookie_base(SN_TABLE_USER, SN_WHY_DROP_INVALID));
    emit_match_ct_state(e, CS_TRACKED | CS_INVALID, 0);
    emit_end(e);
    emit_flow(e, SN_TABLE_USER, 0,
              cookie_base(SN_TABLE_USER, SN_WHY_PROCEED));
    emit_goto(e, SN_TABLE_SRC_IDENTITY);
    emit_end(e);
}
