#ifndef SN_DIAG_FIX_H
#define SN_DIAG_FIX_H 1

/* Corrections of what a user wrote that are certain: the text to put in the
 * place of another.  They belong to the error record that was added last, and
 * carry the text that they replace, so that one whose place is not what it was
 * thought to be is left undone. */

#include <stddef.h>
#include "lib/diag.h"

/* At 'loc' there is 'old' ("": nothing, 'new' is put before it). */
void diags_fix_replace(struct diags *, const struct sn_loc *loc,
                       const char *old, const char *new);
/* The line at 'loc' goes: an item of a list, the scalar 'text'; or the member
 * 'key' of a mapping.  Only where it has a line of its own. */
void diags_fix_remove_item(struct diags *, const struct sn_loc *loc,
                           const char *text);
void diags_fix_remove_member(struct diags *, const struct sn_loc *loc,
                             const char *key);

/* The text of 'file' corrected, and in '*ret_n' by how many corrections; the
 * caller frees it.  Of two that touch each other one is made. */
char *diags_apply_fixes(const struct diags *, const char *file,
                        const char *text, size_t *ret_n);

#endif /* lib/diag-fix.h */
