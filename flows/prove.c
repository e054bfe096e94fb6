#include <config.h>

#include "flows/prove.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include "flows/compiler.h"
#include "flows/objects.h"
#include "flows/prove-private.h"
#include "flows/walk.h"
#include "openvswitch/util.h"
#include "packets.h"
#include "state/model.h"
#include "util.h"

/* More of one kind say nothing new. */
enum { MAX_TOLD = 3 };

static const struct { const char *name, *text; } invariants[] = {
#define PROVE_INVARIANT(ENUM, NAME, TEXT) { NAME, TEXT },
    PROVE_INVARIANTS
#undef PROVE_INVARIANT
};

const char *
prove_invariant_name(enum prove_invariant invariant)
{
    return invariants[invariant].name;
}

const char *
prove_invariant_text(enum prove_invariant invariant)
{
    return invariants[invariant].text;
}

void
proof_init(struct proof *proof)
{
    memset(proof, 0, sizeof *proof);
}

void
proof_uninit(struct proof *proof)
{
    for (size_t i = 0; i < proof->n_findings; i++) {
        free(proof->findings[i].node);
        free(proof->findings[i].text);
    }
    free(proof->findings);
    free(proof->unproven);
}

void
proof_add(struct proof *proof, struct proof *other)
{
    size_t n = proof->n_findings + other->n_findings;
    size_t n_unproven = proof->n_unproven + other->n_unproven;

    proof->findings = xrealloc(proof->findings,
                               (n + 1) * sizeof *proof->findings);
    proof->unproven = xrealloc(proof->unproven,
                               (n_unproven + 1) * sizeof *proof->unproven);
    for (size_t i = 0; i < other->n_findings; i++) {
        proof->findings[proof->n_findings++] = other->findings[i];
    }
    for (size_t i = 0; i < other->n_unproven; i++) {
        proof->unproven[proof->n_unproven++] = other->unproven[i];
    }
    proof->allocated_findings = n + 1;
    for (int i = 0; i < PROVE_N_INVARIANTS; i++) {
        proof->n_refuted[i] += other->n_refuted[i];
    }
    proof->n_hosts += other->n_hosts;
    proof->n_flows += other->n_flows;
    proof->n_states += other->n_states;
    proof->n_nodes = MAX(proof->n_nodes, other->n_nodes);
    proof->memory = MAX(proof->memory, other->memory);
    free(other->findings);
    free(other->unproven);
}

/* Findings. */

static struct prove_finding *
add_finding(struct prove *p, enum prove_invariant invariant,
            const struct sn_flow *flow, char *text)
{
    struct proof *proof = p->proof;

    if (proof->n_findings >= proof->allocated_findings) {
        proof->findings = x2nrealloc(proof->findings,
                                     &proof->allocated_findings,
                                     sizeof *proof->findings);
    }
    struct prove_finding *f = &proof->findings[proof->n_findings++];
    *f = (struct prove_finding) {
        .invariant = invariant, .node = xstrdup(p->bridge->node),
        .text = text, .flow = flow,
    };
    return f;
}

/* Whether there is room for one more. */
static bool
count_finding(struct prove *p, enum prove_invariant invariant)
{
    p->proof->n_refuted[invariant]++;
    return ++p->n_told[invariant] <= MAX_TOLD;
}

void
prove_refute(struct prove *p, enum prove_invariant invariant,
             const struct sn_flow *flow, char *text)
{
    if (count_finding(p, invariant)) {
        add_finding(p, invariant, flow, text)->confirmed = true;
    } else {
        free(text);
    }
}

/* The way of a packet, bucket by bucket of the group that it meets. */
static bool
leaves_by(struct prove *p, const struct flow *packet, ofp_port_t port)
{
    size_t n_buckets = 1;
    bool leaves = false;

    if (!p->walk) {
        p->walk = walk_bridge_create(p->bridge->flows, p->bridge->objects);
    }
    for (size_t i = 0; i < n_buckets && !leaves; i++) {
        struct walk walk;

        walk_run(p->walk, packet, i, &walk);
        n_buckets = MAX(n_buckets, walk.n_buckets);
        for (size_t j = 0; j < walk.n_outputs; j++) {
            leaves |= walk.outputs[j].port == port;
        }
        walk_uninit(&walk);
    }
    return leaves;
}

static space_set
prefer(struct prove *p, space_set set, space_set better)
{
    better = space_and(p->space, set, better);
    return better != SPACE_NONE ? better : set;
}

/* One that an ordinary sender might send. */
static void
pick_packet(struct prove *p, space_set set, struct flow *packet)
{
    static const uint8_t untagged[4];
    struct space *s = p->space;
    const struct flow_port *local
        = flow_ports_find(p->bridge->ports, "vmbr0");

    set = prefer(p, set, header_bytes_set(s, HEADER_BYTE(vlans[0]), untagged,
                                          NULL, sizeof untagged));
    set = prefer(p, set, header_u8_set(s, HEADER_BYTE(nw_frag), 0));
    set = prefer(p, set, header_family_set(s, true));
    set = prefer(p, set, header_family_set(s, false));
    set = prefer(p, set, header_u8_set(s, HEADER_BYTE(nw_ttl), 64));
    set = prefer(p, set, header_u8_set(s, HEADER_BYTE(nw_proto),
                                       IPPROTO_TCP));
    set = prefer(p, set, header_u8_set(s, HEADER_BYTE(nw_proto),
                                       IPPROTO_UDP));
    set = prefer(p, set, header_be16_set(s, HEADER_BYTE(tp_src), 50000));
    set = prefer(p, set, header_be16_set(s, HEADER_BYTE(tp_dst), 80));
    if (local) {
        set = prefer(p, set, header_bytes_set(s, HEADER_BYTE(dl_dst),
                                              &local->hwaddr, NULL,
                                              sizeof local->hwaddr));
    }
    header_pick(s, set, packet);
}

static char *
name_sender(const struct prove *p, ofp_port_t in_port)
{
    const struct expect *e = &p->expect;

    for (size_t i = 0; i < e->n_endpoints; i++) {
        if (e->endpoints[i].port == in_port) {
            return xstrdup(e->endpoints[i].container->name);
        }
    }
    return in_port == OFPP_LOCAL ? xasprintf("node:%s", p->bridge->node)
           : xasprintf("port %"PRIu32, in_port);
}

void
prove_claim(struct prove *p, const struct claim *claim, space_set bad)
{
    struct flow packet;

    if (bad == SPACE_NONE || !count_finding(p, claim->invariant)) {
        return;
    }
    pick_packet(p, bad, &packet);
    char *sender = name_sender(p, packet.in_port.ofp_port);
    char *text = xasprintf("%s: %s%s", sender, claim->text,
                           claim->to ? claim->to : "");
    struct prove_finding *f = add_finding(p, claim->invariant, claim->flow,
                                          text);
    f->other = claim->other;
    f->has_packet = true;
    f->packet = packet;
    f->confirmed = (claim->port == OFPP_ANY
                    || leaves_by(p, &packet, claim->port) != claim->missing);
    free(sender);
}

static void
add_unproven(struct prove *p)
{
    const struct expect *e = &p->expect;
    struct proof *proof = p->proof;

    for (size_t i = 0; i < e->n_unproven; i++) {
        proof->unproven = xrealloc(proof->unproven, (proof->n_unproven + 1)
                                   * sizeof *proof->unproven);
        proof->unproven[proof->n_unproven++] = e->unproven[i];
    }
}

void
prove_bridge(struct proof *proof, struct expect_rules *rules,
             const struct prove_bridge *bridge)
{
    struct prove p = {
        .proof = proof, .bridge = bridge, .space = header_space_create(),
    };

    symbolic_run(&p.symbolic, p.space, symbolic_any_packet(p.space),
                 bridge->flows, bridge->objects);
    expect_init(&p.expect, p.space, rules, bridge->node, bridge->ports,
                bridge->pending);
    prove_check_tables(&p);
    prove_check_ends(&p);
    prove_check_missing(&p);
    add_unproven(&p);

    proof->n_hosts++;
    proof->n_flows += hmap_count(&bridge->flows->flows);
    proof->n_states += p.symbolic.n_states;
    proof->n_nodes = MAX(proof->n_nodes, space_size(p.space));
    proof->memory = MAX(proof->memory, space_memory(p.space));
    walk_bridge_destroy(p.walk);
    expect_uninit(&p.expect);
    symbolic_uninit(&p.symbolic);
    space_destroy(p.space);
}
