#ifndef SN_STATE_LOAD_H
#define SN_STATE_LOAD_H 1

/* State files to model.  state.yaml -> document (state/document.h: every value
 * knows its file, line and column) -> model, with every error of the whole
 * file reported, not only the first. */

#include <stdbool.h>
#include <stddef.h>

struct diags;
struct model;

/* Reads 'path', a file or a folder of *.yaml files merged by section.
 * 'node_name' names the node of a single host's file (one without "nodes:");
 * NULL: this host's name.  Structural errors, unresolved names, clashes and
 * lint all go to 'diags'.  Returns the model, or NULL if there was any error.
 * Nodes that were given no tunnel address have none yet: who applies or
 * compiles calls model_assign_addresses(). */
struct model *state_load(const char *path, const char *node_name,
                         struct diags *diags);
struct model *state_load_string(const char *text, const char *file_name,
                                const char *node_name, struct diags *diags);

/* The text of a state, for those that keep it: one file, or a folder's in the
 * order of their names. */
struct state_file {
    char *name;                 /* Its path. */
    char *text;
};
struct state_files {
    char *path;
    bool folder;
    struct state_file *files;
    size_t n;
};

/* Initialises 'files' in any case; returns false, having reported why, if
 * something cannot be read. */
bool state_files_read(const char *path, struct state_files *files,
                      struct diags *);
void state_files_destroy(struct state_files *);
/* Takes ownership of 'text'. */
void state_files_add(struct state_files *, const char *name, char *text);
/* As state_load(), of at least one file. */
struct model *state_files_load(const struct state_files *,
                               const char *node_name, struct diags *);

/* Canonical YAML that loads to an equal model.  Caller frees. */
char *state_to_yaml(const struct model *);

#endif /* state/load.h */
