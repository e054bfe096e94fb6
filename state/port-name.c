#include <config.h>

#include "state/port-name.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include "crc32c.h"
#include "openvswitch/util.h"
#include "util.h"

/* Whether 'name' is PREFIX<number>MIDDLE<number>SUFFIX, the numbers written as
 * Proxmox writes them. */
static bool
parse(const char *name, const char *prefix, char middle, const char *suffix,
      unsigned int numbers[2])
{
    size_t len = strlen(prefix);
    int n = 0;
    char c;

    if (strncmp(name, prefix, len)
        || !ovs_scan(name + len, "%u%c%u%n", &numbers[0], &c, &numbers[1],
                     &n)) {
        return false;
    }

    char *again = xasprintf("%s%u%c%u%s", prefix, numbers[0], middle,
                            numbers[1], suffix);
    bool same = c == middle && !strcmp(again, name);

    free(again);
    return same;
}

bool
port_name_parse_veth(const char *name, unsigned int *ret_vmid,
                     unsigned int *ret_index)
{
    unsigned int numbers[2];
    bool ok = parse(name, "veth", 'i', "", numbers);

    if (ok) {
        *ret_vmid = numbers[0];
        *ret_index = numbers[1];
    }
    return ok;
}

char *
port_name_firewall(const char *veth)
{
    unsigned int vmid, index;

    return (port_name_parse_veth(veth, &vmid, &index)
            ? xasprintf("fwln%uo%u", vmid, index) : NULL);
}

char *
port_name_firewall_bridge(const char *veth)
{
    unsigned int vmid, index;

    return (port_name_parse_veth(veth, &vmid, &index)
            ? xasprintf("fwbr%ui%u", vmid, index) : NULL);
}

char *
port_name_veth(const char *port)
{
    unsigned int numbers[2];

    return (parse(port, "fwln", 'o', "", numbers)
            ? xasprintf("veth%ui%u", numbers[0], numbers[1])
            : xstrdup(port));
}

char *
port_name_unknown(const char *id)
{
    size_t len = strlen(id);
    size_t plain = strspn(id, "abcdefghijklmnopqrstuvwxyz"
                          "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-");

    return (plain == len && len < IFNAMSIZ - 1 ? xasprintf(":%s", id)
            : xasprintf(":%.*s-%08"PRIx32, (int) MIN(plain, 5), id,
                        ntohl(crc32c((const uint8_t *) id, len))));
}

bool
port_name_is_unknown(const char *name)
{
    return name[0] == ':';
}

bool
port_name_is_transient(const char *name)
{
    unsigned int numbers[2];

    return parse(name, "veth", 'i', "p", numbers);
}

bool
port_name_is_tap(const char *name)
{
    unsigned int numbers[2];

    return parse(name, "tap", 'i', "", numbers);
}
