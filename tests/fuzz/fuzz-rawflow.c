/* Raw flows: whatever the text, no crash; a flow comes back exactly when no
 * error was reported; and its actions are of those that raw flows may have. */

#include <config.h>

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/diag.h"
#include "openvswitch/ofp-actions.h"
#include "openvswitch/vlog.h"
#include "state/model.h"
#include "state/rawflow.h"
#include "util.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
check_flow(const struct raw_flow *raw)
{
    const struct ofpact *a;
    int n_outputs = 0;

    ovs_assert(!raw->match.wc.masks.in_port.ofp_port == !raw->in_port);
    OFPACT_FOR_EACH (a, raw->ofpacts, raw->ofpacts_len) {
        if (a->type == OFPACT_OUTPUT) {
            ofp_port_t port = ofpact_get_OUTPUT(a)->port;
            ovs_assert(port == OFPP_NORMAL || port == OFPP_LOCAL
                       || raw_flow_port_name(raw, port));
            n_outputs++;
        } else {
            ovs_assert(a->type == OFPACT_SET_IP_DSCP
                       || a->type == OFPACT_SET_IP_ECN
                       || a->type == OFPACT_SET_IP_TTL
                       || a->type == OFPACT_NOTE);
        }
    }
    ovs_assert(n_outputs <= 1);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static bool quiet;

    if (!quiet) {
        vlog_set_levels(NULL, VLF_ANY_DESTINATION, VLL_OFF);
        quiet = true;
    }

    char *text = xmemdup0((const char *) data, n);
    struct model_raw_flow flow = {
        .loc = { sn_loc_intern("fuzz.yaml"), 1, 1, strlen(text) },
        .node = CONST_CAST(char *, "node"),
        .bridge = CONST_CAST(char *, "vmbr0"),
        .text = text,
    };
    struct diags diags;
    bool ok;

    diags_init(&diags);
    struct raw_flow *raw = raw_flow_parse(&flow, &diags);
    ovs_assert(!raw == (diags.n_errors > 0));
    if (raw) {
        check_flow(raw);
    }
    raw_flow_destroy(raw);
    raw_flow_destroy(raw_flow_parse_lenient(&flow, &diags, &ok));
    ovs_assert(ok == (raw != NULL));
    diags_destroy(&diags);
    free(text);
    return 0;
}
