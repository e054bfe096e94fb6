#ifndef SN_LINT_RULES_H
#define SN_LINT_RULES_H 1

/* The rules of a model in one form, be they of acls or of segments, and the
 * classes of containers and clients that no selector of them tells apart. */

#include "state/lint-private.h"
#include "openvswitch/shash.h"

/* A rule, be it of an acl or of a segment. */
struct lint_rule {
    const char *name;
    const struct sn_loc *loc;
    const struct model_acl *acl; /* NULL: a segment's. */
    int rank;                   /* Lower ones come first. */
    size_t order;               /* In the file. */
    uint8_t ip_proto;
    const struct model_selector *src, *dst;
    size_t n_src, n_dst;
    /* For each src, then each dst: the classes that it matches. */
    const unsigned long **classes;
};

/* A container or a client: the other is NULL. */
struct lint_member {
    const struct model_container *container;
    const struct model_client *client;
};

struct lint_rules {
    struct lint *lint;
    struct lint_rule *rules;
    size_t n_rules, allocated_rules;
    struct model_selector *own; /* Selectors that segments stand for. */
    size_t n_own;
    struct lint_member *classes; /* One of each. */
    size_t n_classes;
    struct shash matched;       /* A selector's classes, by kind and text. */
};

/* Frees with lint_rules_destroy(); 'lint' is borrowed. */
void lint_rules_init(struct lint_rules *, struct lint *);
void lint_rules_destroy(struct lint_rules *);

/* Number 'i' of a rule's selectors: those of src, then those of dst. */
const struct model_selector *lint_rule_selector(const struct lint_rule *,
                                                size_t i);

#endif /* state/lint-rules.h */
