#include <config.h>

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "cli/cause.h"
#include "cli/command.h"
#include "cli/output.h"
#include "cli/state-source.h"
#include "flows/explain.h"
#include "flows/objects.h"
#include "flows/tables.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/json.h"
#include "util.h"

struct explain_args {
    const char *from;           /* State file, or NULL: the database. */
    const char *node;
    char **cookies;             /* None: standard input. */
    int n_cookies;
};

static int
parse_args(int argc, char *argv[], struct explain_args *args)
{
    static const struct option options[] = {
        { "from", required_argument, NULL, 'f' },
        { "node", required_argument, NULL, 'n' },
        { NULL, 0, NULL, 0 },
    };

    for (int c; (c = command_getopt(argc, argv, options)) != -1; ) {
        switch (c) {
        case 'f':
            args->from = optarg;
            break;
        case 'n':
            args->node = optarg;
            break;
        default:
            return EXIT_ERROR;
        }
    }
    args->cookies = argv + optind;
    args->n_cookies = argc - optind;
    return EXIT_OK;
}

/* The value of 'key' ("cookie=") in front of a flow's actions. */
static const char *
find_value(const char *line, const char *key)
{
    const char *actions = strstr(line, "actions=");
    const char *p = line;

    while ((p = strstr(p, key)) && p < actions) {
        if (p == line || strchr(" \t,", p[-1])) {
            return p + strlen(key);
        }
        p++;
    }
    return NULL;
}

/* The table that 's' begins with, by number or name, which may be quoted; -1
 * for one that is not ours. */
static int
table_from_prefix(const char *s)
{
    char *end;
    unsigned long int id = strtoul(s, &end, 10);

    if (end != s) {
        return id < 255 ? id : -1;
    }
    s += *s == '"';
    char *name = xmemdup0(s, strcspn(s, "\"., "));
    int table_id = sn_table_from_name(name);
    free(name);
    return table_id;
}

/* A flow as `ovs-ofctl dump-flows` prints it.  It leaves out a table 0 at
 * times, and a cookie 0. */
static bool
parse_dump_line(const char *line, uint64_t *cookie, int *table_id)
{
    if (!strstr(line, "actions=")) {
        return false;
    }

    const char *value = find_value(line, "cookie=");
    const char *table = find_value(line, "table=");
    *cookie = value ? strtoull(value, NULL, 0) : 0;
    *table_id = table ? table_from_prefix(table) : SN_TABLE_CLASSIFY;
    return true;
}

/* A flow that a packet meets in `ovs-appctl ofproto/trace`:
 * " 4. ip,reg0=0x67, priority 100, cookie 0x5302000000670002". */
static bool
parse_trace_line(const char *line, uint64_t *cookie, int *table_id)
{
    const char *table = line + strspn(line, " ");
    const char *value = strstr(line, ", cookie 0x");
    const char *dot = strstr(table, ". ");

    if (!value || !dot || dot > value || strcspn(table, " ") < dot - table) {
        return false;
    }
    *cookie = strtoull(value + strlen(", cookie "), NULL, 0);
    *table_id = table_from_prefix(table);
    return true;
}

/* Appends the names of the groups and meters that the flow uses. */
static void
put_objects(const char *line, const struct explainer *explainer,
            struct ds *s)
{
    static const struct { enum sn_object_kind kind; const char *action; }
    actions[] = { { SN_METER, "meter:" }, { SN_GROUP, "group:" } };

    for (size_t i = 0; i < ARRAY_SIZE(actions); i++) {
        const char *p = strstr(line, "actions=");

        while (p && (p = strstr(p, actions[i].action))) {
            p += strlen(actions[i].action);

            const char *name = explainer_object(explainer, actions[i].kind,
                                                strtoul(p, NULL, 10));
            if (name) {
                ds_put_format(s, "; %s %s",
                              sn_object_kind_name(actions[i].kind), name);
            }
        }
    }
}

static void
output_cause(uint64_t cookie, int table_id, const char *line,
             const struct explainer *explainer, struct output *out)
{
    struct cause cause;
    struct ds s = DS_EMPTY_INITIALIZER;

    cause_find(explainer, cookie, &cause);
    ds_put_format(&s, "%s%s", line ? "    " : "", cause.text);

    const char *purpose = table_purpose(table_id);
    if (purpose) {
        ds_put_format(&s, "; table %s: %s", sn_table_name(table_id), purpose);
    }
    if (line) {
        put_objects(line, explainer, &s);
    }
    output_record(out);
    output_string(out, "text", "", ds_cstr(&s));
    output_string(out, "line", NULL, line);
    output_value(out, "cookie", NULL,
                 json_string_create_nocopy(xasprintf("0x%"PRIx64, cookie)),
                 NULL);
    output_string(out, "table", NULL,
                  table_id >= 0 ? sn_table_name(table_id) : NULL);
    output_string(out, "purpose", NULL, purpose);
    cause_output(&cause, out);

    cause_destroy(&cause);
    ds_destroy(&s);
}

/* A line that is no flow, such as the header of a reply, is only repeated, for
 * people. */
static void
explain_line(const char *line, const struct explainer *explainer,
             struct output *out)
{
    uint64_t cookie;
    int table_id;

    output_note(out, "%s", line);
    if (parse_dump_line(line, &cookie, &table_id)
        || parse_trace_line(line, &cookie, &table_id)) {
        output_cause(cookie, table_id, line, explainer, out);
    }
}

static void
explain_stream(FILE *stream, const struct explainer *explainer,
               struct output *out)
{
    struct ds line = DS_EMPTY_INITIALIZER;

    while (!ds_get_line(&line, stream)) {
        ds_chomp(&line, '\r');
        explain_line(ds_cstr(&line), explainer, out);
        if (ferror(stdout)) {
            break;
        }
    }
    ds_destroy(&line);
}

static int
explain_cookies(const struct explain_args *args,
                const struct explainer *explainer, struct output *out)
{
    for (int i = 0; i < args->n_cookies; i++) {
        const char *s = args->cookies[i];
        char *end;

        s += strncmp(s, "cookie=", 7) ? 0 : 7;
        uint64_t cookie = strtoull(s, &end, 0);
        if (end != s && *end == '/') {
            (void) strtoull(end + 1, &end, 0); /* A mask, "cookie/-1". */
        }
        if (end == s || *end) {
            return command_misused("explain", "\"%s\" is not a cookie such as "
                                   "0x5302000000660000", args->cookies[i]);
        }
        output_cause(cookie, -1, NULL, explainer, out);
    }
    return EXIT_OK;
}

int
cmd_explain(struct command_context *ctx, int argc, char *argv[])
{
    struct explain_args args = { .n_cookies = 0 };
    struct state_source source;

    int status = parse_args(argc, argv, &args);
    if (status) {
        return status;
    }
    if (!state_source_open(&source, ctx, args.from, args.node)) {
        return EXIT_ERROR;
    }

    struct explainer *explainer
        = explainer_create(state_source_model(&source));
    struct output *out = output_create(ctx->json, "explain");
    output_begin(out, "flows", OUTPUT_LINES, NULL);
    if (args.n_cookies) {
        status = explain_cookies(&args, explainer, out);
    } else {
        explain_stream(stdin, explainer, out);
    }
    output_finish(out);
    explainer_destroy(explainer);
    state_source_close(&source);
    return status;
}
