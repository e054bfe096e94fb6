#include <config.h>

#include "state/lint-rules.h"

#include <stdlib.h>
#include <string.h>
#include "bitmap.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/util.h"
#include "sset.h"
#include "util.h"

static int
rule_rank(enum model_tier tier, enum model_action action)
{
    int n = tier == TIER_EMERGENCY ? 0 : tier == TIER_SEGMENTS ? 1 : 2;

    return 2 * n + (action == ACTION_ACCEPT);
}

static struct lint_rule *
rules_add_rule(struct lint_rules *s)
{
    if (s->n_rules >= s->allocated_rules) {
        s->rules = x2nrealloc(s->rules, &s->allocated_rules,
                              sizeof *s->rules);
    }
    struct lint_rule *rule = &s->rules[s->n_rules++];
    *rule = (struct lint_rule) { .order = s->n_rules };
    return rule;
}

static void
rules_add_segment_rule(struct lint_rules *s,
                       const struct model_segment *segment,
                       enum selector_kind kind, const char *text,
                       enum model_action action)
{
    struct model_selector *own = &s->own[s->n_own];
    struct lint_rule *rule = rules_add_rule(s);

    s->n_own += 2;
    own[0] = (struct model_selector) { .kind = SEL_SEGMENT,
                                       .text = segment->name };
    own[1] = (struct model_selector) { .kind = kind,
                                       .text = CONST_CAST(char *, text) };
    rule->name = segment->name;
    rule->loc = &segment->loc;
    rule->rank = rule_rank(TIER_SEGMENTS, action);
    rule->src = &own[0];
    rule->dst = &own[1];
    rule->n_src = rule->n_dst = 1;
}

static void
rules_add_segments(struct lint_rules *s)
{
    size_t n, n_selectors = 0;
    struct model_segment **segments = lint_sort(s->lint->model, MODEL_SEGMENT,
                                                &n);

    for (size_t i = 0; i < n; i++) {
        n_selectors += 2 * (segments[i]->isolated_from.n + 1);
    }
    s->own = xcalloc(n_selectors + 1, sizeof *s->own);
    for (size_t i = 0; i < n; i++) {
        const struct model_segment *segment = segments[i];

        for (size_t j = 0; j < segment->isolated_from.n; j++) {
            rules_add_segment_rule(s, segment, SEL_SEGMENT,
                                    segment->isolated_from.names[j],
                                    ACTION_DENY);
        }
        if (segment->internet != INTERNET_UNSET) {
            rules_add_segment_rule(s, segment, SEL_INTERNET, "internet",
                                    segment->internet == INTERNET_DENY
                                    ? ACTION_DENY : ACTION_ACCEPT);
        }
    }
    free(segments);
}

static void
rules_add_acls(struct lint_rules *s)
{
    size_t n;
    struct model_acl **acls = lint_sort(s->lint->model, MODEL_ACL, &n);

    for (size_t i = 0; i < n; i++) {
        const struct model_acl *acl = acls[i];
        struct lint_rule *rule = rules_add_rule(s);

        rule->name = acl->name;
        rule->loc = &acl->loc;
        rule->acl = acl;
        rule->rank = rule_rank(acl->tier, acl->action);
        rule->ip_proto = acl->ip_proto;
        rule->src = acl->src;
        rule->n_src = acl->n_src;
        rule->dst = acl->dst;
        rule->n_dst = acl->n_dst;
    }
    free(acls);
}

/* Classes. */

const struct model_selector *
lint_rule_selector(const struct lint_rule *rule, size_t i)
{
    return i < rule->n_src ? &rule->src[i] : &rule->dst[i - rule->n_src];
}

static char *
selector_name(const struct model_selector *sel)
{
    return xasprintf("%d %s", sel->kind, sel->text);
}

/* The selectors of all rules, each once; by kind and text. */
static void
collect_selectors(const struct lint_rules *s, struct shash *selectors)
{
    shash_init(selectors);
    for (size_t i = 0; i < s->n_rules; i++) {
        const struct lint_rule *rule = &s->rules[i];

        for (size_t j = 0; j < rule->n_src + rule->n_dst; j++) {
            const struct model_selector *sel = lint_rule_selector(rule, j);
            char *name = selector_name(sel);

            shash_add_once(selectors, name, sel);
            free(name);
        }
    }
}

static bool
member_matches(const struct lint_rules *s, const struct model_selector *sel,
               const struct lint_member *m)
{
    return m->container
           ? model_selector_matches(s->lint->model, sel, m->container)
           : model_selector_matches_client(s->lint->model, sel, m->client);
}

static char *
member_signature(const struct lint_rules *s, const struct shash *selectors,
                 const struct lint_member *m)
{
    struct ds ds = DS_EMPTY_INITIALIZER;
    const struct shash_node *node;

    SHASH_FOR_EACH (node, selectors) {
        ds_put_char(&ds, member_matches(s, node->data, m) ? '1' : '0');
    }
    return ds_steal_cstr(&ds);
}

/* Each selector is matched once; after that, rules look at the result. */
static void
rules_match_classes(struct lint_rules *s, const struct shash *selectors)
{
    const struct shash_node *node;

    shash_init(&s->matched);
    SHASH_FOR_EACH (node, selectors) {
        unsigned long *classes = bitmap_allocate(s->n_classes + 1);

        for (size_t i = 0; i < s->n_classes; i++) {
            bitmap_set(classes, i, member_matches(s, node->data,
                                                  &s->classes[i]));
        }
        shash_add(&s->matched, node->name, classes);
    }
    for (size_t i = 0; i < s->n_rules; i++) {
        struct lint_rule *rule = &s->rules[i];

        rule->classes = xcalloc(rule->n_src + rule->n_dst + 1,
                                sizeof *rule->classes);
        for (size_t j = 0; j < rule->n_src + rule->n_dst; j++) {
            char *name = selector_name(lint_rule_selector(rule, j));

            rule->classes[j] = shash_find_data(&s->matched, name);
            free(name);
        }
    }
}

static void
rules_add_member(struct lint_rules *s, const struct shash *selectors,
                  struct sset *seen, const struct lint_member *m)
{
    if (sset_add_and_free(seen, member_signature(s, selectors, m))) {
        s->classes[s->n_classes++] = *m;
    }
}

static void
rules_find_classes(struct lint_rules *s)
{
    const struct shash_node *node;
    struct sset seen = SSET_INITIALIZER(&seen);
    struct shash selectors;

    collect_selectors(s, &selectors);
    s->classes = xcalloc(s->lint->n_containers
                         + shash_count(&s->lint->model->clients) + 1,
                         sizeof *s->classes);
    for (size_t i = 0; i < s->lint->n_containers; i++) {
        struct lint_member m = { .container = s->lint->containers[i] };

        rules_add_member(s, &selectors, &seen, &m);
    }
    SHASH_FOR_EACH (node, &s->lint->model->clients) {
        struct lint_member m = { .client = node->data };

        rules_add_member(s, &selectors, &seen, &m);
    }
    sset_destroy(&seen);
    rules_match_classes(s, &selectors);
    shash_destroy(&selectors);
}

void
lint_rules_init(struct lint_rules *s, struct lint *lint)
{
    *s = (struct lint_rules) { .lint = lint };
    rules_add_segments(s);
    rules_add_acls(s);
    rules_find_classes(s);
}

void
lint_rules_destroy(struct lint_rules *s)
{
    for (size_t i = 0; i < s->n_rules; i++) {
        free(s->rules[i].classes);
    }
    shash_destroy_free_data(&s->matched);
    free(s->classes);
    free(s->own);
    free(s->rules);
}
