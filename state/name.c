#include <config.h>

#include "state/name.h"

#include <net/if.h>
#include <string.h>
#include <strings.h>
#include "openvswitch/util.h"
#include "util.h"

static const char name_chars[] =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";

char *
name_validate(const char *name)
{
    if (!name[0]) {
        return xstrdup("a name cannot be empty");
    }
    if (strlen(name) > 63) {
        return xstrdup("a name has at most 63 characters");
    }
    if (name[strspn(name, name_chars)] || strchr("._-", name[0])) {
        return xstrdup("a name has letters, digits, \".\", \"_\" and \"-\", "
                       "and starts with a letter or a digit");
    }
    return NULL;
}

char *
name_validate_interface(const char *name)
{
    /* ofputil_port_from_string()'s words, and "lo". */
    static const char *const words[] = {
        "all", "any", "controller", "flood", "in_port", "lo", "local", "none",
        "normal", "table", "unset",
    };

    if (!name[0]) {
        return xstrdup("an interface's name cannot be empty");
    }
    if (strlen(name) >= IFNAMSIZ) {
        return xasprintf("an interface's name has at most %d characters, "
                         "this one has %"PRIuSIZE,
                         IFNAMSIZ - 1, strlen(name));
    }
    if (name[strspn(name, name_chars)] || name[0] == '-'
        || !strcmp(name, ".") || !strcmp(name, "..")) {
        return xstrdup("an interface's name has letters, digits, \".\", "
                       "\"_\" and \"-\"");
    }
    if (str_is_decimal(name)) {
        return xstrdup("a number would be taken for a port number");
    }
    for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
        if (!strcasecmp(name, words[i])) {
            return xstrdup("the word means something else in OpenFlow");
        }
    }
    return NULL;
}

#define DOMAIN_MAX 180          /* Of 253: with a service or a name before. */

char *
name_validate_domain(const char *name)
{
    static const char label_chars[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
    const char *label = name;

    if (strlen(name) > DOMAIN_MAX) {
        return xasprintf("a domain has at most %d characters here",
                         DOMAIN_MAX);
    }
    for (;;) {
        size_t n = strspn(label, label_chars);

        if (label[n] && label[n] != '.') {
            return xstrdup("a domain has letters, digits, \"-\" and \".\"");
        } else if (!n || n > 63) {
            return xstrdup("between the dots of a domain there are 1 to 63 "
                           "characters");
        } else if (label[0] == '-' || label[n - 1] == '-') {
            return xstrdup("no part of a domain starts or ends with \"-\"");
        } else if (!label[n]) {
            return NULL;
        }
        label += n + 1;
    }
}

bool
name_is_reserved(const char *name)
{
    return !strcmp(name, "internet") || !strcmp(name, "none");
}

bool
str_is_decimal(const char *s)
{
    return s[0] && strspn(s, "0123456789") == strlen(s);
}

bool
name_is_public_key(const char *s)
{
    static const char base64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                 "abcdefghijklmnopqrstuvwxyz0123456789+/";

    /* 43 characters have 258 bits: the last has two to spare. */
    return (strlen(s) == 44 && strspn(s, base64) == 43 && s[43] == '='
            && strchr("AEIMQUYcgkosw048", s[42]));
}
