#ifndef SN_MODEL_ROWS_H
#define SN_MODEL_ROWS_H 1

/* Objects of the model as rows of the desired tables, and back: an entry per
 * kind.  The text of a row says all there is to say about its object, so that
 * one row can be read without any other. */

#include <stdbool.h>
#include <stddef.h>
#include "state/model.h"

struct ovsdb_idl;
struct ovsdb_idl_column;
struct ovsdb_idl_row;
struct ovsdb_idl_table_class;

struct model_rows {
    const struct ovsdb_idl_table_class *table;
    /* Key of the row's object in the model; caller frees. */
    char *(*key)(const struct ovsdb_idl_row *);
    /* New object; or NULL and '*ret_error', which the caller frees. */
    void *(*read)(const struct ovsdb_idl_row *, char **ret_error);
    /* Writes every column that the object determines. */
    void (*write)(const struct ovsdb_idl_row *, const void *object);
    /* Columns that say where an object was written and in which order, not
     * what it is; and those that are no part of the model.  Ends in NULL. */
    const struct ovsdb_idl_column *aside[10];
};

const struct model_rows *model_rows_get(enum model_kind);

/* The row of an object, or NULL. */
const struct ovsdb_idl_row *model_rows_find(const struct ovsdb_idl *,
                                            enum model_kind, const char *key);

/* Registers all columns of the desired tables, with change tracking. */
void model_rows_add_columns(struct ovsdb_idl *);

bool model_rows_is_aside(const struct model_rows *,
                         const struct ovsdb_idl_column *);
/* Whether the changes tracked in 'row' changed its object, and not only its
 * place in the file. */
bool model_rows_is_content_updated(const struct model_rows *,
                                   const struct ovsdb_idl_row *);

/* A selector as the database writes it: its kind is spelled out, so that it
 * does not depend on which other names exist: "container:web 80,443". */
char *model_rows_selector_to_string(const struct model_selector *);
char *model_rows_selector_from_string(const char *,
                                      struct model_selector *ret_sel);

#endif /* ovsdb-sync/model-rows.h */
