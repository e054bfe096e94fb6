#include <config.h>

#include "cli/commit.h"

#include <stdlib.h>

#include "cli/session.h"
#include "openvswitch/poll-loop.h"
#include "ovsdb-idl.h"
#include "ovsdb-sync/model-apply.h"
#include "timeval.h"
#include "util.h"

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
commit_once(struct session *session, const struct commit *commit,
            bool dry_run, long long int deadline, struct model_apply *apply,
            bool *ret_again)
{
    struct ovsdb_idl_txn *txn = ovsdb_idl_txn_create(session_idl(session));
    char *error = NULL;

    *ret_again = false;
    ovsdb_idl_txn_add_comment(txn, "%s", commit->comment);
    commit->compose(txn, commit->aux, apply);
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
            return xstrdup("the database went away; whether the change was "
                           "made is not known: apply again");
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
