#include <config.h>

#include "cli/connections.h"

#include <inttypes.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include "cli/ask.h"
#include "cli/cause.h"
#include "cli/fabric.h"
#include "cli/output.h"
#include "cli/session.h"
#include "cli/status-rows.h"
#include "flows/compiler.h"
#include "flows/explain.h"
#include "lib/prefix.h"
#include "openvswitch/json.h"
#include "openvswitch/shash.h"
#include "ovsdb-sync/socknet-idl.h"
#include "sset.h"
#include "state/model.h"
#include "util.h"

/* A plan does not wait for long, nor take in more than so many connections of
 * all hosts together, and of one. */
enum { TIMEOUT_MS = 3000, MAX_ALL = 200000, MAX_ONE = 10000 };

/* Connections that no rule tells from each other: all but the client's
 * port. */
struct connection {
    uint8_t ip_proto;
    struct sn_prefix src, dst;
    uint16_t dport;
    size_t n;
};

struct connections {
    struct shash table;         /* struct connection, by what they have in
                                 * common. */
    struct sset ports;          /* Seen: two hosts know the same one. */
    struct sset silent;         /* Hosts that did not answer. */
    size_t n, n_more;           /* Open; and not told. */
};

/* Asking. */

static uint8_t
parse_proto(const char *s)
{
    return !strcmp(s, "tcp") ? IPPROTO_TCP : !strcmp(s, "udp") ? IPPROTO_UDP
           : !strcmp(s, "sctp") ? IPPROTO_SCTP : 0;
}

static bool
parse_address(const char *s, struct sn_prefix *ret)
{
    char *error = sn_prefix_parse(s, ret);

    free(error);
    if (!error) {
        *ret = sn_prefix_host(ret);
    }
    return !error;
}

/* "tcp 10.0.0.1 50000 10.0.0.2 80" */
static void
take_line(struct connections *c, const char *line)
{
    char proto[8], src[48], dst[48];
    struct connection conn = { .n = 0 };
    uint16_t sport;

    if (sscanf(line, "%7s %47s %"SCNu16" %47s %"SCNu16, proto, src, &sport,
               dst, &conn.dport) != 5
        || !(conn.ip_proto = parse_proto(proto))
        || !parse_address(src, &conn.src) || !parse_address(dst, &conn.dst)
        || !sset_add(&c->ports, line)) {
        return;
    }

    char *key = xasprintf("%s %s %s %"PRIu16, proto, src, dst, conn.dport);
    struct connection *known = shash_find_data(&c->table, key);
    if (!known) {
        known = xmemdup(&conn, sizeof conn);
        shash_add(&c->table, key, known);
    }
    known->n++;
    c->n++;
    free(key);
}

static void
take_answer(struct connections *c, const struct ask *ask)
{
    char *text, *rest, *line;

    if (!ask->answered || ask->failed) {
        sset_add(&c->silent, ask->node);
        return;
    }
    text = rest = xstrdup(ask->text);
    while ((line = strsep(&rest, "\n")) != NULL) {
        unsigned long int n_more;

        if (sscanf(line, "more %lu", &n_more) == 1) {
            c->n_more += n_more;
        } else {
            take_line(c, line);
        }
    }
    free(text);
}

/* Who has not been heard of for long is not waited for. */
static bool
is_asked(const struct session *session, const char *node)
{
    const struct sndb_node_status *row
        = status_rows_node(session_idl(session), node);

    return row && !status_rows_is_silent(row->seen);
}

struct connections *
connections_read(struct session *session)
{
    struct connections *c = xzalloc(sizeof *c);
    const struct shash *nodes = &session_model(session)->nodes;
    struct sset asked = SSET_INITIALIZER(&asked);
    const struct shash_node *item;
    const char *name;
    size_t n = 0;

    shash_init(&c->table);
    sset_init(&c->ports);
    sset_init(&c->silent);
    SHASH_FOR_EACH (item, nodes) {
        sset_add(is_asked(session, item->name) ? &asked : &c->silent,
                 item->name);
    }
    struct ask *asks = xcalloc(sset_count(&asked) + 1, sizeof *asks);
    SSET_FOR_EACH (name, &asked) {
        ask_init(&asks[n], name, "connections");
        smap_add_format(&asks[n++].arguments, "max", "%"PRIuSIZE,
                        MIN(MAX_ONE, MAX_ALL / sset_count(&asked)));
    }
    free(n ? ask_agents(session, asks, n, TIMEOUT_MS) : NULL);
    for (size_t i = 0; i < n; i++) {
        take_answer(c, &asks[i]);
        ask_destroy(&asks[i]);
    }
    free(asks);
    sset_destroy(&asked);
    return c;
}

void
connections_destroy(struct connections *c)
{
    if (c) {
        shash_destroy_free_data(&c->table);
        sset_destroy(&c->ports);
        sset_destroy(&c->silent);
        free(c);
    }
}

/* Judging. */

static const char *
find_node(const struct model *model, const struct sn_prefix *address)
{
    const struct shash_node *item;

    SHASH_FOR_EACH (item, &model->nodes) {
        const struct model_node *node = item->data;
        struct sn_prefix own = sn_prefix_host(&node->address);

        if (node->address.plen && sn_prefix_equals(&own, address)) {
            return node->name;
        }
        for (size_t i = 0; i < node->n_subnets; i++) {
            own = sn_prefix_host(&node->gateways[i]);
            if (sn_prefix_equals(&own, address)) {
                return node->name;
            }
        }
    }
    return NULL;
}

/* What becomes of a connection in one state. */
struct fate {
    bool known;                 /* False: it comes from elsewhere. */
    bool passes;
    char *end;
    char *decided_by;           /* Or NULL. */
};

static void
fate_destroy(struct fate *fate)
{
    free(fate->end);
    free(fate->decided_by);
}

static void
take_way(struct fate *fate, const struct fabric_way *way,
         const struct explainer *explainer)
{
    fate_destroy(fate);
    fate->passes = (way->end == FABRIC_CONTAINER || way->end == FABRIC_HOST
                    || way->end == FABRIC_EXIT);
    fate->end = fabric_way_to_string(way);
    fate->decided_by = NULL;
    if (way->decided) {
        struct cause cause;

        cause_find(explainer, way->decided->cookie, &cause);
        fate->decided_by = xstrdup(cause.text);
        cause_destroy(&cause);
    }
}

/* A service's connection keeps its backend: it passes if any does. */
static struct fate
judge(const struct fabric *fabric, const struct explainer *explainer,
      const struct connection *conn)
{
    const struct model *model = fabric_model(fabric);
    struct fabric_packet packet = {
        .src = model_find_container(model, &conn->src),
        .src_node = find_node(model, &conn->src),
        .src_address = conn->src, .dst_address = conn->dst,
        .ip_proto = conn->ip_proto, .port = conn->dport,
    };
    struct fate fate = { .known = packet.src || packet.src_node };
    size_t n_buckets = fate.known ? 1 : 0;

    for (size_t i = 0; i < n_buckets && !fate.passes; i++) {
        struct fabric_way way;

        packet.bucket = i;
        fabric_send(fabric, &packet, &way);
        n_buckets = MAX(n_buckets, way.n_buckets);
        take_way(&fate, &way, explainer);
        fabric_way_uninit(&way);
    }
    return fate;
}

/* Printing. */

struct cutting {
    struct model *old, *new;
    struct fabric *before, *after;  /* 'before' NULL: not made yet. */
    struct explainer *explainer_before, *explainer_after;
    struct output *out;
    size_t n_cut, n_unknown;
};

static char *
name_end(const struct model *model, const struct sn_prefix *address)
{
    const struct model_container *container
        = model_find_container(model, address);
    const char *node = find_node(model, address);

    return container ? xstrdup(container->name)
           : node ? xasprintf("node:%s", node)
           : sn_prefix_addr_to_string(address);
}

static void
output_connection(struct cutting *k, const struct connection *conn,
                  const struct fate *was, const struct fate *is)
{
    char *src = name_end(k->old, &conn->src);
    char *dst = name_end(k->old, &conn->dst);
    char *what = xasprintf("%s/%"PRIu16, conn->ip_proto == IPPROTO_TCP
                           ? "tcp" : conn->ip_proto == IPPROTO_UDP ? "udp"
                           : "sctp", conn->dport);

    output_record(k->out);
    output_string(k->out, "src", "from", src);
    output_string(k->out, "dst", "to", dst);
    output_string(k->out, "what", "what", what);
    output_integer(k->out, "open", "open", conn->n);
    output_string(k->out, "was", "was", was->end);
    output_string(k->out, "is", "is", is->known ? is->end
                  : "its source is gone");
    output_string(k->out, "decided_by", "decided by", is->decided_by);
    k->n_cut += conn->n;
    free(src);
    free(dst);
    free(what);
}

static void
cut_one(struct cutting *k, const struct connection *conn)
{
    struct fate is = judge(k->after, k->explainer_after, conn);
    bool leaves = is.end && !strncmp(is.end, "leaves", 6);

    /* One that passes all the same, but by another exit, is cut too. */
    if (!is.passes || leaves) {
        if (!k->before) {
            k->before = fabric_create(k->old);
            k->explainer_before = explainer_create(k->old);
        }

        struct fate was = judge(k->before, k->explainer_before, conn);
        if (!was.known) {
            k->n_unknown += conn->n;
        } else if (was.passes && (!is.passes || strcmp(was.end, is.end))) {
            output_connection(k, conn, &was, &is);
        }
        fate_destroy(&was);
    }
    fate_destroy(&is);
}

static void
output_sum(const struct connections *c, const struct cutting *k)
{
    struct json *json = json_object_create();
    struct json *silent = json_array_create_empty();
    const char **nodes = sset_sort(&c->silent);

    for (size_t i = 0; i < sset_count(&c->silent); i++) {
        json_array_add(silent, json_string_create(nodes[i]));
        output_note(k->out, "The connections of %s are not known: its agent "
                    "does not answer.", nodes[i]);
    }
    free(nodes);
    json_object_put(json, "open", json_integer_create(c->n));
    json_object_put(json, "cut", json_integer_create(k->n_cut));
    json_object_put(json, "not_judged",
                    json_integer_create(k->n_unknown + c->n_more));
    json_object_put(json, "silent", silent);
    output_attach(k->out, "connections", json);
    if (c->n) {
        output_note(k->out, "Of %"PRIuSIZE" open connections %"PRIuSIZE
                    " would be cut.", c->n, k->n_cut);
    }
    if (k->n_unknown + c->n_more) {
        output_note(k->out, "%"PRIuSIZE" more were not looked at (guests, or "
                    "too many).", k->n_unknown + c->n_more);
    }
}

void
connections_output_cut(const struct connections *c, struct model *old,
                       struct model *new, struct output *out)
{
    struct cutting k = { .old = old, .new = new, .out = out };
    const struct shash_node **sorted = shash_sort(&c->table);

    output_begin(out, "cut", OUTPUT_TABLE,
                 "Open connections that would be cut");
    if (!shash_is_empty(&c->table)) {
        k.after = fabric_create(new);
        k.explainer_after = explainer_create(new);
    }
    for (size_t i = 0; i < shash_count(&c->table); i++) {
        cut_one(&k, sorted[i]->data);
    }
    free(sorted);
    output_sum(c, &k);
    fabric_destroy(k.before);
    fabric_destroy(k.after);
    explainer_destroy(k.explainer_before);
    explainer_destroy(k.explainer_after);
}
