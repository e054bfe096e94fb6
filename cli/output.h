#ifndef SN_OUTPUT_H
#define SN_OUTPUT_H 1

/* What a command prints, for people and for programs, from one traversal:
 *
 *     struct output *out = output_create(ctx->json, "nodes");
 *     output_begin(out, "nodes", OUTPUT_TABLE, NULL);
 *     for (each node) {
 *         output_record(out);
 *         output_string(out, "name", "node", node->name);
 *         output_integer(out, "listen_port", "port", node->listen_port);
 *     }
 *     output_finish(out);
 *
 * For programs that is {"version": 1, "command": "nodes", "nodes": [{"name":
 * …}, …]}: keys are only ever added under one version.  For people it is a
 * table under the headings; a field without a heading is for programs only. */

#include <stdbool.h>
#include <stdint.h>
#include "openvswitch/compiler.h"

struct json;
struct output;
struct sset;

#define OUTPUT_VERSION 1

enum output_style {
    OUTPUT_TABLE,               /* A row per record under headings. */
    OUTPUT_LIST,                /* "heading: value", a line per field. */
    OUTPUT_LINES,               /* A record is the line of its one field. */
};

struct output *output_create(bool json, const char *command);
/* Prints what is left and frees. */
void output_finish(struct output *);
/* The same after an error: programs get nothing rather than a part. */
void output_abort(struct output *);

/* Begins the list 'key'.  'caption' stands above it for people, or is NULL.
 * An empty list prints nothing for people. */
void output_begin(struct output *, const char *key, enum output_style,
                  const char *caption);
/* Every record of a list has the same fields in the same order. */
void output_record(struct output *);

/* A field of the record.  NULL and a missing value: null, and "-". */
void output_string(struct output *, const char *key, const char *heading,
                   const char *);
void output_integer(struct output *, const char *key, const char *heading,
                    int64_t);
void output_boolean(struct output *, const char *key, const char *heading,
                    bool);
void output_strings(struct output *, const char *key, const char *heading,
                    const struct sset *);       /* Sorted. */
/* Seconds since 1970, for people how long ago; 0: never. */
void output_time(struct output *, const char *key, const char *heading,
                 int64_t when);
/* What the others do not cover.  Takes ownership of 'json' and 'text'. */
void output_value(struct output *, const char *key, const char *heading,
                  struct json *json, char *text);

/* A member of the whole, for programs only.  Takes ownership of 'json'. */
void output_attach(struct output *, const char *key, struct json *json);
/* A line for people only. */
void output_note(struct output *, const char *format, ...)
    OVS_PRINTF_FORMAT(2, 3);

#endif /* cli/output.h */
