#include <config.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "cli/doctor.h"
#include "cli/session.h"
#include "lib/host-bridge.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/json.h"
#include "openvswitch/shash.h"
#include "ovsdb-idl.h"
#include "ovsdb-sync/socknet-idl.h"
#include "state/model.h"
#include "timeval.h"
#include "util.h"

/* What others on the host do to packets of the mesh, and WireGuard. */

/* Routes' and rules' protocol that agents mark theirs with. */
#define OUR_PROTOCOL "83"
#define MAIN_TABLE_PRIORITY 32766

/* nftables. */

static const struct json *
nft_object(const struct json *item, const char *kind)
{
    return item->type == JSON_OBJECT
           ? shash_find_data(json_object(item), kind) : NULL;
}

/* Whether a rule of the table accepts something and says 'word', be it the
 * name of an interface or a port. */
static bool
table_has_accept(const struct json *all, const struct json *chain,
                 const char *word)
{
    char *quoted = xasprintf("\"%s\"", word);
    char *number = xasprintf(":%s", word);
    bool found = false;

    for (size_t i = 0; !found && i < json_array(all)->n; i++) {
        const struct json *rule = nft_object(json_array(all)->elems[i],
                                             "rule");

        if (rule && !strcmp(doctor_json_string(rule, "table"),
                            doctor_json_string(chain, "table"))
            && !strcmp(doctor_json_string(rule, "family"),
                       doctor_json_string(chain, "family"))) {
            char *text = json_to_string(rule, 0);

            found = strstr(text, "\"accept\"")
                    && (strstr(text, quoted) || strstr(text, number));
            free(text);
        }
    }
    free(quoted);
    free(number);
    return found;
}

/* Who has made a table with such chains. */
static const char *
guess_owner(const struct json *all, const struct json *chain,
            const char **ret_remedy)
{
    for (size_t i = 0; i < json_array(all)->n; i++) {
        const struct json *c = nft_object(json_array(all)->elems[i], "chain");

        if (!c || strcmp(doctor_json_string(c, "table"),
                         doctor_json_string(chain, "table"))) {
            continue;
        }
        const char *name = doctor_json_string(c, "name");
        if (!strncmp(name, "DOCKER", 6)) {
            *ret_remedy = "iptables -I DOCKER-USER -i vmbr0 -j ACCEPT; "
                          "iptables -I DOCKER-USER -o vmbr0 -j ACCEPT "
                          "(socknet's own guards stay)";
            return " (Docker's)";
        } else if (!strncmp(name, "PVEFW", 5)) {
            *ret_remedy = "allow vmbr0 and the mesh in the datacenter's or "
                          "the host's Proxmox firewall";
            return " (Proxmox firewall's)";
        }
    }
    *ret_remedy = "have it accept packets from and to vmbr0, and UDP to the "
                  "mesh's port";
    return "";
}

/* Returns whether there was something to say. */
static bool
check_chain(struct doctor *d, const struct json *all,
            const struct json *chain)
{
    const char *hook = doctor_json_string(chain, "hook");
    const char *family = doctor_json_string(chain, "family");
    bool forward = !strcmp(hook, "forward");
    char port[8];
    const char *remedy;

    if (strcmp(doctor_json_string(chain, "policy"), "drop")
        || (!forward && strcmp(hook, "input"))
        || !strcmp(doctor_json_string(chain, "table"), "socknet")
        || (strcmp(family, "ip") && strcmp(family, "ip6")
            && strcmp(family, "inet"))) {
        return false;
    }
    snprintf(port, sizeof port, "%u", (unsigned int) d->listen_port);
    if (forward ? table_has_accept(all, chain, SN_BRIDGE)
                  || table_has_accept(all, chain, d->mesh)
        : table_has_accept(all, chain, port)) {
        return false;
    }

    const char *owner = guess_owner(all, chain, &remedy);
    doctor_report(d, DOCTOR_WARN, remedy,
                  "chain %s of table %s %s%s drops what no rule accepts: %s",
                  doctor_json_string(chain, "name"), family,
                  doctor_json_string(chain, "table"), owner,
                  forward ? "traffic between containers, mesh and exits"
                  : "the mesh's own packets");
    return true;
}

/* Rules that iptables of before nftables made. */
static bool
check_legacy(struct doctor *d)
{
    char *tables = doctor_read("/proc/net/ip_tables_names");
    char *text = tables && tables[0]
                 ? doctor_run(NULL, "iptables-legacy", "-S", "FORWARD", NULL)
                 : NULL;
    bool drops = text && !strncmp(text, "-P FORWARD DROP", 15)
                 && !strstr(text, SN_BRIDGE);

    if (drops) {
        doctor_report(d, DOCTOR_WARN,
                      "iptables-legacy -I FORWARD -i vmbr0 -j ACCEPT; "
                      "iptables-legacy -I FORWARD -o vmbr0 -j ACCEPT",
                      "iptables-legacy's FORWARD drops what no rule accepts: "
                      "traffic between containers, mesh and exits");
    }
    free(text);
    free(tables);
    return drops;
}

void
doctor_firewall(struct doctor *d)
{
    char *error;
    struct json *json = doctor_run_json(&error, "nft", "-j", "list",
                                        "ruleset", NULL);
    const struct json *all = json ? nft_object(json, "nftables") : NULL;
    bool any = check_legacy(d);

    if (!all || all->type != JSON_ARRAY) {
        doctor_report(d, DOCTOR_UNKNOWN, NULL, "the rules of nftables: %.*s",
                      error ? (int) strcspn(error, "\n") : 4,
                      error ? error : "none");
    } else {
        for (size_t i = 0; i < json_array(all)->n; i++) {
            const struct json *chain = nft_object(json_array(all)->elems[i],
                                                  "chain");

            any |= chain && check_chain(d, all, chain);
        }
        if (!any) {
            doctor_report(d, DOCTOR_OK, NULL,
                          "no other firewall drops what the mesh forwards");
        }
    }
    json_destroy(json);
    free(error);
}

/* Routing rules. */

static bool
rule_is_selective(const struct json *rule)
{
    static const char *const selectors[] = {
        "iif", "oif", "fwmark", "dst", "ipproto", "dport", "sport",
        "uid_range", "tos", "not",
    };

    for (size_t i = 0; i < ARRAY_SIZE(selectors); i++) {
        if (shash_find(json_object(rule), selectors[i])) {
            return true;
        }
    }
    return strcmp(doctor_json_string(rule, "src"), "all");
}

static bool
check_rules(struct doctor *d, const char *family, const char *option)
{
    struct json *rules = doctor_run_json(NULL, "ip", "-j", option, "rule",
                                         "list", NULL);
    bool any = false;

    for (size_t i = 0; rules && rules->type == JSON_ARRAY
                       && i < json_array(rules)->n; i++) {
        const struct json *rule = json_array(rules)->elems[i];
        int64_t priority = doctor_json_int(rule, "priority", -1);
        const char *table = doctor_json_string(rule, "table");

        if (rule->type != JSON_OBJECT || priority <= 0
            || priority >= MAIN_TABLE_PRIORITY || !strcmp(table, "local")
            || !strcmp(table, "main")
            || !strcmp(doctor_json_string(rule, "protocol"), OUR_PROTOCOL)
            || rule_is_selective(rule)) {
            continue;
        }
        doctor_report(d, DOCTOR_WARN,
                      "limit it (from, iif, fwmark), or put "
                      "\"ip rule add to PREFIX lookup main\" for the mesh's "
                      "prefixes before it",
                      "%s rule %"PRId64" sends everything to table %s before "
                      "the routes of the mesh are looked at", family,
                      priority, table);
        any = true;
    }
    json_destroy(rules);
    return any;
}

void
doctor_rules(struct doctor *d)
{
    bool any = check_rules(d, "IPv4", "-4");

    any |= check_rules(d, "IPv6", "-6");
    if (!any) {
        doctor_report(d, DOCTOR_OK, NULL,
                      "no routing rule of others is in the way");
    }
}

/* WireGuard. */

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

void
doctor_handshakes(struct doctor *d)
{
    const struct sndb_peer_status *row;
    int64_t now = time_wall();
    size_t n = 0;

    if (!d->session) {
        doctor_report(d, DOCTOR_UNKNOWN, NULL, "the peers' handshakes: "
                      "`ovs-appctl -t socknet-agent peers` tells them");
        return;
    }
    SNDB_PEER_STATUS_FOR_EACH (row, session_idl(d->session)) {
        if (strcmp(row->node, d->node_name)) {
            continue;
        }
        n++;
        if (!row->latest_handshake && !row->tx_bytes) {
            doctor_report(d, DOCTOR_OK, NULL, "%s: nothing was sent yet",
                          row->peer);
        } else if (!row->latest_handshake) {
            doctor_report(d, DOCTOR_FAIL,
                          "UDP to its endpoint: firewalls on the way, a "
                          "wrong endpoint, or its agent",
                          "peer %s has never answered", row->peer);
        } else if (now + 5 < row->latest_handshake) {
            doctor_report(d, DOCTOR_WARN, "set the clock", "the handshake "
                          "with %s is in the future", row->peer);
        } else {
            doctor_report(d, DOCTOR_OK, NULL, "%s, %"PRId64" s ago",
                          row->peer, now - row->latest_handshake);
        }
    }
    if (!n) {
        doctor_report(d, DOCTOR_OK, NULL, "no peer yet");
    }
}
