/* What a container sends to port 53: whatever the octets, no crash, and a
 * reply that is one to that query, within its limit. */

#include <config.h>

#include <stdint.h>
#include <stdlib.h>

#include "agent/dns-message.h"
#include "agent/dns-zone.h"
#include "lib/diag.h"
#include "openvswitch/ofpbuf.h"
#include "state/load.h"
#include "state/model.h"
#include "util.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static const char state[] =
    "mesh: {name: m, prefix: 100.64.0.0/24, domain: a}\n"
    "nodes: {n: {subnet: [10.0.0.0/24, 'fd00::/64'], lxc: {containers: [\n"
    "  {id: '1', properties: {name: b, ipv4_address: 10.0.0.2/24,\n"
    "   ipv6_address: 'fd00::2/64', services: [{name: c, port: 1}]}}]}}}\n";

static struct dns_zone *
make_zone(void)
{
    struct diags diags;

    diags_init(&diags);
    struct model *model = state_load_string(state, "f", NULL, &diags);

    ovs_assert(model);
    struct dns_zone *zone = dns_zone_create(model, "n", 1);
    model_destroy(model);
    diags_destroy(&diags);
    return zone;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static struct dns_zone *zone;
    size_t limit = n % 2 ? 512 : 65535;
    struct ofpbuf reply;
    struct dns_query q;

    if (!zone) {
        zone = make_zone();
    }
    uint8_t *msg = xmemdup(data, n ? n : 1);
    int rcode = dns_query_parse(msg, n, &q);
    ofpbuf_init(&reply, 0);
    if (rcode != DNS_IGNORE) {
        if (rcode || !dns_zone_answer(zone, msg, &q, limit, &reply)) {
            dns_reply_begin(&reply, msg, &q, false);
            dns_reply_end(&reply, &q, rcode, limit);
        }
        ovs_assert(reply.size <= limit);
        ovs_assert(!q.question_len
                   || dns_is_reply_to(reply.data, reply.size, msg,
                                      q.question_len));
        /* Whatever a resolver sends must not crash us either. */
        dns_is_reply_to(msg, n, reply.data, q.question_len);
    }
    ofpbuf_uninit(&reply);
    free(msg);
    return 0;
}
