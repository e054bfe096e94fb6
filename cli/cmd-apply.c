#include <config.h>

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/apply-wait.h"
#include "cli/command.h"
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

static char *
commit_error(const struct ovsdb_idl_txn *txn,
             enum ovsdb_idl_txn_status status)
{
    if (status == TXN_ERROR) {
        return xasprintf("the database refused the change, nothing was "
                         "changed: %s", ovsdb_idl_txn_get_error(txn));
    }
    return xasprintf("the database did not take the change: %s",
                     ovsdb_idl_txn_status_to_string(status));
}

/* Runs 'txn' until it has an outcome.  TXN_INCOMPLETE: not in time. */
static enum ovsdb_idl_txn_status
commit_until(struct session *session, struct ovsdb_idl_txn *txn,
             long long int deadline)
{
    for (;;) {
        enum ovsdb_idl_txn_status status = ovsdb_idl_txn_commit(txn);

        if (status != TXN_INCOMPLETE || time_msec() >= deadline) {
            return status;
        }
        session_wait(session);
        ovsdb_idl_txn_wait(txn);
        poll_timer_wait_until(deadline);
        poll_block();
        session_run(session);
    }
}

/* Composes the differences and sends them, unless there are none or 'dry_run'.
 * '*ret_again': the outcome is not known, or somebody else was faster.
 * Returns NULL or an error that the caller frees. */
static char *
apply_once(struct session *session, const struct model *model, bool dry_run,
           long long int deadline, struct model_apply *apply, bool *ret_again)
{
    struct ovsdb_idl_txn *txn = ovsdb_idl_txn_create(session_idl(session));
    char *error = NULL;

    *ret_again = false;
    ovsdb_idl_txn_add_comment(txn, "socknet apply");
    model_apply_compose(txn, model, apply);
    if (dry_run || model_apply_is_empty(apply)) {
        ovsdb_idl_txn_abort(txn);
    } else {
        enum ovsdb_idl_txn_status status
            = commit_until(session, txn, deadline);

        if (status == TXN_TRY_AGAIN) {
            *ret_again = true;
        } else if (status == TXN_INCOMPLETE) {
            ovsdb_idl_txn_abort(txn);
            error = xstrdup("the database went away before it answered; "
                            "whether the change was made is not known: apply "
                            "again");
        } else if (status != TXN_SUCCESS && status != TXN_UNCHANGED) {
            error = commit_error(txn, status);
        }
    }
    ovsdb_idl_txn_destroy(txn);
    return error;
}

/* Waits for the contents that made a transaction fail. */
static void
wait_for_news(struct session *session, unsigned int seqno,
              long long int deadline)
{
    while (ovsdb_idl_get_seqno(session_idl(session)) == seqno
           && time_msec() < deadline) {
        session_wait(session);
        poll_timer_wait_until(deadline);
        poll_block();
        session_run(session);
    }
}

/* As apply_once(), again and again as long as the cause is a connection that
 * broke.  If somebody else applied meanwhile, that is an error. */
static char *
apply_model(struct session *session, const struct model *model, bool dry_run,
            long long int deadline, struct model_apply *apply)
{
    for (;;) {
        unsigned int seqno = ovsdb_idl_get_seqno(session_idl(session));
        bool again;
        char *error = apply_once(session, model, dry_run, deadline, apply,
                                 &again);
        if (error || !again) {
            return error;
        }

        wait_for_news(session, seqno, deadline);
        if (time_msec() >= deadline) {
            return xstrdup("the database went away; whether the change was "
                           "made is not known: apply again");
        }
        if (model_apply_revision(session_idl(session)) != apply->revision) {
            /* Ours, of which only the answer was lost, or another's. */
            struct model_apply rest;
            bool done;

            error = apply_once(session, model, true, deadline, &rest, &again);
            done = model_apply_is_empty(&rest);
            model_apply_destroy(&rest);
            return error || done ? error
                   : xstrdup("another apply was made at the same time; this "
                             "one was not carried out: look at what is there "
                             "now (socknet export), and apply again");
        }
        model_apply_destroy(apply);
    }
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

    error = apply_model(session, model, o->dry_run,
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
