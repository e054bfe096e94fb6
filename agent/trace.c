#include <config.h>
#include "agent/trace-private.h"

#include <inttypes.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "agent/agent-private.h"
#include "agent/exit-probe.h"
#include "agent/request-private.h"
#include "agent/vswitchd-call.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/json.h"
#include "openvswitch/poll-loop.h"
#include "smap.h"
#include "util.h"

void
trace_step(struct trace *t, const char *at, bool good, const char *format,
           ...)
{
    struct json *step = json_object_create();
    va_list args;

    va_start(args, format);
    json_object_put_string(step, "at", at);
    json_object_put(step, "text", json_string_create_nocopy(
        xvasprintf(format, args)));
    json_object_put(step, "good", json_boolean_create(good));
    json_array_add(t->steps, step);
    va_end(args);
}

/* Cookies as text: they do not fit into JSON's numbers. */
void
trace_add_flow(struct trace *t, uint8_t table, bool matched, uint64_t cookie)
{
    struct json *step = json_object_create();

    json_object_put_string(step, "at", "flow");
    json_object_put(step, "table", json_integer_create(table));
    json_object_put(step, "good", json_boolean_create(matched));
    json_object_put(step, "cookie", json_string_create_nocopy(
        xasprintf("0x%"PRIx64, cookie)));
    json_array_add(t->steps, step);
}

void
trace_end(struct trace *t, const char *end, const char *name)
{
    t->end = end;
    free(t->name);
    t->name = name ? xstrdup(name) : NULL;
}

void
trace_stop(struct trace *t, char *why, char *fix)
{
    trace_end(t, "stopped", NULL);
    t->why = why;
    t->fix = fix;
}

/* The request. */

static char *
parse_address(const struct smap *args, const char *key,
              struct sn_prefix *ret)
{
    const char *text = smap_get(args, key);
    char *error = text ? sn_prefix_parse(text, ret)
                  : xasprintf("\"%s\" is missing", key);

    if (!error) {
        *ret = sn_prefix_host(ret);
    }
    return error;
}

static uint16_t
parse_number(const struct smap *args, const char *key, uint16_t max)
{
    int value = smap_get_int(args, key, 0);

    return value >= 0 && value <= max ? value : 0;
}

static char *
parse_packet(struct trace *t, const struct smap *args)
{
    struct trace_packet *p = &t->packet;
    char *error = parse_address(args, "dst", &p->dst);

    if (!error && smap_get(args, "src")) {
        t->has_src = true;
        error = parse_address(args, "src", &p->src);
        if (!error && p->src.is_v4 != p->dst.is_v4) {
            error = xstrdup("addresses of two families");
        }
    }
    p->ip_proto = parse_number(args, "proto", UINT8_MAX);
    p->sport = parse_number(args, "sport", UINT16_MAX);
    p->dport = parse_number(args, "dport", UINT16_MAX);
    t->tuple = *p;
    t->reply = smap_get_bool(args, "reply", false);
    if (t->reply) {
        t->tuple.src = p->dst;
        t->tuple.dst = p->src;
        t->tuple.sport = p->dport;
        t->tuple.dport = p->sport;
    }
    return error;
}

static char *
begin(struct trace *t, const char *from)
{
    const char *colon = strchr(from, ':');
    const char *name = colon ? colon + 1 : "";

    if (!strcmp(from, "self")) {
        trace_route(t, NULL);
    } else if (!t->has_src) {
        return xstrdup("\"src\" is missing");
    } else if (!strncmp(from, "container:", 10)) {
        trace_from_container(t, name);
    } else if (!strncmp(from, "mesh:", 5)) {
        trace_from_mesh(t, name);
    } else if (!strncmp(from, "client:", 7)) {
        trace_from_client(t, name);
    } else if (!strncmp(from, "inlet:", 6)) {
        trace_from_inlet(t, name);
    } else {
        return xasprintf("\"%s\" is no place to begin", from);
    }
    return NULL;
}

static void
destroy(void *t_)
{
    struct trace *t = t_;

    json_destroy(t->steps);
    vswitchd_call_destroy(t->call);
    exit_probe_destroy(t->probe);
    free(t->in);
    free(t->tunnel.device);
    free(t->tunnel.peer);
    free(t->tunnel.text);
    free(t->tunnel.from);
    free(t->name);
    free(t->from);
    free(t->why);
    free(t->fix);
    free(t);
}

static void *
start(struct agent *a, const struct smap *args, char **ret_error)
{
    struct trace *t = xzalloc(sizeof *t);

    t->agent = a;
    t->steps = json_array_create_empty();
    *ret_error = parse_packet(t, args);
    if (!*ret_error) {
        *ret_error = begin(t, smap_get_def(args, "from", ""));
    }
    if (*ret_error) {
        destroy(t);
        return NULL;
    }
    return t;
}

/* The answer. */

static void
put_text(struct json *json, const char *key, const char *text)
{
    if (text) {
        json_object_put_string(json, key, text);
    }
}

static void
put_address(struct json *json, const char *key, const struct sn_prefix *p)
{
    char *s = sn_prefix_addr_to_string(p);

    json_object_put_string(json, key, s);
    free(s);
}

static void
put_answer(struct trace *t, struct ds *text)
{
    struct json *json = json_object_create();

    json_object_put(json, "steps", t->steps);
    t->steps = NULL;
    put_text(json, "end", t->end);
    put_text(json, "name", t->name);
    put_text(json, "from", t->from);
    put_text(json, "why", t->why);
    put_text(json, "fix", t->fix);
    if (t->has_src) {
        put_address(json, "src", &t->packet.src);
    }
    put_address(json, "dst", &t->packet.dst);
    json_object_put(json, "dport", json_integer_create(t->packet.dport));
    json_to_ds(json, JSSF_SORT, text);
    json_destroy(json);
}

static bool
run(void *t_, struct ds *text, char **ret_error OVS_UNUSED)
{
    struct trace *t = t_;

    /* Each of them ends by itself; one may begin the other. */
    while (!t->end) {
        if (t->call ? !trace_bridge_run(t) : !trace_probe_run(t)) {
            return false;
        }
    }
    put_answer(t, text);
    return true;
}

static void
wait(const void *t_)
{
    const struct trace *t = t_;

    if (t->end) {
        poll_immediate_wake();
    } else if (t->call) {
        vswitchd_call_wait(t->call);
    } else {
        exit_probe_wait(t->probe);
    }
}

const struct request_class request_trace = {
    "trace", start, run, wait, destroy,
};
