#include <config.h>

#include "cli/apply-wait.h"

#include <stdio.h>

#include "cli/session.h"
#include "cli/status-rows.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/shash.h"
#include "ovsdb-sync/socknet-idl.h"
#include "sset.h"
#include "state/model.h"
#include "timeval.h"
#include "util.h"

struct waiting {
    struct session *session;
    int64_t generation;
    long long int start_ms;
    bool progress;
    struct sset confirmed;      /* Who has been reported: "NODE: agent". */
};

static void
waiting_report(struct waiting *w, const char *node, const char *who)
{
    char *key = xasprintf("%s: %s", node, who);

    if (sset_add(&w->confirmed, key) && w->progress) {
        fprintf(stderr, "%6.2f s  %s has confirmed\n",
                (time_msec() - w->start_ms) / 1000.0, key);
    }
    free(key);
}

static bool
waiting_node_is_done(struct waiting *w, const char *node)
{
    const struct ovsdb_idl *idl = session_idl(w->session);
    const struct sndb_node_status *agent = status_rows_node(idl, node);
    const struct sndb_bridge_status *bridge = status_rows_bridge(idl, node);
    bool agent_done = agent && agent->generation >= w->generation;
    bool bridge_done = (bridge && bridge->connected
                        && bridge->generation >= w->generation);

    if (agent_done) {
        waiting_report(w, node, "agent");
    }
    if (bridge_done) {
        waiting_report(w, node, "switch");
    }
    return agent_done && bridge_done;
}

static bool
waiting_is_done(struct waiting *w)
{
    const struct shash_node *node;
    bool done = true;

    SHASH_FOR_EACH (node, &session_model(w->session)->nodes) {
        const struct model_node *mn = node->data;

        if (mn->revoked) {
            continue;           /* Nobody trusts it to answer. */
        }
        done = waiting_node_is_done(w, node->name) && done;
    }
    return done;
}

bool
apply_wait(struct session *session, int64_t generation,
           long long int deadline, bool progress)
{
    struct waiting w = {
        .session = session,
        .generation = generation,
        .start_ms = time_msec(),
        .progress = progress,
        .confirmed = SSET_INITIALIZER(&w.confirmed),
    };
    bool done;

    for (;;) {
        session_run(session);
        /* Before its own update arrives, the model can lack new nodes. */
        done = session_generation(session) >= generation
               && waiting_is_done(&w);
        if (done || time_msec() >= deadline) {
            break;
        }
        session_wait(session);
        poll_timer_wait_until(deadline);
        poll_block();
    }
    sset_destroy(&w.confirmed);
    return done;
}
