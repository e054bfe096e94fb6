#include <config.h>
#include "agent/relay.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <paths.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/child.h"
#include "agent/plan.h"
#include "agent/rendezvous.h"
#include "hash.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "ovsdb-sync/status-sync.h"
#include "smap.h"
#include "sset.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(relay);

/* A hub's ports for pairs, UDP and TCP. */
#define BASE_PORT 51900
#define N_PORTS 1000

#define PROGRAM "socknet-relay"
#define RESTART_INTERVAL_MS 1000
#define NOBODY 65534

struct relay {
    char *text;                 /* The file "conf". */
    struct relay_conf conf;
    struct relay_status status;
    int inotify;
    bool changed;               /* The status was read for the first time. */
    pid_t pid;                  /* Of the one that this agent started. */
    long long int started_ms;
};

static char *
read_file(const char *name)
{
    char *path = xasprintf("%s/%s", RELAY_DIR, name);
    FILE *f = fopen(path, "r");
    struct ds ds = DS_EMPTY_INITIALIZER;
    char chunk[4096];

    free(path);
    if (!f) {
        return NULL;
    }
    for (size_t n; (n = fread(chunk, 1, sizeof chunk, f)) > 0; ) {
        ds_put_buffer(&ds, chunk, n);
    }
    fclose(f);
    return ds_steal_cstr(&ds);
}

static void
relay_read_status(struct relay *r)
{
    char *text = read_file(RELAY_STATUS);
    struct relay_status status;

    relay_status_init(&status);
    if (text && relay_status_parse(text, &status)) {
        shash_swap(&status.pairs, &r->status.pairs);
        shash_swap(&status.clients, &r->status.clients);
    }
    relay_status_destroy(&status);
    free(text);
}

/* Goes on where the agent before this one was. */
static void
relay_open(struct relay *r)
{
    if (mkdir("/run/socknet", 0755) && errno != EEXIST) {
        return;
    }
    if (mkdir(RELAY_DIR, 0750) && errno != EEXIST) {
        return;
    }
    /* Whatever the umask is.  An agent that may not do the first cannot make
     * the relay nobody either. */
    ignore(chown(RELAY_DIR, 0, NOBODY));
    ignore(chmod(RELAY_DIR, 0750));
    r->inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (r->inotify >= 0) {
        inotify_add_watch(r->inotify, RELAY_DIR, IN_MODIFY);
    }
    r->text = read_file(RELAY_CONF);
    if (r->text) {
        relay_conf_parse(r->text, &r->conf);
    }
    relay_read_status(r);
    r->changed = true;
}

struct relay *
relay_create(void)
{
    struct relay *r = xzalloc(sizeof *r);

    relay_conf_init(&r->conf);
    relay_status_init(&r->status);
    r->inotify = -1;
    r->started_ms = time_msec() - RESTART_INTERVAL_MS;
    return r;
}

void
relay_destroy(struct relay *r)
{
    if (r) {
        relay_conf_destroy(&r->conf);
        relay_status_destroy(&r->status);
        free(r->text);
        if (r->inotify >= 0) {
            close(r->inotify);
        }
        free(r);
    }
}

static bool
port_is_used(const struct relay_conf *conf, uint16_t port)
{
    const struct shash_node *node;

    SHASH_FOR_EACH (node, &conf->pairs) {
        const struct relay_conf_pair *pair = node->data;

        if (pair->port == port) {
            return true;
        }
    }
    return false;
}

/* The one that it has, unless that could not be opened; else one that follows
 * from the names. */
static uint16_t
choose_port(const struct relay *r, const struct relay_conf *new,
            const char *key)
{
    const struct relay_status_pair *status
        = shash_find_data(&r->status.pairs, key);
    const struct relay_conf_pair *old = shash_find_data(&r->conf.pairs, key);
    uint16_t bad = status && status->error ? status->port : 0;
    uint32_t n = hash_string(key, 0) % N_PORTS;

    if (old && old->port != bad && !port_is_used(new, old->port)) {
        return old->port;
    }
    for (uint32_t i = 0; i < N_PORTS; i++) {
        uint16_t port = BASE_PORT + (n + i) % N_PORTS;

        if (port != bad && !port_is_used(new, port)
            && !port_is_used(&r->conf, port)) {
            return port;
        }
    }
    return 0;
}

static void
add_pair(const struct relay *r, const struct plan *plan, const char *x,
         const char *y, const struct relay_keys *keys,
         struct relay_conf *conf)
{
    const char *names[2] = { x, y };
    struct relay_conf_pair pair = { .port = 0 };

    if (strcmp(x, y) > 0) {
        names[0] = y;
        names[1] = x;
    }
    char *key = xasprintf("%s %s", names[0], names[1]);
    for (int side = 0; side < 2; side++) {
        const char *text = smap_get(keys->now, names[side]);
        const char *next = smap_get(keys->next, names[side]);

        if (next) {
            wg_key_from_base64(next, &pair.next_keys[side]);
        }
        if (!text || !wg_key_from_base64(text, &pair.keys[side])) {
            free(key);
            return;
        }
        pair.own[side] = strcmp(names[side], plan->node) ? 0
                         : plan->listen_port;
    }
    pair.port = shash_find(&conf->pairs, key) ? 0
                : choose_port(r, conf, key);
    if (pair.port) {
        pair.names[0] = xstrdup(names[0]);
        pair.names[1] = xstrdup(names[1]);
        shash_add(&conf->pairs, key, xmemdup(&pair, sizeof pair));
    }
    free(key);
}

/* Only nodes of the mesh, and only those that ask for it themselves: nobody
 * else can write their rows. */
static void
add_pairs(const struct relay *r, const struct plan *plan,
          const struct rendezvous *rdv, const struct relay_keys *keys,
          struct relay_conf *conf)
{
    const struct shash_node **nodes = shash_sort(&rdv->nodes);

    for (size_t i = 0; i < shash_count(&rdv->nodes); i++) {
        const struct rendezvous_node *node = nodes[i]->data;
        const struct shash_node **wishes = shash_sort(&node->relays);

        for (size_t j = 0; j < shash_count(&node->relays); j++) {
            if (!strcmp(wishes[j]->data, plan->node)) {
                add_pair(r, plan, nodes[i]->name, wishes[j]->name, keys,
                         conf);
            }
        }
        free(wishes);
    }
    free(nodes);
}

static bool
relay_is_running(void)
{
    int fd = open(RELAY_DIR "/" RELAY_STATUS, O_RDWR | O_CLOEXEC);
    bool running = false;

    if (fd >= 0) {
        running = flock(fd, LOCK_EX | LOCK_NB) && errno == EWOULDBLOCK;
        close(fd);
    }
    return running;
}

/* In the child.  The program is beside the agent's. */
static void
child_exec(void)
{
    static char *const envp[] = { "PATH=" _PATH_STDPATH, NULL };
    char *const argv[] = { PROGRAM, "--dir=" RELAY_DIR, NULL };
    char path[4096];
    ssize_t n;

    n = readlink("/proc/self/exe", path, sizeof path - sizeof PROGRAM);
    while (n > 0 && path[n - 1] != '/') {
        n--;
    }
    if (n <= 0 || !child_detach()) {
        _exit(126);
    }
    memcpy(path + n, PROGRAM, sizeof PROGRAM);
    execve(path, argv, envp);
    _exit(127);
}

static void
relay_start(struct relay *r, struct sset *problems)
{
    if (time_msec() < r->started_ms + RESTART_INTERVAL_MS
        || relay_is_running()) {
        return;
    }
    r->started_ms = time_msec();
    r->pid = fork();
    if (!r->pid) {
        child_exec();
    } else if (r->pid < 0) {
        r->pid = 0;
        sset_add_and_free(problems, xasprintf(PROGRAM ": fork: %s",
                                              ovs_strerror(errno)));
    } else {
        VLOG_INFO(PROGRAM " started");
    }
}

static int
write_conf(const char *text)
{
    const char *tmp = RELAY_DIR "/" RELAY_CONF ".new";
    int fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
    size_t n = strlen(text);

    if (fd < 0) {
        return errno;
    }
    ignore(fchown(fd, 0, NOBODY));
    ignore(fchmod(fd, 0640));
    bool ok = write(fd, text, n) == (ssize_t) n;
    ok &= !close(fd);
    return ok && !rename(tmp, RELAY_DIR "/" RELAY_CONF) ? 0 : EIO;
}

void
relay_sync(struct relay *r, const struct plan *plan,
           const struct rendezvous *rdv, const struct relay_keys *keys,
           const struct shash *clients, struct sset *problems)
{
    struct ds ds = DS_EMPTY_INITIALIZER;
    const struct shash_node *node;
    struct relay_conf conf;
    int error = 0;

    if (r->inotify < 0 && !access(RELAY_DIR, F_OK)) {
        relay_open(r);
    }
    relay_conf_init(&conf);
    if (plan->relay) {
        add_pairs(r, plan, rdv, keys, &conf);
    }
    SHASH_FOR_EACH (node, clients) {
        shash_add(&conf.clients, node->name,
                  xmemdup(node->data, sizeof(struct relay_conf_client)));
    }
    bool wanted = (!shash_is_empty(&conf.pairs)
                   || !shash_is_empty(&conf.clients));
    if (r->inotify < 0 && wanted) {
        relay_open(r);
    }
    relay_conf_format(&conf, &ds);
    if (wanted ? !r->text || strcmp(r->text, ds_cstr(&ds))
        : r->text && r->text[0]) {
        error = write_conf(ds_cstr(&ds));
        free(r->text);
        r->text = error ? NULL : xstrdup(ds_cstr(&ds));
    }
    ds_destroy(&ds);
    shash_swap(&conf.pairs, &r->conf.pairs);
    shash_swap(&conf.clients, &r->conf.clients);
    relay_conf_destroy(&conf);
    if (error) {
        sset_add_and_free(problems, xasprintf("%s: %s", RELAY_DIR,
                                              ovs_strerror(error)));
    } else if (wanted) {
        relay_start(r, problems);
    }
}

static bool
relay_reap(struct relay *r)
{
    int status;

    if (!r->pid || waitpid(r->pid, &status, WNOHANG) != r->pid) {
        return false;
    }
    r->pid = 0;
    if (status) {
        VLOG_WARN(PROGRAM " ended with status %d", status);
    }
    return true;
}

bool
relay_run(struct relay *r)
{
    bool changed = relay_reap(r) || r->changed;
    char events[4096];

    r->changed = false;
    if (r->inotify >= 0 && read(r->inotify, events, sizeof events) > 0) {
        relay_read_status(r);
        changed = true;
    }
    return changed;
}

void
relay_wait(const struct relay *r)
{
    if (r->inotify >= 0) {
        poll_fd_wait(r->inotify, POLLIN);
    }
}

const struct relay_status *
relay_get_status(const struct relay *r)
{
    return &r->status;
}

static const char *
heard(const struct relay_status_pair *pair, int side)
{
    return pair && strcmp(pair->heard[side], "-") ? pair->heard[side] : "";
}

void
relay_report(const struct relay *r, struct ovsdb_idl_txn *txn,
             const char *name)
{
    size_t n = shash_count(&r->conf.pairs), i = 0;
    struct status_relay *rows = xcalloc(n + 1, sizeof *rows);
    const struct shash_node *node;

    SHASH_FOR_EACH (node, &r->conf.pairs) {
        const struct relay_conf_pair *conf = node->data;
        const struct relay_status_pair *pair
            = shash_find_data(&r->status.pairs, node->name);
        bool open = pair && !pair->error && pair->port == conf->port;

        rows[i++] = (struct status_relay) {
            .a = conf->names[0], .b = conf->names[1],
            .port = open ? conf->port : 0,
            .heard_a = heard(pair, 0), .heard_b = heard(pair, 1),
            .reason = pair && pair->error ? ovs_strerror(pair->error) : "",
        };
    }
    status_sync_relays(txn, name, rows, n);
    free(rows);
}

void
relay_cleanup(void)
{
    if (!access(RELAY_DIR "/" RELAY_CONF, F_OK)) {
        write_conf("");         /* It ends by itself. */
    }
}
