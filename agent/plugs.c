#include <config.h>
#include "agent/plugs.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/link.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/shash.h"
#include "openvswitch/vlog.h"
#include "packets.h"
#include "sset.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(plugs);

#define MAC_INTERVAL_MS 10000
/* How long after the plug LXC may take to set it, and how often to look. */
#define MAC_SETTLE_MS 3000
#define MAC_SETTLE_INTERVAL_MS 100
#define BOOT_ID "/proc/sys/kernel/random/boot_id"
#define BOOT_ID_LEN 36

/* One plug of a veth. */
struct plug {
    int ifindex, peer_ifindex;
    struct eth_addr mac;        /* First one seen; zero: none yet. */
    struct eth_addr now;        /* Last one seen. */
    long long int next_ms;      /* When to look again. */
    long long int settled_ms;   /* When nobody sets it any more. */
    bool seen;                  /* In this round. */
};

struct plugs {
    struct shash by_name;       /* struct plug, by the interface's name. */
    char *path;
    char boot_id[BOOT_ID_LEN + 1];      /* "": cannot be read. */
    bool changed;               /* Since the file was written. */
    long long int next_round_ms;
};

static struct plug *
plugs_add(struct plugs *plugs, const char *name)
{
    struct plug *plug = xzalloc(sizeof *plug);

    plug->next_ms = plug->settled_ms = LLONG_MIN;
    shash_add(&plugs->by_name, name, plug);
    return plug;
}

static void
read_boot_id(struct plugs *plugs)
{
    FILE *f = fopen(BOOT_ID, "r");

    if (f) {
        if (!fgets(plugs->boot_id, sizeof plugs->boot_id, f)) {
            plugs->boot_id[0] = '\0';
        }
        fclose(f);
    }
}

/* "NAME IFINDEX PEER MAC" */
static void
load_line(struct plugs *plugs, const char *line)
{
    char name[32];
    int ifindex, peer, n = 0;
    struct eth_addr mac;

    if (ovs_scan(line, "%31s %d %d "ETH_ADDR_SCAN_FMT"%n", name, &ifindex,
                 &peer, ETH_ADDR_SCAN_ARGS(mac), &n)
        && line[n] == '\n' && !eth_addr_is_zero(mac)
        && !shash_find(&plugs->by_name, name)) {
        struct plug *plug = plugs_add(plugs, name);

        plug->ifindex = ifindex;
        plug->peer_ifindex = peer;
        plug->mac = plug->now = mac;
        plug->seen = true;      /* Until the first round is over. */
    }
}

/* A file of another boot, or one that somebody spoiled, says nothing. */
static void
plugs_load(struct plugs *plugs)
{
    FILE *f = fopen(plugs->path, "r");
    char line[128];

    if (!f) {
        return;
    }
    if (fgets(line, sizeof line, f)
        && !strncmp(line, plugs->boot_id, BOOT_ID_LEN)
        && plugs->boot_id[0]) {
        while (fgets(line, sizeof line, f)) {
            load_line(plugs, line);
        }
    }
    fclose(f);
}

static char *
plugs_path(const char *state_dir)
{
    return xasprintf("%s/plugs", state_dir);
}

struct plugs *
plugs_create(const char *state_dir)
{
    struct plugs *plugs = xzalloc(sizeof *plugs);

    shash_init(&plugs->by_name);
    plugs->path = plugs_path(state_dir);
    plugs->next_round_ms = LLONG_MAX;
    read_boot_id(plugs);
    plugs_load(plugs);
    return plugs;
}

void
plugs_cleanup(const char *state_dir)
{
    char *path = plugs_path(state_dir);

    unlink(path);
    free(path);
}

void
plugs_destroy(struct plugs *plugs)
{
    if (plugs) {
        shash_destroy_free_data(&plugs->by_name);
        free(plugs->path);
        free(plugs);
    }
}

void
plugs_set_stale(struct plugs *plugs)
{
    struct shash_node *node;

    SHASH_FOR_EACH (node, &plugs->by_name) {
        struct plug *plug = node->data;

        plug->next_ms = LLONG_MIN;
    }
}

void
plugs_begin_round(struct plugs *plugs)
{
    plugs->next_round_ms = LLONG_MAX;
}

bool
plugs_is_due(struct plugs *plugs)
{
    bool due = time_msec() >= plugs->next_round_ms;

    if (due) {
        plugs->next_round_ms = LLONG_MAX;
    }
    return due;
}

void
plugs_wait(const struct plugs *plugs)
{
    poll_timer_wait_until(plugs->next_round_ms);
}

/* No event tells of a change in there. */
static void
plug_read(struct plugs *plugs, struct plug *plug, struct nlk *nlk,
          const struct link *veth, const struct eth_addr *declared)
{
    long long int now = time_msec();
    struct link_peer peer;

    if (now >= plug->next_ms && !link_read_peer(nlk, veth, &peer)) {
        plug->now = peer.mac;
        plug->next_ms = now + MAC_INTERVAL_MS;
    }
    if (declared && now < plug->settled_ms
        && !eth_addr_equals(plug->now, *declared)) {
        plug->next_ms = MIN(plug->next_ms, now + MAC_SETTLE_INTERVAL_MS);
        plugs->next_round_ms = MIN(plugs->next_round_ms, plug->next_ms);
    }
}

struct eth_addr
plugs_get_mac(struct plugs *plugs, struct nlk *nlk, const struct link *veth,
              const struct eth_addr *declared, struct sset *problems)
{
    struct plug *plug = shash_find_data(&plugs->by_name, veth->name);

    if (!plug) {
        plug = plugs_add(plugs, veth->name);
    }
    plug->seen = true;
    if (plug->ifindex != veth->ifindex
        || plug->peer_ifindex != veth->peer_ifindex) {
        plug->ifindex = veth->ifindex;
        plug->peer_ifindex = veth->peer_ifindex;
        plug->mac = plug->now = eth_addr_zero;
        plug->next_ms = LLONG_MIN;
        plug->settled_ms = time_msec() + MAC_SETTLE_MS;
    }
    plug_read(plugs, plug, nlk, veth, declared);
    if (declared && !eth_addr_equals(plug->now, *declared)
        && time_msec() < plug->settled_ms) {
        return eth_addr_zero;
    }
    if (eth_addr_is_zero(plug->mac)
        || (declared && !eth_addr_equals(plug->mac, *declared)
            && eth_addr_equals(plug->now, *declared))) {
        plug->mac = plug->now;
        plugs->changed |= !eth_addr_is_zero(plug->mac);
    } else if (!eth_addr_equals(plug->mac, plug->now)) {
        sset_add_and_free(problems, xasprintf(
            "%s: the MAC address inside the container changed from "
            ETH_ADDR_FMT" to "ETH_ADDR_FMT"; it may use only the former "
            "until it is plugged anew", veth->name,
            ETH_ADDR_ARGS(plug->mac), ETH_ADDR_ARGS(plug->now)));
    }
    return plug->mac;
}

/* Returns 0 or errno. */
static int
write_file(const char *path, const char *text, size_t len)
{
    char *tmp = xasprintf("%s.tmp", path);
    int fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
                  0600);
    int error = 0;

    if (fd < 0) {
        error = errno;
    } else {
        ssize_t n = write(fd, text, len);

        error = n == len ? 0 : n < 0 ? errno : ENOSPC;
        close(fd);
        if (error || rename(tmp, path)) {
            error = error ? error : errno;
            unlink(tmp);
        }
    }
    free(tmp);
    return error;
}

static int
plugs_save(const struct plugs *plugs)
{
    const struct shash_node **nodes = shash_sort(&plugs->by_name);
    struct ds ds = DS_EMPTY_INITIALIZER;

    ds_put_format(&ds, "%s\n", plugs->boot_id);
    for (size_t i = 0; i < shash_count(&plugs->by_name); i++) {
        const struct plug *plug = nodes[i]->data;

        if (!eth_addr_is_zero(plug->mac)) {
            ds_put_format(&ds, "%s %d %d "ETH_ADDR_FMT"\n", nodes[i]->name,
                          plug->ifindex, plug->peer_ifindex,
                          ETH_ADDR_ARGS(plug->mac));
        }
    }
    int error = write_file(plugs->path, ds_cstr(&ds), ds.length);
    ds_destroy(&ds);
    free(nodes);
    return error;
}

void
plugs_end_round(struct plugs *plugs, struct sset *problems)
{
    struct shash_node *node;

    SHASH_FOR_EACH_SAFE (node, &plugs->by_name) {
        struct plug *plug = node->data;

        if (!plug->seen) {
            free(plug);
            shash_delete(&plugs->by_name, node);
            plugs->changed = true;
        } else {
            plug->seen = false;
        }
    }
    if (plugs->changed && plugs->boot_id[0]) {
        int error = plugs_save(plugs);

        if (error) {
            sset_add_and_free(problems, xasprintf(
                "%s: %s: the next agent would not know the containers' first "
                "MAC addresses", plugs->path, ovs_strerror(error)));
        }
        plugs->changed = error != 0;
    }
}
