#include <config.h>

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/apply-wait.h"
#include "cli/command.h"
#include "cli/commit.h"
#include "cli/output.h"
#include "cli/problems.h"
#include "cli/session.h"
#include "lib/diag.h"
#include "openvswitch/json.h"
#include "openvswitch/poll-loop.h"
#include "ovsdb-idl.h"
#include "ovsdb-sync/model-apply.h"
#include "state/load.h"
#include "state/model.h"
#include "timeval.h"
#include "util.h"

/* Agents must reach each other for the first time: more than it takes to read
 * the database. */
enum { DEFAULT_WAIT_MS = 60000, SETTLE_MS = 1000 };

struct apply_options {
    const char *path;
    const char *node;           /* For a single host's file, or NULL. */
    bool wait;
    bool dry_run;
};

/* Loads the file and gives its nodes the addresses that they have already.
 * Returns NULL after having printed every error. */
static struct model *
load_model(const struct apply_options *o, const struct session *session)
{
    struct model *model;
    struct diags diags;

    diags_init(&diags);
    model = state_load(o->path, o->node, &diags);
    if (model) {
        model_inherit(model, session_model(session));
        model_assign_addresses(model, session_model(session), &diags);
    }
    diags_print(&diags, stderr);
    if (diags.n_errors) {
        fprintf(stderr, "socknet: error: %"PRIuSIZE" error%s; nothing was "
                "changed\n", diags.n_errors, diags.n_errors > 1 ? "s" : "");
        model_destroy(model);
        model = NULL;
    }
    diags_destroy(&diags);
    return model;
}

static void
compose_model(struct ovsdb_idl_txn *txn, const void *model,
              struct model_apply *apply)
{
    model_apply_compose(txn, model, apply);
}

static void
output_keys(struct output *out, const char *what, enum model_kind kind,
            const struct svec *keys, const struct model *model)
{
    const char *key;
    size_t i;

    SVEC_FOR_EACH (i, key, keys) {
        output_record(out);
        output_string(out, "change", "change", what);
        output_string(out, "kind", "kind", model_kind_to_string(kind));
        output_string(out, "name", "name",
                      kind == MODEL_MESH ? model->mesh.name : key);
    }
}

static void
output_apply(const struct model_apply *apply, const struct model *model,
             bool dry_run, struct output *out)
{
    output_begin(out, "changes", OUTPUT_TABLE, NULL);
    for (enum model_kind kind = 0; kind < MODEL_N_KINDS; kind++) {
        output_keys(out, "added", kind, &apply->added[kind], model);
        output_keys(out, "changed", kind, &apply->changed[kind], model);
        output_keys(out, "removed", kind, &apply->removed[kind], model);
    }
    output_attach(out, "generation", json_integer_create(apply->generation));
    output_attach(out, "moved", json_integer_create(apply->n_moved));
    output_attach(out, "dry_run", json_boolean_create(dry_run));

    if (!model_apply_has_changes(apply)) {
        output_note(out, "nothing to change (generation %"PRId64")",
                    apply->generation);
        if (apply->n_moved) {
            output_note(out, "%"PRIuSIZE" moved within the file",
                        apply->n_moved);
        }
    } else {
        output_note(out, "generation %"PRId64"%s", apply->generation,
                    dry_run ? ", if applied" : "");
    }
}

/* What a host finds out only now, such as the MAC address of a new container,
 * is a problem for a moment. */
static void
settle(struct session *session, struct problems *problems)
{
    long long int deadline = time_msec() + SETTLE_MS;

    for (;;) {
        session_run(session);
        *problems = (struct problems) { .n = 0 };
        problems_find(session, NULL, problems);
        if (!problems->n || time_msec() >= deadline) {
            return;
        }
        problems_destroy(problems);
        session_wait(session);
        poll_timer_wait_until(deadline);
        poll_block();
    }
}

/* Waits, and prints what is not confirmed. */
static int
wait_confirmed(const struct command_context *ctx, struct session *session,
               int64_t generation, struct output *out)
{
    int timeout_ms = ctx->timeout_given ? ctx->timeout_ms : DEFAULT_WAIT_MS;
    bool done = apply_wait(session, generation, time_msec() + timeout_ms,
                           !ctx->json);
    struct problems problems = { .n = 0 };

    output_attach(out, "confirmed", json_boolean_create(done));
    if (done) {
        settle(session, &problems);
    } else {
        problems_find(session, NULL, &problems);
    }
    problems_output(&problems, out);
    problems_destroy(&problems);
    if (!done) {
        command_fail("generation %"PRId64" is not confirmed everywhere after "
                     "%g s", generation, timeout_ms / 1000.0);
    }
    return done ? EXIT_OK : EXIT_ERROR;
}

static int
apply_run(const struct command_context *ctx, const struct apply_options *o,
          struct session *session, const struct model *model)
{
    struct output *out = output_create(ctx->json, "apply");
    struct model_apply apply;
    int status = EXIT_OK;
    char *error;

    struct commit commit = { compose_model, model, "socknet apply" };

    error = commit_run(session, &commit, o->dry_run,
                       time_msec() + ctx->timeout_ms, &apply);
    if (error) {
        status = command_fail("%s", error);
        free(error);
        output_abort(out);
    } else {
        output_apply(&apply, model, o->dry_run, out);
        if (o->dry_run) {
            status = model_apply_is_empty(&apply) ? EXIT_OK : EXIT_PENDING;
        } else if (o->wait) {
            status = wait_confirmed(ctx, session, apply.generation, out);
        }
        output_finish(out);
    }
    model_apply_destroy(&apply);
    return status;
}

static int
apply_parse(int argc, char *argv[], struct apply_options *o)
{
    enum { OPT_NODE = 256, OPT_WAIT, OPT_DRY_RUN };
    static const struct option options[] = {
        {"node", required_argument, NULL, OPT_NODE},
        {"wait", no_argument, NULL, OPT_WAIT},
        {"dry-run", no_argument, NULL, OPT_DRY_RUN},
        {NULL, 0, NULL, 0},
    };
    int c;

    while ((c = command_getopt(argc, argv, options)) != -1) {
        switch (c) {
        case OPT_NODE:
            o->node = optarg;
            break;
        case OPT_WAIT:
            o->wait = true;
            break;
        case OPT_DRY_RUN:
            o->dry_run = true;
            break;
        default:
            return EXIT_ERROR;
        }
    }
    if (argc - optind != 1) {
        return command_misused(argv[0], "apply takes one PATH");
    }
    o->path = argv[optind];
    return EXIT_OK;
}

int
cmd_apply(struct command_context *ctx, int argc, char *argv[])
{
    struct apply_options o = { .path = NULL };

    if (apply_parse(argc, argv, &o)) {
        return EXIT_ERROR;
    }

    struct session *session = session_open(ctx);
    if (!session) {
        return EXIT_ERROR;
    }

    struct model *model = load_model(&o, session);
    int status = model ? apply_run(ctx, &o, session, model) : EXIT_ERROR;
    model_destroy(model);
    session_close(session);
    return status;
}
