#include <config.h>

#include "state/when.h"

#include <string.h>
#include <time.h>
#include "state/name.h"
#include "util.h"

/* A year of four digits ends there. */
#define MAX_SECONDS INT64_C(253402300799)

bool
when_parse(const char *s, int64_t *ret_seconds)
{
    static const char *const formats[] = {
        "%Y-%m-%d", "%Y-%m-%dT%H:%MZ", "%Y-%m-%dT%H:%M:%SZ",
    };

    for (size_t i = 0; i < ARRAY_SIZE(formats); i++) {
        struct tm tm = { .tm_mday = 1 };
        const char *end = strptime(s, formats[i], &tm);

        if (end && !*end) {
            struct tm asked = tm;
            int64_t seconds = timegm(&tm);

            /* timegm() takes 30 February for 2 March. */
            if (tm.tm_mday != asked.tm_mday || seconds <= 0
                || seconds > MAX_SECONDS) {
                return false;
            }
            *ret_seconds = seconds;
            return true;
        }
    }
    return false;
}

char *
when_to_string(int64_t seconds)
{
    time_t t = seconds;
    char text[64] = "";
    struct tm tm;

    if (gmtime_r(&t, &tm)) {
        strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &tm);
    }
    return xstrdup(text);
}

bool
when_parse_duration(const char *s, int64_t *ret_seconds)
{
    static const struct { char unit; int seconds; } units[] = {
        { 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 },
        { 'w', 7 * 86400 },
    };
    size_t len = strlen(s);
    unsigned int number;

    for (size_t i = 0; len > 1 && i < ARRAY_SIZE(units); i++) {
        if (s[len - 1] == units[i].unit) {
            char *digits = xmemdup0(s, len - 1);
            bool ok = (str_is_decimal(digits)
                       && str_to_uint(digits, 10, &number) && number > 0
                       && number <= 1000000);

            free(digits);
            if (ok) {
                *ret_seconds = (int64_t) number * units[i].seconds;
            }
            return ok;
        }
    }
    return false;
}
