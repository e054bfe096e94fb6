#ifndef SN_CAUSE_H
#define SN_CAUSE_H 1

/* What a flow is there for, out of its cookie, and what its table does. */

#include <stdint.h>
#include "lib/diag.h"

struct explainer;
struct output;

struct cause {
    const char *kind;           /* "acl", "container", …, "foreign". */
    char *text;                 /* "acl api-to-vectors (state.yaml:41:5)". */
    char *object;               /* "api-to-vectors", or NULL. */
    struct sn_loc loc;          /* .file NULL: none. */
};

/* Out of the model that the explainer (flows/explain.h) was made from. */
void cause_find(const struct explainer *, uint64_t cookie, struct cause *);
void cause_destroy(struct cause *);
/* The fields "cause", "kind", "object" and "location" of a record. */
void cause_output(const struct cause *, struct output *);

/* NULL if the table is none of ours. */
const char *table_purpose(int table_id);

#endif /* cli/cause.h */
