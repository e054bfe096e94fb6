#include <config.h>
#include "agent/ct-config.h"

#include <stdlib.h>
#include <string.h>

#include "openvswitch/util.h"
#include "util.h"

/* LXC's "lxc.key = value" lines (lxc.container.conf(5)). */

static void
set_string(char **s, const char *value)
{
    free(*s);
    *s = value[0] ? xstrdup(value) : NULL;
}

static void
parse_net(struct ct_nic *nic, const char *key, char *value)
{
    if (!strcmp(key, "type")) {
        nic->is_veth = !strcmp(value, "veth");
    } else if (!strcmp(key, "name")) {
        set_string(&nic->name, value);
    } else if (!strcmp(key, "link")) {
        set_string(&nic->bridge, value);
    } else if (!strcmp(key, "hwaddr")) {
        ct_nic_set_mac(nic, value);
    } else if (!strcmp(key, "veth.pair")) {
        set_string(&nic->veth, value);
    } else if (!strcmp(key, "ipv4.address")) {
        value[strcspn(value, " \t")] = '\0';    /* The broadcast address. */
        ct_nic_add_address(nic, value, true);
    } else if (!strcmp(key, "ipv6.address")) {
        ct_nic_add_address(nic, value, false);
    }
}

static char *
trim(char *s)
{
    size_t len;

    s += strspn(s, " \t\r");
    len = strlen(s);
    while (len && strchr(" \t\r", s[len - 1])) {
        s[--len] = '\0';
    }
    return s;
}

static void
parse_line(struct ct_config *config, char *line, lxc_include_cb *include,
           void *aux)
{
    char *equals = strchr(line, '=');
    unsigned int index;
    int n = 0;

    line = trim(line);
    if (line[0] == '#' || !equals) {
        return;
    }
    *equals = '\0';
    const char *key = trim(line);
    char *value = trim(equals + 1);

    if (!strcmp(key, "lxc.include")) {
        if (include && value[0] == '/') {
            include(value, config, aux);
        }
    } else if (!strcmp(key, "lxc.uts.name") && value[0]) {
        set_string(&config->name, value);
    } else if (!strcmp(key, "lxc.net") && !value[0]) {
        ct_config_clear_nics(config); /* An empty value clears the list. */
    } else if (ovs_scan(key, "lxc.net.%4u.%n", &index, &n) && n) {
        parse_net(ct_config_get_nic(config, index), key + n, value);
    }
}

void
lxc_conf_parse(const char *text, struct ct_config *config,
               lxc_include_cb *include, void *aux)
{
    char *copy = xstrdup(text);
    char *save = NULL;

    for (char *line = strtok_r(copy, "\n", &save); line;
         line = strtok_r(NULL, "\n", &save)) {
        parse_line(config, line, include, aux);
    }
    free(copy);
}
