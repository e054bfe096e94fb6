#include <config.h>

#include "flows/compiler-private.h"
#include <inttypes.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <stdlib.h>
#include "flow.h"
#include "lib/host-bridge.h"
#include "openvswitch/dynamic-string.h"
#include "packets.h"
#include "state/service.h"

/* service, balance, service_reply: virtual addresses.
 *
 * A packet to a virtual address is looked up in a conntrack zone of its own,
 * which translates what it knows; a new connection gets its backend from a
 * select group.  From there on the packet is one from the client to the
 * backend, and the rules see nothing else.  Where they accept it, the
 * connection has the label of services, by which its replies, on their way to
 * the client, pass the services' zone again.
 *
 * This happens at the client's host, where both directions pass.  A backend
 * elsewhere sees the client's own address.
 *
 * A container that gets itself as a backend would answer itself without the
 * bridge.  So it sees the services' first address as the client, and sends its
 * answers there.
 *
 * What no service serves goes to the host, whose nftables refuse it in a way
 * that the sender understands.  For the host itself and for guests nftables
 * translate as well: what they send could not come back to the host. */

static uint64_t
cookie_service(const struct model_service *service, enum sn_reason reason)
{
    return cookie_make(COOKIE_SERVICE, cookie_name_id(service->name), reason);
}

static const struct sn_prefix *
service_prefix(const struct compiler *c, bool is_v4)
{
    return is_v4 ? &c->model->mesh.service4 : &c->model->mesh.service6;
}

/* To the container that has the address, though it sent the packet. */
static void
emit_to_address(struct compiler *c, bool back)
{
    struct emit *e = &c->emit;

    if (back) {
        emit_set_mac(e, MFF_ETH_SRC, c->local->hwaddr);
        emit_set_u16(e, MFF_IN_PORT, 0);
    }
    emit_set_reg(e, SN_REG_OUT, SN_OUT_ADDRESS);
    emit_goto(e, SN_TABLE_DELIVER);
    emit_end(e);
}

/* Base. */

static void
service_flow(struct compiler *c, int priority, uint32_t from,
             enum sn_reason reason)
{
    emit_flow(&c->emit, SN_TABLE_SERVICE, priority,
              cookie_base(SN_TABLE_SERVICE, reason));
    if (from) {
        emit_match_flags(&c->emit, from, 0);
    }
}

/* How the host refuses: TCP by a reset that comes from the virtual address,
 * all else by a word of its own that the port is closed.  Nothing else comes
 * from a virtual address. */
static void
service_refusals(struct compiler *c, bool is_v4)
{
    const struct sn_prefix *prefix = service_prefix(c, is_v4);
    struct emit *e = &c->emit;

    service_flow(c, 120, SN_F_FROM_LOCAL, SN_WHY_REFUSED);
    emit_match_src(e, prefix);
    match_set_nw_proto(&e->match, IPPROTO_TCP);
    match_set_tcp_flags_masked(&e->match, htons(TCP_RST), htons(TCP_RST));
    emit_to_address(c, false);
    service_flow(c, 115, SN_F_FROM_LOCAL, SN_WHY_DROP_SPOOFED);
    emit_match_src(e, prefix);
    emit_end(e);
    for (size_t i = 0; c->node && i < c->node->n_subnets; i++) {
        struct sn_prefix gateway = sn_prefix_host(&c->node->gateways[i]);

        if (gateway.is_v4 == is_v4) {
            service_flow(c, 120, SN_F_FROM_LOCAL, SN_WHY_REFUSED);
            emit_match_src(e, &gateway);
            match_set_nw_proto(&e->match,
                               is_v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6);
            match_set_icmp_type(&e->match, is_v4 ? 3 : ICMP6_DST_UNREACH);
            match_set_icmp_code(&e->match,
                                is_v4 ? 3 : ICMP6_DST_UNREACH_NOPORT);
            emit_to_address(c, false);
        }
    }
}

static void
service_lookup(struct compiler *c, bool is_v4)
{
    struct sn_prefix hairpin = service_hairpin(c->model, is_v4);
    struct emit *e = &c->emit;

    service_flow(c, 105, 0, SN_WHY_DROP_NO_SERVICE);
    emit_match_dst(e, &hairpin);
    emit_end(e);
    service_flow(c, 100, 0, SN_WHY_TRACK);
    emit_match_dst(e, service_prefix(c, is_v4));
    emit_set_flags(e, SN_F_SERVICE);
    emit_ct_service(e, false, SN_TABLE_BALANCE);
    emit_end(e);
}

static void
balance_flow(struct compiler *c, int priority, uint32_t flags,
             enum sn_reason reason)
{
    emit_flow(&c->emit, SN_TABLE_BALANCE, priority,
              cookie_base(SN_TABLE_BALANCE, reason));
    if (flags) {
        emit_match_flags(&c->emit, flags, 0);
    }
    emit_match_ct_state(&c->emit, CS_TRACKED, CS_INVALID);
}

/* What the host is to refuse. */
static void
emit_refuse(struct compiler *c)
{
    emit_set_reg(&c->emit, SN_REG_OUT, SN_OUT_HOST);
    emit_goto(&c->emit, SN_TABLE_DELIVER);
    emit_end(&c->emit);
}

static void
balance_base(struct compiler *c, bool is_v4)
{
    const struct sn_prefix *prefix = service_prefix(c, is_v4);
    struct emit *e = &c->emit;

    balance_flow(c, 150, 0, SN_WHY_TRANSLATE);
    emit_match_dst(e, prefix);
    emit_match_ct_state(e, CS_TRACKED | CS_RELATED, CS_INVALID);
    emit_ct_service(e, true, SN_TABLE_CONNTRACK);
    emit_end(e);
    balance_flow(c, 100, SN_F_FROM_CONTAINER, SN_WHY_NO_SERVICE);
    emit_match_dst(e, prefix);
    emit_refuse(c);
    balance_flow(c, 90, 0, SN_WHY_DROP_NO_SERVICE);
    emit_match_dst(e, prefix);
    emit_end(e);
}

static void
balance_hairpin(struct compiler *c)
{
    struct emit *e = &c->emit;

    balance_flow(c, 290, SN_F_HAIRPIN, SN_WHY_DROP_INVALID);
    emit_end(e);
    for (int is_v4 = 0; is_v4 < 2 && c->local; is_v4++) {
        if (c->has_vips[is_v4]) {
            balance_flow(c, 300, SN_F_HAIRPIN, SN_WHY_HAIRPIN);
            emit_match_src(e, service_prefix(c, is_v4));
            emit_match_ct_state(e, CS_TRACKED | CS_REPLY_DIR, CS_INVALID);
            emit_to_address(c, true);
        }
    }
}

static void
service_reply_base(struct compiler *c)
{
    /* SN_CT_LABEL_SERVICE_BIT. */
    ovs_u128 label = { .u64 = { .hi = 1 } };
    struct emit *e = &c->emit;

    for (int is_v4 = 0; is_v4 < 2; is_v4++) {
        if (c->has_vips[is_v4]) {
            emit_flow(e, SN_TABLE_SERVICE_REPLY, 100,
                      cookie_base(SN_TABLE_SERVICE_REPLY, SN_WHY_TRANSLATE));
            emit_match_family(e, is_v4);
            emit_match_ct_state(e, CS_TRACKED | CS_REPLY_DIR, CS_INVALID);
            match_set_ct_label_masked(&e->match, label, label);
            emit_ct_service(e, false, SN_TABLE_DELIVER);
            emit_end(e);
        }
    }
    emit_flow(e, SN_TABLE_SERVICE_REPLY, 0,
              cookie_base(SN_TABLE_SERVICE_REPLY, SN_WHY_PROCEED));
    emit_goto(e, SN_TABLE_DELIVER);
    emit_end(e);
}

void
stage_service_base(struct compiler *c)
{
    struct emit *e = &c->emit;

    for (int is_v4 = 0; is_v4 < 2; is_v4++) {
        if (c->has_vips[is_v4]) {
            service_lookup(c, is_v4);
            service_refusals(c, is_v4);
            balance_base(c, is_v4);
        }
    }
    if (c->has_vips[0] || c->has_vips[1]) {
        balance_hairpin(c);
        balance_flow(c, 50, 0, SN_WHY_PROCEED);
        emit_goto(e, SN_TABLE_CONNTRACK);
        emit_end(e);
    }
    emit_drop(e, SN_TABLE_BALANCE, 0,
              cookie_base(SN_TABLE_BALANCE, SN_WHY_DROP_INVALID));
    service_flow(c, 0, 0, SN_WHY_PROCEED);
    emit_goto(e, SN_TABLE_CONNTRACK);
    emit_end(e);
    service_reply_base(c);
}

/* A service. */

/* Numbers that stay with a backend, and differ. */
static void
target_set_id(struct service_target *targets, size_t i)
{
    char *key = xasprintf("%s:%"PRIu16, targets[i].container->name,
                          targets[i].port);
    uint32_t id = cookie_name_id(key) & 0x3fffffff;

    for (size_t j = 0; j < i; j++) {
        if (targets[j].id == id) {
            id++;
            j = -1;
        }
    }
    targets[i].id = id;
    free(key);
}

/* A local one is usable once it is plugged. */
static size_t
collect_targets(const struct compiler *c, const struct model_service *service,
                bool is_v4, struct service_target **ret_targets)
{
    size_t n = service_get_targets(c->model, service, c->node_name, is_v4,
                                   ret_targets);

    for (size_t i = 0; i < n; i++) {
        struct service_target *target = &(*ret_targets)[i];
        struct endpoint ep;

        target_set_id(*ret_targets, i);
        target->usable &= (!target->local
                           || !compiler_get_endpoint(c, target->container,
                                                     &ep));
    }
    return n;
}

static char *
group_spec(const struct model_service *service, bool is_v4,
           const struct service_target *targets, size_t n)
{
    struct ds s = DS_EMPTY_INITIALIZER;

    ds_put_format(&s, "type=select,selection_method=%s",
                  !service->affinity ? "dp_hash"
                  : is_v4 ? "hash,fields(ip_src)" : "hash,fields(ipv6_src)");
    for (size_t i = 0; i < n; i++) {
        char *address = sn_prefix_addr_to_string(&targets[i].address);

        ds_put_format(&s, ",bucket=bucket_id:%"PRIu32",weight:%u,"
                      "actions=ct(commit,table=%d,zone=%d,"
                      "nat(dst=%s%s%s:%"PRIu16"))",
                      targets[i].id, targets[i].weight, SN_TABLE_CONNTRACK,
                      SN_CT_SERVICE_ZONE, is_v4 ? "" : "[", address,
                      is_v4 ? "" : "]", targets[i].port);
        free(address);
    }
    return ds_steal_cstr(&s);
}

static void
emit_balance(struct compiler *c, const struct model_service *service,
             const struct sn_prefix *vip,
             const struct service_target *targets, size_t n)
{
    uint64_t cookie = cookie_service(service, n ? SN_WHY_BALANCE
                                     : SN_WHY_NO_BACKEND);
    struct emit *e = &c->emit;
    uint32_t group = 0;

    if (n) {
        char *spec = group_spec(service, vip->is_v4, targets, n);
        char *name = xasprintf("service:%s/%d", service->name,
                               vip->is_v4 ? 4 : 6);
        group = compiler_add_object(c, SN_GROUP, name, cookie, spec);
        free(name);
        free(spec);
    }
    /* And the fragments of a datagram, of which a switch sees no port. */
    for (int frag = 0; frag < 1 + (service->ip_proto == IPPROTO_UDP);
         frag++) {
        emit_flow(e, SN_TABLE_BALANCE, 200, cookie);
        emit_match_flags(e, SN_F_FROM_CONTAINER, 0);
        emit_match_dst(e, vip);
        emit_match_ct_state(e, CS_TRACKED, CS_INVALID);
        match_set_nw_proto(&e->match, service->ip_proto);
        if (frag) {
            match_set_nw_frag_masked(&e->match, FLOW_NW_FRAG_ANY,
                                     FLOW_NW_FRAG_ANY);
        } else {
            match_set_tp_dst(&e->match, htons(service->port));
        }
        if (n) {
            emit_group(e, group);
            emit_end(e);
        } else {
            emit_refuse(c);
        }
    }
}

/* A local backend that reaches itself. */
static void
emit_hairpin(struct compiler *c, const struct model_service *service,
             const struct service_target *target)
{
    uint64_t cookie = cookie_service(service, SN_WHY_HAIRPIN);
    bool is_v4 = target->address.is_v4;
    struct sn_prefix hairpin = service_hairpin(c->model, is_v4);
    struct emit *e = &c->emit;
    struct endpoint ep;

    if (!target->local || !c->local
        || compiler_get_endpoint(c, target->container, &ep)) {
        return;
    }
    emit_flow(e, SN_TABLE_CONNTRACK, 120, cookie);
    emit_match_reg(e, SN_REG_ENDPOINT, ep.number);
    emit_match_flags(e, SN_F_SERVICE, 0);
    emit_match_dst(e, &target->address);
    (is_v4 ? emit_set_ipv4 : emit_set_ipv6)(e, is_v4 ? MFF_IPV4_SRC
                                                     : MFF_IPV6_SRC,
                                            &hairpin);
    emit_to_address(c, true);

    emit_flow(e, SN_TABLE_SERVICE, 110, cookie);
    emit_match_reg(e, SN_REG_ENDPOINT, ep.number);
    emit_match_dst(e, &hairpin);
    (is_v4 ? emit_set_ipv4 : emit_set_ipv6)(e, is_v4 ? MFF_IPV4_DST
                                                     : MFF_IPV6_DST,
                                            &target->address);
    emit_set_flags(e, SN_F_HAIRPIN);
    emit_ct_service(e, false, SN_TABLE_BALANCE);
    emit_end(e);
}

void
stage_service(struct compiler *c, const struct model_service *service)
{
    for (size_t i = 0; i < service->n_vips; i++) {
        const struct sn_prefix *vip = &service->vips[i];
        struct service_target *targets;
        size_t n = collect_targets(c, service, vip->is_v4, &targets);

        for (size_t j = 0; j < n; j++) {
            emit_hairpin(c, service, &targets[j]);
        }
        n = service_choose_targets(service, targets, n);
        emit_balance(c, service, vip, targets, n);
        free(targets);
    }
}
