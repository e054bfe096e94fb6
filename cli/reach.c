#include <config.h>

#include "cli/reach.h"

#include <inttypes.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include "cli/affected.h"
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
    struct shash ends;          /* struct probe_ends, by name: one each. */
};

struct comparison {
    struct side old, new;
    struct classes classes;
    struct affected *affected;
    struct reach_diffs *diffs;
};

/* What became of a packet, in one state. */
struct fate {
    bool arrives;
    char *end;                  /* NULL: there is no such pair. */
    char *exit;                 /* NULL: not by an exit. */
    uint64_t cookie;            /* Of the flow that decided; 0: none. */
    uint32_t next;              /* Up to before that port, it is the same. */
};

static void
fate_uninit(struct fate *fate)
{
    free(fate->end);
    free(fate->exit);
}

/* Packets of one protocol and family between two. */
struct lane {
    bool is_v4;
    uint8_t ip_proto;
    bool has_ports;             /* All of them, else 'port' alone. */
    uint16_t port;
};

/* NULL: not in this state. */
static const struct probe_end *
find_end(struct side *side, const char *name)
{
    struct probe_ends *ends = shash_find_data(&side->ends, name);

    if (!ends) {
        struct model_selector sel;
        char *error = model_selector_parse(side->model, name, true, &sel);

        ends = xzalloc(sizeof *ends);
        if (!error) {
            probe_ends_find(side->model, &sel, ends);
            model_selector_destroy(&sel);
        }
        free(error);
        shash_add(&side->ends, name, ends);
    }
    return ends->n ? &ends->items[0] : NULL;
}

/* Its first address of a family, or NULL. */
static const struct sn_prefix *
end_address(const struct probe_end *end, bool is_v4)
{
    for (size_t i = 0; i < end->n_addresses; i++) {
        if (end->addresses[i].is_v4 == is_v4) {
            return &end->addresses[i];
        }
    }
    return NULL;
}

/* False: there is no such pair. */
static bool
make_probe(const struct probe_end *src, const struct probe_end *dst,
           const struct lane *lane, struct probe *probe)
{
    const struct sn_prefix *from = end_address(src, lane->is_v4);
    const struct sn_prefix *to = end_address(dst, lane->is_v4);

    if (!from || !to || (src->container && src->container == dst->container)
        || (dst->service && (dst->service->ip_proto != lane->ip_proto
                             || dst->service->port != lane->port))) {
        return false;
    }
    *probe = (struct probe) {
        .packet = {
            .src = src->container, .src_node = src->node,
            .src_address = *from, .dst_address = *to,
            .ip_proto = lane->ip_proto, .port = lane->port,
        },
        .src = src->name, .dst = dst->name,
        .dst_container = dst->container,
        .to_service = dst->service != NULL,
    };
    return true;
}

/* Of a service, with each backend in turn: the first that is not reached
 * tells. */
static void
judge(struct comparison *c, const struct side *side,
      const struct probe_end *src, const struct probe_end *dst,
      const struct lane *lane, struct fate *fate)
{
    size_t n_buckets = 1;
    struct probe probe;

    *fate = (struct fate) { .next = UINT16_MAX + 1 };
    if (!src || !dst || !make_probe(src, dst, lane, &probe)) {
        return;
    }
    for (size_t i = 0; i < n_buckets && (!i || fate->arrives); i++) {
        struct fabric_way way;

        probe.packet.bucket = i;
        fabric_send(side->fabric, &probe.packet, &way);
        c->diffs->n_walks++;
        n_buckets = MAX(n_buckets, way.n_buckets);
        fate_uninit(fate);
        fate->arrives = probe_has_arrived(&probe, &way);
        fate->end = n_buckets > 1 && fate->arrives
                    ? xstrdup("delivered to a backend")
                    : fabric_way_to_string(&way);
        fate->exit = way.end == FABRIC_EXIT ? xstrdup(way.name) : NULL;
        fate->cookie = way.decided ? way.decided->cookie : 0;
        fate->next = fabric_next_port(side->fabric, &way, lane->ip_proto,
                                      lane->port);
        fabric_way_uninit(&way);
    }
}

static bool
find_change(const struct fate *was, const struct fate *is,
            enum reach_change *change)
{
    if (was->arrives != is->arrives) {
        *change = is->arrives ? REACH_ALLOWED : REACH_DENIED;
        return true;
    }
    *change = REACH_EXIT;
    return is->arrives && was->exit && is->exit && strcmp(was->exit, is->exit);
}

static char *
explain(const struct comparison *c, uint64_t cookie)
{
    struct cause cause;

    if (!cookie) {
        return NULL;
    }
    cause_find(c->new.explainer, cookie, &cause);
    char *text = xstrdup(cause.text);
    cause_destroy(&cause);
    return text;
}

/* "tcp/80", "udp/1-65535", "ping (IPv6)": of the ports from 'first' to before
 * 'end'. */
static char *
describe(const struct lane *lane, uint16_t first, uint32_t end)
{
    const char *family = lane->is_v4 ? "" : " (IPv6)";
    const char *name = lane->ip_proto == IPPROTO_TCP ? "tcp"
                       : lane->ip_proto == IPPROTO_UDP ? "udp" : NULL;

    if (lane->ip_proto == IPPROTO_ICMP || lane->ip_proto == IPPROTO_ICMPV6) {
        return xasprintf("ping%s", family);
    } else if (!name) {
        return xasprintf("protocol %u/%"PRIu16"%s", lane->ip_proto, first,
                         family);
    }
    return end - first <= 1 ? xasprintf("%s/%"PRIu16"%s", name, first, family)
           : xasprintf("%s/%"PRIu16"-%"PRIu32"%s", name, first, end - 1,
                       family);
}

/* Two that stand for all like them. */
struct pair {
    const char *src, *dst;
    const struct svec *srcs, *dsts;     /* Those, or NULL: none. */
};

/* The one that was tried comes first. */
static void
put_names(struct svec *names, const char *first, const struct svec *all)
{
    svec_init(names);
    svec_add(names, first);
    for (size_t i = 0; all && i < all->n; i++) {
        if (strcmp(all->names[i], first)) {
            svec_add(names, all->names[i]);
        }
    }
}

/* The changes of a lane, adjacent ranges of ports as one. */
struct run {
    struct reach_diff diff;
    uint16_t first;
    bool open;
};

static void
run_close(struct comparison *c, const struct lane *lane, uint32_t end,
          struct run *run)
{
    struct reach_diffs *diffs = c->diffs;

    if (run->open) {
        run->diff.what = describe(lane, run->first, end);
        if (diffs->n >= diffs->allocated) {
            diffs->items = x2nrealloc(diffs->items, &diffs->allocated,
                                      sizeof *diffs->items);
        }
        diffs->items[diffs->n++] = run->diff;
        run->open = false;
    }
}

static bool
run_goes_on(const struct run *run, enum reach_change change, const char *was,
            const char *is, const char *decided_by)
{
    return (run->open && run->diff.change == change
            && !strcmp(run->diff.was, was) && !strcmp(run->diff.is, is)
            && nullable_string_is_equal(run->diff.decided_by, decided_by));
}

/* What the ports from 'first' on meet; up to before it, 'run' is known. */
static void
compare_fates(struct comparison *c, const struct pair *pair,
              const struct lane *lane, uint16_t first, const struct fate *was,
              const struct fate *is, struct run *run)
{
    const char *before = was->end ? was->end : "not there";
    const char *after = is->end ? is->end : "not there";
    enum reach_change change;

    if (!find_change(was, is, &change)) {
        run_close(c, lane, first, run);
        return;
    }
    char *decided_by = is->end ? explain(c, is->cookie) : NULL;
    if (run_goes_on(run, change, before, after, decided_by)) {
        free(decided_by);
        return;
    }
    run_close(c, lane, first, run);
    *run = (struct run) {
        .diff = {
            .change = change, .was = xstrdup(before), .is = xstrdup(after),
            .decided_by = decided_by,
        },
        .first = first, .open = true,
    };
    put_names(&run->diff.srcs, pair->src, pair->srcs);
    put_names(&run->diff.dsts, pair->dst, pair->dsts);
}

/* Ports that flows do not tell apart are as one. */
static void
compare_lane(struct comparison *c, const struct pair *pair, struct lane lane)
{
    const struct probe_end *old_src = find_end(&c->old, pair->src);
    const struct probe_end *old_dst = find_end(&c->old, pair->dst);
    const struct probe_end *new_src = find_end(&c->new, pair->src);
    const struct probe_end *new_dst = find_end(&c->new, pair->dst);
    uint32_t end = lane.has_ports ? UINT16_MAX + 1 : lane.port + 1;
    struct run run = { .open = false };

    for (uint32_t port = lane.port; port < end; ) {
        struct fate was, is;

        lane.port = port;
        judge(c, &c->old, old_src, old_dst, &lane, &was);
        judge(c, &c->new, new_src, new_dst, &lane, &is);
        compare_fates(c, pair, &lane, port, &was, &is, &run);
        port = MIN(was.next, is.next);
        fate_uninit(&was);
        fate_uninit(&is);
    }
    run_close(c, &lane, end, &run);
}

static void
compare_services(struct comparison *c, const struct pair *pair, bool is_v4)
{
    const struct probe_end *was = find_end(&c->old, pair->dst);
    const struct probe_end *is = find_end(&c->new, pair->dst);
    struct lane lanes[2];
    size_t n = 0;

    if (was && was->service) {
        lanes[n++] = (struct lane) { .is_v4 = is_v4,
                                     .ip_proto = was->service->ip_proto,
                                     .port = was->service->port };
    }
    if (is && is->service
        && (!n || lanes[0].ip_proto != is->service->ip_proto
            || lanes[0].port != is->service->port)) {
        lanes[n++] = (struct lane) { .is_v4 = is_v4,
                                     .ip_proto = is->service->ip_proto,
                                     .port = is->service->port };
    }
    for (size_t i = 0; i < n; i++) {
        compare_lane(c, pair, lanes[i]);
    }
}

static bool
is_service(const struct comparison *c, const char *name)
{
    return (model_get_service(c->old.model, name)
            || model_get_service(c->new.model, name));
}

static void
compare_pair(struct comparison *c, const struct svec *srcs, const char *src,
             const struct svec *dsts, const char *dst)
{
    const struct pair pair = { src, dst, srcs, dsts };

    if (!affected_has_pair(c->affected, src, dst)) {
        return;
    }

    for (int is_v4 = 1; is_v4 >= 0; is_v4--) {
        const struct lane lanes[] = {
            { is_v4, is_v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6, false, 0 },
            { is_v4, IPPROTO_TCP, true, 1 },
            { is_v4, IPPROTO_UDP, true, 1 },
        };

        if (is_service(c, dst)) {
            compare_services(c, &pair, is_v4);
            continue;
        }
        for (size_t i = 0; i < ARRAY_SIZE(lanes); i++) {
            compare_lane(c, &pair, lanes[i]);
        }
    }
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

static void
side_init(struct side *side, struct model *model)
{
    side->model = model;
    side->fabric = fabric_create(model);
    side->explainer = explainer_create(model);
    shash_init(&side->ends);
}

static void
side_uninit(struct side *side)
{
    struct shash_node *item;

    SHASH_FOR_EACH (item, &side->ends) {
        probe_ends_destroy(item->data);
    }
    shash_destroy_free_data(&side->ends);
    fabric_destroy(side->fabric);
    explainer_destroy(side->explainer);
}

void
reach_compare(struct model *old, struct model *new, struct reach_diffs *diffs)
{
    const struct model *const models[] = { old, new };
    struct comparison c = {
        .diffs = diffs, .affected = affected_create(old, new),
    };

    *diffs = (struct reach_diffs) { .n = 0 };
    side_init(&c.old, old);
    side_init(&c.new, new);
    classes_find(&c.classes, models, ARRAY_SIZE(models));
    compare_all(&c);
    classes_destroy(&c.classes);
    affected_destroy(c.affected);
    side_uninit(&c.old);
    side_uninit(&c.new);
}

void
reach_diffs_destroy(struct reach_diffs *diffs)
{
    for (size_t i = 0; i < diffs->n; i++) {
        struct reach_diff *diff = &diffs->items[i];

        svec_destroy(&diff->srcs);
        svec_destroy(&diff->dsts);
        free(diff->what);
        free(diff->was);
        free(diff->is);
        free(diff->decided_by);
    }
    free(diffs->items);
}
