#include <config.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "lib/diag.h"
#include "lib/suggest.h"
#include "openvswitch/json.h"
#include "openvswitch/util.h"
#include "util.h"

static char *
print_to_string(const struct diags *diags)
{
    static char buf[8192];
    FILE *stream = tmpfile();

    diags_print(diags, stream);
    rewind(stream);
    buf[fread(buf, 1, sizeof buf - 1, stream)] = '\0';
    fclose(stream);
    return buf;
}

static void
test_loc(void **state)
{
    static const struct {
        const char *s;
        bool ok;
        const char *file;
        int line, column;
    } rows[] = {
        { "a.yaml:1:2", true, "a.yaml", 1, 2 },
        { "dir/a:b.yaml:10:20", true, "dir/a:b.yaml", 10, 20 },
        { "a.yaml:1", false, NULL, 0, 0 },
        { ":1:2", false, NULL, 0, 0 },
        { "a.yaml:x:2", false, NULL, 0, 0 },
        { "a.yaml:1:-2", false, NULL, 0, 0 },
        { "", false, NULL, 0, 0 },
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct sn_loc loc = { .line = -7 };
        assert_int_equal(sn_loc_from_string(rows[i].s, &loc), rows[i].ok);
        if (!rows[i].ok) {
            assert_int_equal(loc.line, -7);
            continue;
        }
        assert_string_equal(loc.file, rows[i].file);
        assert_int_equal(loc.line, rows[i].line);
        assert_int_equal(loc.column, rows[i].column);
        assert_ptr_equal(loc.file, sn_loc_intern(rows[i].file));
        char *s = sn_loc_to_string(&loc);
        assert_string_equal(s, rows[i].s);
        free(s);
    }
    struct sn_loc nowhere = { .file = NULL };
    char *s = sn_loc_to_string(&nowhere);
    assert_string_equal(s, "");
    free(s);
}

static void
test_print(void **state)
{
    struct diags diags;
    diags_init(&diags);
    diags_add_source(&diags, "a.yaml", "one: 1\n"
                     "\tporrt: 4\n"
                     "d\xc3\xa9j\xc3\xa0: x\x1b[31m\xff\xc2\x9b\n");

    struct sn_loc third = { sn_loc_intern("a.yaml"), 3, 7, 200 };
    struct sn_loc second = { sn_loc_intern("a.yaml"), 2, 2, 5 };
    struct sn_loc gone = { sn_loc_intern("/nonexistent/b.yaml"), 1, 1, 1 };
    diags_add(&diags, DIAG_WARNING, &third, NULL, "escape\x1b");
    diags_add(&diags, DIAG_ERROR, &gone, NULL, "b is %s", "gone");
    diags_add(&diags, DIAG_ERROR, &second, "write \"port\"", "unknown key");
    diags_add(&diags, DIAG_NOTE, &second, NULL, "the same place, later");
    diags_add(&diags, DIAG_ERROR, NULL, NULL, "the whole");

    char *s = print_to_string(&diags);
    assert_string_equal(s,
        "error: the whole\n"
        "/nonexistent/b.yaml:1:1: error: b is gone\n"
        "a.yaml:2:2: error: unknown key\n"
        "    2 | \tporrt: 4\n"
        "      | \t^~~~~\n"
        "  fix: write \"port\"\n"
        "a.yaml:2:2: note: the same place, later\n"
        "    2 | \tporrt: 4\n"
        "      | \t^~~~~\n"
        "a.yaml:3:7: warning: escape?\n"
        "    3 | d\xc3\xa9j\xc3\xa0: x?[31m???\n"
        "      |       ^~~~~~~~~\n");
    assert_int_equal(diags.n_errors, 3);
    assert_int_equal(diags.n_warnings, 1);

    struct json *json = diags_to_json(&diags);
    s = json_to_string(json_array(json)->elems[2], JSSF_SORT);
    assert_string_equal(s, "{\"column\":2,\"file\":\"a.yaml\",\"fix\":\"write "
                        "\\\"port\\\"\",\"fixable\":false,"
                        "\"length\":5,\"level\":\"error\","
                        "\"line\":2,\"text\":\"unknown key\"}");
    free(s);
    json_destroy(json);
    diags_destroy(&diags);
}

static void
test_long_line(void **state)
{
    struct diags diags;
    diags_init(&diags);

    char text[2001];
    memset(text, 'x', 2000);
    text[1000] = '!';
    text[2000] = '\0';
    diags_add_source(&diags, "long", text);
    struct sn_loc loc = { sn_loc_intern("long"), 1, 1001, 1 };
    diags_add(&diags, DIAG_ERROR, &loc, NULL, "here");

    /* The caret stands under the "!" and the excerpt is short. */
    char *s = print_to_string(&diags);
    char *source = strchr(s, '\n') + 1;
    char *caret = strchr(source, '\n') + 1;
    assert_int_equal(strchr(source, '!') - source, strchr(caret, '^') - caret);
    assert_true(strlen(s) < 400);
    diags_destroy(&diags);
}

static void
test_suggest(void **state)
{
    static const char *const keys[] = {
        "port", "protocol", "properties", "name", "id", "veth", "via",
    };
    static const struct {
        const char *word;
        const char *best;
    } rows[] = {
        { "porrt", "port" },
        { "prot", "port" },
        { "proprties", "properties" },
        { "Name", "name" },
        { "vai", "via" },
        { "xyzzy", NULL },
        { "", NULL },
        { "i", "id" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct suggest s;
        suggest_init(&s, rows[i].word);
        for (size_t j = 0; j < ARRAY_SIZE(keys); j++) {
            suggest_offer(&s, keys[j]);
        }
        if (rows[i].best) {
            assert_non_null(s.best);
            assert_string_equal(s.best, rows[i].best);
        } else {
            assert_null(s.best);
        }
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_loc),
        cmocka_unit_test(test_print),
        cmocka_unit_test(test_long_line),
        cmocka_unit_test(test_suggest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
