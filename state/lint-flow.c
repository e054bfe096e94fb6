#include <config.h>

#include "state/lint-private.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include "bitmap.h"
#include "lib/diag-fix.h"
#include "lib/suggest.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/ofp-actions.h"
#include "openvswitch/util.h"
#include "packets.h"
#include "state/rawflow.h"
#include "util.h"

/* Raw flows: against the ports that there are, and against each other. */

/* A raw flow in the forms that comparisons take. */
struct lint_flow {
    const struct model_raw_flow *flow;
    size_t seq;                 /* In order of the file. */
    struct raw_flow *raw;
    char *actions;              /* As text, ports by name. */
    bool comparable;            /* Its parts make sense. */
};

static const struct sn_loc *
flow_loc(const struct lint_flow *f)
{
    return &f->flow->loc;
}

/* Of the error reported last: without the flow, all stays as it is. */
static void
lint_fix_remove(struct lint *lint, const struct lint_flow *f)
{
    diags_fix_remove_item(lint->diags, flow_loc(f), f->flow->text);
}

static const struct model_exit *
find_exit_device(const struct lint *lint, const char *node,
                 const char *interface)
{
    for (size_t i = 0; i < lint->n_exits; i++) {
        if (!strcmp(lint->exits[i]->interface, interface)
            && (!node || !strcmp(lint->exits[i]->node, node))) {
            return lint->exits[i];
        }
    }
    return NULL;
}

/* The container whose veth is 'veth', one on 'node' before all others; the
 * number of those elsewhere goes to '*ret_n_elsewhere'. */
static const struct model_container *
find_veth(const struct lint *lint, const char *node, const char *veth,
          size_t *ret_n_elsewhere)
{
    const struct model_container *found = NULL;

    *ret_n_elsewhere = 0;
    for (size_t i = 0; i < lint->n_containers; i++) {
        const struct model_container *c = lint->containers[i];
        if (!c->any_veth && !strcmp(c->veth, veth)) {
            if (!strcmp(c->node, node)) {
                *ret_n_elsewhere = 0;
                return c;
            }
            found = found ? found : c;
            ++*ret_n_elsewhere;
        }
    }
    return found;
}

static void
lint_unknown_port(struct lint *lint, const struct lint_flow *f,
                  const struct sn_loc *loc, const char *port)
{
    const struct model_container *c = model_get_container(lint->model, port);
    struct suggest near;
    char *fix = NULL;

    suggest_init(&near, port);
    for (size_t i = 0; i < lint->n_containers; i++) {
        if (!lint->containers[i]->any_veth) {
            suggest_offer(&near, lint->containers[i]->veth);
        }
    }
    for (size_t i = 0; i < lint->n_exits; i++) {
        if (!strcmp(lint->exits[i]->node, f->flow->node)) {
            suggest_offer(&near, lint->exits[i]->interface);
        }
    }
    if (c && c->any_veth) {
        fix = xasprintf("give container \"%s\" a veth, and write that",
                        c->name);
    } else if (c) {
        fix = xasprintf("write its veth, %s", c->veth);
    } else if (near.best) {
        fix = xasprintf("write %s", near.best);
    }
    diags_add(lint->diags, DIAG_ERROR, loc, fix,
              c ? "\"%s\" is the name of a container, not of a port"
                : "no container or exit has the port \"%s\"", port);
    if (c && !c->any_veth) {
        diags_fix_replace(lint->diags, loc, port, c->veth);
    }
    free(fix);
}

/* The place of 'word', a port's name that follows 'before', in the text. */
static struct sn_loc
word_loc(const struct model_raw_flow *flow, const char *before,
         const char *word)
{
    struct sn_loc loc = flow->loc;
    char *pattern = xasprintf("%s%s", before, word);
    const char *found = strstr(flow->text, pattern);

    if (found && loc.length > 1
        && loc.length == (int) strlen(flow->text)) {
        loc.column += found - flow->text + strlen(before);
        loc.length = strlen(word);
    }
    free(pattern);
    return loc;
}

/* Where the packets come from.  Returns false if from nowhere. */
static bool
lint_flow_in_port(struct lint *lint, const struct lint_flow *f)
{
    const char *node = f->flow->node;
    const char *port = f->raw->in_port;
    struct sn_loc loc = word_loc(f->flow, "in_port=", port ? port : "");
    const struct model_node *model_node = model_get_node(lint->model, node);
    size_t n_elsewhere;
    const struct model_container *c;

    if (!port || !strcmp(port, "LOCAL") || !strcmp(port, "vmbr0")) {
        return true;
    }
    c = find_veth(lint, node, port, &n_elsewhere);
    if (c && !n_elsewhere) {
        return true;
    } else if (c) {
        diags_add(lint->diags, DIAG_ERROR, &loc,
                  "write the flow at the container's own node",
                  "\"%s\" is the port of container \"%s\" on node \"%s\": no "
                  "packet comes from it on node \"%s\"", port, c->name,
                  c->node, node);
    } else if (find_exit_device(lint, NULL, port)
               || !strcmp(port, lint->model->mesh.interface)
               || !strncmp(port, "x-", 2)) {
        diags_add(lint->diags, DIAG_ERROR, &loc,
                  "remove the flow: replies of an accepted connection return "
                  "by the host's routes and need none",
                  "\"%s\" is a device of the host: a WireGuard device cannot "
                  "be a port of an Open vSwitch bridge, so no packet comes "
                  "from it", port);
        lint_fix_remove(lint, f);
    } else if (model_node && sset_contains(&model_node->uplinks, port)) {
        diags_add(lint->diags, DIAG_ERROR, &loc, NULL,
                  "\"%s\" is an uplink: raw flows see what containers and "
                  "the host send", port);
    } else {
        lint_unknown_port(lint, f, &loc, port);
    }
    return false;
}

/* "output:warp0" is an exit, and has a better way to be said. */
static void
lint_output_exit(struct lint *lint, const struct lint_flow *f,
                 const struct model_exit *exit, const struct sn_loc *loc)
{
    size_t n;
    const struct model_container *c
        = f->raw->in_port ? find_veth(lint, f->flow->node, f->raw->in_port,
                                      &n) : NULL;
    char *fix = c ? xasprintf("remove the flow and give container \"%s\" "
                              "exit: %s", c->name, exit->name)
                  : xasprintf("give the containers exit: %s", exit->name);

    diags_add(lint->diags, DIAG_WARNING, loc, fix,
              "\"%s\" is a WireGuard device, which cannot be a port of an "
              "Open vSwitch bridge: the flow is taken as \"leave by the exit "
              "%s\"", exit->interface, exit->name);
    free(fix);
}

/* Where the packets go.  Returns false if nowhere. */
static bool
lint_flow_output(struct lint *lint, const struct lint_flow *f,
                 const char *port)
{
    const char *node = f->flow->node;
    struct sn_loc loc = word_loc(f->flow, "output:", port);
    size_t n_elsewhere;
    const struct model_container *c = find_veth(lint, node, port,
                                                &n_elsewhere);
    const struct model_exit *exit = find_exit_device(lint, node, port);

    if (c && n_elsewhere > 1) {
        diags_add(lint->diags, DIAG_ERROR, &loc, NULL,
                  "\"%s\" is the veth of containers on several other nodes",
                  port);
    } else if (c || !strcmp(port, "vmbr0")) {
        return true;
    } else if (exit) {
        lint_output_exit(lint, f, exit, &loc);
        return true;
    } else if (find_exit_device(lint, NULL, port)) {
        diags_add(lint->diags, DIAG_ERROR, &loc,
                  "use an exit of this node",
                  "\"%s\" is an exit of another node", port);
    } else if (!strcmp(port, lint->model->mesh.interface)) {
        diags_add(lint->diags, DIAG_ERROR, &loc, "write normal",
                  "\"%s\" is the WireGuard device of the mesh, which cannot "
                  "be a port: what is for other nodes goes there by the "
                  "host's routes", port);
        char *output = xasprintf("output:%s", port);
        loc.column -= strlen("output:");
        diags_fix_replace(lint->diags, &loc, output, "normal");
        free(output);
    } else if (!strncmp(port, "x-", 2)
               && (exit = find_exit_device(lint, node, port + 2)) != NULL) {
        char *fix = xasprintf("write output:%s", exit->interface);
        diags_add(lint->diags, DIAG_ERROR, &loc, fix,
                  "\"%s\" is socknet's own port", port);
        diags_fix_replace(lint->diags, &loc, port, exit->interface);
        free(fix);
    } else {
        lint_unknown_port(lint, f, &loc, port);
    }
    return false;
}

static bool
lint_flow_outputs(struct lint *lint, const struct lint_flow *f)
{
    const struct ofpact *a;
    bool ok = true;

    OFPACT_FOR_EACH (a, f->raw->ofpacts, f->raw->ofpacts_len) {
        const char *port = a->type == OFPACT_OUTPUT
                           ? raw_flow_port_name(f->raw,
                                                ofpact_get_OUTPUT(a)->port)
                           : NULL;
        if (port) {
            ok &= lint_flow_output(lint, f, port);
        }
    }
    return ok;
}

/* "priority=10,actions=normal" */
static void
lint_catchall(struct lint *lint, const struct lint_flow *f)
{
    const struct ofpact *a = f->raw->ofpacts;

    if (f->raw->ofpacts_len && a->type == OFPACT_OUTPUT
        && ofpact_get_OUTPUT(a)->port == OFPP_NORMAL
        && flow_wildcards_is_catchall(&f->raw->match.wc)) {
        diags_add(lint->diags, DIAG_WARNING, flow_loc(f), "remove the flow",
                  "on a plain bridge this fails open: every new container "
                  "reaches everything.  Here normal goes on through the "
                  "pipeline, as packets that no flow matches do anyway");
        lint_fix_remove(lint, f);
    }
}

/* UDP to a port that the host's VPN server listens on. */
static void
lint_flow_vpn(struct lint *lint, const struct lint_flow *f)
{
    const struct match *match = &f->raw->match;
    const struct model_node *node = model_get_node(lint->model,
                                                   f->flow->node);
    const struct model_vpn *vpn = node ? node->vpn : NULL;
    uint16_t port = vpn ? vpn->listen_port : 0;
    bool takes = port && match->flow.nw_proto == IPPROTO_UDP
                 && match->wc.masks.nw_proto
                 && match->wc.masks.tp_dst
                 && !((match->flow.tp_dst ^ htons(port))
                      & match->wc.masks.tp_dst)
                 && !match->wc.masks.nw_dst
                 && ipv6_is_zero(&match->wc.masks.ipv6_dst);

    if (takes && strstr(f->actions, "output:")) {
        char *at = sn_loc_to_string(
            places_get(lint->places, &node->loc,
                       "node/%s/vpn_server/listen_port", node->name));
        diags_add(lint->diags, DIAG_ERROR, flow_loc(f),
                  "match the container's own address too (nw_dst=...), or "
                  "give one of the two another port",
                  "udp port %d goes to %s here, whatever the destination, "
                  "but %s of this host listens on it (%s)", port, f->actions,
                  vpn->interface, at);
        free(at);
    }
}

/* Bit by bit: where both look, do they want the same? */
static bool
matches_overlap(const struct match *a, const struct match *b)
{
    const uint64_t *af = (const uint64_t *) &a->flow;
    const uint64_t *bf = (const uint64_t *) &b->flow;
    const uint64_t *aw = (const uint64_t *) &a->wc.masks;
    const uint64_t *bw = (const uint64_t *) &b->wc.masks;

    for (size_t i = 0; i < sizeof a->flow / sizeof *af; i++) {
        if ((af[i] ^ bf[i]) & aw[i] & bw[i]) {
            return false;
        }
    }
    return true;
}

/* Whether 'a' matches all that 'b' does. */
static bool
match_covers(const struct match *a, const struct match *b)
{
    const uint64_t *aw = (const uint64_t *) &a->wc.masks;
    const uint64_t *bw = (const uint64_t *) &b->wc.masks;

    for (size_t i = 0; i < sizeof a->flow / sizeof *aw; i++) {
        if (aw[i] & ~bw[i]) {
            return false;
        }
    }
    return matches_overlap(a, b);
}

/* One flow against another of the same node.  Returns true if there was
 * something to say. */
static bool
lint_flow_pair(struct lint *lint, const struct lint_flow *f,
               const struct lint_flow *other, bool related_only)
{
    const struct raw_flow *a = other->raw;
    const struct raw_flow *b = f->raw;
    bool covers = match_covers(&a->match, &b->match);
    bool is_covered = match_covers(&b->match, &a->match);
    bool same_priority = a->priority == b->priority && other->seq < f->seq;
    bool said = true;
    char *at = sn_loc_to_string(flow_loc(other));

    if (a->priority > b->priority && covers) {
        diags_add(lint->diags, DIAG_ERROR, flow_loc(f),
                  "remove it, or give it the higher priority",
                  "no packet reaches this flow: the one at %s, of priority "
                  "%d, takes all that it matches", at, a->priority);
    } else if (same_priority && covers && is_covered) {
        diags_add(lint->diags, DIAG_ERROR, flow_loc(f), "remove one of them",
                  "the flow at %s has the same match and priority: only one "
                  "of them can be", at);
        if (!strcmp(f->actions, other->actions)) {
            lint_fix_remove(lint, f);
        }
    } else if (same_priority && strcmp(f->actions, other->actions)
               && matches_overlap(&a->match, &b->match)
               && (covers || is_covered || !related_only)) {
        diags_add(lint->diags, DIAG_ERROR, flow_loc(f),
                  "give the more specific of them the higher priority",
                  "this flow and the one at %s have the same priority, "
                  "overlap and do different things: which of them a packet "
                  "meets is undefined", at);
    } else {
        said = false;
    }
    free(at);
    return said;
}

/* Where the flows are, "A, B and C". */
static char *
describe_flows(const struct lint_flow *const flows[], size_t n,
               const unsigned long *used)
{
    size_t left = bitmap_count1(used, n);
    struct ds s = DS_EMPTY_INITIALIZER;
    size_t i;

    BITMAP_FOR_EACH_1 (i, n, used) {
        char *at = sn_loc_to_string(flow_loc(flows[i]));

        left--;
        ds_put_format(&s, "%s%s", at, left > 1 ? ", " : left ? " and " : "");
        free(at);
    }
    return ds_steal_cstr(&s);
}

/* One flow against all of higher priority together. */
static void
lint_flow_against_all(struct lint *lint, const struct lint_flow *f,
                      const struct lint_flow *flows, size_t n)
{
    const struct lint_flow **higher = xcalloc(n, sizeof *higher);
    const struct match **matches = xcalloc(n, sizeof *matches);
    unsigned long *used = bitmap_allocate(n);
    size_t n_higher = 0;

    for (size_t i = 0; i < n; i++) {
        if (flows[i].comparable && flows[i].raw->priority > f->raw->priority
            && matches_overlap(&flows[i].raw->match, &f->raw->match)) {
            higher[n_higher] = &flows[i];
            matches[n_higher++] = &flows[i].raw->match;
        }
    }
    if (n_higher > 1
        && lint_match_is_taken(&f->raw->match, matches, n_higher, used)) {
        char *at = describe_flows(higher, n_higher, used);
        diags_add(lint->diags, DIAG_ERROR, flow_loc(f),
                  "remove it, or give it the highest priority of them",
                  "no packet reaches this flow: those at %s, of higher "
                  "priority, together take all that it matches", at);
        free(at);
    }
    bitmap_free(used);
    free(matches);
    free(higher);
}

/* One flow against the others of its node, 'flows'.  One message is enough:
 * before all the one about a flow that matches all of this one's packets. */
static void
lint_flow_against_others(struct lint *lint, const struct lint_flow *f,
                         const struct lint_flow *flows, size_t n)
{
    for (size_t i = 0; f->comparable && i < 2 * n; i++) {
        const struct lint_flow *other = &flows[i % n];
        if (other != f && other->comparable
            && lint_flow_pair(lint, f, other, i < n)) {
            return;
        }
    }
    if (f->comparable) {
        lint_flow_against_all(lint, f, flows, n);
    }
}

static int
compare_lint_flows(const void *a_, const void *b_)
{
    const struct lint_flow *a = a_;
    const struct lint_flow *b = b_;
    int cmp = strcmp(a->flow->node, b->flow->node);

    return cmp ? cmp : a->seq < b->seq ? -1 : a->seq > b->seq;
}

/* The flows of each node among themselves. */
static void
lint_flow_pairs(struct lint *lint, struct lint_flow *flows, size_t n)
{
    size_t end;

    qsort(flows, n, sizeof *flows, compare_lint_flows);
    for (size_t start = 0; start < n; start = end) {
        for (end = start; end < n && !strcmp(flows[end].flow->node,
                                             flows[start].flow->node);) {
            end++;
        }
        for (size_t i = start; i < end; i++) {
            lint_flow_against_others(lint, &flows[i], &flows[start],
                                     end - start);
        }
    }
}

/* Stand-in numbers are each flow's own; give the ports one for all flows. */
static void
lint_flow_unify_port(struct lint_flow *f, struct sset *ports)
{
    if (f->raw->in_port) {
        struct sset_node *node = sset_find(ports, f->raw->in_port);
        node = node ? node : sset_add(ports, f->raw->in_port);
        /* The node's own address is as good a number as any. */
        f->raw->match.flow.in_port.ofp_port = 0;
        f->raw->match.wc.masks.in_port.ofp_port = 0;
        match_set_metadata(&f->raw->match, (OVS_FORCE ovs_be64) (uintptr_t)
                           node);
    }
}

static void
lint_flow_init(struct lint *lint, struct lint_flow *f,
               const struct model_raw_flow *flow, struct sset *ports)
{
    struct ds actions = DS_EMPTY_INITIALIZER;
    bool ok;

    *f = (struct lint_flow) { .flow = flow };
    f->raw = raw_flow_parse_lenient(flow, lint->diags, &ok);
    if (f->raw) {
        struct ofpact_format_params fp = {
            .port_map = f->raw->map, .s = &actions,
        };
        ofpacts_format(f->raw->ofpacts, f->raw->ofpacts_len, &fp);
        f->comparable = lint_flow_in_port(lint, f);
        f->comparable &= lint_flow_outputs(lint, f);
    }
    f->actions = ds_steal_cstr(&actions);
    if (f->raw) {
        lint_catchall(lint, f);
        lint_flow_vpn(lint, f);
        lint_flow_unify_port(f, ports);
    }
}

void
lint_flows(struct lint *lint)
{
    size_t n;
    struct model_raw_flow **sorted = lint_sort(lint->model, MODEL_RAW_FLOW,
                                               &n);
    struct lint_flow *flows = xcalloc(MAX(n, 1), sizeof *flows);
    struct sset ports = SSET_INITIALIZER(&ports);

    for (size_t i = 0; i < n; i++) {
        lint_flow_init(lint, &flows[i], sorted[i], &ports);
        flows[i].seq = i;
    }
    lint_flow_pairs(lint, flows, n);
    for (size_t i = 0; i < n; i++) {
        raw_flow_destroy(flows[i].raw);
        free(flows[i].actions);
    }
    sset_destroy(&ports);
    free(flows);
    free(sorted);
}
