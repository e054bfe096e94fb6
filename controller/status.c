#include <config.h>
#include "controller/status.h"

#include "controller/bridge.h"
#include "controller/fleet.h"
#include "controller/stats.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "ovsdb-idl.h"
#include "ovsdb-sync/db-connection.h"
#include "ovsdb-sync/status-sync.h"
#include "sset.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(status);

/* Between transactions, unless a generation was enforced. */
#define INTERVAL_MS 200
#define RETRY_MS 5000
/* Without any change, to say that the controller lives. */
#define HEARTBEAT_MS (STATUS_SEEN_S * 1000 / 3)
/* A controller that has just started learns first what is enforced already. */
#define SETTLE_MS 1000

struct status {
    const struct db_connection *db;
    struct ovsdb_idl *idl;      /* Its. */
    struct ovsdb_idl_txn *txn;
    unsigned int written;       /* What was written, by its sequence number. */
    unsigned int writing;       /* The same of 'txn'. */
    int64_t generations;        /* Sum of those written. */
    long long int next_ms;
    long long int heartbeat_ms;
    long long int settled_ms;
    bool waiting;               /* For 'next_ms'. */
};

struct status *
status_create(const struct db_connection *db)
{
    struct status *s = xzalloc(sizeof *s);

    s->db = db;
    s->idl = db->idl;
    s->settled_ms = time_msec() + SETTLE_MS;
    return s;
}

void
status_destroy(struct status *s)
{
    if (s) {
        if (s->txn) {
            ovsdb_idl_txn_destroy(s->txn);
        }
        free(s);
    }
}

/* Changes with everything that is written, and with the database, in which
 * somebody may have removed our rows. */
static unsigned int
current_seqno(const struct status *s, const struct fleet *fleet)
{
    unsigned int seqno = ovsdb_idl_get_seqno(s->idl) + fleet_seqno(fleet);
    struct bridge **bridges;
    size_t n;

    bridges = fleet_bridges(fleet, &n);
    for (size_t i = 0; i < n; i++) {
        seqno += bridge_seqno(bridges[i]);
    }
    return seqno;
}

static int64_t
sum_generations(const struct fleet *fleet)
{
    struct bridge **bridges;
    int64_t sum = 0;
    size_t n;

    bridges = fleet_bridges(fleet, &n);
    for (size_t i = 0; i < n; i++) {
        sum += bridge_generation(bridges[i]);
    }
    return sum;
}

static void
write_bridge(struct status *s, const struct bridge *b)
{
    struct sset problems = SSET_INITIALIZER(&problems);
    char *problem = db_connection_cache_problem(s->db);

    bridge_get_problems(b, &problems);
    if (problem) {
        sset_add_and_free(&problems, problem);
    }

    struct status_bridge row = {
        .node = bridge_node(b),
        .bridge = bridge_name(b),
        .connected = bridge_is_connected(b),
        .generation = MAX(bridge_generation(b), 0),
        .n_flows = bridge_n_installed(b),
        .n_repairs = bridge_n_repairs(b),
        .problems = &problems,
    };

    status_sync_bridge(s->txn, &row);
    sset_destroy(&problems);
}

static void
start_txn(struct status *s, struct fleet *fleet)
{
    bool settled = time_msec() >= s->settled_ms;
    struct bridge **bridges;
    size_t n;

    s->txn = ovsdb_idl_txn_create(s->idl);
    s->writing = current_seqno(s, fleet);
    s->generations = sum_generations(fleet);
    bridges = fleet_bridges(fleet, &n);
    for (size_t i = 0; i < n; i++) {
        if (settled || bridge_generation(bridges[i]) >= 0) {
            write_bridge(s, bridges[i]);
        }
    }
    if (!settled) {
        s->writing--;           /* Once more, then. */
    }
}

static void
end_txn(struct status *s, enum ovsdb_idl_txn_status status)
{
    static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(1, 5);

    switch (status) {
    case TXN_SUCCESS:
        controller_stats.database_writes++;
        /* Fall through. */
    case TXN_UNCHANGED:
        s->written = s->writing;
        s->next_ms = time_msec() + INTERVAL_MS;
        s->heartbeat_ms = time_msec() + HEARTBEAT_MS;
        break;
    case TXN_TRY_AGAIN:
        s->next_ms = time_msec();
        s->generations = INT64_MIN;
        break;
    case TXN_UNCOMMITTED:
    case TXN_INCOMPLETE:
    case TXN_ABORTED:
    case TXN_NOT_LOCKED:
    case TXN_ERROR:
    default:
        VLOG_WARN_RL(&rl, "the database refuses our status (%s: %s)",
                     ovsdb_idl_txn_status_to_string(status),
                     ovsdb_idl_txn_get_error(s->txn));
        s->next_ms = time_msec() + RETRY_MS;
        break;
    }
    ovsdb_idl_txn_destroy(s->txn);
    s->txn = NULL;
}

/* Not while the database is still being read for the first time: what it says
 * of our bridges may be yet to come. */
static bool
may_write(const struct status *s)
{
    return (ovsdb_idl_has_ever_connected(s->idl)
            && ovsdb_idl_is_connected(s->idl));
}

void
status_run(struct status *s, struct fleet *fleet)
{
    s->waiting = false;
    if (!s->txn) {
        if (!may_write(s)
            || (current_seqno(s, fleet) == s->written
                && time_msec() < s->heartbeat_ms)) {
            return;
        }
        if (time_msec() < s->next_ms
            && sum_generations(fleet) == s->generations) {
            s->waiting = true;
            return;
        }
        start_txn(s, fleet);
    }

    enum ovsdb_idl_txn_status status = ovsdb_idl_txn_commit(s->txn);
    if (status != TXN_INCOMPLETE) {
        end_txn(s, status);
        poll_immediate_wake();
    }
}

void
status_wait(struct status *s)
{
    if (s->txn) {
        ovsdb_idl_txn_wait(s->txn);
    } else if (s->waiting) {
        poll_timer_wait_until(s->next_ms);
    } else if (may_write(s)) {
        poll_timer_wait_until(s->heartbeat_ms);
    }
}
