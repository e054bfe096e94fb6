#include <config.h>

/* Whatever is done to one flow: where single packets show that it makes a
 * difference to who reaches whom, the proof says so. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "cli/fabric.h"
#include "cli/offline.h"
#include "cli/output.h"
#include "cli/prove-run.h"
#include "flow.h"
#include "flows/compiler.h"
#include "flows/expect.h"
#include "flows/prove.h"
#include "flows/walk.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/ofp-actions.h"
#include "openvswitch/ofpbuf.h"
#include "openvswitch/util.h"
#include "packets.h"
#include "state/model.h"
#include "tests/unit/flow-model.h"
#include "tests/unit/prove-host.h"
#include "util.h"

static struct model *
make_model(void)
{
    struct model *model = model_create();

    fm_node(model, "a", "10.0.0.0/24", "100.64.0.1", "eno1");
    fm_node(model, "b", "10.1.0.0/24", "100.64.0.2", "");
    fm_exit(model, "a", "warp", "warp0", true);
    fm_exit(model, "a", "alt", "wg1", true);
    fm_container(model, "web", "100", "a", "10.0.0.100/24", "front", "");
    fm_container(model, "db", "101", "a", "10.0.0.101/24", "back", "");
    fm_container(model, "out", "102", "a", "10.0.0.102/24", "front",
                 "a/warp");
    fm_container(model, "alt", "103", "a", "10.0.0.103/24", "", "a/alt");
    fm_container(model, "far", "100", "b", "10.1.0.100/24", "front", "");
    fm_container(model, "deep", "101", "b", "10.1.0.101/24", "back", "");
    fm_acl(model, "use", TIER_ACLS, ACTION_ACCEPT, "tag:front",
           "tag:back:80", IPPROTO_TCP);
    fm_acl(model, "never", TIER_EMERGENCY, ACTION_DENY, "out", "db", 0);
    fm_acl(model, "ask", TIER_ACLS, ACTION_ACCEPT, "db", "node:a:22",
           IPPROTO_TCP);
    fm_acl(model, "in", TIER_ACLS, ACTION_ACCEPT, "node:b", "web:443",
           IPPROTO_TCP);
    return model;
}

/* Who reaches whom, of the packets below. */
enum { N_PACKETS = 400 };

static struct flow *
make_packets(const struct host *h)
{
    struct flow *packets = xmalloc(N_PACKETS * sizeof *packets);

    prove_seed(7);
    for (int i = 0; i < N_PACKETS; i++) {
        do {
            host_draw_packet(h, &packets[i]);
            /* Services are none here, and the rest is left to the host. */
        } while (packets[i].nw_dst == htonl(0x0a600010)
                 || packets[i].nw_dst == htonl(0xe0000001));
    }
    return packets;
}

static bool
makes_a_difference(const struct host *h, const struct flow_set *flows,
                   const struct flow *packets, const struct outs *was)
{
    struct walk_bridge *bridge
        = walk_bridge_create(flows, compiler_objects(h->compiler));
    bool differs = false;

    for (int i = 0; i < N_PACKETS && !differs; i++) {
        struct outs is;

        find_outs(bridge, &packets[i], &is);
        /* What the host itself sends to its other ports is its own. */
        if (packets[i].in_port.ofp_port == OFPP_LOCAL) {
            const struct flow_port *uplink = flow_ports_find(h->ports,
                                                             "eno1");
            is.ports[ofp_to_u16(uplink->ofport)]
                = was[i].ports[ofp_to_u16(uplink->ofport)];
        }
        differs = memcmp(&is, &was[i], sizeof is) != 0;
    }
    walk_bridge_destroy(bridge);
    return differs;
}

static void
set_actions(struct sn_flow *flow, ofp_port_t port)
{
    struct ofpbuf acts;

    ofpbuf_init(&acts, 64);
    ofpact_put_OUTPUT(&acts)->port = port;
    free(flow->ofpacts);
    flow->ofpacts_len = acts.size;
    flow->ofpacts = xmemdup(acts.data, acts.size);
    ofpbuf_uninit(&acts);
}

enum tampering {
    TAMPER_DELETE,
    TAMPER_DROP,
    TAMPER_RAISE,
    TAMPER_LOWER,
    TAMPER_TO_CONTAINER,
    TAMPER_TO_UPLINK,
    TAMPER_TO_EXIT,
    TAMPER_TO_HOST,
    N_TAMPERINGS
};

/* Returns false if there is nothing to tamper with. */
static bool
tamper(const struct host *h, struct flow_set *flows,
       const struct sn_flow *victim, enum tampering what)
{
    static const char *const targets[] = {
        [TAMPER_TO_CONTAINER] = "veth101", [TAMPER_TO_UPLINK] = "eno1",
        [TAMPER_TO_EXIT] = "x-warp0", [TAMPER_TO_HOST] = "vmbr0",
    };
    struct sn_flow *flow = sn_flow_clone(victim);

    flow_set_remove(flows, flow_set_find(flows, victim));
    switch (what) {
    case TAMPER_DELETE:
        sn_flow_free(flow);
        return true;
    case TAMPER_DROP:
        free(flow->ofpacts);
        flow->ofpacts = NULL;
        flow->ofpacts_len = 0;
        break;
    case TAMPER_RAISE:
        flow->priority = 65000;
        break;
    case TAMPER_LOWER:
        flow->priority = 1;
        break;
    case TAMPER_TO_CONTAINER:
    case TAMPER_TO_UPLINK:
    case TAMPER_TO_EXIT:
    case TAMPER_TO_HOST: {
        const struct flow_port *port = flow_ports_find(h->ports,
                                                       targets[what]);
        set_actions(flow, port->ofport);
        break;
    }
    case N_TAMPERINGS:
        OVS_NOT_REACHED();
    }
    if (flow_set_find(flows, flow)) {
        sn_flow_free(flow);
        return false;
    }
    flow_set_put(flows, flow);
    return true;
}

static void
clone_flows(const struct flow_set *from, struct flow_set *to)
{
    const struct sn_flow *flow;

    flow_set_init(to);
    HMAP_FOR_EACH (flow, hmap_node, &from->flows) {
        flow_set_put(to, sn_flow_clone(flow));
    }
}

static void
test_tampering(void **state OVS_UNUSED)
{
    struct host h = { .model = make_model(), .node = "a" };
    size_t n_seen = 0, n_refuted = 0, n_tried = 0;
    const struct sn_flow *victim;
    struct walk_bridge *bridge;
    struct outs *was = xmalloc(N_PACKETS * sizeof *was);

    h.ports = fm_ports(h.model, "a");
    host_compile(&h);
    const struct flow_set *flows = compiler_flows(h.compiler);
    struct flow *packets = make_packets(&h);
    bridge = walk_bridge_create(flows, compiler_objects(h.compiler));
    for (int i = 0; i < N_PACKETS; i++) {
        find_outs(bridge, &packets[i], &was[i]);
    }
    walk_bridge_destroy(bridge);

    HMAP_FOR_EACH (victim, hmap_node, &flows->flows) {
        for (int what = 0; what < N_TAMPERINGS; what++) {
            struct flow_set changed;
            struct proof proof;

            clone_flows(flows, &changed);
            if (tamper(&h, &changed, victim, what)
                && makes_a_difference(&h, &changed, packets, was)) {
                host_prove(&h, &changed, &proof);
                n_seen++;
                n_refuted += proof.n_findings > 0;
                if (!proof.n_findings) {
                    struct ds s = DS_EMPTY_INITIALIZER;
                    sn_flow_format(victim, NULL, true, &s);
                    fprintf(stderr, "not noticed: %d of %s\n", what,
                            ds_cstr(&s));
                    ds_destroy(&s);
                }
                for (size_t i = 0; i < proof.n_findings; i++) {
                    if (!proof.findings[i].confirmed) {
                        host_print_findings(&h, &proof);
                        fail_msg("a packet does not show what it should");
                    }
                }
                proof_uninit(&proof);
            }
            n_tried++;
            flow_set_destroy(&changed);
        }
    }
    fprintf(stderr, "%zu of %zu changes make a difference, %zu refuted\n",
            n_seen, n_tried, n_refuted);
    assert_true(n_seen > 100);
    assert_int_equal(n_refuted, n_seen);
    free(packets);
    free(was);
    compiler_destroy(h.compiler);
    flow_ports_destroy(h.ports);
    model_destroy(h.model);
}

/* How a refutation looks: the packet, and its way through the tables.  The
 * flows are those of the fabric, held against a state in which a rule is
 * gone. */
static void
test_output(void **state OVS_UNUSED)
{
    struct model *before = make_model(), *after = make_model();
    struct fabric *fabric = fabric_create(before);
    const struct offline *offline = fabric_offline(fabric, "a");
    const struct compiler *compiler = offline_compiler(offline);
    struct expect_rules *rules;
    struct prove_bridge bridge = {
        .node = "a", .ports = offline_ports(offline),
        .flows = compiler_flows(compiler),
        .objects = compiler_objects(compiler),
        .pending = compiler_pending(compiler),
    };
    char text[8192];
    struct proof proof;

    model_remove(after, MODEL_ACL, "ask");
    rules = expect_rules_create(after);
    proof_init(&proof);
    prove_bridge(&proof, rules, &bridge);
    assert_int_equal(proof.n_refuted[PROVE_HOST], 1);
    assert_true(proof.findings[0].confirmed);

    FILE *file = tmpfile();
    int keep = dup(STDOUT_FILENO);
    fflush(stdout);
    dup2(fileno(file), STDOUT_FILENO);
    struct output *out = output_create(false, "prove");
    assert_false(prove_output(fabric, &proof, false, out));
    output_finish(out);
    fflush(stdout);
    dup2(keep, STDOUT_FILENO);
    close(keep);
    rewind(file);
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    assert_non_null(strstr(text, "host: at a: db: no rule allows it"));
    assert_non_null(strstr(text, "tcp,in_port=veth101,"));
    assert_non_null(strstr(text, "tp_dst=22"));
    assert_non_null(strstr(text, "# acl ask"));
    assert_non_null(strstr(text, "Refuted: "));
    assert_null(strstr(text, "a mistake of socknet's"));

    proof_uninit(&proof);
    expect_rules_destroy(rules);
    fabric_destroy(fabric);
    model_destroy(before);
    model_destroy(after);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tampering),
        cmocka_unit_test(test_output),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
