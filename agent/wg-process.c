#include <config.h>
#include "agent/wg-process.h"

#include <errno.h>
#include <paths.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/child.h"
#include "openvswitch/shash.h"
#include "openvswitch/vlog.h"
#include "process.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(wg_process);

#define PROGRAM "wireguard-go"
/* From start to socket it takes some 20 ms. */
#define RESTART_INTERVAL_MS 2000

struct wg_process {
    pid_t pid;                  /* 0: ended. */
    long long int started_ms;
    char *failure;              /* Why the last one ended, or NULL. */
};

static struct shash processes = SHASH_INITIALIZER(&processes);

static char *
program_find(void)
{
    static const char *const dirs[] = {
        "/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin",
    };

    /* Not PATH: this runs as root with whatever environment it was given. */
    for (size_t i = 0; i < ARRAY_SIZE(dirs); i++) {
        char *path = xasprintf("%s/%s", dirs[i], PROGRAM);

        if (!access(path, X_OK)) {
            return path;
        }
        free(path);
    }
    return NULL;
}

/* In the child, between fork and exec. */
static void
child_exec(const char *program, const char *name)
{
    static char *const envp[] = {
        "PATH=" _PATH_STDPATH, "LOG_LEVEL=error", NULL
    };
    char *const argv[] = {
        CONST_CAST(char *, PROGRAM), "-f", CONST_CAST(char *, name), NULL
    };

    if (!child_detach()) {
        _exit(126);
    }
    execve(program, argv, envp);
    _exit(127);
}

static struct wg_process *
process_get(const char *name)
{
    struct wg_process *p = shash_find_data(&processes, name);

    if (!p) {
        p = xzalloc(sizeof *p);
        p->started_ms = LLONG_MIN / 2;
        shash_add(&processes, name, p);
    }
    return p;
}

bool
wg_process_starting(const char *name)
{
    const struct wg_process *p = shash_find_data(&processes, name);

    return p && p->pid && time_msec() < p->started_ms + RESTART_INTERVAL_MS;
}

static char *
process_failure(const struct wg_process *p, const char *name)
{
    return (p->failure ? xasprintf("%s: " PROGRAM " ended (%s); is there a "
                                   "/dev/net/tun?", name, p->failure)
            : NULL);
}

static int
process_fork(struct wg_process *p, const char *program, const char *name)
{
    pid_t pid = fork();

    if (!pid) {
        child_exec(program, name);
    }
    p->pid = MAX(pid, 0);
    return pid < 0 ? errno : 0;
}

char *
wg_process_start(const char *name)
{
    struct wg_process *p = process_get(name);
    char *program;
    int error;

    if (time_msec() < p->started_ms + RESTART_INTERVAL_MS) {
        return process_failure(p, name);
    }
    program = program_find();
    if (!program) {
        return xasprintf("%s: this kernel has no WireGuard and "
                         PROGRAM " is not installed: "
                         "apt install " PROGRAM, name);
    }
    if (!p->failure) {
        VLOG_INFO("%s: this kernel has no WireGuard; starting %s", name,
                  program);
    }
    p->started_ms = time_msec();
    error = process_fork(p, program, name);
    free(program);
    if (error) {
        return xasprintf("%s: fork: %s", name, ovs_strerror(error));
    }
    return process_failure(p, name);
}

void
wg_process_forget_failure(const char *name)
{
    struct wg_process *p = shash_find_data(&processes, name);

    if (p) {
        free(p->failure);
        p->failure = NULL;
    }
}

static void
process_ended(struct wg_process *p, const char *name, int status)
{
    free(p->failure);
    p->failure = NULL;
    p->pid = 0;
    if (!status) {
        VLOG_INFO("%s: " PROGRAM " ended with its device", name);
    } else if (WIFEXITED(status)
               && time_msec() < p->started_ms + RESTART_INTERVAL_MS) {
        p->failure = process_status_msg(status);
    } else {
        char *s = process_status_msg(status);

        VLOG_WARN("%s: " PROGRAM " ended (%s)", name, s);
        free(s);
    }
}

bool
wg_process_reap(void)
{
    struct shash_node *node;
    bool ended = false;

    SHASH_FOR_EACH (node, &processes) {
        struct wg_process *p = node->data;
        int status;

        if (p->pid && waitpid(p->pid, &status, WNOHANG) == p->pid) {
            process_ended(p, node->name, status);
            ended = true;
        }
    }
    return ended;
}
