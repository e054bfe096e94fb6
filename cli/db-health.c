#include <config.h>

#include "cli/db-health.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "cli/db-file.h"
#include "cli/db-tool.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/poll-loop.h"
#include "socket-util.h"
#include "util.h"

/* A record may be under way at the first look. */
enum { AGAIN_MS = 200 };
/* The least that must be left on the disk; a compaction needs as much as the
 * file has. */
enum { MIN_FREE_BYTES = 1024 * 1024 };

/* Adds to 'problem', the first or one more. */
static void OVS_PRINTF_FORMAT(2, 3)
add(struct ds *problem, const char *format, ...)
{
    va_list args;

    if (problem->length) {
        ds_put_cstr(problem, "; ");
    }
    va_start(args, format);
    ds_put_format_valist(problem, format, args);
    va_end(args);
}

static char *
look_at_log(const char *file)
{
    char *output;
    char *error = db_tool((const char *const[]) { "check-cluster", file,
                                                  NULL }, NULL, &output);

    free(output);
    if (error && strstr(error, "all logs are empty")) {     /* It is new. */
        free(error);
        error = NULL;
    }
    return error;
}

char *
db_health_check_log(const char *file)
{
    char *error = look_at_log(file);

    if (error) {
        free(error);
        poll_timer_wait(AGAIN_MS);
        poll_block();
        error = look_at_log(file);
    }
    return error;
}

/* The process behind a unix socket; 0: unknown. */
static pid_t
peer_of(const char *path)
{
    struct ucred cred = { .pid = 0 };
    socklen_t len = sizeof cred;
    int fd = make_unix_socket(SOCK_STREAM, false, NULL, path);

    if (fd >= 0) {
        if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len)) {
            cred.pid = 0;
        }
        close(fd);
    }
    return cred.pid;
}

/* The database among the files that process has open, or NULL. */
static char *
find_file(const char *db)
{
    char *dir = xasprintf("/proc/%ld/fd", (long int) peer_of(db + 5));
    DIR *stream = opendir(dir);
    struct dirent *entry;
    char *file = NULL;

    while (stream && !file && (entry = readdir(stream)) != NULL) {
        char *link = xasprintf("%s/%s", dir, entry->d_name);
        char *target = follow_symlinks(link);
        struct stat s;

        if (!stat(target, &s) && S_ISREG(s.st_mode)
            && db_file_is_database(target)) {
            file = xstrdup(target);
        }
        free(target);
        free(link);
    }
    if (stream) {
        closedir(stream);
    }
    free(dir);
    return file;
}

static void
check_file(const char *file, struct ds *problem)
{
    struct statvfs fs;
    struct stat s;

    if (!statvfs(file, &fs) && !stat(file, &s)) {
        uint64_t left = (uint64_t) fs.f_bavail * fs.f_frsize;

        if (left < MAX(MIN_FREE_BYTES, (uint64_t) s.st_size)) {
            add(problem, "only %"PRIu64" KiB are left on the disk of %s",
                left / 1024, file);
        }
    }

    /* A server that is alone refuses what it cannot write. */
    char *damage = db_file_is_clustered(file) ? db_health_check_log(file)
                                              : NULL;
    if (damage) {
        add(problem, "%s lacks what this member agreed to, as after a full "
            "disk: make room, then `socknet db compact`, before it is "
            "stopped (%s)", file, damage);
        free(damage);
    }
}

static void
check_server(const struct db_probe *server, struct ds *problem)
{
    char *ours;
    char *error = db_file_schema_version(&ours);

    if (!strcmp(server->model, "relay") && !server->connected) {
        add(problem, "it does not reach the database that it relays");
    }
    if (!error && server->schema_version
        && strcmp(server->schema_version, ours)) {
        add(problem, "its schema is %s, this socknet has %s: %s",
            server->schema_version, ours,
            db_file_version_is_newer(server->schema_version, ours)
            ? "install the newer one here" : "`socknet db upgrade`");
    }
    free(error);
    free(ours);
}

static void
check_members(const struct db_cluster *cluster, struct ds *problem)
{
    struct ds away = DS_EMPTY_INITIALIZER;
    size_t n_away = 0;

    for (size_t i = 0; i < cluster->n_members; i++) {
        if (!cluster->members[i].reachable) {
            ds_put_format(&away, "%s%s", n_away++ ? ", " : "",
                          cluster->members[i].address);
        }
    }
    if (n_away) {
        add(problem, "%"PRIuSIZE" of %"PRIuSIZE" members are not reached "
            "from here: %s", n_away, cluster->n_members, ds_cstr(&away));
    }
    ds_destroy(&away);
}

static void
check_cluster(const struct db_health *health, struct ds *problem)
{
    const struct db_cluster *cluster = &health->cluster;

    if (!strcmp(cluster->status, DB_CLUSTER_NONE)) {
        add(problem, "this member takes no part any more: it has left, or it "
            "could not write its file; make room, then start it again");
        return;
    }
    if (strcmp(cluster->status, "cluster member")) {
        add(problem, "%s", cluster->status);
    }
    if (!health->server.connected) {
        add(problem, "no quorum as seen from here");
    }
    check_members(cluster, problem);
}

char *
db_health_read(const char *db, struct db_health *health)
{
    struct ds problem = DS_EMPTY_INITIALIZER;

    *health = (struct db_health) { .clustered = false };
    if (strncmp(db, "unix:", 5)) {
        return xasprintf("\"%s\": only the server of this host can be asked, "
                         "at unix:FILE", db);
    }

    char *error = db_probe_run(db, &health->server);
    if (!error) {
        health->clustered = !strcmp(health->server.model, "clustered");
        check_server(&health->server, &problem);
    }
    if (!error && health->clustered) {
        char *control = db_control_path(db);

        error = db_cluster_read(control, &health->cluster);
        free(control);
    }
    if (!error && health->clustered) {
        check_cluster(health, &problem);
    }
    if (!error && strcmp(health->server.model, "relay")) {
        health->file = find_file(db);
        if (health->file) {
            check_file(health->file, &problem);
        }
    }
    health->problem = problem.length ? xstrdup(ds_cstr(&problem)) : NULL;
    ds_destroy(&problem);
    return error;
}

void
db_health_destroy(struct db_health *health)
{
    db_probe_destroy(&health->server);
    db_cluster_destroy(&health->cluster);
    free(health->file);
    free(health->problem);
}
