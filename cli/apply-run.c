#include <config.h>

#include "cli/apply-run.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/apply-wait.h"
#include "cli/command.h"
#include "cli/commit.h"
#include "cli/output.h"
#include "cli/problems.h"
#include "cli/reach-output.h"
#include "cli/session.h"
#include "openvswitch/json.h"
#include "openvswitch/poll-loop.h"
#include "ovsdb-idl.h"
#include "ovsdb-sync/model-apply.h"
#include "ovsdb-sync/socknet-idl.h"
#include "state/model.h"
#include "timeval.h"
#include "util.h"

/* Agents must reach each other for the first time: more than it takes to read
 * the database. */
enum { DEFAULT_WAIT_MS = 60000, SETTLE_MS = 1000 };

/* A day is more than anybody waits for. */
enum { MIN_CONFIRM_S = 5, MAX_CONFIRM_S = 86400 };

bool
apply_parse_option(const char *command, int c, struct apply_job *job)
{
    switch (c) {
    case APPLY_OPT_WAIT:
        job->wait = true;
        return true;
    case APPLY_OPT_DRY_RUN:
        job->dry_run = true;
        return true;
    case APPLY_OPT_CONFIRM:
        if (!str_to_int(optarg, 10, &job->confirm_s)
            || job->confirm_s < MIN_CONFIRM_S
            || job->confirm_s > MAX_CONFIRM_S) {
            command_misused(command, "--confirm takes seconds, from %d to %d, "
                            "not \"%s\"", MIN_CONFIRM_S, MAX_CONFIRM_S,
                            optarg);
            return false;
        }
        return true;
    default:
        return false;
    }
}

bool
apply_check_options(const char *command, const struct apply_job *job)
{
    if (job->dry_run && (job->wait || job->confirm_s)) {
        command_misused(command, "--dry-run changes nothing that there would "
                        "be to %s", job->wait ? "wait for" : "confirm");
        return false;
    }
    return true;
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

static void
compose_model(struct ovsdb_idl_txn *txn, const void *model,
              struct model_apply *apply)
{
    model_apply_compose(txn, model, apply);
}

/* A large change takes a database longer than a small one: a millisecond per
 * object is more than it needs. */
static long long int
commit_deadline(const struct command_context *ctx, struct session *session,
                struct model *model)
{
    struct model *old = CONST_CAST(struct model *, session_model(session));
    long long int deadline = time_msec() + ctx->timeout_ms;

    for (enum model_kind kind = MODEL_MESH + 1;
         kind < MODEL_N_KINDS && !ctx->timeout_given; kind++) {
        deadline += shash_count(model_table(model, kind));
        deadline += shash_count(model_table(old, kind));
    }
    return deadline;
}

int
apply_run(const struct command_context *ctx, struct session *session,
          struct model *model, const struct apply_job *o)
{
    struct output *out = output_create(ctx->json, "apply");
    struct model_apply apply;
    int status = EXIT_OK;
    char *error;

    struct commit commit = {
        .compose = compose_model, .aux = model, .action = o->action,
        .files = o->files, .node = o->node, .confirm_s = o->confirm_s,
        .ends_pending = o->ends_pending,
    };
    error = commit_run(session, &commit, o->dry_run,
                       commit_deadline(ctx, session, model), &apply);
    if (error) {
        status = command_fail("%s", error);
        free(error);
        output_abort(out);
    } else {
        if (o->before) {
            reach_output(o->before, model, out);
        }
        output_apply(&apply, model, o->dry_run, out);
        if (o->confirm_s && !o->dry_run && model_apply_has_changes(&apply)) {
            output_note(out, "`socknet confirm` within %d s keeps it; else "
                        "every host goes back to the state before",
                        o->confirm_s);
        }
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
