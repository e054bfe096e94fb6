#include <config.h>

#include <getopt.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <string.h>
#include "cli/command.h"
#include "cli/output.h"
#include "cli/session.h"
#include "cli/status-rows.h"
#include "lib/suggest.h"
#include "openvswitch/json.h"
#include "openvswitch/shash.h"
#include "ovsdb-sync/socknet-idl.h"
#include "state/model.h"
#include "state/service.h"
#include "util.h"

/* Services, their backends, and who serves. */

static const char *
proto_to_string(uint8_t ip_proto)
{
    return (ip_proto == IPPROTO_UDP ? "udp"
            : ip_proto == IPPROTO_SCTP ? "sctp" : "tcp");
}

/* What the nodes report of a backend. */
struct backend_status {
    const struct sndb_service_status *own;      /* Its own node's, or NULL. */
    bool silent;                                /* Its node's agent. */
    int64_t connections;                        /* Of all nodes. */
};

/* By some other node. */
static bool
is_unreachable(const struct session *session, const char *name)
{
    const struct sndb_node_status *row;

    SNDB_NODE_STATUS_FOR_EACH (row, session_idl(session)) {
        for (size_t i = 0; i < row->n_unreachable; i++) {
            if (!strcmp(row->unreachable[i], name)) {
                return true;
            }
        }
    }
    return false;
}

static struct backend_status
backend_status(const struct session *session,
               const struct model_service *service,
               const struct model_container *container)
{
    const struct sndb_node_status *node
        = status_rows_node(session_idl(session), container->node);
    struct backend_status status = {
        .silent = (!node || status_rows_is_silent(node->seen)
                   || is_unreachable(session, container->node)),
    };
    const struct sndb_service_status *row;

    SNDB_SERVICE_STATUS_FOR_EACH (row, session_idl(session)) {
        if (!strcmp(row->service, service->name)
            && !strcmp(row->backend, container->name)) {
            status.connections += row->connections;
            if (!strcmp(row->node, container->node)) {
                status.own = row;
            }
        }
    }
    return status;
}

static const char *
backend_state(const struct service_backend *b,
              const struct model_service *service,
              const struct backend_status *status)
{
    const char *state = status->own ? status->own->state : NULL;

    return (state && !strcmp(state, "down") ? "down"
            : !b->weight ? (status->connections ? "draining" : "drained")
            : status->silent ? "silent"
            : state ? state
            : service->health.type == HEALTH_NONE ? "not probed" : NULL);
}

static void
output_service(const struct session *session,
               const struct model_service *service, struct output *out)
{
    struct service_backend *backends;
    size_t n = service_get_backends(session_model(session), service,
                                    &backends);
    struct sset vips = SSET_INITIALIZER(&vips);
    size_t n_serving = 0;

    for (size_t i = 0; i < n; i++) {
        struct backend_status status = backend_status(session, service,
                                                      backends[i].container);
        const char *state = backend_state(&backends[i], service, &status);
        n_serving += backends[i].weight && (!state || strcmp(state, "down"));
    }
    for (size_t i = 0; i < service->n_vips; i++) {
        sset_add_and_free(&vips,
                          sn_prefix_addr_to_string(&service->vips[i]));
    }
    output_record(out);
    output_string(out, "name", "service", service->name);
    output_strings(out, "vips", "address", &vips);
    output_string(out, "protocol", "protocol",
                  proto_to_string(service->ip_proto));
    output_integer(out, "port", "port", service->port);
    output_value(out, "n_backends", "serving", json_integer_create(n),
                 xasprintf("%"PRIuSIZE"/%"PRIuSIZE, n_serving, n));
    output_integer(out, "n_serving", NULL, n_serving);
    output_value(out, "discovered", "from",
                 json_boolean_create(service->discovered),
                 xstrdup(service->discovered ? "containers" : "state file"));
    sset_destroy(&vips);
    free(backends);
}

static void
output_backends(const struct session *session,
                const struct model_service *service, struct output *out)
{
    struct service_backend *backends;
    size_t n = service_get_backends(session_model(session), service,
                                    &backends);

    for (size_t i = 0; i < n; i++) {
        const struct service_backend *b = &backends[i];
        struct backend_status status = backend_status(session, service,
                                                      b->container);

        output_record(out);
        output_string(out, "service", "service", service->name);
        output_string(out, "container", "backend", b->container->name);
        output_string(out, "node", "node", b->container->node);
        output_integer(out, "port", "port", b->port);
        output_integer(out, "weight", "weight", b->weight);
        output_string(out, "state", "state",
                      backend_state(b, service, &status));
        output_integer(out, "connections", "connections",
                       status.connections);
        output_string(out, "reason", "reason",
                      status.own ? status.own->reason : NULL);
    }
    free(backends);
}

static bool
find_service(const struct model *model, const char *name)
{
    const struct shash_node *node;
    struct suggest near;

    if (model_get_service(model, name)) {
        return true;
    }
    suggest_init(&near, name);
    SHASH_FOR_EACH (node, &model->services) {
        suggest_offer(&near, node->name);
    }
    if (near.best) {
        command_fail("no service \"%s\" in the state: did you mean \"%s\"?",
                     name, near.best);
    } else {
        command_fail("no service \"%s\" in the state", name);
    }
    return false;
}

int
cmd_services(struct command_context *ctx, int argc, char *argv[])
{
    static const struct option options[] = { { NULL, 0, NULL, 0 } };

    if (command_getopt(argc, argv, options) != -1) {
        return EXIT_ERROR;
    }
    if (argc - optind > 1) {
        return command_misused("services", "services takes one NAME");
    }

    struct session *session = session_open(ctx);
    if (!session) {
        return EXIT_ERROR;
    }

    const struct model *model = session_model(session);
    const char *only = argv[optind];
    if (only && !find_service(model, only)) {
        session_close(session);
        return EXIT_ERROR;
    }

    struct output *out = output_create(ctx->json, "services");
    const struct shash_node **sorted = shash_sort(&model->services);
    size_t n = shash_count(&model->services);

    output_begin(out, "services", OUTPUT_TABLE, NULL);
    for (size_t i = 0; i < n; i++) {
        if (!only || !strcmp(only, sorted[i]->name)) {
            output_service(session, sorted[i]->data, out);
        }
    }
    output_begin(out, "backends", OUTPUT_TABLE, NULL);
    for (size_t i = 0; i < n; i++) {
        if (!only || !strcmp(only, sorted[i]->name)) {
            output_backends(session, sorted[i]->data, out);
        }
    }
    free(sorted);
    if (!n) {
        output_note(out, "no services");
    }
    output_finish(out);
    session_close(session);
    return EXIT_OK;
}
