#include <config.h>

#include <ctype.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include "cli/command.h"
#include "openvswitch/util.h"
#include "util.h"

const struct command commands[] = {
    { "Desired state", "check", "PATH [--node NAME] [--fix [--dry-run]]",
      "report every mistake of a state file",
      "PATH is a YAML file, or a folder whose *.yaml files are merged by\n"
      "section.  Nothing is sent anywhere; no database is needed.\n"
      "\n"
      "  --node NAME   the node, if PATH describes a single host\n"
      "                (default: this host's name)\n"
      "  --fix         correct what can be corrected with certainty, and\n"
      "                print the difference; the former file stays as FILE~\n"
      "  --dry-run     with --fix: only print the difference\n"
      "\n"
      "Example: socknet check examples/two-hosts.yaml\n",
      false, cmd_check,
      "mistakes of a state file" },
    { NULL, "compile", "PATH [--node NAME] [--port PORT=OFPORT[,MAC]]...",
      "print one node's flows, without a database",
      "The flows are in the syntax of ovs-ofctl, which resolves the names of\n"
      "ports.  A MAC address that the file does not say is replaced by a\n"
      "stand-in, and a comment says so.\n"
      "\n"
      "  --node NAME   the node (default: this host's name)\n"
      "  --port PORT=OFPORT[,MAC]\n"
      "                what is known of a port (repeatable): its number is\n"
      "                printed instead of its name; the MAC address is the\n"
      "                container's, or that of an internal port\n"
      "  --explain     a comment above the flows of each cause\n"
      "\n"
      "Example: socknet compile state.yaml --node node2 >flows\n"
      "         ovs-ofctl -O OpenFlow15 replace-flows vmbr0 flows\n",
      false, cmd_compile,
      "one node's flows, offline" },
    { NULL, "plan", "PATH [--from OLD] [--flows] [--verify] [--out PLAN]",
      "what a state file would change, and for whom",
      "Compares PATH with the database: objects; who could newly reach\n"
      "whom, who no longer, and who would leave by another exit, with the\n"
      "rule that decides; which open connections would be cut, as agents\n"
      "tell.  Both states are compiled and packets followed through their\n"
      "flows, so that raw flows count.  Nothing is changed.\n"
      "\n"
      "  --from OLD    a state file instead of the database\n"
      "  --flows       also each host's flows that differ\n"
      "  --verify      have an Open vSwitch of its own, without any port of\n"
      "                this machine, trace packets through the new flows\n"
      "  --no-proof    leave out the proof (see `socknet prove`)\n"
      "  --out PLAN    keep it in a file: `socknet apply PLAN` carries out\n"
      "                just this, unless the database has changed since\n"
      "  --node NAME   the node, if PATH describes a single host\n"
      "\n"
      "Exit code 2 if anything differs.\n"
      "\n"
      "Example: socknet plan new.yaml --from old.yaml\n",
      false, cmd_plan,
      "what that would change" },
    { NULL, "apply", "PATH [--wait | --dry-run] [--confirm SECONDS]",
      "make the database equal to a state file",
      "Checks PATH first; with any error nothing is changed.  Prints what\n"
      "changed: an object that only moved to another line is no change.\n"
      "PATH may be what `plan --out` wrote; it is refused if the database\n"
      "has changed since.\n"
      "\n"
      "  --wait        return when every switch and agent has confirmed, or\n"
      "                fail after the --timeout (60 s) and say who has not\n"
      "  --dry-run     only print what would change; exit code 2 if anything\n"
      "  --confirm SECONDS\n"
      "                go back by itself unless `socknet confirm` comes in\n"
      "                time; each host does so on its own, also one that the\n"
      "                change has cut off\n"
      "  --node NAME   the node, if PATH describes a single host\n"
      "\n"
      "Example: socknet apply state.yaml --confirm 60 --wait\n",
      false, cmd_apply,
      "make a file the state" },
    { NULL, "confirm", "",
      "keep what apply --confirm made",
      "Example: socknet apply state.yaml --confirm 60 && socknet confirm\n",
      false, cmd_confirm,
      "keep apply --confirm" },
    { NULL, "rollback", "[REVISION] [--wait | --dry-run] [--confirm SECONDS]",
      "make an earlier state the desired one again",
      "Without a REVISION: the last state that says something else than the\n"
      "present one, or the one before a state that waits to be confirmed.\n"
      "What is undone stays in the history.  Options are as for apply.\n"
      "\n"
      "Example: socknet rollback --dry-run\n",
      false, cmd_rollback,
      "back to an earlier state" },
    { NULL, "history", "",
      "who applied what, and when",
      "The last 100 revisions are kept, or 8 MiB of text.\n"
      "\n"
      "Example: socknet history\n",
      false, cmd_history,
      "who applied what, when" },
    { NULL, "show", "REVISION",
      "print the state file of a revision as it was applied",
      "Example: socknet show 12 >state.yaml\n",
      false, cmd_show,
      "the file of a revision" },
    { NULL, "export", "",
      "print the database's desired state as YAML",
      "Applying what it prints changes nothing.\n"
      "\n"
      "Example: socknet export >state.yaml\n",
      false, cmd_export,
      "the state as YAML" },

    { "Looking", "status", "[--check]",
      "one screen: mesh, nodes, daemons, problems",
      "  --check       exit code 1 if there is any problem\n"
      "\n"
      "Example: socknet status\n",
      false, cmd_status,
      "mesh, daemons, problems" },
    { NULL, "nodes", "[NAME]",
      "nodes, their peers and what they enforce",
      "Example: socknet nodes node2\n",
      false, cmd_nodes,
      "nodes and their peers" },
    { NULL, "node", "rotate|revoke|restore NAME [--wait]",
      "rotate a node's key, revoke it, take it back",
      "rotate: the node makes a new key for the mesh, and takes it once all\n"
      "peers know it; no tunnel breaks.  revoke: the other nodes drop it and\n"
      "refuse its key for ever.  restore: it may come back, with a new key.\n"
      "What is asked for here outlasts `apply`: see state-file.md.\n"
      "\n"
      "  --wait        return when it is done, or fail after the --timeout\n"
      "                (60 s) and say who has not\n"
      "\n"
      "Example: socknet node rotate node2 --wait\n",
      false, cmd_node,
      "rotate or revoke its keys" },
    { NULL, "peers", "[NODE] [--not-direct]",
      "how nodes reach each other",
      "  --not-direct  only pairs that are relayed or not connected\n"
      "\n"
      "Example: socknet peers --not-direct\n",
      false, cmd_peers },
    { NULL, "exit", "test [NODE/EXIT]",
      "test exits now, through their tunnels",
      "This host's agent tests: who answers, the address seen outside,\n"
      "names, and where the kernel would send a container's packet.  Of\n"
      "other hosts, it shows what their agents reported last.  Exit code 1\n"
      "if one does not work.\n"
      "\n"
      "Example: socknet exit test oo1424oo/warp\n",
      false, cmd_exit,
      "test exits" },
    { NULL, "containers", "[NAME] [--node NAME]",
      "containers, their ports and identities",
      "  --node NAME   those of one node only\n"
      "\n"
      "Example: socknet containers xray\n",
      false, cmd_containers,
      "ports and identities" },
    { NULL, "services", "[NAME]",
      "services, their addresses and backends",
      "A backend drains while it has connections and weight 0.\n"
      "\n"
      "Example: socknet services vectors\n",
      false, cmd_services,
      "addresses and backends" },
    { NULL, "flows", "[--node NAME] [--switch[=TARGET]] [FILTER]...",
      "a node's flows, with counters if from its switch",
      "  --node NAME   the node (default: this host's name)\n"
      "  --switch[=TARGET]\n"
      "                the flows that are installed, with their counters\n"
      "                (default: unix:/run/openvswitch/vmbr0.mgmt)\n"
      "  --from PATH   a state file instead of the database\n"
      "  --container NAME\n"
      "                only what concerns a container: its own flows, and\n"
      "                the rules that name it\n"
      "  --table NAME  only one table, by name or number\n"
      "  --rule NAME   only what an acl or a segment caused\n"
      "  --explain     a comment above the flows of each cause\n"
      "\n"
      "Example: socknet flows --switch --rule api-to-vectors\n",
      false, cmd_flows,
      "a node's flows, counters" },
    { NULL, "explain", "[COOKIE]... [--from PATH]",
      "what caused each line of ovs-ofctl dump-flows",
      "Reads the lines on standard input if no cookie is given; those of\n"
      "ovs-appctl ofproto/trace too.\n"
      "\n"
      "  --from PATH   a state file instead of the database\n"
      "  --node NAME   the node, if PATH describes a single host\n"
      "\n"
      "Example: ovs-ofctl -O OpenFlow15 dump-flows vmbr0 | socknet explain\n",
      false, cmd_explain,
      "what caused a flow" },

    { NULL, "why", "A B [PROTO[/PORT]] [--from PATH]",
      "whether A reaches B by the rules, and which one decides",
      "Follows the first packet of a connection through the compiled flows\n"
      "of all hosts, without a switch.  A and B are as in rules: container,\n"
      "tag, segment, node:NAME; B also a service, internet, an address.\n"
      "PROTO is icmp (the default), tcp, udp or sctp.\n"
      "\n"
      "  --from PATH   a state file instead of the database\n"
      "  --node NAME   the node, if PATH describes a single host\n"
      "\n"
      "Example: socknet why op-dbus-api vector-db tcp/6333\n",
      false, cmd_why,
      "which rule lets A reach B" },
    { NULL, "trace", "A B [PROTO[/PORT]]",
      "a packet's way through the running network, host by host",
      "Asks the agents of the hosts on the way: which of the installed flows\n"
      "it meets (Open vSwitch's own trace), where the host routes it, which\n"
      "WireGuard peer takes it and whether that answers, and the same at the\n"
      "far end and for the answer.  Sends nothing to B.  A is a container,\n"
      "node:NAME or client:NAME; B also a service, internet, an address.\n"
      "PROTO is icmp (the default), tcp, udp or sctp.\n"
      "\n"
      "  --ipv6          IPv6, where both have it\n"
      "  --all           also the stages that do nothing, and the answer\n"
      "  --wait SECONDS  how long to wait for each agent (default: 6)\n"
      "\n"
      "Exit code 0 if it arrives, 1 if it is stopped or nobody can tell.\n"
      "\n"
      "Example: socknet trace op-dbus-api vector-db tcp/6333\n",
      false, cmd_trace,
      "follow a packet, live" },
    { NULL, "prove", "[PATH] [--node NAME]",
      "what holds for every packet, or a packet that shows otherwise",
      "Follows all packets at once through the compiled flows of all hosts,\n"
      "and holds what leaves by which port against the state: uplinks,\n"
      "hosts, mesh and exits, spoofed addresses, and who reaches whom.  What\n"
      "does not hold is shown by a packet and its way.  Without PATH, of the\n"
      "database.  No switch is asked.\n"
      "\n"
      "  --node NAME   the node, if PATH describes a single host\n"
      "\n"
      "Exit code 1 if anything is refuted.\n"
      "\n"
      "Example: socknet prove examples/two-hosts.yaml\n",
      false, cmd_prove,
      "what holds for any packet" },
    { NULL, "doctor", "[--node NAME] [--pki DIR]",
      "look at this host as an experienced operator would",
      "Checks daemons, switch, kernel, certificates, clock, MTUs, and what\n"
      "other programs on the host do to the mesh's packets.  Changes\n"
      "nothing.  Runs without root, and then says what it could not see.\n"
      "\n"
      "  --node NAME   this host's node (default: this host's name)\n"
      "  --pki DIR     its certificates (default: /etc/socknet/pki)\n"
      "\n"
      "Exit code 1 if a check fails; warnings are no failure.\n"
      "\n"
      "Example: socknet doctor\n",
      false, cmd_doctor,
      "look this host over" },
    { NULL, "bundle", "[-o FILE]",
      "one archive of what a bug report needs, without secrets",
      "Status, doctor's findings, the state, flows, what ovs-vsctl, ip, nft\n"
      "and wg show, and the ends of logs, as a .tar.gz that only its owner\n"
      "can read.  Private keys, passwords and tokens are taken out; names\n"
      "and addresses are not: look before you publish it.\n"
      "\n"
      "  -o, --output FILE\n"
      "                where to write it (default: socknet-HOST-TIME.tar.gz)\n"
      "\n"
      "Example: socknet bundle -o /root/report.tar.gz\n",
      false, cmd_bundle,
      "an archive for bug reports" },
    { NULL, "client", "add|list|show|revoke|remove [NAME]",
      "guests: phones and laptops with WireGuard",
      "add prints a profile for WireGuard's apps, once: its private key is\n"
      "kept nowhere.  The node needs a vpn_server with auto_provision: true.\n"
      "\n"
      "  --node NAME       add: by which node it comes in\n"
      "  --tag TAG         add: a tag for rules (repeatable)\n"
      "  --expires WHEN    add: until when: 30d, 12h, 2026-12-24\n"
      "  --qr              add: print a QR code too, for a phone's camera\n"
      "  --png FILE        add: write it as a picture\n"
      "  --wait            return when all have confirmed, or fail after\n"
      "                    the --timeout (60 s)\n"
      "\n"
      "Example: socknet client add phone --tag guest --expires 30d --qr\n",
      false, cmd_client,
      "phones and laptops" },

    { "Setting up", "db", "SUBCOMMAND [OPTION]...",
      "make, serve, copy and look at the central database",
      "create, serve [FILE]: alone.  init [FILE] (--from OLD), join [FILE]\n"
      "(--remote MEMBER[,...]): as a member of a cluster, served by serve;\n"
      "relay (--from REMOTE[,...]) brings members to hosts.  FILE is\n"
      "/var/lib/socknet/socknet.db.  status: exit code 1 if it is not well.\n"
      "backup BACKUP, restore BACKUP [FILE]: copies.  upgrade: a cluster's\n"
      "schema.  compact: its file.  leave, kick MEMBER: fewer members.\n"
      "\n"
      "  --db unix:PATH     where this host's programs find it\n"
      "                     (default: unix:/run/socknet/db.sock)\n"
      "  --pki DIR --listen ADDRESS\n"
      "                     for other hosts, by TLS: agents at port 6643,\n"
      "                     controllers 6644; relays at members 6645\n"
      "  --name NAME        the certificate (default: socknet-db; of members\n"
      "                     and relays: this host's name)\n"
      "  --timeout SECONDS  how long leave and kick may take (10)\n"
      "  --detach --pidfile[=FILE] --log-file[=FILE] --unixctl=SOCKET -vSPEC\n"
      "\n"
      "Example: socknet db serve --pki /etc/socknet/pki --listen 192.0.2.1\n",
      true, cmd_db,
      "the central database" },
    { NULL, "pki", "init|node NAME|member NAME|show [--dir DIR]",
      "the certificates that the hosts trust",
      "init makes an authority and the database's certificate, node a host's\n"
      "key and certificate, member those of a cluster's member or a relay;\n"
      "show lists them.  Nothing is overwritten.\n"
      "\n"
      "  --dir DIR     the folder (default: /etc/socknet/pki)\n"
      "  --days N      how long it is valid (10 years; 5 years)\n"
      "  --server      node: can be the server of TLS too, not only a client\n"
      "\n"
      "Example: socknet pki init && socknet pki node node2\n",
      true, cmd_pki,
      "certificates of the hosts" },
    { .name = NULL },
};

const struct command *
command_find(const char *name)
{
    for (const struct command *c = commands; c->name; c++) {
        if (!strcmp(c->name, name)) {
            return c;
        }
    }
    return NULL;
}

static const char *
command_brief(const struct command *c)
{
    return c->brief ? c->brief : c->summary;
}

/* Two columns, each read downwards.  Returns the first of the next group. */
static const struct command *
print_group(const struct command *group, FILE *stream)
{
    size_t n = 1;

    while (group[n].name && !group[n].group) {
        n++;
    }
    fprintf(stream, "%s:\n", group->group);

    size_t n_rows = (n + 1) / 2;
    for (size_t i = 0; i < n_rows; i++) {
        const struct command *left = &group[i];
        const struct command *right = i + n_rows < n ? left + n_rows : NULL;

        fprintf(stream, "  %-11s%-*s%s%-11s%s\n", left->name,
                right ? COMMAND_BRIEF_MAX : 0, command_brief(left),
                right ? "  " : "", right ? right->name : "",
                right ? command_brief(right) : "");
    }
    return &group[n];
}

void
command_print_overview(FILE *stream)
{
    fputs("usage: socknet [OPTION]... COMMAND [ARGUMENT]...\n", stream);
    for (const struct command *c = commands; c->name; ) {
        c = print_group(c, stream);
    }
    fputs("Options, before or after the command:\n"
          "  --db REMOTE   the central database (SOCKNET_DB, "
          "unix:/run/socknet/db.sock)\n"
          "  -p KEY -c CERT -C CACERT   for TLS    "
          "-t, --timeout SECONDS   to reach it (5)\n"
          "  --json   for programs    -h, --help    -V, --version    "
          "-v, --verbose[=SPEC]\n"
          "Exit codes: 0 fine, 1 error, 2 changes pending.  "
          "More: socknet COMMAND --help\n",
          stream);
}

void
command_print_help(const struct command *c, FILE *stream)
{
    fprintf(stream, "usage: socknet %s%s%s\n", c->name,
            c->usage[0] ? " " : "", c->usage);
    fprintf(stream, "%c%s.\n", toupper((unsigned char) c->summary[0]),
            c->summary + 1);
    if (c->help[0]) {
        fprintf(stream, "\n%s", c->help);
    }
    fputs("\nExit codes: 0 fine, 1 error.  "
          "More options: `socknet --help`.\n", stream);
}

int
command_fail(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    char *text = xvasprintf(format, args);
    va_end(args);

    fflush(stdout);
    fprintf(stderr, "socknet: error: %s\n", text);
    free(text);
    return EXIT_ERROR;
}

int
command_finish(char *error)
{
    int status = error ? command_fail("%s", error) : EXIT_OK;

    free(error);
    return status;
}

int
command_misused(const char *name, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    char *text = xvasprintf(format, args);
    va_end(args);

    fflush(stdout);
    fprintf(stderr, "socknet: error: %s\n"
            "Try `socknet %s%s--help`.\n", text,
            name ? name : "", name ? " " : "");
    free(text);
    return EXIT_ERROR;
}

int
command_getopt(int argc, char *argv[], const struct option *options)
{
    opterr = 0;

    int c = getopt_long(argc, argv, ":", options, NULL);
    if (c == '?' || c == ':') {
        const char *word = argv[optind - 1];
        if (c == ':') {
            command_misused(argv[0], "%s needs a value", word);
        } else {
            command_misused(argv[0], "unknown option %s", word);
        }
        return '?';
    }
    return c;
}
