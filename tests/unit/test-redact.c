#include <config.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "cli/redact.h"
#include "util.h"

#define KEY "q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJA="
#define PUBLIC "UFVCTElDUFVCTElDUFVCTElDUFVCTElDUFVCTElDUFU="
#define HEX "abcdef1234567890abcdef1234567890abcdef1234567890abcdef1234567890"

/* '*' in 'clean' stands for "[redacted]". */
static const struct {
    const char *text;
    const char *clean;
} rows[] = {
    { "", "" },
    { "nothing to see", "nothing to see" },
    { "PrivateKey = " KEY "\n", "PrivateKey = *\n" },
    { "peer: " PUBLIC "\n", "peer: " PUBLIC "\n" },
    { "peer: " KEY "\n", "peer: *\n" },
    { "x" KEY, "x" KEY },               /* No key: too long. */
    { "private_key=" HEX "\nfwmark=1", "private_key=*\nfwmark=1" },
    { "key " HEX ";", "key *;" },
    { "abcdef12", "abcdef12" },
    { "a\n-----BEGIN PRIVATE KEY-----\nMIIEvQ\n-----END PRIVATE KEY-----\nb",
      "a\n*\nb" },
    { "-----BEGIN EC PRIVATE KEY-----\ncut", "*" },
    { "-----BEGIN CERTIFICATE-----\nMII\n-----END CERTIFICATE-----",
      "-----BEGIN CERTIFICATE-----\nMII\n-----END CERTIFICATE-----" },
    { "password: hunter2", "password: *" },
    { "{\"password\": \"hunter2\", \"a\": 1}",
      "{\"password\": \"*\", \"a\": 1}" },
    { "\"{\\\"token\\\":\\\"abc\\\"}\"", "\"{\\\"token\\\":\\\"*\\\"}\"" },
    { "enrollmentToken: s3cr3t # mine", "enrollmentToken: * # mine" },
    { "API_KEY=xyz", "API_KEY=*" },
    { "api-key: 'xyz'", "api-key: '*'" },
    { "Authorization: Bearer abc.def", "Authorization: *" },
    { "psk=0123", "psk=*" },
    { "preshared key: (hidden)", "preshared key: *)" },
    { "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln ok", "* ok" },
    { "secretKey=1,x=2", "secretKey=*,x=2" },
    /* Values of several words, lines and characters. */
    { "password: \"correct horse, battery\" x", "password: \"*\" x" },
    { "{'secret': 'a b', 'c': 'd'}", "{'secret': '*', 'c': 'd'}" },
    { "\"{\\\"token\\\":\\\"a b\\\"}\"", "\"{\\\"token\\\":\\\"*\\\"}\"" },
    { "password=a,b;c x", "password=* x" },
    { "{token: a,b, x: 1}", "{token: *, x: 1}" },
    { "a: 1\n  token: |\n    abc\n    def\n  b: 2",
      "a: 1\n  token: *\n  b: 2" },
    { "tokens:\n  - abc\n  - def\nb: 2", "tokens:*\nb: 2" },
    { "{api_keys: [a, {b: c}], d: 1}", "{api_keys: *, d: 1}" },
    { "tokens: [a, b\nc", "tokens: *\nc" },
    { "enrollment: {keys: [a]}", "enrollment: *" },
    { "preshared_keys: true\n", "preshared_keys: true\n" },
    { "DB_PASS=x", "DB_PASS=*" },
    { "pass: 'a b'", "pass: '*'" },
    { "5 passed, 0 failed; bypass: yes", "5 passed, 0 failed; bypass: yes" },
    { "PGPASSWORD=x y", "PGPASSWORD=* y" },
    { "MYTOKEN=x", "MYTOKEN=*" },
    { "wpa-psk hunter2", "wpa-psk *" },
    { "http://me:hunter2@192.0.2.1:80/", "http://me:*@192.0.2.1:80/" },
    { "http://192.0.2.1:80/a@b", "http://192.0.2.1:80/a@b" },
    { "socks5://u:p@h", "socks5://u:*@h" },
    { "http://192.0.2.1/?v=1&key=abc&n=2", "http://192.0.2.1/?v=1&key=*&n=2" },
    { "GET /?Sig=a%2Bb HTTP/1.1", "GET /?Sig=* HTTP/1.1" },
    { "/?monkey=1&keys=2", "/?monkey=1&keys=2" },
    { "curl -u me:hunter2 x", "curl -u me:* x" },
    { "curl -ume:hunter2", "curl -ume:*" },
    { "curl --user='me:a:b'", "curl --user='me:*'" },
    { "curl --proxy-user me:a x", "curl --proxy-user me:* x" },
    { "systemctl --user status a", "systemctl --user status a" },
    { "date -u; x-u a:b", "date -u; x-u a:b" },
    /* Other forms of a key. */
    { "q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJA ", "* " },
    { "q83vEjRWeJCrze8SNFZ4kKv-7xI0VniQq83vEjRW_JA=", "*" },
    { "0x" HEX, "*" },
    { "\"q83vEjRWeJCrze8SNFZ4kKvN7\\/I0VniQq83vEjRWeJA=\"", "\"*\"" },
    { "ab:cd:ef:12:34:56:78:90:ab:cd:ef:12:34:56:78:90:"
      "ab:cd:ef:12:34:56:78:90:ab:cd:ef:12:34:56:78:90", "*" },
    { "02:00:00:ab:cd:ef", "02:00:00:ab:cd:ef" },
    { "a-name-of-container-with-forty-three-letters", "a-name-of-container-"
      "with-forty-three-letters" },
    /* What only looks like such a word. */
    { "breakpsk: 1", "breakpsk: 1" },
    { "n_packets=4, priority=90", "n_packets=4, priority=90" },
};

static char *
expand(const char *clean)
{
    char *s = xstrdup(clean);
    char *star = strchr(s, '*');

    if (star) {
        char *longer = xasprintf("%.*s[redacted]%s", (int) (star - s), s,
                                 star + 1);
        free(s);
        s = longer;
    }
    return s;
}

static void
test_rows(void **state OVS_UNUSED)
{
    struct sset public_keys = SSET_INITIALIZER(&public_keys);

    sset_add(&public_keys, PUBLIC);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        char *expected = expand(rows[i].clean);
        char *actual = redact(rows[i].text, &public_keys);

        assert_string_equal(actual, expected);
        free(actual);
        free(expected);
    }
    sset_destroy(&public_keys);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
