#include <config.h>
#include "agent/socks-process.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <netinet/in.h>
#include <limits.h>
#include <paths.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/child.h"
#include "agent/plan.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "process.h"
#include "sset.h"
#include "svec.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(socks);

#define PROGRAM "microsocks"
#define RUN_DIR "/run/socknet"
#define SOCKS_DIR RUN_DIR"/socks5"
#define PIDFILE SOCKS_DIR"/pid"
#define NOBODY 65534
#define RESTART_INTERVAL_MS 2000

struct socks_process {
    pid_t pid;                  /* 0: none. */
    int pidfd;                  /* -1: none. */
    bool child;                 /* Of this process: to be waited for. */
    bool looked;                /* For one of an agent before. */
    struct svec argv;           /* As it was started. */
    long long int started_ms;
    char *failure;              /* Why the last one ended at once. */
};

struct socks_process *
socks_process_create(void)
{
    struct socks_process *p = xzalloc(sizeof *p);

    p->pidfd = -1;
    p->started_ms = LLONG_MIN / 2;
    svec_init(&p->argv);
    return p;
}

static void
proxy_forget(struct socks_process *p)
{
    if (p->pidfd >= 0) {
        close(p->pidfd);
    }
    p->pidfd = -1;
    p->pid = 0;
    p->child = false;
}

void
socks_process_destroy(struct socks_process *p)
{
    if (p) {
        proxy_forget(p);
        svec_destroy(&p->argv);
        free(p->failure);
        free(p);
    }
}

static const char *
program_find(void)
{
    static const char *const paths[] = {
        "/usr/local/bin/"PROGRAM, "/usr/bin/"PROGRAM,
    };

    /* Not PATH: this runs as root with whatever environment it was given. */
    for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
        if (!access(paths[i], X_OK)) {
            return paths[i];
        }
    }
    return NULL;
}

static void
make_argv(const struct plan_socks *socks, struct svec *argv)
{
    svec_init(argv);
    svec_add(argv, PROGRAM);
    svec_add(argv, "-i");
    svec_add_nocopy(argv, sn_prefix_addr_to_string(&socks->listen));
    svec_add(argv, "-p");
    svec_add_nocopy(argv, xasprintf("%u", socks->port));
    svec_add(argv, "-b");
    svec_add(argv, PLAN_SOCKS_ADDRESS);
    svec_terminate(argv);
}

/* The arguments of a process, or an empty list. */
static void
read_cmdline(pid_t pid, struct svec *argv)
{
    char *path = xasprintf("/proc/%ld/cmdline", (long int) pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    char buf[512];
    ssize_t n = fd >= 0 ? read(fd, buf, sizeof buf - 1) : -1;

    svec_init(argv);
    for (ssize_t i = 0; i < n; i += strlen(buf + i) + 1) {
        buf[n] = '\0';
        svec_add(argv, buf + i);
    }
    svec_terminate(argv);
    if (fd >= 0) {
        close(fd);
    }
    free(path);
}

/* A pid of a file can be anybody's by now. */
static bool
is_our_proxy(pid_t pid)
{
    char *path = xasprintf("/proc/%ld/ns/net", (long int) pid);
    struct stat theirs, ours;
    struct svec argv;
    bool same_net = (!stat(path, &theirs) && !stat("/proc/self/ns/net", &ours)
                     && theirs.st_ino == ours.st_ino
                     && theirs.st_dev == ours.st_dev);

    free(path);
    read_cmdline(pid, &argv);
    bool ours_by_name = (argv.n == 7 && !strcmp(argv.names[0], PROGRAM)
                         && !strcmp(argv.names[6], PLAN_SOCKS_ADDRESS));
    svec_destroy(&argv);
    return same_net && ours_by_name;
}

static pid_t
read_pid(void)
{
    int fd = open(PIDFILE, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    char buf[16];
    ssize_t n = fd >= 0 ? read(fd, buf, sizeof buf - 1) : -1;
    unsigned int pid = 0;

    if (fd >= 0) {
        close(fd);
    }
    if (n > 0) {
        buf[n] = '\0';
        buf[strcspn(buf, "\n")] = '\0';
        if (!str_to_uint(buf, 10, &pid) || pid > INT_MAX) {
            pid = 0;
        }
    }
    return pid;
}

/* Returns 0 or errno. */
static int
write_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC
                  | O_NOFOLLOW, 0644);
    int error = 0;

    if (fd < 0) {
        return errno;
    }
    if (write(fd, text, strlen(text)) != (ssize_t) strlen(text)) {
        error = errno ? errno : EIO;
    }
    fchmod(fd, 0644);
    close(fd);
    return error;
}

static int
write_files(void)
{
    int error = 0;

    if ((mkdir(RUN_DIR, 0755) && errno != EEXIST)
        || (mkdir(SOCKS_DIR, 0755) && errno != EEXIST)) {
        return errno;
    }
    /* The proxy has only an IPv4 address to connect from. */
    error = write_file(SOCKS_DIR"/resolv.conf",
                       "nameserver "PLAN_SOCKS_ADDRESS"\n"
                       "options no-aaaa timeout:3 attempts:1\n");
    if (!error) {
        error = write_file(SOCKS_DIR"/nsswitch.conf",
                           "passwd: files\ngroup: files\n"
                           "hosts: files dns\n");
    }
    return error;
}

static void
proxy_watch(struct socks_process *p, pid_t pid, bool child)
{
    p->pid = pid;
    p->child = child;
    p->pidfd = syscall(SYS_pidfd_open, pid, 0);
}

/* Looks for one that an agent before this one started. */
static void
proxy_adopt(struct socks_process *p)
{
    pid_t pid = read_pid();

    p->looked = true;
    if (pid && is_our_proxy(pid)) {
        svec_destroy(&p->argv);
        read_cmdline(pid, &p->argv);
        proxy_watch(p, pid, false);
        VLOG_INFO("adopted "PROGRAM" (process %ld)", (long int) pid);
    }
}

/* In the child, between fork and exec: only async-signal-safe calls. */

static bool
hide(const char *source, const char *target)
{
    /* One that is not there asks nobody. */
    return (!mount(source, target, NULL, MS_BIND, NULL)
            || (errno == ENOENT && strcmp(target, "/etc/resolv.conf")));
}

static void
child_exec(const char *program, char **argv)
{
    static char *const envp[] = { "PATH=" _PATH_STDPATH, NULL };

    if (!child_detach()) {
        _exit(121);
    }
    if (unshare(CLONE_NEWNS)
        || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL)) {
        _exit(122);
    }
    /* The daemon of the names' cache would ask as the host does. */
    mount("none", "/run/nscd", "tmpfs", MS_NOSUID | MS_NODEV, "size=4k");
    if (!hide(SOCKS_DIR"/resolv.conf", "/etc/resolv.conf")
        || !hide(SOCKS_DIR"/nsswitch.conf", "/etc/nsswitch.conf")) {
        _exit(123);
    }
    if (setgroups(0, NULL) || setgid(NOBODY) || setuid(NOBODY)
        || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)) {
        _exit(124);
    }
    execve(program, argv, envp);
    _exit(127);
}

static const char *
exit_reason(int code)
{
    return (code == 122 || code == 123
            ? "it cannot be given a resolv.conf of its own"
            : code == 124 ? "it cannot be made nobody's"
            : "it gives no reason");
}

static void
proxy_ended(struct socks_process *p, int status)
{
    free(p->failure);
    p->failure = NULL;
    if (time_msec() < p->started_ms + RESTART_INTERVAL_MS) {
        char *s = process_status_msg(status);

        p->failure = xasprintf("%s; %s", s, WIFEXITED(status)
                               ? exit_reason(WEXITSTATUS(status)) : "");
        free(s);
    } else {
        VLOG_WARN(PROGRAM" ended");
    }
    proxy_forget(p);
}

bool
socks_process_run(struct socks_process *p)
{
    struct pollfd pfd = { .fd = p->pidfd, .events = POLLIN };
    int status = 0;

    if (!p->pid && p->failure) {
        return time_msec() >= p->started_ms + RESTART_INTERVAL_MS;
    }
    if (!p->pid || (p->pidfd >= 0 ? poll(&pfd, 1, 0) <= 0
                    : !kill(p->pid, 0))) {
        return false;
    }
    if (p->child && waitpid(p->pid, &status, WNOHANG) != p->pid) {
        return false;
    }
    proxy_ended(p, status);
    return true;
}

void
socks_process_wait(const struct socks_process *p)
{
    if (p->pidfd >= 0) {
        poll_fd_wait(p->pidfd, POLLIN);
    }
    if (!p->pid && p->failure) {
        poll_timer_wait_until(p->started_ms + RESTART_INTERVAL_MS);
    }
}

static void
proxy_stop(struct socks_process *p)
{
    VLOG_INFO("ending "PROGRAM" (process %ld)", (long int) p->pid);
    kill(p->pid, SIGTERM);
    if (p->child) {
        /* It has no handler and no children: it ends at once. */
        waitpid(p->pid, NULL, 0);
    }
    proxy_forget(p);
    unlink(PIDFILE);
}

/* Whether microsocks could listen there: it does not say why it ends. */
static char *
try_listen(const struct plan_socks *socks)
{
    struct sockaddr_in sin = {
        .sin_family = AF_INET, .sin_port = htons(socks->port),
    };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int on = 1, error = 0;

    memcpy(&sin.sin_addr, &socks->listen.addr.s6_addr[12],
           sizeof sin.sin_addr);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on)
        || bind(fd, (struct sockaddr *) &sin, sizeof sin)
        || listen(fd, 1)) {
        error = errno;
    }
    if (fd >= 0) {
        close(fd);
    }
    if (!error) {
        return NULL;
    }
    char *address = sn_prefix_addr_to_string(&socks->listen);
    char *s = xasprintf("%s port %u: %s", address, socks->port,
                        ovs_strerror(error));
    free(address);
    return s;
}

static char *
proxy_start(struct socks_process *p, const struct plan_socks *socks,
            const struct svec *argv)
{
    const char *program = program_find();
    char *why = try_listen(socks);
    int error;

    if (why) {
        return why;
    }

    if (!program) {
        return xstrdup(PROGRAM" is not installed: apt install "PROGRAM);
    }
    error = write_files();
    if (error) {
        return xasprintf(SOCKS_DIR": %s", ovs_strerror(error));
    }
    p->started_ms = time_msec();
    svec_destroy(&p->argv);
    svec_clone(&p->argv, argv);
    svec_terminate(&p->argv);

    pid_t pid = fork();
    if (!pid) {
        child_exec(program, p->argv.names);
    } else if (pid < 0) {
        return xasprintf("fork: %s", ovs_strerror(errno));
    }
    proxy_watch(p, pid, true);
    char *text = xasprintf("%ld\n", (long int) pid);
    write_file(PIDFILE, text);
    free(text);
    if (!p->failure) {
        VLOG_INFO("started %s at %s port %s", program, argv->names[2],
                  argv->names[4]);
    }
    return NULL;
}

bool
socks_process_sync(struct socks_process *p, const struct plan_socks *socks,
                   struct sset *problems)
{
    struct svec argv;
    char *error = NULL;

    if (!p->looked) {
        proxy_adopt(p);
    }
    if (!socks) {
        if (p->pid) {
            proxy_stop(p);
        }
        free(p->failure);
        p->failure = NULL;
        return true;
    }
    make_argv(socks, &argv);
    if (p->pid && !svec_equal(&p->argv, &argv)) {
        proxy_stop(p);
    }
    if (!p->pid && time_msec() >= p->started_ms + RESTART_INTERVAL_MS) {
        error = proxy_start(p, socks, &argv);
    }
    if (!error && p->failure) {
        error = xasprintf(PROGRAM" ended (%s)", p->failure);
        if (p->pid && time_msec() > p->started_ms + RESTART_INTERVAL_MS) {
            free(p->failure);
            p->failure = NULL;
        }
    }
    svec_destroy(&argv);
    if (error) {
        sset_add_and_free(problems, xasprintf("socks5: %s", error));
        free(error);
        return false;
    }
    return p->pid != 0;
}

void
socks_process_cleanup(void)
{
    pid_t pid = read_pid();

    if (pid && is_our_proxy(pid)) {
        kill(pid, SIGTERM);
    }
    unlink(PIDFILE);
}
