#include <config.h>

#include "state/model.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include "lib/suggest.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/util.h"
#include "state/name.h"
#include "state/service.h"
#include "util.h"

/* Parses one of "80", "80-90". */
static char *
parse_port_range(const char *s, struct model_port_range *ret_range)
{
    char *copy = xstrdup(s);
    char *dash = strchr(copy, '-');
    const char *last = copy;
    unsigned int first_port, last_port;
    char *error = NULL;

    if (dash) {
        *dash = '\0';
        last = dash + 1;
    }
    if (!str_is_decimal(copy) || !str_to_uint(copy, 10, &first_port)
        || !str_is_decimal(last) || !str_to_uint(last, 10, &last_port)
        || !first_port || first_port > UINT16_MAX
        || last_port > UINT16_MAX) {
        error = xasprintf("\"%s\" is not a port: a port is a number from 1 to "
                          "65535, or FIRST-LAST", s);
    } else if (first_port > last_port) {
        error = xasprintf("the port range \"%s\" ends before it starts", s);
    } else {
        ret_range->first = first_port;
        ret_range->last = last_port;
    }
    free(copy);
    return error;
}

static int
compare_port_ranges(const void *a_, const void *b_)
{
    const struct model_port_range *a = a_;
    const struct model_port_range *b = b_;

    return (a->first != b->first
            ? (int) a->first - (int) b->first
            : (int) a->last - (int) b->last);
}

/* Sorts and joins what overlaps or touches: "80,81,90-95,92" is one set. */
static void
selector_normalize_ports(struct model_selector *sel)
{
    size_t n = 0;

    qsort(sel->ports, sel->n_ports, sizeof *sel->ports, compare_port_ranges);
    for (size_t i = 0; i < sel->n_ports; i++) {
        const struct model_port_range *range = &sel->ports[i];
        if (n && range->first <= sel->ports[n - 1].last + 1) {
            sel->ports[n - 1].last = MAX(sel->ports[n - 1].last, range->last);
        } else {
            sel->ports[n++] = *range;
        }
    }
    sel->n_ports = n;
}

/* Parses "80,443,8000-8010". */
static char *
selector_parse_ports(const char *s, struct model_selector *sel)
{
    char *copy = xstrdup(s);
    char *rest = copy;
    char *error = NULL;
    char *word;

    while (!error && (word = strsep(&rest, ",")) != NULL) {
        sel->ports = xrealloc(sel->ports,
                              (sel->n_ports + 1) * sizeof *sel->ports);
        error = parse_port_range(word, &sel->ports[sel->n_ports]);
        if (!error) {
            sel->n_ports++;
        }
    }
    free(copy);
    if (!error) {
        selector_normalize_ports(sel);
    }
    return error;
}

/* Splits 'text' at the ':' before the ports, if there is one.  '*ret_ports'
 * points into 'text'.  IPv6 with ports is written in brackets, as
 * "[fd00::/64]:80" or "[fd00::1]:80"; the brackets are not part of the name.
 */
static char *
selector_split(const char *text, char **ret_name, const char **ret_ports)
{
    const char *start = text;
    const char *end, *rest;

    if (text[0] == '[') {
        start = text + 1;
        end = strchr(start, ']');
        if (!end) {
            return xasprintf("\"%s\": the \"[\" is never closed", text);
        }
        rest = end + 1;
        if (rest[0] && rest[0] != ':') {
            return xasprintf("\"%s\": only a \":\" and ports can follow the "
                             "\"]\"", text);
        }
    } else {
        struct sn_prefix prefix;
        char *error = sn_prefix_parse(text, &prefix);
        size_t skip = 0;
        if (!error) {
            skip = strlen(text);
        } else if (!strncmp(text, "tag:", 4)) {
            skip = 4;
        } else if (!strncmp(text, "node:", 5)) {
            skip = 5;
        } else if (!strncmp(text, "client:", 7)) {
            skip = 7;
        }
        free(error);
        end = rest = text + skip + strcspn(text + skip, ":");
    }
    *ret_name = xmemdup0(start, end - start);
    *ret_ports = rest[0] ? rest + 1 : NULL;
    return NULL;
}

/* "tag:x", "node:x" or "client:x", by 'kind'. */
static char *
selector_parse_keyword(const struct model *model, enum selector_kind kind,
                       const char *name, const char *text)
{
    char *error = name_validate(name);
    if (error) {
        char *longer = xasprintf("\"%s\": %s", text, error);
        free(error);
        return longer;
    }
    if (kind == SEL_NODE && !model_get_node(model, name)) {
        struct suggest near;
        const struct shash_node *node;

        suggest_init(&near, name);
        SHASH_FOR_EACH (node, &model->nodes) {
            suggest_offer(&near, node->name);
        }
        return xasprintf("no node is named \"%s\"%s%s%s", name,
                         near.best ? ": did you mean \"node:" : "",
                         near.best ? near.best : "",
                         near.best ? "\"?" : "");
    }
    return NULL;
}

static char *
selector_unknown_name(const struct model *model, const char *name)
{
    const struct shash *tables[] = {
        &model->containers, &model->segments, &model->services,
    };
    const struct shash_node *node;
    struct suggest near;

    suggest_init(&near, name);
    suggest_offer(&near, "internet");
    for (size_t i = 0; i < ARRAY_SIZE(tables); i++) {
        SHASH_FOR_EACH (node, tables[i]) {
            suggest_offer(&near, node->name);
        }
    }
    if (near.best) {
        return xasprintf("no container, segment or service is named \"%s\": "
                         "did you mean \"%s\"?", name, near.best);
    }
    if (model_get_node(model, name)) {
        return xasprintf("\"%s\" is a node: did you mean \"node:%s\", the "
                         "host itself?", name, name);
    }
    return xasprintf("no container, segment or service is named \"%s\"", name);
}

/* Finds out what 'name', which is 'sel->text', is. */
static char *
selector_resolve(const struct model *model, struct model_selector *sel)
{
    const char *name = sel->text;

    if (!strcmp(name, "*")) {
        sel->kind = SEL_ANY;
    } else if (!strcmp(name, "internet")) {
        sel->kind = SEL_INTERNET;
    } else if (!strncmp(name, "tag:", 4)) {
        sel->kind = SEL_TAG;
        return selector_parse_keyword(model, sel->kind, name + 4, name);
    } else if (!strncmp(name, "node:", 5)) {
        sel->kind = SEL_NODE;
        return selector_parse_keyword(model, sel->kind, name + 5, name);
    } else if (!strncmp(name, "client:", 7)) {
        sel->kind = SEL_CLIENT;
        return selector_parse_keyword(model, sel->kind, name + 7, name);
    } else if (strpbrk(name, "*?[")) {
        sel->kind = SEL_GLOB;
    } else if (model_get_container(model, name)) {
        sel->kind = SEL_CONTAINER;
    } else if (model_get_segment(model, name)) {
        sel->kind = SEL_SEGMENT;
    } else if (model_get_service(model, name)) {
        sel->kind = SEL_SERVICE;
    } else {
        return selector_unknown_name(model, name);
    }
    return NULL;
}

/* Tries 'sel->text' as an address or network, which becomes canonical:
 * "10.0.0.1" and not "10.0.0.1/32".  Returns false if it is neither. */
static bool
selector_resolve_prefix(struct model_selector *sel, char **ret_error)
{
    struct sn_prefix prefix;
    char *error = sn_prefix_parse(sel->text, &prefix);

    *ret_error = NULL;
    if (error) {
        /* Meant as one?  Then its error says more than "no such name". */
        bool meant = sel->text[strspn(sel->text, "0123456789./")] == '\0'
                     || strchr(sel->text, '/') || strchr(sel->text, ':');
        if (meant && strncmp(sel->text, "tag:", 4)
            && strncmp(sel->text, "node:", 5)
            && strncmp(sel->text, "client:", 7)) {
            *ret_error = error;
            return true;
        }
        free(error);
        return false;
    }
    if (sn_prefix_has_host_bits(&prefix)) {
        struct sn_prefix network = sn_prefix_network(&prefix);
        struct sn_prefix host = sn_prefix_host(&prefix);
        char *net_s = sn_prefix_to_string(&network);
        char *host_s = sn_prefix_to_string(&host);
        *ret_error = xasprintf("\"%s\" has host bits below its mask: did you "
                               "mean \"%s\" or \"%s\"?",
                               sel->text, net_s, host_s);
        free(net_s);
        free(host_s);
        return true;
    }
    free(sel->text);
    struct sn_prefix host = sn_prefix_host(&prefix);
    sel->text = sn_prefix_equals(&host, &prefix)
                ? sn_prefix_addr_to_string(&prefix)
                : sn_prefix_to_string(&prefix);
    sel->kind = SEL_CIDR;
    sel->prefix = prefix;
    return true;
}

char *
model_selector_parse(const struct model *model, const char *text,
                     bool with_ports, struct model_selector *ret_sel)
{
    struct model_selector sel = { .kind = SEL_ANY };
    const char *ports = NULL;
    char *error;

    if (!text[0]) {
        return xstrdup("an empty selector selects nothing");
    }
    error = selector_split(text, &sel.text, &ports);
    if (!error && ports && !with_ports) {
        error = xasprintf("\"%s\": ports belong to a dst, not here", text);
    }
    if (!error && ports) {
        error = selector_parse_ports(ports, &sel);
    }
    if (!error && !selector_resolve_prefix(&sel, &error)) {
        error = selector_resolve(model, &sel);
    }
    if (error) {
        model_selector_destroy(&sel);
    } else {
        *ret_sel = sel;
    }
    return error;
}

char *
model_selector_to_string(const struct model_selector *sel)
{
    struct ds s = DS_EMPTY_INITIALIZER;
    bool bracket = sel->n_ports && sel->kind == SEL_CIDR
                   && strchr(sel->text, ':');

    ds_put_format(&s, bracket ? "[%s]" : "%s", sel->text);
    for (size_t i = 0; i < sel->n_ports; i++) {
        const struct model_port_range *range = &sel->ports[i];
        ds_put_format(&s, "%c%"PRIu16, i ? ',' : ':', range->first);
        if (range->last != range->first) {
            ds_put_format(&s, "-%"PRIu16, range->last);
        }
    }
    return ds_steal_cstr(&s);
}

void
model_selector_destroy(struct model_selector *sel)
{
    free(sel->text);
    free(sel->ports);
}

bool
model_selector_has_port(const struct model_selector *sel, uint16_t port)
{
    for (size_t i = 0; i < sel->n_ports; i++) {
        if (sel->ports[i].first <= port && port <= sel->ports[i].last) {
            return true;
        }
    }
    return !sel->n_ports;
}

static bool
container_in_prefix(const struct model_container *container,
                    const struct sn_prefix *prefix)
{
    for (size_t i = 0; i < container->n_addresses; i++) {
        struct sn_prefix host = sn_prefix_host(&container->addresses[i]);
        if (sn_prefix_contains(prefix, &host)) {
            return true;
        }
    }
    return false;
}

bool
model_selector_matches(const struct model *model,
                       const struct model_selector *sel,
                       const struct model_container *container)
{
    const struct model_segment *segment;

    switch (sel->kind) {
    case SEL_ANY:
        return true;
    case SEL_CONTAINER:
        return !strcmp(sel->text, container->name);
    case SEL_TAG:
        return sset_contains(&container->tags, sel->text + strlen("tag:"));
    case SEL_GLOB:
        return !fnmatch(sel->text, container->name, 0);
    case SEL_CIDR:
        return container_in_prefix(container, &sel->prefix);
    case SEL_SEGMENT:
        /* A segment is no member of another, so this ends. */
        segment = model_get_segment(model, sel->text);
        for (size_t i = 0; segment && i < segment->n_members; i++) {
            if (segment->members[i].kind != SEL_SEGMENT
                && model_selector_matches(model, &segment->members[i],
                                          container)) {
                return true;
            }
        }
        return false;
    case SEL_SERVICE:
        return service_has_backend(model, model_get_service(model, sel->text),
                                   sel->n_ports ? sel->ports[0].first : 0,
                                   container);
    case SEL_NODE:
    case SEL_INTERNET:
    case SEL_CLIENT:
        return false;
    }
    OVS_NOT_REACHED();
}

static bool
client_in_prefix(const struct model_client *client,
                 const struct sn_prefix *prefix)
{
    for (size_t i = 0; i < client->n_addresses; i++) {
        if (sn_prefix_contains(prefix, &client->addresses[i])) {
            return true;
        }
    }
    return false;
}

bool
model_selector_matches_client(const struct model *model,
                              const struct model_selector *sel,
                              const struct model_client *client)
{
    const struct model_segment *segment;

    switch (sel->kind) {
    case SEL_ANY:
        return true;
    case SEL_CLIENT:
        return !strcmp(sel->text + strlen("client:"), client->name);
    case SEL_TAG:
        return sset_contains(&client->tags, sel->text + strlen("tag:"));
    case SEL_CIDR:
        return client_in_prefix(client, &sel->prefix);
    case SEL_SEGMENT:
        segment = model_get_segment(model, sel->text);
        for (size_t i = 0; segment && i < segment->n_members; i++) {
            if (segment->members[i].kind != SEL_SEGMENT
                && model_selector_matches_client(model, &segment->members[i],
                                                 client)) {
                return true;
            }
        }
        return false;
    case SEL_CONTAINER:
    case SEL_GLOB:
    case SEL_SERVICE:
    case SEL_NODE:
    case SEL_INTERNET:
        return false;
    }
    OVS_NOT_REACHED();
}
