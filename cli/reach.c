#include <config.h>

#include "cli/reach.h"

#include <inttypes.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include "cli/cause.h"
#include "cli/classes.h"
#include "cli/fabric.h"
#include "cli/probes.h"
#include "flows/compiler.h"
#include "flows/explain.h"
#include "openvswitch/shash.h"
#include "sset.h"
#include "state/model.h"
#include "svec.h"
#include "util.h"

/* One of the two states. */
struct side {
    struct model *model;
    struct fabric *fabric;
    struct explainer *explainer;
};

struct comparison {
    struct side old, new;
    struct probe_ports ports;
    struct classes classes;
    struct reach_diffs *diffs;
};

/* What became of the packets of one pair, in one state. */
struct verdict {
    char *what;                 /* "tcp/6333". */
    uint8_t ip_proto;
    bool is_v4;
    uint16_t port;
    bool arrives;
    char *end;
    char *exit;                 /* NULL: not by an exit. */
    uint64_t cookie;            /* Of the flow that decided; 0: none. */
};

static void
verdict_free(void *verdict_)
{
    struct verdict *verdict = verdict_;

    if (verdict) {
        free(verdict->what);
        free(verdict->end);
        free(verdict->exit);
        free(verdict);
    }
}

static struct verdict *
judge(struct comparison *c, const struct side *side,
      const struct probe *probe)
{
    struct verdict *v = xzalloc(sizeof *v);
    struct fabric_way way;

    fabric_send(side->fabric, &probe->packet, &way);
    c->diffs->n_walks++;
    v->ip_proto = probe->packet.ip_proto;
    v->is_v4 = probe->packet.dst_address.is_v4;
    v->port = probe->packet.port;
    v->arrives = probe_has_arrived(probe, &way);
    v->end = fabric_way_to_string(&way);
    v->exit = way.end == FABRIC_EXIT ? xstrdup(way.name) : NULL;
    v->cookie = way.decided ? way.decided->cookie : 0;
    fabric_way_uninit(&way);
    return v;
}

static bool
make_probes(struct comparison *c, const struct side *side, const char *src,
            const char *dst, struct probes *probes)
{
    struct model_selector s, d;
    char *error = model_selector_parse(side->model, src, false, &s);

    if (error) {
        free(error);            /* Not in this state. */
        return false;
    }
    error = model_selector_parse(side->model, dst, true, &d);
    if (!error) {
        probes_make(side->fabric, &s, &d, 0, &c->ports, probes);
        model_selector_destroy(&d);
    }
    model_selector_destroy(&s);
    bool ok = !error;
    free(error);
    return ok;
}

/* Key: what it is, so that the same packets of both states meet. */
static void
judge_pair(struct comparison *c, const struct side *side, const char *src,
           const char *dst, struct shash *verdicts)
{
    struct probes probes;

    if (!make_probes(c, side, src, dst, &probes)) {
        return;
    }
    for (size_t i = 0; i < probes.n; i++) {
        const struct probe *probe = &probes.items[i];
        char *key = xasprintf("%d %3u %5"PRIu16,
                              !probe->packet.dst_address.is_v4,
                              probe->packet.ip_proto, probe->packet.port);

        if (!shash_find(verdicts, key)) {
            shash_add(verdicts, key, judge(c, side, probe));
        }
        free(key);
    }
    probes_destroy(&probes);
}

static bool
find_change(const struct verdict *was, const struct verdict *is,
            enum reach_change *change)
{
    bool before = was && was->arrives, after = is && is->arrives;

    if (before != after) {
        *change = after ? REACH_ALLOWED : REACH_DENIED;
        return true;
    }
    *change = REACH_EXIT;
    return (after && was->exit && is->exit && strcmp(was->exit, is->exit));
}

static char *
explain(const struct comparison *c, const struct verdict *is)
{
    struct cause cause;

    if (!is || !is->cookie) {
        return NULL;
    }
    cause_find(c->new.explainer, is->cookie, &cause);
    char *text = xstrdup(cause.text);
    cause_destroy(&cause);
    return text;
}

/* "tcp/80", "udp/1-65535", "ping (IPv6)": of the ports from 'first' to before
 * 'end'. */
static char *
describe(const struct verdict *v, uint16_t first, uint32_t end)
{
    const char *family = v->is_v4 ? "" : " (IPv6)";
    const char *name = v->ip_proto == IPPROTO_TCP ? "tcp"
                       : v->ip_proto == IPPROTO_UDP ? "udp" : NULL;

    if (v->ip_proto == IPPROTO_ICMP || v->ip_proto == IPPROTO_ICMPV6) {
        return xasprintf("ping%s", family);
    } else if (!name) {
        return xasprintf("protocol %u/%"PRIu16"%s", v->ip_proto, first,
                         family);
    }
    return end - first <= 1 ? xasprintf("%s/%"PRIu16"%s", name, first, family)
           : xasprintf("%s/%"PRIu16"-%"PRIu32"%s", name, first, end - 1,
                       family);
}

/* Where the range of 'port' ends. */
static uint32_t
range_end(const struct comparison *c, uint16_t port)
{
    for (size_t i = 0; i < c->ports.n; i++) {
        if (c->ports.ports[i] > port) {
            return c->ports.ports[i];
        }
    }
    return UINT16_MAX + 1;
}

/* The changes of one pair, adjacent ranges of ports as one. */
struct run {
    struct reach_diff diff;
    const struct verdict *first;
    uint32_t end;
    bool open;
};

static void
run_close(struct comparison *c, struct run *run)
{
    struct reach_diffs *diffs = c->diffs;

    if (run->open) {
        run->diff.what = describe(run->first, run->first->port, run->end);
        if (diffs->n >= diffs->allocated) {
            diffs->items = x2nrealloc(diffs->items, &diffs->allocated,
                                      sizeof *diffs->items);
        }
        diffs->items[diffs->n++] = run->diff;
        run->open = false;
    }
}

static bool
run_goes_on(const struct run *run, enum reach_change change,
            const struct verdict *v, const char *was, const char *is,
            const char *decided_by)
{
    return (run->open && run->diff.change == change
            && run->first->ip_proto == v->ip_proto
            && run->first->is_v4 == v->is_v4 && run->end == v->port
            && !strcmp(run->diff.was, was) && !strcmp(run->diff.is, is)
            && nullable_string_is_equal(run->diff.decided_by, decided_by));
}

static void
compare_verdicts(struct comparison *c, const struct svec *srcs,
                 const char *src, const struct svec *dsts, const char *dst,
                 const struct shash *old, const struct shash *new)
{
    struct sset keys = SSET_INITIALIZER(&keys);
    struct run run = { .open = false };
    const struct shash_node *item;

    SHASH_FOR_EACH (item, old) {
        sset_add(&keys, item->name);
    }
    SHASH_FOR_EACH (item, new) {
        sset_add(&keys, item->name);
    }
    const char **sorted = sset_sort(&keys);
    for (size_t i = 0; i < sset_count(&keys); i++) {
        const struct verdict *was = shash_find_data(old, sorted[i]);
        const struct verdict *is = shash_find_data(new, sorted[i]);
        const struct verdict *v = is ? is : was;
        const char *before = was ? was->end : "not there";
        const char *after = is ? is->end : "not there";
        enum reach_change change;

        if (!find_change(was, is, &change)) {
            run_close(c, &run);
            continue;
        }
        char *decided_by = explain(c, is);
        if (run_goes_on(&run, change, v, before, after, decided_by)) {
            free(decided_by);
        } else {
            run_close(c, &run);
            run = (struct run) {
                .diff = {
                    .change = change, .src = xstrdup(src),
                    .dst = xstrdup(dst), .n_src = srcs ? srcs->n : 1,
                    .n_dst = dsts ? dsts->n : 1, .was = xstrdup(before),
                    .is = xstrdup(after), .decided_by = decided_by,
                },
                .first = v, .open = true,
            };
        }
        run.end = range_end(c, v->port);
    }
    run_close(c, &run);
    free(sorted);
    sset_destroy(&keys);
}

static void
compare_pair(struct comparison *c, const struct svec *srcs, const char *src,
             const struct svec *dsts, const char *dst)
{
    struct shash old = SHASH_INITIALIZER(&old);
    struct shash new = SHASH_INITIALIZER(&new);
    struct shash_node *item;

    judge_pair(c, &c->old, src, dst, &old);
    judge_pair(c, &c->new, src, dst, &new);
    compare_verdicts(c, srcs, src, dsts, dst, &old, &new);
    SHASH_FOR_EACH (item, &old) {
        verdict_free(item->data);
    }
    SHASH_FOR_EACH (item, &new) {
        verdict_free(item->data);
    }
    shash_destroy(&old);
    shash_destroy(&new);
}

/* What else than a container can be reached. */
static void
find_others(const struct comparison *c, struct sset *others)
{
    const struct model *models[] = { c->old.model, c->new.model };
    const struct shash_node *item;

    sset_add(others, "internet");
    for (size_t i = 0; i < ARRAY_SIZE(models); i++) {
        SHASH_FOR_EACH (item, &models[i]->nodes) {
            sset_add_and_free(others, xasprintf("node:%s", item->name));
        }
        SHASH_FOR_EACH (item, &models[i]->services) {
            sset_add(others, item->name);
        }
    }
}

static void
compare_class(struct comparison *c, const struct svec *srcs,
              const char *const *others, size_t n_others)
{
    const char *src = srcs->names[0];

    for (size_t i = 0; i < c->classes.n; i++) {
        const struct svec *dsts = &c->classes.items[i];

        if (dsts != srcs) {
            compare_pair(c, srcs, src, dsts, dsts->names[0]);
        } else if (dsts->n > 1) {
            compare_pair(c, srcs, src, dsts, dsts->names[1]);
        }
    }
    for (size_t i = 0; i < n_others; i++) {
        compare_pair(c, srcs, src, NULL, others[i]);
    }
}

static void
compare_all(struct comparison *c)
{
    struct sset others = SSET_INITIALIZER(&others);

    find_others(c, &others);
    const char **names = sset_sort(&others);
    for (size_t i = 0; i < c->classes.n; i++) {
        compare_class(c, &c->classes.items[i], names, sset_count(&others));
    }
    for (size_t i = 0; i < sset_count(&others); i++) {
        for (size_t j = 0;
             !strncmp(names[i], "node:", 5) && j < c->classes.n; j++) {
            const struct svec *dsts = &c->classes.items[j];
            compare_pair(c, NULL, names[i], dsts, dsts->names[0]);
        }
    }
    free(names);
    sset_destroy(&others);
}

/* The ports at which either state makes a difference. */
static void
join_ports(struct comparison *c)
{
    uint16_t *a, *b;
    size_t n_a = fabric_get_ports(c->old.fabric, &a);
    size_t n_b = fabric_get_ports(c->new.fabric, &b);
    size_t i = 0, j = 0;

    c->ports.ports = xmalloc((n_a + n_b + 1) * sizeof *c->ports.ports);
    c->ports.n = 0;
    while (i < n_a || j < n_b) {
        uint16_t next = j >= n_b || (i < n_a && a[i] <= b[j]) ? a[i] : b[j];

        i += i < n_a && a[i] == next;
        j += j < n_b && b[j] == next;
        c->ports.ports[c->ports.n++] = next;
    }
    free(a);
    free(b);
}

static void
side_init(struct side *side, struct model *model)
{
    side->model = model;
    side->fabric = fabric_create(model);
    side->explainer = explainer_create(model);
}

static void
side_uninit(struct side *side)
{
    fabric_destroy(side->fabric);
    explainer_destroy(side->explainer);
}

void
reach_compare(struct model *old, struct model *new, struct reach_diffs *diffs)
{
    const struct model *const models[] = { old, new };
    struct comparison c = { .diffs = diffs };

    *diffs = (struct reach_diffs) { .n = 0 };
    side_init(&c.old, old);
    side_init(&c.new, new);
    classes_find(&c.classes, models, ARRAY_SIZE(models));
    join_ports(&c);
    compare_all(&c);
    classes_destroy(&c.classes);
    free(c.ports.ports);
    side_uninit(&c.old);
    side_uninit(&c.new);
}

void
reach_diffs_destroy(struct reach_diffs *diffs)
{
    for (size_t i = 0; i < diffs->n; i++) {
        struct reach_diff *diff = &diffs->items[i];

        free(diff->src);
        free(diff->dst);
        free(diff->what);
        free(diff->was);
        free(diff->is);
        free(diff->decided_by);
    }
    free(diffs->items);
}
