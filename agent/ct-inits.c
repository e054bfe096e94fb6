#include <config.h>
#include "agent/ct-inits.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/link.h"
#include "openvswitch/shash.h"
#include "state/name.h"
#include "timeval.h"
#include "util.h"

/* A monitor that has no such child after this time has it rarely. */
#define START_MS 10000
#define RETRY_MS 10000

/* A container that has a monitor. */
struct ct_init {
    pid_t pid;                  /* 0: not found. */
    unsigned long long start;   /* Tells it from a later one of that number. */
    long long int since_ms;     /* Since when it is looked for. */
    long long int next_ms;      /* When to look again. */
    bool asked;                 /* In this round. */
};

/* The socket of a monitor. */
struct ct_socket {
    unsigned int inode;
    char *id;
};

/* Where a veth was seen to lead. */
struct ct_known_end {
    int ifindex, peer_ifindex, netnsid;
    char *id;
    bool asked;                 /* In this round. */
};

struct ct_inits {
    char *lxc_dir;
    struct shash by_id;         /* Of struct ct_init. */
    struct shash ends;          /* Of struct ct_known_end, by the veth. */

    /* Of this round. */
    struct ct_socket *sockets;
    size_t n_sockets, allocated_sockets;
    bool has_sockets;           /* Whether those have been read. */
    bool has_searched;          /* Whether all processes have been. */
};

struct ct_inits *
ct_inits_create(const char *lxc_dir)
{
    struct ct_inits *inits = xzalloc(sizeof *inits);

    inits->lxc_dir = xstrdup(lxc_dir);
    shash_init(&inits->by_id);
    shash_init(&inits->ends);
    return inits;
}

static void
forget_round(struct ct_inits *inits)
{
    for (size_t i = 0; i < inits->n_sockets; i++) {
        free(inits->sockets[i].id);
    }
    inits->n_sockets = 0;
    inits->has_sockets = inits->has_searched = false;
}

/* Forgets the ends that nobody asked for, or all. */
static void
forget_ends(struct ct_inits *inits, bool all)
{
    struct shash_node *node;

    SHASH_FOR_EACH_SAFE (node, &inits->ends) {
        struct ct_known_end *end = node->data;

        if (all || !end->asked) {
            free(end->id);
            free(end);
            shash_delete(&inits->ends, node);
        } else {
            end->asked = false;
        }
    }
}

void
ct_inits_destroy(struct ct_inits *inits)
{
    if (inits) {
        forget_round(inits);
        forget_ends(inits, true);
        shash_destroy(&inits->ends);
        free(inits->sockets);
        shash_destroy_free_data(&inits->by_id);
        free(inits->lxc_dir);
        free(inits);
    }
}

void
ct_inits_end_round(struct ct_inits *inits)
{
    struct shash_node *node;

    forget_round(inits);
    forget_ends(inits, false);
    SHASH_FOR_EACH_SAFE (node, &inits->by_id) {
        struct ct_init *init = node->data;

        if (!init->asked) {
            free(init);
            shash_delete(&inits->by_id, node);
        } else {
            init->asked = false;
        }
    }
}

/* The value of a line, or "".  The first line is the process's name, in which
 * newlines are escaped. */
static const char *
find_line(const char *status, const char *key)
{
    const char *p = strstr(status, key);

    return p ? p + strlen(key) : "";
}

bool
ct_inits_parse_status(const char *status, struct ct_process *p)
{
    const char *pids = find_line(status, "\nNSpid:");
    int parent, pid, n = 0;
    unsigned int uid;

    memset(p, 0, sizeof *p);
    while (p->n_pids < CT_PROCESS_MAX_PIDS
           && ovs_scan(pids, "%*[\t]%d%n", &pid, &n) && pid > 0) {
        p->pids[p->n_pids++] = pid;
        pids += n;
    }
    if (!ovs_scan(find_line(status, "\nPPid:"), "%*[\t]%d", &parent)
        || !ovs_scan(find_line(status, "\nUid:"), "%*[\t]%*u%*[\t]%u",
                     &uid)) {
        return false;
    }
    p->parent = parent;
    p->uid = uid;
    return p->n_pids > 0;
}

bool
ct_inits_parse_start(const char *stat, unsigned long long *ret_start)
{
    /* The name may have parentheses, and is the only one that may. */
    const char *p = strrchr(stat, ')');
    int n = 0;

    /* It is the 22nd, and what follows the name the third. */
    for (int i = 2; p && i < 22; i++) {
        p = strchr(p + 1, ' ');
    }
    return p && ovs_scan(p, " %llu%n", ret_start, &n) && p[n] == ' ';
}

char *
ct_inits_parse_socket(const char *line, const char *lxc_dir,
                      unsigned int *ret_inode)
{
    static const char end[] = "/command";
    size_t dir_len = strlen(lxc_dir), len;
    unsigned int flags;
    int n = 0;

    if (!ovs_scan(line, "%*x: %*x %*x %x %*x %*x %u @%n", &flags, ret_inode,
                  &n)
        || !n || !(flags & 0x10000)     /* It listens. */
        || strncmp(line + n, lxc_dir, dir_len) || line[n + dir_len] != '/') {
        return NULL;
    }

    const char *id = line + n + dir_len + 1;
    len = strcspn(id, "/\n");
    return (len && !strncmp(id + len, end, strlen(end))
            && strchr("\n", id[len + strlen(end)])
            ? xmemdup0(id, len) : NULL);
}

/* Reads a file of a process, cut off if it is larger; false if there is no
 * such process. */
static bool
read_proc(pid_t pid, const char *name, char *text, size_t size)
{
    char path[64];
    size_t len = 0;
    ssize_t n = -1;
    int fd;

    snprintf(path, sizeof path, "/proc/%ld/%s", (long int) pid, name);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return false;
    }
    while (len < size - 1
           && (n = read(fd, text + len, size - 1 - len)) > 0) {
        len += n;
    }
    close(fd);
    text[len] = '\0';
    return len > 0 && n >= 0;
}

static bool
read_start(pid_t pid, unsigned long long *ret_start)
{
    char text[1024];

    return (read_proc(pid, "stat", text, sizeof text)
            && ct_inits_parse_start(text, ret_start));
}

static bool
read_process(pid_t pid, struct ct_process *ret)
{
    char text[4096];

    return (read_proc(pid, "status", text, sizeof text)
            && ct_inits_parse_status(text, ret));
}

/* Once in a round. */
static void
read_sockets(struct ct_inits *inits)
{
    FILE *stream = inits->has_sockets ? NULL : fopen("/proc/net/unix", "re");
    char *line = NULL;
    size_t size = 0;

    inits->has_sockets = true;
    while (stream && getline(&line, &size, stream) > 0) {
        unsigned int inode;
        char *id = ct_inits_parse_socket(line, inits->lxc_dir, &inode);

        if (id) {
            if (inits->n_sockets >= inits->allocated_sockets) {
                inits->sockets = x2nrealloc(inits->sockets,
                                            &inits->allocated_sockets,
                                            sizeof *inits->sockets);
            }
            inits->sockets[inits->n_sockets++] = (struct ct_socket) {
                .inode = inode, .id = id,
            };
        }
    }
    free(line);
    if (stream) {
        fclose(stream);
    }
}

static bool
has_socket(const struct ct_inits *inits, const char *id)
{
    for (size_t i = 0; i < inits->n_sockets; i++) {
        if (!strcmp(inits->sockets[i].id, id)) {
            return true;
        }
    }
    return false;
}

/* The container whose monitor's socket one of the process's files is. */
static const char *
find_monitored(const struct ct_inits *inits, pid_t pid)
{
    char path[64], target[64];
    const char *id = NULL;
    struct dirent *entry;
    DIR *dir;

    snprintf(path, sizeof path, "/proc/%ld/fd", (long int) pid);
    dir = opendir(path);
    while (dir && !id && (entry = readdir(dir)) != NULL) {
        ssize_t n = readlinkat(dirfd(dir), entry->d_name, target,
                               sizeof target - 1);
        unsigned int inode;

        target[MAX(n, 0)] = '\0';
        if (!ovs_scan(target, "socket:[%u]", &inode)) {
            continue;
        }
        for (size_t i = 0; !id && i < inits->n_sockets; i++) {
            id = inits->sockets[i].inode == inode ? inits->sockets[i].id
                 : NULL;
        }
    }
    if (dir) {
        closedir(dir);
    }
    return id;
}

static struct ct_init *
get_init(struct ct_inits *inits, const char *id)
{
    struct ct_init *init = shash_find_data(&inits->by_id, id);

    if (!init) {
        init = xzalloc(sizeof *init);
        init->since_ms = time_msec();
        init->next_ms = LLONG_MIN;
        shash_add(&inits->by_id, id, init);
    }
    return init;
}

/* If 'p' is the first process of a container: notes that. */
static void
consider(struct ct_inits *inits, const struct ct_process *self,
         const struct ct_process *p)
{
    struct ct_process monitor;

    if (p->n_pids != self->n_pids + 1 || p->pids[p->n_pids - 1] != 1
        || !read_process(p->parent, &monitor)
        || monitor.n_pids != self->n_pids || monitor.uid != geteuid()) {
        return;
    }

    const char *id = find_monitored(inits, p->parent);
    unsigned long long start;
    if (id && read_start(p->pids[0], &start)) {
        struct ct_init *init = get_init(inits, id);

        init->pid = p->pids[0];
        init->start = start;
    }
}

/* Looks at every process for those of all containers.  Once in a round. */
static void
search(struct ct_inits *inits)
{
    DIR *dir = inits->has_searched ? NULL : opendir("/proc");
    struct ct_process self, p;
    struct dirent *entry;

    inits->has_searched = true;
    if (dir && read_process(getpid(), &self)) {
        while ((entry = readdir(dir)) != NULL) {
            if (str_is_decimal(entry->d_name)
                && read_process(atoi(entry->d_name), &p)) {
                consider(inits, &self, &p);
            }
        }
    }
    if (dir) {
        closedir(dir);
    }
}

static bool
is_running(const struct ct_init *init)
{
    unsigned long long start;

    return (init->pid && read_start(init->pid, &start)
            && start == init->start);
}

/* NULL if it is not running. */
static const struct ct_init *
find(struct ct_inits *inits, const char *id)
{
    struct ct_init *init = shash_find_data(&inits->by_id, id);

    if (init && is_running(init)) {
        init->asked = true;
        return init;
    }
    read_sockets(inits);
    if ((init && init->pid) || !has_socket(inits, id)) {
        free(shash_find_and_delete(&inits->by_id, id));
    }
    if (!has_socket(inits, id)) {
        return NULL;
    }
    init = get_init(inits, id);
    init->asked = true;
    if (time_msec() >= init->next_ms) {
        search(inits);
    }
    if (!init->pid && time_msec() >= init->since_ms + START_MS) {
        init->next_ms = time_msec() + RETRY_MS;
    }
    return init->pid ? init : NULL;
}

int
ct_inits_read_netnsid(struct ct_inits *inits, struct nlk *nlk, const char *id,
                      int *ret_netnsid)
{
    const struct ct_init *init = find(inits, id);

    return init ? link_read_netnsid(nlk, init->pid, ret_netnsid) : ESRCH;
}

enum ct_end
ct_inits_check_end(struct ct_inits *inits, struct nlk *nlk,
                   const struct link *veth, const char *id)
{
    int there, inside;

    if (!veth || strcmp(veth->kind, "veth")
        || ct_inits_read_netnsid(inits, nlk, id, &inside)) {
        return CT_END_UNKNOWN;
    } else if (inside >= 0 && veth->peer_netnsid == inside) {
        return CT_END_INSIDE;
    }
    /* 'veth' may be older than the process, and the numbers are given to
     * others when a container has ended: both anew, in that order, because a
     * namespace has none before a link into it has been looked at. */
    if (link_read_peer_netnsid(nlk, veth, &there)
        || ct_inits_read_netnsid(inits, nlk, id, &inside)) {
        return CT_END_UNKNOWN;
    }
    return inside >= 0 && there == inside ? CT_END_INSIDE : CT_END_OUTSIDE;
}

void
ct_inits_note_end(struct ct_inits *inits, const struct link *veth,
                  const char *id)
{
    struct ct_known_end *end = shash_find_data(&inits->ends, veth->name);

    if (!end) {
        end = xzalloc(sizeof *end);
        shash_add(&inits->ends, veth->name, end);
    }
    if (!nullable_string_is_equal(end->id, id)) {
        free(end->id);
        end->id = xstrdup(id);
    }
    end->ifindex = veth->ifindex;
    end->peer_ifindex = veth->peer_ifindex;
    end->netnsid = veth->peer_netnsid;
    end->asked = true;
}

/* A namespace keeps its number here as long as it exists, and its links go
 * with it. */
const char *
ct_inits_recall_end(struct ct_inits *inits, struct nlk *nlk,
                    const char *veth, const struct link *link)
{
    struct ct_known_end *end = shash_find_data(&inits->ends, veth);
    int netnsid;

    if (!end
        || (link && (link->ifindex != end->ifindex
                     || link->peer_ifindex != end->peer_ifindex
                     || link->peer_netnsid != end->netnsid))
        || !ct_inits_read_netnsid(inits, nlk, end->id, &netnsid)) {
        return NULL;
    }
    end->asked = true;
    return end->id;
}
