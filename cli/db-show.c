#include <config.h>

#include "cli/db-options.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/db-health.h"
#include "cli/output.h"
#include "openvswitch/json.h"
#include "util.h"

static void
show_server(const struct db_options *o, const struct db_health *health,
            struct output *out)
{
    const struct db_probe *server = &health->server;
    const struct db_cluster *cluster = &health->cluster;

    output_begin(out, "database", OUTPUT_LIST, NULL);
    output_record(out);
    output_string(out, "server", "server", o->db);
    output_string(out, "model", "model", server->model);
    output_boolean(out, "connected", NULL, server->connected);
    output_string(out, "schema", "schema", server->schema_version);
    output_string(out, "cluster", NULL, server->cid);
    output_string(out, "file", "file", health->file);
    if (health->clustered) {
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
    output_boolean(out, "healthy", NULL, !health->problem);
    output_string(out, "problem", "problem", health->problem);
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

char *
db_status(const struct db_options *o, int *ret_status)
{
    struct db_health health;
    char *error = db_health_read(o->db, &health);

    if (!error) {
        struct output *out = output_create(o->json, "db status");

        show_server(o, &health, out);
        if (health.clustered) {
            show_members(&health.cluster, out);
        }
        output_finish(out);
        *ret_status = health.problem ? EXIT_ERROR : EXIT_OK;
    }
    db_health_destroy(&health);
    return error;
}
