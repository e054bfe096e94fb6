#include <config.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>
#include "cli/command.h"
#include "cli/doctor.h"
#include "cli/redact.h"
#include "cli/run-program.h"
#include "dirs.h"
#include "lib/sn-version.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/util.h"
#include "timeval.h"
#include "util.h"

/* One archive for a bug report: what an engineer would ask for next, without
 * the secrets that are in it. */

/* Of each log, from its end. */
#define LOG_MAX (512 * 1024)

struct bundle {
    char *dir;                  /* Temporary, NAME below it. */
    char *name;                 /* "socknet-HOST-TIME". */
    struct sset public_keys;
    size_t n_files;
    char *error;
};

/* Programs whose output goes in, with sh's syntax; "socknet" is this one. */
static const struct {
    const char *file;
    const char *command;
} commands_[] = {
    { "versions.txt", "uname -a; cat /etc/os-release; ovs-vswitchd --version;"
      " wg --version; nft --version; ip -V" },
    { "status.json", "socknet --json status" },
    { "status.txt", "socknet status" },
    { "nodes.json", "socknet --json nodes" },
    { "doctor.json", "socknet --json doctor" },
    { "doctor.txt", "socknet doctor" },
    { "state.yaml", "socknet export" },
    { "agent.txt", "for c in status stats peers exits ports names; do "
      "echo \"# $c\"; ovs-appctl -T 4 -t socknet-agent $c; done" },
    { "controller.txt", "for c in status stats; do "
      "echo \"# $c\"; ovs-appctl -T 4 -t socknet-controller $c; done" },
    { "flows.txt",
      "ovs-ofctl -t 4 -O OpenFlow15 --names dump-flows vmbr0" },
    { "groups.txt", "ovs-ofctl -t 4 -O OpenFlow15 dump-groups vmbr0; "
      "ovs-ofctl -t 4 -O OpenFlow15 dump-meters vmbr0" },
    { "ports.txt", "ovs-ofctl -t 4 -O OpenFlow15 dump-ports-desc vmbr0; "
      "ovs-ofctl -t 4 -O OpenFlow15 dump-ports vmbr0" },
    { "ovs.txt", "ovs-vsctl --timeout=4 show; ovs-vsctl --timeout=4 list "
      "Bridge; ovs-vsctl --timeout=4 list Interface" },
    { "datapath.txt", "ovs-appctl -T 4 dpif/show; "
      "ovs-appctl -T 4 dpctl/dump-flows; ovs-appctl -T 4 coverage/show" },
    { "ip.txt", "ip -d addr; ip -4 rule; ip -6 rule; "
      "ip -4 route show table all; ip -6 route show table all; "
      "ip -s link; ip neigh" },
    { "nft.txt", "nft list ruleset" },
    { "iptables.txt", "iptables-save" },
    /* Not "dump": that has the private keys. */
    { "wg.txt", "wg show all" },
    { "sysctl.txt", "sysctl net.ipv4.ip_forward net.ipv4.conf "
      "net.ipv6.conf.all net.netfilter" },
    { "kernel.txt", "lsmod; free -m; df -h; uptime; "
      "ps -eo pid,user,rss,etime,comm" },
    { "interfaces.txt", "cat /etc/network/interfaces "
      "/etc/network/interfaces.d/*" },
};

static void
bundle_fail(struct bundle *b, char *error)
{
    if (b->error) {
        free(error);
    } else {
        b->error = error;
    }
}

/* 'text' without its secrets, as the file 'name'. */
static void
bundle_put(struct bundle *b, const char *name, const char *text)
{
    char *path = xasprintf("%s/%s/%s", b->dir, b->name, name);
    char *clean = redact(text, &b->public_keys);
    FILE *f = fopen(path, "we");

    if (!f || fputs(clean, f) < 0 || fclose(f)) {
        bundle_fail(b, xasprintf("%s: %s", path, ovs_strerror(errno)));
    }
    b->n_files++;
    free(clean);
    free(path);
}

/* Public keys that the output may show: those that WireGuard and the database
 * call so. */
static void
collect_public_keys(struct bundle *b)
{
    char *text = doctor_run(NULL, "wg", "show", "all", "peers", NULL);
    char *own = doctor_run(NULL, "wg", "show", "all", "public-key", NULL);
    char *both = xasprintf("%s\n%s", text ? text : "", own ? own : "");
    char *save = NULL;

    for (char *word = strtok_r(both, " \t\n", &save); word;
         word = strtok_r(NULL, " \t\n", &save)) {
        if (strlen(word) == 44) {
            sset_add(&b->public_keys, word);
        }
    }
    free(both);
    free(own);
    free(text);
}

static char *
this_program(void)
{
    char path[4096];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);

    return n > 0 ? xmemdup0(path, n) : xstrdup("socknet");
}

/* Those that this command was called with, for those that it calls: OVS's
 * library does not tell them. */
static void
put_tls_options(struct ds *ds)
{
    static const char *const options[] = {
        "-p", "-c", "-C", "--private-key", "--certificate", "--ca-cert",
    };
    FILE *f = fopen("/proc/self/cmdline", "re");
    char *arg = NULL;
    size_t size = 0;
    bool value = false;

    while (f && getdelim(&arg, &size, '\0', f) > 0) {
        bool ours = value;

        value = false;
        for (size_t i = 0; !ours && i < ARRAY_SIZE(options); i++) {
            size_t len = strlen(options[i]);

            value = !strcmp(arg, options[i]);
            ours = value || (!strncmp(arg, options[i], len)
                             && (arg[len] == '=' || options[i][1] != '-'));
        }
        if (ours && !strchr(arg, '\'')) {
            ds_put_format(ds, "'%s' ", arg);
        }
    }
    free(arg);
    if (f) {
        fclose(f);
    }
}

static void
put_commands(struct bundle *b, const struct command_context *ctx)
{
    struct ds tls = DS_EMPTY_INITIALIZER;
    char *self = this_program();

    put_tls_options(&tls);
    setenv("SOCKNET_DB", ctx->db, true);
    for (size_t i = 0; i < ARRAY_SIZE(commands_) && !b->error; i++) {
        /* Each has its own time; what it says of failures belongs to it. */
        char *script = xasprintf("socknet() { timeout 10 '%s' %s \"$@\"; }; "
                                 "{ %s; } 2>&1; true", self, ds_cstr(&tls),
                                 commands_[i].command);
        const char *const argv[] = { "/usr/bin/timeout", "20", "/bin/sh",
                                     "-c", script, NULL };
        char *output;
        char *error = program_run(argv, NULL, &output);

        bundle_put(b, commands_[i].file, output ? output : error);
        free(error);
        free(output);
        free(script);
    }
    ds_destroy(&tls);
    free(self);
}

static char *
read_end(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    struct stat st;
    char *text = NULL;

    if (fd >= 0 && !fstat(fd, &st) && S_ISREG(st.st_mode)) {
        off_t start = MAX(st.st_size - LOG_MAX, 0);

        text = xzalloc(LOG_MAX + 1);
        ssize_t n = pread(fd, text, LOG_MAX, start);
        /* Not from within a line: it may be the end of a secret. */
        char *line = start ? strchr(text, '\n') : NULL;
        if (n < 0) {
            n = 0;
        }
        for (ssize_t i = 0; i < n; i++) {
            text[i] = text[i] ? text[i] : ' ';
        }
        text[n] = '\0';
        if (line) {
            memmove(text, line + 1, strlen(line + 1) + 1);
        }
    }
    if (fd >= 0) {
        close(fd);
    }
    return text;
}

static void
put_logs(struct bundle *b, const char *dir_name, const char *prefix)
{
    DIR *dir = opendir(dir_name);
    struct dirent *entry;

    while (dir && (entry = readdir(dir))) {
        const char *end = strrchr(entry->d_name, '.');

        if (end && !strcmp(end, ".log")) {
            char *path = xasprintf("%s/%s", dir_name, entry->d_name);
            char *name = xasprintf("%s-%s", prefix, entry->d_name);
            char *text = read_end(path);

            if (text) {
                bundle_put(b, name, text);
            }
            free(text);
            free(name);
            free(path);
        }
    }
    if (dir) {
        closedir(dir);
    }
}

static void
put_all(struct bundle *b, const struct command_context *ctx)
{
    char *version = xasprintf("socknet %s\n", sn_version());

    collect_public_keys(b);
    bundle_put(b, "socknet.txt", version);
    put_commands(b, ctx);
    put_logs(b, ovs_logdir(), "log");
    put_logs(b, "/var/log/socknet", "log-socknet");
    free(version);
}

static void
bundle_begin(struct bundle *b)
{
    char host[256] = "host";
    const char *tmp = getenv("TMPDIR");
    time_t now = time_wall();
    char when[32];

    gethostname(host, sizeof host - 1);
    strftime(when, sizeof when, "%Y%m%d-%H%M%S", gmtime(&now));
    b->name = xasprintf("socknet-%s-%s", host, when);
    b->dir = xasprintf("%s/socknet-bundle.XXXXXX", tmp ? tmp : "/tmp");
    sset_init(&b->public_keys);
    /* mkdtemp: mode 0700. */
    char *below = mkdtemp(b->dir) ? xasprintf("%s/%s", b->dir, b->name)
                  : NULL;
    if (!below || mkdir(below, 0700)) {
        bundle_fail(b, xasprintf("%s: %s", b->dir, ovs_strerror(errno)));
    }
    free(below);
}

/* At 'path', readable by its owner alone: a bug report is published by choice,
 * not by accident. */
static void
bundle_pack(struct bundle *b, const char *path)
{
    char *tar = program_find("tar");
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    char *output = NULL, *error = NULL;

    if (fd < 0) {
        error = xasprintf("%s: %s", path, ovs_strerror(errno));
    } else if (!tar) {
        error = xstrdup("tar is not installed");
    } else {
        const char *const argv[] = { tar, "-C", b->dir, "--owner=root",
                                     "--group=root", "-czf", path, b->name,
                                     NULL };
        error = program_run(argv, NULL, &output);
    }
    if (fd >= 0) {
        close(fd);
        if (error) {
            unlink(path);
        }
    }
    if (error) {
        bundle_fail(b, error);
    }
    free(output);
    free(tar);
}

static void
bundle_end(struct bundle *b)
{
    const char *const argv[] = { "/bin/rm", "-rf", "--", b->dir, NULL };
    char *output = NULL;

    free(program_run(argv, NULL, &output));
    free(output);
    sset_destroy(&b->public_keys);
    free(b->dir);
    free(b->name);
}

static int
bundle_make(const struct command_context *ctx, const char *given)
{
    struct bundle b = { .n_files = 0 };

    bundle_begin(&b);
    char *path = given ? xstrdup(given) : xasprintf("%s.tar.gz", b.name);
    if (!b.error) {
        put_all(&b, ctx);
    }
    if (!b.error) {
        bundle_pack(&b, path);
    }
    bundle_end(&b);
    if (b.error) {
        command_fail("%s", b.error);
    } else {
        printf("%s: %"PRIuSIZE" files; keys, passwords and tokens are taken "
               "out, names and addresses are not%s\n", path, b.n_files,
               geteuid() ? "; root sees more" : "");
    }
    free(path);
    int status = b.error ? EXIT_ERROR : EXIT_OK;
    free(b.error);
    return status;
}

int
cmd_bundle(struct command_context *ctx, int argc, char *argv[])
{
    static const struct option options[] = {
        { "output", required_argument, NULL, 'o' },
        { NULL, 0, NULL, 0 },
    };
    static char long_output[] = "--output";
    const char *path = NULL;

    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "-o")) {
            argv[i] = long_output;
        }
    }
    for (int c; (c = command_getopt(argc, argv, options)) != -1; ) {
        if (c == '?') {
            return EXIT_ERROR;
        }
        path = optarg;
    }
    if (argc > optind) {
        return command_misused("bundle", "unexpected \"%s\"", argv[optind]);
    }
    return bundle_make(ctx, path);
}
