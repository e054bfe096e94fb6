#include <config.h>

#include "state/lint-private.h"

#include <stdlib.h>
#include <string.h>
#include "lib/suggest.h"
#include "openvswitch/util.h"
#include "util.h"

/* Rules that say something else than they do. */

/* The number of containers that satisfy 'sel' and, of those, that have no
 * exit; '*ret_example' is the first of these. */
static size_t
count_matches(const struct lint *lint, const struct model_selector *sel,
              size_t *ret_n_without_exit,
              const struct model_container **ret_example)
{
    size_t n = 0;

    *ret_n_without_exit = 0;
    *ret_example = NULL;
    for (size_t i = 0; i < lint->n_containers; i++) {
        const struct model_container *c = lint->containers[i];
        if (model_selector_matches(lint->model, sel, c)) {
            n++;
            if (!c->exits.n) {
                *ret_example = *ret_n_without_exit ? *ret_example : c;
                ++*ret_n_without_exit;
            }
        }
    }
    return n;
}

static const struct sn_loc *
selector_loc(const struct model_selector *sel, const struct sn_loc *owner)
{
    return sel->loc.file ? &sel->loc : owner;
}

/* Whether some container that is adopted may have it. */
static bool
may_be_adopted(const struct lint *lint, const struct model_selector *sel)
{
    const struct model_mesh *mesh = &lint->model->mesh;

    for (size_t i = 0; mesh->adopt && i < mesh->n_adopts; i++) {
        if (sel->kind == SEL_TAG
            && sset_contains(&mesh->adopts[i].tags,
                             sel->text + strlen("tag:"))) {
            return true;
        }
    }
    return mesh->adopt && sel->kind == SEL_GLOB;
}

static void
lint_empty_tag(struct lint *lint, const struct model_selector *sel,
               const struct sn_loc *loc)
{
    const char *tag = sel->text + strlen("tag:");
    struct suggest near;
    char *fix = NULL;

    suggest_init(&near, tag);
    for (size_t i = 0; i < lint->n_containers; i++) {
        const char *candidate;
        SSET_FOR_EACH (candidate, &lint->containers[i]->tags) {
            suggest_offer(&near, candidate);
        }
    }
    if (near.best) {
        fix = xasprintf("did you mean tag:%s?", near.best);
    }
    diags_add(lint->diags, DIAG_WARNING, loc, fix,
              "no container has the tag \"%s\"", tag);
    free(fix);
}

/* Whether guests may come by `socknet client`, whom the file does not know. */
static bool
has_guests(const struct lint *lint)
{
    for (size_t i = 0; i < lint->n_nodes; i++) {
        if (lint->nodes[i]->vpn && lint->nodes[i]->vpn->auto_provision) {
            return true;
        }
    }
    return false;
}

static bool
client_has_tag(const struct lint *lint, const struct model_selector *sel)
{
    const struct shash_node *node;

    SHASH_FOR_EACH (node, &lint->model->clients) {
        if (model_selector_matches_client(lint->model, sel, node->data)) {
            return true;
        }
    }
    return false;
}

static void
lint_client_name(struct lint *lint, const struct model_selector *sel,
                 const struct sn_loc *loc)
{
    const char *name = sel->text + strlen("client:");
    const struct shash_node *node;
    struct suggest near;
    char *fix;

    if (has_guests(lint) || model_get_client(lint->model, name)) {
        return;
    }
    suggest_init(&near, name);
    SHASH_FOR_EACH (node, &lint->model->clients) {
        suggest_offer(&near, node->name);
    }
    fix = (near.best ? xasprintf("did you mean client:%s?", near.best)
           : xstrdup("write it under clients, or let a node with a "
                     "vpn_server have auto_provision: true"));
    diags_add(lint->diags, DIAG_WARNING, loc, fix,
              "there is no client \"%s\"", name);
    free(fix);
}

/* One selector by itself. */
static void
lint_selector(struct lint *lint, const struct model_selector *sel,
              const struct sn_loc *owner)
{
    const struct sn_loc *loc = selector_loc(sel, owner);
    const struct model_container *example;
    size_t n_without;

    if (sel->kind == SEL_TAG || sel->kind == SEL_GLOB) {
        if (count_matches(lint, sel, &n_without, &example)
            || may_be_adopted(lint, sel)
            || (sel->kind == SEL_TAG
                && (client_has_tag(lint, sel) || has_guests(lint)))) {
            return;
        } else if (sel->kind == SEL_TAG) {
            lint_empty_tag(lint, sel, loc);
        } else {
            diags_add(lint->diags, DIAG_WARNING, loc, NULL,
                      "no container's name is like \"%s\"", sel->text);
        }
    } else if (sel->kind == SEL_CLIENT) {
        lint_client_name(lint, sel, loc);
    }
}

/* Also by addresses that nobody of the mesh has. */
static bool
is_internet(const struct lint *lint, const struct model_selector *sel)
{
    const struct model_mesh *mesh = &lint->model->mesh;

    return (sel->kind == SEL_INTERNET
            || (sel->kind == SEL_CIDR
                && !lint_prefix_has_owner(lint, &sel->prefix)
                && !sn_prefix_contains(&mesh->service4, &sel->prefix)
                && !sn_prefix_contains(&mesh->service6, &sel->prefix)));
}

/* "accept ... internet" for those who have no way there. */
static void
lint_internet_accept(struct lint *lint, const struct model_acl *acl)
{
    bool to_internet = false;

    for (size_t i = 0; i < acl->n_dst; i++) {
        to_internet |= is_internet(lint, &acl->dst[i]);
    }
    for (size_t i = 0; to_internet && i < acl->n_src; i++) {
        const struct model_selector *src = &acl->src[i];
        const struct model_container *example;
        size_t n_without;
        size_t n = count_matches(lint, src, &n_without, &example);
        if (n && n_without == n) {
            diags_add(lint->diags, DIAG_ERROR,
                      selector_loc(src, &acl->loc),
                      "give the container an exit, or take it out of the "
                      "rule",
                      "the rule lets \"%s\" reach the internet, but "
                      "container \"%s\" has no exit", src->text,
                      example->name);
        }
    }
}

/* Nothing comes in from the internet but by an uplink of the bridge. */
static void
lint_internet_source(struct lint *lint, const struct model_acl *acl)
{
    for (size_t i = 0; i < lint->n_nodes; i++) {
        if (!sset_is_empty(&lint->nodes[i]->uplinks)) {
            return;
        }
    }
    for (size_t i = 0; i < acl->n_src; i++) {
        if (acl->src[i].kind == SEL_INTERNET) {
            diags_add(lint->diags, DIAG_WARNING,
                      selector_loc(&acl->src[i], &acl->loc), NULL,
                      "no bridge has an uplink, so no connection comes from "
                      "the internet");
        }
    }
}

static void
lint_service_source(struct lint *lint, const struct model_selector *src,
                    const struct sn_loc *owner)
{
    if (src->kind == SEL_SERVICE) {
        diags_add(lint->diags, DIAG_ERROR, selector_loc(src, owner),
                  "name the containers",
                  "service \"%s\" opens no connections", src->text);
    }
}

/* A rule about a service speaks of its port and no other. */
static void
lint_service_target(struct lint *lint, const struct model_acl *acl,
                    const struct model_selector *dst)
{
    const struct model_service *service
        = dst->kind == SEL_SERVICE ? model_get_service(lint->model, dst->text)
                                   : NULL;
    bool has_port = service && model_selector_has_port(dst, service->port);

    if (service && ((acl->ip_proto && acl->ip_proto != service->ip_proto)
                    || !has_port)) {
        char *fix = xasprintf("leave protocol and port to the service: dst: "
                              "[%s]", service->name);
        diags_add(lint->diags, DIAG_ERROR, selector_loc(dst, &acl->loc), fix,
                  "service \"%s\" is not on that %s", service->name,
                  has_port ? "protocol" : "port");
        free(fix);
    }
}

static void
lint_acls(struct lint *lint)
{
    size_t n;
    struct model_acl **acls = lint_sort(lint->model, MODEL_ACL, &n);

    for (size_t i = 0; i < n; i++) {
        const struct model_acl *acl = acls[i];
        for (size_t j = 0; j < acl->n_src; j++) {
            lint_selector(lint, &acl->src[j], &acl->loc);
            lint_service_source(lint, &acl->src[j], &acl->loc);
        }
        for (size_t j = 0; j < acl->n_dst; j++) {
            lint_selector(lint, &acl->dst[j], &acl->loc);
            lint_service_target(lint, acl, &acl->dst[j]);
        }
        if (acl->action == ACTION_ACCEPT) {
            lint_internet_accept(lint, acl);
            lint_internet_source(lint, acl);
        }
    }
    free(acls);
}

/* "internet" of a segment against the exits of its members. */
static void
lint_segment_internet(struct lint *lint, const struct model_segment *segment)
{
    struct model_selector self = {
        .kind = SEL_SEGMENT, .text = segment->name,
    };
    const struct model_container *example;
    size_t n_without;
    size_t n = count_matches(lint, &self, &n_without, &example);

    if (segment->internet == INTERNET_EXIT && n_without) {
        diags_add(lint->diags, n_without == n ? DIAG_ERROR : DIAG_WARNING,
                  &segment->loc, "give the container an exit",
                  "segment \"%s\" reaches the internet by exits, but its "
                  "member \"%s\" has none", segment->name, example->name);
    } else if (segment->internet == INTERNET_DENY && n_without < n) {
        for (size_t i = 0; i < lint->n_containers; i++) {
            const struct model_container *c = lint->containers[i];
            if (c->exits.n
                && model_selector_matches(lint->model, &self, c)) {
                diags_add(lint->diags, DIAG_WARNING,
                          places_get(lint->places, &c->loc,
                                     "container/%s/exit/%s", c->name,
                                     c->exits.names[0]), NULL,
                          "container \"%s\" has an exit that it may not use: "
                          "it is a member of segment \"%s\", which denies "
                          "the internet", c->name, segment->name);
            }
        }
    }
}

/* A container in two segments of which one is isolated from the other. */
static void
lint_segment_isolation(struct lint *lint, const struct model_segment *segment)
{
    struct model_selector self = {
        .kind = SEL_SEGMENT, .text = segment->name,
    };

    for (size_t i = 0; i < segment->isolated_from.n; i++) {
        struct model_selector other = {
            .kind = SEL_SEGMENT, .text = segment->isolated_from.names[i],
        };
        for (size_t j = 0; strcmp(self.text, other.text)
                           && j < lint->n_containers; j++) {
            const struct model_container *c = lint->containers[j];
            if (model_selector_matches(lint->model, &self, c)
                && model_selector_matches(lint->model, &other, c)) {
                diags_add(lint->diags, DIAG_WARNING, &segment->loc, NULL,
                          "container \"%s\" is a member of segment \"%s\" "
                          "and of \"%s\", which are isolated from each other",
                          c->name, self.text, other.text);
                break;
            }
        }
    }
}

static void
lint_segments(struct lint *lint)
{
    size_t n;
    struct model_segment **segments = lint_sort(lint->model, MODEL_SEGMENT,
                                                &n);

    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < segments[i]->n_members; j++) {
            lint_selector(lint, &segments[i]->members[j], &segments[i]->loc);
        }
        lint_segment_internet(lint, segments[i]);
        lint_segment_isolation(lint, segments[i]);
    }
    free(segments);
}

/* Exits that a container names but cannot use. */
static void
lint_exits(struct lint *lint, const struct model_container *c)
{
    for (size_t i = 0; i < c->exits.n; i++) {
        const char *key = c->exits.names[i];
        const struct model_exit *exit = model_get_exit(lint->model, key);
        const struct sn_loc *loc = places_get(lint->places, &c->loc,
                                              "container/%s/exit/%s", c->name,
                                              key);
        if (!exit) {
            diags_add(lint->diags, DIAG_ERROR, loc, NULL,
                      "there is no exit \"%s\" for container \"%s\"", key,
                      c->name);
        } else if (!exit->enabled && c->exits.n == 1) {
            diags_add(lint->diags, DIAG_WARNING, loc, NULL,
                      "exit \"%s\" is not enabled, so container \"%s\" does "
                      "not reach the internet", key, c->name);
        }
    }
}

void
lint_policy(struct lint *lint)
{
    lint_acls(lint);
    lint_segments(lint);
    for (size_t i = 0; i < lint->n_containers; i++) {
        lint_exits(lint, lint->containers[i]);
    }
}
