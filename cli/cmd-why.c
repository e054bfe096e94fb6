#include <config.h>

#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "cli/cause.h"
#include "cli/command.h"
#include "cli/fabric.h"
#include "cli/output.h"
#include "cli/probes.h"
#include "cli/protocol.h"
#include "cli/state-source.h"
#include "flows/compiler.h"
#include "flows/explain.h"
#include "flows/tables.h"
#include "openvswitch/json.h"
#include "openvswitch/shash.h"
#include "state/model.h"
#include "util.h"

struct why_args {
    const char *src, *dst;
    uint8_t ip_proto;
    char *port;                 /* Or NULL. */
    const char *from, *node;
};

static bool
why_parse(int argc, char *argv[], struct why_args *args)
{
    static const struct option options[] = {
        {"from", required_argument, NULL, 'f'},
        {"node", required_argument, NULL, 'n'},
        {NULL, 0, NULL, 0},
    };

    for (int c; (c = command_getopt(argc, argv, options)) != -1; ) {
        if (c == '?') {
            return false;
        }
        *(c == 'f' ? &args->from : &args->node) = optarg;
    }
    if (argc - optind < 2 || argc - optind > 3) {
        command_misused("why", "give a source, a destination, and a protocol "
                        "such as tcp/443 (icmp if none)");
        return false;
    }
    args->src = argv[optind];
    args->dst = argv[optind + 1];
    args->ip_proto = 0;
    return protocol_parse("why", argc - optind == 3 ? argv[optind + 2]
                          : "icmp", &args->ip_proto, &args->port);
}

/* The rule, or the flow of the pipeline, that made an end of it. */
static void
output_decision(const struct fabric_way *way,
                const struct explainer *explainer, struct output *out)
{
    struct cause cause;

    if (way->decided) {
        cause_find(explainer, way->decided->cookie, &cause);
        output_string(out, "decided_by", "decided by", cause.text);
        cause_destroy(&cause);
    } else {
        output_string(out, "decided_by", "decided by", "no flow matches");
    }
}

static void
output_steps(const struct fabric_way *way, const struct explainer *explainer,
             struct output *out)
{
    output_begin(out, "steps", OUTPUT_TABLE, "Its way through the tables");
    for (size_t i = 0; i < way->n_hops; i++) {
        const struct fabric_hop *hop = &way->hops[i];

        for (size_t j = 0; j < hop->walk.n_steps; j++) {
            const struct walk_step *step = &hop->walk.steps[j];
            struct cause cause = { .text = NULL };

            if (step->flow) {
                cause_find(explainer, step->flow->cookie, &cause);
            }
            output_record(out);
            output_string(out, "node", "node", hop->node);
            output_string(out, "table", "table",
                          sn_table_name(step->table_id));
            output_string(out, "cause", "flow of",
                          cause.text ? cause.text : "(no flow matches)");
            if (step->flow) {
                cause_destroy(&cause);
            }
        }
    }
}

static bool
selectors_name(const struct model *model, const struct model_selector *sels,
               size_t n, const struct model_container *container)
{
    for (size_t i = 0; container && i < n; i++) {
        if (model_selector_matches(model, &sels[i], container)) {
            return true;
        }
    }
    return false;
}

/* For a denial: the rules that come closest to allowing it. */
static void
output_nearest(const struct model *model, const struct probe *probe,
               struct output *out)
{
    const struct shash_node **sorted = shash_sort(&model->acls);

    output_begin(out, "nearest", OUTPUT_TABLE,
                 "Rules that would allow something like it");
    for (size_t i = 0; i < shash_count(&model->acls); i++) {
        const struct model_acl *acl = sorted[i]->data;
        bool src = selectors_name(model, acl->src, acl->n_src,
                                  probe->packet.src);
        bool dst = selectors_name(model, acl->dst, acl->n_dst,
                                  probe->dst_container);

        if (acl->action == ACTION_ACCEPT && dst) {
            char *loc = sn_loc_to_string(&acl->loc);

            output_record(out);
            output_string(out, "rule", "rule", acl->name);
            output_string(out, "differs", "but for",
                          src ? "another protocol or port"
                          : "another source");
            output_string(out, "location", "at", loc);
            free(loc);
        }
    }
    free(sorted);
}

static void
output_way(const struct fabric *fabric, const struct probe *probe,
           const struct explainer *explainer, struct output *out)
{
    struct fabric_way way;

    fabric_send(fabric, &probe->packet, &way);
    output_steps(&way, explainer, out);
    if (probe_is_stopped(&way)) {
        output_nearest(fabric_model(fabric), probe, out);
    }
    fabric_way_uninit(&way);
}

static void
output_verdict(const struct fabric *fabric, const struct probe *probe,
               const struct explainer *explainer, struct output *out)
{
    char *packet = probe_to_string(probe);
    struct fabric_way way;

    fabric_send(fabric, &probe->packet, &way);
    char *end = fabric_way_to_string(&way);
    output_record(out);
    output_string(out, "packet", "a new connection", packet);
    output_string(out, "verdict", "is", end);
    output_boolean(out, "arrives", NULL, probe_has_arrived(probe, &way));
    output_decision(&way, explainer, out);
    fabric_way_uninit(&way);
    free(packet);
    free(end);
}

static int
print_why(const struct command_context *ctx, const struct fabric *fabric,
          const struct probes *probes)
{
    struct output *out = output_create(ctx->json, "why");
    struct explainer *explainer = explainer_create(fabric_model(fabric));

    output_begin(out, "verdicts", OUTPUT_TABLE, NULL);
    for (size_t i = 0; i < probes->n; i++) {
        struct probe probe = probes->items[i];
        size_t n_buckets = 1;

        for (size_t j = 0; j < n_buckets; j++) {
            struct fabric_way way;

            probe.packet.bucket = j;
            fabric_send(fabric, &probe.packet, &way);
            n_buckets = MAX(n_buckets, way.n_buckets);
            fabric_way_uninit(&way);
            output_verdict(fabric, &probe, explainer, out);
        }
    }
    output_way(fabric, &probes->items[0], explainer, out);
    explainer_destroy(explainer);
    output_finish(out);
    return EXIT_OK;
}

static bool
parse_selector(const struct model *model, const char *text, bool with_ports,
               struct model_selector *sel)
{
    char *error = model_selector_parse(model, text, with_ports, sel);

    if (error) {
        command_fail("%s", error);
        free(error);
    }
    return !error;
}

static int
why_run(const struct command_context *ctx, const struct why_args *args,
        struct model *model)
{
    char *to = args->port ? xasprintf("%s:%s", args->dst, args->port)
               : xstrdup(args->dst);
    struct model_selector src, dst;
    int status = EXIT_ERROR;

    if (parse_selector(model, args->src, false, &src)) {
        if (parse_selector(model, to, true, &dst)) {
            struct fabric *fabric = fabric_create(model);
            struct probe_ports ports;
            struct probes probes;

            ports.n = fabric_get_ports(fabric, &ports.ports);
            probes_make(fabric, &src, &dst, args->ip_proto, &ports, &probes);
            free(ports.ports);
            status = probes.n ? print_why(ctx, fabric, &probes)
                     : command_fail("%s sends nothing to %s through a bridge",
                                    args->src, to);
            probes_destroy(&probes);
            fabric_destroy(fabric);
            model_selector_destroy(&dst);
        }
        model_selector_destroy(&src);
    }
    free(to);
    return status;
}

int
cmd_why(struct command_context *ctx, int argc, char *argv[])
{
    struct why_args args = { .src = NULL };
    struct state_source source;
    int status = EXIT_ERROR;

    if (why_parse(argc, argv, &args)
        && state_source_open(&source, ctx, args.from, args.node)) {
        status = why_run(ctx, &args, CONST_CAST(struct model *,
                                                state_source_model(&source)));
        state_source_close(&source);
    }
    free(args.port);
    return status;
}
