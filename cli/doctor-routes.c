#include <config.h>

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "cli/doctor.h"
#include "lib/host-bridge.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/json.h"
#include "openvswitch/shash.h"
#include "sset.h"
#include "state/model.h"
#include "util.h"

/* Rules and routes of others that lead packets of the mesh and of exits
 * elsewhere.  The kernel is asked where it would send them; who is to blame,
 * its rules and tables tell. */

/* Routes' and rules' protocol that agents mark theirs with, and where those
 * rules are. */
#define OUR_PROTOCOL "83"
#define OUR_PRIORITY 5300
#define MAIN_TABLE_PRIORITY 32766

/* Nodes whose routes are looked at. */
enum { MAX_NODES = 8 };

/* Where a packet should go. */
struct way {
    const char *what;           /* "packets to node2". */
    bool is_v4;
    char *dst, *src;            /* 'src' may be NULL: this host. */
    const char *iif;            /* If there is a 'src'. */
    char *dev;
    char *exit_port;            /* Or NULL: it is not about an exit. */
};

struct routes {
    struct doctor *d;
    struct json *rules[2];      /* IPv6, IPv4. */
    struct sset blamed;         /* What was reported. */
    bool any;
};

static const char *
family_option(bool is_v4)
{
    return is_v4 ? "-4" : "-6";
}

static const struct json *
get_rule(const struct routes *r, bool is_v4, size_t i)
{
    const struct json *rules = r->rules[is_v4];

    return rules && rules->type == JSON_ARRAY && i < json_array(rules)->n
           && json_array(rules)->elems[i]->type == JSON_OBJECT
           ? json_array(rules)->elems[i] : NULL;
}

/* Of others, and looked at before the main table. */
static bool
rule_is_early(const struct json *rule)
{
    int64_t priority = doctor_json_int(rule, "priority", -1);

    return priority > 0 && priority < MAIN_TABLE_PRIORITY
           && strcmp(doctor_json_string(rule, "table"), "local")
           && strcmp(doctor_json_string(rule, "protocol"), OUR_PROTOCOL);
}

/* As wg-quick(8) has it: whatever main has a route for but the default one is
 * safe from rules after it. */
static bool
rule_spares_main(const struct json *rule)
{
    return !strcmp(doctor_json_string(rule, "table"), "main")
           && doctor_json_int(rule, "suppress_prefixlen", -1) == 0;
}

static bool
rule_is_selective(const struct json *rule)
{
    static const char *const selectors[] = {
        "iif", "oif", "fwmark", "dst", "ipproto", "dport", "sport",
        "uid_range", "tos", "not",
    };

    for (size_t i = 0; i < ARRAY_SIZE(selectors); i++) {
        if (shash_find(json_object(rule), selectors[i])) {
            return true;
        }
    }
    return strcmp(doctor_json_string(rule, "src"), "all");
}

static void
put_spare_main(struct ds *ds, int64_t priority, bool is_v4)
{
    if (priority > 1) {
        ds_put_format(ds, "ip %s rule add pref %"PRId64
                      " lookup main suppress_prefixlength 0",
                      family_option(is_v4), priority - 1);
    } else {
        ds_put_format(ds, "ip %s rule del pref %"PRId64,
                      family_option(is_v4), priority);
    }
}

static void
put_spare_exit(struct ds *ds, int64_t priority, const struct way *way)
{
    if (priority > 1 && priority < OUR_PRIORITY) {
        ds_put_format(ds, "ip %s rule add pref %"PRId64" iif %s goto %d",
                      family_option(way->is_v4), priority - 1,
                      way->exit_port, OUR_PRIORITY);
    } else {
        ds_put_format(ds, "ip %s rule del pref %"PRId64,
                      family_option(way->is_v4), priority);
    }
}

/* Whether it can be about 'address' (NULL: any); 'prefix' is "", "all", or
 * without "/32". */
static bool
rule_has(const char *prefix, int64_t len, const char *address)
{
    struct sn_prefix p, host;
    char *error;

    if (!prefix[0] || !strcmp(prefix, "all") || !address) {
        return !prefix[0] || !strcmp(prefix, "all");
    }
    error = sn_prefix_parse(prefix, &p);
    if (!error) {
        error = sn_prefix_parse(address, &host);
    }
    if (error) {
        free(error);
        return true;
    }
    p.plen = len >= 0 ? len : p.plen;
    return sn_prefix_contains(&p, &host);
}

static bool
rule_applies(const struct json *rule, const struct way *way)
{
    /* What such packets do not have, or what cannot be told. */
    static const char *const others[] = {
        "oif", "fwmark", "ipproto", "dport", "sport", "uid_range", "tos",
        "not",
    };
    const char *iif = doctor_json_string(rule, "iif");

    for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
        if (shash_find(json_object(rule), others[i])) {
            return false;
        }
    }
    return (!iif[0] || !strcmp(iif, way->src ? way->iif : "lo"))
           && rule_has(doctor_json_string(rule, "src"),
                       doctor_json_int(rule, "srclen", -1), way->src)
           && rule_has(doctor_json_string(rule, "dst"),
                       doctor_json_int(rule, "dstlen", -1), way->dst);
}

/* The rule of others that leads 'way' into 'table', or NULL. */
static const struct json *
find_rule(const struct routes *r, const struct way *way, const char *table)
{
    const struct json *rule;

    for (size_t i = 0; (rule = get_rule(r, way->is_v4, i)); i++) {
        if (rule_is_early(rule) && !rule_spares_main(rule)
            && !strcmp(doctor_json_string(rule, "table"), table)
            && rule_applies(rule, way)) {
            return rule;
        }
    }
    return NULL;
}

/* The route of others that 'way' takes in 'table', as ip(8) wants it to delete
 * it, or NULL. */
static char *
find_route(const struct way *way, const char *table, const char *dev)
{
    struct json *routes = doctor_run_json(NULL, "ip", "-j",
                                          family_option(way->is_v4), "route",
                                          "show", "table", table, NULL);
    struct sn_prefix to = { .plen = 0 };
    char *found = NULL;
    int best = -1;

    free(sn_prefix_parse(way->dst, &to));
    for (size_t i = 0; routes && routes->type == JSON_ARRAY
                       && i < json_array(routes)->n; i++) {
        const struct json *route = json_array(routes)->elems[i];
        const char *dst = doctor_json_string(route, "dst");
        int64_t metric = doctor_json_int(route, "metric", 0);
        struct sn_prefix p = { .plen = 0, .is_v4 = way->is_v4 };
        char *error = !strcmp(dst, "default") ? NULL
                      : sn_prefix_parse(dst, &p);
        bool hit = !error && (!p.plen || sn_prefix_contains(&p, &to))
                   && !strcmp(doctor_json_string(route, "dev"), dev)
                   && strcmp(doctor_json_string(route, "protocol"),
                             OUR_PROTOCOL);

        free(error);
        if (hit && p.plen > best) {
            free(found);
            found = xasprintf("%s dev %s metric %"PRId64" table %s", dst, dev,
                              metric, table);
            best = p.plen;
        }
    }
    json_destroy(routes);
    return found;
}

static void
blame_rule(struct routes *r, const struct way *way, const struct json *rule,
           const char *dev)
{
    int64_t priority = doctor_json_int(rule, "priority", -1);
    struct ds remedy = DS_EMPTY_INITIALIZER;

    if (way->exit_port) {
        put_spare_exit(&remedy, priority, way);
    } else {
        put_spare_main(&remedy, priority, way->is_v4);
    }
    if (sset_add(&r->blamed, ds_cstr(&remedy))) {
        doctor_report(r->d, DOCTOR_FAIL, ds_cstr(&remedy),
                      "%s leave by %s instead of %s: %s rule %"PRId64
                      " sends them to table %s", way->what, dev, way->dev,
                      way->is_v4 ? "IPv4" : "IPv6", priority,
                      doctor_json_string(rule, "table"));
        char *key = xasprintf("rule %"PRId64" %d", priority, way->is_v4);
        sset_add_and_free(&r->blamed, key);
    }
    ds_destroy(&remedy);
}

static void
blame(struct routes *r, const struct way *way, const struct json *got)
{
    const char *dev = doctor_json_string(got, "dev");
    const char *table = doctor_json_string(got, "table");
    const struct json *rule;
    char *route;

    if (!table[0]) {
        table = "main";
    }
    rule = find_rule(r, way, table);
    route = rule ? NULL : find_route(way, table, dev);
    r->any = true;
    if (rule) {
        blame_rule(r, way, rule, dev);
    } else if (route && strncmp(route, "default", 7)) {
        char *remedy = xasprintf("ip %s route del %s",
                                 family_option(way->is_v4), route);

        if (sset_add(&r->blamed, remedy)) {
            doctor_report(r->d, DOCTOR_FAIL, remedy,
                          "%s leave by %s instead of %s: by a route of "
                          "another program, %s", way->what, dev, way->dev,
                          route);
        }
        free(remedy);
    } else if (sset_add(&r->blamed, way->dev)) {
        doctor_report(r->d, DOCTOR_FAIL,
                      "the agent adds the route: ovs-appctl -t socknet-agent "
                      "status says why it did not",
                      "%s leave by %s instead of %s: there is no route "
                      "there", way->what, dev, way->dev);
    }
    free(route);
}

static void
check_way(struct routes *r, const struct way *way)
{
    const char *option = family_option(way->is_v4);
    struct json *json = way->src
        ? doctor_run_json(NULL, "ip", "-j", option, "route", "get", way->dst,
                          "from", way->src, "iif", way->iif, NULL)
        : doctor_run_json(NULL, "ip", "-j", option, "route", "get", way->dst,
                          NULL);

    /* No answer: it is unreachable, and goes to nobody else. */
    if (json && json->type == JSON_ARRAY && json_array(json)->n) {
        const struct json *got = json_array(json)->elems[0];
        const char *dev = doctor_json_string(got, "dev");

        if (dev[0] && strcmp(dev, way->dev)) {
            blame(r, way, got);
        }
    }
    json_destroy(json);
}

/* An address of a container of this node; the caller frees. */
static char *
container_address(const struct doctor *d, bool is_v4)
{
    const struct shash_node *item;

    SHASH_FOR_EACH (item, &d->model->containers) {
        const struct model_container *c = item->data;

        for (size_t i = 0; i < c->n_addresses
                           && !strcmp(c->node, d->node_name); i++) {
            if (c->addresses[i].is_v4 == is_v4) {
                return sn_prefix_addr_to_string(&c->addresses[i]);
            }
        }
    }
    return NULL;
}

/* Whether the state itself sends the prefix elsewhere. */
static bool
is_rerouted(const struct doctor *d, const struct sn_prefix *subnet)
{
    for (size_t i = 0; i < d->node->n_routes; i++) {
        const struct model_route *route = &d->node->routes[i];

        if (strcmp(route->via, d->mesh)
            && (sn_prefix_contains(&route->dst, subnet)
                || sn_prefix_contains(subnet, &route->dst))) {
            return true;
        }
    }
    return false;
}

static void
check_subnet(struct routes *r, const char *what,
             const struct sn_prefix *subnet)
{
    char *local = container_address(r->d, subnet->is_v4);
    const struct sn_prefix net = sn_prefix_network(subnet);
    const struct sn_prefix far = sn_prefix_nth(&net, 2);
    char *far_address = sn_prefix_addr_to_string(&far);
    char bridge[] = SN_BRIDGE;
    char *mesh = xstrdup(r->d->mesh);

    if (local && !is_rerouted(r->d, subnet)) {
        struct way there = {
            .what = what, .is_v4 = subnet->is_v4, .dst = far_address,
            .src = local, .iif = SN_BRIDGE, .dev = mesh,
        };
        struct way back = {
            .what = "packets from the mesh to containers",
            .is_v4 = subnet->is_v4, .dst = local, .src = far_address,
            .iif = mesh, .dev = bridge,
        };

        check_way(r, &there);
        check_way(r, &back);
    }
    free(mesh);
    free(far_address);
    free(local);
}

static void
check_nodes(struct routes *r)
{
    const struct shash_node *item;
    size_t n = 0;

    SHASH_FOR_EACH (item, &r->d->model->nodes) {
        const struct model_node *node = item->data;

        if (node == r->d->node || node->revoked || n++ >= MAX_NODES) {
            continue;
        }
        char *what = xasprintf("packets of containers to %s", node->name);
        for (size_t i = 0; i < node->n_subnets; i++) {
            check_subnet(r, what, &node->subnets[i]);
        }
        free(what);
    }
}

static void
check_exits(struct routes *r)
{
    const struct doctor *d = r->d;
    char *local = container_address(d, true);
    char somewhere[] = "192.0.2.1";
    const struct shash_node *item;

    SHASH_FOR_EACH (item, &d->model->exits) {
        const struct model_exit *exit = item->data;
        char *port = xasprintf("x-%s", exit->interface);

        if (local && exit->enabled && !strcmp(exit->node, d->node_name)
            && doctor_link_exists(port)
            && doctor_link_exists(exit->interface)) {
            char *what = xasprintf("packets for exit %s", exit->name);
            struct way way = {
                .what = what, .is_v4 = true, .dst = somewhere, .src = local,
                .iif = port, .dev = exit->interface, .exit_port = port,
            };

            check_way(r, &way);
            free(what);
        }
        free(port);
    }
    free(local);
}

/* Rules that send everything elsewhere, be there a route or not. */
static void
check_rules(struct routes *r, bool is_v4)
{
    const struct json *rule;
    bool spared = false;

    for (size_t i = 0; !spared && (rule = get_rule(r, is_v4, i)); i++) {
        int64_t priority = doctor_json_int(rule, "priority", -1);
        const char *table = doctor_json_string(rule, "table");
        char *key = xasprintf("rule %"PRId64" %d", priority, is_v4);

        spared = rule_spares_main(rule) && !rule_is_selective(rule);
        if (!spared && rule_is_early(rule) && strcmp(table, "main")
            && !rule_is_selective(rule) && !sset_contains(&r->blamed, key)) {
            struct ds remedy = DS_EMPTY_INITIALIZER;

            put_spare_main(&remedy, priority, is_v4);
            doctor_report(r->d, DOCTOR_WARN, ds_cstr(&remedy),
                          "%s rule %"PRId64" sends everything to table %s "
                          "before the routes of the mesh are looked at",
                          is_v4 ? "IPv4" : "IPv6", priority, table);
            ds_destroy(&remedy);
            r->any = true;
        }
        free(key);
    }
}

void
doctor_rules(struct doctor *d)
{
    struct routes r = { .d = d };

    sset_init(&r.blamed);
    for (int v4 = 0; v4 < 2; v4++) {
        r.rules[v4] = doctor_run_json(NULL, "ip", "-j", family_option(v4),
                                      "rule", "list", NULL);
    }
    if (d->node && doctor_link_exists(d->mesh)) {
        check_nodes(&r);
        check_exits(&r);
    }
    check_rules(&r, true);
    check_rules(&r, false);
    if (!r.any) {
        doctor_report(d, DOCTOR_OK, NULL,
                      "no rule or route of others is in the way");
    }
    json_destroy(r.rules[0]);
    json_destroy(r.rules[1]);
    sset_destroy(&r.blamed);
}
