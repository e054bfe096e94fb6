#include <config.h>

#include "cli/verify.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "cli/cause.h"
#include "cli/classes.h"
#include "cli/fabric.h"
#include "cli/offline.h"
#include "cli/probes.h"
#include "cli/scratch-switch.h"
#include "flows/compiler.h"
#include "flows/explain.h"
#include "flows/objects.h"
#include "flows/tables.h"
#include "lib/ofproto-trace.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/ofp-port.h"
#include "openvswitch/shash.h"
#include "simap.h"
#include "sset.h"
#include "state/model.h"
#include "util.h"

/* A trace takes less than half a millisecond. */
enum { MAX_PACKETS = 20000 };

/* Hashes that are tried to have a group take a certain bucket. */
enum { MAX_HASHES = 64 };

/* Alike as sources, or as destinations. */
struct end {
    struct svec names;
    bool is_source;
};

/* A packet of one pair that got through, for the others like it. */
struct allowed {
    const struct end *src, *dst;
    struct fabric_packet packet;
    size_t at_src, at_dst;      /* Whose it was. */
};

struct verify {
    struct model *model;
    struct fabric *fabric;
    struct explainer *explainer;
    struct scratch_switch *sw;
    struct simap bridges;       /* By node. */
    struct probe_ports ports;
    struct end *ends;
    size_t n_ends;
    struct allowed *allowed;
    size_t n_allowed, allocated_allowed;
    struct probes denied;       /* Packets that do not get through. */
    struct verify_result *result;
    char *error;                /* The switch failed; ends everything. */
};

/* Comparing. */

static char *
describe_step(const struct verify *v, uint8_t table_id, bool matched,
              uint64_t cookie)
{
    const char *table = sn_table_name(table_id);
    struct cause cause;

    if (!matched) {
        return xasprintf("%s: no flow matches", table ? table : "?");
    }
    cause_find(v->explainer, cookie, &cause);
    char *s = xasprintf("%s: %s", table ? table : "?", cause.text);
    cause_destroy(&cause);
    return s;
}

static char *
describe_ours(const struct verify *v, const struct walk *walk, size_t i)
{
    const struct walk_step *step = &walk->steps[i];

    return i >= walk->n_steps ? xstrdup("its way has ended")
           : describe_step(v, step->table_id, step->flow != NULL,
                           step->flow ? step->flow->cookie : 0);
}

static char *
describe_theirs(const struct verify *v, const struct ofproto_trace *trace,
                size_t i)
{
    const struct ofproto_trace_step *step = &trace->steps[i];

    return i >= trace->n_steps ? xstrdup("its way has ended")
           : describe_step(v, step->table_id, step->matched, step->cookie);
}

static void
put_output(const struct verify *v, const char *node, ofp_port_t port,
           struct ds *s)
{
    ds_put_cstr(s, s->length ? ", " : "leaves by ");
    ofputil_format_port(port,
                        offline_port_map(fabric_offline(v->fabric, node)), s);
}

static char *
describe_outputs(struct ds *s)
{
    if (!s->length) {
        ds_put_cstr(s, "leaves by no port");
    }
    return ds_steal_cstr(s);
}

static bool
same_step(const struct walk_step *ours,
          const struct ofproto_trace_step *theirs)
{
    return (ours->table_id == theirs->table_id
            && (ours->flow != NULL) == theirs->matched
            && (!ours->flow || (ours->flow->priority == theirs->priority
                                && ours->flow->cookie == theirs->cookie)));
}

static bool
same_outputs(const struct walk *walk, const struct ofproto_trace *trace)
{
    const char *action;
    ofp_port_t port;
    size_t i, n = 0;

    SVEC_FOR_EACH (i, action, &trace->actions) {
        if (scratch_switch_parse_output(action, &port)) {
            if (n >= walk->n_outputs || walk->outputs[n].port != port) {
                return false;
            }
            n++;
        }
    }
    return n == walk->n_outputs;
}

/* Fills in 'ours' and 'theirs' and returns true if there is a difference. */
static bool
compare(const struct verify *v, const struct fabric_hop *hop,
        const struct ofproto_trace *trace, struct verify_difference *diff)
{
    const struct walk *walk = &hop->walk;
    struct ds ours = DS_EMPTY_INITIALIZER, theirs = DS_EMPTY_INITIALIZER;
    const char *action;
    ofp_port_t port;
    size_t i = 0;

    while (i < walk->n_steps && i < trace->n_steps
           && same_step(&walk->steps[i], &trace->steps[i])) {
        i++;
    }
    if (walk->unknown || trace->failure) {
        diff->ours = xasprintf("%s", walk->unknown ? walk->unknown : "-");
        diff->theirs = xasprintf("%s", trace->failure ? trace->failure : "-");
        return true;
    } else if (i < walk->n_steps || i < trace->n_steps) {
        diff->ours = describe_ours(v, walk, i);
        diff->theirs = describe_theirs(v, trace, i);
        return true;
    } else if (same_outputs(walk, trace)) {
        return false;
    }
    for (i = 0; i < walk->n_outputs; i++) {
        put_output(v, hop->node, walk->outputs[i].port, &ours);
    }
    SVEC_FOR_EACH (i, action, &trace->actions) {
        if (scratch_switch_parse_output(action, &port)) {
            put_output(v, hop->node, port, &theirs);
        }
    }
    diff->ours = describe_outputs(&ours);
    diff->theirs = describe_outputs(&theirs);
    return true;
}

static void
add_difference(struct verify *v, const struct verify_difference *diff)
{
    struct verify_result *r = v->result;

    if (r->n_differences >= r->allocated) {
        r->differences = x2nrealloc(r->differences, &r->allocated,
                                    sizeof *r->differences);
    }
    r->differences[r->n_differences++] = *diff;
}

/* Has the switch trace what comes to a host.  A group takes whichever bucket
 * the hash says: '*ret_bucket' is false if it is none of those tried. */
static void
trace_hop(struct verify *v, const struct fabric_hop *hop,
          struct ofproto_trace *trace, bool *ret_bucket)
{
    size_t bridge = simap_get(&v->bridges, hop->node);
    size_t n_hashes = hop->walk.n_buckets ? MAX_HASHES : 1;

    *ret_bucket = false;
    for (size_t i = 1; i <= n_hashes && !v->error && !*ret_bucket; i++) {
        v->error = scratch_switch_trace(v->sw, bridge, &hop->packet,
                                        &hop->walk.last, i, trace);
        *ret_bucket = (!v->error
                       && (!hop->walk.n_buckets
                           || trace->bucket_id == hop->walk.bucket_id));
        if (!v->error && !*ret_bucket) {
            ofproto_trace_uninit(trace);
        }
    }
}

/* Returns false if there is nothing to compare. */
static bool
check_way(struct verify *v, const struct probe *probe,
          const struct fabric_way *way)
{
    bool traced = false;

    for (size_t i = 0; i < way->n_hops && !v->error; i++) {
        const struct fabric_hop *hop = &way->hops[i];
        struct verify_difference diff = { .packet = NULL };
        struct ofproto_trace trace;
        bool bucket;

        trace_hop(v, hop, &trace, &bucket);
        if (!bucket) {
            break;
        }
        traced = true;
        if (compare(v, hop, &trace, &diff)) {
            diff.packet = probe_to_string(probe);
            diff.node = xstrdup(hop->node);
            add_difference(v, &diff);
        }
        ofproto_trace_uninit(&trace);
    }
    return traced;
}

/* All backends of a service in turn. */
static void
check_probe(struct verify *v, struct probe probe)
{
    size_t n_buckets = 1;

    for (size_t i = 0; i < n_buckets; i++) {
        struct fabric_way way;

        if (v->result->n_packets >= MAX_PACKETS || v->error) {
            return;
        }
        probe.packet.bucket = i;
        fabric_send(v->fabric, &probe.packet, &way);
        n_buckets = MAX(n_buckets, way.n_buckets);
        v->result->n_packets += check_way(v, &probe, &way);
        fabric_way_uninit(&way);
    }
}

/* Packets. */

static bool
make_probes(const struct verify *v, const char *src, const char *dst,
            uint8_t ip_proto, const struct probe_ports *ports,
            struct probes *probes)
{
    struct model_selector s, d;
    char *error = model_selector_parse(v->model, src, false, &s);

    if (!error) {
        error = model_selector_parse(v->model, dst, true, &d);
        if (!error) {
            probes_make(v->fabric, &s, &d, ip_proto, ports, probes);
            model_selector_destroy(&d);
        }
        model_selector_destroy(&s);
    }
    bool ok = !error;
    free(error);
    return ok;
}

static void
add_allowed(struct verify *v, const struct allowed *allowed)
{
    if (v->n_allowed >= v->allocated_allowed) {
        v->allowed = x2nrealloc(v->allowed, &v->allocated_allowed,
                                sizeof *v->allowed);
    }
    v->allowed[v->n_allowed++] = *allowed;
}

/* How many pairs there are of the two. */
static size_t
count_pairs(const struct end *src, const struct end *dst)
{
    return src->names.n * (dst->names.n - (src == dst));
}

/* Names and all, for later. */
static void
add_denied(struct verify *v, const struct probe *probe)
{
    struct probes *denied = &v->denied;

    if (denied->n >= denied->allocated) {
        denied->items = x2nrealloc(denied->items, &denied->allocated,
                                   sizeof *denied->items);
    }
    denied->items[denied->n] = *probe;
    denied->items[denied->n].src = xstrdup(probe->src);
    denied->items[denied->n].dst = xstrdup(probe->dst);
    denied->n++;
}

/* Of each protocol and family one packet that gets through, and at last one
 * that does not. */
static void
check_pair(struct verify *v, const struct end *src, size_t at_src,
           const struct end *dst, size_t at_dst)
{
    struct sset done = SSET_INITIALIZER(&done);
    bool allowed = false;
    struct probes probes;

    if (!make_probes(v, src->names.names[at_src], dst->names.names[at_dst],
                     0, &v->ports, &probes)) {
        return;
    }
    for (size_t i = 0; i < probes.n; i++) {
        const struct probe *probe = &probes.items[i];
        struct fabric_way way;

        fabric_send(v->fabric, &probe->packet, &way);
        bool arrives = probe_has_arrived(probe, &way);
        char *key = arrives ? xasprintf("%u %d", probe->packet.ip_proto,
                                        probe->packet.dst_address.is_v4)
                    : xstrdup("denied");

        fabric_way_uninit(&way);
        if (sset_add(&done, key)) {
            if (arrives) {
                check_probe(v, *probe);
            } else {
                add_denied(v, probe);
            }
        }
        if (arrives && !allowed) {
            allowed = true;
            add_allowed(v, &(struct allowed) {
                src, dst, probe->packet, at_src, at_dst });
            v->result->n_allowed += count_pairs(src, dst);
            v->result->n_tried++;
        }
        free(key);
    }
    probes_destroy(&probes);
    sset_destroy(&done);
}

/* The same packet between two others. */
static void
check_like(struct verify *v, const struct allowed *a, size_t i, size_t j)
{
    uint16_t port = a->packet.port;
    struct probe_ports ports = { .ports = &port, .n = 1 };
    size_t before = v->result->n_packets;
    struct probes probes;

    if (!make_probes(v, a->src->names.names[i], a->dst->names.names[j],
                     a->packet.ip_proto == IPPROTO_ICMPV6 ? IPPROTO_ICMP
                     : a->packet.ip_proto, &ports, &probes)) {
        return;
    }
    for (size_t k = 0; k < probes.n; k++) {
        if (probes.items[k].packet.dst_address.is_v4
            == a->packet.dst_address.is_v4) {
            check_probe(v, probes.items[k]);
            break;
        }
    }
    v->result->n_tried += v->result->n_packets > before;
    probes_destroy(&probes);
}

static void
check_all_like(struct verify *v, const struct allowed *a)
{
    for (size_t i = 0; i < a->src->names.n; i++) {
        for (size_t j = 0; j < a->dst->names.n; j++) {
            if ((a->src != a->dst || i != j)
                && (i != a->at_src || j != a->at_dst)
                && v->result->n_packets < MAX_PACKETS && !v->error) {
                check_like(v, a, i, j);
            }
        }
    }
}

/* Each time others of a class, so that all have their turn. */
static void
check_pairs(struct verify *v)
{
    size_t turn = 0;

    for (size_t i = 0; i < v->n_ends && !v->error; i++) {
        const struct end *src = &v->ends[i];

        for (size_t j = 0; src->is_source && j < v->n_ends; j++, turn++) {
            const struct end *dst = &v->ends[j];
            size_t at_src = turn % src->names.n;
            size_t at_dst = turn % dst->names.n;

            if (src == dst) {
                at_dst = (at_src + 1) % dst->names.n;
            }
            if (count_pairs(src, dst)) {
                check_pair(v, src, at_src, dst, at_dst);
            }
        }
    }
    for (size_t i = 0; i < v->n_allowed; i++) {
        check_all_like(v, &v->allowed[i]);
    }
    for (size_t i = 0; i < v->denied.n; i++) {
        check_probe(v, v->denied.items[i]);
    }
}

static void
check_tests(struct verify *v)
{
    for (size_t i = 0; i < v->model->n_tests; i++) {
        const struct model_test *test = &v->model->tests[i];
        struct probes probes;

        probes_make(v->fabric, &test->src, &test->dst, test->ip_proto,
                    &v->ports, &probes);
        for (size_t j = 0; j < probes.n; j++) {
            check_probe(v, probes.items[j]);
        }
        probes_destroy(&probes);
    }
}

/* Setting up. */

static void
add_end(struct verify *v, const char *name, bool is_source)
{
    struct end *end = &v->ends[v->n_ends++];

    svec_init(&end->names);
    svec_add(&end->names, name);
    end->is_source = is_source;
}

static void
find_ends(struct verify *v)
{
    const struct model *const models[] = { v->model };
    const struct shash_node *item;
    struct classes classes;

    classes_find(&classes, models, ARRAY_SIZE(models));
    v->ends = xcalloc(classes.n + shash_count(&v->model->nodes)
                      + shash_count(&v->model->services) + 1,
                      sizeof *v->ends);
    for (size_t i = 0; i < classes.n; i++) {
        struct end *end = &v->ends[v->n_ends++];

        svec_clone(&end->names, &classes.items[i]);
        end->is_source = true;
    }
    classes_destroy(&classes);
    SHASH_FOR_EACH (item, &v->model->nodes) {
        char *name = xasprintf("node:%s", item->name);

        add_end(v, name, true);
        free(name);
    }
    SHASH_FOR_EACH (item, &v->model->services) {
        add_end(v, item->name, false);
    }
    add_end(v, "internet", false);
}

static void
load_tables(struct verify *v)
{
    const struct shash_node **nodes = shash_sort(&v->model->nodes);
    size_t n = shash_count(&v->model->nodes);

    for (size_t i = 0; i < n; i++) {
        const struct offline *offline = fabric_offline(v->fabric,
                                                       nodes[i]->name);

        scratch_switch_add_bridge(v->sw, offline_port_map(offline));
        simap_put(&v->bridges, nodes[i]->name, i);
    }
    v->error = scratch_switch_configure(v->sw);
    for (size_t i = 0; i < n && !v->error; i++) {
        const struct offline *offline = fabric_offline(v->fabric,
                                                       nodes[i]->name);
        const struct compiler *compiler = offline_compiler(offline);

        v->result->n_nodes++;
        v->result->n_flows += hmap_count(&compiler_flows(compiler)->flows);
        v->result->n_objects
            += hmap_count(&compiler_objects(compiler)->map);
        v->error = scratch_switch_load(v->sw, i, compiler);
    }
    free(nodes);
}

static void
check_all(struct verify *v)
{
    v->fabric = fabric_create(v->model);
    v->explainer = explainer_create(v->model);
    v->ports.n = fabric_get_ports(v->fabric, &v->ports.ports);
    v->result->version = xstrdup(scratch_switch_version(v->sw));
    find_ends(v);
    load_tables(v);
    if (!v->error) {
        check_tests(v);
        check_pairs(v);
    }
    for (size_t i = 0; i < v->n_ends; i++) {
        svec_destroy(&v->ends[i].names);
    }
    free(v->ends);
    free(v->allowed);
    probes_destroy(&v->denied);
    free(v->ports.ports);
    explainer_destroy(v->explainer);
    fabric_destroy(v->fabric);
}

char *
verify_run(struct model *model, struct verify_result *result)
{
    struct verify v = { .model = model, .result = result };

    *result = (struct verify_result) { .n_nodes = 0 };
    simap_init(&v.bridges);
    v.error = scratch_switch_create(&v.sw);
    if (!v.error) {
        check_all(&v);
        scratch_switch_destroy(v.sw);
    }
    simap_destroy(&v.bridges);
    return v.error;
}

void
verify_result_destroy(struct verify_result *r)
{
    for (size_t i = 0; i < r->n_differences; i++) {
        struct verify_difference *diff = &r->differences[i];

        free(diff->packet);
        free(diff->node);
        free(diff->ours);
        free(diff->theirs);
    }
    free(r->differences);
    free(r->version);
}
