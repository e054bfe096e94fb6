#include <config.h>
#include "agent/plan-host.h"

#include <stdlib.h>
#include <string.h>

#include "agent/plan.h"
#include "state/model.h"
#include "util.h"

struct host_builder {
    struct plan *plan;
    const struct model *model;
    const struct model_node *self;
};

static int
compare_prefixes(const void *a_, const void *b_)
{
    const struct sn_prefix *a = a_, *b = b_;
    int cmp = memcmp(&a->addr, &b->addr, sizeof a->addr);

    return (a->is_v4 != b->is_v4 ? (a->is_v4 ? -1 : 1)
            : cmp ? cmp : a->plen < b->plen ? -1 : a->plen > b->plen);
}

static void
prefixes_sort(struct plan_prefixes *list)
{
    if (list->n) {
        qsort(list->prefixes, list->n, sizeof *list->prefixes,
              compare_prefixes);
    }
}

static void
add_node_addresses(struct plan_prefixes *list, const struct model_node *node)
{
    struct sn_prefix host;

    if (node->address.plen) {
        host = sn_prefix_host(&node->address);
        plan_prefixes_add(list, &host);
    }
    for (size_t i = 0; i < node->n_subnets; i++) {
        host = sn_prefix_host(&node->gateways[i]);
        plan_prefixes_add(list, &host);
    }
}

/* Guests of this host and of others. */
static void
add_guests(struct host_builder *b, struct plan_host_rule *rule,
           const struct model_selector *sel)
{
    struct shash_node *node;

    SHASH_FOR_EACH (node, &b->model->clients) {
        const struct model_client *client = node->data;

        if (rule->any_src || client->revoked
            || !model_selector_matches_client(b->model, sel, client)) {
            continue;
        }
        for (size_t i = 0; i < client->n_addresses; i++) {
            plan_prefixes_add(&rule->src, &client->addresses[i]);
        }
    }
}

/* The containers of other hosts, guests and networks that are a source. */
static void
add_sources(struct host_builder *b, struct plan_host_rule *rule,
            const struct model_selector *sel)
{
    struct shash_node *node;

    if (sel->kind == SEL_ANY) {
        rule->any_src = true;
    } else if (sel->kind == SEL_CIDR) {
        struct sn_prefix network = sn_prefix_network(&sel->prefix);

        plan_prefixes_add(&rule->src, &network);
        return;
    }
    SHASH_FOR_EACH (node, &b->model->containers) {
        const struct model_container *c = node->data;

        if (rule->any_src || !strcmp(c->node, b->self->name)
            || !model_selector_matches(b->model, sel, c)) {
            continue;
        }
        for (size_t i = 0; i < c->n_addresses; i++) {
            struct sn_prefix host = sn_prefix_host(&c->addresses[i]);

            plan_prefixes_add(&rule->src, &host);
        }
    }
    add_guests(b, rule, sel);
    if (sel->kind == SEL_SEGMENT) {
        const struct model_segment *s = model_get_segment(b->model,
                                                          sel->text);

        for (size_t i = 0; s && i < s->n_members; i++) {
            if (s->members[i].kind == SEL_CIDR) {
                add_sources(b, rule, &s->members[i]);
            }
        }
    }
}

/* Of this host's own addresses, those that are a destination. */
static void
add_destinations(struct host_builder *b, struct plan_host_rule *rule,
                 const struct model_selector *sel)
{
    struct plan_prefixes own = { .n = 0 };
    const struct model_segment *s;

    add_node_addresses(&own, b->self);
    switch (sel->kind) {
    case SEL_NODE:
        rule->any_dst |= !strcmp(sel->text + strlen("node:"), b->self->name);
        break;
    case SEL_ANY:
        rule->any_dst = true;
        break;
    case SEL_CIDR:
        for (size_t i = 0; i < own.n; i++) {
            if (sn_prefix_contains(&sel->prefix, &own.prefixes[i])) {
                plan_prefixes_add(&rule->dst, &own.prefixes[i]);
            }
        }
        break;
    case SEL_SEGMENT:
        s = model_get_segment(b->model, sel->text);
        for (size_t i = 0; s && i < s->n_members; i++) {
            if (s->members[i].kind != SEL_SEGMENT) {
                add_destinations(b, rule, &s->members[i]);
            }
        }
        break;
    case SEL_CONTAINER:
    case SEL_TAG:
    case SEL_SERVICE:
    case SEL_INTERNET:
    case SEL_CLIENT:
    case SEL_GLOB:
        break;
    }
    free(own.prefixes);
}

static void
rule_destroy(struct plan_host_rule *rule)
{
    free(rule->src.prefixes);
    free(rule->dst.prefixes);
    free(rule->ports);
}

/* Takes 'rule' over.  One that concerns nobody here is none. */
static void
add_rule(struct host_builder *b, struct plan_host_rule *rule)
{
    struct plan *plan = b->plan;

    if ((!rule->any_src && !rule->src.n) || (!rule->any_dst && !rule->dst.n)) {
        rule_destroy(rule);
        return;
    }
    prefixes_sort(&rule->src);
    prefixes_sort(&rule->dst);
    if (plan->n_host_rules >= plan->allocated_host_rules) {
        plan->host_rules = x2nrealloc(plan->host_rules,
                                      &plan->allocated_host_rules,
                                      sizeof *plan->host_rules);
    }
    plan->host_rules[plan->n_host_rules++] = *rule;
}

static void
add_acl(struct host_builder *b, const struct model_acl *acl)
{
    for (size_t i = 0; i < acl->n_dst; i++) {
        const struct model_selector *dst = &acl->dst[i];
        struct plan_host_rule rule = {
            .accept = acl->action == ACTION_ACCEPT,
            .ip_proto = acl->ip_proto,
        };

        add_destinations(b, &rule, dst);
        if (!rule.any_dst && !rule.dst.n) {
            continue;           /* Most of them. */
        }
        for (size_t j = 0; j < acl->n_src; j++) {
            add_sources(b, &rule, &acl->src[j]);
        }
        rule.n_ports = dst->n_ports;
        rule.ports = xmemdup(dst->ports, dst->n_ports * sizeof *dst->ports);
        add_rule(b, &rule);
    }
}

static void
add_isolation(struct host_builder *b, const struct model_segment *segment)
{
    struct model_selector src = { .kind = SEL_SEGMENT, .text = segment->name };
    struct plan_host_rule rule = { .accept = false };

    for (size_t i = 0; i < segment->isolated_from.n; i++) {
        struct model_selector dst = {
            .kind = SEL_SEGMENT, .text = segment->isolated_from.names[i],
        };

        add_destinations(b, &rule, &dst);
    }
    add_sources(b, &rule, &src);
    add_rule(b, &rule);
}

static void
add_acls(struct host_builder *b, enum model_tier tier)
{
    const struct shash_node **acls = shash_sort(&b->model->acls);
    size_t n = shash_count(&b->model->acls);

    for (int accept = 0; accept < 2; accept++) {
        for (size_t i = 0; i < n; i++) {
            const struct model_acl *acl = acls[i]->data;

            if (acl->tier == tier
                && (acl->action == ACTION_ACCEPT) == accept) {
                add_acl(b, acl);
            }
        }
    }
    free(acls);
}

static void
add_segments(struct host_builder *b)
{
    const struct shash_node **segments = shash_sort(&b->model->segments);

    for (size_t i = 0; i < shash_count(&b->model->segments); i++) {
        add_isolation(b, segments[i]->data);
    }
    free(segments);
}

/* Guests need a rule in any case. */
static void
add_guest_default(struct host_builder *b)
{
    struct plan_host_rule rule = { .accept = false, .any_dst = true };
    struct shash_node *node;

    SHASH_FOR_EACH (node, &b->model->nodes) {
        const struct model_node *mn = node->data;

        for (size_t i = 0; mn->vpn && i < mn->vpn->n_pools; i++) {
            plan_prefixes_add(&rule.src, &mn->vpn->pools[i]);
        }
    }
    add_rule(b, &rule);
}

void
plan_add_host_rules(struct plan *plan, const struct model *model,
                    const struct model_node *self)
{
    struct host_builder b = { .plan = plan, .model = model, .self = self };
    struct shash_node *node;

    SHASH_FOR_EACH (node, &model->nodes) {
        if (node->data != self) {
            add_node_addresses(&plan->hosts, node->data);
        }
    }
    prefixes_sort(&plan->hosts);
    add_acls(&b, TIER_EMERGENCY);
    add_segments(&b);
    add_acls(&b, TIER_ACLS);
    if (model->mesh.default_policy == MODEL_ALLOW) {
        add_guest_default(&b);
        struct plan_host_rule rule = {
            .accept = true, .any_src = true, .any_dst = true,
        };
        add_rule(&b, &rule);
    }
}

void
plan_free_host_rules(struct plan *plan)
{
    for (size_t i = 0; i < plan->n_host_rules; i++) {
        rule_destroy(&plan->host_rules[i]);
    }
    free(plan->host_rules);
    free(plan->hosts.prefixes);
}
