#include <config.h>

#include <getopt.h>
#include <inttypes.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <stdlib.h>
#include <string.h>
#include "cli/ask.h"
#include "cli/cause.h"
#include "cli/command.h"
#include "cli/output.h"
#include "cli/protocol.h"
#include "cli/session.h"
#include "cli/trace-blame.h"
#include "cli/trace-ends.h"
#include "cli/trace-run.h"
#include "flows/cookie.h"
#include "flows/explain.h"
#include "flows/reasons.h"
#include "flows/tables.h"
#include "openvswitch/json.h"
#include "state/model.h"
#include "util.h"

/* Where a client's connections come from, of which no rule speaks. */
enum { SOURCE_PORT = 50000 };

struct trace_args {
    const char *src, *dst;
    bool has_proto;
    uint8_t ip_proto;
    uint16_t port;
    bool ipv6;
    bool all;                   /* Every step, also for people. */
    int timeout_ms;
};

static bool
parse_rest(int argc, char *argv[], struct trace_args *args)
{
    unsigned int number = 0;
    char *port = NULL;
    bool ok = true;

    args->src = argv[0];
    args->dst = argv[1];
    args->has_proto = argc == 3;
    if (!protocol_parse("trace", argc == 3 ? argv[2] : "icmp",
                        &args->ip_proto, &port)) {
        return false;
    }
    if (port && (!str_to_uint(port, 10, &number) || !number
                 || number > UINT16_MAX)) {
        command_misused("trace", "\"%s\" is no port from 1 to 65535", port);
        ok = false;
    }
    args->port = number;
    free(port);
    return ok;
}

static bool
trace_parse(int argc, char *argv[], struct trace_args *args)
{
    static const struct option options[] = {
        {"ipv6", no_argument, NULL, '6'},
        {"all", no_argument, NULL, 'a'},
        {"wait", required_argument, NULL, 'w'},
        {NULL, 0, NULL, 0},
    };
    unsigned int seconds;

    *args = (struct trace_args) { .timeout_ms = ASK_TIMEOUT_MS };
    for (int c; (c = command_getopt(argc, argv, options)) != -1; ) {
        switch (c) {
        case '6':
            args->ipv6 = true;
            break;
        case 'a':
            args->all = true;
            break;
        case 'w':
            if (!str_to_uint(optarg, 10, &seconds) || !seconds
                || seconds > 60) {
                command_misused("trace", "--wait takes 1 to 60 seconds");
                return false;
            }
            args->timeout_ms = seconds * 1000;
            break;
        default:
            return false;
        }
    }
    if (argc - optind < 2 || argc - optind > 3) {
        command_misused("trace", "give a source, a destination, and a "
                        "protocol such as tcp/443 (icmp if none)");
        return false;
    }
    return parse_rest(argc - optind, argv + optind, args);
}

/* The question. */

static char *
source_place(const struct trace_end *src)
{
    return src->container ? xasprintf("container:%s", src->container->name)
           : src->client ? xasprintf("client:%s", src->client->name)
           : xstrdup("self");
}

static void
set_protocol(const struct trace_args *args, const struct trace_end *dst,
             struct trace_question *q)
{
    bool is_v4 = q->dst.is_v4;

    q->ip_proto = args->ip_proto;
    q->sport = SOURCE_PORT;
    q->dport = args->port;
    if (!args->has_proto && dst->service) {
        q->ip_proto = dst->service->ip_proto;
        q->dport = dst->service->port;
    } else if (args->ip_proto == IPPROTO_ICMP) {
        q->ip_proto = is_v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6;
        q->sport = is_v4 ? ICMP_ECHO : ICMP6_ECHO_REQUEST;
        q->dport = 0;
    }
}

static int
make_question(const struct trace_args *args, const struct trace_end *src,
              const struct trace_end *dst, struct trace_question *q)
{
    *q = (struct trace_question) {
        .node = trace_end_host(src), .timeout_ms = args->timeout_ms,
    };
    if (!trace_ends_pair(src, dst, args->ipv6, &q->src, &q->dst)) {
        return command_fail("%s and %s have no addresses of one family",
                            src->name, dst->name);
    }
    if (src->container && sn_prefix_equals(&q->src, &q->dst)) {
        return command_fail("%s sends nothing to itself through a bridge",
                            src->name);
    }
    q->from = source_place(src);
    q->has_src = !src->node;
    set_protocol(args, dst, q);
    return EXIT_OK;
}

/* The answer to 'q', as far as it has come, from where that went. */
static void
make_reply(const struct trace_question *q, const struct trace_end *dst,
           struct trace_question *reply)
{
    *reply = (struct trace_question) {
        .node = trace_end_host(dst), .from = source_place(dst),
        .has_src = true, .src = q->dst, .dst = q->src,
        .ip_proto = q->ip_proto, .sport = q->dport, .dport = q->sport,
        .reply = true, .timeout_ms = q->timeout_ms,
    };
    if (q->ip_proto == IPPROTO_ICMP || q->ip_proto == IPPROTO_ICMPV6) {
        reply->sport = (q->ip_proto == IPPROTO_ICMP ? ICMP_ECHOREPLY
                        : ICMP6_ECHO_REPLY);
        reply->dport = 0;
    }
}

/* Output. */

static char *
step_text(const struct trace_step *step, const struct explainer *explainer)
{
    struct cause cause;
    char *text;

    if (strcmp(step->at, "flow")) {
        text = xstrdup(step->text ? step->text : "");
    } else if (!step->good) {
        text = xstrdup("no flow matches");
    } else {
        cause_find(explainer, step->cookie, &cause);
        text = xstrdup(cause.text);
        cause_destroy(&cause);
    }
    if (!step->good) {
        char *marked = xasprintf("! %s", text);

        free(text);
        text = marked;
    }
    return text;
}

/* A stage of the pipeline that had nothing to do with the packet. */
static bool
is_dull(const struct trace_step *step)
{
    return !strcmp(step->at, "flow") && step->good
           && cookie_is_ours(step->cookie)
           && cookie_kind(step->cookie) == COOKIE_BASE
           && (cookie_detail(step->cookie) == SN_WHY_PROCEED
               || cookie_detail(step->cookie) == SN_WHY_DECIDED);
}

static void
output_steps(struct output *out, const char *key, const char *caption,
             const struct trace_way *way, bool all,
             const struct explainer *explainer)
{
    output_begin(out, key, OUTPUT_TABLE, caption);
    for (size_t i = 0; i < way->n; i++) {
        const struct trace_step *step = &way->steps[i];
        bool is_flow = !strcmp(step->at, "flow");
        if (!all && is_dull(step)) {
            continue;
        }
        const char *table = is_flow ? sn_table_name(step->table) : NULL;
        char *text = step_text(step, explainer);
        char *cookie = is_flow ? xasprintf("0x%"PRIx64, step->cookie) : NULL;

        output_record(out);
        output_string(out, "node", "at", step->node);
        output_string(out, "where", "in", table ? table : step->at);
        output_string(out, "what", "is", text);
        output_boolean(out, "good", NULL, step->good);
        output_string(out, "cookie", NULL, cookie);
        free(text);
        free(cookie);
    }
}

static char *
packet_to_string(const struct trace_question *q, const struct trace_end *src,
                 const struct trace_end *dst)
{
    char *from = q->has_src ? sn_prefix_addr_to_string(&q->src)
                 : xstrdup("?");
    char *to = sn_prefix_addr_to_string(&q->dst);
    const char *proto = q->ip_proto == IPPROTO_TCP ? "tcp"
                        : q->ip_proto == IPPROTO_UDP ? "udp"
                        : q->ip_proto == IPPROTO_SCTP ? "sctp" : "ping";
    char *port = q->dport ? xasprintf("/%"PRIu16, q->dport) : xstrdup("");
    char *text = xasprintf("%s (%s) -> %s (%s) %s%s", src->name, from,
                           dst->name, to, proto, port);

    free(from);
    free(to);
    free(port);
    return text;
}

static char *
verdict_to_string(const struct trace_way *way)
{
    switch (way->verdict) {
    case TRACE_DELIVERED:
        return xasprintf("delivered to %s", way->name ? way->name : "it");
    case TRACE_LEFT:
        return xasprintf("leaves by %s", way->name ? way->name : "a device");
    case TRACE_STOPPED:
        return xasprintf("stopped at %s", way->node);
    case TRACE_UNKNOWN:
        return xasprintf("not known beyond what is told: %s", way->node);
    }
    OVS_NOT_REACHED();
}

static const char *
verdict_name(enum trace_verdict verdict)
{
    static const char *const names[] = {
        [TRACE_DELIVERED] = "delivered", [TRACE_LEFT] = "left",
        [TRACE_STOPPED] = "stopped", [TRACE_UNKNOWN] = "unknown",
    };

    return names[verdict];
}

static void
output_verdict(struct output *out, const char *packet,
               const struct trace_way *way, const struct trace_way *reply)
{
    const struct trace_way *bad = reply && trace_way_is_bad(reply) ? reply
                                  : way;
    char *verdict = verdict_to_string(way);

    if (bad == reply) {
        char *back = verdict_to_string(reply);
        char *both = xasprintf("%s; its answer: %s", verdict, back);

        free(back);
        free(verdict);
        verdict = both;
    } else if (reply) {
        char *both = xasprintf("%s; the answer comes back", verdict);

        free(verdict);
        verdict = both;
    }
    output_begin(out, "verdicts", OUTPUT_LIST, "The verdict");
    output_record(out);
    output_string(out, "packet", "packet", packet);
    output_string(out, "verdict", "verdict", verdict);
    output_string(out, "end", NULL, verdict_name(bad->verdict));
    output_boolean(out, "arrives", NULL, !trace_way_is_bad(bad));
    output_string(out, "node", NULL, bad->node);
    output_string(out, "name", NULL, bad->name);
    output_string(out, "why", bad->why ? "why" : NULL, bad->why);
    output_string(out, "fix", bad->fix ? "what helps" : NULL, bad->fix);
    free(verdict);
}

/* The run. */

/* Where an answer begins, if it can be followed: who is outside sends by
 * unknown ways, and a service's answer is another backend's. */
static bool
has_reply(const struct trace_way *way, const struct trace_end *dst)
{
    return way->verdict == TRACE_DELIVERED && !dst->service
           && (dst->container || dst->node);
}

struct trace_pair {
    struct trace_question asked; /* As it began; 'from' is nobody's. */
    struct trace_way way, back;
    bool replies;               /* 'back' is the answer's way. */
};

/* Returns NULL, or an error that the caller frees. */
static char *
trace_both(struct session *session, struct trace_question *q,
           const struct trace_end *src, const struct trace_end *dst,
           const struct explainer *explainer, struct trace_pair *pair)
{
    struct trace_question reply = { .from = NULL };
    char *error;

    pair->asked = *q;
    error = trace_run(session, q, &pair->way);
    pair->asked.from = NULL;
    pair->asked.has_src = q->has_src;
    pair->asked.src = q->src;
    if (error) {
        return error;
    }
    trace_blame(session, &pair->asked, src, explainer, &pair->way);
    if (has_reply(&pair->way, dst)) {
        make_reply(q, dst, &reply);
        error = trace_run(session, &reply, &pair->back);
        if (!error) {
            pair->replies = true;
            trace_blame(session, NULL, dst, explainer, &pair->back);
        }
        free(reply.from);
    }
    return error;
}

static bool
output_pair(const struct command_context *ctx, const char *packet, bool all,
            const struct trace_pair *pair, const struct explainer *explainer)
{
    struct output *out = output_create(ctx->json, "trace");
    bool back_is_bad = pair->replies && trace_way_is_bad(&pair->back);

    all |= ctx->json;
    output_steps(out, "steps", NULL, &pair->way, all, explainer);
    if (back_is_bad || (pair->replies && all)) {
        output_steps(out, "reply", "Its answer", &pair->back, all,
                     explainer);
    }
    output_verdict(out, packet, &pair->way,
                   pair->replies ? &pair->back : NULL);
    output_finish(out);
    return !trace_way_is_bad(&pair->way) && !back_is_bad;
}

static int
trace_between(const struct command_context *ctx, struct session *session,
              const struct trace_args *args, const struct trace_end *src,
              const struct trace_end *dst)
{
    struct trace_question q = { .from = NULL };
    struct trace_pair pair = { .replies = false };
    struct explainer *explainer;
    int status = make_question(args, src, dst, &q);

    if (status != EXIT_OK) {
        return status;
    }
    explainer = explainer_create(session_model(session));
    char *error = trace_both(session, &q, src, dst, explainer, &pair);
    if (error) {
        status = command_fail("%s", error);
    } else {
        char *packet = packet_to_string(&pair.asked, src, dst);
        bool ok = output_pair(ctx, packet, args->all, &pair, explainer);

        status = ok ? EXIT_OK : EXIT_ERROR;
        free(packet);
    }
    trace_way_destroy(&pair.way);
    trace_way_destroy(&pair.back);
    explainer_destroy(explainer);
    free(error);
    free(q.from);
    return status;
}

int
cmd_trace(struct command_context *ctx, int argc, char *argv[])
{
    struct trace_args args;
    struct session *session;

    if (!trace_parse(argc, argv, &args)) {
        return EXIT_ERROR;
    }
    session = session_open(ctx);
    if (!session) {
        return EXIT_ERROR;
    }

    struct trace_end src = { .name = NULL }, dst = { .name = NULL };
    char *error = trace_end_from(session_model(session), args.src, &src);
    if (!error) {
        error = trace_end_to(session_model(session), args.dst, &dst);
    }
    int status = error ? command_fail("%s", error)
                 : trace_between(ctx, session, &args, &src, &dst);
    free(error);
    trace_end_destroy(&src);
    trace_end_destroy(&dst);
    session_close(session);
    return status;
}
