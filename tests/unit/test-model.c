#include <config.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "openvswitch/util.h"
#include "state/model.h"
#include "util.h"

static struct sn_prefix
prefix(const char *s)
{
    struct sn_prefix p;
    char *error = sn_prefix_parse(s, &p);

    if (error) {
        fail_msg("%s", error);
    }
    return p;
}

static struct model_node *
add_node(struct model *model, const char *name, int line, const char *address)
{
    struct model_node *node = model_object_create(MODEL_NODE);

    node->name = xstrdup(name);
    node->loc = (struct sn_loc) { sn_loc_intern("m.yaml"), line, 3, 1 };
    if (address) {
        node->address = prefix(address);
    }
    model_put(model, MODEL_NODE, name, node);
    return node;
}

static struct model_container *
add_container(struct model *model, const char *name, const char *address,
              const char *tag)
{
    struct model_container *c = model_object_create(MODEL_CONTAINER);

    c->name = xstrdup(name);
    c->id = xstrdup("100");
    c->node = xstrdup("n1");
    c->bridge = xstrdup("vmbr0");
    c->veth = xasprintf("veth-%s", name);
    c->addresses = xmalloc(sizeof *c->addresses);
    c->addresses[0] = prefix(address);
    c->n_addresses = 1;
    if (tag) {
        sset_add(&c->tags, tag);
    }
    model_put(model, MODEL_CONTAINER, name, c);
    return c;
}

static void
add_selector(struct model *model, struct model_selector **selectors, size_t *n,
             const char *text)
{
    *selectors = xrealloc(*selectors, (*n + 1) * sizeof **selectors);
    char *error = model_selector_parse(model, text, true, *selectors + *n);
    if (error) {
        fail_msg("%s", error);
    }
    ++*n;
}

static struct model_acl *
add_acl(struct model *model, const char *name, const char *src,
        const char *dst)
{
    struct model_acl *acl = model_object_create(MODEL_ACL);

    acl->name = xstrdup(name);
    acl->tier = TIER_ACLS;
    acl->ip_proto = IPPROTO_TCP;
    add_selector(model, &acl->src, &acl->n_src, src);
    add_selector(model, &acl->dst, &acl->n_dst, dst);
    model_put(model, MODEL_ACL, name, acl);
    return acl;
}

static struct model *
sample_model(void)
{
    struct model *model = model_create();

    struct model_service *service = model_object_create(MODEL_SERVICE);
    service->name = xstrdup("vectors");
    service->port = 80;
    model_put(model, MODEL_SERVICE, service->name, service);
    struct model_node *node = add_node(model, "n1", 1, NULL);
    node->subnets = xmalloc(2 * sizeof *node->subnets);
    node->gateways = xmalloc(2 * sizeof *node->gateways);
    node->subnets[0] = prefix("10.0.0.0/24");
    node->gateways[0] = prefix("10.0.0.1");
    node->subnets[1] = prefix("fd00::/64");
    node->gateways[1] = prefix("fd00::1");
    node->n_subnets = 2;
    node->routes = xzalloc(sizeof *node->routes);
    node->routes[0].dst = prefix("10.1.0.0/24");
    node->routes[0].via = xstrdup("nm-privacy");
    node->n_routes = 1;
    sset_add(&node->uplinks, "eno1");

    struct model_exit *exit = model_object_create(MODEL_EXIT);
    exit->node = xstrdup("n1");
    exit->name = xstrdup("warp");
    exit->interface = xstrdup("warp0");
    model_put(model, MODEL_EXIT, "n1/warp", exit);

    struct model_container *web = add_container(model, "web", "10.0.0.5/24",
                                                "front");
    web->services = xzalloc(sizeof *web->services);
    web->services[0] = (struct model_port) { xstrdup("http"), IPPROTO_TCP,
                                             80 };
    web->n_services = 1;
    svec_add(&web->exits, "n1/warp");
    add_container(model, "db-1", "10.0.0.6/24", NULL);
    add_selector(model, &service->backends, &service->n_backends, "db-*:81");

    struct model_segment *segment = model_object_create(MODEL_SEGMENT);
    segment->name = xstrdup("fronts");
    add_selector(model, &segment->members, &segment->n_members, "tag:front");
    svec_add(&segment->isolated_from, "other");
    model_put(model, MODEL_SEGMENT, "fronts", segment);

    add_acl(model, "a", "fronts", "db-1:80,443");
    struct model_raw_flow *flow = model_object_create(MODEL_RAW_FLOW);
    flow->node = xstrdup("n1");
    flow->bridge = xstrdup("vmbr0");
    flow->text = xstrdup("actions=normal");
    char *key = model_raw_flow_key("n1", flow->text);
    assert_string_equal(key, "n1/678deb19");
    model_put(model, MODEL_RAW_FLOW, key, flow);
    free(key);
    return model;
}

static void
test_selector(void **state)
{
    static const struct {
        const char *text;
        enum selector_kind kind;
        const char *canonical;      /* With ports, or NULL and: */
        const char *error;
    } rows[] = {
        { "*", SEL_ANY, "*", NULL },
        { "*:80", SEL_ANY, "*:80", NULL },
        { "web", SEL_CONTAINER, "web", NULL },
        { "web:80,81-90,85", SEL_CONTAINER, "web:80-90", NULL },
        { "web:443,80", SEL_CONTAINER, "web:80,443", NULL },
        { "web:1-65535", SEL_CONTAINER, "web:1-65535", NULL },
        { "tag:front", SEL_TAG, "tag:front", NULL },
        { "tag:front:22", SEL_TAG, "tag:front:22", NULL },
        { "fronts", SEL_SEGMENT, "fronts", NULL },
        { "vectors", SEL_SERVICE, "vectors", NULL },
        { "node:n1:22", SEL_NODE, "node:n1:22", NULL },
        { "internet:443", SEL_INTERNET, "internet:443", NULL },
        { "client:anna", SEL_CLIENT, "client:anna", NULL },
        { "db-*", SEL_GLOB, "db-*", NULL },
        { "10.0.0.0/24:80", SEL_CIDR, "10.0.0.0/24:80", NULL },
        { "10.0.0.1/32", SEL_CIDR, "10.0.0.1", NULL },
        { "fd00:0::/64", SEL_CIDR, "fd00::/64", NULL },
        { "[fd00::/64]:80", SEL_CIDR, "[fd00::/64]:80", NULL },
        { "[fd00::1]", SEL_CIDR, "fd00::1", NULL },

        { "", 0, NULL, "an empty selector selects nothing" },
        { "wbe", 0, NULL, "no container, segment or service is named \"wbe\": "
          "did you mean \"web\"?" },
        { "internets", 0, NULL, "no container, segment or service is named "
          "\"internets\": did you mean \"internet\"?" },
        { "n1", 0, NULL, "\"n1\" is a node: did you mean \"node:n1\", the "
          "host itself?" },
        { "nothinglike", 0, NULL,
          "no container, segment or service is named \"nothinglike\"" },
        { "node:n2", 0, NULL,
          "no node is named \"n2\": did you mean \"node:n1\"?" },
        { "tag:", 0, NULL, "\"tag:\": a name cannot be empty" },
        { "web:", 0, NULL, "\"\" is not a port: a port is a number from 1 to "
          "65535, or FIRST-LAST" },
        { "web:http", 0, NULL, "\"http\" is not a port: a port is a number "
          "from 1 to 65535, or FIRST-LAST" },
        { "web:0", 0, NULL, "\"0\" is not a port: a port is a number "
          "from 1 to 65535, or FIRST-LAST" },
        { "web:65536", 0, NULL, "\"65536\" is not a port: a port is a number "
          "from 1 to 65535, or FIRST-LAST" },
        { "web:90-80", 0, NULL,
          "the port range \"90-80\" ends before it starts" },
        { "10.0.0.5/24", 0, NULL, "\"10.0.0.5/24\" has host bits below its "
          "mask: did you mean \"10.0.0.0/24\" or \"10.0.0.5/32\"?" },
        { "10.0.0.256", 0, NULL,
          "\"10.0.0.256\" is not an IPv4 or IPv6 address" },
        { "[fd00::1", 0, NULL, "\"[fd00::1\": the \"[\" is never closed" },
        { "[fd00::]/64", 0, NULL, "\"[fd00::]/64\": only a \":\" and ports "
          "can follow the \"]\"" },
    };

    struct model *model = sample_model();
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct model_selector sel;
        char *error = model_selector_parse(model, rows[i].text, true, &sel);
        if (!rows[i].canonical) {
            assert_non_null(error);
            assert_string_equal(error, rows[i].error);
            free(error);
            continue;
        }
        if (error) {
            fail_msg("%s", error);
        }
        assert_int_equal(sel.kind, rows[i].kind);
        char *s = model_selector_to_string(&sel);
        assert_string_equal(s, rows[i].canonical);
        free(s);
        model_selector_destroy(&sel);
    }

    struct model_selector sel;
    char *error = model_selector_parse(model, "web:80", false, &sel);
    assert_string_equal(error, "\"web:80\": ports belong to a dst, not here");
    free(error);
    model_destroy(model);
}

static void
test_selector_matches(void **state)
{
    static const struct {
        const char *text;
        bool web, db;
    } rows[] = {
        { "*", true, true },
        { "web", true, false },
        { "tag:front", true, false },
        { "fronts", true, false },
        { "db-?", false, true },
        { "10.0.0.0/24", true, true },
        { "10.0.0.5", true, false },
        { "10.0.0.0/30", false, false },
        { "internet", false, false },
        { "node:n1", false, false },
        { "vectors", false, true },
        { "vectors:81", false, true },
        { "vectors:80", false, false },
    };

    struct model *model = sample_model();
    const struct model_container *web = model_get_container(model, "web");
    const struct model_container *db = model_get_container(model, "db-1");
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct model_selector sel;
        assert_null(model_selector_parse(model, rows[i].text, true, &sel));
        assert_int_equal(model_selector_matches(model, &sel, web),
                         rows[i].web);
        assert_int_equal(model_selector_matches(model, &sel, db), rows[i].db);
        model_selector_destroy(&sel);
    }
    model_destroy(model);
}

/* The only key of kind 'kind' in which sample_model() and 'b' differ. */
static void
assert_differs(struct model *b, enum model_kind kind, const char *key)
{
    struct model *a = sample_model();
    struct model_changes changes;

    model_changes_init(&changes);
    assert_true(model_changes_is_empty(&changes));
    model_diff(a, b, &changes);
    for (size_t i = 0; i < MODEL_N_KINDS; i++) {
        assert_int_equal(sset_count(&changes.keys[i]), i == kind);
    }
    if (kind < MODEL_N_KINDS) {
        assert_true(sset_contains(&changes.keys[kind], key));
        model_changes_clear(&changes);
    }
    assert_true(model_changes_is_empty(&changes));
    model_changes_destroy(&changes);
    model_destroy(a);
    model_destroy(b);
}

static void
test_diff(void **state)
{
    struct model *b = sample_model();
    assert_differs(b, MODEL_N_KINDS, NULL);

    b = sample_model();
    b->mesh.listen_port = 1;
    assert_differs(b, MODEL_MESH, "");

    b = sample_model();
    model_remove(b, MODEL_CONTAINER, "web");
    assert_differs(b, MODEL_CONTAINER, "web");

    b = sample_model();
    add_container(b, "new", "10.0.0.9/24", NULL);
    assert_differs(b, MODEL_CONTAINER, "new");

    b = sample_model();
    add_container(b, "db-1", "10.0.0.7/24", NULL);
    assert_differs(b, MODEL_CONTAINER, "db-1");

    b = sample_model();
    struct model_container *c = shash_find_data(&b->containers, "web");
    c->quarantined = true;
    assert_differs(b, MODEL_CONTAINER, "web");

    b = sample_model();
    add_acl(b, "a", "fronts", "db-1:80,444");
    assert_differs(b, MODEL_ACL, "a");

    b = sample_model();
    struct model_node *node = shash_find_data(&b->nodes, "n1");
    node->loc.line++;
    assert_differs(b, MODEL_NODE, "n1");

    /* The order of what has none does not count. */
    b = sample_model();
    node = shash_find_data(&b->nodes, "n1");
    struct sn_prefix tmp = node->subnets[0];
    node->subnets[0] = node->subnets[1];
    node->subnets[1] = tmp;
    tmp = node->gateways[0];
    node->gateways[0] = node->gateways[1];
    node->gateways[1] = tmp;
    assert_differs(b, MODEL_N_KINDS, NULL);

    b = sample_model();
    node = shash_find_data(&b->nodes, "n1");
    node->gateways[1] = prefix("fd00::2");
    assert_differs(b, MODEL_NODE, "n1");
}

static void
assert_address(const struct model *model, const char *node, const char *s)
{
    char *actual = sn_prefix_to_string(&model_get_node(model, node)->address);
    assert_string_equal(actual, s);
    free(actual);
}

static void
test_assign_addresses(void **state)
{
    struct diags diags;
    diags_init(&diags);

    struct model *previous = model_create();
    add_node(previous, "d", 1, "100.64.0.9");
    add_node(previous, "e", 2, "100.64.0.2");
    add_node(previous, "f", 3, "10.9.9.9");     /* Of another prefix. */

    struct model *model = model_create();
    add_node(model, "b", 20, NULL);
    add_node(model, "a", 30, NULL);
    add_node(model, "c", 10, "100.64.0.2");     /* Takes e's. */
    add_node(model, "d", 40, NULL);
    add_node(model, "e", 50, NULL);
    add_node(model, "f", 60, NULL);
    model_assign_addresses(model, previous, &diags);
    assert_address(model, "b", "100.64.0.1/32");
    assert_address(model, "a", "100.64.0.3/32");
    assert_address(model, "c", "100.64.0.2/32");
    assert_address(model, "d", "100.64.0.9/32");
    assert_address(model, "e", "100.64.0.4/32");
    assert_address(model, "f", "100.64.0.5/32");
    assert_int_equal(diags.n_errors, 0);
    model_destroy(model);
    model_destroy(previous);

    /* A prefix with room for two. */
    model = model_create();
    model->mesh.prefix = prefix("100.64.0.0/30");
    add_node(model, "a", 1, NULL);
    add_node(model, "b", 2, NULL);
    add_node(model, "c", 3, NULL);
    model_assign_addresses(model, NULL, &diags);
    assert_address(model, "b", "100.64.0.2/32");
    assert_int_equal(diags.n_errors, 1);
    model_destroy(model);
    diags_destroy(&diags);
}

static void
test_has_port(void **state)
{
    static const struct {
        const char *selector;
        uint16_t port;
        bool has;
    } rows[] = {
        { "web", 1, true },
        { "web:80", 80, true },
        { "web:80", 81, false },
        { "web:80,8000-8010", 8000, true },
        { "web:80,8000-8010", 8010, true },
        { "web:80,8000-8010", 7999, false },
        { "web:80,8000-8010", 8011, false },
    };
    struct model *model = model_create();

    add_container(model, "web", "10.0.0.5/24", NULL);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct model_selector sel;

        assert_null(model_selector_parse(model, rows[i].selector, true,
                                         &sel));
        assert_int_equal(model_selector_has_port(&sel, rows[i].port),
                         rows[i].has);
        model_selector_destroy(&sel);
    }
    model_destroy(model);
}

static void
test_is_on_link(void **state)
{
    static const struct {
        const char *own, *address;
        bool on_link;
    } rows[] = {
        { "10.0.0.5/24", "10.0.0.6", true },
        { "10.0.0.5/24", "10.0.1.6", false },
        { "10.0.0.5/32", "10.0.0.6", false },
        { "10.0.0.5/24", "fd00::6", false },
        { "fd00::5/64", "fd00::6", true },
        { "fd00::5/64", "fd00:1::6", false },
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct model *model = model_create();
        struct model_container *c = add_container(model, "web", rows[i].own,
                                                  NULL);
        struct sn_prefix address = prefix(rows[i].address);

        assert_int_equal(model_container_is_on_link(c, &address),
                         rows[i].on_link);
        model_destroy(model);
    }
}

static void
test_mesh(void **state)
{
    struct model *model = model_create();
    assert_string_equal(model->mesh.interface, "nm-privacy");

    struct model_mesh *mesh = model_object_create(MODEL_MESH);
    mesh->listen_port = 7;
    model_put(model, MODEL_MESH, "", mesh);
    assert_int_equal(model->mesh.listen_port, 7);
    model_remove(model, MODEL_MESH, "");
    assert_int_equal(model->mesh.listen_port, 51821);
    model_remove(model, MODEL_ACL, "none");
    model_destroy(model);
    model_destroy(NULL);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_selector),
        cmocka_unit_test(test_selector_matches),
        cmocka_unit_test(test_diff),
        cmocka_unit_test(test_assign_addresses),
        cmocka_unit_test(test_has_port),
        cmocka_unit_test(test_is_on_link),
        cmocka_unit_test(test_mesh),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
