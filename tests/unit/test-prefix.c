#include <config.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "lib/prefix.h"
#include "openvswitch/util.h"
#include "util.h"

static struct sn_prefix
prefix(const char *s)
{
    struct sn_prefix p;
    char *error = sn_prefix_parse(s, &p);

    if (error) {
        fail_msg("%s", error);
    }
    return p;
}

static void
assert_prefix(struct sn_prefix p, const char *expected)
{
    char *s = sn_prefix_to_string(&p);
    assert_string_equal(s, expected);
    free(s);
}

static void
test_parse(void **state)
{
    static const struct {
        const char *s;
        const char *expected;       /* Or NULL and: */
        const char *error;
    } rows[] = {
        { "10.0.0.1", "10.0.0.1/32", NULL },
        { "10.0.0.1/24", "10.0.0.1/24", NULL },
        { "0.0.0.0/0", "0.0.0.0/0", NULL },
        { "fd00:53:0::1/64", "fd00:53::1/64", NULL },
        { "::", "::/128", NULL },
        { "FD00::A/128", "fd00::a/128", NULL },
        { "300.1.1.1", NULL,
          "\"300.1.1.1\" is not an IPv4 or IPv6 address" },
        { "10.0.0", NULL, "\"10.0.0\" is not an IPv4 or IPv6 address" },
        { "10.0.0.01", NULL, "\"10.0.0.01\" is not an IPv4 or IPv6 address" },
        { "10.0.0.0/33", NULL,
          "\"10.0.0.0/33\": the prefix length is a number from 0 to 32" },
        { "10.0.0.0/", NULL,
          "\"10.0.0.0/\": the prefix length is a number from 0 to 32" },
        { "10.0.0.0/-1", NULL,
          "\"10.0.0.0/-1\": the prefix length is a number from 0 to 32" },
        { "10.0.0.0/24 ", NULL,
          "\"10.0.0.0/24 \": the prefix length is a number from 0 to 32" },
        { "10.0.0.0/255.255.255.0", NULL,
          "\"10.0.0.0/255.255.255.0\": the prefix length is a number from 0 "
          "to 32" },
        { "fd00::/129", NULL,
          "\"fd00::/129\": the prefix length is a number from 0 to 128" },
        { "10.0.0.0/4294967300", NULL,
          "\"10.0.0.0/4294967300\": the prefix length is a number from 0 to "
          "32" },
        { "::ffff:10.0.0.1", NULL,
          "\"::ffff:10.0.0.1\" is an IPv4 address: write it as one" },
        { "", NULL, "\"\" is not an IPv4 or IPv6 address" },
        { "/24", NULL, "\"/24\" is not an IPv4 or IPv6 address" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct sn_prefix p = { .plen = 77 };
        char *error = sn_prefix_parse(rows[i].s, &p);
        if (rows[i].expected) {
            assert_null(error);
            assert_prefix(p, rows[i].expected);
        } else {
            assert_non_null(error);
            assert_string_equal(error, rows[i].error);
            assert_int_equal(p.plen, 77);
        }
        free(error);
    }
}

static void
test_contains(void **state)
{
    static const struct {
        const char *net, *other;
        bool contains;
    } rows[] = {
        { "10.0.0.0/24", "10.0.0.255", true },
        { "10.0.0.0/24", "10.0.1.0", false },
        { "10.0.0.77/24", "10.0.0.1", true },
        { "10.0.0.0/24", "10.0.0.0/24", true },
        { "10.0.0.0/24", "10.0.0.0/23", false },
        { "10.0.0.0/8", "10.2.0.0/16", true },
        { "0.0.0.0/0", "1.2.3.4", true },
        { "0.0.0.0/0", "fd00::1", false },
        { "::/0", "1.2.3.4", false },
        { "fd00::/63", "fd00:0:0:1::5", true },
        { "fd00::/64", "fd00:0:0:1::5", false },
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct sn_prefix net = prefix(rows[i].net);
        struct sn_prefix other = prefix(rows[i].other);
        assert_int_equal(sn_prefix_contains(&net, &other), rows[i].contains);
    }
}

static void
test_network(void **state)
{
    static const struct {
        const char *s, *network, *host;
        bool host_bits;
        uint32_t n;
        const char *nth;
    } rows[] = {
        { "10.0.0.200/24", "10.0.0.0/24", "10.0.0.200/32", true,
          1, "10.0.0.1/32" },
        { "10.0.0.0/16", "10.0.0.0/16", "10.0.0.0/32", false,
          256, "10.0.1.0/32" },
        { "10.0.0.0/8", "10.0.0.0/8", "10.0.0.0/32", false,
          65535, "10.0.255.255/32" },
        { "fd00::ff/64", "fd00::/64", "fd00::ff/128", true,
          0x10000, "fd00::1:0/128" },
        { "10.0.0.7", "10.0.0.7/32", "10.0.0.7/32", false,
          0, "10.0.0.7/32" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct sn_prefix p = prefix(rows[i].s);
        assert_prefix(sn_prefix_network(&p), rows[i].network);
        assert_prefix(sn_prefix_host(&p), rows[i].host);
        assert_int_equal(sn_prefix_has_host_bits(&p), rows[i].host_bits);
        assert_prefix(sn_prefix_nth(&p, rows[i].n), rows[i].nth);
    }
}

static void
test_compare(void **state)
{
    static const char *const sorted[] = {
        "9.0.0.0/8", "10.0.0.0/8", "10.0.0.0/24", "10.0.0.1", "::/0", "fd00::",
    };

    for (size_t i = 0; i < ARRAY_SIZE(sorted); i++) {
        for (size_t j = 0; j < ARRAY_SIZE(sorted); j++) {
            struct sn_prefix a = prefix(sorted[i]), b = prefix(sorted[j]);
            int cmp = sn_prefix_compare(&a, &b);
            assert_int_equal((cmp > 0) - (cmp < 0), (i > j) - (i < j));
            assert_int_equal(sn_prefix_equals(&a, &b), i == j);
            assert_int_equal(sn_prefix_hash(&a, 0) == sn_prefix_hash(&b, 0),
                             i == j);
        }
    }
    struct sn_prefix p = prefix("fd00::1/64");
    char *s = sn_prefix_addr_to_string(&p);
    assert_string_equal(s, "fd00::1");
    free(s);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),
        cmocka_unit_test(test_contains),
        cmocka_unit_test(test_network),
        cmocka_unit_test(test_compare),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
