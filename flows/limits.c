#include <config.h>

#include "flows/limits.h"

#include <inttypes.h>
#include <stdlib.h>
#include "flows/compiler-private.h"
#include "openvswitch/ofp-actions.h"
#include "openvswitch/util.h"
#include "util.h"

/* The least burst in kilobits: the kernel hands over up to 64 kB of TCP as one
 * packet, which passes as a whole or never. */
#define MIN_BURST_KBIT 640
/* The least in packets. */
#define MIN_BURST_PACKETS 16

const char *const limits_of_container[] = {
    "egress", "ingress", "packets", "new", NULL
};

static void
emit_limit(struct compiler *c, const char *name, uint64_t cookie,
           struct sn_rate rate, uint32_t burst)
{
    uint32_t number = rate.pps ? rate.pps : rate.kbps;

    if (number && c->has_meters) {
        uint32_t least = rate.pps ? MIN_BURST_PACKETS : MIN_BURST_KBIT;
        char *spec = xasprintf(
            "%s burst stats bands=type=drop rate=%"PRIu32
            " burst_size=%"PRIu32, rate.pps ? "pktps" : "kbps", number,
            MAX(burst ? burst : number / SN_RATE_PER_BURST, least));

        emit_meter(&c->emit, compiler_add_object(c, SN_METER, name, cookie,
                                                 spec));
        free(spec);
    }
}

static void
emit_container_limit(struct compiler *c, const struct endpoint *ep,
                     const char *what, struct sn_rate rate)
{
    if (rate.kbps || rate.pps) {
        char *name = xasprintf("container:%s:%s", ep->container->name, what);

        emit_limit(c, name, cookie_endpoint(ep, SN_WHY_RATE), rate,
                   rate.pps ? 0 : ep->container->limits.burst_kbit);
        free(name);
    }
}

void
limits_emit_packets(struct compiler *c, const struct endpoint *ep)
{
    emit_container_limit(c, ep, "packets", (struct sn_rate) {
        .pps = ep->container->limits.egress_pps });
}

void
limits_emit_egress(struct compiler *c, const struct endpoint *ep)
{
    emit_container_limit(c, ep, "egress", (struct sn_rate) {
        .kbps = ep->container->limits.egress_kbps });
}

void
limits_emit_ingress(struct compiler *c, const struct endpoint *ep)
{
    emit_container_limit(c, ep, "ingress", (struct sn_rate) {
        .kbps = ep->container->limits.ingress_kbps });
}

void
limits_emit_new(struct compiler *c, const struct endpoint *ep)
{
    emit_container_limit(c, ep, "new", (struct sn_rate) {
        .pps = c->model->mesh.new_connections });
}

void
limits_emit_class(struct compiler *c, enum model_class class)
{
    if (class != CLASS_NONE) {
        ofpact_put_SET_IP_DSCP(&c->emit.acts)->dscp
            = model_class_dscp(class) << 2;
    }
}

void
limits_emit_rule(struct compiler *c, const struct policy_clause *clause)
{
    if (clause->action == ACTION_ACCEPT) {
        size_t len = strcspn(clause->key, "#");     /* "acl:web#0" */
        char *name = xmemdup0(clause->key, len);

        emit_limit(c, name, clause->cookie, clause->rate, 0);
        free(name);
        limits_emit_class(c, clause->class);
    }
}
