#include <config.h>

#include "flows/expect.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include "flow.h"
#include "openvswitch/util.h"
#include "state/model.h"
#include "state/service.h"
#include "util.h"

/* The rules, tier by tier, straight from the model. */

/* Selectors. */

struct members {
    const struct model_container **containers;
    size_t n;
};

struct expect_rules {
    const struct model *model;
    struct shash members;       /* Selector -> struct members. */
};

struct expect_rules *
expect_rules_create(const struct model *model)
{
    struct expect_rules *rules = xmalloc(sizeof *rules);

    rules->model = model;
    shash_init(&rules->members);
    return rules;
}

void
expect_rules_destroy(struct expect_rules *rules)
{
    if (rules) {
        struct shash_node *item;

        SHASH_FOR_EACH (item, &rules->members) {
            struct members *members = item->data;
            free(members->containers);
        }
        shash_destroy_free_data(&rules->members);
        free(rules);
    }
}

const struct model *
expect_rules_model(const struct expect_rules *rules)
{
    return rules->model;
}

static char *
selector_key(const struct model_selector *sel)
{
    return xasprintf("%d %s %d", sel->kind, sel->text,
                     sel->kind == SEL_SERVICE && sel->n_ports
                     ? sel->ports[0].first : 0);
}

/* Neighbouring addresses together: their sets are the cheaper to unite. */
static int
compare_containers(const void *a_, const void *b_)
{
    const struct model_container *const *a = a_;
    const struct model_container *const *b = b_;

    return (!(*a)->n_addresses || !(*b)->n_addresses
            ? !!(*b)->n_addresses - !!(*a)->n_addresses
            : memcmp(&(*a)->addresses[0].addr, &(*b)->addresses[0].addr,
                     sizeof (*a)->addresses[0].addr));
}

const struct model_container *const *
expect_rules_find(struct expect_rules *rules,
                  const struct model_selector *sel, size_t *ret_n)
{
    char *key = selector_key(sel);
    struct members *members = shash_find_data(&rules->members, key);

    if (!members) {
        const struct shash_node *item;

        members = xzalloc(sizeof *members);
        members->containers
            = xmalloc((shash_count(&rules->model->containers) + 1)
                      * sizeof *members->containers);
        SHASH_FOR_EACH (item, &rules->model->containers) {
            if (model_selector_matches(rules->model, sel, item->data)) {
                members->containers[members->n++] = item->data;
            }
        }
        if (members->n) {
            qsort(members->containers, members->n,
                  sizeof *members->containers, compare_containers);
        }
        shash_add(&rules->members, key, members);
    }
    free(key);
    *ret_n = members->n;
    return members->containers;
}

static void
add(struct expect *e, space_set *set, space_set more)
{
    *set = space_or(e->space, *set, more);
}

static space_set
address_set(struct expect *e, enum expect_role role,
            const struct sn_prefix *address)
{
    struct sn_prefix host = sn_prefix_host(address);

    return header_prefix_set(e->space, role == EXPECT_SRC, &host);
}

/* The addresses of one family, as sets of packets of either. */
static space_set
addresses_set(struct expect *e, enum expect_role role, bool is_v4,
              const struct model_container *const *containers, size_t n)
{
    size_t n_sets = 0, allocated = 0;
    space_set *sets = NULL, set;

    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < containers[i]->n_addresses; j++) {
            struct sn_prefix a = sn_prefix_host(&containers[i]->addresses[j]);

            if (a.is_v4 != is_v4) {
                continue;
            }
            if (n_sets >= allocated) {
                sets = x2nrealloc(sets, &allocated, sizeof *sets);
            }
            sets[n_sets++] = header_address_set(e->space, role == EXPECT_SRC,
                                                &a);
        }
    }
    set = space_union(e->space, sets, n_sets);
    free(sets);
    return set;
}

static space_set
hosts_set(struct expect *e, enum expect_role role,
          const struct model_container *const *containers, size_t n)
{
    space_set set = SPACE_NONE;

    for (int is_v4 = 0; is_v4 < 2; is_v4++) {
        add(e, &set, space_and(e->space, header_family_set(e->space, is_v4),
                               addresses_set(e, role, is_v4, containers, n)));
    }
    return set;
}

static space_set
containers_set(struct expect *e, enum expect_role role, bool local_only,
               const struct model_selector *sel)
{
    size_t n, n_wanted = 0;
    const struct model_container *const *containers
        = expect_rules_find(e->rules, sel, &n);
    const struct model_container **wanted = xmalloc((n + 1) * sizeof *wanted);

    for (size_t i = 0; i < n; i++) {
        if (local_only ? !strcmp(containers[i]->node, e->node)
            : expect_is_trusted(e, containers[i])) {
            wanted[n_wanted++] = containers[i];
        }
    }
    space_set set = hosts_set(e, role, wanted, n_wanted);
    free(wanted);
    return set;
}

space_set
expect_containers(struct expect *e, enum expect_role role)
{
    struct model_selector any = {
        .kind = SEL_ANY, .text = CONST_CAST(char *, "*"),
    };
    size_t n;
    const struct model_container *const *all
        = expect_rules_find(e->rules, &any, &n);

    return hosts_set(e, role, all, n);
}

static space_set
clients_set(struct expect *e, enum expect_role role,
            const struct model_selector *sel)
{
    const struct shash_node *item;
    space_set set = SPACE_NONE;

    SHASH_FOR_EACH (item, &e->model->clients) {
        const struct model_client *client = item->data;
        const struct model_node *node = model_get_node(e->model,
                                                       client->node);

        if (!node || node->revoked || client->revoked
            || !model_selector_matches_client(e->model, sel, client)) {
            continue;
        }
        for (size_t i = 0; i < client->n_addresses; i++) {
            add(e, &set, address_set(e, role, &client->addresses[i]));
        }
    }
    return set;
}

static space_set
node_set(struct expect *e, enum expect_role role, const char *name)
{
    const struct model_node *node = model_get_node(e->model, name);
    space_set set = SPACE_NONE;

    for (size_t i = 0; node && i < node->n_subnets; i++) {
        add(e, &set, address_set(e, role, &node->gateways[i]));
    }
    if (node && node->address.plen) {
        add(e, &set, address_set(e, role, &node->address));
    }
    return set;
}

/* Addresses that are no container's. */
static space_set
places_set(struct expect *e, enum expect_role role,
           const struct model_selector *sel)
{
    const struct model_segment *segment;
    space_set set = clients_set(e, role, sel);

    switch (sel->kind) {
    case SEL_NODE:
        add(e, &set, node_set(e, role, sel->text + strlen("node:")));
        break;
    case SEL_INTERNET:
        add(e, &set, space_minus(e->space, e->ip, e->mesh[role]));
        break;
    case SEL_CIDR:
        add(e, &set, header_prefix_set(e->space, role == EXPECT_SRC,
                                       &sel->prefix));
        break;
    case SEL_SEGMENT:
        segment = model_get_segment(e->model, sel->text);
        for (size_t i = 0; segment && i < segment->n_members; i++) {
            if (segment->members[i].kind != SEL_SEGMENT) {
                add(e, &set, places_set(e, role, &segment->members[i]));
            }
        }
        break;
    case SEL_ANY:
        set = e->ip;
        break;
    case SEL_CONTAINER:
    case SEL_TAG:
    case SEL_SERVICE:
    case SEL_CLIENT:
    case SEL_GLOB:
        break;
    }
    return set;
}

space_set
expect_selector(struct expect *e, enum expect_role role, bool local_only,
                const struct model_selector *sel)
{
    char *sel_key = selector_key(sel);
    char *key = xasprintf("%d%d %s", role, local_only, sel_key);
    const struct shash_node *item = shash_find(&e->selectors, key);
    space_set set;

    if (item) {
        set = (uintptr_t) item->data;
    } else {
        set = containers_set(e, role, local_only, sel);
        if (!local_only) {
            add(e, &set, places_set(e, role, sel));
        }
        shash_add(&e->selectors, key, (void *) (uintptr_t) set);
    }
    free(key);
    free(sel_key);
    return set;
}

/* Ports. */

static space_set
range_set(struct expect *e, const struct model_port_range *range)
{
    uint32_t first = range->first, last = range->last;
    space_set set = SPACE_NONE;

    while (first <= last) {
        uint32_t size = first ? first & -first : 0x10000;

        while (first + size - 1 > last) {
            size >>= 1;
        }
        ovs_be16 value = htons(first), mask = htons(0xffff & ~(size - 1));
        add(e, &set, header_bytes_set(e->space, HEADER_BYTE(tp_dst), &value,
                                      &mask, sizeof value));
        first += size;
    }
    return set;
}

/* Later fragments of datagrams to some port pass where the first may. */
static space_set
ports_set(struct expect *e, uint8_t ip_proto,
          const struct model_port_range *ranges, size_t n, bool accept)
{
    uint8_t later = FLOW_NW_FRAG_ANY | FLOW_NW_FRAG_LATER;
    uint8_t protos[2] = { ip_proto };
    size_t n_protos = 1;
    space_set set = SPACE_NONE;

    if (ip_proto == IPPROTO_ICMP) {
        protos[n_protos++] = IPPROTO_ICMPV6;
        n = 0;
    } else if (!ip_proto && n) {
        protos[0] = IPPROTO_TCP;
        protos[n_protos++] = IPPROTO_UDP;
    } else if (!ip_proto) {
        return SPACE_ALL;
    }
    for (size_t i = 0; i < n_protos; i++) {
        space_set proto = header_u8_set(e->space, HEADER_BYTE(nw_proto),
                                        protos[i]);
        space_set ports = n ? SPACE_NONE : SPACE_ALL;

        for (size_t j = 0; j < n; j++) {
            add(e, &ports, range_set(e, &ranges[j]));
        }
        if (n && accept && protos[i] == IPPROTO_UDP) {
            add(e, &ports, header_u8_set(e->space, HEADER_BYTE(nw_frag),
                                         later));
        }
        add(e, &set, space_and(e->space, proto, ports));
    }
    return set;
}

/* Rules. */

enum side { EGRESS, INGRESS, N_SIDES };
enum { N_TIERS = TIER_DEFAULT + 1 };

struct verdicts {
    space_set *sets;
    size_t n, allocated;
};

struct policy_sets {
    struct verdicts verdicts[N_SIDES][N_TIERS][2];      /* By action. */
};

static void
put(struct expect *e, struct policy_sets *p, enum side side,
    enum model_tier tier, enum model_action action, space_set src,
    space_set dst, space_set ports)
{
    struct verdicts *v = &p->verdicts[side][tier][action];
    space_set set = space_and(e->space, space_and(e->space, dst, ports),
                              src);

    if (set != SPACE_NONE) {
        if (v->n >= v->allocated) {
            v->sets = x2nrealloc(v->sets, &v->allocated, sizeof *v->sets);
        }
        v->sets[v->n++] = set;
    }
}

static space_set
sources(struct expect *e, enum side side, const struct model_selector *sels,
        size_t n)
{
    space_set set = SPACE_NONE;

    for (size_t i = 0; i < n; i++) {
        if (sels[i].kind == SEL_SERVICE) {
            continue;           /* Nothing comes from a virtual address. */
        }
        add(e, &set,
            side == INGRESS ? expect_selector(e, EXPECT_SRC, false, &sels[i])
            : sels[i].kind == SEL_ANY ? e->local[EXPECT_SRC]
            : expect_selector(e, EXPECT_SRC, true, &sels[i]));
    }
    return set;
}

static space_set
destinations(struct expect *e, enum side side,
             const struct model_selector *sel)
{
    return (side == EGRESS ? expect_selector(e, EXPECT_DST, false, sel)
            : sel->kind == SEL_ANY ? e->local[EXPECT_DST]
            : expect_selector(e, EXPECT_DST, true, sel));
}

/* A rule to a service is one to its backends, where they serve it. */
static void
put_acl_to_service(struct expect *e, struct policy_sets *p, enum side side,
                   const struct model_acl *acl, space_set src,
                   const struct model_selector *dst)
{
    const struct model_service *service = model_get_service(e->model,
                                                            dst->text);
    uint16_t *ports;

    if (!service || !model_selector_has_port(dst, service->port)
        || (acl->ip_proto && acl->ip_proto != service->ip_proto)) {
        return;
    }
    size_t n = service_get_ports(service, &ports);
    for (size_t i = 0; i < n; i++) {
        struct model_port_range range = { ports[i], ports[i] };
        struct model_selector backends = {
            .kind = SEL_SERVICE, .text = service->name,
            .ports = &range, .n_ports = 1,
        };

        put(e, p, side, acl->tier, acl->action, src,
            destinations(e, side, &backends),
            ports_set(e, service->ip_proto, &range, 1,
                      acl->action == ACTION_ACCEPT));
    }
    free(ports);
}

static void
put_acl(struct expect *e, struct policy_sets *p, enum side side,
        const struct model_acl *acl)
{
    space_set src = sources(e, side, acl->src, acl->n_src);

    for (size_t i = 0; src != SPACE_NONE && i < acl->n_dst; i++) {
        const struct model_selector *dst = &acl->dst[i];

        if (dst->kind == SEL_SERVICE) {
            put_acl_to_service(e, p, side, acl, src, dst);
        } else {
            put(e, p, side, acl->tier, acl->action, src,
                destinations(e, side, dst),
                ports_set(e, acl->ip_proto, dst->ports, dst->n_ports,
                          acl->action == ACTION_ACCEPT));
        }
    }
}

static void
put_segment(struct expect *e, struct policy_sets *p, enum side side,
            const struct model_segment *segment)
{
    struct model_selector self = {
        .kind = SEL_SEGMENT, .text = segment->name,
    };
    struct model_selector internet = {
        .kind = SEL_INTERNET, .text = CONST_CAST(char *, "internet"),
    };
    space_set src = sources(e, side, &self, 1);

    for (size_t i = 0; i < segment->isolated_from.n; i++) {
        struct model_selector other = {
            .kind = SEL_SEGMENT, .text = segment->isolated_from.names[i],
        };
        put(e, p, side, TIER_SEGMENTS, ACTION_DENY, src,
            destinations(e, side, &other), SPACE_ALL);
    }
    if (segment->internet != INTERNET_UNSET) {
        put(e, p, side, TIER_SEGMENTS,
            segment->internet == INTERNET_EXIT ? ACTION_ACCEPT : ACTION_DENY,
            src, destinations(e, side, &internet), SPACE_ALL);
    }
}

static space_set
not_guests(struct expect *e, enum expect_role role)
{
    return space_minus(e->space, e->mesh[role], e->guests[role]);
}

/* What holds where no rule says otherwise. */
static void
put_defaults(struct expect *e, struct policy_sets *p)
{
    const struct model_node *node = model_get_node(e->model, e->node);
    struct model_port_range dns = { 53, 53 };
    const struct shash_node *item;
    space_set leavers = SPACE_NONE;

    SHASH_FOR_EACH (item, &e->model->containers) {
        const struct model_container *container = item->data;

        for (size_t i = 0; i < container->n_addresses; i++) {
            if (!strcmp(container->node, e->node) && container->exits.n) {
                add(e, &leavers, address_set(e, EXPECT_SRC,
                                             &container->addresses[i]));
            }
        }
    }
    put(e, p, EGRESS, TIER_DEFAULT, ACTION_ACCEPT, leavers,
        space_minus(e->space, e->ip, e->mesh[EXPECT_DST]), SPACE_ALL);
    for (size_t i = 0; node && e->model->mesh.names && i < node->n_subnets;
         i++) {
        put(e, p, EGRESS, TIER_DEFAULT, ACTION_ACCEPT, e->local[EXPECT_SRC],
            address_set(e, EXPECT_DST, &node->gateways[i]),
            ports_set(e, 0, &dns, 1, false));
    }
    put(e, p, INGRESS, TIER_DEFAULT, ACTION_ACCEPT, e->own[EXPECT_SRC],
        e->local[EXPECT_DST], SPACE_ALL);
    if (e->model->mesh.default_policy == MODEL_ALLOW) {
        put(e, p, EGRESS, TIER_DEFAULT, ACTION_ACCEPT, e->local[EXPECT_SRC],
            not_guests(e, EXPECT_DST), SPACE_ALL);
        put(e, p, INGRESS, TIER_DEFAULT, ACTION_ACCEPT,
            not_guests(e, EXPECT_SRC), e->local[EXPECT_DST], SPACE_ALL);
    }
}

/* A higher tier goes before a lower one, a denial before an acceptance. */
static space_set
combine(struct expect *e, struct policy_sets *p, enum side side)
{
    space_set accepted = SPACE_NONE, decided = SPACE_NONE;

    for (int tier = 0; tier < N_TIERS; tier++) {
        struct verdicts *denials = &p->verdicts[side][tier][ACTION_DENY];
        struct verdicts *accepts = &p->verdicts[side][tier][ACTION_ACCEPT];

        add(e, &decided, space_union(e->space, denials->sets, denials->n));
        space_set accept = space_union(e->space, accepts->sets, accepts->n);
        add(e, &accepted, space_minus(e->space, accept, decided));
        add(e, &decided, accept);
        free(denials->sets);
        free(accepts->sets);
    }
    return accepted;
}

void
expect_make_rules(struct expect *e)
{
    struct policy_sets p = { 0 };
    const struct shash_node *item;

    for (int side = 0; side < N_SIDES; side++) {
        SHASH_FOR_EACH (item, &e->model->acls) {
            put_acl(e, &p, side, item->data);
        }
        SHASH_FOR_EACH (item, &e->model->segments) {
            put_segment(e, &p, side, item->data);
        }
    }
    put_defaults(e, &p);
    e->egress = combine(e, &p, EGRESS);
    e->ingress = combine(e, &p, INGRESS);
}
