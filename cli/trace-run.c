#include <config.h>

#include "cli/trace-run.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "cli/ask.h"
#include "openvswitch/json.h"
#include "util.h"

/* A packet that passes more hosts goes in circles. */
enum { MAX_HOPS = 5 };

static struct trace_step *
add_step(struct trace_way *way, const char *node)
{
    if (way->n >= way->allocated) {
        way->steps = x2nrealloc(way->steps, &way->allocated,
                                sizeof *way->steps);
    }
    struct trace_step *step = &way->steps[way->n++];
    *step = (struct trace_step) { .node = xstrdup(node) };
    return step;
}

void
trace_way_destroy(struct trace_way *way)
{
    for (size_t i = 0; i < way->n; i++) {
        free(way->steps[i].node);
        free(way->steps[i].at);
        free(way->steps[i].text);
    }
    free(way->steps);
    free(way->node);
    free(way->name);
    free(way->why);
    free(way->fix);
}

/* The agents are other programs: what they say may be anything. */

static const struct json *
get(const struct json *json, const char *key, enum json_type type)
{
    const struct json *member
        = json->type == JSON_OBJECT ? shash_find_data(json->object, key)
          : NULL;

    return member && member->type == type ? member : NULL;
}

static const char *
get_string(const struct json *json, const char *key)
{
    const struct json *member = get(json, key, JSON_STRING);

    return member ? json_string(member) : NULL;
}

static int64_t
get_integer(const struct json *json, const char *key)
{
    const struct json *member = get(json, key, JSON_INTEGER);

    return member ? json_integer(member) : 0;
}

static char *
dup_string(const struct json *json, const char *key)
{
    const char *s = get_string(json, key);

    return s ? xstrdup(s) : NULL;
}

static void
take_steps(struct trace_way *way, const struct json *answer,
           const char *node)
{
    const struct json *steps = get(answer, "steps", JSON_ARRAY);

    for (size_t i = 0; steps && i < json_array(steps)->n; i++) {
        const struct json *json = json_array(steps)->elems[i];
        struct trace_step *step = add_step(way, node);
        const char *cookie = get_string(json, "cookie");

        step->at = dup_string(json, "at");
        if (!step->at) {
            step->at = xstrdup("?");
        }
        step->good = !get(json, "good", JSON_FALSE);
        step->text = dup_string(json, "text");
        step->table = get_integer(json, "table");
        step->cookie = cookie ? strtoull(cookie, NULL, 16) : 0;
    }
}

/* No host makes a packet one of another family. */
static void
take_address(const struct json *answer, const char *key, bool is_v4,
             struct sn_prefix *address)
{
    const char *text = get_string(answer, key);
    struct sn_prefix p;
    char *error = text ? sn_prefix_parse(text, &p) : NULL;

    if (text && !error && p.is_v4 == is_v4) {
        *address = sn_prefix_host(&p);
    }
    free(error);
}

/* Puts the packet where this host left it.  Returns whether there is another
 * one to ask. */
static bool
take_end(struct trace_way *way, const struct json *answer,
         struct trace_question *q, const char **node)
{
    const char *end = get_string(answer, "end");

    free(way->name);
    way->name = dup_string(answer, "name");
    bool is_v4 = q->dst.is_v4;
    take_address(answer, "src", is_v4, &q->src);
    take_address(answer, "dst", is_v4, &q->dst);
    q->has_src = true;
    if (get_integer(answer, "dport") > 0) {
        q->dport = get_integer(answer, "dport");
    }
    if (end && !strcmp(end, "next") && way->name
        && get_string(answer, "from")) {
        free(q->from);
        q->from = dup_string(answer, "from");
        free(way->node);
        way->node = xstrdup(way->name);
        *node = way->node;
        return true;
    }
    way->verdict = (end && !strcmp(end, "delivered") ? TRACE_DELIVERED
                    : end && !strcmp(end, "left") ? TRACE_LEFT
                    : TRACE_STOPPED);
    way->why = dup_string(answer, "why");
    way->fix = dup_string(answer, "fix");
    return false;
}

static void
put_address(struct smap *args, const char *key, const struct sn_prefix *p)
{
    smap_add_nocopy(args, xstrdup(key), sn_prefix_addr_to_string(p));
}

static void
put_question(const struct trace_question *q, struct smap *args)
{
    smap_add(args, "from", q->from);
    if (q->has_src) {
        put_address(args, "src", &q->src);
    }
    put_address(args, "dst", &q->dst);
    smap_add_format(args, "proto", "%"PRIu8, q->ip_proto);
    smap_add_format(args, "sport", "%"PRIu16, q->sport);
    smap_add_format(args, "dport", "%"PRIu16, q->dport);
    if (q->reply) {
        smap_add(args, "reply", "true");
    }
}

/* Returns whether there is another host to ask. */
static bool
take_answer(struct session *session, const struct ask *ask,
            struct trace_question *q, struct trace_way *way, const char **node)
{
    struct json *json;
    bool more = false;

    if (!ask->answered || ask->failed) {
        way->verdict = TRACE_UNKNOWN;
        way->why = (ask->answered
                    ? xasprintf("the agent of %s cannot tell: %s", ask->node,
                                ask->text)
                    : ask_explain_silence(session, ask->node));
        way->fix = xasprintf("is socknet-agent running at %s, and does it "
                             "reach the database? `socknet status`",
                             ask->node);
        return false;
    }
    json = json_from_string(ask->text);
    if (json->type == JSON_OBJECT) {
        take_steps(way, json, ask->node);
        more = take_end(way, json, q, node);
    } else {
        way->verdict = TRACE_UNKNOWN;
        way->why = xasprintf("the agent of %s gives an answer that cannot be "
                             "read", ask->node);
    }
    json_destroy(json);
    return more;
}

char *
trace_run(struct session *session, struct trace_question *q,
          struct trace_way *way)
{
    const char *node = q->node;
    char *error = NULL;
    bool more = true;

    *way = (struct trace_way) { .node = xstrdup(node) };
    for (size_t hop = 0; more && !error; hop++) {
        if (hop >= MAX_HOPS) {
            way->verdict = TRACE_STOPPED;
            way->why = xstrdup("it goes round in circles between the hosts");
            break;
        }
        char *here = xstrdup(node);
        struct ask ask;

        ask_init(&ask, here, "trace");
        put_question(q, &ask.arguments);
        error = ask_agents(session, &ask, 1, q->timeout_ms);
        more = !error && take_answer(session, &ask, q, way, &node);
        ask_destroy(&ask);
        free(here);
    }
    return error;
}
