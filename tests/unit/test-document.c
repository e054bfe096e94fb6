#include <config.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "openvswitch/dynamic-string.h"
#include "openvswitch/json.h"
#include "openvswitch/util.h"
#include "state/document.h"
#include "state/yaml.h"
#include "util.h"

/* The messages, "LINE:COLUMN: TEXT" each, joined with "; ". */
static char *
messages(const struct diags *diags)
{
    struct ds s = DS_EMPTY_INITIALIZER;
    const struct diag *diag;

    LIST_FOR_EACH (diag, node, &diags->list) {
        ds_put_format(&s, "%s%d:%d: %s", s.length ? "; " : "",
                      diag->loc.line, diag->loc.column, diag->text);
    }
    return ds_steal_cstr(&s);
}

static void
test_values(void **state)
{
    static const struct {
        const char *yaml;
        const char *json;
    } rows[] = {
        { "", "{}" },
        { "# nothing\n", "{}" },
        { "---\n...\n", "{}" },
        { "\xef\xbb\xbf" "a: 1\n", "{\"a\":1}" },
        { "a: {b: [1, -2, x, 'y', \"z\\n\"]}",
          "{\"a\":{\"b\":[1,-2,\"x\",\"y\",\"z\\n\"]}}" },
        { "a: ~\nb:\nc: null\nd: ''\n",
          "{\"a\":null,\"b\":null,\"c\":null,\"d\":\"\"}" },
        { "a: true\nb: 'true'\nc: yes\n",
          "{\"a\":true,\"b\":\"true\",\"c\":\"yes\"}" },
        { "a: 007\nb: 3.10\nc: 3.25\nd: 1e3\ne: 99999999999999999999\n",
          "{\"a\":\"007\",\"b\":\"3.10\",\"c\":3.25,\"d\":\"1e3\","
          "\"e\":\"99999999999999999999\"}" },
        { "a: 10.0.0.1\nb: 1-2\nc: '-'\n",
          "{\"a\":\"10.0.0.1\",\"b\":\"1-2\",\"c\":\"-\"}" },
        { "a: |\n  one\n  two\n", "{\"a\":\"one\\ntwo\\n\"}" },
        { "[1, 2]", "[1,2]" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct diags diags;
        diags_init(&diags);
        struct doc_value *doc = doc_parse(rows[i].yaml, "t.yaml", &diags);
        assert_non_null(doc);
        struct json *json = doc_to_json(doc);
        char *s = json_to_string(json, JSSF_SORT);
        assert_string_equal(s, rows[i].json);

        /* As YAML and back. */
        struct ds yaml = DS_EMPTY_INITIALIZER;
        yaml_from_json(json, NULL, &yaml);
        struct doc_value *again = doc_parse(ds_cstr(&yaml), "y.yaml", &diags);
        assert_non_null(again);
        struct json *json2 = doc_to_json(again);
        assert_true(json_equal(json, json2));

        ds_destroy(&yaml);
        json_destroy(json2);
        doc_destroy(again);
        free(s);
        json_destroy(json);
        doc_destroy(doc);
        diags_destroy(&diags);
    }
}

static void
test_errors(void **state)
{
    static const struct {
        const char *yaml;
        const char *messages;
    } rows[] = {
        { "a: 1\nb: 2\na: 3\n", "3:1: duplicate key \"a\", first at "
          "t.yaml:1:1" },
        { "a: {x: 1, x: 2, x: 3}\n",
          "1:11: duplicate key \"x\", first at t.yaml:1:5; "
          "1:17: duplicate key \"x\", first at t.yaml:1:5" },
        { "a: &x 1\n", "1:4: anchors (&name) are not supported" },
        { "a: &x {b: 1}\n", "1:4: anchors (&name) are not supported" },
        { "a: *x\n", "1:4: aliases (*name) are not supported" },
        { "<<: *x\n", "1:5: aliases (*name) are not supported" },
        { "a: !!str 1\n", "1:4: tags (!name) are not supported" },
        { "a:\n\tb: 1\n", "2:1: YAML does not allow a tab here" },
        { "a: 1\n---\nb: 2\n",
          "2:1: a second document starts here; a state file is one" },
        { "a: [1, 2\n", "2:1: not YAML: while parsing a flow sequence: did "
          "not find expected ',' or ']'" },
        { "a: 1\n  b: 2\n", "2:4: not YAML: mapping values are not allowed in "
          "this context" },
        { "a: b\nc: d\xff" "e\n",
          "2:5: not a text file in UTF-8: invalid leading UTF-8 octet" },
        { "a: \x01\n", "1:4: not a text file in UTF-8: control characters "
          "are not allowed" },
        { "? [a]\n: 1\n", "1:3: a key must be a word" },
        { "a: \"x\\0y\"\n", "1:4: a value cannot contain a NUL character" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct diags diags;
        diags_init(&diags);
        struct doc_value *doc = doc_parse(rows[i].yaml, "t.yaml", &diags);
        char *s = messages(&diags);
        assert_string_equal(s, rows[i].messages);
        assert_int_not_equal(diags.n_errors, 0);
        free(s);
        doc_destroy(doc);
        diags_destroy(&diags);
    }
}

static void
test_depth(void **state)
{
    struct diags diags;
    diags_init(&diags);
    char deep[2001];

    memset(deep, '[', 1000);
    memset(deep + 1000, ']', 1000);
    deep[2000] = '\0';
    assert_null(doc_parse(deep, "t.yaml", &diags));
    char *s = messages(&diags);
    assert_string_equal(s, "1:33: nested too deeply");
    free(s);
    diags_destroy(&diags);
}

static void
test_places(void **state)
{
    struct diags diags;
    diags_init(&diags);
    struct doc_value *doc = doc_parse("a:\n"
                                      "  \xc3\xa9t\xc3\xa9: \"x y\"\n"
                                      "  k: 'it''s'\n"
                                      "  p: plain\n"
                                      "  f: >\n    a\n    b\n", "t.yaml",
                                      &diags);
    static const struct {
        const char *key;
        struct sn_loc loc, text_loc;
    } rows[] = {
        { "\xc3\xa9t\xc3\xa9", { NULL, 2, 8, 5 }, { NULL, 2, 9, 3 } },
        { "k", { NULL, 3, 6, 7 }, { NULL, 3, 7, 0 } },
        { "p", { NULL, 4, 6, 5 }, { NULL, 4, 6, 5 } },
        { "f", { NULL, 5, 6, 1 }, { NULL, 5, 6, 0 } },
    };

    const struct doc_value *a = doc_get(doc, "a");
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        const struct doc_value *value = doc_get(a, rows[i].key);
        assert_string_equal(value->loc.file, "t.yaml");
        assert_int_equal(value->loc.line, rows[i].loc.line);
        assert_int_equal(value->loc.column, rows[i].loc.column);
        assert_int_equal(value->loc.length, rows[i].loc.length);
        assert_int_equal(value->text_loc.column, rows[i].text_loc.column);
        assert_int_equal(value->text_loc.length, rows[i].text_loc.length);
    }
    assert_int_equal(doc_find(a, "p")->key_loc.column, 3);
    assert_null(doc_get(a, "nothing"));
    assert_null(doc_get(doc_get(a, "p"), "x"));
    assert_null(doc_get_string(doc, "a"));
    doc_destroy(doc);
    diags_destroy(&diags);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_depth),
        cmocka_unit_test(test_places),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
