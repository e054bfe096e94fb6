#include <config.h>

/* prove-speed [CONTAINERS [RULES [NODES]]]: how long the proof takes over all
 * hosts, beside what it replaces: one packet at a time, for each pair of a
 * local container and any other and each port that makes a difference. */

#include <inttypes.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include "flow.h"
#include "flows/compiler.h"
#include "flows/expect.h"
#include "flows/prove.h"
#include "flows/walk.h"
#include "openvswitch/util.h"
#include "packets.h"
#include "tests/unit/flow-model.h"
#include "util.h"

enum { N_TAGS = 20 };

/* Of this process: the machine may be busy. */
static double
now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return t.tv_sec * 1e3 + t.tv_nsec / 1e6;
}

static void
put_container(struct model *model, int i, int n_nodes)
{
    int node = i % n_nodes, host = 10 + i / n_nodes;
    char *name = xasprintf("c%d", i), *id = xasprintf("%d", 1000 + i);
    char *node_name = xasprintf("n%d", node);
    char *address = xasprintf("10.%d.%d.%d/16", node, host >> 8, host & 255);
    char *tags = xasprintf("t%d%s", i % N_TAGS, i % 7 ? "" : " seventh");

    fm_container(model, name, id, node_name, address, tags,
                 node || i % 3 ? "" : "n0/warp");
    free(name);
    free(id);
    free(node_name);
    free(address);
    free(tags);
}

/* The rules of tests/bench/compile.c. */
static void
put_rule(struct model *model, int i)
{
    char *name = xasprintf("r%d", i);
    char *src = xasprintf("tag:t%d", i % N_TAGS);
    char *dst = xasprintf("tag:t%d:%d", (i * 7 + i / N_TAGS) % N_TAGS,
                          1000 + i);

    fm_acl(model, name, TIER_ACLS, i % 10 ? ACTION_ACCEPT : ACTION_DENY,
           i % 25 ? src : "*", i % 40 ? dst : "tag:seventh tag:t1:80,443",
           IPPROTO_TCP);
    free(name);
    free(src);
    free(dst);
}

static struct model *
make_model(int n_containers, int n_rules, int n_nodes)
{
    struct model *model = model_create();

    for (int i = 0; i < n_nodes; i++) {
        char *name = xasprintf("n%d", i);
        char *subnets = xasprintf("10.%d.0.0/16 fd00:%x::/64", i, i);
        char *address = xasprintf("100.64.0.%d", i + 1);

        fm_node(model, name, subnets, address, "");
        free(name);
        free(subnets);
        free(address);
    }
    fm_exit(model, "n0", "warp", "warp0", true);
    for (int i = 0; i < n_containers; i++) {
        put_container(model, i, n_nodes);
    }
    for (int i = 0; i < n_rules; i++) {
        put_rule(model, i);
    }
    return model;
}

static void
walk_pair(const struct walk_bridge *bridge, const struct flow_port *port,
          const struct model_container *src,
          const struct model_container *dst, uint16_t tp_dst)
{
    struct flow packet = { .nw_ttl = 64, .dl_src = src->hwaddr };
    struct walk walk;

    packet.packet_type = htonl(PT_ETH);
    packet.in_port.ofp_port = port->ofport;
    packet.dl_type = htons(ETH_TYPE_IP);
    packet.nw_src = in6_addr_get_mapped_ipv4(&src->addresses[0].addr);
    packet.nw_dst = in6_addr_get_mapped_ipv4(&dst->addresses[0].addr);
    packet.nw_proto = IPPROTO_TCP;
    packet.tp_src = htons(50000);
    packet.tp_dst = htons(tp_dst);
    walk_run(bridge, &packet, 0, &walk);
    walk_uninit(&walk);
}

/* Each port that a rule names, and one besides. */
static size_t
walk_all(const struct model *model, const char *node,
         const struct flow_ports *ports, const struct compiler *compiler,
         int n_rules)
{
    struct walk_bridge *bridge
        = walk_bridge_create(compiler_flows(compiler),
                             compiler_objects(compiler));
    const struct shash_node *src, *dst;
    size_t n = 0;

    SHASH_FOR_EACH (src, &model->containers) {
        const struct model_container *container = src->data;
        const struct flow_port *port = flow_ports_find(ports,
                                                       container->veth);

        if (strcmp(container->node, node) || !port) {
            continue;
        }
        SHASH_FOR_EACH (dst, &model->containers) {
            for (int i = 0; i <= n_rules; i++) {
                walk_pair(bridge, port, container, dst->data, 999 + i);
                n++;
            }
        }
    }
    walk_bridge_destroy(bridge);
    return n;
}

static void
run(int n_containers, int n_rules, int n_nodes, bool reference)
{
    struct model *model = make_model(n_containers, n_rules, n_nodes);
    struct expect_rules *rules = expect_rules_create(model);
    double compile_ms = 0, prove_ms = 0, walk_ms = 0;
    size_t n_packets = 0, n_refuted = 0;
    struct proof proof;

    proof_init(&proof);
    for (int i = 0; i < n_nodes; i++) {
        char *node = xasprintf("n%d", i);
        struct flow_ports *ports = fm_ports(model, node);
        struct compiler *compiler = compiler_create(node);
        double start = now_ms();

        compiler_run(compiler, model, ports, NULL, NULL);
        compile_ms += now_ms() - start;
        struct prove_bridge bridge = {
            .node = node, .ports = ports, .flows = compiler_flows(compiler),
            .objects = compiler_objects(compiler),
            .pending = compiler_pending(compiler),
        };
        start = now_ms();
        prove_bridge(&proof, rules, &bridge);
        prove_ms += now_ms() - start;
        start = now_ms();
        if (reference) {
            n_packets += walk_all(model, node, ports, compiler, n_rules);
        }
        walk_ms += now_ms() - start;
        compiler_destroy(compiler);
        flow_ports_destroy(ports);
        free(node);
    }
    for (int i = 0; i < PROVE_N_INVARIANTS; i++) {
        n_refuted += proof.n_refuted[i] > 0;
    }
    printf("%d containers on %d nodes, %d rules: %zu flows, compiled in "
           "%.0f ms, proven in %.0f ms of CPU time, %zu MB at most, %zu "
           "invariants refuted\n", n_containers, n_nodes, n_rules,
           proof.n_flows, compile_ms, prove_ms, proof.memory >> 20,
           n_refuted);
    if (reference) {
        printf("  beside it: %zu single packets, one for each pair and "
               "port: %.0f ms\n", n_packets, walk_ms);
    }
    proof_uninit(&proof);
    expect_rules_destroy(rules);
    model_destroy(model);
}

int
main(int argc, char *argv[])
{
    if (argc > 1) {
        run(atoi(argv[1]), argc > 2 ? atoi(argv[2]) : 20,
            argc > 3 ? atoi(argv[3]) : 2, false);
        return 0;
    }
    run(200, 20, 2, true);
    run(200, 200, 2, true);
    run(2000, 20, 50, false);
    run(2000, 200, 50, false);
    return 0;
}
