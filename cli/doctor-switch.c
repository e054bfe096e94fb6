#include <config.h>

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "cli/doctor.h"
#include "cli/run-program.h"
#include "lib/host-bridge.h"
#include "openvswitch/json.h"
#include "openvswitch/shash.h"
#include "svec.h"
#include "util.h"

/* Kernel modules, Open vSwitch and its bridge. */

static bool
module_is_loaded(const char *name)
{
    char *path = xasprintf("/sys/module/%s", name);
    bool loaded = !access(path, F_OK);

    free(path);
    return loaded;
}

void
doctor_modules(struct doctor *d)
{
    char *go = program_find("wireguard-go");

    if (module_is_loaded("openvswitch")) {
        doctor_report(d, DOCTOR_OK, NULL, "openvswitch is loaded");
    } else if (d->netdev || !d->has_bridge) {
        doctor_report(d, DOCTOR_WARN, "modprobe openvswitch, and a bridge "
                      "with datapath_type=system, if the kernel has it",
                      "no module openvswitch: only the userspace datapath "
                      "can forward, several times slower");
    } else {
        doctor_report(d, DOCTOR_FAIL, "modprobe openvswitch",
                      "no module openvswitch: nothing forwards");
    }
    if (module_is_loaded("wireguard")) {
        doctor_report(d, DOCTOR_OK, NULL, "wireguard is loaded");
    } else if (go) {
        doctor_report(d, DOCTOR_WARN, "modprobe wireguard, if the kernel has "
                      "it",
                      "no module wireguard: wireguard-go makes the tunnels, "
                      "several times slower");
    } else {
        doctor_report(d, DOCTOR_FAIL,
                      "modprobe wireguard, or install wireguard-go",
                      "no module wireguard, and no wireguard-go");
    }
    free(go);
}

void
doctor_switch(struct doctor *d)
{
    static const char *const names[] = { "ovs-vswitchd", "ovsdb-server" };

    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        char *error;
        char *text = doctor_run(&error, "ovs-appctl", "-T", "4", "-t",
                                names[i], "version", NULL);

        if (text) {
            doctor_report(d, DOCTOR_OK, NULL, "%.*s",
                          (int) strcspn(text, "\n"), text);
        } else if (geteuid() && strstr(error, "ermission")) {
            doctor_report(d, DOCTOR_UNKNOWN, NULL, "%s: only root may ask it",
                          names[i]);
        } else {
            doctor_report(d, DOCTOR_FAIL,
                          "systemctl restart openvswitch-switch",
                          "%s does not answer: %.*s", names[i],
                          (int) strcspn(error, "\n"), error);
        }
        free(error);
        free(text);
    }
}

static void
check_protocols(struct doctor *d, const char *protocols)
{
    if (!strcmp(protocols, "[]") || strstr(protocols, "OpenFlow15")) {
        doctor_report(d, DOCTOR_OK, NULL, "%s speaks OpenFlow 1.5",
                      SN_BRIDGE);
    } else {
        doctor_report(d, DOCTOR_FAIL,
                      "ovs-vsctl add bridge vmbr0 protocols OpenFlow15",
                      "%s speaks only %s: the controller needs OpenFlow 1.5",
                      SN_BRIDGE, protocols);
    }
}

static void
check_bridge(struct doctor *d, const struct svec *v)
{
    const char *fail_mode = v->names[0];
    const char *controller = v->names[1];

    if (!strcmp(fail_mode, "secure")) {
        doctor_report(d, DOCTOR_OK, NULL, "fail_mode of %s is secure",
                      SN_BRIDGE);
    } else {
        doctor_report(d, DOCTOR_FAIL,
                      "ovs-vsctl set-fail-mode vmbr0 secure (and \"ovs_extra "
                      "set bridge vmbr0 fail_mode=secure\" in "
                      "/etc/network/interfaces)",
                      "fail_mode of %s is %s: without flows it forwards "
                      "everything to everyone", SN_BRIDGE,
                      !strcmp(fail_mode, "[]") ? "not set" : fail_mode);
    }
    if (!strcmp(controller, "[]")) {
        doctor_report(d, DOCTOR_OK, NULL, "%s has no other controller",
                      SN_BRIDGE);
    } else {
        doctor_report(d, DOCTOR_WARN,
                      "ovs-vsctl del-controller vmbr0 (that flushes its "
                      "flows for a moment)",
                      "%s has a controller configured: it writes flows "
                      "beside socknet's, and removing it flushes them",
                      SN_BRIDGE);
    }
    check_protocols(d, v->names[2]);
    doctor_report(d, d->netdev ? DOCTOR_WARN : DOCTOR_OK,
                  d->netdev ? "datapath_type=system, if the kernel has the "
                  "module" : NULL, "datapath of %s: %s", SN_BRIDGE,
                  d->netdev ? "netdev (user space)" : "system (kernel)");
}

void
doctor_bridge(struct doctor *d)
{
    char *error;
    char *text = doctor_run(&error, "ovs-vsctl", "--timeout=4",
                            "get", "Bridge", SN_BRIDGE, "fail_mode", "--",
                            "get", "Bridge", SN_BRIDGE, "controller",
                            "--", "get", "Bridge", SN_BRIDGE,
                            "protocols", "--", "get", "Bridge",
                            SN_BRIDGE, "datapath_type", NULL);
    struct svec values = SVEC_EMPTY_INITIALIZER;

    if (text) {
        char *save = NULL;
        for (char *line = strtok_r(text, "\n", &save); line;
             line = strtok_r(NULL, "\n", &save)) {
            svec_add(&values, line);
        }
    }
    if (values.n == 4) {
        d->has_bridge = true;
        d->netdev = !strcmp(values.names[3], "netdev");
        check_bridge(d, &values);
    } else if (error && strstr(error, "no row")) {
        doctor_report(d, DOCTOR_FAIL,
                      "ovs-vsctl add-br vmbr0 -- set Bridge vmbr0 "
                      "fail_mode=secure (see install.md)",
                      "there is no bridge %s", SN_BRIDGE);
    } else if (error && geteuid() && strstr(error, "ermission")) {
        doctor_report(d, DOCTOR_UNKNOWN, NULL,
                      "%s: only root may ask the switch", SN_BRIDGE);
    } else {
        doctor_report(d, DOCTOR_FAIL, "systemctl restart openvswitch-switch",
                      "%s cannot be asked: %.*s",
                      SN_BRIDGE,
                      error ? (int) strcspn(error, "\n") : 0,
                      error ? error : "");
    }
    svec_destroy(&values);
    free(error);
    free(text);
}

/* Packets that the flows of conntrack drop as invalid: with the userspace
 * datapath, mostly those whose checksum veth left undone. */
static int64_t
count_invalid(const char *dump)
{
    int64_t n = 0;

    for (const char *line = dump; line && *line; ) {
        size_t len = strcspn(line, "\n");
        char *copy = xmemdup0(line, len);
        const char *packets = strstr(copy, "n_packets=");

        if (strstr(copy, "ct_state=") && strstr(copy, "+inv")
            && strstr(copy, "actions=drop") && packets) {
            n += strtoll(packets + strlen("n_packets="), NULL, 10);
        }
        free(copy);
        line += len + (line[len] == '\n');
    }
    return n;
}

void
doctor_checksums(struct doctor *d)
{
    char *error, *dump;

    if (!d->has_bridge) {
        doctor_report(d, DOCTOR_UNKNOWN, NULL,
                      "containers' checksums: the switch tells nothing");
        return;
    } else if (!d->netdev) {
        doctor_report(d, DOCTOR_OK, NULL,
                      "the kernel datapath takes any checksum offload");
        return;
    }
    dump = doctor_run(&error, "ovs-ofctl", "-t", "4", "-O", "OpenFlow15",
                      "dump-flows", SN_BRIDGE, NULL);
    if (!dump) {
        doctor_report(d, DOCTOR_UNKNOWN, NULL, "the flows of %s: %.*s",
                      SN_BRIDGE, (int) strcspn(error, "\n"), error);
    } else {
        int64_t n = count_invalid(dump);

        doctor_report(d, n ? DOCTOR_WARN : DOCTOR_OK,
                      n ? "in each container: ethtool -K eth0 tx off" : NULL,
                      n ? "%"PRId64" packets dropped as invalid: with the "
                      "userspace datapath, containers must not leave "
                      "checksums undone"
                      : "%"PRId64" packets dropped as invalid", n);
    }
    free(error);
    free(dump);
}
