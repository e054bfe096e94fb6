#include <config.h>

#include "cli/db-cluster.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/local-daemon.h"
#include "jsonrpc.h"
#include "unixctl.h"
#include "util.h"

char *
db_control_path(const char *db)
{
    const char *path = !strncmp(db, "unix:", 5) ? db + 5 : db;
    size_t len = strlen(path);

    if (len > 5 && !strcmp(path + len - 5, ".sock")) {
        len -= 5;
    }
    return xasprintf("%.*s.ctl", (int) len, path);
}

char *
db_cluster_command(const char *control, const char *command,
                   const char *argument, char **ret_text)
{
    char *argv[] = { CONST_CAST(char *, "Socknet"),
                     CONST_CAST(char *, argument) };
    struct jsonrpc *client;
    char *refusal = NULL;
    int error = unixctl_client_create(control, &client);

    *ret_text = NULL;
    if (!error) {
        error = unixctl_client_transact(client, command, argument ? 2 : 1,
                                        argv, ret_text, &refusal);
        jsonrpc_close(client);
    }
    if (error == ENOENT || error == ECONNREFUSED) {
        return xasprintf("%s: no server of the database runs on this host",
                         control);
    } else if (error) {
        return xasprintf("%s: %s", control, ovs_retval_to_string(error));
    }
    if (refusal) {
        refusal[strcspn(refusal, "\n")] = '\0';
    }
    return refusal;
}

static char *
value(const char *text, const char *key)
{
    char *s = local_daemon_value(text, key);

    return s ? s : xstrdup("");
}

static int64_t
number(const char *text, const char *key)
{
    char *s = value(text, key);
    int64_t n = strtoll(s, NULL, 10);

    free(s);
    return n;
}

/* "Connections: ->a1b2 (->c3d4) <-a1b2": in parentheses what is broken.  Only
 * one direction may be known by name. */
static bool
is_connected(const char *text, const char *sid)
{
    char *connections = value(text, "Connections");
    char *padded = xasprintf(" %s ", connections);
    char *out = xasprintf(" ->%s ", sid);
    char *in = xasprintf(" <-%s ", sid);
    bool connected = strstr(padded, out) || strstr(padded, in);

    free(in);
    free(out);
    free(padded);
    free(connections);
    return connected;
}

/* A leader hears from each member several times in an election timer, also
 * where a connection has not noticed yet that it leads nowhere. */
static bool
is_silent(const char *line, const char *text)
{
    const char *heard = strstr(line, " last msg ");
    int64_t age_ms = heard ? strtoll(heard + strlen(" last msg "), NULL, 10)
                     : 0;
    char *leader = value(text, "Leader");
    bool leads = !strcmp(leader, "self");

    free(leader);
    return leads && age_ms > 2 * number(text, "Election timer");
}

/* "    a1b2 (a1b2 at ssl:192.0.2.1:6646) (self) next_index=7 match_index=6" */
static bool
parse_member(const char *line, const char *text,
             const struct db_cluster *cluster, struct db_member *member)
{
    char sid[16], address[256];
    const char *match = strstr(line, " match_index=");
    int64_t index;

    if (sscanf(line, " %15s (%*s at %255[^)])", sid, address) != 2) {
        return false;
    }
    *member = (struct db_member) {
        .sid = xstrdup(sid),
        .address = xstrdup(address),
        .self = strstr(line, " (self)") != NULL,
        .lag = -1,
    };
    member->reachable = member->self || (is_connected(text, sid)
                                         && !is_silent(line, text));
    if (match && sscanf(match, " match_index=%"SCNd64, &index) == 1) {
        member->lag = MAX(0, cluster->log_end - 1 - index);
    }
    return true;
}

static void
parse_members(const char *text, struct db_cluster *cluster)
{
    const char *line = strstr(text, "\nServers:\n");
    size_t allocated = 0;

    for (line = line ? line + strlen("\nServers:\n") : NULL; line && *line;
         line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL) {
        char *copy = xmemdup0(line, strcspn(line, "\n"));
        struct db_member member;

        if (parse_member(copy, text, cluster, &member)) {
            if (cluster->n_members >= allocated) {
                cluster->members = x2nrealloc(cluster->members, &allocated,
                                              sizeof *cluster->members);
            }
            cluster->members[cluster->n_members++] = member;
        }
        free(copy);
    }
}

static int
compare_members(const void *a_, const void *b_)
{
    const struct db_member *a = a_, *b = b_;

    return strcmp(a->address, b->address);
}

static void
db_cluster_parse(const char *text, struct db_cluster *cluster)
{
    char *log = value(text, "Log");

    *cluster = (struct db_cluster) {
        .status = value(text, "Status"),
        .role = value(text, "Role"),
        .leader = value(text, "Leader"),
        .term = number(text, "Term"),
        .n_uncommitted = number(text, "Entries not yet committed"),
        .n_unapplied = number(text, "Entries not yet applied"),
    };
    if (sscanf(log, "[%"SCNd64", %"SCNd64"]", &cluster->log_start,
               &cluster->log_end) != 2) {
        cluster->log_start = cluster->log_end = 0;
    }
    free(log);
    parse_members(text, cluster);
    if (cluster->n_members) {
        qsort(cluster->members, cluster->n_members, sizeof *cluster->members,
              compare_members);
    }
}

/* A server that has left or failed forgets the cluster. */
char *
db_cluster_read(const char *control, struct db_cluster *cluster)
{
    char *text;
    char *error = db_cluster_command(control, "cluster/status", NULL, &text);

    if (!error) {
        db_cluster_parse(text, cluster);
    } else if (!strcmp(error, "unknown cluster")) {
        free(error);
        error = NULL;
        db_cluster_parse("Status: " DB_CLUSTER_NONE "\n", cluster);
    }
    free(text);
    return error;
}

void
db_cluster_destroy(struct db_cluster *cluster)
{
    for (size_t i = 0; i < cluster->n_members; i++) {
        free(cluster->members[i].sid);
        free(cluster->members[i].address);
    }
    free(cluster->members);
    free(cluster->status);
    free(cluster->role);
    free(cluster->leader);
}
