#include <config.h>

#include "flows/walk.h"

#include <stdlib.h>

#include "classifier.h"
#include "flow.h"
#include "flows/compiler.h"
#include "flows/objects.h"
#include "flows/regs.h"
#include "flows/tables.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/meta-flow.h"
#include "openvswitch/ofp-actions.h"
#include "openvswitch/ofp-group.h"
#include "openvswitch/ofpbuf.h"
#include "packets.h"
#include "util.h"

/* More tables than a pipeline has stages mean a loop. */
enum { MAX_STEPS = 64, N_TABLES = 256 };

struct walk_rule {
    struct cls_rule cr;
    const struct sn_flow *flow;
};

struct walk_bridge {
    const struct object_set *objects;
    struct classifier *tables[N_TABLES];    /* NULL: empty. */
};

static void
insert_flow(struct classifier *cls, const struct sn_flow *flow)
{
    struct walk_rule *rule = xmalloc(sizeof *rule);
    struct cls_conjunction conjs[64];
    const struct ofpact *a;
    size_t n = 0;

    rule->flow = flow;
    cls_rule_init_from_minimatch(&rule->cr, &flow->match, flow->priority);
    OFPACT_FOR_EACH (a, flow->ofpacts, flow->ofpacts_len) {
        if (a->type == OFPACT_CONJUNCTION && n < ARRAY_SIZE(conjs)) {
            const struct ofpact_conjunction *c = ofpact_get_CONJUNCTION(a);

            conjs[n++] = (struct cls_conjunction) {
                .id = c->id, .clause = c->clause, .n_clauses = c->n_clauses,
            };
        }
    }
    classifier_insert(cls, &rule->cr, OVS_VERSION_MIN, conjs, n);
}

struct walk_bridge *
walk_bridge_create(const struct flow_set *flows,
                   const struct object_set *objects)
{
    struct walk_bridge *b = xzalloc(sizeof *b);
    const struct sn_flow *flow;

    b->objects = objects;
    HMAP_FOR_EACH (flow, hmap_node, &flows->flows) {
        struct classifier **cls = &b->tables[flow->table_id];

        if (!*cls) {
            *cls = xmalloc(sizeof **cls);
            classifier_init(*cls, NULL);
            classifier_defer(*cls);
        }
        insert_flow(*cls, flow);
    }
    for (size_t i = 0; i < N_TABLES; i++) {
        if (b->tables[i]) {
            classifier_publish(b->tables[i]);
        }
    }
    return b;
}

static void
rule_free(struct walk_rule *rule)
{
    cls_rule_destroy(&rule->cr);
    free(rule);
}

void
walk_bridge_destroy(struct walk_bridge *b)
{
    if (!b) {
        return;
    }
    for (size_t i = 0; i < N_TABLES; i++) {
        struct walk_rule *rule;

        if (!b->tables[i]) {
            continue;
        }
        classifier_defer(b->tables[i]);
        CLS_FOR_EACH (rule, cr, b->tables[i]) {
            if (classifier_remove(b->tables[i], &rule->cr)) {
                ovsrcu_postpone(rule_free, rule);
            }
        }
        classifier_publish(b->tables[i]);
        classifier_destroy(b->tables[i]);
        free(b->tables[i]);
    }
    free(b);
}

/* The tuple of a connection that begins with this packet. */
static void
track(struct flow *f, uint16_t zone)
{
    f->ct_state = CS_TRACKED | CS_NEW;
    f->ct_zone = zone;
    f->ct_mark = 0;
    f->ct_label = OVS_U128_ZERO;
    f->ct_nw_proto = f->nw_proto;
    f->ct_tp_src = f->tp_src;
    f->ct_tp_dst = f->tp_dst;
    if (f->dl_type == htons(ETH_TYPE_IP)) {
        f->ct_nw_src = f->nw_src;
        f->ct_nw_dst = f->nw_dst;
    } else {
        f->ct_ipv6_src = f->ipv6_src;
        f->ct_ipv6_dst = f->ipv6_dst;
    }
}

static void
translate(struct flow *f, const struct ofpact_nat *nat)
{
    bool source = nat->flags & NX_NAT_F_SRC;
    ovs_be16 *tp = source ? &f->tp_src : &f->tp_dst;

    if (nat->range_af == AF_INET) {
        *(source ? &f->nw_src : &f->nw_dst) = nat->range.addr.ipv4.min;
    } else if (nat->range_af == AF_INET6) {
        *(source ? &f->ipv6_src : &f->ipv6_dst) = nat->range.addr.ipv6.min;
    }
    if (nat->range.proto.min) {
        *tp = htons(nat->range.proto.min);
    }
}

struct walker {
    const struct walk_bridge *bridge;
    size_t bucket;
    struct flow flow;
    int next;                   /* Table, or -1: the way has ended. */
    struct walk *walk;
};

static void
add_output(struct walk *w, ofp_port_t port, const struct flow *flow)
{
    if (w->n_outputs >= w->allocated_outputs) {
        w->outputs = x2nrealloc(w->outputs, &w->allocated_outputs,
                                sizeof *w->outputs);
    }
    w->outputs[w->n_outputs++] = (struct walk_output) { port, *flow };
}

static void execute(struct walker *, const struct ofpact *, size_t len);

static void
execute_ct(struct walker *w, const struct ofpact_conntrack *ct)
{
    const struct ofpact *a;

    if (ct->flags & NX_CT_F_COMMIT) {
        OFPACT_FOR_EACH (a, ct->actions, ofpact_ct_get_action_len(ct)) {
            if (a->type == OFPACT_NAT) {
                translate(&w->flow, ofpact_get_NAT(a));
            }
        }
    }
    if (ct->recirc_table != NX_CT_RECIRC_NONE) {
        track(&w->flow, ct->zone_imm);
        w->next = ct->recirc_table;
    }
}

static void
execute_group(struct walker *w, uint32_t id)
{
    struct ofputil_group_mod gm;

    if (!sn_object_parse_group(w->bridge->objects, id, &gm)) {
        w->walk->unknown = "group";
        return;
    }

    const struct ofputil_bucket *bucket;
    size_t i = 0;
    w->walk->n_buckets = ovs_list_size(&gm.buckets);
    LIST_FOR_EACH (bucket, list_node, &gm.buckets) {
        if (i++ == w->bucket) {
            w->walk->bucket_id = bucket->bucket_id;
            execute(w, bucket->ofpacts, bucket->ofpacts_len);
        }
    }
    ofputil_uninit_group_mod(&gm);
}

static void
execute_one(struct walker *w, const struct ofpact *a)
{
    struct flow_wildcards wc;

    switch (a->type) {
    case OFPACT_SET_FIELD: {
        const struct ofpact_set_field *sf = ofpact_get_SET_FIELD(a);

        mf_set_flow_value_masked(sf->field, sf->value,
                                 ofpact_set_field_mask(sf), &w->flow);
        break;
    }
    case OFPACT_REG_MOVE: {
        const struct ofpact_reg_move *move = ofpact_get_REG_MOVE(a);

        mf_subfield_copy(&move->src, &move->dst, &w->flow, &wc);
        break;
    }
    case OFPACT_OUTPUT: {
        ofp_port_t port = ofpact_get_OUTPUT(a)->port;

        /* As a switch does, not back to where it came from. */
        if (port != w->flow.in_port.ofp_port) {
            add_output(w->walk, port == OFPP_IN_PORT
                       ? w->flow.in_port.ofp_port : port, &w->flow);
        }
        break;
    }
    case OFPACT_GOTO_TABLE:
        w->next = ofpact_get_GOTO_TABLE(a)->table_id;
        break;
    case OFPACT_CT:
        execute_ct(w, ofpact_get_CT(a));
        break;
    case OFPACT_GROUP:
        execute_group(w, ofpact_get_GROUP(a)->group_id);
        break;
    case OFPACT_METER:
    case OFPACT_NOTE:
    case OFPACT_DEC_TTL:
    case OFPACT_CONJUNCTION:
    case OFPACT_SET_IP_DSCP:
    case OFPACT_SET_QUEUE:
    case OFPACT_POP_QUEUE:
        break;
    default:
        w->walk->unknown = ofpact_name(a->type);
        break;
    }
}

static void
execute(struct walker *w, const struct ofpact *ofpacts, size_t len)
{
    const struct ofpact *a;

    OFPACT_FOR_EACH (a, ofpacts, len) {
        if (!w->walk->unknown) {
            execute_one(w, a);
        }
    }
}

static const struct sn_flow *
lookup(const struct walk_bridge *b, uint8_t table, struct flow *flow)
{
    const struct cls_rule *cr
        = b->tables[table] ? classifier_lookup(b->tables[table],
                                               OVS_VERSION_MIN, flow, NULL)
          : NULL;

    return cr ? CONTAINER_OF(cr, struct walk_rule, cr)->flow : NULL;
}

static void
add_step(struct walk *w, uint8_t table, const struct sn_flow *flow)
{
    if (w->n_steps >= w->allocated_steps) {
        w->steps = x2nrealloc(w->steps, &w->allocated_steps,
                              sizeof *w->steps);
    }
    w->steps[w->n_steps++] = (struct walk_step) { table, flow };
}

void
walk_run(const struct walk_bridge *b, const struct flow *packet,
         size_t bucket, struct walk *walk)
{
    struct walker w = {
        .bridge = b, .bucket = bucket, .flow = *packet, .walk = walk,
    };

    *walk = (struct walk) { .n_steps = 0 };
    while (w.next >= 0 && !walk->unknown) {
        uint8_t table = w.next;
        const struct sn_flow *flow = lookup(b, table, &w.flow);

        w.next = -1;
        add_step(walk, table, flow);
        if (flow) {
            execute(&w, flow->ofpacts, flow->ofpacts_len);
        }
        if (walk->n_steps >= MAX_STEPS) {
            walk->unknown = "a loop";
        }
    }
    walk->last = w.flow;
}

void
walk_uninit(struct walk *walk)
{
    free(walk->steps);
    free(walk->outputs);
}

const struct sn_flow *
walk_last(const struct walk *walk)
{
    return walk->n_steps ? walk->steps[walk->n_steps - 1].flow : NULL;
}
