#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <grp.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "agent/relay-conf.h"
#include "agent/relay-server.h"
#include "lib/sn-version.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "timeval.h"
#include "util.h"

/* socknet-relay: carries WireGuard's messages, which it cannot read, between
 * nodes that cannot reach each other.  The agent starts it, in a session of
 * its own, and tells it what to do by a file (relay-conf.h); it outlives the
 * agent, so that no restart of one loses a packet. */

/* Nobody needs it any more. */
#define IDLE_MS 10000
#define STATUS_INTERVAL_MS 100
#define MAX_FILE (4 * 1024 * 1024)
#define NOBODY 65534

struct relay {
    int dir, status, inotify;
    char *status_text;          /* As written last. */
    long long int next_status_ms;
    long long int idle_ms;
    struct shash servers;       /* struct relay_server. */
    struct shash clients;       /* struct relay_client. */
    struct relay_status before; /* Of the relay before this one. */
};

/* NULL if it cannot be read. */
static char *
read_fd(int fd)
{
    struct ds ds = DS_EMPTY_INITIALIZER;
    char chunk[4096];
    ssize_t n;

    while ((n = pread(fd, chunk, sizeof chunk, ds.length)) > 0
           && ds.length < MAX_FILE) {
        ds_put_buffer(&ds, chunk, n);
    }
    if (n < 0) {
        ds_destroy(&ds);
        return NULL;
    }
    return ds_steal_cstr(&ds);
}

static void
sync_servers(struct relay *r, const struct relay_conf *conf)
{
    struct shash_node *node;

    SHASH_FOR_EACH_SAFE (node, &r->servers) {
        const struct relay_conf_pair *pair = shash_find_data(&conf->pairs,
                                                             node->name);

        if (!pair || !relay_server_reconfigure(node->data, pair)) {
            relay_server_destroy(node->data);
            shash_delete(&r->servers, node);
        }
    }
    SHASH_FOR_EACH (node, &conf->pairs) {
        const struct relay_status_pair *before
            = shash_find_data(&r->before.pairs, node->name);

        if (!shash_find(&r->servers, node->name)) {
            struct relay_server *s = relay_server_create(node->data);

            shash_add(&r->servers, node->name, s);
            if (before) {
                relay_server_restore(s, before);
            }
        }
    }
}

static void
sync_clients(struct relay *r, const struct relay_conf *conf)
{
    struct shash_node *node;

    SHASH_FOR_EACH_SAFE (node, &r->clients) {
        const struct relay_conf_client *client
            = shash_find_data(&conf->clients, node->name);

        if (!client || !relay_client_is(node->data, client)) {
            relay_client_destroy(node->data);
            shash_delete(&r->clients, node);
        }
    }
    SHASH_FOR_EACH (node, &conf->clients) {
        const struct relay_status_client *before
            = shash_find_data(&r->before.clients, node->name);

        if (!shash_find(&r->clients, node->name)) {
            shash_add(&r->clients, node->name,
                      relay_client_create(node->data,
                                          before ? before->port : 0));
        }
    }
}

/* A file that makes no sense changes nothing. */
static void
relay_load(struct relay *r)
{
    int fd = openat(r->dir, RELAY_CONF, O_RDONLY | O_CLOEXEC);
    char *text = fd >= 0 ? read_fd(fd) : NULL;
    struct relay_conf conf;

    relay_conf_init(&conf);
    if (text && relay_conf_parse(text, &conf)) {
        sync_servers(r, &conf);
        sync_clients(r, &conf);
        relay_status_destroy(&r->before);
        relay_status_init(&r->before);
    }
    relay_conf_destroy(&conf);
    free(text);
    if (fd >= 0) {
        close(fd);
    }
}

static void
relay_write_status(struct relay *r)
{
    struct ds ds = DS_EMPTY_INITIALIZER;
    struct relay_status status;
    struct shash_node *node;

    relay_status_init(&status);
    SHASH_FOR_EACH (node, &r->servers) {
        struct relay_status_pair *pair = xmalloc(sizeof *pair);

        relay_server_get_status(node->data, pair);
        shash_add(&status.pairs, node->name, pair);
    }
    SHASH_FOR_EACH (node, &r->clients) {
        struct relay_status_client *client = xmalloc(sizeof *client);

        relay_client_get_status(node->data, client);
        shash_add(&status.clients, node->name, client);
    }
    relay_status_format(&status, &ds);
    relay_status_destroy(&status);
    if (!r->status_text || strcmp(r->status_text, ds_cstr(&ds))) {
        free(r->status_text);
        r->status_text = ds_steal_cstr(&ds);
        ignore(ftruncate(r->status, 0));
        ignore(pwrite(r->status, r->status_text, strlen(r->status_text), 0));
    }
    ds_destroy(&ds);
}

static void
relay_run(struct relay *r)
{
    struct shash_node *node;
    char events[4096];

    if (read(r->inotify, events, sizeof events) > 0) {
        relay_load(r);
    }
    SHASH_FOR_EACH (node, &r->servers) {
        relay_server_run(node->data);
    }
    SHASH_FOR_EACH (node, &r->clients) {
        relay_client_run(node->data);
    }
    if (time_msec() >= r->next_status_ms) {
        relay_write_status(r);
        r->next_status_ms = time_msec() + STATUS_INTERVAL_MS;
    }
    if (!shash_is_empty(&r->servers) || !shash_is_empty(&r->clients)) {
        r->idle_ms = time_msec();
    }
}

static void
relay_wait(const struct relay *r)
{
    const struct shash_node *node;

    poll_fd_wait(r->inotify, POLLIN);
    SHASH_FOR_EACH (node, &r->servers) {
        relay_server_wait(node->data);
    }
    SHASH_FOR_EACH (node, &r->clients) {
        relay_client_wait(node->data);
    }
    /* What a message changed shows a moment later; and silence as well. */
    poll_timer_wait(time_msec() < r->next_status_ms ? STATUS_INTERVAL_MS
                    : IDLE_MS);
}

/* What came from outside is read by somebody who may do nothing. */
static void
drop_privileges(void)
{
    struct __user_cap_header_struct header = {
        .version = _LINUX_CAPABILITY_VERSION_3,
    };
    struct __user_cap_data_struct none[2] = { { 0 }, { 0 } };

    if (!geteuid()
        && (setgroups(0, NULL) || setresgid(NOBODY, NOBODY, NOBODY)
            || setresuid(NOBODY, NOBODY, NOBODY))
        && errno != EPERM) {
        ovs_fatal(errno, "cannot become nobody");
    }
    if (syscall(SYS_capset, &header, none)
        || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)) {
        ovs_fatal(errno, "cannot drop capabilities");
    }
}

static void
relay_open(struct relay *r, const char *dir)
{
    char *text;

    r->dir = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (r->dir < 0) {
        ovs_fatal(errno, "%s", dir);
    }
    r->status = openat(r->dir, RELAY_STATUS, O_RDWR | O_CREAT | O_CLOEXEC,
                       0600);
    if (r->status < 0) {
        ovs_fatal(errno, "%s/%s", dir, RELAY_STATUS);
    } else if (flock(r->status, LOCK_EX | LOCK_NB)) {
        exit(EXIT_SUCCESS);     /* Another one runs. */
    }
    r->inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (r->inotify < 0
        || inotify_add_watch(r->inotify, dir, IN_MOVED_TO) < 0) {
        ovs_fatal(errno, "%s", dir);
    }
    shash_init(&r->servers);
    shash_init(&r->clients);
    relay_status_init(&r->before);
    text = read_fd(r->status);
    if (text) {
        relay_status_parse(text, &r->before);
        free(text);
    }
}

static const char *
parse_options(int argc, char *argv[])
{
    static const struct option options[] = {
        { "dir", required_argument, NULL, 'd' },
        { "help", no_argument, NULL, 'h' },
        { "version", no_argument, NULL, 'V' },
        { NULL, 0, NULL, 0 },
    };
    const char *dir = RELAY_DIR;

    for (int c; (c = getopt_long(argc, argv, "hV", options, NULL)) != -1; ) {
        switch (c) {
        case 'd':
            dir = optarg;
            break;
        case 'h':
            printf("socknet-relay: carries WireGuard between nodes that "
                   "cannot reach each other\n"
                   "usage: socknet-relay [--dir=DIR]\n"
                   "socknet-agent starts it when it is needed; DIR is where "
                   "they speak\n(default: %s).\n", RELAY_DIR);
            exit(EXIT_SUCCESS);
        case 'V':
            sn_version_print();
            exit(EXIT_SUCCESS);
        default:
            exit(EXIT_FAILURE);
        }
    }
    return dir;
}

int
main(int argc, char *argv[])
{
    struct relay r = { .status_text = NULL };

    sn_program_init(argv[0]);
    vlog_set_levels(NULL, VLF_SYSLOG, VLL_OFF);
    signal(SIGPIPE, SIG_IGN);
    relay_open(&r, parse_options(argc, argv));
    drop_privileges();
    relay_load(&r);
    r.idle_ms = time_msec();
    while (time_msec() - r.idle_ms < IDLE_MS) {
        relay_run(&r);
        relay_wait(&r);
        poll_block();
    }
    return EXIT_SUCCESS;
}
