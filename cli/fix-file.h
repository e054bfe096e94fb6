#ifndef SN_FIX_FILE_H
#define SN_FIX_FILE_H 1

/* `socknet check --fix`: the files of a state with the corrections that are
 * certain (lib/diag-fix.h). */

#include <stdbool.h>
#include <stddef.h>
#include "openvswitch/shash.h"

struct diags;

struct fix_files {
    struct shash texts;         /* File name to its corrected text. */
    size_t n;                   /* Corrections. */
};

/* What corrects 'diags', which came from loading 'path'.  Corrections of one
 * file show others: they are made until there is none. */
void fix_files_find(struct fix_files *, const struct diags *,
                    const char *path, const char *node);
void fix_files_destroy(struct fix_files *);

/* What would change, as diff -u prints it; the caller frees. */
char *fix_files_diff(const struct fix_files *);

/* Puts each file, whole, in the place of the former one, which stays as
 * FILE~.  Returns NULL or an error that the caller frees. */
char *fix_files_write(const struct fix_files *);

#endif /* cli/fix-file.h */
