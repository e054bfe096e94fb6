#include <config.h>
#include "controller/ctl.h"

#include <stdlib.h>
#include <string.h>

#include "controller/bridge.h"
#include "controller/fleet.h"
#include "controller/stats.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/list.h"
#include "ovsdb-sync/db-connection.h"
#include "sset.h"
#include "unixctl.h"
#include "util.h"

struct controller_stats controller_stats;

/* An `audit` that waits for switches to answer. */
struct waiting_audit {
    struct ovs_list node;       /* In struct ctl's 'audits'. */
    struct unixctl_conn *conn;
    char *bridge_node;          /* NULL: all. */
    unsigned int *requests;     /* Parallel to the fleet's bridges. */
    unsigned int fleet_seqno;
};

struct ctl {
    struct fleet *fleet;
    const struct db_connection *db;
    struct ovs_list audits;
    bool exiting;
};

/* True if the command, with an optional argument NODE, is about 'b'. */
static bool
is_selected(const struct bridge *b, const char *node)
{
    return !node || !strcmp(bridge_node(b), node);
}

/* Replies with an error, and returns false, if there is no such node. */
static bool
check_node(struct ctl *ctl, struct unixctl_conn *conn, const char *node)
{
    struct bridge **bridges;
    size_t n;

    bridges = fleet_bridges(ctl->fleet, &n);
    for (size_t i = 0; i < n; i++) {
        if (is_selected(bridges[i], node)) {
            return true;
        }
    }
    if (node) {
        char *error = xasprintf("%s: not managed here", node);

        unixctl_command_reply_error(conn, error);
        free(error);
        return false;
    }
    return true;
}

static void
ctl_stats(struct unixctl_conn *conn, int argc, const char *argv[],
          void *ctl_)
{
    struct ctl *ctl = ctl_;
    struct ds s = DS_EMPTY_INITIALIZER;
    size_t n, n_desired = 0, n_installed = 0;
    struct bridge **bridges = fleet_bridges(ctl->fleet, &n);

    for (size_t i = 0; i < n; i++) {
        n_desired += bridge_n_desired(bridges[i]);
        n_installed += bridge_n_installed(bridges[i]);
    }
#define STAT(NAME) \
    ds_put_format(&s, #NAME": %"PRIu64"\n", controller_stats.NAME);
    CONTROLLER_STATS
#undef STAT
    ds_put_format(&s, "flows_desired: %"PRIuSIZE"\n", n_desired);
    ds_put_format(&s, "flows_installed: %"PRIuSIZE"\n", n_installed);
    unixctl_command_reply(conn, ds_cstr(&s));
    ds_destroy(&s);
}

/* The text in 's', which this takes over, and for each selected bridge its
 * part of the reply. */
static void
reply_per_bridge(struct ctl *ctl, struct unixctl_conn *conn,
                 const char *node, struct ds s,
                 void (*format)(const struct bridge *, struct ds *))
{
    struct bridge **bridges;
    size_t n;

    if (!check_node(ctl, conn, node)) {
        ds_destroy(&s);
        return;
    }
    bridges = fleet_bridges(ctl->fleet, &n);
    for (size_t i = 0; i < n; i++) {
        if (is_selected(bridges[i], node)) {
            format(bridges[i], &s);
        }
    }
    unixctl_command_reply(conn, ds_cstr(&s));
    ds_destroy(&s);
}

static void
ctl_status(struct unixctl_conn *conn, int argc, const char *argv[],
           void *ctl_)
{
    struct ds s = DS_EMPTY_INITIALIZER;
    struct ctl *ctl = ctl_;

    char *problem = db_connection_cache_problem(ctl->db);

    db_connection_format_status(ctl->db, &s);
    if (problem) {
        ds_put_format(&s, "problem: %s\n", problem);
        free(problem);
    }
    reply_per_bridge(ctl, conn, argc > 1 ? argv[1] : NULL, s,
                     bridge_format_status);
}

bool
ctl_summarize(const struct ctl *ctl, struct ds *ds)
{
    struct sset problems = SSET_INITIALIZER(&problems);
    char *problem = db_connection_cache_problem(ctl->db);
    size_t n, n_current = 0, n_flows = 0;
    struct bridge **bridges = fleet_bridges(ctl->fleet, &n);

    for (size_t i = 0; i < n; i++) {
        n_current += bridge_is_current(bridges[i]);
        n_flows += bridge_n_installed(bridges[i]);
        bridge_get_problems(bridges[i], &problems);
    }
    if (problem) {
        sset_add_and_free(&problems, problem);
    }
    db_connection_format_status(ctl->db, ds);
    ds_chomp(ds, '\n');
    ds_put_format(ds, "; %"PRIuSIZE" of %"PRIuSIZE" bridges as they should "
                  "be, %"PRIuSIZE" flows", n_current, n, n_flows);
    if (!sset_is_empty(&problems)) {
        const char **sorted = sset_sort(&problems);

        ds_put_format(ds, "; %"PRIuSIZE" problems, among them: %s",
                      sset_count(&problems), sorted[0]);
        free(sorted);
    }
    sset_destroy(&problems);
    return n && n_current == n;
}

static void
ctl_flows_dump(struct unixctl_conn *conn, int argc, const char *argv[],
               void *ctl)
{
    struct ds s = DS_EMPTY_INITIALIZER;

    reply_per_bridge(ctl, conn, argc > 1 ? argv[1] : NULL, s,
                     bridge_format_flows);
}

static void
check_compile(const struct bridge *b, struct ds *s)
{
    bridge_check_compile(b, s);
}

static void
ctl_recompute(struct unixctl_conn *conn, int argc, const char *argv[],
              void *ctl)
{
    struct ds s = DS_EMPTY_INITIALIZER;

    reply_per_bridge(ctl, conn, argc > 1 ? argv[1] : NULL, s, check_compile);
}

static void
ctl_audit(struct unixctl_conn *conn, int argc, const char *argv[],
          void *ctl_)
{
    struct ctl *ctl = ctl_;
    struct bridge **bridges;
    size_t n;

    if (!check_node(ctl, conn, argc > 1 ? argv[1] : NULL)) {
        return;
    }

    struct waiting_audit *wa = xmalloc(sizeof *wa);

    wa->conn = conn;
    wa->bridge_node = nullable_xstrdup(argc > 1 ? argv[1] : NULL);
    wa->fleet_seqno = fleet_seqno(ctl->fleet);
    bridges = fleet_bridges(ctl->fleet, &n);
    wa->requests = xcalloc(n + 1, sizeof *wa->requests);
    for (size_t i = 0; i < n; i++) {
        if (is_selected(bridges[i], wa->bridge_node)) {
            wa->requests[i] = bridge_request_audit(bridges[i]);
        }
    }
    ovs_list_push_back(&ctl->audits, &wa->node);
}

/* Returns true if the reply was sent. */
static bool
reply_audit(struct ctl *ctl, struct waiting_audit *wa)
{
    struct ds s = DS_EMPTY_INITIALIZER;
    struct bridge **bridges;
    bool done = true;
    size_t n;

    if (wa->fleet_seqno != fleet_seqno(ctl->fleet)) {
        unixctl_command_reply_error(wa->conn, "bridges changed meanwhile");
        return true;
    }
    bridges = fleet_bridges(ctl->fleet, &n);
    for (size_t i = 0; i < n; i++) {
        if (is_selected(bridges[i], wa->bridge_node)) {
            done &= bridge_audit_is_done(bridges[i], wa->requests[i], &s);
        }
    }
    if (done) {
        unixctl_command_reply(wa->conn, ds_cstr(&s));
    }
    ds_destroy(&s);
    return done;
}

static void
waiting_audit_destroy(struct waiting_audit *wa)
{
    ovs_list_remove(&wa->node);
    free(wa->requests);
    free(wa->bridge_node);
    free(wa);
}

static void
ctl_exit(struct unixctl_conn *conn, int argc, const char *argv[],
         void *ctl_)
{
    struct ctl *ctl = ctl_;

    ctl->exiting = true;
    unixctl_command_reply(conn, NULL);
}

struct ctl *
ctl_create(struct fleet *fleet, const struct db_connection *db)
{
    struct ctl *ctl = xzalloc(sizeof *ctl);

    ctl->fleet = fleet;
    ctl->db = db;
    ovs_list_init(&ctl->audits);
    unixctl_command_register("stats", "", 0, 0, ctl_stats, ctl);
    unixctl_command_register("status", "[NODE]", 0, 1, ctl_status, ctl);
    unixctl_command_register("flows/dump", "[NODE]", 0, 1, ctl_flows_dump,
                             ctl);
    unixctl_command_register("audit", "[NODE]", 0, 1, ctl_audit, ctl);
    unixctl_command_register("recompute", "[NODE]", 0, 1, ctl_recompute, ctl);
    unixctl_command_register("exit", "", 0, 0, ctl_exit, ctl);
    return ctl;
}

void
ctl_destroy(struct ctl *ctl)
{
    if (ctl) {
        struct waiting_audit *wa, *next;

        LIST_FOR_EACH_SAFE (wa, next, node, &ctl->audits) {
            unixctl_command_reply_error(wa->conn, "exiting");
            waiting_audit_destroy(wa);
        }
        free(ctl);
    }
}

void
ctl_run(struct ctl *ctl)
{
    struct waiting_audit *wa, *next;

    LIST_FOR_EACH_SAFE (wa, next, node, &ctl->audits) {
        if (reply_audit(ctl, wa)) {
            waiting_audit_destroy(wa);
        }
    }
}

bool
ctl_is_exiting(const struct ctl *ctl)
{
    return ctl->exiting;
}
