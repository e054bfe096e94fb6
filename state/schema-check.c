#include <config.h>

#include "state/schema.h"

#include <stdlib.h>
#include <string.h>
#include "lib/diag.h"
#include "lib/prefix.h"
#include "lib/rate.h"
#include "lib/suggest.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/json.h"
#include "openvswitch/util.h"
#include "packets.h"
#include "lib/diag-fix.h"
#include "state/document.h"
#include "state/name.h"
#include "state/when.h"
#include "util.h"

/* One function per type of scalar: NULL, or what follows "NAME must be ". */

static char *
check_bool(const char *s, char **ret_fix)
{
    static const char *const yes[] = { "yes", "on", "True", "TRUE", "1" };
    static const char *const no[] = { "no", "off", "False", "FALSE", "0" };

    if (!strcmp(s, "true") || !strcmp(s, "false")) {
        return NULL;
    }
    for (size_t i = 0; i < ARRAY_SIZE(yes); i++) {
        if (!strcmp(s, yes[i])) {
            *ret_fix = xstrdup("write true");
        } else if (!strcmp(s, no[i])) {
            *ret_fix = xstrdup("write false");
        }
    }
    return xstrdup("true or false");
}

static char *
check_number(const char *s, unsigned int min, unsigned int max,
             const char *what)
{
    unsigned int number;

    return (str_is_decimal(s) && str_to_uint(s, 10, &number)
            && number >= min && number <= max
            ? NULL
            : xasprintf("%s (%u to %u)", what, min, max));
}

static char *
check_words(const char *s, const char *const *words, char **ret_fix)
{
    struct ds list = DS_EMPTY_INITIALIZER;
    struct suggest near;

    suggest_init(&near, s);
    for (size_t i = 0; words[i]; i++) {
        if (!strcmp(s, words[i])) {
            ds_destroy(&list);
            return NULL;
        }
        suggest_offer(&near, words[i]);
        ds_put_format(&list, "%s%s", !i ? "" : words[i + 1] ? ", " : " or ",
                      words[i]);
    }
    if (near.best) {
        *ret_fix = xasprintf("write %s", near.best);
    }
    return ds_steal_cstr(&list);
}

static char *
check_prefix(enum schema_type type, const char *s, char **ret_fix)
{
    struct sn_prefix p;
    char *error = sn_prefix_parse(s, &p);
    if (error) {
        free(error);
        return xstrdup(type == SCHEMA_NETWORK ? "a network, ADDRESS/LENGTH"
                       : type == SCHEMA_ADDRESS ? "an IPv4 or IPv6 address"
                       : type == SCHEMA_IPV4
                         ? "an IPv4 address with its prefix length, "
                           "like 10.0.0.102/24"
                         : "an IPv6 address with its prefix length, "
                           "like fd00::102/64");
    }

    bool slash = strchr(s, '/') != NULL;
    if (type == SCHEMA_ADDRESS) {
        if (slash) {
            *ret_fix = xasprintf("write %.*s", (int) strcspn(s, "/"), s);
        }
        return slash ? xstrdup("an address without a prefix length") : NULL;
    } else if (!slash) {
        return xstrdup("written with a prefix length");
    } else if (type == SCHEMA_NETWORK) {
        if (sn_prefix_has_host_bits(&p)) {
            struct sn_prefix network = sn_prefix_network(&p);
            char *network_s = sn_prefix_to_string(&network);
            *ret_fix = xasprintf("write %s", network_s);
            free(network_s);
            return xstrdup("a network: it has host bits below its mask");
        }
        return NULL;
    }
    return (p.is_v4 != (type == SCHEMA_IPV4)
            ? xstrdup(p.is_v4 ? "an IPv6 address" : "an IPv4 address")
            : NULL);
}

static char *
check_mac(const char *s)
{
    struct eth_addr mac;

    if (!eth_addr_from_string(s, &mac)) {
        return xstrdup("a MAC address, like BC:24:11:00:01:02");
    } else if (eth_addr_is_multicast(mac) || eth_addr_is_zero(mac)) {
        return xstrdup("the MAC address of one interface");
    }
    return NULL;
}

/* What was probably meant: a bare number, units of other programs. */
static char *
suggest_rate(const char *s)
{
    int n = strspn(s, "0123456789");
    struct sn_rate rate;
    char *guess = NULL, *fix = NULL;

    if (n && !s[n]) {
        guess = xasprintf("%skbit", s);
        fix = xasprintf("write %skbit, or %sMbit", s, s);
    } else if (n && !strcasecmp(s + n, "mbps")) {
        guess = xasprintf("%.*sMbit", n, s);
        fix = xasprintf("write %s (tc's mbps are megabytes)", guess);
    } else if (n && strchr("kKMG", s[n])) {
        guess = xasprintf("%.*sbit", n + 1, s);
        fix = xasprintf("write %s", guess);
    }

    char *error = guess ? sn_rate_parse(guess, &rate) : NULL;
    if (error) {
        free(error);
        free(fix);
        fix = NULL;
    }
    free(guess);
    return fix;
}

static char *
check_rate(const char *s, bool only_bits, char **ret_fix)
{
    struct sn_rate rate;
    char *error = sn_rate_parse(s, &rate);

    if (error) {
        *ret_fix = suggest_rate(s);
    }
    if (only_bits && (error || rate.pps)) {
        free(error);
        return xstrdup("in bits per second, like 100Mbit or 512kbit");
    }
    return error;
}

/* HOST, HOST:PORT, IPV6 or [IPV6]:PORT. */
static char *
check_endpoint(const char *s)
{
    const char *message = "HOST or HOST:PORT (an IPv6 address with a port: "
                          "[ADDRESS]:PORT)";
    char *copy = xstrdup(s);
    char *host = copy;
    const char *port = NULL;
    struct in6_addr ip6;
    bool ok = true;

    if (host[0] == '[') {
        char *end = strchr(host, ']');
        ok = end && (!end[1] || end[1] == ':');
        if (ok) {
            *end = '\0';
            host++;
            port = end[1] ? end + 2 : NULL;
            ok = ipv6_parse(host, &ip6);
        }
    } else if (!ipv6_parse(host, &ip6)) {
        char *colon = strchr(host, ':');
        if (colon) {
            *colon = '\0';
            port = colon + 1;
        }
        char *error = name_validate(host);
        ovs_be32 ip;
        ok = !error && (ip_parse(host, &ip)
                        || host[strspn(host, "0123456789.")]);
        free(error);
    }
    if (ok && port) {
        char *error = check_number(port, 1, UINT16_MAX, "");
        ok = !error;
        free(error);
    }
    free(copy);
    return ok ? NULL : xstrdup(message);
}

/* "a name: ..." from a name checker's error. */
static char *
check_named(char *error, const char *what)
{
    char *message = error ? xasprintf("%s (%s)", what, error) : NULL;

    free(error);
    return message;
}

/* Returns NULL, or what is wrong, which follows the words "NAME must be ";
 * '*ret_fix' may get a fix.  Both to free. */
static char *
schema_check_scalar(const struct schema *schema,
                    const struct doc_value *value, char **ret_fix)
{
    const char *s = value->string;
    int64_t when;

    *ret_fix = NULL;
    switch (schema->type) {
    case SCHEMA_STRING:
    case SCHEMA_SELECTOR:
        return s[0] ? NULL : xstrdup("more than an empty string");
    case SCHEMA_BOOL:
        return value->plain ? check_bool(s, ret_fix)
                            : xstrdup("true or false, without quotes");
    case SCHEMA_UINT:
        return check_number(s, 0, UINT32_MAX, "a number");
    case SCHEMA_PORT:
        return check_number(s, 1, UINT16_MAX, "a port number");
    case SCHEMA_ENUM:
        return check_words(s, schema->words, ret_fix);
    case SCHEMA_NAME:
        return check_named(name_validate(s), "a name");
    case SCHEMA_INTERFACE:
        return check_named(name_validate_interface(s),
                           "the name of an interface");
    case SCHEMA_DOMAIN:
        return check_named(name_validate_domain(s), "a domain");
    case SCHEMA_ADDRESS:
    case SCHEMA_NETWORK:
    case SCHEMA_IPV4:
    case SCHEMA_IPV6:
        return check_prefix(schema->type, s, ret_fix);
    case SCHEMA_TIME:
        return (when_parse(s, &when) ? NULL
                : xstrdup("a date or a time in UTC, like 2026-12-24 or "
                          "2026-12-24T18:30:00Z"));
    case SCHEMA_PUBLIC_KEY:
        return (name_is_public_key(s) ? NULL
                : xstrdup("a WireGuard public key, as `wg pubkey` prints "
                          "it"));
    case SCHEMA_MAC:
        return check_mac(s);
    case SCHEMA_RATE:
    case SCHEMA_BITS:
        return check_rate(s, schema->type == SCHEMA_BITS, ret_fix);
    case SCHEMA_ENDPOINT:
        return check_endpoint(s);
    case SCHEMA_MAP:
    case SCHEMA_MAP_OF:
    case SCHEMA_LIST:
    case SCHEMA_ANY:
        break;
    }
    OVS_NOT_REACHED();
}

/* Where the suggestion is no guess: it says the same in the right words. */
static void
schema_fix(const struct schema *schema, const struct doc_value *value,
           const char *fix, struct diags *diags)
{
    static const char write[] = "write ";
    bool certain = schema->type == SCHEMA_BOOL
                   || schema->type == SCHEMA_ADDRESS
                   || schema->type == SCHEMA_NETWORK;

    if (certain && fix && !strncmp(fix, write, strlen(write))) {
        diags_fix_replace(diags, value->text_loc.length ? &value->text_loc
                          : &value->loc, value->string, fix + strlen(write));
    }
}

static void schema_check_value(const struct schema *, const char *name,
                               const struct doc_value *, struct diags *);

static void
schema_report_type(const struct doc_value *value, const char *name,
                   const char *expected, struct diags *diags)
{
    struct sn_loc loc = value->loc;

    if (value->type == DOC_SCALAR && !doc_is_null(value)) {
        diags_add(diags, DIAG_ERROR, &loc, NULL,
                  "\"%s\" must be %s, not \"%s\"", name, expected,
                  value->string);
    } else {
        diags_add(diags, DIAG_ERROR, &loc, NULL,
                  "\"%s\" must be %s, not %s", name, expected,
                  doc_type_to_string(value));
    }
}

static void
schema_report_unknown_key(const struct schema *schema,
                          const struct doc_member *member,
                          struct diags *diags)
{
    const struct schema_key *key;
    struct ds known = DS_EMPTY_INITIALIZER;
    struct suggest near;

    suggest_init(&near, member->key);
    for (size_t i = 0; (key = schema_get_key(schema, i)) != NULL; i++) {
        suggest_offer(&near, key->name);
        ds_put_format(&known, "%s%s", i ? ", " : "", key->name);
    }
    if (schema->suffix) {
        suggest_offer(&near, "warp_tunnel");
        ds_put_format(&known, ", NAME%s", schema->suffix);
    }
    if (schema == &schema_fleet && schema_find_key(&schema_node,
                                                   member->key)) {
        diags_add(diags, DIAG_ERROR, &member->key_loc,
                  "put it under its node: nodes: {NAME: ...}",
                  "\"%s\" belongs to a node, and the file has \"nodes\"",
                  member->key);
    } else if (near.best) {
        diags_add(diags, DIAG_ERROR, &member->key_loc, NULL,
                  "unknown key \"%s\": did you mean \"%s\"?", member->key,
                  near.best);
    } else {
        char *fix = xasprintf("the keys here are %s", ds_cstr(&known));
        diags_add(diags, DIAG_ERROR, &member->key_loc, fix,
                  "unknown key \"%s\"", member->key);
        free(fix);
    }
    ds_destroy(&known);
}

static void
schema_check_map(const struct schema *schema, const char *name,
                 const struct doc_value *map, struct diags *diags)
{
    const struct schema_key *key;
    bool all_known = true;

    for (size_t i = 0; i < map->n_members; i++) {
        const struct doc_member *member = &map->members[i];
        const struct schema *value_schema = schema_of_member(schema,
                                                             member->key);
        if (value_schema) {
            schema_check_value(value_schema, member->key, member->value,
                               diags);
        } else {
            schema_report_unknown_key(schema, member, diags);
            all_known = false;
        }
    }
    /* An unknown key may well be the one that would be missed. */
    for (size_t i = 0;
         all_known && (key = schema_get_key(schema, i)) != NULL; i++) {
        if (key->flags & SCHEMA_REQUIRED && !doc_get(map, key->name)) {
            diags_add(diags, DIAG_ERROR, &map->loc, NULL,
                      "\"%s\" lacks the key \"%s\"", name, key->name);
        }
    }
}

static void
schema_check_map_of(const struct schema *schema, const char *name,
                    const struct doc_value *map, struct diags *diags)
{
    const struct schema key_schema = { .type = schema->key_type };

    for (size_t i = 0; i < map->n_members; i++) {
        const struct doc_member *member = &map->members[i];
        const struct doc_value key = {
            .type = DOC_SCALAR, .loc = member->key_loc, .string = member->key,
        };
        char *fix;
        char *error = schema_check_scalar(&key_schema, &key, &fix);
        if (error) {
            diags_add(diags, DIAG_ERROR, &member->key_loc, fix,
                      "a key of \"%s\" must be %s, not \"%s\"",
                      name, error, member->key);
        }
        free(error);
        free(fix);
        schema_check_value(schema->item, member->key, member->value, diags);
    }
}

static void
schema_check_list(const struct schema *schema, const char *name,
                  const struct doc_value *value, struct diags *diags)
{
    if (value->type == DOC_MAP && schema->or_map) {
        schema_check_value(schema->or_map, name, value, diags);
    } else if (value->type == DOC_LIST) {
        for (size_t i = 0; i < value->n_elems; i++) {
            schema_check_value(schema->item, name, value->elems[i], diags);
        }
    } else if (value->type == DOC_SCALAR && schema->or_single) {
        schema_check_value(schema->item, name, value, diags);
    } else {
        schema_report_type(value, name, "a list", diags);
    }
}

static void
schema_check_value(const struct schema *schema, const char *name,
                   const struct doc_value *value, struct diags *diags)
{
    bool container = schema->type == SCHEMA_MAP
                     || schema->type == SCHEMA_MAP_OF;

    if (schema->type == SCHEMA_ANY) {
        return;
    } else if (value->type == DOC_SCALAR && doc_is_null(value)) {
        diags_add(diags, DIAG_ERROR, &value->loc,
                  "write a value, or leave the key out",
                  "\"%s\" has no value", name);
    } else if (schema->type == SCHEMA_LIST) {
        schema_check_list(schema, name, value, diags);
    } else if (container && value->type == DOC_MAP) {
        if (schema->type == SCHEMA_MAP) {
            schema_check_map(schema, name, value, diags);
        } else {
            schema_check_map_of(schema, name, value, diags);
        }
    } else if (container || value->type != DOC_SCALAR) {
        schema_report_type(value, name,
                           container ? "a mapping" : "a single value", diags);
    } else {
        char *fix;
        char *error = schema_check_scalar(schema, value, &fix);
        if (error) {
            diags_add(diags, DIAG_ERROR, &value->loc, fix,
                      "\"%s\" must be %s, not \"%s\"", name, error,
                      value->string);
            schema_fix(schema, value, fix, diags);
        }
        free(error);
        free(fix);
    }
}

void
schema_check(const struct schema *schema, const struct doc_value *value,
             struct diags *diags)
{
    schema_check_value(schema, "state file", value, diags);
}

struct json *
schema_kept(const struct schema *schema, const struct doc_value *value)
{
    struct json *kept = NULL;

    if (value->type != DOC_MAP || schema->type != SCHEMA_MAP) {
        return NULL;
    }
    for (size_t i = 0; i < value->n_members; i++) {
        const struct doc_member *member = &value->members[i];
        const struct schema_key *key = schema_find_key(schema, member->key);
        struct json *json = NULL;
        if (key && key->flags & SCHEMA_KEEP) {
            json = doc_to_json(member->value);
        } else if (key) {
            json = schema_kept(key->schema, member->value);
        }
        if (json) {
            kept = kept ? kept : json_object_create();
            json_object_put(kept, member->key, json);
        }
    }
    return kept;
}
