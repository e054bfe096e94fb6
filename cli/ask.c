#include <config.h>

#include "cli/ask.h"

#include <stdlib.h>
#include "cli/commit.h"
#include "cli/session.h"
#include "cli/status-rows.h"
#include "openvswitch/poll-loop.h"
#include "ovsdb-idl.h"
#include "ovsdb-sync/request.h"
#include "ovsdb-sync/socknet-idl.h"
#include "timeval.h"
#include "util.h"

/* For the database itself to take a row, or to delete it. */
enum { COMMIT_MS = 5000, SILENT_MS = 1500 };

void
ask_init(struct ask *ask, const char *node, const char *kind)
{
    *ask = (struct ask) { .node = node, .kind = kind };
    smap_init(&ask->arguments);
}

void
ask_destroy(struct ask *ask)
{
    smap_destroy(&ask->arguments);
    free(ask->text);
}

static char *
commit(struct session *session, struct ovsdb_idl_txn *txn, bool *ret_again)
{
    return commit_send(session, txn, time_msec() + COMMIT_MS, ret_again);
}

static char *
send_requests(struct session *session, struct ask *asks, size_t n)
{
    long long int deadline = time_msec() + COMMIT_MS;
    char *error = NULL;
    bool again = true;

    while (again && !error) {
        struct ovsdb_idl_txn *txn
            = ovsdb_idl_txn_create(session_idl(session));

        request_delete(txn, session_asker(session));
        for (size_t i = 0; i < n; i++) {
            request_insert(txn, session_asker(session), asks[i].node,
                           asks[i].kind, &asks[i].arguments);
        }
        error = commit(session, txn, &again);
        session_run(session);
        if (again && !error && time_msec() >= deadline) {
            error = xstrdup("the database did not take the request");
        }
    }
    return error;
}

static void
take_answer(struct session *session, struct ask *ask)
{
    const struct sndb_answer *row
        = request_find_answer_to(session_idl(session),
                                 session_asker(session), ask->node);

    if (row && !ask->answered) {
        ask->answered = true;
        ask->failed = row->failed;
        ask->text = xstrdup(row->text);
    }
}

static bool
is_silent(const struct session *session, const char *node)
{
    const struct sndb_node_status *row
        = status_rows_node(session_idl(session), node);

    return !row || status_rows_is_silent(row->seen);
}

static void
wait_for_answers(struct session *session, struct ask *asks, size_t n,
                 int timeout_ms)
{
    long long int now = time_msec();

    for (;;) {
        long long int deadline = 0;

        session_run(session);
        for (size_t i = 0; i < n; i++) {
            take_answer(session, &asks[i]);
            if (!asks[i].answered) {
                /* Who was not heard for long need not be waited for. */
                bool silent = is_silent(session, asks[i].node);

                deadline = MAX(deadline, now + (silent ? MIN(SILENT_MS,
                                                             timeout_ms)
                                                : timeout_ms));
            }
        }
        if (time_msec() >= deadline) {
            return;
        }
        session_wait(session);
        poll_timer_wait_until(deadline);
        poll_block();
    }
}

/* What cannot be deleted now goes when its time has come. */
static void
clean_up(struct session *session)
{
    struct ovsdb_idl_txn *txn = ovsdb_idl_txn_create(session_idl(session));
    bool again;

    request_delete(txn, session_asker(session));
    free(commit(session, txn, &again));
}

char *
ask_agents(struct session *session, struct ask *asks, size_t n,
           int timeout_ms)
{
    char *error = send_requests(session, asks, n);

    if (!error) {
        wait_for_answers(session, asks, n, timeout_ms);
        clean_up(session);
    }
    return error;
}

char *
ask_explain_silence(const struct session *session, const char *node)
{
    const struct sndb_node_status *row
        = status_rows_node(session_idl(session), node);

    return row && row->seen
           ? xasprintf("the agent of %s does not answer (last heard of %lld "
                       "s ago)", node, (long long int) time_wall()
                       - (long long int) row->seen)
           : xasprintf("the agent of %s does not answer (never heard of)",
                       node);
}
