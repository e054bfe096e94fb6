#include <config.h>

#include "tests/unit/db-server.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cli/db-file.h"
#include "cli/run-program.h"
#include "util.h"

static char *
in_dir(const struct db_server *s, const char *name)
{
    return xasprintf("%s/%s", s->dir, name);
}

void
db_server_run(struct db_server *s)
{
    char *program = program_find("ovsdb-server");
    char *file = in_dir(s, "socknet.db");
    char *remote = xasprintf("--remote=punix:%s/db.sock", s->dir);
    char *ctl = xasprintf("--unixctl=%s/ctl", s->dir);
    char *socket = in_dir(s, "db.sock");
    struct stat st;

    unlink(socket);
    s->pid = fork();
    if (!s->pid) {
        execl(program, program, file, remote, ctl, "--no-chdir",
              "-vconsole:off", "-vsyslog:off", NULL);
        _exit(127);
    }
    for (int i = 0; i < 2000 && stat(socket, &st); i++) {
        nanosleep(&(struct timespec) { .tv_nsec = 5000000 }, NULL);
    }
    free(program);
    free(file);
    free(remote);
    free(ctl);
    free(socket);
}

static void
make_file(struct db_server *s)
{
    char *file = in_dir(s, "socknet.db");
    char *error = db_file_create(file, NULL);

    if (error) {
        fprintf(stderr, "%s\n", error);
        abort();
    }
    free(file);
}

void
db_server_start(struct db_server *s)
{
    strcpy(s->dir, "/tmp/socknet-unit.XXXXXX");
    if (!mkdtemp(s->dir)) {
        abort();
    }
    s->remote = xasprintf("unix:%s/db.sock", s->dir);
    make_file(s);
    db_server_run(s);
}

void
db_server_forget(struct db_server *s)
{
    char *file = in_dir(s, "socknet.db");

    unlink(file);
    free(file);
    make_file(s);
}

void
db_server_kill(struct db_server *s)
{
    kill(s->pid, SIGKILL);
    waitpid(s->pid, NULL, 0);
}

void
db_server_stop(struct db_server *s)
{
    const char *const argv[] = { "/bin/rm", "-rf", s->dir, NULL };
    char *output;

    kill(s->pid, SIGTERM);
    waitpid(s->pid, NULL, 0);
    free(program_run(argv, NULL, &output));
    free(output);
    free(s->remote);
}
