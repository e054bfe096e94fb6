#include <config.h>

#include "state/guest-rules.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include "openvswitch/util.h"
#include "util.h"

struct walk {
    const struct model *model;
    const char *node;           /* Whose guests. */
    const struct model_client *only;    /* Perhaps not in 'model'; or all. */
    bool between;               /* What they may do with each other. */
    void (*cb)(void *aux, const struct guest_rule *);
    void *aux;
};

static bool
walk_has_client(const struct walk *w, const struct model_client *client)
{
    return !client->revoked && !strcmp(client->node, w->node);
}

static void
walk_client(const struct walk *w, const struct model_selector *src,
            const struct model_client *client, struct guest_rule *rule)
{
    if (walk_has_client(w, client)
        && model_selector_matches_client(w->model, src, client)) {
        for (size_t i = 0; i < client->n_addresses; i++) {
            rule->src = &client->addresses[i];
            w->cb(w->aux, rule);
        }
    }
}

/* 'rule' for each guest that satisfies 'src'. */
static void
walk_src(const struct walk *w, const struct model_selector *src,
         struct guest_rule *rule)
{
    const struct shash_node **clients;

    rule->src = NULL;
    if (src->kind == SEL_ANY) {
        w->cb(w->aux, rule);
        return;
    } else if (w->only) {
        walk_client(w, src, w->only, rule);
        return;
    }
    clients = shash_sort(&w->model->clients);
    for (size_t i = 0; i < shash_count(&w->model->clients); i++) {
        walk_client(w, src, clients[i]->data, rule);
    }
    free(clients);
}

static void
walk_ports(const struct walk *w, const struct model_acl *acl,
           const struct model_selector *dst, struct guest_rule *rule)
{
    size_t n = MAX(dst->n_ports, 1);

    for (size_t i = 0; i < n * acl->n_src; i++) {
        rule->ports = dst->n_ports ? dst->ports[i / acl->n_src]
                                   : (struct model_port_range) { 0, 0 };
        walk_src(w, &acl->src[i % acl->n_src], rule);
    }
}

/* 'rule' for each guest that 'dst' means. */
static void
walk_guests(const struct walk *w, const struct model_acl *acl,
            const struct model_selector *dst, struct guest_rule *rule)
{
    const struct shash_node **clients;

    if (dst->kind == SEL_ANY || dst->kind == SEL_CIDR) {
        walk_ports(w, acl, dst, rule);
        return;
    }
    clients = shash_sort(&w->model->clients);
    for (size_t i = 0; i < shash_count(&w->model->clients); i++) {
        const struct model_client *client = clients[i]->data;

        for (size_t j = 0; j < client->n_addresses
                           && walk_has_client(w, client)
                           && model_selector_matches_client(w->model, dst,
                                                            client); j++) {
            rule->dst = &client->addresses[j];
            walk_ports(w, acl, dst, rule);
        }
    }
    free(clients);
}

static void
walk_acls(const struct walk *w, enum model_tier tier,
          enum model_action action)
{
    const struct shash_node **acls = shash_sort(&w->model->acls);

    for (size_t i = 0; i < shash_count(&w->model->acls); i++) {
        const struct model_acl *acl = acls[i]->data;

        for (size_t j = 0; j < acl->n_dst && acl->tier == tier
                           && acl->action == action; j++) {
            const struct model_selector *dst = &acl->dst[j];
            struct guest_rule rule = {
                .name = acl->name,
                .dst = dst->kind == SEL_CIDR ? &dst->prefix : NULL,
                .ip_proto = acl->ip_proto,
                .accept = action == ACTION_ACCEPT,
            };

            if (w->between) {
                walk_guests(w, acl, dst, &rule);
            } else if (dst->kind == SEL_ANY || dst->kind == SEL_INTERNET
                       || dst->kind == SEL_CIDR) {
                walk_ports(w, acl, dst, &rule);
            }
        }
    }
    free(acls);
}

static void
walk_segments(const struct walk *w, enum model_action action)
{
    enum model_internet wanted = action == ACTION_DENY ? INTERNET_DENY
                                                       : INTERNET_EXIT;
    const struct shash_node **segments = shash_sort(&w->model->segments);

    for (size_t i = 0; i < shash_count(&w->model->segments); i++) {
        const struct model_segment *segment = segments[i]->data;
        struct model_selector src = {
            .kind = SEL_SEGMENT, .text = segment->name,
        };
        struct guest_rule rule = {
            .name = segment->name, .accept = action == ACTION_ACCEPT,
        };

        if (segment->internet == wanted) {
            walk_src(w, &src, &rule);
        }
    }
    free(segments);
}

/* Members of one segment that keep away from those of another. */
static void
walk_isolation(const struct walk *w)
{
    const struct shash_node **segments = shash_sort(&w->model->segments);

    for (size_t i = 0; i < shash_count(&w->model->segments); i++) {
        const struct model_segment *segment = segments[i]->data;

        for (size_t j = 0; j < segment->isolated_from.n; j++) {
            struct model_selector src = {
                .kind = SEL_SEGMENT, .text = segment->name,
            };
            struct model_selector dst = {
                .kind = SEL_SEGMENT, .text = segment->isolated_from.names[j],
            };
            struct model_acl acl = {
                .name = segment->name, .src = &src, .n_src = 1,
            };
            struct guest_rule rule = { .name = segment->name };

            walk_guests(w, &acl, &dst, &rule);
        }
    }
    free(segments);
}

static void
walk(const struct walk *w)
{
    walk_acls(w, TIER_EMERGENCY, ACTION_DENY);
    walk_acls(w, TIER_EMERGENCY, ACTION_ACCEPT);
    if (w->between) {
        walk_isolation(w);
    } else {
        walk_segments(w, ACTION_DENY);
        walk_segments(w, ACTION_ACCEPT);
    }
    walk_acls(w, TIER_ACLS, ACTION_DENY);
    walk_acls(w, TIER_ACLS, ACTION_ACCEPT);
}

void
guest_rules_to_internet(const struct model *model, const char *node,
                        void (*cb)(void *aux, const struct guest_rule *),
                        void *aux)
{
    walk(&(struct walk) { .model = model, .node = node, .cb = cb,
                          .aux = aux });
}

void
guest_rules_between(const struct model *model, const char *node,
                    void (*cb)(void *aux, const struct guest_rule *),
                    void *aux)
{
    walk(&(struct walk) { .model = model, .node = node, .between = true,
                          .cb = cb, .aux = aux });
}

struct verdict {
    bool done, denied;
};

/* The first that speaks of everything. */
static void
verdict_add(void *v_, const struct guest_rule *rule)
{
    struct verdict *v = v_;

    if (!v->done && !rule->dst && !rule->ip_proto && !rule->ports.last) {
        v->done = true;
        v->denied = !rule->accept;
    }
    v->done |= rule->accept;    /* Something passes. */
}

bool
guest_is_denied_internet(const struct model *model,
                         const struct model_client *client)
{
    struct verdict v = { .done = false };

    walk(&(struct walk) { .model = model, .node = client->node,
                          .only = client, .cb = verdict_add, .aux = &v });
    return v.denied;
}
