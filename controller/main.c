#include <config.h>

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "command-line.h"
#include "controller/ctl.h"
#include "controller/fleet.h"
#include "controller/ofconn.h"
#include "controller/standby.h"
#include "controller/status.h"
#include "controller/sweep.h"
#include "controller/undo.h"
#include "daemon.h"
#include "dirs.h"
#include "fatal-signal.h"
#include "lib/sn-notify.h"
#include "lib/sn-version.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "ovsdb-idl.h"
#include "ovsdb-sync/db-connection.h"
#include "ovsdb-sync/model-sync.h"
#include "ovsdb-sync/revision.h"
#include "ovsdb-sync/status-sync.h"
#include "state/model.h"
#include "stream-ssl.h"
#include "unixctl.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(main);

/* Of a controller's own: it need not run as the agent's user. */
#define DEFAULT_STATE_DIR "/var/lib/socknet/controller"

struct options {
    struct fleet_options fleet;
    const char *db;
    const char *state_dir;
    const char *standby;        /* Group, or NULL. */
    char *unixctl_path;
};

static void
print_help(void)
{
    printf("\
%s: compiles policy into OpenFlow and keeps bridges equal to it\n\
usage: %s [OPTION]...\n\
\n\
  --db=REMOTE       the central database (default: SOCKNET_DB or\n\
                    unix:/run/socknet/db.sock)\n\
  --node=NAME       manage this node's bridge (default: this host's name);\n\
                    may be repeated\n\
  --via=DIR         connect to the socket of the same name in DIR instead,\n\
                    for who is not root\n\
  --state-dir=DIR   where what the database said last is kept (default:\n\
                    %s)\n\
  --all             manage the bridges of all nodes that have a target\n\
  --bridge=NODE=TARGET\n\
                    where a node's bridge is: unix:FILE, tcp:HOST:PORT or\n\
                    ssl:HOST:PORT; NODE \"*\" stands for all others, with\n\
                    %%n for the node's name (default: socket vmbr0.mgmt in\n\
                    Open vSwitch's run directory)\n\
  --standby=GROUP   of the controllers with this GROUP only one is active;\n\
                    the others take over when it is gone\n\
\n\
For a database or a bridge at ssl:HOST:PORT:\n\
  -p, --private-key=FILE  -c, --certificate=FILE  -C, --ca-cert=FILE\n\
\n\
Running (socknet-controller(8) has more):\n\
  --detach          run in the background\n\
  --pidfile[=FILE]  write the process's number\n\
  --log-file[=FILE] log to a file\n\
  -v, --verbose=[SPEC]\n\
                    what to log\n\
  --unixctl=SOCKET  the control socket, for ovs-appctl\n\
\n\
  -h, --help        print this help\n\
  -V, --version     print the version\n",
           program_name, program_name, DEFAULT_STATE_DIR);
}

static void
add_target(struct options *o, const char *arg)
{
    char *error = fleet_options_add_target(&o->fleet, arg);

    if (error) {
        sn_fatal_config(error);
    }
}

/* The files are called as the node is, or as this host. */
static char *
use_pki(const struct options *o)
{
    const char *name = fleet_options_name(&o->fleet);
    char *error = db_connection_use_pki(o->db, name);

    if (error && strcmp(name, o->fleet.default_node)) {
        char *second = db_connection_use_pki(o->db, o->fleet.default_node);

        if (!second) {
            free(error);
            return NULL;
        }
        free(second);
    }
    return error;
}

static void
finish_options(struct options *o, int argc, char *argv[])
{
    char *error;

    if (optind < argc) {
        sn_fatal_config(xasprintf("%s: unexpected argument; use --help for "
                                  "usage", argv[optind]));
    }
    if (sset_is_empty(&o->fleet.nodes) && !o->fleet.all) {
        sset_add(&o->fleet.nodes, o->fleet.default_node);
    }
    error = fleet_options_check(&o->fleet);
    if (!error) {
        error = use_pki(o);
    }
    if (!error) {
        error = db_connection_check_remote(o->db);
    }
    if (!error && o->standby) {
        error = standby_check_group(o->standby);
    }
    if (error) {
        sn_fatal_config(error);
    }
}

enum {
    OPT_DB = UCHAR_MAX + 1,
    OPT_NODE,
    OPT_ALL,
    OPT_BRIDGE,
    OPT_STANDBY,
    OPT_STATE_DIR,
    OPT_VIA,
    OPT_UNIXCTL,
    VLOG_OPTION_ENUMS,
    DAEMON_OPTION_ENUMS,
    SSL_OPTION_ENUMS,
};
static const struct option long_options[] = {
    {"db", required_argument, NULL, OPT_DB},
    {"node", required_argument, NULL, OPT_NODE},
    {"all", no_argument, NULL, OPT_ALL},
    {"bridge", required_argument, NULL, OPT_BRIDGE},
    {"via", required_argument, NULL, OPT_VIA},
    {"standby", required_argument, NULL, OPT_STANDBY},
    {"state-dir", required_argument, NULL, OPT_STATE_DIR},
    {"unixctl", required_argument, NULL, OPT_UNIXCTL},
    {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, 'V'},
    VLOG_LONG_OPTIONS,
    DAEMON_LONG_OPTIONS,
    STREAM_SSL_LONG_OPTIONS,
    {NULL, 0, NULL, 0},
};

static void
parse_options(struct options *o, int argc, char *argv[])
{
    char *short_options = ovs_cmdl_long_options_to_short_options(long_options);
    int c;

    while ((c = getopt_long(argc, argv, short_options, long_options,
                            NULL)) != -1) {
        switch (c) {
        case OPT_DB:
            o->db = optarg;
            break;
        case OPT_NODE:
            sset_add(&o->fleet.nodes, optarg);
            break;
        case OPT_ALL:
            o->fleet.all = true;
            break;
        case OPT_BRIDGE:
            add_target(o, optarg);
            break;
        case OPT_VIA:
            ofconn_set_via(optarg);
            break;
        case OPT_STANDBY:
            o->standby = optarg;
            break;
        case OPT_STATE_DIR:
            o->state_dir = optarg;
            break;
        case OPT_UNIXCTL:
            o->unixctl_path = optarg;
            break;
        case 'h':
            print_help();
            exit(EXIT_SUCCESS);
        case 'V':
            sn_version_print();
            exit(EXIT_SUCCESS);
        VLOG_OPTION_HANDLERS
        DAEMON_OPTION_HANDLERS
        STREAM_SSL_OPTION_HANDLERS
        case '?':
            exit(EX_CONFIG);
        default:
            abort();
        }
    }
    free(short_options);
    finish_options(o, argc, argv);
}

static void
options_init(struct options *o)
{
    char hostname[256] = "";

    fleet_options_init(&o->fleet);
    gethostname(hostname, sizeof hostname - 1);
    o->fleet.default_node = xstrdup(hostname);
    o->fleet.default_target = xasprintf("unix:%s/vmbr0.mgmt", ovs_rundir());
    o->db = db_connection_default_remote();
    o->state_dir = DEFAULT_STATE_DIR;
    o->standby = NULL;
    o->unixctl_path = NULL;
}

static void
tell_manager(struct ctl *ctl)
{
    if (sn_notify_is_due()) {
        struct ds status = DS_EMPTY_INITIALIZER;
        bool enforcing = ctl_summarize(ctl, &status);

        sn_notify_send(enforcing, ds_cstr(&status));
        ds_destroy(&status);
    }
}

static void
take_turn(struct standby *standby, struct fleet *fleet)
{
    standby_run(standby);
    if (standby_is_shared(standby)) {
        fleet_set_turn(fleet, standby_is_active(standby),
                       standby_is_chosen(standby));
    }
}

/* Until `exit`; other ends come as signals, in poll_block(). */
static void
run(struct fleet *fleet, struct db_connection *db, struct sweep *sweep,
    struct standby *standby, struct ctl *ctl,
    struct unixctl_server *unixctl)
{
    struct model_sync *sync = model_sync_create(db->idl);
    struct status *status = status_create(db);
    struct undo *undo = undo_create(db, sync);
    struct model_changes changes;

    model_sync_honour_fallback(sync);
    model_changes_init(&changes);
    while (!ctl_is_exiting(ctl)) {
        ovsdb_idl_run(db->idl);
        db_connection_run(db);

        bool usable = model_sync_run(sync, &changes);

        ovsdb_idl_track_clear(db->idl);
        take_turn(standby, fleet);
        fleet_run(fleet, usable ? model_sync_model(sync) : NULL,
                  model_sync_generation(sync), &changes);
        if (usable) {
            model_changes_clear(&changes);
        }
        if (standby_is_active(standby)) {
            status_run(status, fleet);
            undo_run(undo);
            sweep_run(sweep);
        }
        ctl_run(ctl);
        unixctl_server_run(unixctl);
        tell_manager(ctl);

        ovsdb_idl_wait(db->idl);
        db_connection_wait(db);
        fleet_wait(fleet);
        if (standby_is_active(standby)) {
            status_wait(status);
            undo_wait(undo);
            sweep_wait(sweep);
        }
        model_sync_wait(sync);
        unixctl_server_wait(unixctl);
        sn_notify_wait();
        if (ctl_is_exiting(ctl)) {
            poll_immediate_wake();
        }
        poll_block();
    }
    unixctl_server_run(unixctl);
    model_changes_destroy(&changes);
    undo_destroy(undo);
    status_destroy(status);
    /* After this nobody uses the model any more. */
    fleet_destroy(fleet);
    model_sync_destroy(sync);
}

static void
set_cache(struct db_connection *db, const char *state_dir)
{
    char *path = xasprintf("%s/controller-cache.db", state_dir);

    db_connection_set_cache(db, path);
    free(path);
}

int
main(int argc, char *argv[])
{
    struct unixctl_server *unixctl;
    struct db_connection *db;
    struct sweep *sweep;
    struct standby *standby;
    struct options o;
    struct fleet *fleet;
    struct ctl *ctl;
    int retval;

    sn_program_init(argv[0]);
    ovs_cmdl_proctitle_init(argc, argv);
    service_start(&argc, &argv);
    options_init(&o);
    parse_options(&o, argc, argv);
    fatal_ignore_sigpipe();
    sn_notify_init();

    daemonize_start(false);
    retval = unixctl_server_create(o.unixctl_path, &unixctl);
    if (retval) {
        exit(EXIT_FAILURE);
    }
    db = db_connection_create(o.db);
    model_sync_add_columns(db->idl);
    status_sync_add_bridge_columns(db->idl);
    revision_add_columns(db->idl, false);
    sweep = sweep_create(db);
    if (!o.fleet.all) {
        status_sync_limit(db->idl, &o.fleet.nodes);
    }
    set_cache(db, o.state_dir);
    standby = standby_create(db, o.standby);
    fleet = fleet_create(&o.fleet);
    ctl = ctl_create(fleet, db);
    daemonize_complete();
    VLOG_INFO("%s (socknet) %s, database %s", program_name, sn_version(),
              o.db);

    run(fleet, db, sweep, standby, ctl, unixctl);
    sn_notify_stopping();

    standby_destroy(standby);
    ctl_destroy(ctl);
    sweep_destroy(sweep);
    db_connection_destroy(db);
    unixctl_server_destroy(unixctl);
    fleet_options_destroy(&o.fleet);
    service_stop();
    return EXIT_SUCCESS;
}
