#include <config.h>

#include "cli/redact.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>
#include "openvswitch/dynamic-string.h"
#include "openvswitch/util.h"
#include "util.h"

#define REDACTED "[redacted]"

/* A WireGuard key in base64, and in hex as wireguard-go's socket has it. */
enum { KEY_LEN_BASE64 = 44, KEY_LEN_HEX = 64 };

static bool
is_base64(char c)
{
    return isalnum((unsigned char) c) || c == '+' || c == '/';
}

/* RFC 4648, section 5: for URLs and names of files. */
static size_t
span_base64url(const char *s)
{
    size_t n = 0;

    while (isalnum((unsigned char) s[n]) || s[n] == '-' || s[n] == '_') {
        n++;
    }
    return n;
}

/* 43 characters may also be a name; one that is a key has all sorts. */
static bool
looks_random(const char *s, size_t n)
{
    size_t upper = 0, lower = 0, digit = 0;

    for (size_t i = 0; i < n; i++) {
        upper += isupper((unsigned char) s[i]) != 0;
        lower += islower((unsigned char) s[i]) != 0;
        digit += isdigit((unsigned char) s[i]) != 0;
    }
    return upper > 4 && lower > 4 && digit > 0;
}

static size_t
span_base64(const char *s)
{
    size_t n = 0;

    while (is_base64(s[n])) {
        n++;
    }
    return n;
}

static size_t
span_hex(const char *s)
{
    size_t n = 0;

    while (isxdigit((unsigned char) s[n])) {
        n++;
    }
    return n;
}

/* As OpenSSL prints bytes: "f0:18:...". */
static size_t
span_hex_pairs(const char *s)
{
    size_t n = 0;

    while (isxdigit((unsigned char) s[n])
           && isxdigit((unsigned char) s[n + 1])) {
        n += 2;
        if (s[n] != ':') {
            return n;
        }
        n++;
    }
    return 0;
}

/* The length of a key in base64 whose slashes JSON has escaped; 0: it is
 * none. */
static size_t
escaped_key_len(const char *s)
{
    size_t n = 0, chars = 0;

    for (;;) {
        if (is_base64(s[n])) {
            n++;
        } else if (s[n] == '\\' && s[n + 1] == '/') {
            n += 2;
        } else {
            break;
        }
        chars++;
    }
    return chars == KEY_LEN_BASE64 - 1 && s[n] == '=' ? n + 1 : 0;
}

/* What is a key by its looks alone. */
static size_t
key_len(const char *s)
{
    size_t n = span_base64(s);

    if (n == KEY_LEN_BASE64 - 1 && s[n] == '=' && s[n + 1] != '=') {
        return KEY_LEN_BASE64;
    }
    if (n == KEY_LEN_BASE64 - 1 && looks_random(s, n)) {
        return n;               /* Without its "=". */
    }
    n = span_base64url(s);
    if (n == KEY_LEN_BASE64 - 1 && looks_random(s, n)) {
        return n + (s[n] == '=');
    }
    if ((n = escaped_key_len(s)) > 0
        || (n = span_hex_pairs(s)) == KEY_LEN_HEX / 2 * 3 - 1) {
        return n;
    }
    n = span_base64(s);
    if (s[0] == '0' && (s[1] == 'x' || s[1] == 'X')) {
        return span_hex(s + 2) == KEY_LEN_HEX && n == KEY_LEN_HEX + 2
               ? n : 0;
    }
    return span_hex(s) == KEY_LEN_HEX && n == KEY_LEN_HEX ? n : 0;
}

static bool
is_word_start(const char *text, const char *s)
{
    return s == text || !isalnum((unsigned char) s[-1])
           || (isupper((unsigned char) s[0])
               && islower((unsigned char) s[-1]));
}

/* Words behind which there is a secret, written in any case; '_' stands for
 * '-', ' ', '_' or nothing. */
static const char *const words[] = {
    "private_key", "preshared_key", "psk", "pass", "password", "passwd",
    "passphrase", "secret", "token", "api_key", "access_key", "credential",
    "authorization", "bearer", "enrollment", "license_key", "auth_key",
    "setup_key", "encryption_key", "signing_key",
};

/* Short ones, which other words contain, are whole words. */
static bool
is_part_of_word(const char *text, const char *s, const char *word)
{
    size_t len = strlen(word);

    return len <= 4 && (!is_word_start(text, s)
                        || islower((unsigned char) s[len]));
}

/* Length of what 'word' matches at 's'; 0: it does not. */
static size_t
match_word(const char *s, const char *word)
{
    const char *p = s;

    for (; *word; word++) {
        if (*word == '_') {
            p += *p == '-' || *p == '_' || *p == ' ';
        } else if (tolower((unsigned char) *p) != *word) {
            return 0;
        } else {
            p++;
        }
    }
    return p - s;
}

/* The length of 'NAME = ' with quotes and the like, if 's' begins with a word
 * and a value follows.  What lies between the word and the separator is part
 * of the name: "token_id", "secretKey". */
static size_t
secret_name_len(const char *text, const char *s)
{
    for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
        size_t len = match_word(s, words[i]);

        if (!len || is_part_of_word(text, s, words[i])) {
            continue;
        }
        while (isalnum((unsigned char) s[len]) || s[len] == '_'
               || s[len] == '-') {
            len++;
        }
        size_t name = len;
        len += strspn(s + len, "\"'\\ \t");
        if (s[len] == ':' || s[len] == '=') {
            len++;
        } else if (len == name) {
            continue;
        }
        len += strspn(s + len, "\"'\\ \t");
        return len;
    }
    return 0;
}

/* Whether an unquoted value ends at 's', which is one of ",;})]": a password
 * can have these too. */
static bool
is_value_end(const char *s)
{
    size_t name = strspn(s + 1, "abcdefghijklmnopqrstuvwxyz"
                         "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-\"'");

    return !s[1] || strchr(" \t\r\n\"',;})]", s[1])
           || (name && (s[1 + name] == '=' || s[1 + name] == ':'));
}

/* What is more indented than the line of 's', from the line after it. */
static size_t
block_len(const char *text, const char *s)
{
    const char *line = s;
    size_t indent, len = strcspn(s, "\n");

    while (line > text && line[-1] != '\n') {
        line--;
    }
    indent = strspn(line, " ");
    for (;;) {
        const char *next = s + len + (s[len] == '\n');
        size_t n = strspn(next, " ");

        if (!s[len] || n <= indent || !next[n]) {
            return len;
        }
        len = next - s + strcspn(next, "\n");
    }
}

/* A list or a map in brackets, at 's'; at most the line. */
static size_t
brackets_len(const char *s)
{
    size_t n = 0;
    int depth = 0;

    do {
        depth += s[n] == '[' || s[n] == '{';
        depth -= s[n] == ']' || s[n] == '}';
        n++;
    } while (depth && s[n] && s[n] != '\n');
    return n;
}

/* A switch is no secret. */
static bool
is_bool(const char *s)
{
    size_t n = match_word(s, "true");

    n = n ? n : match_word(s, "false");
    return n && !isalnum((unsigned char) s[n]);
}

/* The value at 's', behind a name that ends there. */
static size_t
secret_value_len(const char *text, const char *s)
{
    char before = s > text ? s[-1] : '\0';
    size_t skip = 0;

    if (before == '"' || before == '\'') {
        /* Escaped once more, perhaps. */
        const char close[] = { before, '\n', '\0' };
        size_t n = strcspn(s, close);

        return n && s[n - 1] == '\\' ? n - 1 : n;
    } else if (is_bool(s)) {
        return 0;
    } else if (s[0] == '[' || s[0] == '{') {
        return brackets_len(s);
    } else if (!s[0] || s[0] == '\n'
               || ((s[0] == '|' || s[0] == '>')
                   && strcspn(s, "\n") <= 3)) {
        return block_len(text, s);
    } else if (match_word(s, "bearer ") || match_word(s, "basic ")) {
        /* Of "Authorization: Bearer X" the second word is the secret. */
        skip = strcspn(s, " ") + 1;
    }
    for (size_t n = skip; ; n++) {
        n += strcspn(s + n, "\"'\\ \t\r\n,;})]");
        if (!s[n] || !strchr(",;})]", s[n]) || is_value_end(s + n)) {
            return n;
        }
    }
}

/* The password of a URL: "://USER:PASSWORD@"; 's' is at the "://". */
static size_t
url_password_at(const char *s, size_t *ret_len)
{
    if (strncmp(s, "://", 3)) {
        return 0;
    }
    size_t user = 3 + strcspn(s + 3, ":@/ \t\r\n\"'");
    if (s[user] != ':') {
        return 0;
    }
    *ret_len = strcspn(s + user + 1, "@/ \t\r\n\"'");
    return s[user + 1 + *ret_len] == '@' ? user + 1 : 0;
}

/* The value of "?key=VALUE" or "&sig=VALUE" at 's', which as words alone say
 * too little. */
static size_t
url_parameter_at(const char *s, size_t *ret_len)
{
    static const char *const names[] = {
        "key", "auth", "sig", "signature", "pw", "pwd", "code",
    };

    for (size_t i = 0; (*s == '?' || *s == '&') && i < ARRAY_SIZE(names);
         i++) {
        size_t len = match_word(s + 1, names[i]);

        if (len && s[1 + len] == '=') {
            *ret_len = strcspn(s + 2 + len, "&# \t\r\n\"'");
            return 2 + len;
        }
    }
    return 0;
}

/* The password of the option "-u USER:PASSWORD", as curl has it; 's' is at the
 * option. */
static size_t
user_option_at(const char *text, const char *s, size_t *ret_len)
{
    if (*s != '-' || (s > text && !strchr(" \t\n\"'", s[-1]))) {
        return 0;
    }
    size_t len = (!strncmp(s, "--user", 6) || !strncmp(s, "--proxy-user", 12)
                  ? strcspn(s, "= \t\r\n\"'") : !strncmp(s, "-u", 2) ? 2 : 0);
    if (!len) {
        return 0;
    }
    len += strspn(s + len, "= \t\"'");
    len += strcspn(s + len, ": \t\r\n\"'");
    if (s[len] != ':') {
        return 0;
    }
    *ret_len = strcspn(s + len + 1, " \t\r\n\"'");
    return len + 1;
}

/* The end of a PEM block that begins at 's' and holds a private key; NULL: it
 * is none. */
static const char *
pem_end(const char *s)
{
    static const char begin[] = "-----BEGIN ", end[] = "-----END ";
    size_t line = strcspn(s, "\n");

    if (strncmp(s, begin, strlen(begin))) {
        return NULL;
    }
    char *title = xmemdup0(s, line);
    bool private = strstr(title, "PRIVATE KEY") != NULL;
    free(title);
    if (!private) {
        return NULL;
    }
    const char *p = strstr(s, end);
    return p ? p + strcspn(p, "\n") : s + strlen(s);
}

/* Copies what is no secret at 's', or its replacement, and returns where to go
 * on. */
static const char *
redact_one(const char *text, const char *s, const struct sset *public_keys,
           struct ds *out)
{
    const char *end = *s == '-' ? pem_end(s) : NULL;
    size_t len, value;

    if (end) {
        ds_put_cstr(out, REDACTED);
        return end;
    }
    if ((s == text || !is_base64(s[-1])) && (len = key_len(s)) > 0) {
        char *key = xmemdup0(s, len);

        ds_put_cstr(out, sset_contains(public_keys, key) ? key : REDACTED);
        free(key);
        return s + len;
    }
    if ((len = url_password_at(s, &value)) > 0
        || (len = url_parameter_at(s, &value)) > 0
        || (len = user_option_at(text, s, &value)) > 0) {
        ds_put_buffer(out, s, len);
        ds_put_cstr(out, REDACTED);
        return s + len + value;
    }
    if ((len = secret_name_len(text, s)) > 0) {
        value = secret_value_len(text, s + len);

        ds_put_buffer(out, s, len);
        if (value) {
            ds_put_cstr(out, REDACTED);
        }
        return s + len + value;
    }
    if (!strncmp(s, "eyJ", 3) && is_word_start(text, s)) {
        /* A JSON web token. */
        len = strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                     "0123456789-_.=");
        if (len > 20) {
            ds_put_cstr(out, REDACTED);
            return s + len;
        }
    }
    ds_put_char(out, *s);
    return s + 1;
}

char *
redact(const char *text, const struct sset *public_keys)
{
    struct ds out = DS_EMPTY_INITIALIZER;

    for (const char *s = text; *s; ) {
        s = redact_one(text, s, public_keys, &out);
    }
    return ds_steal_cstr(&out);
}
