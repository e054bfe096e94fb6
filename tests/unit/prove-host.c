#include <config.h>

#include "tests/unit/prove-host.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "flow.h"
#include "flows/compiler.h"
#include "flows/expect.h"
#include "flows/walk.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/util.h"
#include "packets.h"
#include "state/model.h"
#include "tests/unit/flow-model.h"
#include "util.h"

static uint64_t random_state;

void
prove_seed(uint64_t seed)
{
    random_state = seed;
}

uint32_t
prove_draw(uint32_t n)
{
    random_state += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t z = random_state;
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (z ^ (z >> 31)) % n;
}

void
host_compile(struct host *h)
{
    h->compiler = compiler_create(h->node);
    compiler_run(h->compiler, h->model, h->ports, NULL, NULL);
}

void
host_prove(const struct host *h, const struct flow_set *flows,
           struct proof *proof)
{
    struct expect_rules *rules = expect_rules_create(h->model);
    struct prove_bridge bridge = {
        .node = h->node, .ports = h->ports, .flows = flows,
        .objects = compiler_objects(h->compiler),
        .pending = compiler_pending(h->compiler),
    };

    proof_init(proof);
    prove_bridge(proof, rules, &bridge);
    expect_rules_destroy(rules);
}

void
host_print_findings(const struct host *h, const struct proof *proof)
{
    for (size_t i = 0; i < proof->n_findings; i++) {
        const struct prove_finding *f = &proof->findings[i];
        struct ds s = DS_EMPTY_INITIALIZER;

        if (f->has_packet) {
            flow_format(&s, &f->packet, NULL);
        }
        fprintf(stderr, "%s at %s: %s%s: %s\n",
                prove_invariant_name(f->invariant), f->node, f->text,
                f->confirmed ? "" : " (not confirmed)", ds_cstr(&s));
        ds_clear(&s);
        struct walk_bridge *bridge
            = walk_bridge_create(compiler_flows(h->compiler),
                                 compiler_objects(h->compiler));
        struct walk walk;
        walk_run(bridge, &f->packet, 0, &walk);
        for (size_t j = 0; f->has_packet && j < walk.n_steps; j++) {
            if (walk.steps[j].flow) {
                sn_flow_format(walk.steps[j].flow, NULL, true, &s);
                fprintf(stderr, "    %s\n", ds_cstr(&s));
                ds_clear(&s);
            }
        }
        walk_uninit(&walk);
        walk_bridge_destroy(bridge);
        ds_destroy(&s);
    }
}

/* Packets that senders would send, and some that they would not. */

static const struct sn_prefix *
draw_address(const struct model *model)
{
    size_t n = shash_count(&model->containers);
    const struct shash_node *item;
    size_t i = n ? prove_draw(n) : 0;

    SHASH_FOR_EACH (item, &model->containers) {
        const struct model_container *container = item->data;

        if (!i--) {
            return &container->addresses[prove_draw(container->n_addresses)];
        }
    }
    return NULL;
}

static void
set_address(const struct model *model, struct flow *packet, bool src)
{
    static const uint32_t others[] = {
        0x0a000001, 0x0a010001, 0x64400001, 0x64400002, 0x01010101,
        0x0a600010, 0x0a080002, 0xe0000001, 0x0a0000c8,
    };
    const struct sn_prefix *address = prove_draw(3) ? draw_address(model)
                                      : NULL;

    if (address && !address->is_v4) {
        packet->dl_type = htons(ETH_TYPE_IPV6);
        *(src ? &packet->ipv6_src : &packet->ipv6_dst) = address->addr;
    } else {
        *(src ? &packet->nw_src : &packet->nw_dst)
            = address ? in6_addr_get_mapped_ipv4(&address->addr)
              : htonl(others[prove_draw(ARRAY_SIZE(others))]);
    }
}

void
host_draw_packet(const struct host *h, struct flow *packet)
{
    static const uint16_t ports[] = { 22, 53, 80, 81, 443, 8, 8005, 51820 };
    static const uint8_t protos[] = { IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP };
    size_t n = shash_count(&h->model->containers);
    const struct shash_node *item;
    size_t i = n ? prove_draw(n) : 0;

    *packet = (struct flow) { .packet_type = htonl(PT_ETH), .nw_ttl = 64 };
    packet->dl_type = htons(ETH_TYPE_IP);
    packet->in_port.ofp_port = OFPP_LOCAL;
    set_address(h->model, packet, true);
    SHASH_FOR_EACH (item, &h->model->containers) {
        const struct model_container *container = item->data;
        const struct flow_port *port = flow_ports_find(h->ports,
                                                       container->veth);

        if (!i-- && port && prove_draw(4)) {
            packet->in_port.ofp_port = port->ofport;
            packet->dl_src = container->has_hwaddr ? container->hwaddr
                             : container->seen_hwaddr;
            if (prove_draw(8) && container->addresses[0].is_v4) {
                packet->nw_src
                    = in6_addr_get_mapped_ipv4(&container->addresses[0].addr);
                packet->dl_type = htons(ETH_TYPE_IP);
            }
        }
    }
    set_address(h->model, packet, false);
    packet->dl_dst = fm_mac(prove_draw(2) ? 0xfffe : 1);
    packet->nw_proto = protos[prove_draw(ARRAY_SIZE(protos))];
    packet->tp_src = htons(packet->nw_proto == IPPROTO_ICMP ? 8 : 50000);
    packet->tp_dst = htons(packet->nw_proto == IPPROTO_ICMP ? 0
                           : ports[prove_draw(ARRAY_SIZE(ports))]);
}

void
find_outs(const struct walk_bridge *bridge, const struct flow *packet,
          struct outs *outs)
{
    size_t n_buckets = 1;

    memset(outs, 0, sizeof *outs);
    for (size_t i = 0; i < n_buckets; i++) {
        struct walk walk;

        walk_run(bridge, packet, i, &walk);
        n_buckets = MAX(n_buckets, walk.n_buckets);
        for (size_t j = 0; j < walk.n_outputs; j++) {
            ofp_port_t port = walk.outputs[j].port;

            if (port == OFPP_LOCAL) {
                outs->local = true;
            } else if (ofp_to_u16(port) < ARRAY_SIZE(outs->ports)) {
                outs->ports[ofp_to_u16(port)] = true;
            }
        }
        walk_uninit(&walk);
    }
}
