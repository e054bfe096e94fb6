#include <config.h>
#include "agent/ct-config.h"

#include <stdlib.h>
#include <string.h>

#include "openvswitch/util.h"
#include "util.h"

/* Proxmox's "key: value" lines, and the "key=value,..." of its networks. */

static void
set_string(char **s, const char *value)
{
    free(*s);
    *s = xstrdup(value);
}

static void
parse_option(struct ct_nic *nic, const char *key, const char *value)
{
    if (!strcmp(key, "bridge")) {
        set_string(&nic->bridge, value);
    } else if (!strcmp(key, "hwaddr")) {
        ct_nic_set_mac(nic, value);
    } else if (!strcmp(key, "ip")) {
        ct_nic_add_address(nic, value, true);
    } else if (!strcmp(key, "ip6")) {
        ct_nic_add_address(nic, value, false);
    } else if (!strcmp(key, "link_down")) {
        nic->link_down = !strcmp(value, "1");
    }
}

static void
parse_net(struct ct_nic *nic, char *value)
{
    char *save = NULL;

    for (char *option = strtok_r(value, ", \t", &save); option;
         option = strtok_r(NULL, ", \t", &save)) {
        char *equals = strchr(option, '=');

        if (equals) {
            *equals = '\0';
            parse_option(nic, option, equals + 1);
        }
    }
}

static void
parse_line(struct ct_config *config, char *line)
{
    char *colon = strchr(line, ':');
    unsigned int index;
    int n = 0;

    if (line[0] == '#' || !colon) {
        return;
    }
    *colon = '\0';
    char *value = colon + 1 + strspn(colon + 1, " \t");
    value[strcspn(value, "\r")] = '\0';

    if (!strcmp(line, "hostname") && value[0]) {
        set_string(&config->name, value);
    } else if (ovs_scan(line, "net%2u%n", &index, &n) && !line[n]) {
        struct ct_nic *nic = ct_config_get_nic(config, index);

        free(nic->veth);
        nic->veth = xasprintf("veth%si%u", config->id, index);
        parse_net(nic, value);
    }
}

void
pve_conf_parse(const char *text, struct ct_config *config)
{
    char *copy = xstrdup(text);
    char *save = NULL;

    for (char *line = strtok_r(copy, "\n", &save); line && line[0] != '[';
         line = strtok_r(NULL, "\n", &save)) {
        parse_line(config, line);
    }
    free(copy);
}
