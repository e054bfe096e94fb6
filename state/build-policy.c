#include <config.h>

#include "state/build.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include "lib/suggest.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/util.h"
#include "sha1.h"
#include "state/document.h"
#include "state/model.h"
#include "util.h"

/* Segments, rules and connectivity tests. */

/* Parses the items of 'list' into '*selectors'. */
static void
build_selectors(struct build *build, const struct doc_value *list,
                bool with_ports, struct model_selector **selectors, size_t *n)
{
    size_t n_items = doc_n_items(list);

    *selectors = xcalloc(MAX(n_items, 1), sizeof **selectors);
    for (size_t i = 0; i < n_items; i++) {
        const struct doc_value *item = doc_item(list, i);
        if (item->type != DOC_SCALAR || !item->string[0]) {
            continue;
        }
        char *error = model_selector_parse(build->model, item->string,
                                           with_ports, *selectors + *n);
        if (error) {
            diags_add(build->diags, DIAG_ERROR, &item->loc, NULL, "%s",
                      error);
            free(error);
        } else {
            (*selectors)[*n].loc = item->loc;
            ++*n;
        }
    }
}

/* A segment's members are containers, however they are told. */
static void
build_check_members(struct build *build, const struct model_segment *segment)
{
    for (size_t i = 0; i < segment->n_members; i++) {
        const struct model_selector *member = &segment->members[i];
        const char *what = member->kind == SEL_SEGMENT ? "a segment"
                           : member->kind == SEL_INTERNET ? "the internet"
                           : member->kind == SEL_NODE ? "a node"
                           : member->kind == SEL_SERVICE ? "a service"
                           : member->kind == SEL_CLIENT ? "a client"
                           : NULL;
        if (what) {
            diags_add(build->diags, DIAG_ERROR, &member->loc,
                      "name containers, tags, patterns or networks",
                      "%s (\"%s\") cannot be a member of a segment", what,
                      member->text);
        }
    }
}

static void
build_isolated_from(struct build *build, struct model_segment *segment,
                    const struct doc_value *segments,
                    const struct doc_value *list)
{
    for (size_t i = 0; i < doc_n_items(list); i++) {
        const struct doc_value *item = doc_item(list, i);
        if (item->type != DOC_SCALAR) {
            continue;
        } else if (doc_get(segments, item->string)) {
            svec_add(&segment->isolated_from, item->string);
            continue;
        }

        struct suggest near;
        suggest_init(&near, item->string);
        for (size_t j = 0; j < segments->n_members; j++) {
            suggest_offer(&near, segments->members[j].key);
        }
        char *fix = near.best ? xasprintf("write %s", near.best) : NULL;
        diags_add(build->diags, DIAG_ERROR, &item->loc, fix,
                  "no segment is named \"%s\"", item->string);
        free(fix);
    }
    svec_sort_unique(&segment->isolated_from);
}

void
build_segments(struct build *build, const struct doc_value *segments)
{
    const struct schema *schema
        = schema_find_key(&schema_fleet, "segments")->schema->item;
    size_t n = segments && segments->type == DOC_MAP ? segments->n_members
                                                     : 0;

    for (size_t i = 0; i < n; i++) {
        const struct doc_member *member = &segments->members[i];
        const char *internet = doc_get_string(member->value, "internet");
        struct model_segment *segment = model_object_create(MODEL_SEGMENT);

        segment->loc = member->key_loc;
        segment->name = xstrdup(member->key);
        segment->internet = !internet ? INTERNET_UNSET
                            : !strcmp(internet, "exit") ? INTERNET_EXIT
                            : !strcmp(internet, "deny") ? INTERNET_DENY
                            : INTERNET_UNSET;
        segment->other = build_kept(schema, member->value);
        build_segment_exits(build, segment, doc_get(member->value, "exit"));
        build_isolated_from(build, segment, segments,
                            doc_get(member->value, "isolated_from"));
        model_put(build->model, MODEL_SEGMENT, member->key, segment);
    }
    /* Once all names are there, so that a segment in another's place is told
     * from an unknown name. */
    for (size_t i = 0; i < n; i++) {
        const struct doc_member *member = &segments->members[i];
        struct model_segment *segment
            = shash_find_data(&build->model->segments, member->key);
        build_selectors(build, doc_get(member->value, "members"), false,
                        &segment->members, &segment->n_members);
        build_check_members(build, segment);
    }
}

static uint8_t
acl_proto_from_string(const char *s)
{
    return (!s ? 0
            : !strcmp(s, "tcp") ? IPPROTO_TCP
            : !strcmp(s, "udp") ? IPPROTO_UDP
            : !strcmp(s, "icmp") ? IPPROTO_ICMP
            : !strcmp(s, "sctp") ? IPPROTO_SCTP
            : 0);
}

/* The name of a rule that was given none: the same wherever it stands. */
static char *
build_acl_name(const struct model_acl *acl)
{
    struct svec words = SVEC_EMPTY_INITIALIZER;
    for (size_t i = 0; i < acl->n_src + acl->n_dst; i++) {
        bool is_src = i < acl->n_src;
        char *s = model_selector_to_string(is_src ? &acl->src[i]
                                           : &acl->dst[i - acl->n_src]);
        svec_add_nocopy(&words, xasprintf("%s %s", is_src ? "src" : "dst",
                                          s));
        free(s);
    }
    svec_sort(&words);

    char *joined = svec_join(&words, ",", "");
    char *text = xasprintf("%d %d %d %s", acl->tier, acl->action,
                           acl->ip_proto, joined);
    uint8_t digest[SHA1_DIGEST_SIZE];
    sha1_bytes(text, strlen(text), digest);
    svec_destroy(&words);
    free(joined);
    free(text);
    return xasprintf("acl-%02x%02x%02x%02x",
                     digest[0], digest[1], digest[2], digest[3]);
}

/* "src: []" is no mistake of spelling, and yet no rule. */
static void
build_check_empty(struct build *build, const struct doc_value *doc)
{
    static const char *const keys[] = { "src", "dst" };

    for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
        const struct doc_value *list = doc_get(doc, keys[i]);
        if (list && list->type == DOC_LIST && !list->n_elems) {
            diags_add(build->diags, DIAG_WARNING, &list->loc, NULL,
                      "the rule speaks of nobody: its %s is empty", keys[i]);
        }
    }
}

static void
build_check_ports(struct build *build, const struct model_acl *acl)
{
    for (size_t i = 0; i < acl->n_dst; i++) {
        if (acl->dst[i].n_ports && acl->ip_proto != IPPROTO_TCP
            && acl->ip_proto != IPPROTO_UDP
            && acl->ip_proto != IPPROTO_SCTP) {
            diags_add(build->diags, DIAG_ERROR, &acl->dst[i].loc,
                      acl->ip_proto ? "leave the ports out"
                                    : "add proto: tcp (or udp) to the rule",
                      "a port means nothing without a protocol that has "
                      "ports");
        }
    }
}

static void
build_acl(struct build *build, enum model_tier tier,
          const struct doc_value *doc)
{
    const struct schema *schema
        = schema_find_key(&schema_fleet, "acls")->schema->item;
    const char *action = doc_get_string(doc, "action");

    if (doc->type != DOC_MAP) {
        return;
    }
    struct model_acl *acl = model_object_create(MODEL_ACL);
    acl->loc = doc->loc;
    acl->tier = tier;
    acl->action = action && !strcmp(action, "accept") ? ACTION_ACCEPT
                                                      : ACTION_DENY;
    acl->ip_proto = acl_proto_from_string(doc_get_string(doc, "proto"));
    acl->rate = build_rate(doc, "rate");
    if (doc_get(doc, "rate") && acl->action == ACTION_DENY) {
        diags_add(build->diags, DIAG_ERROR, &doc_get(doc, "rate")->loc,
                  "leave the rate out", "a rule that denies has no rate");
    }
    acl->class = model_class_from_string(doc_get_string(doc, "class"));
    if (acl->class && acl->action == ACTION_DENY) {
        diags_add(build->diags, DIAG_ERROR, &doc_get(doc, "class")->loc,
                  "leave the class out", "a rule that denies has no class");
    }
    build_selectors(build, doc_get(doc, "src"), false, &acl->src,
                    &acl->n_src);
    build_selectors(build, doc_get(doc, "dst"), true, &acl->dst,
                    &acl->n_dst);
    build_check_empty(build, doc);
    build_check_ports(build, acl);

    char *generated = build_acl_name(acl);
    acl->name = build_string(doc, "name", generated);
    free(generated);
    acl->other = build_kept(schema, doc);

    const struct doc_value *name = doc_get(doc, "name");
    const struct sn_loc *place = name ? &name->loc : &doc->loc;
    const struct model_acl *first = model_get_acl(build->model, acl->name);
    if (first) {
        build_report_duplicate(build, place, "rule", acl->name,
                               places_get(&build->places, &first->loc,
                                          "acl/%s/name", acl->name));
        model_object_free(MODEL_ACL, acl);
    } else {
        places_put(&build->places, place, "acl/%s/name", acl->name);
        model_put(build->model, MODEL_ACL, acl->name, acl);
    }
}

/* A test's one selector. */
static bool
build_test_selector(struct build *build, const struct doc_value *scalar,
                    bool with_ports, struct model_selector *sel)
{
    if (!scalar || scalar->type != DOC_SCALAR || !scalar->string[0]) {
        return false;
    }
    char *error = model_selector_parse(build->model, scalar->string,
                                       with_ports, sel);
    if (error) {
        diags_add(build->diags, DIAG_ERROR, &scalar->loc, NULL, "%s", error);
        free(error);
        return false;
    }
    sel->loc = scalar->loc;
    return true;
}

/* "accept", "deny", "exit NAME". */
static bool
build_test_expect(struct build *build, const struct doc_value *scalar,
                  struct model_test *test)
{
    const char *s = scalar && scalar->type == DOC_SCALAR ? scalar->string
                    : NULL;

    if (!s) {
        return false;
    } else if (!strcmp(s, "accept")) {
        test->expect = EXPECT_ACCEPT;
    } else if (!strcmp(s, "deny")) {
        test->expect = EXPECT_DENY;
    } else if (!strncmp(s, "exit ", 5) && s[5]) {
        test->expect = EXPECT_EXIT;
        test->exit = xstrdup(s + 5);
    } else {
        diags_add(build->diags, DIAG_ERROR, &scalar->loc,
                  "write accept, deny or \"exit NAME\"",
                  "\"%s\" is nothing to expect", s);
        return false;
    }
    return true;
}

static void
build_test(struct build *build, const struct doc_value *doc)
{
    struct model *model = build->model;
    struct model_test test = { .loc = doc->loc };
    const struct doc_value *dst = doc_get(doc, "dst");

    if (!build_test_selector(build, doc_get(doc, "src"), false, &test.src)) {
        return;
    }
    test.ip_proto = acl_proto_from_string(doc_get_string(doc, "proto"));
    if (build_test_selector(build, dst, true, &test.dst)) {
        if (build_test_expect(build, doc_get(doc, "expect"), &test)) {
            model->tests = xrealloc(model->tests, (model->n_tests + 1)
                                    * sizeof *model->tests);
            model->tests[model->n_tests++] = test;
            return;
        }
        model_selector_destroy(&test.dst);
    }
    model_selector_destroy(&test.src);
}

static void
build_tests(struct build *build, const struct doc_value *tests)
{
    for (size_t i = 0; tests && i < tests->n_elems; i++) {
        if (tests->elems[i]->type == DOC_MAP) {
            build_test(build, tests->elems[i]);
        }
    }
}

void
build_policy(struct build *build, const struct doc_value *root)
{
    const struct doc_value *emergency = doc_get(root, "emergency");
    const struct doc_value *acls = doc_get(root, "acls");

    for (size_t i = 0; emergency && i < emergency->n_elems; i++) {
        build_acl(build, TIER_EMERGENCY, emergency->elems[i]);
    }
    for (size_t i = 0; acls && i < acls->n_elems; i++) {
        build_acl(build, TIER_ACLS, acls->elems[i]);
    }
    build_tests(build, doc_get(root, "tests"));
}
