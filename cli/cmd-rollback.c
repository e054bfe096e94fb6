#include <config.h>

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/apply-run.h"
#include "cli/command.h"
#include "cli/revisions.h"
#include "cli/session.h"
#include "lib/diag.h"
#include "ovsdb-sync/fallback.h"
#include "ovsdb-sync/revision.h"
#include "ovsdb-sync/socknet-idl.h"
#include "state/load.h"
#include "state/model.h"
#include "util.h"

/* The state to go back to. */
struct target {
    struct state_files files;
    struct model *model;
    char *action;
    char *node;                 /* Or NULL. */
};

static void
target_destroy(struct target *target)
{
    state_files_destroy(&target->files);
    model_destroy(target->model);
    free(target->action);
    free(target->node);
}

/* Reads the files of 'target'.  'loudly': says what is wrong with them. */
static bool
target_load(struct target *target, const struct session *session,
            bool loudly)
{
    struct diags diags;

    diags_init(&diags);
    target->model = state_files_load(&target->files, target->node, &diags);
    if (target->model) {
        model_inherit_clients(target->model, session_model(session), &diags);
        model_inherit_nodes(target->model, session_model(session));
        model_assign_addresses(target->model, session_model(session), &diags);
        model_assign_client_addresses(target->model, session_model(session),
                                      &diags);
    }
    if (loudly && diags.n_errors) {
        diags_print(&diags, stderr);
        command_fail("this version finds fault with that state; nothing was "
                     "changed");
    }
    bool ok = !diags.n_errors;
    diags_destroy(&diags);
    return ok;
}

static bool
target_from_revision(struct target *target, const struct session *session,
                     const struct sndb_revision *row, bool loudly)
{
    *target = (struct target) { .model = NULL };
    if (!revision_get_files(row, &target->files)) {
        return false;
    }
    target->node = row->node[0] ? xstrdup(row->node) : NULL;
    target->action = xasprintf("rollback to %"PRId64, row->number);
    return target_load(target, session, loudly);
}

/* What was in force before a state that waits to be confirmed. */
static bool
target_from_fallback(struct target *target, const struct session *session,
                     const struct sndb_mesh *mesh)
{
    *target = (struct target) {
        .files = { .path = fallback_name(mesh->generation) },
        .action = xasprintf("rollback of generation %"PRId64": not confirmed",
                            mesh->generation),
    };
    state_files_add(&target->files, target->files.path,
                    xstrdup(mesh->fallback));
    if (!target_load(target, session, true)) {
        return false;
    }
    fallback_restore_places(target->model, mesh->fallback);
    return true;
}

static bool
target_differs(const struct target *target, const struct session *session)
{
    struct model_changes diff;

    model_changes_init(&diff);
    model_diff(session_model(session), target->model, &diff);
    bool differs = !model_changes_is_empty(&diff);
    model_changes_destroy(&diff);
    return differs;
}

/* The newest revision that says something else than what is in force; what was
 * undone is none to go back to. */
static bool
target_from_history(struct target *target, const struct session *session)
{
    size_t n;
    const struct sndb_revision **list = revision_list(session_idl(session),
                                                      &n);
    bool found = false;

    for (size_t i = 1; i < n && !found; i++) {
        if (strcmp(list[i]->outcome, "undone")) {
            found = (target_from_revision(target, session, list[i], false)
                     && target_differs(target, session));
            if (!found) {
                target_destroy(target);
            }
        }
    }
    free(list);
    if (!found) {
        *target = (struct target) { .model = NULL };
        command_fail("there is no other state to go back to: `socknet "
                     "history` lists what was applied");
    }
    return found;
}

static bool
target_find(struct target *target, const struct session *session,
            int64_t number)
{
    const struct sndb_mesh *mesh = session_pending(session);

    if (!number) {
        return mesh ? target_from_fallback(target, session, mesh)
               : target_from_history(target, session);
    }
    const struct sndb_revision *row = revisions_find(session, number);
    *target = (struct target) { .model = NULL };
    return row && target_from_revision(target, session, row, true);
}

/* A copy of what is in force, without what hosts report of it; NULL: it cannot
 * be made. */
static struct model *
copy_present(const struct session *session)
{
    char *text = fallback_format(session_model(session));
    struct diags diags;

    diags_init(&diags);
    struct model *model = fallback_parse(text, "now", &diags);
    diags_destroy(&diags);
    free(text);
    return model;
}

int
cmd_rollback(struct command_context *ctx, int argc, char *argv[])
{
    static const struct option options[] = {
        APPLY_OPTIONS,
        {NULL, 0, NULL, 0},
    };
    struct apply_job job = { .ends_pending = true };
    int64_t number = 0;
    int c;

    while ((c = command_getopt(argc, argv, options)) != -1) {
        if (!apply_parse_option(argv[0], c, &job)) {
            return EXIT_ERROR;
        }
    }
    if (argc - optind > 1) {
        return command_misused(argv[0], "rollback takes one revision");
    }
    if (!apply_check_options(argv[0], &job)
        || (argc > optind
            && !revisions_parse(argv[0], argv[optind], &number))) {
        return EXIT_ERROR;
    }
    struct session *session = session_open_full(ctx);
    if (!session) {
        return EXIT_ERROR;
    }

    struct target target;
    int status = EXIT_ERROR;
    if (target_find(&target, session, number)) {
        job.action = target.action;
        job.files = &target.files;
        job.node = target.node;
        job.before = copy_present(session);
        status = apply_run(ctx, session, target.model, &job);
        model_destroy(job.before);
    }
    target_destroy(&target);
    session_close(session);
    return status;
}
