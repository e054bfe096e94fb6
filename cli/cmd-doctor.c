#include <config.h>

#include <getopt.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "cli/command.h"
#include "cli/doctor.h"
#include "cli/output.h"
#include "cli/session.h"
#include "lib/host-bridge.h"
#include "openvswitch/json.h"
#include "openvswitch/shash.h"
#include "state/model.h"
#include "util.h"

static const struct {
    const char *name;
    void (*run)(struct doctor *);
} checks[] = {
    { "daemons", doctor_daemons },
    { "database", doctor_database },
    { "agent", doctor_agent_problems },
    { "certificates", doctor_certificates },
    { "keys", doctor_keys },
    { "clock", doctor_clock },
    { "disk", doctor_disk },
    { "switch", doctor_switch },
    /* Before those that ask for the datapath. */
    { "bridge", doctor_bridge },
    { "modules", doctor_modules },
    { "checksums", doctor_checksums },
    { "forwarding", doctor_forwarding },
    { "rp_filter", doctor_rp_filter },
    { "mtu", doctor_mtu },
    { "neighbours", doctor_neighbours },
    { "conntrack", doctor_conntrack },
    { "firewall", doctor_firewall },
    { "rules", doctor_rules },
    { "wireguard", doctor_wireguard },
    { "handshakes", doctor_handshakes },
};

static const char *const verdicts[DOCTOR_N_VERDICTS] = {
    [DOCTOR_OK] = "ok",
    [DOCTOR_UNKNOWN] = "unknown",
    [DOCTOR_WARN] = "warn",
    [DOCTOR_FAIL] = "fail",
};

void
doctor_report(struct doctor *d, enum doctor_verdict verdict,
              const char *remedy, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    char *found = xvasprintf(format, args);
    va_end(args);

    output_record(d->out);
    output_value(d->out, "found", "", json_string_create(found),
                 xasprintf("%-7s %s: %s%s%s", verdicts[verdict], d->check,
                           found, remedy ? "\n        -> " : "",
                           remedy ? remedy : ""));
    output_string(d->out, "check", NULL, d->check);
    output_string(d->out, "verdict", NULL, verdicts[verdict]);
    output_string(d->out, "remedy", NULL, remedy);
    d->n[verdict]++;
    free(found);
}

static bool
has_ipv6(const struct model *model)
{
    const struct shash_node *item;

    SHASH_FOR_EACH (item, &model->nodes) {
        const struct model_node *node = item->data;

        for (size_t i = 0; i < node->n_subnets; i++) {
            if (!node->subnets[i].is_v4) {
                return true;
            }
        }
    }
    return false;
}

/* Without the database: whether the agent has once given the bridge an IPv6
 * address. */
static bool
bridge_has_ipv6(void)
{
    FILE *f = fopen("/proc/net/if_inet6", "re");
    unsigned int scope;
    char name[32];
    bool found = false;

    while (f && fscanf(f, "%*s %*x %*x %x %*x %31s", &scope, name) == 2) {
        found |= !strcmp(name, SN_BRIDGE) && scope == 0;
    }
    if (f) {
        fclose(f);
    }
    return found;
}

/* What the state wants of this host; without the database, the defaults. */
static void
doctor_open(struct doctor *d)
{
    d->mesh = "nm-privacy";
    d->listen_port = 51821;
    d->has_ipv6 = bridge_has_ipv6();
    d->session = session_try(d->ctx, &d->no_database);
    if (d->session) {
        const struct model *model = session_model(d->session);

        d->model = model;
        d->node = model_get_node(model, d->node_name);
        d->mesh = model->mesh.interface;
        d->listen_port = d->node && d->node->listen_port
                         ? d->node->listen_port : model->mesh.listen_port;
        d->has_ipv6 = has_ipv6(model);
    }
}

static void
doctor_close(struct doctor *d)
{
    session_close(d->session);
    free(d->no_database);
}

int
cmd_doctor(struct command_context *ctx, int argc, char *argv[])
{
    static const struct option options[] = {
        { "node", required_argument, NULL, 'n' },
        { "pki", required_argument, NULL, 'p' },
        { NULL, 0, NULL, 0 },
    };
    char host[256] = "";
    struct doctor d = { .ctx = ctx, .pki_dir = "/etc/socknet/pki",
                        .node_name = host };

    gethostname(host, sizeof host - 1);
    for (int c; (c = command_getopt(argc, argv, options)) != -1; ) {
        if (c == '?') {
            return EXIT_ERROR;
        }
        *(c == 'n' ? &d.node_name : &d.pki_dir) = optarg;
    }
    if (argc > optind) {
        return command_misused("doctor", "unexpected \"%s\"", argv[optind]);
    }

    doctor_open(&d);
    d.out = output_create(ctx->json, "doctor");
    output_begin(d.out, "results", OUTPUT_LINES, NULL);
    for (size_t i = 0; i < ARRAY_SIZE(checks); i++) {
        d.check = checks[i].name;
        checks[i].run(&d);
    }
    output_note(d.out, "%"PRIuSIZE" ok, %"PRIuSIZE" warn, %"PRIuSIZE
                " fail, %"PRIuSIZE" could not be seen%s", d.n[DOCTOR_OK],
                d.n[DOCTOR_WARN], d.n[DOCTOR_FAIL], d.n[DOCTOR_UNKNOWN],
                d.n[DOCTOR_UNKNOWN] && geteuid() ? "; root sees more" : "");
    output_finish(d.out);
    doctor_close(&d);
    return d.n[DOCTOR_FAIL] ? EXIT_ERROR : EXIT_OK;
}
