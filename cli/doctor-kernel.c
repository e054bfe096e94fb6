#include <config.h>

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "cli/doctor.h"
#include "lib/host-bridge.h"
#include "openvswitch/json.h"
#include "openvswitch/shash.h"
#include "sset.h"
#include "state/model.h"
#include "svec.h"
#include "util.h"

/* Settings of the kernel, MTUs and tables that overflow. */

/* Percent of a table from which on it is worth a word; from which on new
 * entries will soon be refused. */
enum { FULL_WARN = 75, FULL_FAIL = 95 };

/* As the agent has them. */
enum { WG_OVERHEAD = 80, IPV6_MIN_MTU = 1280 };

void
doctor_forwarding(struct doctor *d)
{
    static const char v4[] = "/proc/sys/net/ipv4/ip_forward";
    static const char v6[] = "/proc/sys/net/ipv6/conf/all/forwarding";
    bool wanted = !d->node || d->node->ip_forward;

    if (doctor_read_int(v4) == 1) {
        doctor_report(d, DOCTOR_OK, NULL, "IPv4 is forwarded");
    } else {
        doctor_report(d, DOCTOR_FAIL,
                      wanted ? "sysctl -w net.ipv4.ip_forward=1 (the agent "
                      "does that, if it runs)"
                      : "sysctl -w net.ipv4.ip_forward=1 (the state leaves it "
                      "to you: networking.ip_forward is false)",
                      "net.ipv4.ip_forward is 0: nothing goes between "
                      "containers and the mesh");
    }
    if (!d->has_ipv6) {
        return;
    }
    if (doctor_read_int(v6) == 1) {
        doctor_report(d, DOCTOR_OK, NULL, "IPv6 is forwarded");
    } else {
        doctor_report(d, DOCTOR_FAIL,
                      "sysctl -w net.ipv6.conf.all.forwarding=1",
                      "net.ipv6.conf.all.forwarding is 0: no IPv6 goes "
                      "between containers and the mesh");
    }
}

static void
add_links(struct sset *links, const char *first, size_t prefix_len)
{
    DIR *dir = opendir("/sys/class/net");
    struct dirent *entry;

    while (dir && (entry = readdir(dir))) {
        if (!strncmp(entry->d_name, first, prefix_len)
            && entry->d_name[0] != '.') {
            sset_add(links, entry->d_name);
        }
    }
    if (dir) {
        closedir(dir);
    }
}

void
doctor_rp_filter(struct doctor *d)
{
    int64_t all = doctor_read_int("/proc/sys/net/ipv4/conf/all/rp_filter");
    struct sset links = SSET_INITIALIZER(&links);
    const struct shash_node *node;
    const char *name;
    bool fine = true;

    sset_add(&links, SN_BRIDGE);
    sset_add(&links, d->mesh);
    add_links(&links, "x-", 2);
    if (d->model) {
        SHASH_FOR_EACH (node, &d->model->exits) {
            const struct model_exit *exit = node->data;
            if (exit->enabled && !strcmp(exit->node, d->node_name)) {
                sset_add(&links, exit->interface);
            }
        }
    }
    SSET_FOR_EACH (name, &links) {
        int64_t own = doctor_link_exists(name)
                      ? doctor_read_int("/proc/sys/net/ipv4/conf/%s/"
                                        "rp_filter", name) : -1;

        /* The kernel takes the greater of both. */
        if (own >= 0 && MAX(own, all) == 1) {
            char *remedy = xasprintf("sysctl -w net.ipv4.conf.%s.rp_filter=2",
                                     name);

            doctor_report(d, DOCTOR_FAIL, remedy,
                          "rp_filter of %s is 1, strict: packets that come "
                          "by another way than back are dropped", name);
            free(remedy);
            fine = false;
        }
    }
    if (fine) {
        doctor_report(d, DOCTOR_OK, NULL, "rp_filter is strict on no "
                      "interface that socknet uses");
    }
    sset_destroy(&links);
}

char *
doctor_find_uplink(const struct doctor *d)
{
    const char *to = NULL;
    char *host = NULL, *name = NULL;

    if (d->model) {
        const struct shash_node *item;

        SHASH_FOR_EACH (item, &d->model->nodes) {
            const struct model_node *n = item->data;
            if (n != d->node && n->endpoint && n->endpoint[0] >= '0'
                && n->endpoint[0] <= '9') {
                to = n->endpoint;
            }
        }
    }
    host = to ? xmemdup0(to, strcspn(to, ":")) : xstrdup("192.0.2.1");

    struct json *json = doctor_run_json(NULL, "ip", "-j", "route", "get",
                                        host, NULL);
    if (json && json->type == JSON_ARRAY && json_array(json)->n) {
        name = xstrdup(doctor_json_string(json_array(json)->elems[0],
                                          "dev"));
    }
    json_destroy(json);
    free(host);
    return name;
}

static void
check_mesh_mtu(struct doctor *d, const char *uplink)
{
    int64_t outer = uplink ? doctor_read_int("/sys/class/net/%s/mtu", uplink)
                    : -1;
    int64_t mesh = doctor_read_int("/sys/class/net/%s/mtu", d->mesh);

    if (mesh < 0) {
        doctor_report(d, DOCTOR_FAIL, "the agent makes it: does it run, and "
                      "has the state this node?",
                      "there is no interface %s", d->mesh);
    } else if (outer < 0) {
        doctor_report(d, DOCTOR_UNKNOWN, NULL, "which interface leads to the "
                      "other hosts: there is no route to them");
    } else if (mesh > outer - WG_OVERHEAD && mesh <= IPV6_MIN_MTU) {
        char *remedy = xasprintf("ip link set %s mtu %d (or more, if the "
                                 "network carries that)", uplink,
                                 IPV6_MIN_MTU + WG_OVERHEAD);

        doctor_report(d, DOCTOR_WARN, remedy,
                      "MTU of %s is %"PRId64", which IPv6 needs, and %s "
                      "carries %"PRId64": full packets go in two fragments, "
                      "with WireGuard's %d bytes", d->mesh, mesh, uplink,
                      outer, WG_OVERHEAD);
        free(remedy);
    } else if (mesh > outer - WG_OVERHEAD) {
        char *remedy = xasprintf("ip link set %s mtu %"PRId64, d->mesh,
                                 MAX(outer - WG_OVERHEAD, IPV6_MIN_MTU));
        doctor_report(d, DOCTOR_FAIL, remedy,
                      "MTU of %s is %"PRId64", and %s carries %"PRId64
                      ": with WireGuard's %d bytes, full packets do not fit",
                      d->mesh, mesh, uplink, outer, WG_OVERHEAD);
        free(remedy);
    } else {
        doctor_report(d, DOCTOR_OK, NULL, "MTU: %s %"PRId64", %s %"PRId64,
                      uplink, outer, d->mesh, mesh);
    }
}

/* A container's packets that are too big for the mesh get an answer that says
 * so, if the bridge lets them in; with the userspace datapath, though, small
 * fragments get lost. */
static void
check_container_mtus(struct doctor *d)
{
    int64_t bridge = doctor_read_int("/sys/class/net/%s/mtu", SN_BRIDGE);
    int64_t mesh = doctor_read_int("/sys/class/net/%s/mtu", d->mesh);
    struct sset links = SSET_INITIALIZER(&links);
    struct svec big = SVEC_EMPTY_INITIALIZER;
    const char *name;
    bool fine = true;

    add_links(&links, "veth", 4);
    SSET_FOR_EACH (name, &links) {
        int64_t mtu = doctor_read_int("/sys/class/net/%s/mtu", name);

        if (bridge > 0 && mtu > bridge) {
            char *remedy = xasprintf("ovs-vsctl set Interface %s mtu_request"
                                     "=%"PRId64" (and mtu= in its LXC "
                                     "configuration)", name, bridge);

            doctor_report(d, DOCTOR_FAIL, remedy,
                          "MTU of %s is %"PRId64", of %s only %"PRId64
                          ": bigger packets vanish", name, mtu,
                          SN_BRIDGE, bridge);
            free(remedy);
            fine = false;
        } else if (d->netdev && mesh > 0 && mtu > mesh) {
            svec_add(&big, name);
        }
    }
    if (big.n) {
        svec_sort(&big);
        char *names = svec_join(&big, " ", "");
        char *remedy = xasprintf("for i in %s; do ovs-vsctl set Interface $i "
                                 "mtu_request=%"PRId64"; done (and mtu= in "
                                 "their LXC configuration)", names, mesh);

        doctor_report(d, DOCTOR_WARN, remedy,
                      "MTU of %s is above %"PRId64", of %s: the userspace "
                      "datapath drops small fragments", names, mesh, d->mesh);
        free(remedy);
        free(names);
    } else if (fine && mesh > 0) {
        doctor_report(d, DOCTOR_OK, NULL, "the MTUs of containers fit");
    }
    svec_destroy(&big);
    sset_destroy(&links);
}

void
doctor_mtu(struct doctor *d)
{
    char *uplink = doctor_find_uplink(d);

    check_mesh_mtu(d, uplink);
    check_container_mtus(d);
    free(uplink);
}

static enum doctor_verdict
fullness(int64_t n, int64_t limit)
{
    int64_t percent = limit > 0 ? n * 100 / limit : 0;

    return percent >= FULL_FAIL ? DOCTOR_FAIL
           : percent >= FULL_WARN ? DOCTOR_WARN : DOCTOR_OK;
}

static void
check_neighbours(struct doctor *d, const char *table, const char *family)
{
    char *path = xasprintf("/proc/net/stat/%s", table);
    FILE *f = fopen(path, "re");
    unsigned int n;
    int64_t limit = doctor_read_int(
        "/proc/sys/net/%s/neigh/default/gc_thresh3", family);

    free(path);
    if (f && fscanf(f, "%*[^\n] %x", &n) == 1 && limit > 0) {
        enum doctor_verdict verdict = fullness(n, limit);
        char *remedy = xasprintf("sysctl -w net.%s.neigh.default.gc_thresh3="
                                 "%"PRId64, family, limit * 4);

        doctor_report(d, verdict, verdict != DOCTOR_OK ? remedy : NULL,
                      "%u of %"PRId64" neighbours (%s)", n, limit, family);
        free(remedy);
    } else if (limit > 0) {
        doctor_report(d, DOCTOR_UNKNOWN, NULL, "neighbours (%s)", family);
    }
    if (f) {
        fclose(f);
    }
}

void
doctor_neighbours(struct doctor *d)
{
    check_neighbours(d, "arp_cache", "ipv4");
    check_neighbours(d, "ndisc_cache", "ipv6");
    if (doctor_read_int("/proc/sys/net/ipv4/neigh/default/gc_thresh3") < 0) {
        doctor_report(d, DOCTOR_UNKNOWN, NULL, "this is not the kernel's "
                      "first network namespace: its limits are not shown");
    }
}

void
doctor_conntrack(struct doctor *d)
{
    int64_t n = doctor_read_int(
        "/proc/sys/net/netfilter/nf_conntrack_count");
    int64_t limit = doctor_read_int(
        "/proc/sys/net/netfilter/nf_conntrack_max");

    if (n < 0 || limit < 0) {
        doctor_report(d, DOCTOR_OK, NULL,
                      "the kernel tracks no connections yet");
    } else {
        enum doctor_verdict verdict = fullness(n, limit);

        doctor_report(d, verdict,
                      verdict != DOCTOR_OK
                      ? "sysctl -w net.netfilter.nf_conntrack_max=1048576, "
                      "after a look at who opens so many (conntrack -L)"
                      : NULL,
                      "%"PRId64" of %"PRId64" tracked connections", n, limit);
    }
}
