#include <config.h>

#include "cli/db-options.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/db-cluster.h"
#include "cli/db-file.h"
#include "cli/output.h"
#include "openvswitch/json.h"
#include "openvswitch/dynamic-string.h"
#include "ovsdb-sync/db-probe.h"
#include "util.h"

/* What is wrong; empty: nothing. */
struct verdict {
    struct ds text;
    size_t n;
};

static void
verdict_add(struct verdict *verdict, const char *text)
{
    ds_put_format(&verdict->text, "%s%s", verdict->n++ ? "; " : "", text);
}

static void
check_server(const struct db_probe *probe, const char *ours,
             struct verdict *verdict)
{
    if (!strcmp(probe->model, "relay") && !probe->connected) {
        verdict_add(verdict, "it does not reach the database that it relays");
    }
    if (probe->schema_version && strcmp(probe->schema_version, ours)) {
        char *text = xasprintf(
            "its schema is %s, this socknet has %s: %s",
            probe->schema_version, ours,
            db_file_version_is_newer(probe->schema_version, ours)
            ? "install the newer one here" : "`socknet db upgrade`");
        verdict_add(verdict, text);
        free(text);
    }
}

static void
check_cluster(const struct db_probe *probe, const struct db_cluster *cluster,
              struct verdict *verdict)
{
    struct ds away = DS_EMPTY_INITIALIZER;
    size_t n_away = 0;

    for (size_t i = 0; i < cluster->n_members; i++) {
        if (!cluster->members[i].reachable) {
            ds_put_format(&away, "%s%s", n_away++ ? ", " : "",
                          cluster->members[i].address);
        }
    }
    if (!strcmp(cluster->status, "failed")) {
        verdict_add(verdict, "this member failed to write its file and takes "
                    "no part: make room, then start it again");
    } else if (strcmp(cluster->status, "cluster member")) {
        verdict_add(verdict, cluster->status);
    }
    if (!probe->connected) {
        verdict_add(verdict, "no quorum as seen from here");
    }
    if (n_away) {
        char *text = xasprintf("%"PRIuSIZE" of %"PRIuSIZE" members are not "
                               "reached from here: %s", n_away,
                               cluster->n_members, ds_cstr(&away));
        verdict_add(verdict, text);
        free(text);
    }
    ds_destroy(&away);
}

static void
show_server(const struct db_options *o, const struct db_probe *probe,
            const struct db_cluster *cluster, const struct verdict *verdict,
            struct output *out)
{
    const char *cid = probe->cid;

    output_begin(out, "database", OUTPUT_LIST, NULL);
    output_record(out);
    output_string(out, "server", "server", o->db);
    output_string(out, "model", "model", probe->model);
    output_boolean(out, "connected", NULL, probe->connected);
    output_string(out, "schema", "schema", probe->schema_version);
    output_string(out, "cluster", NULL, cid);
    if (cluster) {
        output_string(out, "state", "state", cluster->status);
        output_string(out, "role", "role", cluster->role);
        output_string(out, "leader", "leader", cluster->leader);
        output_integer(out, "term", "term", cluster->term);
        output_integer(out, "log_start", NULL, cluster->log_start);
        output_integer(out, "log_end", NULL, cluster->log_end);
        output_integer(out, "log_entries", "entries in the log",
                       cluster->log_end - cluster->log_start);
        output_integer(out, "uncommitted", "not yet committed",
                       cluster->n_uncommitted);
        output_integer(out, "unapplied", "not yet applied",
                       cluster->n_unapplied);
    }
    output_boolean(out, "healthy", NULL, !verdict->n);
    output_string(out, "problem", "problem",
                  verdict->n ? ds_cstr_ro(&verdict->text) : NULL);
}

static const char *
member_role(const struct db_cluster *cluster, const struct db_member *member)
{
    bool leads = !strcmp(cluster->leader, member->sid)
                 || (member->self && !strcmp(cluster->leader, "self"));

    return leads ? "leader" : member->self ? cluster->role : "follower";
}

static void
show_members(const struct db_cluster *cluster, struct output *out)
{
    output_begin(out, "members", OUTPUT_TABLE, NULL);
    for (size_t i = 0; i < cluster->n_members; i++) {
        const struct db_member *m = &cluster->members[i];

        output_record(out);
        output_string(out, "id", "member", m->sid);
        output_string(out, "address", "address", m->address);
        output_string(out, "role", "role",
                      m->reachable ? member_role(cluster, m) : NULL);
        output_boolean(out, "self", NULL, m->self);
        output_boolean(out, "reachable", "reached", m->reachable);
        output_value(out, "lag", "entries behind",
                     m->lag < 0 ? json_null_create()
                     : json_integer_create(m->lag),
                     m->lag < 0 ? xstrdup("-")
                     : xasprintf("%"PRId64, m->lag));
    }
    if (cluster->n_members == 2) {
        output_note(out, "A cluster of two stands still when either is lost: "
                    "let a third join.");
    }
}

static char *
show(const struct db_options *o, const struct db_probe *probe,
     const char *ours, int *ret_status)
{
    struct verdict verdict = { .text = DS_EMPTY_INITIALIZER };
    struct db_cluster cluster = { .n_members = 0 };
    bool clustered = !strcmp(probe->model, "clustered");
    char *error = NULL;

    if (clustered) {
        char *control = db_control_path(o->db);

        error = db_cluster_read(control, &cluster);
        free(control);
    }
    if (!error) {
        struct output *out = output_create(o->json, "db status");

        check_server(probe, ours, &verdict);
        if (clustered) {
            check_cluster(probe, &cluster, &verdict);
        }
        show_server(o, probe, clustered ? &cluster : NULL, &verdict, out);
        if (clustered) {
            show_members(&cluster, out);
        }
        output_finish(out);
        *ret_status = verdict.n ? EXIT_ERROR : EXIT_OK;
    }
    db_cluster_destroy(&cluster);
    ds_destroy(&verdict.text);
    return error;
}

char *
db_status(const struct db_options *o, int *ret_status)
{
    struct db_probe probe = { .model = NULL };
    char *ours = NULL;
    char *error = db_probe_run(o->db, &probe);

    if (!error) {
        error = db_file_schema_version(&ours);
    }
    if (!error) {
        error = show(o, &probe, ours, ret_status);
    }
    db_probe_destroy(&probe);
    free(ours);
    return error;
}
