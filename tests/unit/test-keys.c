#include <config.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>
#include <sodium.h>
#include "agent/keys.h"
#include "agent/psk.h"
#include "openvswitch/util.h"
#include "util.h"

static char *dir;

static int
setup(void **state)
{
    dir = xstrdup("/tmp/test-keys.XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

static int
teardown(void **state)
{
    static const char *const names[] = { "m.key", "elsewhere" };

    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        char *path = xasprintf("%s/%s", dir, names[i]);

        unlink(path);
        free(path);
    }
    int error = rmdir(dir);     /* Nothing else may be left in there. */
    free(dir);
    return error;
}

static void
assert_error(const char *mesh, const char *expected)
{
    struct wg_key private, public;
    char *error = keys_load(dir, mesh, &private, &public);

    if (!error || !strstr(error, expected)) {
        fail_msg("expected \"%s\", got \"%s\"", expected,
                 error ? error : "no error");
    }
    free(error);
}

static void
test_made_once(void **state)
{
    struct wg_key a, a_pub, b, b_pub;
    char *path = xasprintf("%s/m.key", dir);
    struct stat st;

    assert_null(keys_load(dir, "m", &a, &a_pub));
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(st.st_size, WG_KEY_LEN_BASE64);    /* With newline. */
    assert_int_equal(a.bytes[0] & 7, 0);                /* Clamped. */
    assert_int_equal(a.bytes[31] & 0xc0, 0x40);

    assert_null(keys_load(dir, "m", &b, &b_pub));
    assert_true(wg_key_equals(&a, &b));
    assert_true(wg_key_equals(&a_pub, &b_pub));
    assert_false(wg_key_equals(&a, &a_pub));
    free(path);
}

/* RFC 7748, section 6.1: Alice's keys. */
static void
test_public(void **state)
{
    static const char private_text[] =
        "dwdtCnMYpX08FsFyUbJmRd9ML4frwJkqsXf7pR25LCo=";
    static const char public_text[] =
        "hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmo=";
    struct wg_key private, public;
    char text[WG_KEY_LEN_BASE64];

    assert_true(wg_key_from_base64(private_text, &private));
    keys_public(&private, &public);
    wg_key_to_base64(&public, text);
    assert_string_equal(text, public_text);
}

static void
write_file(const char *name, const char *text, mode_t mode)
{
    char *path = xasprintf("%s/%s", dir, name);
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    fputs(text, f);
    fclose(f);
    assert_int_equal(chmod(path, mode), 0);
    free(path);
}

static void
test_refused(void **state)
{
    static const char good[] =
        "dwdtCnMYpX08FsFyUbJmRd9ML4frwJkqsXf7pR25LCo=\n";
    char *link = xasprintf("%s/m.key", dir);

    write_file("m.key", good, 0640);
    assert_error("m", "mode 640 lets others read");
    write_file("m.key", good, 0604);
    assert_error("m", "mode 604 lets others read");
    write_file("m.key", "", 0600);
    assert_error("m", "not a WireGuard key");
    write_file("m.key", "dwdtCnMYpX08FsFyUbJmRd9ML4frwJkqsXf7pR2\n", 0600);
    assert_error("m", "not a WireGuard key");
    unlink(link);
    write_file("elsewhere", good, 0600);
    assert_int_equal(symlink("elsewhere", link), 0);
    assert_error("m", "symbolic link");
    assert_error("../m", "cannot name a key file");
    assert_error("", "cannot name a key file");
    free(link);
}

static void
make_pair(struct wg_key *private, struct wg_key *public)
{
    randombytes_buf(private->bytes, sizeof private->bytes);
    keys_public(private, public);
}

/* Opened by either side of the pair, by nobody else, and not when changed. */
static void
test_sealed_key(void **state)
{
    struct wg_key a, a_public, b, b_public, c, c_public, psk, got;

    make_pair(&a, &a_public);
    make_pair(&b, &b_public);
    make_pair(&c, &c_public);
    randombytes_buf(psk.bytes, sizeof psk.bytes);
    char *sealed = psk_seal(&psk, &b_public, &a);

    assert_true(psk_open(sealed, &a_public, &b, &got));
    assert_memory_equal(&got, &psk, sizeof psk);
    memset(&got, 0, sizeof got);
    assert_true(psk_open(sealed, &b_public, &a, &got));
    assert_memory_equal(&got, &psk, sizeof psk);
    assert_false(psk_open(sealed, &a_public, &c, &got));
    assert_false(psk_open(sealed, &c_public, &b, &got));
    assert_false(psk_open(NULL, &a_public, &b, &got));
    assert_false(psk_open("", &a_public, &b, &got));
    assert_false(psk_open("nonsense", &a_public, &b, &got));
    for (size_t i = 0; i < strlen(sealed); i++) {
        char was = sealed[i];

        sealed[i] = was == 'A' ? 'B' : 'A';
        assert_false(psk_open(sealed, &a_public, &b, &got));
        sealed[i] = '\0';
        assert_false(psk_open(sealed, &a_public, &b, &got));
        sealed[i] = was;
    }
    assert_true(psk_open(sealed, &a_public, &b, &got));
    free(sealed);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sealed_key),
        cmocka_unit_test_setup_teardown(test_made_once, setup, teardown),
        cmocka_unit_test_setup_teardown(test_public, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
