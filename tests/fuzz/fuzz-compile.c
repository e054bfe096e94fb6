/* Flows: every state that is accepted compiles for each of its nodes; each
 * flow has an owner to name; as text it is one that Open vSwitch reads back as
 * the same flow; and over the wire its match comes back bit for bit, or an
 * audit would take it for a stranger's. */

#include <config.h>

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "byte-order.h"
#include "cli/offline.h"
#include "flows/compiler.h"
#include "flows/explain.h"
#include "lib/diag.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/ofp-errors.h"
#include "openvswitch/ofp-flow.h"
#include "openvswitch/ofp-match.h"
#include "openvswitch/ofp-parse.h"
#include "openvswitch/ofpbuf.h"
#include "openvswitch/shash.h"
#include "openvswitch/vlog.h"
#include "state/load.h"
#include "state/model.h"
#include "util.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
check_text(const struct sn_flow *flow, const char *text,
           const struct ofputil_port_map *map)
{
    enum ofputil_protocol usable;
    struct ofputil_flow_mod fm;
    char *error = parse_ofp_flow_mod_str(&fm, text, map, NULL, OFPFC_ADD,
                                         &usable);

    if (error) {
        ovs_fatal(0, "%s: %s", text, error);
    }
    struct sn_flow again = {
        .table_id = fm.table_id,
        .priority = fm.priority,
        .match = fm.match,
        .cookie = ntohll(fm.new_cookie),
        .ofpacts = CONST_CAST(struct ofpact *, fm.ofpacts),
        .ofpacts_len = fm.ofpacts_len,
    };
    struct ds text_again = DS_EMPTY_INITIALIZER;

    /* Text, not matches: the parser adds a mask of the packet type. */
    sn_flow_format(&again, map, false, &text_again);
    if (strcmp(text, ds_cstr(&text_again))
        || !sn_flow_same_content(&again, flow)) {
        ovs_fatal(0, "%s: another flow when read back: %s", text,
                  ds_cstr(&text_again));
    }
    ds_destroy(&text_again);
    minimatch_destroy(&fm.match);
    free(again.ofpacts);
}

static void
check_wire(const struct sn_flow *flow, const char *text)
{
    uint64_t stub[128];
    struct ofpbuf wire = OFPBUF_STUB_INITIALIZER(stub);
    struct match match;
    uint16_t padded_len;

    minimatch_expand(&flow->match, &match);
    ofputil_put_ofp11_match(&wire, &match, OFPUTIL_P_OF15_OXM);
    enum ofperr error = ofputil_pull_ofp11_match(&wire, NULL, NULL, &match,
                                                 &padded_len);
    if (error) {
        ovs_fatal(0, "%s: %s", text, ofperr_get_name(error));
    }

    struct minimatch again;
    minimatch_init(&again, &match);
    if (!minimatch_equal(&again, &flow->match)) {
        ovs_fatal(0, "%s: another match over the wire", text);
    }
    minimatch_destroy(&again);
    ofpbuf_uninit(&wire);
}

static void
check_node(struct model *model, const char *node)
{
    struct offline *offline = offline_create(node);
    struct explainer *explainer = explainer_create(model);
    const struct sn_flow *flow;

    offline_invent_macs(offline, model);
    offline_run(offline, model);

    const struct flow_set *flows
        = compiler_flows(offline_compiler(offline));
    HMAP_FOR_EACH (flow, hmap_node, &flows->flows) {
        const struct ofputil_port_map *map = offline_port_map(offline);
        struct ds text = DS_EMPTY_INITIALIZER;

        sn_flow_format(flow, map, false, &text);
        check_text(flow, ds_cstr(&text), map);
        check_wire(flow, ds_cstr(&text));

        char *why = explainer_explain(explainer, flow->cookie);
        if (!why) {
            ovs_fatal(0, "%s: nobody's flow", ds_cstr(&text));
        }
        free(why);
        ds_destroy(&text);
    }
    explainer_destroy(explainer);
    offline_destroy(offline);
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
    struct diags diags;

    diags_init(&diags);
    struct model *model = state_load_string(text, "fuzz.yaml", "node",
                                            &diags);
    diags_destroy(&diags);
    free(text);
    if (model) {
        struct shash_node *node;

        SHASH_FOR_EACH (node, &model->nodes) {
            check_node(model, node->name);
        }
        model_destroy(model);
    }
    return 0;
}
