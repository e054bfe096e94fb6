#include <config.h>

#include "cli/commit.h"

#include <inttypes.h>
#include <pwd.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli/session.h"
#include "openvswitch/poll-loop.h"
#include "ovsdb-idl.h"
#include "ovsdb-sync/fallback.h"
#include "ovsdb-sync/model-apply.h"
#include "ovsdb-sync/revision.h"
#include "ovsdb-sync/socknet-idl.h"
#include "state/load.h"
#include "timeval.h"
#include "util.h"

/* Between tries, if nothing is to be read meanwhile. */
enum { AGAIN_MS = 500 };

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

char *
commit_send(struct session *session, struct ovsdb_idl_txn *txn,
            long long int deadline, bool *ret_again)
{
    enum ovsdb_idl_txn_status status = commit_until(session, txn, deadline);
    char *error = NULL;

    *ret_again = status == TXN_TRY_AGAIN;
    if (status == TXN_INCOMPLETE) {
        /* Destroying it aborts it; to abort it before would leave it in a
         * list of the IDL's. */
        error = session_lost(session, "try again");
    } else if (status != TXN_SUCCESS && status != TXN_UNCHANGED
               && !*ret_again) {
        error = commit_error(txn, status);
    }
    ovsdb_idl_txn_destroy(txn);
    return error;
}

/* Who is to be asked why, as far as this host knows. */
static char *
author(void)
{
    const char *user = getenv("SUDO_USER");
    const struct passwd *pw = user && user[0] ? NULL : getpwuid(geteuid());
    char host[256] = "";

    if (pw) {
        user = pw->pw_name;
    }
    gethostname(host, sizeof host - 1);
    return xasprintf("%s@%s", user && user[0] ? user : "unknown", host);
}

static void
compose_confirm(struct session *session, const struct sndb_mesh *mesh,
                int seconds)
{
    char *before = fallback_format(session_model(session));
    int64_t within = seconds;
    /* Rounded up: nobody gets less than what he asked for. */
    int64_t by = DIV_ROUND_UP(time_wall_msec(), 1000) + seconds;

    sndb_mesh_set_confirm_by(mesh, &by, 1);
    sndb_mesh_set_confirm_within(mesh, &within, 1);
    sndb_mesh_set_fallback(mesh, before);
    free(before);
}

/* What goes with the desired rows into the same transaction. */
static void
compose_revision(struct session *session, struct ovsdb_idl_txn *txn,
                 const struct commit *commit, const struct model_apply *apply)
{
    const struct sndb_mesh *mesh = sndb_mesh_first(session_idl(session));
    bool pending = commit->confirm_s && model_apply_has_changes(apply);

    if (session_pending(session)) {
        revision_settle(txn, false);
    }
    if (pending) {
        compose_confirm(session, mesh, commit->confirm_s);
    }
    if (!model_apply_is_empty(apply)) {
        char *who = author();

        revision_record(txn, apply, &(struct revision_info) {
            .author = who, .action = commit->action,
            .files = commit->files, .node = commit->node }, pending);
        free(who);
    }
}

/* NULL, or why this cannot be done now. */
static char *
commit_check(const struct session *session, const struct commit *commit)
{
    const struct sndb_mesh *mesh = session_pending(session);

    long long int left = mesh ? mesh->confirm_by[0] - time_wall() : 0;

    /* After its time it is in force nowhere. */
    if (left > 0 && (!commit->ends_pending || commit->confirm_s)) {
        return xasprintf("generation %"PRId64" waits to be confirmed (%lld s "
                         "left): `socknet confirm` keeps it, `socknet "
                         "rollback` undoes it", mesh->generation, left);
    }
    if (commit->confirm_s && !session_generation(session)) {
        return xstrdup("the database holds no state yet that --confirm could "
                       "go back to");
    }
    return NULL;
}

/* Composes the differences and sends them, unless there are none or 'dry_run'.
 * '*ret_again': the outcome is not known, or somebody else was faster.
 * Returns NULL or an error that the caller frees. */
static char *
commit_once(struct session *session, const struct commit *commit,
            bool dry_run, long long int deadline, struct model_apply *apply,
            bool *ret_again)
{
    struct ovsdb_idl_txn *txn = ovsdb_idl_txn_create(session_idl(session));
    char *error = dry_run ? NULL : commit_check(session, commit);

    *ret_again = false;
    ovsdb_idl_txn_add_comment(txn, "socknet %s", commit->action);
    commit->compose(txn, commit->aux, apply);
    if (error || dry_run
        || (model_apply_is_empty(apply) && !session_pending(session))) {
        ovsdb_idl_txn_abort(txn);
        ovsdb_idl_txn_destroy(txn);
        return error;
    }
    compose_revision(session, txn, commit, apply);
    return commit_send(session, txn, deadline, ret_again);
}

/* Waits for the contents that made a transaction fail.  A relay that lost its
 * member on the way has none to tell, and is connected all the time. */
static void
wait_for_news(struct session *session, unsigned int seqno,
              long long int deadline)
{
    const struct ovsdb_idl *idl = session_idl(session);
    long long int soon = MIN(deadline, time_msec() + AGAIN_MS);

    while (ovsdb_idl_get_seqno(idl) == seqno
           && time_msec() < (ovsdb_idl_is_connected(idl) ? soon
                             : deadline)) {
        session_wait(session);
        poll_timer_wait_until(ovsdb_idl_is_connected(idl) ? soon : deadline);
        poll_block();
        session_run(session);
    }
}

/* As commit_once(), again and again as long as the cause is a connection that
 * broke.  If somebody else applied meanwhile, that is an error. */
char *
commit_run(struct session *session, const struct commit *commit, bool dry_run,
           long long int deadline, struct model_apply *apply)
{
    for (;;) {
        unsigned int seqno = ovsdb_idl_get_seqno(session_idl(session));
        bool again;
        char *error = commit_once(session, commit, dry_run, deadline, apply,
                                  &again);
        if (error || !again) {
            return error;
        }

        wait_for_news(session, seqno, deadline);
        if (time_msec() >= deadline) {
            return session_lost(session, "apply again");
        }
        if (model_apply_revision(session_idl(session)) != apply->revision) {
            /* Ours, of which only the answer was lost, or another's. */
            struct model_apply rest;
            bool done;

            error = commit_once(session, commit, true, deadline, &rest,
                                &again);
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
