#include <config.h>

#include "lib/rate.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "openvswitch/util.h"
#include "util.h"

static const struct { const char *suffix; uint32_t kbps; } units[] = {
    { "kbit", 1 }, { "mbit", 1000 }, { "gbit", 1000 * 1000 },
};

static char *
bad_rate(void)
{
    return xstrdup("a rate, like 100Mbit, 512kbit or 2000pps");
}

/* "12", "1.5": up to nine digits before the point and three after it.
 * Thousandths go to '*ret_value'. */
static bool
parse_number(const char *s, size_t n, uint64_t *ret_value)
{
    const char *point = memchr(s, '.', n);
    size_t whole = point ? point - s : n;
    size_t rest = point ? n - whole - 1 : 0;
    uint64_t value = 0;

    if (!whole || whole > 9 || rest > 3 || (point && !rest)) {
        return false;
    }
    for (size_t i = 0; i < whole + 3; i++) {
        char c = i < whole ? s[i] : i - whole < rest ? s[i + 1] : '0';

        if (!isdigit((unsigned char) c)) {
            return false;
        }
        value = value * 10 + (c - '0');
    }
    *ret_value = value;
    return true;
}

char *
sn_rate_parse(const char *s, struct sn_rate *ret_rate)
{
    size_t n = strspn(s, "0123456789.");
    struct sn_rate rate = { 0, 0 };
    uint64_t value;

    if (!parse_number(s, n, &value)) {
        return bad_rate();
    }
    if (!strcasecmp(s + n, "pps")) {
        if (value % 1000 || value / 1000 > UINT32_MAX) {
            return bad_rate();
        }
        rate.pps = value / 1000;
    } else {
        for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
            if (!strcasecmp(s + n, units[i].suffix)) {
                uint64_t kbps = value * units[i].kbps / 1000;

                rate.kbps = MIN(kbps, UINT32_MAX);
            }
        }
    }
    if (!rate.kbps && !rate.pps) {
        return bad_rate();
    }
    *ret_rate = rate;
    return NULL;
}

char *
sn_rate_to_string(struct sn_rate rate)
{
    size_t i = ARRAY_SIZE(units);

    if (rate.pps) {
        return xasprintf("%"PRIu32"pps", rate.pps);
    }
    while (i > 1 && rate.kbps % units[i - 1].kbps) {
        i--;
    }
    i--;
    return xasprintf("%"PRIu32"%c%s", rate.kbps / units[i].kbps,
                     i ? toupper((unsigned char) units[i].suffix[0]) : 'k',
                     units[i].suffix + 1);
}
