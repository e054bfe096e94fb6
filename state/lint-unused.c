#include <config.h>

#include "state/lint-private.h"

#include <stdlib.h>
#include <string.h>
#include "lib/suggest.h"
#include "openvswitch/util.h"
#include "state/service.h"
#include "util.h"

/* What nobody uses, and rules about nobody: most often a slip of the pen. */

/* Calls 'cb' for each selector of the state. */
static void
for_each_selector(const struct lint *lint,
                  void (*cb)(const struct model_selector *, void *aux),
                  void *aux)
{
    const struct model *model = lint->model;
    const struct shash_node *item;

    SHASH_FOR_EACH (item, &model->acls) {
        const struct model_acl *acl = item->data;

        for (size_t i = 0; i < acl->n_src; i++) {
            cb(&acl->src[i], aux);
        }
        for (size_t i = 0; i < acl->n_dst; i++) {
            cb(&acl->dst[i], aux);
        }
    }
    SHASH_FOR_EACH (item, &model->segments) {
        const struct model_segment *segment = item->data;

        for (size_t i = 0; i < segment->n_members; i++) {
            cb(&segment->members[i], aux);
        }
    }
    SHASH_FOR_EACH (item, &model->services) {
        const struct model_service *service = item->data;

        for (size_t i = 0; i < service->n_backends; i++) {
            cb(&service->backends[i], aux);
        }
    }
    for (size_t i = 0; i < model->n_tests; i++) {
        cb(&model->tests[i].src, aux);
        cb(&model->tests[i].dst, aux);
    }
}

/* Tags. */

static void
collect_tag(const struct model_selector *sel, void *tags_)
{
    struct sset *tags = tags_;

    if (sel->kind == SEL_TAG) {
        sset_add(tags, sel->text + strlen("tag:"));
    }
}

static void
collect_tags(const struct lint *lint, struct sset *tags)
{
    for_each_selector(lint, collect_tag, tags);
    for (size_t i = 0; i < lint->n_nodes; i++) {
        const struct svec *allow = &lint->nodes[i]->socks.allow;

        for (size_t j = 0; j < allow->n; j++) {
            if (!strncmp(allow->names[j], "tag:", 4)) {
                sset_add(tags, allow->names[j] + 4);
            }
        }
    }
}

static void
report_tag(struct lint *lint, const struct model_container *c,
           const char *tag, const struct sset *used)
{
    struct suggest suggest;
    const char *name;

    suggest_init(&suggest, tag);
    SSET_FOR_EACH (name, used) {
        suggest_offer(&suggest, name);
    }
    diags_add(lint->diags, DIAG_WARNING, &c->loc, NULL,
              "no rule, segment or service names the tag \"%s\" of container "
              "\"%s\"%s%s%s", tag, c->name,
              suggest.best ? ": did you mean \"" : "",
              suggest.best ? suggest.best : "", suggest.best ? "\"?" : "");
}

/* In a state without any tag in its rules, tags are notes. */
static void
lint_unused_tags(struct lint *lint)
{
    struct sset used = SSET_INITIALIZER(&used);
    struct sset told = SSET_INITIALIZER(&told);

    collect_tags(lint, &used);
    for (size_t i = 0; i < lint->n_containers && sset_count(&used); i++) {
        const struct model_container *c = lint->containers[i];
        const char **tags = sset_sort(&c->tags);

        for (size_t j = 0; j < sset_count(&c->tags); j++) {
            if (!sset_contains(&used, tags[j]) && sset_add(&told, tags[j])) {
                report_tag(lint, c, tags[j], &used);
            }
        }
        free(tags);
    }
    sset_destroy(&used);
    sset_destroy(&told);
}

/* Exits. */

/* "NAME" or "NODE/NAME", as written. */
static bool
names_exit(const char *text, const struct model_exit *exit)
{
    const char *slash = strchr(text, '/');

    return (slash ? !strncmp(text, exit->node, slash - text)
                    && !exit->node[slash - text]
                    && !strcmp(slash + 1, exit->name)
            : !strcmp(text, exit->name));
}

static bool
list_names_exit(const struct svec *list, const struct model_exit *exit)
{
    for (size_t i = 0; i < list->n; i++) {
        if (names_exit(list->names[i], exit)) {
            return true;
        }
    }
    return false;
}

static bool
exit_is_used(const struct lint *lint, const struct model_exit *exit)
{
    const struct shash_node *item;

    for (size_t i = 0; i < lint->n_containers; i++) {
        if (list_names_exit(&lint->containers[i]->exits, exit)) {
            return true;
        }
    }
    for (size_t i = 0; i < lint->n_nodes; i++) {
        const struct model_node *node = lint->nodes[i];

        if ((node->vpn && node->vpn->exit
             && names_exit(node->vpn->exit, exit))
            || list_names_exit(&node->socks.exits, exit)) {
            return true;
        }
    }
    SHASH_FOR_EACH (item, &lint->model->segments) {
        const struct model_segment *segment = item->data;

        if (list_names_exit(&segment->exits, exit)) {
            return true;
        }
    }
    SHASH_FOR_EACH (item, &lint->model->raw_flows) {
        const struct model_raw_flow *flow = item->data;

        if (!strcmp(flow->node, exit->node)
            && strstr(flow->text, exit->interface)) {
            return true;
        }
    }
    return false;
}

static void
lint_unused_exits(struct lint *lint)
{
    for (size_t i = 0; i < lint->n_exits; i++) {
        const struct model_exit *exit = lint->exits[i];

        if (exit->enabled && !exit_is_used(lint, exit)) {
            diags_add(lint->diags, DIAG_WARNING, &exit->loc, NULL,
                      "nobody leaves by exit \"%s\" of node \"%s\": no "
                      "container, segment, proxy, guest or flow names it",
                      exit->name, exit->node);
        }
    }
}

/* Services. */

static bool
acl_lets_reach(const struct lint *lint, const struct model_acl *acl,
               const struct model_service *service)
{
    struct service_backend *backends;
    size_t n = service_get_backends(lint->model, service, &backends);
    bool may = false;

    for (size_t i = 0; i < acl->n_dst && !may; i++) {
        const struct model_selector *sel = &acl->dst[i];

        may = sel->kind == SEL_SERVICE && !strcmp(sel->text, service->name);
        for (size_t j = 0; j < n && !may; j++) {
            may = model_selector_matches(lint->model, sel,
                                         backends[j].container);
        }
    }
    free(backends);
    return may;
}

static bool
service_may_be_reached(const struct lint *lint,
                       const struct model_service *service)
{
    const struct shash_node *item;

    if (lint->model->mesh.default_policy == MODEL_ALLOW) {
        return true;
    }
    SHASH_FOR_EACH (item, &lint->model->acls) {
        const struct model_acl *acl = item->data;

        if (acl->action == ACTION_ACCEPT
            && acl_lets_reach(lint, acl, service)) {
            return true;
        }
    }
    return false;
}

static void
lint_unused_services(struct lint *lint)
{
    size_t n;
    struct model_service **services = lint_sort(lint->model, MODEL_SERVICE,
                                                &n);

    for (size_t i = 0; i < n; i++) {
        const struct model_service *service = services[i];

        if (!service->discovered && service->n_vips && service->n_backends
            && !service_may_be_reached(lint, service)) {
            diags_add(lint->diags, DIAG_WARNING, &service->loc,
                      "write a rule with the service as its dst",
                      "no rule lets anybody reach service \"%s\"",
                      service->name);
        }
    }
    free(services);
}

/* Rules. */

static const struct sn_loc *
selector_loc(const struct model_selector *sel, const struct model_acl *acl)
{
    return sel->loc.file ? &sel->loc : &acl->loc;
}

/* A network within a subnet of the mesh in which there is nobody.  What has an
 * address there of its own, such as a host, is somebody. */
static bool
is_empty_network(const struct lint *lint, const struct model_selector *sel)
{
    const struct sn_prefix *p = &sel->prefix;
    bool inside = false;

    for (size_t i = 0; i < lint->n_nodes; i++) {
        const struct model_node *node = lint->nodes[i];

        for (size_t j = 0; j < node->n_subnets; j++) {
            inside |= sn_prefix_contains(&node->subnets[j], p);
            if (sn_prefix_contains(p, &node->gateways[j])) {
                return false;
            }
        }
    }
    for (size_t i = 0; i < lint->n_containers && inside; i++) {
        inside = !model_selector_matches(lint->model, sel,
                                         lint->containers[i]);
    }
    return inside && !lint->model->mesh.adopt;
}

static void
lint_empty_networks(struct lint *lint, const struct model_acl *acl,
                    const struct model_selector *sels, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (sels[i].kind == SEL_CIDR && is_empty_network(lint, &sels[i])) {
            diags_add(lint->diags, DIAG_WARNING, selector_loc(&sels[i], acl),
                      NULL, "nobody has an address in \"%s\"", sels[i].text);
        }
    }
}

/* What one sends to himself does not pass the bridge, unless by a service. */
static void
lint_self(struct lint *lint, const struct model_acl *acl)
{
    if (acl->n_src == 1 && acl->n_dst == 1
        && acl->src[0].kind == SEL_CONTAINER
        && acl->dst[0].kind == SEL_CONTAINER
        && !strcmp(acl->src[0].text, acl->dst[0].text)) {
        diags_add(lint->diags, DIAG_WARNING, &acl->loc, "remove it",
                  "rule \"%s\" has no effect: what \"%s\" sends to itself "
                  "does not pass the bridge", acl->name, acl->src[0].text);
    }
}

void
lint_unused(struct lint *lint)
{
    size_t n;
    struct model_acl **acls = lint_sort(lint->model, MODEL_ACL, &n);

    lint_unused_tags(lint);
    lint_unused_exits(lint);
    lint_unused_services(lint);
    for (size_t i = 0; i < n; i++) {
        lint_empty_networks(lint, acls[i], acls[i]->src, acls[i]->n_src);
        lint_empty_networks(lint, acls[i], acls[i]->dst, acls[i]->n_dst);
        lint_self(lint, acls[i]);
    }
    free(acls);
}
