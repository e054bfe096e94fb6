#include <config.h>

#include "tests/unit/dns-text.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>
#include "agent/dns-message.h"
#include "openvswitch/dynamic-string.h"

static size_t
put_text_name(struct ds *ds, const uint8_t *msg, size_t at)
{
    if (msg[at] >= 0xc0) {
        ds_put_char(ds, '@');
        return at + 2;
    }
    while (msg[at]) {
        ds_put_buffer(ds, (const char *) msg + at + 1, msg[at]);
        at += 1 + msg[at];
        ds_put_cstr(ds, msg[at] ? "." : "");
    }
    return at + 1;
}

static uint16_t
u16(const uint8_t *p)
{
    return p[0] << 8 | p[1];
}

static size_t
put_text_rr(struct ds *ds, const uint8_t *msg, size_t at)
{
    char address[INET6_ADDRSTRLEN];

    at = put_text_name(ds, msg, at);
    uint16_t type = u16(msg + at);
    size_t data = at + 10, end = data + u16(msg + at + 8);

    switch (type) {
    case DNS_A:
    case DNS_AAAA:
        inet_ntop(type == DNS_A ? AF_INET : AF_INET6, msg + data, address,
                  sizeof address);
        ds_put_format(ds, " %s", address);
        break;
    case DNS_PTR:
    case DNS_NS:
        ds_put_cstr(ds, type == DNS_NS ? " NS " : " PTR ");
        put_text_name(ds, msg, data);
        break;
    case DNS_SRV:
        ds_put_format(ds, " SRV %d ", u16(msg + data + 4));
        put_text_name(ds, msg, data + 6);
        break;
    case DNS_SOA:
        ds_put_cstr(ds, " SOA ");
        put_text_name(ds, msg, data);
        break;
    case DNS_OPT:
        ds_put_format(ds, " OPT %d", u16(msg + at + 2));
        break;
    default:
        ds_put_format(ds, " type %d", type);
        break;
    }
    return end;
}

char *
dns_text_of_reply(const uint8_t *msg, size_t n)
{
    static const char *const rcodes[] = {
        "NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED",
    };
    static const char *const sections[] = { "", " auth:", " more:" };
    struct ds ds = DS_EMPTY_INITIALIZER;
    size_t at = DNS_HEADER_LEN;

    ds_put_format(&ds, "%s%s%s", rcodes[msg[3] & 15],
                  msg[2] & 4 ? " aa" : "", msg[2] & 2 ? " tc" : "");
    assert_true(msg[2] & 0x80);
    if (u16(msg + 4)) {
        struct ds ignored = DS_EMPTY_INITIALIZER;

        at = put_text_name(&ignored, msg, at) + 4;
        ds_destroy(&ignored);
    }
    for (int section = 0; section < 3; section++) {
        int count = u16(msg + 6 + 2 * section);

        ds_put_cstr(&ds, count ? sections[section] : "");
        for (; count; count--) {
            ds_put_char(&ds, ' ');
            at = put_text_rr(&ds, msg, at);
        }
    }
    assert_int_equal(at, n);
    return ds_steal_cstr(&ds);
}
