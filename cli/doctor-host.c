#include <config.h>

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>
#include "cli/command.h"
#include "cli/doctor.h"
#include "cli/local-daemon.h"
#include "cli/session.h"
#include "cli/status-rows.h"
#include "lib/sn-version.h"
#include "ovsdb-idl.h"
#include "ovsdb-sync/socknet-idl.h"
#include "ovsdb-sync/status-sync.h"
#include "state/model.h"
#include "timeval.h"
#include "util.h"

/* Our daemons, the database, clock and disk. */

static void
check_daemon(struct doctor *d, const char *name)
{
    char *remedy = xasprintf("systemctl start %s (its log, under "
                             "/var/log/socknet or where --log-file says, "
                             "tells why it ended)", name);
    char *text;

    switch (local_daemon_ask(name, "version", &text)) {
    case LOCAL_DAEMON_ABSENT:
        doctor_report(d, DOCTOR_FAIL, remedy,
                      "%s does not run here", name);
        break;
    case LOCAL_DAEMON_SILENT:
        doctor_report(d, geteuid() ? DOCTOR_UNKNOWN : DOCTOR_FAIL,
                      geteuid() ? NULL : "its log says why; then restart it",
                      "%s does not answer: %s", name, text);
        break;
    case LOCAL_DAEMON_ANSWERS:
        if (strstr(text, sn_version())) {
            doctor_report(d, DOCTOR_OK, NULL, "%s %s", name, sn_version());
        } else {
            doctor_report(d, DOCTOR_WARN,
                          "restart it: it is not the version installed",
                          "%s is \"%.*s\", this program %s", name,
                          (int) strcspn(text, "\n"), text, sn_version());
        }
        break;
    }
    free(remedy);
    free(text);
}

void
doctor_daemons(struct doctor *d)
{
    check_daemon(d, "socknet-agent");
    check_daemon(d, "socknet-controller");
}

static void
check_database_of(struct doctor *d, const char *name)
{
    char *text;

    if (local_daemon_ask(name, "status", &text) == LOCAL_DAEMON_ANSWERS) {
        char *value = local_daemon_value(text, "central database");

        if (value && strcmp(value, "connected")) {
            doctor_report(d, DOCTOR_FAIL,
                          "the database's server, the way to it and this "
                          "host's certificate: the daemon's log says which",
                          "%s: the database is %s", name, value);
        } else if (value) {
            doctor_report(d, DOCTOR_OK, NULL, "%s is connected to it", name);
        }
        free(value);
    }
    free(text);
}

void
doctor_database(struct doctor *d)
{
    check_database_of(d, "socknet-agent");
    check_database_of(d, "socknet-controller");
    if (d->no_database) {
        doctor_report(d, DOCTOR_UNKNOWN, NULL, "%s; what the state wants of "
                      "this host is not known (--db, -p, -c, -C)",
                      d->no_database);
    } else if (shash_is_empty(&d->model->nodes)) {
        doctor_report(d, DOCTOR_FAIL, "socknet apply PATH",
                      "it holds no state yet");
    } else if (!d->node) {
        doctor_report(d, DOCTOR_FAIL,
                      "start the daemons and this command with --node",
                      "the state has no node \"%s\"", d->node_name);
    } else {
        doctor_report(d, DOCTOR_OK, NULL, "generation %"PRId64" at %s",
                      session_generation(d->session), d->ctx->db);
    }
}

/* What the agent itself complains about. */
void
doctor_agent_problems(struct doctor *d)
{
    char *text, *save = NULL;
    bool inside = false, any = false;

    if (local_daemon_ask("socknet-agent", "status", &text)
        != LOCAL_DAEMON_ANSWERS) {
        doctor_report(d, DOCTOR_UNKNOWN, NULL,
                      "what the agent sees: it does not answer");
        free(text);
        return;
    }
    for (char *line = strtok_r(text, "\n", &save); line;
         line = strtok_r(NULL, "\n", &save)) {
        if (inside && !strncmp(line, "  ", 2)) {
            doctor_report(d, DOCTOR_WARN, NULL, "%s", line + 2);
            any = true;
        }
        inside = inside ? !strncmp(line, "  ", 2)
                 : !strncmp(line, "problems:", 9);
    }
    if (!any) {
        doctor_report(d, DOCTOR_OK, NULL, "the agent sees no problem");
    }
    free(text);
}

/* Daemons of all hosts write the time about every 30 s. */
static void
check_skew(struct doctor *d)
{
    const struct sndb_node_status *row;
    int64_t now = time_wall(), newest = 0;

    SNDB_NODE_STATUS_FOR_EACH (row, session_idl(d->session)) {
        if (strcmp(row->node, d->node_name)) {
            newest = MAX(newest, row->seen);
        }
    }
    if (newest > now + 5) {
        doctor_report(d, DOCTOR_FAIL, "timedatectl, on both hosts",
                      "another host wrote its status %"PRId64" s in the "
                      "future of this host's clock", newest - now);
    } else if (newest && now - newest > STATUS_SEEN_S) {
        doctor_report(d, DOCTOR_WARN, "timedatectl, here and there",
                      "no other host's status is newer than %"PRId64" s: "
                      "their agents do not run, or this clock is ahead",
                      now - newest);
    } else if (newest) {
        doctor_report(d, DOCTOR_OK, NULL, "agrees with the other hosts'");
    }
}

void
doctor_clock(struct doctor *d)
{
    struct timex timex = { .modes = 0 };

    if (adjtimex(&timex) < 0 || timex.status & STA_UNSYNC) {
        doctor_report(d, DOCTOR_WARN,
                      "timedatectl set-ntp true (or chrony): certificates "
                      "and WireGuard's handshakes need the time",
                      "the clock is not synchronized");
    } else {
        doctor_report(d, DOCTOR_OK, NULL, "the clock is synchronized");
    }
    if (d->session) {
        check_skew(d);
    }
}

void
doctor_disk(struct doctor *d)
{
    static const char *const dirs[] = {
        "/var/lib/socknet", "/var/log", "/etc/openvswitch",
    };

    for (size_t i = 0; i < ARRAY_SIZE(dirs); i++) {
        struct statvfs fs;

        if (statvfs(dirs[i], &fs) || !fs.f_blocks) {
            continue;
        }
        uint64_t free_mb = (uint64_t) fs.f_bavail * fs.f_frsize >> 20;
        uint64_t percent = (uint64_t) fs.f_bavail * 100 / fs.f_blocks;
        bool no_inodes = fs.f_files && fs.f_favail < 100;
        enum doctor_verdict verdict = free_mb < 20 || no_inodes
                                      ? DOCTOR_FAIL
                                      : free_mb < 200 ? DOCTOR_WARN
                                      : DOCTOR_OK;

        char *remedy = xasprintf("make room: state and logs cannot be "
                                 "written; du -xh %s | sort -h | tail shows "
                                 "what is big", dirs[i]);
        doctor_report(d, verdict, verdict != DOCTOR_OK ? remedy : NULL,
                      "%s: %"PRIu64" MB free (%"PRIu64" %%)%s", dirs[i],
                      free_mb, percent,
                      no_inodes ? ", and no inode for a new file" : "");
        free(remedy);
    }
}
