#ifndef SN_RAWFLOW_TEXT_H
#define SN_RAWFLOW_TEXT_H 1

/* The text of a raw flow cut into its fields and actions, as libopenvswitch
 * would cut it, but with the place of each. */

#include <stddef.h>
#include "lib/diag.h"
#include "openvswitch/compiler.h"

struct model_raw_flow;
struct ofputil_port_map;

struct raw_piece {
    char *key;                  /* "nw_dst"; of an action: "output". */
    char *value;                /* "10.0.0.0/24", "" if there is none. */
    char *text;                 /* All of it. */
    size_t offset;              /* Of 'text' in the flow's text. */
    size_t value_offset;
};

struct raw_text {
    const struct model_raw_flow *flow;
    struct diags *diags;        /* Or NULL. */
    size_t n_errors;
    size_t n_evident;           /* Of these, what is meant is evident. */
    struct raw_piece *fields;
    size_t n_fields;
    struct raw_piece *actions;  /* None if the text has no "actions=". */
    size_t n_actions;
    size_t actions_offset;      /* Of what follows "actions=". */
};

/* Returns false, having reported why, if 'flow' has no actions. */
bool raw_text_init(struct raw_text *, const struct model_raw_flow *flow,
                   struct diags *);
void raw_text_destroy(struct raw_text *);

/* Reports an error at 'length' bytes from 'offset' of the text. */
void raw_text_error(struct raw_text *, size_t offset, size_t length,
                    const char *fix, const char *format, ...)
    OVS_PRINTF_FORMAT(5, 6);

/* Adds a certain correction to the error reported last: 'old' at 'offset' of
 * the text becomes 'new'; or the whole flow goes. */
void raw_text_fix(struct raw_text *, size_t offset, const char *old,
                  const char *new);
void raw_text_fix_remove(struct raw_text *);

/* A stand-in port number for each word of the text that can be the name of a
 * port and that libopenvswitch would not take for something else. */
struct ofputil_port_map *raw_text_ports(const struct raw_text *);

#endif /* state/rawflow-text.h */
