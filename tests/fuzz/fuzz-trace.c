/* What ovs-vswitchd says: a trace, a dump of connections. */

#include <config.h>

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "agent/ct-count.h"
#include "cli/scratch-switch.h"
#include "lib/ofproto-trace.h"
#include "openvswitch/util.h"
#include "util.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    char *text = xmemdup0((const char *) data, n), *rest = text, *line;
    struct ofproto_trace t;
    const char *action;
    size_t i;

    ofproto_trace_parse(text, &t);
    ovs_assert(t.n_steps <= OFPROTO_TRACE_MAX_STEPS);
    ovs_assert(t.nat_dst || !t.nat_port);
    SVEC_FOR_EACH (i, action, &t.actions) {
        ofp_port_t port;

        ovs_assert(!strchr(action, '\n'));
        scratch_switch_parse_output(action, &port);
    }
    ofproto_trace_uninit(&t);
    while ((line = strsep(&rest, "\n")) != NULL) {
        struct ct_entry e;

        if (ct_entry_parse(line, &e)) {
            ovs_assert(strnlen(e.src, sizeof e.src) < sizeof e.src);
            ct_entry_is_over(&e);
        }
    }
    free(text);
    return 0;
}
