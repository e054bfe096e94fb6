#ifndef SN_MAKE_DIRS_H
#define SN_MAKE_DIRS_H 1

/* Makes the folder 'dir' and those above it, as far as they are missing; new
 * ones get 'mode'.  Returns NULL, or an error that the caller frees: that too
 * if it is there and this process may not write in it. */

#include <sys/types.h>

char *make_dirs(const char *dir, mode_t mode);

#endif /* cli/make-dirs.h */
