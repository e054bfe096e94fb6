#include <config.h>

#include "cli/cause.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "cli/output.h"
#include "flows/cookie.h"
#include "flows/explain.h"
#include "flows/tables.h"
#include "openvswitch/json.h"
#include "openvswitch/util.h"
#include "util.h"

static const char *
cookie_kind_name(enum cookie_kind kind)
{
    switch (kind) {
    case COOKIE_BASE: return "pipeline";
    case COOKIE_CONTAINER: return "container";
    case COOKIE_NODE: return "node";
    case COOKIE_EXIT: return "exit";
    case COOKIE_IDENTITY: return "identity";
    case COOKIE_SEGMENT: return "segment";
    case COOKIE_ACL: return "acl";
    case COOKIE_DEFAULT: return "default";
    case COOKIE_RAW_FLOW: return "raw flow";
    case COOKIE_UPLINK: return "uplink";
    case COOKIE_SERVICE: return "service";
    }
    return "unknown";
}

/* The first "(FILE:LINE:COLUMN)" in 's', or NULL. */
static const char *
find_location(const char *s, struct sn_loc *locp)
{
    for (s = strchr(s, '('); s; s = strchr(s + 1, '(')) {
        char *loc = xmemdup0(s + 1, strcspn(s + 1, ")"));
        bool found = sn_loc_from_string(loc, locp);
        free(loc);
        if (found) {
            return s;
        }
    }
    return NULL;
}

/* Splits "KIND OBJECT (LOCATION)…" into its parts. */
static void
cause_split(struct cause *cause)
{
    size_t len = strlen(cause->kind);
    const char *end = find_location(cause->text, &cause->loc);

    if (end && !strncmp(cause->text, cause->kind, len)
        && cause->text[len] == ' ' && end > cause->text + len + 2) {
        const char *object = cause->text + len + 1;
        cause->object = xmemdup0(object, end - object - 1);
    }
}

void
cause_find(const struct explainer *explainer, uint64_t cookie,
           struct cause *cause)
{
    *cause = (struct cause) { .kind = "foreign" };
    if (!cookie_is_ours(cookie)) {
        cause->text = xasprintf("not socknet's (cookie 0x%"PRIx64"): left "
                                "alone", cookie);
        return;
    }

    cause->kind = cookie_kind_name(cookie_kind(cookie));
    cause->text = explainer_explain(explainer, cookie);
    if (cause->text) {
        cause_split(cause);
    } else {
        cause->text = xasprintf("%s 0x%"PRIx32", not in the desired state",
                                cause->kind, cookie_object(cookie));
    }
}

void
cause_destroy(struct cause *cause)
{
    free(cause->text);
    free(cause->object);
}

void
cause_output(const struct cause *cause, struct output *out)
{
    output_string(out, "cause", NULL, cause->text);
    output_string(out, "kind", NULL, cause->kind);
    output_string(out, "object", NULL, cause->object);

    char *loc = cause->loc.file ? sn_loc_to_string(&cause->loc) : NULL;
    output_string(out, "location", NULL, loc);
    free(loc);
}

const char *
table_purpose(int table_id)
{
    switch (table_id) {
#define SN_TABLE(ID, ENUM, NAME, PURPOSE) case ID: return PURPOSE;
        SN_TABLES
#undef SN_TABLE
    default: return NULL;
    }
}
