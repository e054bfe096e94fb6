#include <config.h>

#include "state/lint-rules.h"

#include <stdlib.h>
#include <string.h>
#include "bitmap.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/shash.h"
#include "openvswitch/util.h"
#include "util.h"

/* Rules that decide nothing, because others, alone or together, have decided
 * all that they name.
 *
 * Containers and clients that no selector tells apart are one "class".  A rule
 * is taken apart into pairs of what its src and its dst name: classes, nodes,
 * "internet", CIDRs, and "*".  For each pair the rules that come before it
 * have to cover its protocol and ports.  Where that cannot be told for sure
 * (services), a rule covers nothing and is not judged. */

/* Beyond so many steps for one state, rules are not judged any more. */
#define MAX_STEPS 5000000

enum element_kind { EL_ANY, EL_CLASS, EL_NODE, EL_INTERNET, EL_CIDR };

struct element {
    enum element_kind kind;
    size_t class;               /* EL_CLASS. */
    const struct model_selector *sel; /* EL_NODE, EL_CIDR. */
};

struct elements {
    struct element *items;
    size_t n, allocated;
    bool unknown;               /* It cannot be told. */
};

struct shadow {
    const struct lint_rules *rules;
    size_t steps;
};

static void
elements_add(struct elements *e, struct element element)
{
    if (e->n >= e->allocated) {
        e->items = x2nrealloc(e->items, &e->allocated, sizeof *e->items);
    }
    e->items[e->n++] = element;
}

/* What a rule's selector number 'i' names. */
static struct elements
selector_elements(const struct shadow *s, const struct lint_rule *rule,
                  size_t i)
{
    const struct model_selector *sel = lint_rule_selector(rule, i);
    struct elements e = { .n = 0 };
    size_t class;

    switch (sel->kind) {
    case SEL_ANY:
        elements_add(&e, (struct element) { .kind = EL_ANY });
        break;
    case SEL_NODE:
        elements_add(&e, (struct element) { .kind = EL_NODE, .sel = sel });
        break;
    case SEL_INTERNET:
        elements_add(&e, (struct element) { .kind = EL_INTERNET });
        break;
    case SEL_CIDR:
        elements_add(&e, (struct element) { .kind = EL_CIDR, .sel = sel });
        break;
    case SEL_CONTAINER:
    case SEL_TAG:
    case SEL_SEGMENT:
    case SEL_GLOB:
    case SEL_CLIENT:
        BITMAP_FOR_EACH_1 (class, s->rules->n_classes, rule->classes[i]) {
            elements_add(&e, (struct element) { .kind = EL_CLASS,
                                                .class = class });
        }
        break;
    case SEL_SERVICE:
        e.unknown = true;
        break;
    }
    return e;
}

/* Whether a CIDR is all outside of the mesh and its subnets. */
static bool
prefix_is_outside(const struct shadow *s, const struct sn_prefix *p)
{
    const struct lint *lint = s->rules->lint;

    for (size_t i = 0; i < lint->n_nodes; i++) {
        const struct model_node *node = lint->nodes[i];

        for (size_t j = 0; j < node->n_subnets; j++) {
            if (sn_prefix_contains(&node->subnets[j], p)
                || sn_prefix_contains(p, &node->subnets[j])) {
                return false;
            }
        }
    }
    return !sn_prefix_contains(&lint->model->mesh.prefix, p)
           && !sn_prefix_contains(p, &lint->model->mesh.prefix);
}

static bool
selector_covers(const struct shadow *s, const struct lint_rule *rule, size_t i,
                const struct element *e)
{
    const struct model_selector *sel = lint_rule_selector(rule, i);

    if (sel->kind == SEL_SERVICE) {
        return false;
    } else if (sel->kind == SEL_ANY) {
        return true;
    }
    switch (e->kind) {
    case EL_ANY:
        return false;
    case EL_NODE:
        return sel->kind == SEL_NODE && !strcmp(sel->text, e->sel->text);
    case EL_INTERNET:
        return sel->kind == SEL_INTERNET;
    case EL_CIDR:
        return sel->kind == SEL_CIDR
               ? sn_prefix_contains(&sel->prefix, &e->sel->prefix)
               : sel->kind == SEL_INTERNET
                 && prefix_is_outside(s, &e->sel->prefix);
    case EL_CLASS:
        /* A CIDR is about one family of addresses only. */
        return sel->kind != SEL_CIDR
               && bitmap_is_set(rule->classes[i], e->class);
    }
    OVS_NOT_REACHED();
}

/* Ports. */

/* Marks in 'ports' (65536 bits) those that 'sel' names. */
static void
mark_ports(unsigned long *ports, const struct model_selector *sel, bool value)
{
    for (size_t i = 0; i < sel->n_ports; i++) {
        bitmap_set_multiple(ports, sel->ports[i].first,
                            sel->ports[i].last - sel->ports[i].first + 1,
                            value);
    }
    if (!sel->n_ports) {
        bitmap_set_multiple(ports, 0, 65536, value);
    }
}

/* One pair of a rule, and those that come before it. */
struct question {
    const struct element *src, *dst;
    const struct model_selector *dst_sel; /* Its ports. */
    uint8_t ip_proto;
};

/* Takes from 'ports' what 'rule' decides of the question; where that is about
 * no ports, 'ports' is NULL, and a rule about some decides nothing.  Returns
 * whether it decides any of it. */
static bool
rule_decides(struct shadow *s, const struct lint_rule *rule,
             const struct question *q, unsigned long *ports)
{
    bool src = false, any = false;

    s->steps++;
    if (rule->ip_proto && rule->ip_proto != q->ip_proto) {
        return false;
    }
    for (size_t i = 0; i < rule->n_src && !src; i++) {
        src = selector_covers(s, rule, i, q->src);
    }
    for (size_t i = 0; src && i < rule->n_dst; i++) {
        if ((ports || !rule->dst[i].n_ports)
            && selector_covers(s, rule, rule->n_src + i, q->dst)) {
            if (ports) {
                mark_ports(ports, &rule->dst[i], false);
            }
            any = true;
        }
    }
    return any;
}

static bool
has_limit(const struct lint_rule *rule)
{
    return rule->acl && (rule->acl->rate.kbps || rule->acl->rate.pps);
}


/* Whether the rules in 'asked' (a bitmap) decide the question; those that
 * take part go to 'used'. */
static bool
is_decided(struct shadow *s, const unsigned long *asked,
           const struct question *q, unsigned long *used)
{
    unsigned long *ports = q->dst_sel->n_ports ? bitmap_allocate(65536)
                           : NULL;
    bool decided = false;

    if (ports) {
        mark_ports(ports, q->dst_sel, true);
    }
    for (size_t i = 0; i < s->rules->n_rules && !decided; i++) {
        if (bitmap_is_set(asked, i)
            && rule_decides(s, &s->rules->rules[i], q, ports)) {
            bitmap_set1(used, i);
            decided = !ports
                      || bitmap_scan(ports, true, 0, 65536) == 65536;
        }
    }
    bitmap_free(ports);
    return decided;
}

/* Whether the rules in 'asked' decide all of 'rule'. */
static bool
is_shadowed(struct shadow *s, const struct lint_rule *rule,
            const unsigned long *asked, unsigned long *used)
{
    bool decided = true, any = false;

    for (size_t i = 0; i < rule->n_src * rule->n_dst && decided; i++) {
        size_t at = i % rule->n_dst;
        struct elements from = selector_elements(s, rule, i / rule->n_dst);
        struct elements to = selector_elements(s, rule, rule->n_src + at);

        decided = !from.unknown && !to.unknown;
        for (size_t j = 0; j < from.n * to.n && decided; j++) {
            struct question q = {
                &from.items[j / to.n], &to.items[j % to.n], &rule->dst[at],
                rule->ip_proto,
            };
            any = true;
            decided = s->steps < MAX_STEPS && is_decided(s, asked, &q, used);
        }
        free(from.items);
        free(to.items);
    }
    return decided && any;
}

static void
report_shadowed(struct shadow *s, const struct lint_rule *rule,
                const unsigned long *used)
{
    struct ds names = DS_EMPTY_INITIALIZER;
    size_t n = bitmap_count1(used, s->rules->n_rules);
    bool before = true;
    size_t k = 0, i;

    BITMAP_FOR_EACH_1 (i, s->rules->n_rules, used) {
        const struct lint_rule *other = &s->rules->rules[i];
        char *at = sn_loc_to_string(other->loc);

        before &= other->rank < rule->rank;
        if (k < 3) {
            ds_put_format(&names, "%s%s \"%s\" at %s",
                          !k ? "" : k + 1 == MIN(n, 3) && n <= 3 ? " and "
                          : ", ", other->acl ? "rule" : "segment",
                          other->name, at);
        }
        k++;
        free(at);
    }
    if (n > 3) {
        ds_put_format(&names, " and %"PRIuSIZE" more", n - 3);
    }
    diags_add(s->rules->lint->diags, DIAG_WARNING, rule->loc,
              before ? "remove it, or have it say something that they leave"
              : "remove it",
              "rule \"%s\" has no effect: %s %s%s all that it names%s",
              rule->name, ds_cstr(&names), before ? "decide" : "say",
              n == 1 ? "s" : "", before ? " before it is asked"
              : " already");
    ds_destroy(&names);
}

/* Leaves those of 'used' without which the others do not suffice. */
static void
minimize(struct shadow *s, const struct lint_rule *rule,
         unsigned long *used)
{
    unsigned long *ignored = bitmap_allocate(s->rules->n_rules);

    for (size_t i = 0; i < s->rules->n_rules; i++) {
        if (bitmap_is_set(used, i)) {
            bitmap_set0(used, i);
            if (!is_shadowed(s, rule, used, ignored)) {
                bitmap_set1(used, i);
            }
        }
    }
    bitmap_free(ignored);
}

/* Whether 'other' is asked before 'rule', or says the same. */
static bool
comes_before(const struct lint_rule *other, const struct lint_rule *rule)
{
    return other->rank < rule->rank
           || (other->rank == rule->rank && other != rule
               && !has_limit(other) && !has_limit(rule));
}

/* Of rules that say the same of the same, only the later one is superfluous:
 * takes those out of 'asked' that come after 'rule' and say no more. */
static void
drop_equals(struct shadow *s, const struct lint_rule *rule,
            unsigned long *asked)
{
    unsigned long *one = bitmap_allocate(s->rules->n_rules);
    unsigned long *ignored = bitmap_allocate(s->rules->n_rules);

    bitmap_set1(one, rule - s->rules->rules);
    for (size_t i = 0; i < s->rules->n_rules; i++) {
        const struct lint_rule *other = &s->rules->rules[i];

        if (bitmap_is_set(asked, i) && other->rank == rule->rank
            && other->order > rule->order
            && is_shadowed(s, other, one, ignored)) {
            bitmap_set0(asked, i);
        }
    }
    bitmap_free(one);
    bitmap_free(ignored);
}

/* Which rules decide all of 'rule', into 'used'. */
static bool
find_shadow(struct shadow *s, const struct lint_rule *rule,
            unsigned long *asked, unsigned long *used)
{
    if (!is_shadowed(s, rule, asked, used)) {
        return false;           /* Most are not, and need no closer look. */
    }
    drop_equals(s, rule, asked);
    bitmap_set_multiple(used, 0, s->rules->n_rules, false);
    return is_shadowed(s, rule, asked, used);
}

static void
judge(struct shadow *s, const struct lint_rule *rule)
{
    unsigned long *asked = bitmap_allocate(s->rules->n_rules);
    unsigned long *used = bitmap_allocate(s->rules->n_rules);

    for (size_t i = 0; i < s->rules->n_rules; i++) {
        bitmap_set(asked, i, comes_before(&s->rules->rules[i], rule));
    }
    if (find_shadow(s, rule, asked, used)) {
        minimize(s, rule, used);
        report_shadowed(s, rule, used);
    }
    bitmap_free(asked);
    bitmap_free(used);
}

void
lint_shadowed_rules(struct lint *lint)
{
    struct lint_rules rules;
    struct shadow s = { .rules = &rules };

    lint_rules_init(&rules, lint);
    for (size_t i = 0; i < rules.n_rules; i++) {
        if (rules.rules[i].acl) {
            judge(&s, &rules.rules[i]);
        }
    }
    lint_rules_destroy(&rules);
}
