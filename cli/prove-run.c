#include <config.h>

#include "cli/prove-run.h"

#include <inttypes.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include "cli/cause.h"
#include "cli/command.h"
#include "cli/fabric.h"
#include "cli/offline.h"
#include "cli/output.h"
#include "flow.h"
#include "flows/compiler.h"
#include "flows/expect.h"
#include "flows/explain.h"
#include "flows/prove.h"
#include "flows/tables.h"
#include "flows/walk.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/json.h"
#include "openvswitch/match.h"
#include "openvswitch/shash.h"
#include "ovs-atomic.h"
#include "ovs-thread.h"
#include "packets.h"
#include "state/model.h"
#include "util.h"

/* Hosts are proven one by one, by as many threads as there are cores. */
struct job {
    const struct fabric *fabric;
    const struct shash_node **nodes;
    struct proof *proofs;       /* One for each node. */
    size_t n;
    atomic_count next;
};

static void
prove_node(const struct job *job, struct expect_rules *rules, size_t i)
{
    const char *node = job->nodes[i]->name;
    const struct offline *offline = fabric_offline(job->fabric, node);
    const struct compiler *compiler = offline_compiler(offline);
    struct prove_bridge bridge = {
        .node = node,
        .ports = offline_ports(offline),
        .flows = compiler_flows(compiler),
        .objects = compiler_objects(compiler),
        .pending = compiler_pending(compiler),
    };

    prove_bridge(&job->proofs[i], rules, &bridge);
}

static void *
prove_nodes(void *job_)
{
    struct job *job = job_;
    struct expect_rules *rules
        = expect_rules_create(fabric_model(job->fabric));

    for (size_t i; (i = atomic_count_inc(&job->next)) < job->n; ) {
        prove_node(job, rules, i);
    }
    expect_rules_destroy(rules);
    return NULL;
}

static void
prove_all(const struct fabric *fabric, struct proof *proof)
{
    const struct model *model = fabric_model(fabric);
    struct job job = {
        .fabric = fabric, .nodes = shash_sort(&model->nodes),
        .n = shash_count(&model->nodes),
    };
    size_t n_threads = MIN(MAX(count_cpu_cores(), 1), job.n);
    pthread_t *threads = xcalloc(n_threads + 1, sizeof *threads);

    job.proofs = xcalloc(job.n + 1, sizeof *job.proofs);
    atomic_count_init(&job.next, 0);
    for (size_t i = 1; i < n_threads; i++) {
        threads[i] = ovs_thread_create("prove", prove_nodes, &job);
    }
    prove_nodes(&job);
    for (size_t i = 1; i < n_threads; i++) {
        xpthread_join(threads[i], NULL);
    }
    for (size_t i = 0; i < job.n; i++) {
        proof_add(proof, &job.proofs[i]);
    }
    free(job.proofs);
    free(job.nodes);
    free(threads);
}

/* What of a packet says something, in the syntax of ovs-ofctl. */
static char *
packet_to_string(const struct flow *packet, const struct offline *offline)
{
    struct ds s = DS_EMPTY_INITIALIZER;
    struct match match = MATCH_CATCHALL_INITIALIZER;
    bool is_ip = packet->dl_type == htons(ETH_TYPE_IP);

    match_set_in_port(&match, packet->in_port.ofp_port);
    match_set_dl_src(&match, packet->dl_src);
    match_set_dl_dst(&match, packet->dl_dst);
    match_set_dl_type(&match, packet->dl_type);
    if (packet->vlans[0].tci & htons(VLAN_CFI)) {
        match_set_dl_tci(&match, packet->vlans[0].tci);
    }
    if (is_ip || packet->dl_type == htons(ETH_TYPE_ARP)) {
        match_set_nw_src(&match, packet->nw_src);
        match_set_nw_dst(&match, packet->nw_dst);
    } else if (packet->dl_type == htons(ETH_TYPE_IPV6)) {
        match_set_ipv6_src(&match, &packet->ipv6_src);
        match_set_ipv6_dst(&match, &packet->ipv6_dst);
    }
    if (is_ip || packet->dl_type == htons(ETH_TYPE_IPV6)) {
        match_set_nw_proto(&match, packet->nw_proto);
        if (packet->nw_frag) {
            match_set_nw_frag(&match, packet->nw_frag);
        }
        if (packet->tp_src || packet->tp_dst) {
            match_set_tp_src(&match, packet->tp_src);
            match_set_tp_dst(&match, packet->tp_dst);
        }
    }
    match_format(&match, offline_port_map(offline), &s, OFP_DEFAULT_PRIORITY);
    return ds_steal_cstr(&s);
}

static char *
step_to_string(const struct walk_step *step, const struct offline *offline,
               const struct explainer *explainer)
{
    struct ds s = DS_EMPTY_INITIALIZER;

    if (step->flow) {
        struct cause cause;

        sn_flow_format(step->flow, offline_port_map(offline), true, &s);
        cause_find(explainer, step->flow->cookie, &cause);
        ds_put_format(&s, "  # %s", cause.text);
        cause_destroy(&cause);
    } else {
        ds_put_format(&s, "table=%s: no flow",
                      sn_table_name(step->table_id));
    }
    return ds_steal_cstr(&s);
}

static struct json *
way_to_json(const struct prove_finding *f, const struct offline *offline,
            const struct explainer *explainer)
{
    const struct compiler *compiler = offline_compiler(offline);
    struct walk_bridge *bridge
        = walk_bridge_create(compiler_flows(compiler),
                             compiler_objects(compiler));
    struct json *way = json_array_create_empty();
    struct walk walk;

    walk_run(bridge, &f->packet, 0, &walk);
    for (size_t i = 0; i < walk.n_steps; i++) {
        char *text = step_to_string(&walk.steps[i], offline, explainer);
        json_array_add(way, json_string_create_nocopy(text));
    }
    walk_uninit(&walk);
    walk_bridge_destroy(bridge);
    return way;
}

static void
add_flow(struct json *way, const struct sn_flow *flow,
         const struct offline *offline, const struct explainer *explainer)
{
    if (flow) {
        struct walk_step step = { flow->table_id, flow };

        json_array_add(way, json_string_create_nocopy(
            step_to_string(&step, offline, explainer)));
    }
}

/* For people as lines under the finding, for programs as its "way". */
static void
output_finding(const struct fabric *fabric, const struct prove_finding *f,
               const struct explainer *explainer, struct output *out)
{
    const struct offline *offline = fabric_offline(fabric, f->node);
    char *packet = f->has_packet ? packet_to_string(&f->packet, offline)
                   : NULL;
    struct json *way = f->has_packet ? way_to_json(f, offline, explainer)
                       : json_array_create_empty();

    output_note(out, "%s: at %s: %s", prove_invariant_name(f->invariant),
                f->node, f->text);
    if (packet) {
        output_note(out, "    %s", packet);
    }
    if (!f->has_packet || f->other) {
        add_flow(way, f->flow, offline, explainer);
        add_flow(way, f->other, offline, explainer);
    }
    for (size_t i = 0; i < json_array(way)->n; i++) {
        output_note(out, "    %s", json_string(json_array(way)->elems[i]));
    }
    if (!f->confirmed) {
        output_note(out, "    but this packet alone fares otherwise: a "
                    "mistake of socknet's, please report it");
    }
    output_record(out);
    output_string(out, "invariant", NULL, prove_invariant_name(f->invariant));
    output_string(out, "node", NULL, f->node);
    output_string(out, "what", NULL, f->text);
    output_string(out, "packet", NULL, packet);
    output_boolean(out, "confirmed", NULL, f->confirmed);
    output_value(out, "way", NULL, way, NULL);
    free(packet);
}

static size_t
count_refuted(const struct proof *proof)
{
    size_t n = 0;

    for (int i = 0; i < PROVE_N_INVARIANTS; i++) {
        n += proof->n_refuted[i] > 0;
    }
    return n;
}

static void
output_invariants(const struct proof *proof, bool brief, struct output *out)
{
    output_begin(out, "invariants", brief ? OUTPUT_LINES : OUTPUT_TABLE,
                 NULL);
    for (int i = 0; i < PROVE_N_INVARIANTS; i++) {
        output_record(out);
        output_string(out, "invariant", brief ? NULL : "invariant",
                      prove_invariant_name(i));
        output_boolean(out, "proven", NULL, !proof->n_refuted[i]);
        output_string(out, "verdict", brief ? NULL : "verdict",
                      proof->n_refuted[i] ? "REFUTED" : "proven");
        output_string(out, "what", brief ? NULL : "what",
                      prove_invariant_text(i));
    }
}

/* Raw flows of which nothing can be said. */
static void
output_left_out(const struct proof *proof, struct output *out)
{
    output_begin(out, "left_out", OUTPUT_LINES, NULL);
    for (size_t i = 0; i < proof->n_unproven; i++) {
        const struct model_raw_flow *raw = proof->unproven[i];
        char *place = xasprintf("%s:%d:%d", raw->loc.file ? raw->loc.file
                                : "the database", raw->loc.line,
                                raw->loc.column);

        output_note(out, "left out of the proof: %s: raw flow \"%s\"", place,
                    raw->text);
        output_record(out);
        output_string(out, "node", NULL, raw->node);
        output_string(out, "location", NULL, place);
        output_string(out, "flow", NULL, raw->text);
        free(place);
    }
}

static void
output_verdict(const struct proof *proof, struct output *out)
{
    size_t n_refuted = count_refuted(proof);
    char *but = proof->n_unproven
                ? xasprintf(", but for %"PRIuSIZE" raw flow%s",
                            proof->n_unproven,
                            proof->n_unproven > 1 ? "s" : "")
                : xstrdup("");

    struct json *json = json_object_create();

    json_object_put(json, "proven", json_boolean_create(!n_refuted));
    json_object_put(json, "hosts", json_integer_create(proof->n_hosts));
    json_object_put(json, "flows", json_integer_create(proof->n_flows));
    json_object_put(json, "left_out", json_integer_create(proof->n_unproven));
    output_attach(out, "proof", json);
    if (n_refuted) {
        output_note(out, "Refuted: %"PRIuSIZE" of %d invariants, on %"PRIuSIZE
                    " hosts with %"PRIuSIZE" flows%s.", n_refuted,
                    PROVE_N_INVARIANTS, proof->n_hosts, proof->n_flows, but);
    } else {
        output_note(out, "Proven: %d invariants, for every first packet of a "
                    "connection, on %"PRIuSIZE" hosts with %"PRIuSIZE
                    " flows%s.", PROVE_N_INVARIANTS, proof->n_hosts,
                    proof->n_flows, but);
    }
    free(but);
}

bool
prove_output(const struct fabric *fabric, const struct proof *proof,
             bool brief, struct output *out)
{
    struct explainer *explainer = explainer_create(fabric_model(fabric));
    size_t n_refuted = count_refuted(proof);

    output_invariants(proof, brief, out);
    output_begin(out, "refutations", OUTPUT_LINES, NULL);
    for (size_t i = 0; i < proof->n_findings; i++) {
        output_finding(fabric, &proof->findings[i], explainer, out);
    }
    output_left_out(proof, out);
    output_verdict(proof, out);
    if (n_refuted) {
        command_fail("%"PRIuSIZE" of %d invariants do not hold", n_refuted,
                     PROVE_N_INVARIANTS);
    }
    explainer_destroy(explainer);
    return !n_refuted;
}

bool
prove_run(struct model *model, bool brief, struct output *out)
{
    struct fabric *fabric = fabric_create(model);
    struct proof proof;

    proof_init(&proof);
    prove_all(fabric, &proof);
    bool ok = prove_output(fabric, &proof, brief, out);
    proof_uninit(&proof);
    fabric_destroy(fabric);
    return ok;
}
