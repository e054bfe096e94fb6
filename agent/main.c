#include <config.h>

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "agent/agent.h"
#include "agent/install.h"
#include "agent/stats.h"
#include "agent/vswitch.h"
#include "command-line.h"
#include "daemon.h"
#include "dirs.h"
#include "fatal-signal.h"
#include "lib/sn-notify.h"
#include "lib/sn-version.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "ovsdb-sync/db-connection.h"
#include "stream-ssl.h"
#include "unixctl.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(main);

#define DEFAULT_STATE_DIR "/var/lib/socknet"
#define DEFAULT_PVE_DIR "/etc/pve"
#define DEFAULT_INTERFACES "/etc/network/interfaces"
#define DEFAULT_LXC_DIR "/var/lib/lxc"

struct options {
    char *db;
    char *ovsdb;
    char *node;
    char *state_dir;
    char *pve_dir;
    char *lxc_dir;
    char *unixctl;
    char *interfaces;
    bool cleanup;
    bool install;
    bool write;
};

static void
print_help(void)
{
    printf("socknet-agent: "
           "keeps a host's mesh, routes and exits as the database says\n"
           "usage: socknet-agent [OPTION]...\n"
           "\n"
           "  --db=REMOTE       the central database (default: SOCKNET_DB "
           "or\n"
           "                    unix:/run/socknet/db.sock)\n"
           "  --node=NAME       this host's name in the state file (default: "
           "its own)\n"
           "  --ovsdb=REMOTE    the switch's database (default: its local "
           "socket)\n"
           "  --state-dir=DIR   where key and cache are (default: %s)\n"
           "  --pve-dir=DIR     Proxmox's configuration (default: %s)\n"
           "  --lxc-dir=DIR     LXC's containers (default: %s)\n"
           "  --cleanup         remove what agents made on this host, then "
           "exit\n"
           "  --install         show what /etc/network/interfaces lacks, then "
           "exit;\n"
           "                    --write: write it; --interfaces=FILE: another "
           "file\n"
           "\n"
           "For a database at ssl:HOST:PORT:\n"
           "  -p, --private-key=FILE  -c, --certificate=FILE  "
           "-C, --ca-cert=FILE\n"
           "\n"
           "Running (socknet-agent(8) has more):\n"
           "  --detach          run in the background\n"
           "  --pidfile[=FILE]  write the process's number\n"
           "  --log-file[=FILE] log to a file\n"
           "  -v, --verbose=[SPEC]\n"
           "                    what to log\n"
           "  --unixctl=SOCKET  the control socket, for ovs-appctl\n"
           "\n"
           "  -h, --help        print this help\n"
           "  -V, --version     print the version\n", DEFAULT_STATE_DIR,
           DEFAULT_PVE_DIR, DEFAULT_LXC_DIR);
}

enum {
    OPT_DB = UCHAR_MAX + 1,
    OPT_NODE,
    OPT_OVSDB,
    OPT_STATE_DIR,
    OPT_PVE_DIR,
    OPT_LXC_DIR,
    OPT_CLEANUP,
    OPT_INSTALL,
    OPT_WRITE,
    OPT_INTERFACES,
    OPT_UNIXCTL,
    DAEMON_OPTION_ENUMS,
    VLOG_OPTION_ENUMS,
    SSL_OPTION_ENUMS,
};

static const struct option long_options[] = {
    {"db", required_argument, NULL, OPT_DB},
    {"node", required_argument, NULL, OPT_NODE},
    {"ovsdb", required_argument, NULL, OPT_OVSDB},
    {"state-dir", required_argument, NULL, OPT_STATE_DIR},
    {"pve-dir", required_argument, NULL, OPT_PVE_DIR},
    {"lxc-dir", required_argument, NULL, OPT_LXC_DIR},
    {"cleanup", no_argument, NULL, OPT_CLEANUP},
    {"install", no_argument, NULL, OPT_INSTALL},
    {"write", no_argument, NULL, OPT_WRITE},
    {"interfaces", required_argument, NULL, OPT_INTERFACES},
    {"unixctl", required_argument, NULL, OPT_UNIXCTL},
    {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, 'V'},
    DAEMON_LONG_OPTIONS,
    VLOG_LONG_OPTIONS,
    STREAM_SSL_LONG_OPTIONS,
    {NULL, 0, NULL, 0},
};

static char *
host_name(void)
{
    char name[HOST_NAME_MAX + 1] = "";

    gethostname(name, sizeof name - 1);
    return xstrdup(name);
}

static void
set_string(char **option, const char *value)
{
    free(*option);
    *option = xstrdup(value);
}

static void
set_default(char **option, const char *value)
{
    if (!*option) {
        *option = xstrdup(value);
    }
}

static void
parse_option(int c, struct options *options)
{
    switch (c) {
    case OPT_DB:
        set_string(&options->db, optarg);
        break;
    case OPT_NODE:
        set_string(&options->node, optarg);
        break;
    case OPT_OVSDB:
        set_string(&options->ovsdb, optarg);
        break;
    case OPT_STATE_DIR:
        set_string(&options->state_dir, optarg);
        break;
    case OPT_PVE_DIR:
        set_string(&options->pve_dir, optarg);
        break;
    case OPT_LXC_DIR:
        set_string(&options->lxc_dir, optarg);
        break;
    case OPT_UNIXCTL:
        set_string(&options->unixctl, optarg);
        break;
    case OPT_CLEANUP:
        options->cleanup = true;
        break;
    case OPT_INSTALL:
        options->install = true;
        break;
    case OPT_WRITE:
        options->write = true;
        break;
    case OPT_INTERFACES:
        set_string(&options->interfaces, optarg);
        break;
    case 'h':
        print_help();
        exit(EXIT_SUCCESS);
    case 'V':
        sn_version_print();
        exit(EXIT_SUCCESS);
    DAEMON_OPTION_HANDLERS
    VLOG_OPTION_HANDLERS
    STREAM_SSL_OPTION_HANDLERS
    default:
        exit(EX_CONFIG);
    }
}

static void
parse_options(int argc, char *argv[], struct options *options)
{
    char *short_options = ovs_cmdl_long_options_to_short_options(
        long_options);
    int c;

    while ((c = getopt_long(argc, argv, short_options, long_options, NULL))
           != -1) {
        parse_option(c, options);
    }
    free(short_options);
    if (optind < argc) {
        sn_fatal_config(xasprintf("%s: not an option (--help lists them)",
                                  argv[optind]));
    }
    if (!options->node) {
        options->node = host_name();
    }
    if (!options->ovsdb) {
        options->ovsdb = vswitch_default_remote();
    }
    if (!options->db) {
        options->db = xstrdup(db_connection_default_remote());
    }
    set_default(&options->state_dir, DEFAULT_STATE_DIR);
    set_default(&options->interfaces, DEFAULT_INTERFACES);
    set_default(&options->pve_dir, DEFAULT_PVE_DIR);
    set_default(&options->lxc_dir, DEFAULT_LXC_DIR);
}

typedef void format_fn(const struct agent *, struct ds *);

struct view {
    const char *command;
    format_fn *format;
};

static const struct view views[] = {
    { "status", agent_format_status },
    { "peers", agent_format_peers },
    { "exits", agent_format_exits },
    { "ports", agent_format_ports },
    { "names", agent_format_names },
};

static struct agent *agent;
static bool exiting;

static void
unixctl_view(struct unixctl_conn *conn, int argc OVS_UNUSED,
             const char *argv[] OVS_UNUSED, void *view_)
{
    const struct view *view = view_;
    struct ds ds = DS_EMPTY_INITIALIZER;

    view->format(agent, &ds);
    unixctl_command_reply(conn, ds_cstr(&ds));
    ds_destroy(&ds);
}

static void
unixctl_stats(struct unixctl_conn *conn, int argc OVS_UNUSED,
              const char *argv[] OVS_UNUSED, void *aux OVS_UNUSED)
{
    struct ds ds = DS_EMPTY_INITIALIZER;

    agent_stats_format(&ds);
    unixctl_command_reply(conn, ds_cstr(&ds));
    ds_destroy(&ds);
}

static void
unixctl_exit_test(struct unixctl_conn *conn, int argc OVS_UNUSED,
                  const char *argv[], void *aux OVS_UNUSED)
{
    agent_test_exit(agent, argv[1], conn);
}

static void
unixctl_resync(struct unixctl_conn *conn, int argc OVS_UNUSED,
               const char *argv[] OVS_UNUSED, void *aux OVS_UNUSED)
{
    agent_resync(agent);
    unixctl_command_reply(conn, NULL);
}

static void
unixctl_exit(struct unixctl_conn *conn, int argc OVS_UNUSED,
             const char *argv[] OVS_UNUSED, void *aux OVS_UNUSED)
{
    exiting = true;
    unixctl_command_reply(conn, NULL);
}

static struct unixctl_server *
start_unixctl(const char *path)
{
    struct unixctl_server *server;
    int error = unixctl_server_create(path, &server);

    if (error) {
        exit(EXIT_FAILURE);
    }
    for (size_t i = 0; i < ARRAY_SIZE(views); i++) {
        unixctl_command_register(views[i].command, "", 0, 0, unixctl_view,
                                 CONST_CAST(struct view *, &views[i]));
    }
    unixctl_command_register("stats", "", 0, 0, unixctl_stats, NULL);
    unixctl_command_register("exit/test", "EXIT", 1, 1, unixctl_exit_test,
                             NULL);
    unixctl_command_register("resync", "", 0, 0, unixctl_resync, NULL);
    unixctl_command_register("exit", "", 0, 0, unixctl_exit, NULL);
    return server;
}

/* An agent that runs would make everything again. */
static void
check_not_running(void)
{
    char *pidfile = xasprintf("%s/%s.pid", ovs_rundir(), program_name);
    pid_t pid = access(pidfile, F_OK) ? 0 : read_pidfile(pidfile);

    free(pidfile);
    if (pid > 0) {
        ovs_fatal(0, "socknet-agent is running (process %ld); end it first: "
                  "ovs-appctl -t socknet-agent exit", (long int) pid);
    }
}

/* An agent without it would only log, one by one, what it may not do. */
static void
require_net_admin(void)
{
    struct __user_cap_header_struct header = {
        .version = _LINUX_CAPABILITY_VERSION_3,
    };
    struct __user_cap_data_struct data[2];

    if (!syscall(SYS_capget, &header, data)
        && !(data[0].effective & (1u << CAP_NET_ADMIN))) {
        ovs_fatal(0, "needs root, or CAP_NET_ADMIN at least, to change this "
                  "host's network");
    }
}

static void
cleanup(const struct agent_config *config)
{
    check_not_running();
    vlog_set_levels(vlog_module_from_name("reconnect"), VLF_CONSOLE,
                    VLL_WARN);
    char *error = agent_cleanup(config);

    if (error) {
        ovs_fatal(0, "%s", error);
    }
    exit(EXIT_SUCCESS);
}

static void
tell_manager(void)
{
    if (sn_notify_is_due()) {
        struct ds status = DS_EMPTY_INITIALIZER;
        bool enforcing = agent_summarize(agent, &status);

        sn_notify_send(enforcing, ds_cstr(&status));
        ds_destroy(&status);
    }
}

static void
run(struct unixctl_server *unixctl)
{
    while (!exiting) {
        agent_run(agent);
        unixctl_server_run(unixctl);
        tell_manager();
        agent_wait(agent);
        unixctl_server_wait(unixctl);
        sn_notify_wait();
        if (exiting) {
            poll_immediate_wake();
        }
        poll_block();
    }
}

int
main(int argc, char *argv[])
{
    struct options options = { .db = NULL };

    sn_program_init(argv[0]);
    service_start(&argc, &argv);
    parse_options(argc, argv, &options);

    struct agent_config config = {
        .node = options.node, .db = options.db, .ovsdb = options.ovsdb,
        .state_dir = options.state_dir, .pve_dir = options.pve_dir,
        .lxc_dir = options.lxc_dir,
    };
    if (options.write && !options.install) {
        ovs_fatal(0, "--write goes with --install");
    } else if (options.install) {
        exit(install_run(options.interfaces, options.write));
    }
    require_net_admin();
    if (options.cleanup) {
        cleanup(&config);
    }
    char *error = db_connection_use_pki(options.db, options.node);
    if (!error) {
        error = db_connection_check_remote(options.db);
    }
    if (error) {
        sn_fatal_config(error);
    }
    fatal_ignore_sigpipe();
    sn_notify_init();
    daemonize_start(false);
    struct unixctl_server *unixctl = start_unixctl(options.unixctl);
    error = agent_create(&config, &agent);
    if (error) {
        ovs_fatal(0, "%s", error);
    }
    daemonize_complete();
    VLOG_INFO("socknet-agent %s for node %s", sn_version(), options.node);

    run(unixctl);
    sn_notify_stopping();
    unixctl_server_destroy(unixctl);
    agent_destroy(agent);
    free(options.db);
    free(options.ovsdb);
    free(options.node);
    free(options.state_dir);
    free(options.pve_dir);
    free(options.lxc_dir);
    free(options.interfaces);
    free(options.unixctl);
    return EXIT_SUCCESS;
}
