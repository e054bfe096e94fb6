#include <config.h>
#include "agent/resolve.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/wg.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/shash.h"
#include "openvswitch/vlog.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(resolve);

#define REFRESH_MS (5 * 60 * 1000)
#define RETRY_MS (15 * 1000)

struct resolve_name {
    struct sockaddr_storage ss; /* AF_UNSPEC: unknown. */
    pid_t pid;                  /* Of the child; 0: none. */
    int fd;                     /* Its pipe. */
    long long int next_ms;      /* When to ask again. */
};

static struct shash names = SHASH_INITIALIZER(&names);

/* In the child: everything of the parent's but 'fd' is none of its business,
 * above all the descriptors. */
static void
child_ask(const char *endpoint, int fd)
{
    char *host = xstrdup(endpoint);
    char *port = strrchr(host, ':');
    struct addrinfo hints = { .ai_socktype = SOCK_DGRAM };
    struct addrinfo *ai;
    struct sockaddr_storage ss = { .ss_family = AF_UNSPEC };

    signal(SIGTERM, SIG_DFL);
    signal(SIGALRM, SIG_DFL);
    alarm(30);
    if (dup2(fd, 3) < 0) {
        _exit(1);
    }
    closefrom(4);
    if (port) {
        *port++ = '\0';
        if (!getaddrinfo(host, port, &hints, &ai)
            && ai->ai_addrlen <= sizeof ss) {
            memcpy(&ss, ai->ai_addr, ai->ai_addrlen);
        }
    }
    _exit(write(3, &ss, sizeof ss) != sizeof ss);
}

static void
name_ask(const char *endpoint, struct resolve_name *name)
{
    int fds[2];

    name->next_ms = time_msec() + RETRY_MS;
    if (pipe2(fds, O_CLOEXEC)) {
        return;
    }
    name->pid = fork();
    if (!name->pid) {
        child_ask(endpoint, fds[1]);
    }
    close(fds[1]);
    if (name->pid < 0) {
        close(fds[0]);
        name->pid = 0;
        return;
    }
    name->fd = fds[0];
    fcntl(name->fd, F_SETFL, O_NONBLOCK);
}

bool
resolve_endpoint(const char *endpoint, struct sockaddr_storage *ret_ss)
{
    struct resolve_name *name;

    if (wg_endpoint_parse(endpoint, ret_ss)) {
        return true;
    }
    name = shash_find_data(&names, endpoint);
    if (!name) {
        name = xzalloc(sizeof *name);
        shash_add(&names, endpoint, name);
        name_ask(endpoint, name);
    }
    if (name->ss.ss_family == AF_UNSPEC) {
        return false;
    }
    *ret_ss = name->ss;
    return true;
}

static bool
name_run(const char *endpoint, struct resolve_name *name)
{
    struct sockaddr_storage ss = { .ss_family = AF_UNSPEC };
    bool changed = false;
    ssize_t n;

    if (!name->pid) {
        if (time_msec() >= name->next_ms) {
            name_ask(endpoint, name);
        }
        return false;
    }
    n = read(name->fd, &ss, sizeof ss);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        return false;
    }
    if (n == sizeof ss && ss.ss_family != AF_UNSPEC) {
        changed = !wg_endpoint_equals(&ss, &name->ss);
        name->ss = ss;
        name->next_ms = time_msec() + REFRESH_MS;
    } else {
        static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(1, 1);

        VLOG_WARN_RL(&rl, "%s: no such host", endpoint);
    }
    close(name->fd);
    waitpid(name->pid, NULL, 0);
    name->pid = 0;
    return changed;
}

bool
resolve_run(void)
{
    struct shash_node *node;
    bool changed = false;

    SHASH_FOR_EACH (node, &names) {
        changed |= name_run(node->name, node->data);
    }
    return changed;
}

void
resolve_wait(void)
{
    struct shash_node *node;

    SHASH_FOR_EACH (node, &names) {
        struct resolve_name *name = node->data;

        if (name->pid) {
            poll_fd_wait(name->fd, POLLIN);
        } else {
            poll_timer_wait_until(name->next_ms);
        }
    }
}
