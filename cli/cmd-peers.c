#include <config.h>

#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include "cli/command.h"
#include "cli/output.h"
#include "cli/pairs.h"
#include "cli/session.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/json.h"
#include "ovsdb-sync/socknet-idl.h"
#include "util.h"

static struct json *
view_to_json(const struct sndb_peer_status *view)
{
    struct json *json = json_object_create();
    const struct {
        const char *key, *value;
    } strings[] = {
        { "node", view->node }, { "path", view->path },
        { "endpoint", view->endpoint }, { "relay", view->relay },
        { "reason", view->reason },
    };

    for (size_t i = 0; i < ARRAY_SIZE(strings); i++) {
        json_object_put(json, strings[i].key, strings[i].value
                        ? json_string_create(strings[i].value)
                        : json_null_create());
    }
    json_object_put(json, "latest_handshake", view->latest_handshake
                    ? json_integer_create(view->latest_handshake)
                    : json_null_create());
    return json;
}

/* "b at 192.0.2.1:51821, a at …" */
static char *
describe_endpoints(const struct pair *pair)
{
    struct ds ds = DS_EMPTY_INITIALIZER;

    for (int i = 0; i < 2; i++) {
        const struct sndb_peer_status *view = pair->views[i];

        if (view && view->endpoint) {
            ds_put_format(&ds, "%s%s at %s", ds.length ? ", " : "",
                          view->peer, view->endpoint);
        }
    }
    return ds.length ? ds_steal_cstr(&ds) : xstrdup("-");
}

static void
print_pair(const struct pair *pair, struct output *out)
{
    struct json *views = json_array_create_empty();
    const char *hub = pair_hub(pair);
    char *path = xasprintf("%s%s%s", pair_path(pair), hub ? " via " : "",
                           hub ? hub : "");

    for (int i = 0; i < 2; i++) {
        if (pair->views[i]) {
            json_array_add(views, view_to_json(pair->views[i]));
        }
    }
    output_record(out);
    output_string(out, "a", "node", pair->a);
    output_string(out, "b", "peer", pair->b);
    output_value(out, "path", "path", json_string_create(pair_path(pair)),
                 path);
    output_string(out, "relay", NULL, hub);
    output_time(out, "latest_handshake", "handshake", pair_handshake(pair));
    output_value(out, "views", "seen", views, describe_endpoints(pair));
    output_string(out, "reason", "reason", pair_reason(pair));
}

int
cmd_peers(struct command_context *ctx, int argc, char *argv[])
{
    static const struct option options[] = {
        { "not-direct", no_argument, NULL, 'n' },
        { NULL, 0, NULL, 0 },
    };
    bool not_direct = false;

    for (int c; (c = command_getopt(argc, argv, options)) != -1; ) {
        if (c == '?') {
            return EXIT_ERROR;
        }
        not_direct = true;
    }
    if (argc - optind > 1) {
        return command_misused("peers", "peers takes one NODE");
    }

    const char *only = argv[optind];
    struct session *session = session_open_at(ctx, only);
    if (!session) {
        return EXIT_ERROR;
    }

    struct output *out = output_create(ctx->json, "peers");
    size_t n;
    struct pair *pairs = pairs_find(session, only, &n);

    output_begin(out, "pairs", OUTPUT_TABLE, NULL);
    for (size_t i = 0; i < n; i++) {
        if (!not_direct || !pair_is_direct(&pairs[i])) {
            print_pair(&pairs[i], out);
        }
    }
    session_output_emptiness(session, out);
    output_finish(out);
    free(pairs);
    session_close(session);
    return EXIT_OK;
}
