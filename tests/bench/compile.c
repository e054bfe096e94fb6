#include <config.h>

/* compile [CONTAINERS [RULES [NODES]]]: the flow compiler alone, no switch.
 * Prints flows and times of a full compile and of single changes. */

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include "flow.h"
#include "flows/compiler.h"
#include "flows/explain.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/util.h"
#include "tests/unit/flow-model.h"
#include "util.h"

#define N_TAGS 20
#define N_CHANGES 201

struct bench {
    struct model *model;
    struct flow_ports *ports;
    struct compiler *compiler;
    int n_containers, n_rules, n_nodes;
    bool dual_stack;
};

static double
now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1e6 + t.tv_nsec / 1e3;
}

/* Containers go round robin over the nodes; each has one tag of its own group
 * and every seventh another. */
static void
put_container(struct bench *b, int i, const char *more_tags)
{
    int node = i % b->n_nodes, host = 10 + i / b->n_nodes;
    char *name = xasprintf("c%d", i), *id = xasprintf("%d", 1000 + i);
    char *node_name = xasprintf("n%d", node);
    char *v4 = xasprintf("10.%d.%d.%d/16", node, host >> 8, host & 255);
    char *addresses = b->dual_stack
                      ? xasprintf("%s fd00:%x::%x/64", v4, node, host)
                      : xstrdup(v4);
    char *tags = xasprintf("t%d%s %s", i % N_TAGS, i % 7 ? "" : " seventh",
                           more_tags);

    fm_container(b->model, name, id, node_name, addresses, tags,
                 node || i % 3 ? "" : "n0/warp");
    free(name);
    free(id);
    free(node_name);
    free(v4);
    free(addresses);
    free(tags);
}

/* Most rules from a tag to a tag's port, as people write them; some wide. */
static void
put_rule(struct bench *b, int i)
{
    char *name = xasprintf("r%d", i);
    char *src = xasprintf("tag:t%d", i % N_TAGS);
    char *dst = xasprintf("tag:t%d:%d", (i * 7 + i / N_TAGS) % N_TAGS,
                          1000 + i);

    fm_acl(b->model, name, TIER_ACLS, i % 10 ? ACTION_ACCEPT : ACTION_DENY,
           i % 25 ? src : "*", i % 40 ? dst : "tag:seventh tag:t1:80,443",
           IPPROTO_TCP);
    free(name);
    free(src);
    free(dst);
}

static void
setup(struct bench *b)
{
    b->model = model_create();
    for (int i = 0; i < b->n_nodes; i++) {
        char *name = xasprintf("n%d", i);
        char *subnets = xasprintf("10.%d.0.0/16 fd00:%x::/64", i, i);
        char *address = xasprintf("100.64.0.%d", i + 1);
        fm_node(b->model, name, subnets, address, "");
        free(name);
        free(subnets);
        free(address);
    }
    fm_exit(b->model, "n0", "warp", "warp0", true);
    for (int i = 0; i < b->n_containers; i++) {
        put_container(b, i, "");
    }
    for (int i = 0; i < b->n_rules; i++) {
        put_rule(b, i);
    }
    b->ports = fm_ports(b->model, "n0");
    b->compiler = compiler_create("n0");
}

static size_t
take_delta(struct bench *b)
{
    struct flow_set added, removed;

    flow_set_init(&added);
    flow_set_init(&removed);
    compiler_take_delta(b->compiler, &added, &removed);
    size_t n = hmap_count(&added.flows) + hmap_count(&removed.flows);
    flow_set_destroy(&added);
    flow_set_destroy(&removed);
    return n;
}

static int
compare_doubles(const void *a_, const void *b_)
{
    const double *a = a_;
    const double *b = b_;
    return *a < *b ? -1 : *a > *b;
}

/* Makes change number 'i'; odd ones undo even ones. */
typedef void change_func(struct bench *, int i, struct model_changes *,
                         struct sset *ports);

static void
measure(struct bench *b, const char *what, change_func *change)
{
    static double times[N_CHANGES];
    size_t flows = 0, max_flows = 0;

    for (int i = 0; i < N_CHANGES; i++) {
        struct model_changes changes;
        struct sset ports = SSET_INITIALIZER(&ports);

        model_changes_init(&changes);
        change(b, i, &changes, &ports);
        double start = now_us();
        compiler_run(b->compiler, b->model, b->ports, &changes, &ports);
        size_t n = take_delta(b);
        times[i] = now_us() - start;
        flows += n;
        max_flows = MAX(max_flows, n);
        model_changes_destroy(&changes);
        sset_destroy(&ports);
    }
    qsort(times, N_CHANGES, sizeof *times, compare_doubles);
    printf("  %-34s %8.0f us median %8.0f p99   %6.1f flows (max %zu)\n",
           what, times[N_CHANGES / 2], times[N_CHANGES * 99 / 100],
           (double) flows / N_CHANGES, max_flows);
}

static void
change_plug(struct bench *b, int i, struct model_changes *changes OVS_UNUSED,
            struct sset *ports)
{
    int c = i / 2 * b->n_nodes % b->n_containers;
    char *veth = xasprintf("veth%d", 1000 + c);

    if (i % 2) {
        flow_ports_put(b->ports, veth, u16_to_ofp(10000 + i), fm_mac(i));
    } else {
        flow_ports_remove(b->ports, veth);
    }
    sset_add_and_free(ports, veth);
}

static void
change_tag(struct bench *b, int i, struct model_changes *changes,
           struct sset *ports OVS_UNUSED)
{
    int c = i / 2 * 3 % b->n_containers;
    char *name = xasprintf("c%d", c);

    put_container(b, c, i % 2 ? "" : "t3");
    model_changes_add(changes, MODEL_CONTAINER, name);
    free(name);
}

/* A tag that no rule names. */
static void
change_idle_tag(struct bench *b, int i, struct model_changes *changes,
                struct sset *ports OVS_UNUSED)
{
    int c = i / 2 % b->n_containers;
    char *name = xasprintf("c%d", c);

    put_container(b, c, i % 2 ? "" : "idle");
    model_changes_add(changes, MODEL_CONTAINER, name);
    free(name);
}

static void
change_container(struct bench *b, int i, struct model_changes *changes,
                 struct sset *ports OVS_UNUSED)
{
    int c = i / 2 % b->n_containers;
    char *name = xasprintf("c%d", c);

    if (i % 2) {
        put_container(b, c, "");
    } else {
        model_remove(b->model, MODEL_CONTAINER, name);
    }
    model_changes_add(changes, MODEL_CONTAINER, name);
    free(name);
}

static void
change_rule(struct bench *b, int i, struct model_changes *changes,
            struct sset *ports OVS_UNUSED)
{
    int r = i / 2 % MAX(b->n_rules, 1);
    char *name = xasprintf("r%d", r);

    if (i % 2) {
        put_rule(b, r);
    } else {
        model_remove(b->model, MODEL_ACL, name);
    }
    model_changes_add(changes, MODEL_ACL, name);
    free(name);
}

static void
change_wide_rule(struct bench *b, int i, struct model_changes *changes,
                 struct sset *ports OVS_UNUSED)
{
    fm_acl(b->model, "wide", TIER_ACLS, i % 2 ? ACTION_DENY : ACTION_ACCEPT,
           "c*", "tag:seventh", IPPROTO_TCP);
    model_changes_add(changes, MODEL_ACL, "wide");
}

static void
change_exit(struct bench *b, int i, struct model_changes *changes,
            struct sset *ports OVS_UNUSED)
{
    fm_exit(b->model, "n0", "warp", "warp0", i % 2);
    model_changes_add(changes, MODEL_EXIT, "n0/warp");
}

static void
change_node(struct bench *b, int i, struct model_changes *changes,
            struct sset *ports OVS_UNUSED)
{
    if (i % 2) {
        model_remove(b->model, MODEL_NODE, "new");
    } else {
        fm_node(b->model, "new", "10.250.0.0/16", "100.64.0.250", "");
    }
    model_changes_add(changes, MODEL_NODE, "new");
}

static void
full_compile(struct bench *b)
{
    double best = 1e12, start;

    for (int i = 0; i < 5; i++) {
        compiler_destroy(b->compiler);
        b->compiler = compiler_create("n0");
        start = now_us();
        compiler_run(b->compiler, b->model, b->ports, NULL, NULL);
        best = MIN(best, now_us() - start);
    }
    size_t n = hmap_count(&compiler_flows(b->compiler)->flows);
    size_t local = DIV_ROUND_UP(b->n_containers, b->n_nodes);
    printf("  full compile: %zu flows, %.1f per local container, "
           "%.1f ms (%.2f us per flow)\n",
           n, (double) n / local, best / 1e3, best / n);
    take_delta(b);

    start = now_us();
    explainer_destroy(explainer_create(b->model));
    printf("  index for explain: %.1f ms\n", (now_us() - start) / 1e3);
}

static void
run(int n_containers, int n_rules, int n_nodes, bool dual_stack)
{
    struct bench b = {
        .n_containers = n_containers,
        .n_rules = n_rules,
        .n_nodes = n_nodes,
        .dual_stack = dual_stack,
    };
    struct rusage usage;

    setup(&b);
    printf("%d containers on %d nodes, %s, %d rules:\n", n_containers,
           n_nodes, dual_stack ? "dual stack" : "IPv4", n_rules);
    full_compile(&b);
    measure(&b, "container unplugged / plugged", change_plug);
    measure(&b, "tag joined / left", change_tag);
    measure(&b, "tag of no rule joined / left", change_idle_tag);
    measure(&b, "container removed / added", change_container);
    measure(&b, "rule withdrawn / added", change_rule);
    measure(&b, "rule over all members flipped", change_wide_rule);
    measure(&b, "exit disabled / enabled", change_exit);
    measure(&b, "node added / removed", change_node);
    getrusage(RUSAGE_SELF, &usage);
    printf("  peak RSS so far: %ld MB\n", usage.ru_maxrss / 1024);
    compiler_destroy(b.compiler);
    flow_ports_destroy(b.ports);
    model_destroy(b.model);
}

int
main(int argc, char *argv[])
{
    int n_containers = argc > 1 ? atoi(argv[1]) : 1000;
    int n_rules = argc > 2 ? atoi(argv[2]) : 200;
    int n_nodes = argc > 3 ? atoi(argv[3]) : 20;

    run(n_containers, n_rules, 1, false);
    run(n_containers, n_rules, 1, true);
    run(n_containers, n_rules, n_nodes, true);
    return 0;
}
