#include <config.h>

#include "state/rawflow.h"

#include <stdlib.h>
#include <string.h>
#include "lib/diag.h"
#include "lib/suggest.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/meta-flow.h"
#include "openvswitch/ofp-actions.h"
#include "openvswitch/ofp-errors.h"
#include "openvswitch/ofp-flow.h"
#include "openvswitch/ofp-match.h"
#include "openvswitch/ofp-parse.h"
#include "openvswitch/ofpbuf.h"
#include "openvswitch/util.h"
#include "packets.h"
#include "state/model.h"
#include "state/name.h"
#include "state/rawflow-text.h"
#include "util.h"

/* Raw flows live between the priorities that the table keeps for itself. */
enum { RAW_MIN_PRIORITY = 1, RAW_MAX_PRIORITY = 65533 };

/* What the pipeline gives no raw flow, and why. */
static const struct {
    const char *key;
    const char *reason;
    const char *fix;
} refused_fields[] = {
    { "table", "raw flows live in a table of their own",
      "leave \"table\" out" },
    { "cookie", "the cookie says which line a flow comes from, so socknet "
      "sets it", "leave \"cookie\" out" },
    { "idle_timeout", "a flow of the state file stays until it is taken out "
      "of the file", "leave the timeout out" },
    { "hard_timeout", "a flow of the state file stays until it is taken out "
      "of the file", "leave the timeout out" },
    { "importance", "flows of the state file are never evicted",
      "leave \"importance\" out" },
    { "out_port", "it belongs to a query, not to a flow", NULL },
    { "out_group", "it belongs to a query, not to a flow", NULL },
    { "send_flow_rem", "nobody reads the messages", "leave it out" },
    { "check_overlap", "overlaps are checked here anyway", "leave it out" },
    { "arp", "raw flows see IP packets only: the pipeline answers ARP",
      "remove the flow" },
    { "rarp", "raw flows see IP packets only", "remove the flow" },
    { "mpls", "raw flows see IP packets only", "remove the flow" },
    { "mplsm", "raw flows see IP packets only", "remove the flow" },
    { "metadata", "the pipeline uses it for itself", NULL },
    { "packet_type", "every packet here is an Ethernet packet", NULL },
    { "actset_output", "there is no action set yet", NULL },
    { "conj_id", "the pipeline uses it for itself", NULL },
};

static const struct {
    const char *key;
    const char *reason;
    const char *fix;
} refused_actions[] = {
    { "learn", "nothing reads the table that it would write: replies of an "
      "accepted connection return by themselves", "remove the flow" },
    { "resubmit", "the pipeline's tables are not open to raw flows",
      "write normal to go on through the pipeline" },
    { "goto_table", "the pipeline's tables are not open to raw flows",
      "write normal to go on through the pipeline" },
    { "flood", "the socket network floods nothing",
      "name the container: output:vethN" },
    { "all", "the socket network floods nothing",
      "name the container: output:vethN" },
    { "in_port", "a packet is not sent back to where it came from", NULL },
    { "controller", "the controller takes no packets", NULL },
    { "table", "it belongs to packets that a controller sends", NULL },
    { "ct", "the pipeline tracks connections before raw flows see them",
      "match on ct_state instead" },
};

/* Without the field, the flow does here what it says; or it does nothing. */
static void
raw_fix_refused(struct raw_text *t, const struct raw_piece *f,
                const char *fix)
{
    const char *after = t->flow->text + f->offset + strlen(f->text);

    if (fix && !strcmp(fix, "remove the flow")) {
        raw_text_fix_remove(t);
    } else if (fix && !strncmp(fix, "leave ", 6) && *after == ','
               && (strcmp(f->key, "table") || !strcmp(f->value, "0"))) {
        char *old = xasprintf("%s,", f->text);
        raw_text_fix(t, f->offset, old, "");
        free(old);
    }
}

static bool
raw_check_refused(struct raw_text *t, const struct raw_piece *f)
{
    for (size_t i = 0; i < ARRAY_SIZE(refused_fields); i++) {
        if (!strcmp(f->key, refused_fields[i].key)) {
            raw_text_error(t, f->offset, strlen(f->text),
                           refused_fields[i].fix, "\"%s\" has no place in a "
                           "raw flow: %s", f->key, refused_fields[i].reason);
            raw_fix_refused(t, f, refused_fields[i].fix);
            return true;
        }
    }
    return false;
}

/* Whether 'value' has bits where 'mask' has none. */
static bool
mf_has_bits_below_mask(const struct mf_field *mf, const union mf_value *value,
                       const union mf_value *mask)
{
    for (size_t i = 0; i < mf->n_bytes; i++) {
        const uint8_t *v = (const uint8_t *) value;
        const uint8_t *m = (const uint8_t *) mask;
        if (v[i] & ~m[i]) {
            return true;
        }
    }
    return false;
}

static void
raw_report_host_bits(struct raw_text *t, const struct raw_piece *f,
                     const struct mf_field *mf, const union mf_value *value,
                     const union mf_value *mask)
{
    struct ds network = DS_EMPTY_INITIALIZER;
    union mf_value masked = *value;

    for (size_t i = 0; i < mf->n_bytes; i++) {
        ((uint8_t *) &masked)[i] &= ((const uint8_t *) mask)[i];
    }
    mf_format(mf, &masked, mask, NULL, &network);
    char *fix = xasprintf("write %s=%.*s for that one, or %s=%s for all",
                          f->key, (int) strcspn(f->value, "/"), f->value,
                          f->key, ds_cstr(&network));
    raw_text_error(t, f->value_offset, strlen(f->value), fix,
                   "%s=%s has host bits below its mask: OVS takes it for the "
                   "whole of %s", f->key, f->value, ds_cstr(&network));
    t->n_evident++;
    free(fix);
    ds_destroy(&network);
}

/* mf_parse() takes 10.0.0.999 for 10.0.0.231. */
static bool
raw_check_ipv4(struct raw_text *t, const struct raw_piece *f)
{
    size_t len = strcspn(f->value, "/");
    char *address = xmemdup0(f->value, len);
    const char *mask = f->value + len + (f->value[len] == '/');
    ovs_be32 ip;
    bool ok = ip_parse(address, &ip)
              && (str_is_decimal(mask) || !mask[0] || ip_parse(mask, &ip));

    free(address);
    if (!ok) {
        raw_text_error(t, f->value_offset, MAX(strlen(f->value), 1), NULL,
                       "%s: \"%s\" is not an IPv4 address or network",
                       f->key, f->value);
    }
    return ok;
}

static void
raw_check_value(struct raw_text *t, const struct raw_piece *f,
                const struct mf_field *mf,
                const struct ofputil_port_map *ports)
{
    union mf_value value, mask;

    if (mf_is_register(mf->id)) {
        raw_text_error(t, f->offset, strlen(f->text), NULL,
                       "\"%s\" has no place in a raw flow: the pipeline uses "
                       "the registers for itself", f->key);
        return;
    }
    if ((mf->id == MFF_IN_PORT || mf->id == MFF_IN_PORT_OXM)
        && str_is_decimal(f->value)) {
        raw_text_error(t, f->value_offset, strlen(f->value),
                       "write the name of the port",
                       "port numbers change when a container starts again");
        return;
    }
    if (mf->string == MFS_IPV4 && !raw_check_ipv4(t, f)) {
        return;
    }
    char *error = mf_parse(mf, f->value, ports, &value, &mask);
    if (error) {
        raw_text_error(t, f->value_offset, MAX(strlen(f->value), 1), NULL,
                       "%s: %s", f->key, error);
        free(error);
    } else if (strchr(f->value, '/')
               && mf_has_bits_below_mask(mf, &value, &mask)) {
        raw_report_host_bits(t, f, mf, &value, &mask);
    }
}

static void
raw_check_priority(struct raw_text *t, const struct raw_piece *f)
{
    unsigned int priority;

    if (!str_is_decimal(f->value) || !str_to_uint(f->value, 10, &priority)
        || priority < RAW_MIN_PRIORITY || priority > RAW_MAX_PRIORITY) {
        raw_text_error(t, f->value_offset, MAX(strlen(f->value), 1), NULL,
                       "a priority is a number from %d to %d",
                       RAW_MIN_PRIORITY, RAW_MAX_PRIORITY);
    }
}

static void
raw_report_unknown_field(struct raw_text *t, const struct raw_piece *f)
{
    static const char *const others[] = {
        "priority", "ip", "ipv6", "tcp", "udp", "icmp", "icmp6", "sctp",
        "tcp6", "udp6", "nw_src", "nw_dst", "tp_src", "tp_dst", "dl_src",
        "dl_dst", "actions",
    };
    struct suggest near;

    suggest_init(&near, f->key);
    for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
        suggest_offer(&near, others[i]);
    }
    for (enum mf_field_id id = 0; id < MFF_N_IDS; id++) {
        suggest_offer(&near, mf_from_id(id)->name);
    }
    char *fix = near.best ? xasprintf("write %s", near.best) : NULL;
    raw_text_error(t, f->offset, strlen(f->key), fix,
                   "unknown field \"%s\"", f->key);
    free(fix);
}

static void
raw_check_field(struct raw_text *t, const struct raw_piece *f,
                const struct ofputil_port_map *ports)
{
    static const char *const ignored[] = {
        "eth", "duration", "n_packets", "n_bytes", "idle_age", "hard_age",
        "reset_counts", "no_packet_counts", "no_byte_counts",
    };
    const struct ofp_protocol *protocol;

    if (raw_check_refused(t, f)) {
        return;
    }
    for (size_t i = 0; i < ARRAY_SIZE(ignored); i++) {
        if (!strcmp(f->key, ignored[i])) {
            return;
        }
    }
    const struct mf_field *mf = mf_from_name(f->key);
    if (!strcmp(f->key, "priority")) {
        raw_check_priority(t, f);
    } else if (mf) {
        raw_check_value(t, f, mf, ports);
    } else if (!ofp_parse_protocol(f->key, &protocol)) {
        raw_report_unknown_field(t, f);
    }
}

/* Which output an action spells, or NULL: "output:x", "local", "normal". */
static const char *
raw_action_port(const struct raw_piece *a)
{
    static const char *const bare[] = { "normal", "local" };

    if (!strcmp(a->key, "output")) {
        return a->value;
    }
    for (size_t i = 0; i < ARRAY_SIZE(bare); i++) {
        if (!strcasecmp(a->key, bare[i]) && !a->value[0]) {
            return bare[i];
        }
    }
    return NULL;
}

/* Checks an action that sends the packet to 'port'. */
static void
raw_check_output(struct raw_text *t, const struct raw_piece *a,
                 const char *port, const struct ofputil_port_map *ports)
{
    ofp_port_t ofp_port;

    for (size_t i = 0; i < ARRAY_SIZE(refused_actions); i++) {
        if (!strcasecmp(port, refused_actions[i].key)) {
            raw_text_error(t, a->offset, strlen(a->text),
                           refused_actions[i].fix, "output to \"%s\" has no "
                           "place in a raw flow: %s", port,
                           refused_actions[i].reason);
            return;
        }
    }
    if (str_is_decimal(port)) {
        raw_text_error(t, a->value_offset, strlen(a->value),
                       "write the name of the port",
                       "port numbers change when a container starts again");
    } else if (!ofputil_port_from_string(port, ports, &ofp_port)
               || (ofp_port != OFPP_NORMAL && ofp_port != OFPP_LOCAL
                   && !ofputil_port_map_get_name(ports, ofp_port))) {
        raw_text_error(t, a->value_offset, MAX(strlen(a->value), 1),
                       "a port is a container's veth, an exit's interface, "
                       "normal or local",
                       "\"%s\" is not the name of a port", port);
    }
}

/* Whether an action other than an output is one of those allowed. */
static bool
raw_action_is_allowed(const struct ofpbuf *ofpacts)
{
    const struct ofpact *a;

    OFPACT_FOR_EACH (a, ofpacts->data, ofpacts->size) {
        if (a->type != OFPACT_SET_IP_DSCP && a->type != OFPACT_SET_IP_ECN
            && a->type != OFPACT_SET_IP_TTL && a->type != OFPACT_NOTE) {
            return false;
        }
    }
    return true;
}

/* What is learned nobody looks up: the flow does the rest of its actions. */
static void
raw_fix_learn(struct raw_text *t, const struct raw_piece *a)
{
    const char *after = t->flow->text + a->offset + strlen(a->text);

    if (!strcmp(a->key, "learn") && *after == ',') {
        char *old = xasprintf("%s,", a->text);
        raw_text_fix(t, a->offset, old, "");
        free(old);
    }
}

static void
raw_check_other_action(struct raw_text *t, const struct raw_piece *a)
{
    for (size_t i = 0; i < ARRAY_SIZE(refused_actions); i++) {
        if (!strcasecmp(a->key, refused_actions[i].key)) {
            raw_text_error(t, a->offset, strlen(a->text),
                           refused_actions[i].fix, "\"%s\" has no place in "
                           "a raw flow: %s", a->key,
                           refused_actions[i].reason);
            raw_fix_learn(t, a);
            return;
        }
    }

    enum ofputil_protocol usable;
    struct ofpbuf ofpacts;
    ofpbuf_init(&ofpacts, 64);
    struct ofpact_parse_params pp = {
        .ofpacts = &ofpacts, .usable_protocols = &usable,
    };
    char *error = ofpacts_parse_actions(a->text, &pp);
    if (error) {
        char *fix = a->value[0] ? NULL
                    : xasprintf("to send to a port, write output:%s", a->key);
        raw_text_error(t, a->offset, strlen(a->text), fix, "%s", error);
        free(fix);
    } else if (!raw_action_is_allowed(&ofpacts)) {
        raw_text_error(t, a->offset, strlen(a->text),
                       "use output:NAME, normal, local, drop, mod_nw_tos, "
                       "mod_nw_ecn, mod_nw_ttl",
                       "the action \"%s\" has no place in a raw flow",
                       a->key);
    }
    free(error);
    ofpbuf_uninit(&ofpacts);
}

static void
raw_check_actions(struct raw_text *t, const struct ofputil_port_map *ports)
{
    const struct raw_piece *first_output = NULL;

    for (size_t i = 0; i < t->n_actions; i++) {
        const struct raw_piece *a = &t->actions[i];
        const char *port = raw_action_port(a);
        bool is_drop = !strcmp(a->key, "drop") && !a->value[0];

        if (is_drop) {
            if (t->n_actions > 1) {
                raw_text_error(t, a->offset, strlen(a->text),
                               "write nothing but drop",
                               "\"drop\" stands alone");
            }
        } else if (!port) {
            raw_check_other_action(t, a);
        } else if (first_output) {
            raw_text_error(t, a->offset, strlen(a->text), "keep one",
                           "a packet goes to one place, and this flow has "
                           "\"%s\" before \"%s\"", first_output->text,
                           a->text);
        } else {
            first_output = a;
            raw_check_output(t, a, port, ports);
        }
    }
    if (!t->n_actions) {
        raw_text_error(t, t->actions_offset ? t->actions_offset - 1 : 0, 1,
                       "to drop packets, write actions=drop",
                       "the flow has no actions");
    }
}

/* What a match on 'mf' wants to stand before it. */
static const char *
mf_prerequisite(const struct mf_field *mf, const char *key)
{
    if (!strcmp(key, "tp_src") || !strcmp(key, "tp_dst")) {
        return "tcp or udp";
    }
    switch ((int) mf->prereqs) {
    case MFP_IPV4: return "ip";
    case MFP_IPV6: return "ipv6";
    case MFP_IP_ANY: return "ip or ipv6";
    case MFP_TCP: return "tcp or tcp6";
    case MFP_UDP: return "udp or udp6";
    case MFP_SCTP: return "sctp or sctp6";
    case MFP_ICMPV4: return "icmp";
    case MFP_ICMPV6:
    case MFP_ND:
    case MFP_ND_SOLICIT:
    case MFP_ND_ADVERT: return "icmp6";
    case MFP_VLAN_VID: return "dl_vlan";
    case MFP_CT_VALID: return "ip or ipv6, and ct_state=+trk";
    default: return "what it depends on";
    }
}

/* Reports each field of the match that OVS would drop.  Gives 'match' the
 * Ethernet type that is evidently meant. */
static void
raw_check_prerequisites(struct raw_text *t, struct match *match)
{
    struct match normal = *match;

    ofputil_normalize_match_quiet(&normal);
    for (size_t i = 0; i < t->n_fields; i++) {
        const struct raw_piece *f = &t->fields[i];
        const struct mf_field *mf = mf_from_name(f->key);
        if (!mf || mf_is_all_wild(mf, &match->wc)
            || !mf_is_all_wild(mf, &normal.wc)) {
            continue;
        }
        const char *needs = mf_prerequisite(mf, f->key);
        char *fix = xasprintf("add %s before it", needs);
        raw_text_error(t, f->offset, strlen(f->text), fix,
                       "OVS ignores %s in a flow without %s, which then "
                       "matches every packet", f->key, needs);
        free(fix);
        if (!match->wc.masks.dl_type) {
            if (mf->prereqs == MFP_IPV4) {
                match_set_dl_type(match, htons(ETH_TYPE_IP));
                raw_text_fix(t, f->offset, "", "ip,");
                t->n_evident++;
            } else if (mf->prereqs == MFP_IPV6) {
                match_set_dl_type(match, htons(ETH_TYPE_IPV6));
                raw_text_fix(t, f->offset, "", "ipv6,");
                t->n_evident++;
            }
        }
    }
    ofputil_normalize_match_quiet(match);
}

/* Parses the whole, of which each part has been checked.  Takes over 'ports'
 * if it succeeds. */
static struct raw_flow *
raw_parse_whole(struct raw_text *t, struct ofputil_port_map *ports)
{
    enum ofputil_protocol usable;
    struct ofputil_flow_mod fm;
    char *error = parse_ofp_str(&fm, OFPFC_ADD, t->flow->text, ports, NULL,
                                &usable);
    if (error) {
        /* Once a part has been reported, this would be the same again. */
        if (!t->n_errors) {
            raw_text_error(t, 0, strlen(t->flow->text), NULL, "%s", error);
        }
        free(error);
        return NULL;
    }

    struct raw_flow *raw = xzalloc(sizeof *raw);
    raw->priority = fm.priority;
    minimatch_expand(&fm.match, &raw->match);
    minimatch_destroy(&fm.match);
    raw->ofpacts = fm.ofpacts;
    raw->ofpacts_len = fm.ofpacts_len;
    raw->map = ports;
    raw_check_prerequisites(t, &raw->match);
    if (raw->match.wc.masks.in_port.ofp_port) {
        ofp_port_t in_port = raw->match.flow.in_port.ofp_port;
        const char *name = in_port == OFPP_LOCAL
                           ? "LOCAL" : raw_flow_port_name(raw, in_port);
        raw->in_port = nullable_xstrdup(name);
        if (!name && !t->n_errors) {
            raw_text_error(t, 0, strlen(t->flow->text), NULL,
                           "in_port is not the name of a port");
        }
    }
    return raw;
}

struct raw_flow *
raw_flow_parse_lenient(const struct model_raw_flow *flow,
                       struct diags *diags, bool *ret_ok)
{
    struct raw_flow *raw = NULL;
    struct raw_text t;

    *ret_ok = false;
    if (!raw_text_init(&t, flow, diags)) {
        raw_text_destroy(&t);
        return NULL;
    }
    struct ofputil_port_map *ports = raw_text_ports(&t);
    for (size_t i = 0; i < t.n_fields; i++) {
        raw_check_field(&t, &t.fields[i], ports);
    }
    raw_check_actions(&t, ports);

    raw = raw_parse_whole(&t, ports);
    if (!raw) {
        ofputil_port_map_destroy(ports);
        free(ports);
    } else if (t.n_errors != t.n_evident) {
        raw_flow_destroy(raw);
        raw = NULL;
    }
    *ret_ok = !t.n_errors;
    raw_text_destroy(&t);
    return raw;
}

struct raw_flow *
raw_flow_parse(const struct model_raw_flow *flow, struct diags *diags)
{
    bool ok;
    struct raw_flow *raw = raw_flow_parse_lenient(flow, diags, &ok);

    if (!ok) {
        raw_flow_destroy(raw);
        return NULL;
    }
    return raw;
}

void
raw_flow_destroy(struct raw_flow *raw)
{
    if (raw) {
        free(raw->in_port);
        free(raw->ofpacts);
        ofputil_port_map_destroy(raw->map);
        free(raw->map);
        free(raw);
    }
}

const char *
raw_flow_port_name(const struct raw_flow *raw, ofp_port_t port)
{
    return ofputil_port_map_get_name(raw->map, port);
}
