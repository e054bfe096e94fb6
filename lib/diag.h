#ifndef SN_DIAG_H
#define SN_DIAG_H 1

/* Error records.
 *
 * Whatever a user wrote and socknet does not accept becomes a record here:
 * where (file, line, column), what is wrong, and the fix when there is one.
 * Nobody prints and returns; the command that was called prints the whole list
 * with diags_print(), in the manner of a compiler: the location, the source
 * line, a caret, and the fix. */

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include "openvswitch/compiler.h"
#include "openvswitch/list.h"
#include "openvswitch/shash.h"

struct json;

/* A place in a file that the user wrote.  'file' is interned by
 * sn_loc_intern() and lives as long as the process; NULL: no place known.
 * 'line' and 'column' count from 1. */
struct sn_loc {
    const char *file;
    int line;
    int column;
    int length;                 /* Characters that the caret underlines. */
};

enum diag_level { DIAG_NOTE, DIAG_WARNING, DIAG_ERROR };

/* A correction that is certain (lib/diag-fix.h). */
enum diag_edit_kind { EDIT_REPLACE, EDIT_REMOVE_ITEM, EDIT_REMOVE_MEMBER };

struct diag_edit {
    struct ovs_list node;       /* In struct diag's 'edits'. */
    enum diag_edit_kind kind;
    struct sn_loc loc;
    char *old;                  /* What must be there. */
    char *new;                  /* EDIT_REPLACE: what is to be there. */
};

struct diag {
    struct ovs_list node;       /* In struct diags. */
    enum diag_level level;
    size_t seq;                 /* Order of report. */
    struct sn_loc loc;
    char *text;                 /* What is wrong. */
    char *fix;                  /* What to do, or NULL. */
    struct ovs_list edits;      /* struct diag_edit. */
};

struct diags {
    struct ovs_list list;       /* Of struct diag, in order of report. */
    size_t n_errors;
    size_t n_warnings;
    size_t n_reported;          /* Notes included. */
    struct shash sources;       /* File name to its text, for the excerpts. */
};

const char *sn_loc_intern(const char *file);
char *sn_loc_to_string(const struct sn_loc *);      /* "file:line:column". */
bool sn_loc_from_string(const char *, struct sn_loc *ret_loc);

void diags_init(struct diags *);
void diags_destroy(struct diags *);
void diags_add(struct diags *, enum diag_level, const struct sn_loc *,
               const char *fix, const char *format, ...)
    OVS_PRINTF_FORMAT(5, 6);
/* Whether something is reported at 'loc' already. */
bool diags_has(const struct diags *, const struct sn_loc *loc);
/* Remembers the text of 'file', so that excerpts show what was parsed; files
 * not remembered are read again when diags_print() needs them. */
void diags_add_source(struct diags *, const char *file, const char *text);
/* Sorted by file and line.  Control characters of the user's text are shown as
 * "?". */
void diags_print(const struct diags *, FILE *);
struct json *diags_to_json(const struct diags *);

#endif /* lib/diag.h */
