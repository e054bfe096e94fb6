#include <config.h>

#include "flows/policy.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include "flows/cookie.h"
#include "flows/reasons.h"
#include "openvswitch/util.h"
#include "state/service.h"
#include "util.h"

/* Which clauses each object of the model stands for. */

static struct policy_clause *
clause_create(char *key, enum model_tier tier, enum model_action action,
              enum cookie_kind kind, uint32_t rule)
{
    struct policy_clause *clause = xzalloc(sizeof *clause);

    clause->key = key;
    clause->tier = tier;
    clause->action = action;
    clause->rule = rule;
    clause->cookie = cookie_make(kind, rule, action == ACTION_DENY
                                             ? SN_WHY_DROP_RULE
                                             : SN_WHY_NONE);
    return clause;
}

static void
clause_add_sel(struct policy_clause *clause, enum policy_role role,
               struct policy_sel *sel)
{
    clause->sels[role] = xrealloc(clause->sels[role],
                                  (clause->n_sels[role] + 1)
                                  * sizeof *clause->sels[role]);
    clause->sels[role][clause->n_sels[role]++] = sel;
}

static void
clause_add_selector(struct policy *p, struct policy_clause *clause,
                    enum policy_role role, const struct model_selector *ms)
{
    switch (ms->kind) {
    case SEL_ANY:
        clause->any[role] = true;
        break;
    case SEL_CONTAINER:
    case SEL_TAG:
    case SEL_SEGMENT:
    case SEL_NODE:
    case SEL_INTERNET:
    case SEL_CIDR:
    case SEL_GLOB:
    case SEL_CLIENT:
        clause_add_sel(clause, role, policy_sel_ref(p, ms));
        break;
    case SEL_SERVICE:
        /* A clause of its own: policy_put_service_acl(). */
        break;
    }
}

static void
clause_add_port(struct policy_clause *clause, uint8_t proto, uint16_t port,
                uint16_t mask)
{
    clause->ports = xrealloc(clause->ports,
                             (clause->n_ports + 1) * sizeof *clause->ports);
    clause->ports[clause->n_ports++] = (struct policy_port) {
        .proto = proto, .port = port, .mask = mask
    };
}

/* A range as the fewest aligned blocks, each a port and a mask. */
static void
clause_add_range(struct policy_clause *clause, uint8_t proto,
                 const struct model_port_range *range)
{
    uint32_t first = range->first, last = range->last;

    while (first <= last) {
        uint32_t size = first ? first & -first : 0x10000;
        while (first + size - 1 > last) {
            size >>= 1;
        }
        clause_add_port(clause, proto, first, 0xffff & ~(size - 1));
        first += size;
    }
}

static void
clause_add_ports(struct policy_clause *clause, uint8_t ip_proto,
                 const struct model_port_range *ranges, size_t n)
{
    uint8_t protos[2] = { ip_proto };
    size_t n_protos = 1;

    if (ip_proto == IPPROTO_ICMP) {
        protos[n_protos++] = IPPROTO_ICMPV6;
        n = 0;
    } else if (!ip_proto && n) {
        protos[0] = IPPROTO_TCP;
        protos[n_protos++] = IPPROTO_UDP;
    }
    for (size_t i = 0; i < n_protos; i++) {
        for (size_t j = 0; j < n; j++) {
            clause_add_range(clause, protos[i], &ranges[j]);
        }
        if (!n) {
            clause_add_port(clause, protos[i], 0, 0);
        }
    }
}

static void
policy_remove_rule(struct policy *p, const char *rule)
{
    struct sset *keys = shash_find_and_delete(&p->rules, rule);
    const char *key;

    if (keys) {
        SSET_FOR_EACH (key, keys) {
            policy_clause_remove(p, key);
        }
        sset_destroy(keys);
        free(keys);
    }
}

static bool
same_ports(const struct model_selector *a, const struct model_selector *b)
{
    return (a->n_ports == b->n_ports
            && (!a->n_ports
                || !memcmp(a->ports, b->ports,
                           a->n_ports * sizeof *a->ports)));
}

static struct policy_clause *
acl_clause_create(struct policy *p, const char *rule,
                  const struct model_acl *acl, int number)
{
    struct policy_clause *clause = clause_create(
        xasprintf("%s#%d", rule, number), acl->tier, acl->action, COOKIE_ACL,
        cookie_name_id(acl->name));

    for (size_t i = 0; i < acl->n_src; i++) {
        clause_add_selector(p, clause, ROLE_SRC, &acl->src[i]);
    }
    return clause;
}

/* The backends of a service at the ports where they serve it: a clause for
 * each port. */
static void
policy_put_service_acl(struct policy *p, const char *rule,
                       const struct model_acl *acl,
                       const struct model_service *service, int *n_clauses)
{
    uint16_t *ports;
    size_t n = service_get_ports(service, &ports);

    for (size_t i = 0; i < n; i++) {
        struct policy_clause *clause = acl_clause_create(p, rule, acl,
                                                         (*n_clauses)++);
        struct model_port_range range = { ports[i], ports[i] };
        struct model_selector backends = {
            .kind = SEL_SERVICE, .text = service->name,
            .ports = &range, .n_ports = 1,
        };

        clause_add_sel(clause, ROLE_DST, policy_sel_ref(p, &backends));
        clause_add_ports(clause, service->ip_proto, &range, 1);
        policy_clause_put(p, rule, clause);
    }
    free(ports);
}

/* A clause for each distinct list of ports among the destinations. */
static void
policy_put_acl(struct policy *p, const struct model *model, const char *rule,
               const struct model_acl *acl)
{
    int n_clauses = 0;

    for (size_t i = 0; i < acl->n_dst; i++) {
        const struct model_selector *first = &acl->dst[i];
        bool seen = false;

        if (first->kind == SEL_SERVICE) {
            const struct model_service *service
                = model_get_service(model, first->text);
            if (service && model_selector_has_port(first, service->port)
                && (!acl->ip_proto || acl->ip_proto == service->ip_proto)) {
                policy_put_service_acl(p, rule, acl, service, &n_clauses);
            }
            continue;
        }
        for (size_t j = 0; j < i; j++) {
            seen = seen || (acl->dst[j].kind != SEL_SERVICE
                            && same_ports(&acl->dst[j], first));
        }
        if (seen) {
            continue;
        }
        struct policy_clause *clause = acl_clause_create(p, rule, acl,
                                                         n_clauses++);
        for (size_t j = i; j < acl->n_dst; j++) {
            if (acl->dst[j].kind != SEL_SERVICE
                && same_ports(&acl->dst[j], first)) {
                clause_add_selector(p, clause, ROLE_DST, &acl->dst[j]);
            }
        }
        clause->rate = acl->rate;
        clause->class = acl->class;
        clause_add_ports(clause, acl->ip_proto, first->ports, first->n_ports);
        policy_clause_put(p, rule, clause);
    }
}

void
policy_change_acl(struct policy *p, const struct model *model,
                  const char *name)
{
    const struct model_acl *acl = model_get_acl(model, name);
    char *rule = xasprintf("acl:%s", name);

    policy_remove_rule(p, rule);
    if (acl) {
        policy_put_acl(p, model, rule, acl);
    }
    free(rule);
}

/* Its backends may be others, and their ports. */
void
policy_change_service(struct policy *p, const struct model *model,
                      const char *name)
{
    char *prefix = xasprintf("service:%s:", name);
    struct shash_node *node;

    SHASH_FOR_EACH (node, &p->sels) {
        if (!strncmp(node->name, prefix, strlen(prefix))) {
            p->dirty_all_containers = true;
        }
    }
    SHASH_FOR_EACH (node, &model->acls) {
        const struct model_acl *acl = node->data;
        for (size_t i = 0; i < acl->n_dst; i++) {
            if (acl->dst[i].kind == SEL_SERVICE
                && !strcmp(acl->dst[i].text, name)) {
                policy_change_acl(p, model, node->name);
                break;
            }
        }
    }
    free(prefix);
}

static struct policy_clause *
segment_clause_create(struct policy *p, const struct model_segment *segment,
                      const char *what, enum model_action action)
{
    struct policy_clause *clause = clause_create(
        xasprintf("segment:%s#%s", segment->name, what), TIER_SEGMENTS,
        action, COOKIE_SEGMENT, cookie_name_id(segment->name));
    struct model_selector ms = { .kind = SEL_SEGMENT, .text = segment->name };

    clause_add_selector(p, clause, ROLE_SRC, &ms);
    clause_add_ports(clause, 0, NULL, 0);
    return clause;
}

static void
policy_put_segment(struct policy *p, const char *rule,
                   const struct model_segment *segment)
{
    if (segment->isolated_from.n) {
        struct policy_clause *clause = segment_clause_create(
            p, segment, "isolated_from", ACTION_DENY);
        for (size_t i = 0; i < segment->isolated_from.n; i++) {
            struct model_selector ms = {
                .kind = SEL_SEGMENT,
                .text = segment->isolated_from.names[i],
            };
            clause_add_selector(p, clause, ROLE_DST, &ms);
        }
        policy_clause_put(p, rule, clause);
    }
    if (segment->internet != INTERNET_UNSET) {
        struct model_selector internet = {
            .kind = SEL_INTERNET,
            .text = CONST_CAST(char *, "internet"),
        };
        struct policy_clause *clause = segment_clause_create(
            p, segment, "internet",
            segment->internet == INTERNET_EXIT ? ACTION_ACCEPT : ACTION_DENY);
        clause_add_selector(p, clause, ROLE_DST, &internet);
        policy_clause_put(p, rule, clause);
    }
}

void
policy_change_segment(struct policy *p, const struct model *model,
                      const char *name)
{
    const struct model_segment *segment = model_get_segment(model, name);
    char *rule = xasprintf("segment:%s", name);

    /* A segment that is named keeps its selector: it is its members that may
     * be others now. */
    if (shash_find(&p->sels, rule)) {
        p->dirty_all_containers = true;
        p->points_changed = true;
    }
    policy_remove_rule(p, rule);
    if (segment) {
        policy_put_segment(p, rule, segment);
    }
    free(rule);
}

/* The rule of containers that have an exit and of which nothing else is said.
 * The other built-in rules need no identities: see stage-policy.c. */
void
policy_change_defaults(struct policy *p)
{
    struct policy_clause *clause = clause_create(
        xstrdup("default:exit#0"), TIER_DEFAULT, ACTION_ACCEPT,
        COOKIE_DEFAULT, POLICY_RULE_EXIT);
    struct model_selector internet = {
        .kind = SEL_INTERNET,
        .text = CONST_CAST(char *, "internet"),
    };

    policy_remove_rule(p, "default:exit");
    clause_add_sel(clause, ROLE_SRC, policy_sel_ref_exit(p));
    clause_add_selector(p, clause, ROLE_DST, &internet);
    clause_add_ports(clause, 0, NULL, 0);
    policy_clause_put(p, "default:exit", clause);
}
