#include <config.h>

#include "cli/protocol.h"

#include <netinet/in.h>
#include <string.h>
#include "cli/command.h"
#include "util.h"

bool
protocol_parse(const char *name, const char *s, uint8_t *ret_ip_proto,
               char **ret_port)
{
    static const struct { const char *name; uint8_t ip_proto; } protos[] = {
        { "tcp", IPPROTO_TCP }, { "udp", IPPROTO_UDP },
        { "sctp", IPPROTO_SCTP }, { "icmp", IPPROTO_ICMP },
    };
    size_t len = strcspn(s, "/");
    uint8_t ip_proto = 0;

    for (size_t i = 0; i < ARRAY_SIZE(protos); i++) {
        if (strlen(protos[i].name) == len
            && !strncmp(s, protos[i].name, len)) {
            ip_proto = protos[i].ip_proto;
        }
    }
    if (!ip_proto || (ip_proto == IPPROTO_ICMP) != (s[len] == '\0')) {
        command_misused(name, "\"%s\" is not icmp, tcp/PORT, udp/PORT or "
                        "sctp/PORT", s);
        return false;
    }
    *ret_ip_proto = ip_proto;
    *ret_port = s[len] ? xstrdup(s + len + 1) : NULL;
    return true;
}
