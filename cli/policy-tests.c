#include <config.h>

#include "cli/policy-tests.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include "cli/cause.h"
#include "cli/fabric.h"
#include "cli/probes.h"
#include "flows/compiler.h"
#include "flows/explain.h"
#include "flows/tables.h"
#include "lib/diag.h"
#include "openvswitch/dynamic-string.h"
#include "state/model.h"
#include "util.h"

/* "NAME" is an exit of the node that the packet is of. */
static bool
left_by(const struct probe *probe, const struct fabric_way *way,
        const char *exit)
{
    const char *node = probe->packet.src ? probe->packet.src->node
                       : probe->packet.src_node;
    char *key = strchr(exit, '/') ? xstrdup(exit)
                : xasprintf("%s/%s", node, exit);
    bool is_it = way->end == FABRIC_EXIT && !strcmp(way->name, key);

    free(key);
    return is_it;
}

static bool
is_as_expected(const struct model_test *test, const struct probe *probe,
               const struct fabric_way *way)
{
    switch (test->expect) {
    case EXPECT_ACCEPT:
        return probe_has_arrived(probe, way);
    case EXPECT_DENY:
        return probe_is_stopped(way);
    case EXPECT_EXIT:
        return left_by(probe, way, test->exit);
    }
    OVS_NOT_REACHED();
}

static const char *
expectation(const struct model_test *test)
{
    return test->expect == EXPECT_ACCEPT ? "accept"
           : test->expect == EXPECT_DENY ? "deny" : "that exit";
}

/* The stages that it passed. */
static char *
way_to_string(const struct fabric_way *way)
{
    struct ds s = DS_EMPTY_INITIALIZER;

    for (size_t i = 0; i < way->n_hops; i++) {
        const struct fabric_hop *hop = &way->hops[i];

        ds_put_format(&s, "%sat %s: ", i ? "; " : "", hop->node);
        for (size_t j = 0; j < hop->walk.n_steps; j++) {
            ds_put_format(&s, "%s%s", j ? ", " : "",
                          sn_table_name(hop->walk.steps[j].table_id));
        }
    }
    return ds_steal_cstr(&s);
}

static void
report(const struct model_test *test, const struct probe *probe,
       const struct fabric_way *way, const struct explainer *explainer,
       struct diags *diags)
{
    char *packet = probe_to_string(probe);
    char *end = fabric_way_to_string(way);
    char *told = way_to_string(way);
    struct cause cause = { .text = NULL };

    if (way->decided) {
        cause_find(explainer, way->decided->cookie, &cause);
    }
    diags_add(diags, DIAG_ERROR, &test->loc, NULL,
              "test failed: expected %s, but %s: %s%s%s", expectation(test),
              packet, end, cause.text ? ", by " : "",
              cause.text ? cause.text : "");
    diags_add(diags, DIAG_NOTE, &test->loc, NULL, "its way: %s", told);
    if (cause.text) {
        cause_destroy(&cause);
    }
    free(told);
    free(end);
    free(packet);
}

/* Every backend of a service in turn.  Whether all is as expected. */
static bool
run_probe(const struct fabric *fabric, const struct model_test *test,
          struct probe *probe, const struct explainer *explainer,
          struct diags *diags)
{
    size_t n_buckets = 1;
    bool ok = true;

    for (size_t i = 0; ok && i < n_buckets; i++) {
        struct fabric_way way;

        probe->packet.bucket = i;
        fabric_send(fabric, &probe->packet, &way);
        n_buckets = MAX(n_buckets, way.n_buckets);
        ok = is_as_expected(test, probe, &way);
        if (!ok) {
            report(test, probe, &way, explainer, diags);
        }
        fabric_way_uninit(&way);
    }
    return ok;
}

static void
run_test(const struct fabric *fabric, const struct model_test *test,
         const struct probe_ports *ports, const struct explainer *explainer,
         struct diags *diags)
{
    struct probes probes;
    /* A port without a protocol is TCP's; nothing of it passes if neither
     * TCP nor UDP does. */
    uint8_t ip_proto
        = (test->ip_proto || !test->dst.n_ports || test->expect == EXPECT_DENY
           ? test->ip_proto : IPPROTO_TCP);
    bool ok = true;

    probes_make(fabric, &test->src, &test->dst, ip_proto, ports,
                &probes);
    for (size_t i = 0; ok && i < probes.n; i++) {
        ok = run_probe(fabric, test, &probes.items[i], explainer, diags);
    }
    if (!probes.n) {
        diags_add(diags, DIAG_WARNING, &test->loc, NULL,
                  "this test tries nothing: \"%s\" and \"%s\" have no packet "
                  "for each other", test->src.text, test->dst.text);
    }
    probes_destroy(&probes);
}

void
policy_tests_run(struct model *model, struct diags *diags)
{
    if (!model->n_tests) {
        return;
    }
    struct fabric *fabric = fabric_create(model);
    struct explainer *explainer = explainer_create(model);
    struct probe_ports ports;

    ports.n = fabric_get_ports(fabric, &ports.ports);
    for (size_t i = 0; i < model->n_tests; i++) {
        run_test(fabric, &model->tests[i], &ports, explainer, diags);
    }
    free(ports.ports);
    explainer_destroy(explainer);
    fabric_destroy(fabric);
}
