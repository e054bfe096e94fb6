#include <config.h>

#include "cli/scratch-process.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include "cli/run-program.h"
#include "dirs.h"
#include "openvswitch/dynamic-string.h"
#include "util.h"

/* Of what a server says when it ends at once. */
enum { LOG_MAX_BYTES = 4096 };

enum { N_SERVERS = 2 };

struct scratch {
    char *folder;
    pid_t keeper;
    int fd;                     /* The keeper holds the other end. */
};

struct server {
    char *argv[10];
};

/* The keeper. */

static void OVS_NO_RETURN
server_exec(const struct server *server, const char *folder)
{
    int null = open("/dev/null", O_RDONLY);
    int log = open("log", O_WRONLY | O_CREAT | O_APPEND, 0600);
    sigset_t none;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    signal(SIGHUP, SIG_DFL);
    dup2(null, STDIN_FILENO);
    dup2(log, STDOUT_FILENO);
    dup2(log, STDERR_FILENO);
    setenv("OVS_RUNDIR", folder, 1);
    setenv("OVS_LOGDIR", folder, 1);
    setenv("OVS_DBDIR", folder, 1);
    execv(server->argv[0], server->argv);
    _exit(127);
}

static void
send_log(int fd)
{
    int log = open("log", O_RDONLY | O_CLOEXEC);
    char buf[LOG_MAX_BYTES];
    ssize_t n = log >= 0 ? read(log, buf, sizeof buf) : 0;

    if (n > 0) {
        ignore(write(fd, buf, n));
    }
}

static void
remove_folder(const char *folder)
{
    DIR *dir = opendir(".");
    const struct dirent *entry;

    while (dir && (entry = readdir(dir)) != NULL) {
        unlink(entry->d_name);  /* It has no folders in it. */
    }
    ignore(chdir("/"));
    rmdir(folder);
}

/* Until the other end is closed, or a server ends. */
static void
keep(int fd, int signals)
{
    struct pollfd fds[] = {
        { .fd = fd, .events = POLLIN },
        { .fd = signals, .events = POLLIN },
    };

    while (poll(fds, ARRAY_SIZE(fds), -1) < 0 && errno == EINTR) {
        continue;
    }
    if (fds[1].revents) {
        send_log(fd);
    }
}

static void OVS_NO_RETURN
keeper_run(const struct server servers[], const char *folder, int fd)
{
    pid_t pids[N_SERVERS];
    sigset_t set;

    /* What the terminal sends is for the command; its end ends this, too. */
    setsid();
    signal(SIGINT, SIG_IGN);
    signal(SIGTERM, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    signal(SIGPIPE, SIG_IGN);
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigprocmask(SIG_BLOCK, &set, NULL);

    int signals = signalfd(-1, &set, SFD_CLOEXEC);
    if (!chdir(folder)) {
        for (size_t i = 0; i < N_SERVERS; i++) {
            pids[i] = fork();
            if (!pids[i]) {
                server_exec(&servers[i], folder);
            }
        }
        keep(fd, signals);
        for (size_t i = 0; i < N_SERVERS; i++) {
            if (pids[i] > 0) {
                kill(pids[i], SIGKILL);
                waitpid(pids[i], NULL, 0);
            }
        }
        remove_folder(folder);
    }
    _exit(0);
}

/* This side. */

static void
server_init(struct server *server, const char *program, const char *first,
            char *options[], size_t n)
{
    size_t k = 0;

    server->argv[k++] = xstrdup(program);
    server->argv[k++] = xstrdup(first);
    for (size_t i = 0; i < n; i++) {
        server->argv[k++] = options[i];
    }
    server->argv[k++] = xstrdup("-vconsole:warn");
    server->argv[k++] = xstrdup("-vsyslog:off");
    server->argv[k] = NULL;
}

static void
server_uninit(struct server *server)
{
    for (size_t i = 0; server->argv[i]; i++) {
        free(server->argv[i]);
    }
}

/* What is not installed goes to 'missing'. */
static char *
find_program(const char *name, struct ds *missing)
{
    char *path = program_find(name);

    if (!path) {
        ds_put_format(missing, "%s%s", missing->length ? ", " : "", name);
    }
    return path;
}

static char *
create_database(const char *tool, const char *folder)
{
    char *file = xasprintf("%s/conf.db", folder);
    char *schema = xasprintf("%s/vswitch.ovsschema", ovs_pkgdatadir());
    const char *const argv[] = { tool, "create", file, schema, NULL };
    char *output;
    char *error = program_run(argv, NULL, &output);

    free(output);
    free(file);
    free(schema);
    return error;
}

static char *
fork_keeper(struct scratch *s, const struct server servers[])
{
    int fds[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds)) {
        return xasprintf("socketpair: %s", ovs_strerror(errno));
    }
    s->keeper = fork();
    if (!s->keeper) {
        close(fds[0]);
        keeper_run(servers, s->folder, fds[1]);
    }
    close(fds[1]);
    s->fd = fds[0];
    return s->keeper < 0 ? xasprintf("fork: %s", ovs_strerror(errno)) : NULL;
}

static char *
start_servers(struct scratch *s, const char *db_program,
              const char *switch_program)
{
    const char *folder = s->folder;
    struct server servers[N_SERVERS];
    char *db_options[] = {
        xasprintf("--remote=punix:%s/db.sock", folder),
        xasprintf("--unixctl=%s/db.ctl", folder),
    };
    char *switch_options[] = {
        xasprintf("--unixctl=%s/switch.ctl", folder),
        xstrdup("--enable-dummy=system"), xstrdup("--disable-system"),
    };
    char *remote = xasprintf("unix:%s/db.sock", folder);

    server_init(&servers[0], db_program, "conf.db", db_options,
                ARRAY_SIZE(db_options));
    server_init(&servers[1], switch_program, remote, switch_options,
                ARRAY_SIZE(switch_options));
    free(remote);
    char *error = fork_keeper(s, servers);
    for (size_t i = 0; i < N_SERVERS; i++) {
        server_uninit(&servers[i]);
    }
    return error;
}

static char *
make_folder(char **ret_folder)
{
    const char *tmp = getenv("TMPDIR");
    char *folder = xasprintf("%s/socknet-scratch-XXXXXX",
                             tmp && tmp[0] == '/' ? tmp : "/tmp");

    if (!mkdtemp(folder)) {
        char *error = xasprintf("%s: %s", folder, ovs_strerror(errno));

        free(folder);
        return error;
    }
    *ret_folder = folder;
    return NULL;
}

char *
scratch_start(struct scratch **ret_scratch)
{
    struct scratch *s = xzalloc(sizeof *s);
    struct ds missing = DS_EMPTY_INITIALIZER;
    char *tool = find_program("ovsdb-tool", &missing);
    char *db = find_program("ovsdb-server", &missing);
    char *vswitch = find_program("ovs-vswitchd", &missing);
    char *error = NULL;

    s->fd = -1;
    if (missing.length) {
        error = xasprintf("%s not found: install openvswitch-switch",
                          ds_cstr(&missing));
    }
    error = error ? error : make_folder(&s->folder);
    error = error ? error : create_database(tool, s->folder);
    error = error ? error : start_servers(s, db, vswitch);
    ds_destroy(&missing);
    free(tool);
    free(db);
    free(vswitch);
    if (error) {
        scratch_stop(s);
        s = NULL;
    }
    *ret_scratch = s;
    return error;
}

void
scratch_stop(struct scratch *s)
{
    if (!s) {
        return;
    }
    if (s->fd >= 0) {
        close(s->fd);
    }
    if (s->keeper > 0) {
        waitpid(s->keeper, NULL, 0);
    } else if (s->folder) {
        char *file = xasprintf("%s/conf.db", s->folder);

        unlink(file);
        rmdir(s->folder);
        free(file);
    }
    free(s->folder);
    free(s);
}

const char *
scratch_folder(const struct scratch *s)
{
    return s->folder;
}

char *
scratch_check(const struct scratch *s)
{
    char buf[LOG_MAX_BYTES + 1];
    ssize_t n = recv(s->fd, buf, LOG_MAX_BYTES, MSG_DONTWAIT);

    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        return NULL;
    }
    buf[MAX(n, 0)] = '\0';
    return xasprintf("the scratch switch ended%s%s", n > 0 ? ": " : "", buf);
}
