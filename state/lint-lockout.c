#include <config.h>

#include "state/lint-private.h"

#include <stdlib.h>
#include <string.h>
#include "openvswitch/match.h"
#include "openvswitch/util.h"
#include "state/rawflow.h"
#include "util.h"

/* What cuts the operator off from what he manages, and names that nothing
 * makes use of. */

/* The outer packets of the mesh would go into the mesh: no tunnel comes up
 * again, and a host that is reached by it alone is lost. */
static void
lint_route_lockout(struct lint *lint, const struct model_route *route)
{
    if (strcmp(route->via, lint->model->mesh.interface)) {
        return;
    }
    for (size_t i = 0; i < lint->n_nodes; i++) {
        const struct model_node *node = lint->nodes[i];
        struct sn_prefix address;

        if (node->endpoint
            && lint_endpoint_address(node->endpoint, &address)
            && sn_prefix_contains(&route->dst, &address)) {
            char *dst = sn_prefix_to_string(&route->dst);

            diags_add(lint->diags, DIAG_ERROR, &route->loc,
                      "take the endpoint out of the route",
                      "the route sends %s into the mesh, and with it the "
                      "endpoint %s of node \"%s\": the tunnel would be "
                      "routed into itself, and the hosts lose each other",
                      dst, node->endpoint, node->name);
            free(dst);
            return;
        }
    }
}

static bool
names_everything(const struct model_selector *sels, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (sels[i].kind == SEL_ANY && !sels[i].n_ports) {
            return true;
        }
    }
    return false;
}

/* Hosts reach their own containers unless a rule denies it. */
static void
lint_acl_lockout(struct lint *lint, const struct model_acl *acl)
{
    bool hosts = names_everything(acl->src, acl->n_src);

    for (size_t i = 0; i < acl->n_src; i++) {
        hosts |= acl->src[i].kind == SEL_NODE;
    }
    if (acl->action == ACTION_DENY && !acl->ip_proto && hosts
        && names_everything(acl->dst, acl->n_dst)) {
        diags_add(lint->diags, DIAG_WARNING, &acl->loc,
                  "name who is not to reach them: tag:x, a segment",
                  "rule \"%s\" denies the hosts their own containers, too: "
                  "whoever manages them from there is cut off", acl->name);
    }
}

/* The same by a raw flow. */
static void
lint_flow_lockout(struct lint *lint, const struct model_raw_flow *flow)
{
    struct raw_flow *raw = raw_flow_parse(flow, NULL);

    if (raw && !raw->ofpacts_len && raw->in_port
        && (!strcmp(raw->in_port, "LOCAL")
            || !strcmp(raw->in_port, "vmbr0"))) {
        struct match match = raw->match;

        match.wc.masks.in_port.ofp_port = 0;
        match.wc.masks.dl_type = 0;
        if (flow_wildcards_is_catchall(&match.wc)) {
            diags_add(lint->diags, DIAG_WARNING, &flow->loc,
                      "say which packets of the host are to be dropped",
                      "this flow drops all that the host sends to its "
                      "containers, and all that comes from the mesh: "
                      "whoever manages them from there is cut off");
        }
    }
    raw_flow_destroy(raw);
}

/* Segments that no rule names and that say nothing themselves.  As long as
 * there are errors, they may be what is missing. */

static bool
selectors_name(const struct model_selector *sels, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++) {
        if (sels[i].kind == SEL_SEGMENT && !strcmp(sels[i].text, name)) {
            return true;
        }
    }
    return false;
}

static bool
segment_is_named(const struct lint *lint, const char *name)
{
    const struct shash_node *node;

    SHASH_FOR_EACH (node, &lint->model->acls) {
        const struct model_acl *acl = node->data;

        if (selectors_name(acl->src, acl->n_src, name)
            || selectors_name(acl->dst, acl->n_dst, name)) {
            return true;
        }
    }
    SHASH_FOR_EACH (node, &lint->model->segments) {
        const struct model_segment *other = node->data;

        for (size_t i = 0; i < other->isolated_from.n; i++) {
            if (!strcmp(other->isolated_from.names[i], name)) {
                return true;
            }
        }
    }
    return false;
}

static void
lint_unused_segment(struct lint *lint, const struct model_segment *segment)
{
    if (!segment->isolated_from.n && segment->internet == INTERNET_UNSET
        && !segment->exits.n && !segment->other && !lint->diags->n_errors
        && shash_is_empty(&lint->model->services)
        && !segment_is_named(lint, segment->name)) {
        diags_add(lint->diags, DIAG_WARNING, &segment->loc,
                  "name it in a rule, or remove it",
                  "segment \"%s\" has no effect: it isolates nothing, and "
                  "no rule names it", segment->name);
    }
}

void
lint_lockout(struct lint *lint)
{
    const enum model_kind kinds[] = { MODEL_ACL, MODEL_RAW_FLOW,
                                      MODEL_SEGMENT };

    for (size_t i = 0; i < lint->n_nodes; i++) {
        for (size_t j = 0; j < lint->nodes[i]->n_routes; j++) {
            lint_route_lockout(lint, &lint->nodes[i]->routes[j]);
        }
    }
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        size_t n;
        void **objects = lint_sort(lint->model, kinds[i], &n);

        for (size_t j = 0; j < n; j++) {
            switch (i) {
            case 0: lint_acl_lockout(lint, objects[j]); break;
            case 1: lint_flow_lockout(lint, objects[j]); break;
            default: lint_unused_segment(lint, objects[j]); break;
            }
        }
        free(objects);
    }
}
