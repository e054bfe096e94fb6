#include <config.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "cli/doctor.h"
#include "cli/session.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/json.h"
#include "openvswitch/shash.h"
#include "ovsdb-idl.h"
#include "ovsdb-sync/socknet-idl.h"
#include "state/model.h"
#include "timeval.h"
#include "util.h"

/* WireGuard: its port and its peers. */

/* A handshake is made every 120 s while there is traffic, and is good for 180
 * s; agents write of them once a minute. */
enum { HANDSHAKE_OLD_S = 180 + 60 };

/* Silent peers that are asked, for up to 4 s each. */
enum { MAX_ASKED = 5 };

static bool
port_is_taken(uint16_t port)
{
    static const char *const files[] = { "/proc/net/udp", "/proc/net/udp6" };
    bool taken = false;

    for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
        FILE *f = fopen(files[i], "re");
        char line[256];

        while (f && fgets(line, sizeof line, f)) {
            unsigned int local;

            taken |= sscanf(line, " %*d: %*[0-9A-F]:%x", &local) == 1
                     && local == port;
        }
        if (f) {
            fclose(f);
        }
    }
    return taken;
}

/* 'ports': "INTERFACE\tPORT" per line. */
static bool
check_same_port(struct doctor *d, char *ports)
{
    char *save = NULL;
    bool any = false;

    for (char *line = strtok_r(ports, "\n", &save); line;
         line = strtok_r(NULL, "\n", &save)) {
        char *tab = strchr(line, '\t');

        if (tab && atoi(tab + 1) == d->listen_port
            && (strncmp(line, d->mesh, tab - line)
                || strlen(d->mesh) != tab - line)) {
            doctor_report(d, DOCTOR_FAIL,
                          "give one of them another port (mesh.listen_port "
                          "or the node's listen_port)",
                          "%.*s has UDP port %u too: only one of them hears",
                          (int) (tab - line), line, d->listen_port);
            any = true;
        }
    }
    return any;
}

void
doctor_wireguard(struct doctor *d)
{
    int64_t index = doctor_read_int("/sys/class/net/%s/ifindex", d->mesh);
    char *error;
    char *ports = doctor_run(&error, "wg", "show", "all", "listen-port",
                             NULL);

    if (index < 0 && port_is_taken(d->listen_port)) {
        doctor_report(d, DOCTOR_FAIL,
                      "ss -ulnp shows whose; give it or the mesh another",
                      "UDP port %u is taken, and %s does not exist",
                      d->listen_port, d->mesh);
    } else if (!ports) {
        doctor_report(d, DOCTOR_UNKNOWN, NULL, "other WireGuard interfaces: "
                      "%.*s", (int) strcspn(error, "\n"), error);
    } else if (!check_same_port(d, ports)) {
        doctor_report(d, DOCTOR_OK, NULL,
                      "no other WireGuard interface has UDP port %u",
                      d->listen_port);
    }
    free(error);
    free(ports);
}

/* Whether a peer that has not been heard of for long still answers: tunnels
 * without traffic make no handshakes. */
static enum doctor_verdict
ask_peer(const struct doctor *d, const char *name)
{
    const struct model_node *node = d->model
                                    ? model_get_node(d->model, name) : NULL;
    char *error;

    if (!node || !node->address.plen) {
        return DOCTOR_UNKNOWN;
    }
    char *address = sn_prefix_addr_to_string(&node->address);
    free(doctor_run(&error, "ping", "-n", "-q", "-c", "3", "-i", "0.5", "-W",
                    "2", address, NULL));
    enum doctor_verdict verdict
        = !error ? DOCTOR_OK
          : strstr(error, "100% packet loss") ? DOCTOR_FAIL : DOCTOR_UNKNOWN;
    free(error);
    free(address);
    return verdict;
}

static void
report_silent(struct doctor *d, const struct sndb_peer_status *row,
              const char *since)
{
    char *remedy = row->endpoint
        ? xasprintf("UDP from and to %s must get through: firewalls on the "
                    "way, a wrong endpoint, or its agent; `tcpdump -ni any "
                    "udp port %u` on both hosts tells how far it gets",
                    row->endpoint, (unsigned int) d->listen_port)
        : xstrdup("one of the two needs an endpoint in the state, or both a "
                  "hub (relay: true)");

    doctor_report(d, DOCTOR_FAIL, remedy, "peer %s %s%s%s%s", row->peer,
                  since, row->reason ? " (" : "",
                  row->reason ? row->reason : "", row->reason ? ")" : "");
    free(remedy);
}

static void
check_handshake(struct doctor *d, const struct sndb_peer_status *row,
                size_t *n_asked)
{
    int64_t age = time_wall() - row->latest_handshake;
    char *since = row->latest_handshake
                  ? xasprintf("was last heard of %"PRId64" s ago", age)
                  : xstrdup("has never answered");

    if (row->latest_handshake && age < -5) {
        doctor_report(d, DOCTOR_WARN, "timedatectl set-ntp true: set the "
                      "clock", "the handshake with %s is in the future",
                      row->peer);
    } else if (row->latest_handshake && age <= HANDSHAKE_OLD_S) {
        doctor_report(d, DOCTOR_OK, NULL, "%s, %"PRId64" s ago", row->peer,
                      MAX(age, 0));
    } else if (row->path && !strcmp(row->path, "none") && row->reason
               && strncmp(row->reason, "trying", 6)) {
        report_silent(d, row, since);
    } else {
        enum doctor_verdict v = (*n_asked)++ < MAX_ASKED
                                ? ask_peer(d, row->peer) : DOCTOR_UNKNOWN;

        if (v == DOCTOR_FAIL
            || (v == DOCTOR_UNKNOWN && !row->latest_handshake
                && row->tx_bytes)) {
            report_silent(d, row, since);
        } else if (v == DOCTOR_OK) {
            doctor_report(d, DOCTOR_OK, NULL, "%s answers", row->peer);
        } else {
            doctor_report(d, DOCTOR_UNKNOWN, NULL, "%s %s, maybe for lack of "
                          "traffic", row->peer, since);
        }
    }
    free(since);
}

void
doctor_handshakes(struct doctor *d)
{
    const struct sndb_peer_status *row;
    size_t n = 0, n_asked = 0;

    if (!d->session) {
        doctor_report(d, DOCTOR_UNKNOWN, NULL, "the peers' handshakes: "
                      "`ovs-appctl -t socknet-agent peers` tells them");
        return;
    }
    SNDB_PEER_STATUS_FOR_EACH (row, session_idl(d->session)) {
        if (!strcmp(row->node, d->node_name)) {
            check_handshake(d, row, &n_asked);
            n++;
        }
    }
    if (!n) {
        doctor_report(d, DOCTOR_OK, NULL, "no peer yet");
    }
}
