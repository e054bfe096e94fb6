#include <config.h>

#include "cli/nft-walk.h"

#include <stdlib.h>
#include <string.h>
#include "openvswitch/json.h"
#include "openvswitch/shash.h"
#include "util.h"

/* Whether something matches. */
enum tri {
    NO,
    MAYBE,
    YES,
};

/* What became of the packet so far. */
enum verdict {
    GOES_ON,
    RETURNED,
    ACCEPTED,
    DROPPED,
};

/* Chains can call each other this deep; the kernel's own limit is 16. */
enum { MAX_DEPTH = 16 };

struct walk {
    const struct json *ruleset;
    const struct json *base;
    const struct nft_packet *packet;
    struct nft_drop drop;
    bool unsure;                /* Something may have accepted it. */
};

const struct json *
nft_member(const struct json *json, const char *key)
{
    return json && json->type == JSON_OBJECT
           ? shash_find_data(json_object(json), key) : NULL;
}

const char *
nft_string(const struct json *json, const char *key)
{
    const struct json *value = nft_member(json, key);

    return value && value->type == JSON_STRING ? json_string(value) : "";
}

static size_t
array_size(const struct json *json)
{
    return json && json->type == JSON_ARRAY ? json_array(json)->n : 0;
}

static const struct json *
array_get(const struct json *json, size_t i)
{
    return json_array(json)->elems[i];
}

static enum tri
tri(bool yes)
{
    return yes ? YES : NO;
}

static enum tri
tri_not(enum tri t)
{
    return t == YES ? NO : t == NO ? YES : MAYBE;
}

/* Values of one field: each kind compares a value of JSON, which is neither a
 * set nor a reference to one. */

static enum tri
interface_is(const struct json *value, const char *name)
{
    if (value->type != JSON_STRING) {
        return MAYBE;
    }
    const char *s = json_string(value);
    size_t len = strlen(s);

    return tri(len && s[len - 1] == '*' ? !strncmp(s, name, len - 1)
               : !strcmp(s, name));
}

static enum tri
word_is(const struct json *value, const char *word)
{
    return value->type == JSON_STRING
           ? tri(!strcmp(json_string(value), word)) : MAYBE;
}

static enum tri
port_is(const struct json *value, uint16_t port)
{
    const struct json *range = nft_member(value, "range");

    if (value->type == JSON_INTEGER) {
        return tri(json_integer(value) == port);
    } else if (array_size(range) == 2
               && array_get(range, 0)->type == JSON_INTEGER
               && array_get(range, 1)->type == JSON_INTEGER) {
        return tri(port && json_integer(array_get(range, 0)) <= port
                   && json_integer(array_get(range, 1)) >= port);
    }
    return MAYBE;
}

/* Whether the packet's address, which may be any in 'ours', is in 'value'. */
static enum tri
address_is(const struct json *value, const struct sn_prefix *ours)
{
    const struct json *prefix = nft_member(value, "prefix");
    const struct json *len = nft_member(prefix, "len");
    const char *s = value->type == JSON_STRING ? json_string(value)
                    : nft_string(prefix, "addr");
    struct sn_prefix p;

    if (!ours->plen || !s[0]) {
        return MAYBE;
    }
    char *error = sn_prefix_parse(s, &p);
    if (error) {
        free(error);
        return MAYBE;
    } else if (len && len->type == JSON_INTEGER) {
        p.plen = json_integer(len);
    }
    return p.is_v4 != ours->is_v4 ? NO
           : sn_prefix_contains(&p, ours) ? YES
           : sn_prefix_contains(ours, &p) ? MAYBE : NO;
}

static enum tri
meta_is(const struct walk *w, const char *key, const struct json *value)
{
    const struct nft_packet *p = w->packet;

    if (!strcmp(key, "iifname") || !strcmp(key, "iif")) {
        return interface_is(value, p->iif);
    } else if (!strcmp(key, "oifname") || !strcmp(key, "oif")) {
        return interface_is(value, p->oif);
    } else if (!strcmp(key, "l4proto")) {
        return word_is(value, p->l4proto);
    } else if (!strcmp(key, "mark")) {
        /* Nobody has marked it yet. */
        return value->type == JSON_INTEGER ? tri(!json_integer(value)) : NO;
    } else if (!strcmp(key, "nfproto")) {
        return word_is(value, p->is_v4 ? "ipv4" : "ipv6");
    } else if (!strcmp(key, "protocol")) {
        return word_is(value, p->is_v4 ? "ip" : "ip6");
    }
    return MAYBE;
}

static enum tri
payload_is(const struct walk *w, const struct json *left,
           const struct json *value)
{
    const char *protocol = nft_string(left, "protocol");
    const char *field = nft_string(left, "field");
    const struct nft_packet *p = w->packet;
    bool ip = !strcmp(protocol, "ip"), ip6 = !strcmp(protocol, "ip6");

    if (ip || ip6) {
        return ip != p->is_v4 ? NO
               : !strcmp(field, "saddr") ? address_is(value, &p->src)
               : !strcmp(field, "daddr") ? address_is(value, &p->dst)
               : !strcmp(field, "protocol") || !strcmp(field, "nexthdr")
               ? word_is(value, p->l4proto) : MAYBE;
    } else if (strcmp(protocol, "th") && strcmp(protocol, p->l4proto)) {
        return protocol[0] ? NO : MAYBE;
    }
    return !strcmp(field, "dport") ? port_is(value, p->dport) : MAYBE;
}

/* One value, or "any of". */
static enum tri
field_is(const struct walk *w, const struct json *left,
         const struct json *value)
{
    const struct json *meta = nft_member(left, "meta");
    const struct json *payload = nft_member(left, "payload");
    const struct json *ct = nft_member(left, "ct");
    const struct json *set = nft_member(value, "set");
    const struct json *elem = nft_member(value, "elem");

    if (elem) {
        const struct json *val = nft_member(elem, "val");

        return val ? field_is(w, left, val) : MAYBE;
    } else if (set || value->type == JSON_ARRAY) {
        const struct json *list = set ? set : value;
        enum tri any = NO;

        for (size_t i = 0; i < array_size(list); i++) {
            any = MAX(any, field_is(w, left, array_get(list, i)));
        }
        return list->type == JSON_ARRAY ? any : MAYBE;
    } else if (value->type == JSON_STRING && json_string(value)[0] == '@') {
        return MAYBE;
    }
    return meta ? meta_is(w, nft_string(meta, "key"), value)
           : payload ? payload_is(w, payload, value)
           : ct && !strcmp(nft_string(ct, "key"), "state")
           ? word_is(value, "new") : MAYBE;
}

static enum tri
match_is(const struct walk *w, const struct json *match)
{
    const char *op = nft_string(match, "op");
    const struct json *left = nft_member(match, "left");
    const struct json *right = nft_member(match, "right");

    if (!left || !right) {
        return MAYBE;
    }
    return !strcmp(op, "==") || !strcmp(op, "in") ? field_is(w, left, right)
           : !strcmp(op, "!=") ? tri_not(field_is(w, left, right)) : MAYBE;
}

/* Chains. */

static enum verdict walk_rules(struct walk *, const char *chain, int depth);

/* What a statement of a rule that matches decides. */
static enum verdict
statement_verdict(struct walk *w, const struct json *statement, int depth)
{
    const struct json *jump = nft_member(statement, "jump");
    const struct json *go = nft_member(statement, "goto");
    const struct json *xt = nft_member(statement, "xt");

    if (statement->type != JSON_OBJECT) {
        return GOES_ON;
    } else if (jump || go) {
        const char *target = nft_string(jump ? jump : go, "target");
        enum verdict v = walk_rules(w, target, depth + 1);

        return v == RETURNED || v == GOES_ON ? (go ? RETURNED : GOES_ON) : v;
    }
    /* Whom a queue leads to may do anything. */
    return shash_find(json_object(statement), "accept")
           || shash_find(json_object(statement), "queue") ? ACCEPTED
           : shash_find(json_object(statement), "return") ? RETURNED
           : shash_find(json_object(statement), "drop")
             || shash_find(json_object(statement), "reject")
             || !strcmp(nft_string(xt, "name"), "REJECT") ? DROPPED
           : GOES_ON;
}

/* The verdict of a rule of which it is not certain that it matches: it cannot
 * drop, but be why the packet is not dropped after it. */
static enum verdict
maybe(struct walk *w, enum verdict v)
{
    w->unsure |= v == ACCEPTED || v == RETURNED;
    return GOES_ON;
}

static enum verdict
walk_map(struct walk *w, const struct json *vmap, enum tri so_far, int depth)
{
    const struct json *key = nft_member(vmap, "key");
    const struct json *set = nft_member(nft_member(vmap, "data"), "set");
    enum verdict v = GOES_ON;

    for (size_t i = 0; key && i < array_size(set) && v == GOES_ON; i++) {
        const struct json *pair = array_get(set, i);

        if (array_size(pair) == 2) {
            enum tri t = MIN(so_far,
                             field_is(w, key, array_get(pair, 0)));

            if (t != NO) {
                v = statement_verdict(w, array_get(pair, 1), depth);
                v = t == YES ? v : maybe(w, v);
            }
        }
    }
    return v;
}

/* iptables' extensions, which nft does not tell more of.  Most of those that
 * accept are for connections that exist. */
static enum tri
extension_is(const struct json *xt)
{
    return strcmp(nft_string(xt, "type"), "match")
           || !strcmp(nft_string(xt, "name"), "comment") ? YES : MAYBE;
}

/* Whether it matches because it says the packet's interface or port. */
static bool
match_names_packet(const struct json *match, enum tri t)
{
    const struct json *left = nft_member(match, "left");
    const char *key = nft_string(nft_member(left, "meta"), "key");
    const char *field = nft_string(nft_member(left, "payload"), "field");

    return t == YES && strcmp(nft_string(match, "op"), "!=")
           && (!strncmp(key, "iif", 3) || !strncmp(key, "oif", 3)
               || !strcmp(field, "dport"));
}

/* A rule, as far as it was looked at. */
struct rule_state {
    enum tri matches;
    bool extended;              /* In doubt because of an extension, */
    bool names_packet;          /* but it says the packet's interface. */
};

static enum verdict
walk_expression(struct walk *w, const struct json *e, struct rule_state *r,
                int depth)
{
    const struct json *match = nft_member(e, "match");
    const struct json *xt = nft_member(e, "xt");
    const struct json *vmap = nft_member(e, "vmap");

    if (match) {
        enum tri t = match_is(w, match);

        r->names_packet |= match_names_packet(match, t);
        r->matches = MIN(r->matches, t);
    } else if (xt && extension_is(xt) != YES) {
        r->extended = true;
        r->matches = MIN(r->matches, MAYBE);
    } else if (nft_member(e, "limit") || nft_member(e, "quota")
               || nft_member(e, "ct count")) {
        r->matches = MIN(r->matches, MAYBE);
    } else if (vmap) {
        return walk_map(w, vmap, r->matches, depth);
    } else {
        return statement_verdict(w, e, depth);
    }
    return GOES_ON;
}

static enum verdict
walk_rule(struct walk *w, const struct json *rule, int depth)
{
    const struct json *expr = nft_member(rule, "expr");
    struct rule_state r = { .matches = YES };
    const struct nft_drop no_drop = w->drop;
    bool was_unsure = w->unsure;
    enum verdict v = GOES_ON;

    for (size_t i = 0; i < array_size(expr) && v == GOES_ON
                       && r.matches != NO; i++) {
        v = walk_expression(w, array_get(expr, i), &r, depth);
    }
    if (r.matches == NO) {
        return GOES_ON;
    } else if (r.matches == MAYBE) {
        v = maybe(w, v);
        if (r.extended && !r.names_packet) {
            w->unsure = was_unsure;
        }
    }
    if (v != DROPPED) {
        w->drop = no_drop;
    } else if (!w->drop.chain) {
        w->drop.chain = nft_string(rule, "chain");
        w->drop.rule = rule;
    }
    return v;
}

static enum verdict
walk_rules(struct walk *w, const char *chain, int depth)
{
    enum verdict v = GOES_ON;

    if (depth > MAX_DEPTH) {
        return GOES_ON;
    }
    for (size_t i = 0; i < array_size(w->ruleset) && v == GOES_ON; i++) {
        const struct json *rule = nft_member(array_get(w->ruleset, i),
                                             "rule");

        if (rule && !strcmp(nft_string(rule, "chain"), chain)
            && !strcmp(nft_string(rule, "table"),
                       nft_string(w->base, "table"))
            && !strcmp(nft_string(rule, "family"),
                       nft_string(w->base, "family"))) {
            v = walk_rule(w, rule, depth);
        }
    }
    return v;
}

enum nft_fate
nft_walk(const struct json *ruleset, const struct json *chain,
         const struct nft_packet *packet, struct nft_drop *ret_drop)
{
    struct walk w = { .ruleset = ruleset, .base = chain, .packet = packet };
    enum verdict v = walk_rules(&w, nft_string(chain, "name"), 0);

    if (v != DROPPED && v != ACCEPTED
        && !strcmp(nft_string(chain, "policy"), "drop")) {
        w.drop.chain = nft_string(chain, "name");
        w.drop.rule = NULL;
        v = DROPPED;
    }
    if (v != DROPPED) {
        return NFT_PASSES;
    } else if (w.unsure) {
        return NFT_UNSURE;
    }
    *ret_drop = w.drop;
    return NFT_DROPPED;
}
