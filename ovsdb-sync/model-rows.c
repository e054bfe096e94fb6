#include <config.h>

#include "ovsdb-sync/model-rows.h"

#include <string.h>

#include "openvswitch/dynamic-string.h"
#include "ovsdb-idl.h"
#include "ovsdb-sync/model-rows-private.h"
#include "ovsdb-sync/socknet-idl.h"

/* Selectors. */

/* How the database spells the kinds.  Where 'in_text', the selector's own text
 * begins with the word. */
static const struct {
    enum selector_kind kind;
    const char *word;
    bool in_text;
} selector_words[] = {
    { SEL_ANY,       "*",          true },
    { SEL_INTERNET,  "internet",   true },
    { SEL_TAG,       "tag:",       true },
    { SEL_NODE,      "node:",      true },
    { SEL_CLIENT,    "client:",    true },
    { SEL_CONTAINER, "container:", false },
    { SEL_SEGMENT,   "segment:",   false },
    { SEL_SERVICE,   "service:",   false },
    { SEL_CIDR,      "cidr:",      false },
    { SEL_GLOB,      "glob:",      false },
};

char *
model_rows_selector_to_string(const struct model_selector *sel)
{
    struct ds s = DS_EMPTY_INITIALIZER;

    for (size_t i = 0; i < ARRAY_SIZE(selector_words); i++) {
        if (selector_words[i].kind == sel->kind
            && !selector_words[i].in_text) {
            ds_put_cstr(&s, selector_words[i].word);
        }
    }
    ds_put_cstr(&s, sel->text);
    for (size_t i = 0; i < sel->n_ports; i++) {
        const struct model_port_range *range = &sel->ports[i];

        ds_put_format(&s, "%c%"PRIu16, i ? ',' : ' ', range->first);
        if (range->last != range->first) {
            ds_put_format(&s, "-%"PRIu16, range->last);
        }
    }
    return ds_steal_cstr(&s);
}

static char *
selector_read_ports(const char *ports, struct model_selector *sel)
{
    /* The state file's own parser, with the selector that needs no name. */
    char *text = xasprintf("*:%s", ports);
    struct model_selector any;
    char *error = model_selector_parse(NULL, text, true, &any);

    free(text);
    if (!error) {
        sel->ports = any.ports;
        sel->n_ports = any.n_ports;
        any.ports = NULL;
        model_selector_destroy(&any);
    }
    return error;
}

char *
model_rows_selector_from_string(const char *s, struct model_selector *ret_sel)
{
    struct model_selector sel = { .kind = SEL_ANY };
    const char *ports = strchr(s, ' ');
    char *error = NULL;

    for (size_t i = 0; i < ARRAY_SIZE(selector_words); i++) {
        const char *word = selector_words[i].word;
        size_t skip = selector_words[i].in_text ? 0 : strlen(word);

        if (!strncmp(s, word, strlen(word))) {
            sel.kind = selector_words[i].kind;
            sel.text = xmemdup0(s + skip,
                                (ports ? ports - s : strlen(s)) - skip);
            break;
        }
    }
    if (!sel.text) {
        return xasprintf("\"%s\" is not a selector", s);
    }
    if (sel.kind == SEL_CIDR) {
        error = sn_prefix_parse(sel.text, &sel.prefix);
    }
    if (!error && ports) {
        error = selector_read_ports(ports + 1, &sel);
    }
    if (error) {
        model_selector_destroy(&sel);
    } else {
        *ret_sel = sel;
    }
    return error;
}

char *
model_rows_selectors_read(char **strings, size_t n,
                          const struct sn_loc *loc,
                          struct model_selector **selectors,
                          size_t *n_selectors)
{
    *selectors = xcalloc(n, sizeof **selectors);
    for (size_t i = 0; i < n; i++) {
        char *error = model_rows_selector_from_string(strings[i],
                                                      &(*selectors)[i]);
        if (error) {
            return error;
        }
        (*selectors)[i].loc = *loc;
        ++*n_selectors;
    }
    return NULL;
}

char **
model_rows_selectors_to_strings(const struct model_selector *selectors,
                                size_t n)
{
    char **strings = xcalloc(n, sizeof *strings);

    for (size_t i = 0; i < n; i++) {
        strings[i] = model_rows_selector_to_string(&selectors[i]);
    }
    return strings;
}

/* Segment. */

static char *
segment_key(const struct ovsdb_idl_row *row)
{
    return xstrdup(SNDB_ROW(segment, row)->name);
}

static void *
segment_read(const struct ovsdb_idl_row *row_, char **ret_error)
{
    const struct sndb_segment *row = SNDB_ROW(segment, row_);
    struct model_segment *segment = model_object_create(MODEL_SEGMENT);

    segment->name = xstrdup(row->name);
    for (size_t i = 0; i < row->n_isolated_from; i++) {
        svec_add(&segment->isolated_from, row->isolated_from[i]);
    }
    segment->internet = !row->internet ? INTERNET_UNSET
                        : !strcmp(row->internet, "exit") ? INTERNET_EXIT
                        : INTERNET_DENY;
    /* The keys are sorted: the order of preference. */
    for (size_t i = 0; i < row->n_exits; i++) {
        svec_add(&segment->exits, row->value_exits[i]);
    }
    segment->other = other_from_string(row->other);
    source_from_string(row->source, &segment->loc);
    *ret_error = model_rows_selectors_read(row->members, row->n_members,
                                           &segment->loc, &segment->members,
                                           &segment->n_members);
    if (*ret_error) {
        model_object_free(MODEL_SEGMENT, segment);
        return NULL;
    }
    return segment;
}

static const char *
internet_to_string(enum model_internet internet)
{
    switch (internet) {
    case INTERNET_EXIT: return "exit";
    case INTERNET_DENY: return "deny";
    case INTERNET_UNSET: break;
    }
    return NULL;
}

static void
segment_write_exits(const struct sndb_segment *row,
                    const struct model_segment *segment)
{
    int64_t *order = xcalloc(segment->exits.n + 1, sizeof *order);

    for (size_t i = 0; i < segment->exits.n; i++) {
        order[i] = i;
    }
    sndb_segment_set_exits(row, order, CONST_STRINGS(segment->exits.names),
                           segment->exits.n);
    free(order);
}

static void
segment_write(const struct ovsdb_idl_row *row_, const void *segment_)
{
    const struct sndb_segment *row = SNDB_ROW(segment, row_);
    const struct model_segment *segment = segment_;
    char *source = source_to_string(&segment->loc);
    char **members = model_rows_selectors_to_strings(segment->members,
                                                     segment->n_members);

    sndb_segment_set_name(row, segment->name);
    sndb_segment_set_members(row, CONST_STRINGS(members), segment->n_members);
    sndb_segment_set_isolated_from(row,
                                   CONST_STRINGS(segment->isolated_from.names),
                                   segment->isolated_from.n);
    sndb_segment_set_internet(row, internet_to_string(segment->internet));
    segment_write_exits(row, segment);
    sndb_segment_set_other(row, other_to_string(segment->other));
    sndb_segment_set_source(row, source);
    free_strings(members, segment->n_members);
    free(source);
}

static const struct model_rows model_rows_segment = {
    .table = &sndb_table_segment,
    .key = segment_key,
    .read = segment_read,
    .write = segment_write,
    .aside = { &sndb_segment_col_source },
};

/* Rates: numbers by name; one that is 0 is absent. */

struct rate_field {
    const char *name;           /* "egress_kbps" */
    uint32_t *value;
};
#define MAX_RATE_FIELDS 4

static void
rate_fields_read(const struct rate_field fields[], size_t n_fields,
                 char *const keys[], const int64_t values[], size_t n)
{
    for (size_t i = 0; i < n_fields; i++) {
        for (size_t j = 0; j < n; j++) {
            if (!strcmp(keys[j], fields[i].name)) {
                *fields[i].value = MIN(MAX(values[j], 0), UINT32_MAX);
            }
        }
    }
}

/* Returns how many of the 'n_fields' are not 0; stores them. */
static size_t
rate_fields_write(const struct rate_field fields[], size_t n_fields,
                  const char *keys[], int64_t values[])
{
    size_t n = 0;

    for (size_t i = 0; i < n_fields; i++) {
        if (*fields[i].value) {
            keys[n] = fields[i].name;
            values[n++] = *fields[i].value;
        }
    }
    return n;
}

#define CONTAINER_RATE_FIELDS(LIMITS)                                        \
    { { "egress_kbps", &(LIMITS)->egress_kbps },                             \
      { "ingress_kbps", &(LIMITS)->ingress_kbps },                           \
      { "egress_pps", &(LIMITS)->egress_pps },                               \
      { "burst_kbit", &(LIMITS)->burst_kbit } }

void
model_rows_read_limits(const struct sndb_container *row,
                       struct model_limits *limits)
{
    const struct rate_field fields[] = CONTAINER_RATE_FIELDS(limits);

    rate_fields_read(fields, ARRAY_SIZE(fields), row->key_rate,
                     row->value_rate, row->n_rate);
}

void
model_rows_write_limits(const struct sndb_container *row,
                        const struct model_limits *limits_)
{
    struct model_limits limits = *limits_;
    const struct rate_field fields[] = CONTAINER_RATE_FIELDS(&limits);
    const char *keys[MAX_RATE_FIELDS];
    int64_t values[MAX_RATE_FIELDS];
    size_t n = rate_fields_write(fields, ARRAY_SIZE(fields), keys, values);

    sndb_container_set_rate(row, keys, values, n);
}

/* Acl. */

#define ACL_RATE_FIELDS(RATE)                                                \
    { { "kbps", &(RATE)->kbps }, { "pps", &(RATE)->pps } }

static void
acl_read_rate(const struct sndb_acl *row, struct sn_rate *rate)
{
    const struct rate_field fields[] = ACL_RATE_FIELDS(rate);

    rate_fields_read(fields, ARRAY_SIZE(fields), row->key_rate,
                     row->value_rate, row->n_rate);
}

static void
acl_write_rate(const struct sndb_acl *row, struct sn_rate rate)
{
    const struct rate_field fields[] = ACL_RATE_FIELDS(&rate);
    const char *keys[MAX_RATE_FIELDS];
    int64_t values[MAX_RATE_FIELDS];
    size_t n = rate_fields_write(fields, ARRAY_SIZE(fields), keys, values);

    sndb_acl_set_rate(row, keys, values, n);
}

static char *
acl_key(const struct ovsdb_idl_row *row)
{
    return xstrdup(SNDB_ROW(acl, row)->name);
}

static void *
acl_read(const struct ovsdb_idl_row *row_, char **ret_error)
{
    const struct sndb_acl *row = SNDB_ROW(acl, row_);
    struct model_acl *acl = model_object_create(MODEL_ACL);

    acl->name = xstrdup(row->name);
    acl->tier = !strcmp(row->tier, "emergency") ? TIER_EMERGENCY : TIER_ACLS;
    acl->action = !strcmp(row->action, "accept") ? ACTION_ACCEPT
                                                 : ACTION_DENY;
    acl->ip_proto = row->n_ip_proto ? *row->ip_proto : 0;
    acl_read_rate(row, &acl->rate);
    acl->class = model_class_from_string(row->class_);
    acl->other = other_from_string(row->other);
    source_from_string(row->source, &acl->loc);
    *ret_error = model_rows_selectors_read(row->src, row->n_src, &acl->loc,
                                           &acl->src, &acl->n_src);
    if (!*ret_error) {
        *ret_error = model_rows_selectors_read(row->dst, row->n_dst, &acl->loc,
                                               &acl->dst, &acl->n_dst);
    }
    if (*ret_error) {
        model_object_free(MODEL_ACL, acl);
        return NULL;
    }
    return acl;
}

static void
acl_write(const struct ovsdb_idl_row *row_, const void *acl_)
{
    const struct sndb_acl *row = SNDB_ROW(acl, row_);
    const struct model_acl *acl = acl_;
    int64_t ip_proto = acl->ip_proto;
    char *source = source_to_string(&acl->loc);
    char **src = model_rows_selectors_to_strings(acl->src, acl->n_src);
    char **dst = model_rows_selectors_to_strings(acl->dst, acl->n_dst);

    sndb_acl_set_name(row, acl->name);
    sndb_acl_set_tier(row, acl->tier == TIER_EMERGENCY ? "emergency" : "acls");
    sndb_acl_set_action(row,
                        acl->action == ACTION_ACCEPT ? "accept" : "deny");
    sndb_acl_set_src(row, CONST_STRINGS(src), acl->n_src);
    sndb_acl_set_dst(row, CONST_STRINGS(dst), acl->n_dst);
    sndb_acl_set_ip_proto(row, &ip_proto, ip_proto != 0);
    acl_write_rate(row, acl->rate);
    sndb_acl_set_class_(row, model_class_to_string(acl->class));
    sndb_acl_set_other(row, other_to_string(acl->other));
    sndb_acl_set_source(row, source);
    free_strings(src, acl->n_src);
    free_strings(dst, acl->n_dst);
    free(source);
}

static const struct model_rows model_rows_acl = {
    .table = &sndb_table_acl,
    .key = acl_key,
    .read = acl_read,
    .write = acl_write,
    .aside = { &sndb_acl_col_source },
};

/* The registry. */

const struct model_rows *
model_rows_get(enum model_kind kind)
{
    switch (kind) {
    case MODEL_MESH: return &model_rows_mesh;
    case MODEL_NODE: return &model_rows_node;
    case MODEL_EXIT: return &model_rows_exit;
    case MODEL_CONTAINER: return &model_rows_container;
    case MODEL_SEGMENT: return &model_rows_segment;
    case MODEL_ACL: return &model_rows_acl;
    case MODEL_RAW_FLOW: return &model_rows_raw_flow;
    case MODEL_SERVICE: return &model_rows_service;
    case MODEL_CLIENT: return &model_rows_client;
    case MODEL_N_KINDS: break;
    }
    OVS_NOT_REACHED();
}

const struct ovsdb_idl_row *
model_rows_find(const struct ovsdb_idl *idl, enum model_kind kind,
                const char *key)
{
    const struct model_rows *rows = model_rows_get(kind);
    const struct ovsdb_idl_row *row;

    for (row = ovsdb_idl_first_row(idl, rows->table); row;
         row = ovsdb_idl_next_row(row)) {
        char *row_key = rows->key(row);
        bool found = !strcmp(row_key, key);

        free(row_key);
        if (found) {
            break;
        }
    }
    return row;
}

void
model_rows_add_columns(struct ovsdb_idl *idl)
{
    for (enum model_kind kind = 0; kind < MODEL_N_KINDS; kind++) {
        const struct ovsdb_idl_table_class *table
            = model_rows_get(kind)->table;

        for (size_t i = 0; i < table->n_columns; i++) {
            const struct ovsdb_idl_column *column = &table->columns[i];

            if (column != &sndb_mesh_col_connections
                && column != &sndb_mesh_col_ssl) {
                ovsdb_idl_track_add_column(idl, column);
                ovsdb_idl_set_write_changed_only(idl, column, true);
            }
        }
    }
}

bool
model_rows_is_aside(const struct model_rows *rows,
                    const struct ovsdb_idl_column *column)
{
    for (size_t i = 0; i < ARRAY_SIZE(rows->aside); i++) {
        if (rows->aside[i] == column) {
            return true;
        }
    }
    return false;
}

bool
model_rows_is_content_updated(const struct model_rows *rows,
                              const struct ovsdb_idl_row *row)
{
    for (size_t i = 0; i < rows->table->n_columns; i++) {
        const struct ovsdb_idl_column *column = &rows->table->columns[i];

        if (ovsdb_idl_track_is_updated(row, column)
            && !model_rows_is_aside(rows, column)) {
            return true;
        }
    }
    return false;
}
