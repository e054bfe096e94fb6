#include <config.h>

#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include "cli/apply-wait.h"
#include "cli/command.h"
#include "cli/commit.h"
#include "cli/output.h"
#include "cli/session.h"
#include "cli/status-rows.h"
#include "openvswitch/json.h"
#include "openvswitch/poll-loop.h"
#include "ovsdb-idl.h"
#include "ovsdb-sync/model-apply.h"
#include "ovsdb-sync/model-rows.h"
#include "ovsdb-sync/socknet-idl.h"
#include "state/model.h"
#include "timeval.h"
#include "util.h"

/* Keys of nodes: what the operator asks for is written into the desired state,
 * and the agents do it. */

enum { DEFAULT_WAIT_MS = 60000 };

enum request { ROTATE, REVOKE, RESTORE };

static const char *const request_words[] = {
    [ROTATE] = "rotate", [REVOKE] = "revoke", [RESTORE] = "restore",
};

struct node_args {
    enum request request;
    const char *name;
    bool wait;
};

static int
node_parse(int argc, char *argv[], struct node_args *args)
{
    static const struct option options[] = {
        { "wait", no_argument, NULL, 'w' },
        { NULL, 0, NULL, 0 },
    };

    for (int c; (c = command_getopt(argc, argv, options)) != -1; ) {
        if (c == '?') {
            return EXIT_ERROR;
        }
        args->wait = true;
    }
    argc -= optind;
    argv += optind;
    for (size_t i = 0; argc == 2 && i < ARRAY_SIZE(request_words); i++) {
        if (!strcmp(argv[0], request_words[i])) {
            args->request = i;
            args->name = argv[1];
            return EXIT_OK;
        }
    }
    return command_misused("node", "give one of rotate, revoke, restore, and "
                           "a node's NAME");
}

/* Whoever has its keys is not to come back with them. */
static void
refuse_keys(const struct session *session, struct model_node *node)
{
    const struct sndb_node_status *row
        = status_rows_node(session_idl(session), node->name);

    if (row && row->public_key) {
        sset_add(&node->refused_keys, row->public_key);
    }
    if (row && row->next_public_key) {
        sset_add(&node->refused_keys, row->next_public_key);
    }
}

/* Returns the node as it is to be. */
static struct model_node *
node_request(const struct session *session, const struct node_args *args)
{
    const struct ovsdb_idl_row *row
        = model_rows_find(session_idl(session), MODEL_NODE, args->name);
    char *error = NULL;
    struct model_node *node = model_rows_get(MODEL_NODE)->read(row, &error);

    if (!node) {
        command_fail("node %s: %s", args->name, error);
        free(error);
        return NULL;
    }
    switch (args->request) {
    case ROTATE:
        node->key_epoch++;
        break;
    case REVOKE:
        node->revoked = true;
        refuse_keys(session, node);
        break;
    case RESTORE:
        node->revoked = false;
        break;
    }
    return node;
}

static void
compose_node(struct ovsdb_idl_txn *txn, const void *node_,
             struct model_apply *apply)
{
    const struct model_node *node = node_;

    model_apply_compose_one(txn, MODEL_NODE, node->name, node, apply);
}

static bool
is_rotated(const struct session *session, const struct model_node *node)
{
    const struct sndb_node_status *row
        = status_rows_node(session_idl(session), node->name);

    return (row && row->key_epoch >= node->key_epoch
            && !row->next_public_key);
}

/* Returns whether everybody has done it in time. */
static bool
node_wait(const struct command_context *ctx, struct session *session,
          const struct model_node *node, int64_t generation)
{
    int timeout_ms = ctx->timeout_given ? ctx->timeout_ms : DEFAULT_WAIT_MS;
    long long int deadline = time_msec() + timeout_ms;
    bool done = apply_wait(session, generation, deadline, !ctx->json);

    while (done && !node->revoked && !is_rotated(session, node)) {
        if (time_msec() >= deadline) {
            return false;
        }
        session_wait(session);
        poll_timer_wait_until(deadline);
        poll_block();
        session_run(session);
    }
    return done;
}

static void
output_request(const struct node_args *args, const struct model_apply *apply,
               struct output *out)
{
    static const char *const notes[] = {
        [ROTATE] = "makes a new key",
        [REVOKE] = "is revoked: the other nodes drop it.  Its certificate "
                   "stays valid for reading the database; what its agent "
                   "reports is ignored",
        [RESTORE] = "may come back, with a new key",
    };
    bool changed = model_apply_has_changes(apply);

    output_attach(out, "node", json_string_create(args->name));
    output_attach(out, "request",
                  json_string_create(request_words[args->request]));
    output_attach(out, "changed", json_boolean_create(changed));
    output_attach(out, "generation",
                  json_integer_create(apply->generation));
    if (changed) {
        output_note(out, "%s %s (generation %"PRId64")", args->name,
                    notes[args->request], apply->generation);
    } else {
        output_note(out, "nothing to change: %s is %s", args->name,
                    args->request == REVOKE ? "revoked" : "not revoked");
    }
}

static int
node_run(const struct command_context *ctx, struct session *session,
         const struct node_args *args)
{
    struct model_node *node = node_request(session, args);
    if (!node) {
        return EXIT_ERROR;
    }

    char *action = xasprintf("node %s %s", request_words[args->request],
                             args->name);
    struct commit commit = {
        .compose = compose_node, .aux = node, .action = action,
    };
    struct model_apply apply;
    int status = EXIT_OK;
    char *error = commit_run(session, &commit, false,
                             time_msec() + ctx->timeout_ms, &apply);
    if (error) {
        status = command_fail("%s", error);
        free(error);
    } else {
        struct output *out = output_create(ctx->json, "node");

        output_request(args, &apply, out);
        if (args->wait && !node_wait(ctx, session, node, apply.generation)) {
            status = command_fail("%s: not everybody has confirmed in time: "
                                  "`socknet status` says who", args->name);
        }
        output_finish(out);
    }
    model_apply_destroy(&apply);
    model_object_free(MODEL_NODE, node);
    free(action);
    return status;
}

int
cmd_node(struct command_context *ctx, int argc, char *argv[])
{
    struct node_args args = { .wait = false };

    if (node_parse(argc, argv, &args)) {
        return EXIT_ERROR;
    }
    struct session *session = session_open_at(ctx, args.name);
    if (!session) {
        return EXIT_ERROR;
    }
    int status = node_run(ctx, session, &args);
    session_close(session);
    return status;
}
