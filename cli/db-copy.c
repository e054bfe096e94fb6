#include <config.h>

#include "cli/db-options.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/db-cluster.h"
#include "cli/db-file.h"
#include "cli/db-schema.h"
#include "cli/db-tool.h"
#include "cli/run-program.h"
#include "openvswitch/json.h"
#include "socket-util.h"
#include "util.h"

/* The generation in a file; reads all of it, so a cut one is an error. */
static char *
read_generation(const char *file, int64_t *ret_generation)
{
    static const char query[]
        = "[\"Socknet\",{\"op\":\"select\",\"table\":\"Mesh\",\"where\":[],"
          "\"columns\":[\"generation\"]}]";
    char *output;
    char *error = db_tool((const char *const[]) { "query", file, query,
                                                  NULL }, NULL, &output);
    const char *number = error ? NULL : strstr(output, "\"generation\":");

    *ret_generation = 0;
    if (!error && !number) {
        error = xasprintf("%s is no backup of socknet's database", file);
    } else if (!error) {
        *ret_generation = strtoll(number + strlen("\"generation\":"), NULL,
                                  10);
    }
    free(output);
    return error;
}

/* Writes 'text' and the end of its last line, which program_run() took off,
 * into 'file', which must not exist, readable by its owner. */
static char *
write_new(const char *file, const char *text)
{
    int fd = open(file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    size_t n;

    if (fd < 0) {
        return errno == EEXIST
               ? xasprintf("%s exists; it is not overwritten", file)
               : xasprintf("%s: %s", file, ovs_strerror(errno));
    }

    int error = write_fully(fd, text, strlen(text), &n);
    if (!error) {
        error = write_fully(fd, "\n", 1, &n);
    }
    if (!error && fsync(fd)) {
        error = errno;
    }
    if (close(fd) && !error) {
        error = errno;
    }
    if (error) {
        unlink(file);
    }
    return error ? xasprintf("%s: %s", file, ovs_strerror(error)) : NULL;
}

/* As ovsdb-client says it, in fewer words. */
static char *
client_error(char *error, const char *db)
{
    if (!strstr(error, "failed to connect")
        && !strstr(error, "failed without saying why")
        && !strstr(error, "Alarm")) {
        return error;
    }
    free(error);
    return xasprintf("no database at %s answers: `socknet db status` tells "
                     "more", db);
}

char *
db_backup(const char *backup, const struct db_options *o)
{
    struct stat s;
    char *text, *error;
    int64_t generation;

    if (!stat(backup, &s)) {
        return xasprintf("%s exists; it is not overwritten", backup);
    }
    /* All tables are read in one transaction. */
    error = db_client((const char *const[]) { "backup", o->db, "Socknet",
                                              NULL }, NULL, &text);
    if (error) {
        error = client_error(error, o->db);
    } else {
        error = write_new(backup, text);
        if (!error) {
            error = read_generation(backup, &generation);
            if (error) {
                unlink(backup);
            }
        }
    }
    if (!error) {
        printf("%s: %"PRIuSIZE" bytes, generation %"PRId64"\n", backup,
               strlen(text), generation);
    }
    free(text);
    return error;
}

char *
db_restore(const char *backup, const char *file)
{
    int64_t generation;
    char *error = read_generation(backup, &generation);

    if (!error) {
        error = db_create_file(file, backup);
    }
    if (!error) {
        printf("%s: made of %s, generation %"PRId64"; \"socknet db serve\" "
               "serves it\n", file, backup, generation);
    }
    return error;
}

/* Whether the server at 'db' has another schema than this program. */
static char *
needs_conversion(const char *db, bool *ret_needed)
{
    char *output;
    char *error = db_client((const char *const[]) {
        "needs-conversion", db, PROGRAM_INPUT, NULL }, db_schema, &output);

    *ret_needed = !error && !strcmp(output, "yes");
    free(output);
    return error ? client_error(error, db) : NULL;
}

static char *
check_not_newer(const char *db)
{
    char *has, *ours = NULL;
    char *error = db_client((const char *const[]) {
        "get-schema-version", db, "Socknet", NULL }, NULL, &has);

    if (!error) {
        error = db_file_schema_version(&ours);
    }
    if (!error && db_file_version_is_newer(has, ours)) {
        error = xasprintf("the database is of a newer socknet (schema %s, "
                          "this one has %s)", has, ours);
    }
    free(has);
    free(ours);
    return error;
}

char *
db_upgrade(const struct db_options *o)
{
    bool needed = false;
    char *output;
    char *error = db_check_model(o->db, true);

    if (!error) {
        error = needs_conversion(o->db, &needed);
    }
    if (!error && needed) {
        error = check_not_newer(o->db);
    }
    if (!error && needed) {
        error = db_client((const char *const[]) { "convert", o->db,
                                                  PROGRAM_INPUT, NULL },
                          db_schema, &output);
        free(output);
    }
    if (!error) {
        error = db_file_configure_roles(o->db);
    }
    if (!error) {
        printf("%s\n", needed ? "converted to the schema of this version"
               : "it has the schema of this version");
    }
    return error;
}

/* Writes the file anew, from what the server has in memory. */
char *
db_compact(const struct db_options *o)
{
    char *control = db_control_path(o->db);
    char *text;
    char *error = db_cluster_command(control, "ovsdb-server/compact", NULL,
                                     &text);

    if (error && strstr(error, "following failure")) {
        free(error);
        error = xstrdup("this member failed to write its file: make room, "
                        "then start it again");
    }
    free(text);
    free(control);
    return error;
}
