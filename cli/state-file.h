#ifndef SN_STATE_FILE_H
#define SN_STATE_FILE_H 1

/* A state file as the source of a command's model. */

struct model;

/* Loads 'path' and assigns tunnel addresses.  Errors and warnings go to
 * standard error; returns NULL after an error. */
struct model *state_file_load(const char *path, const char *node);

#endif /* cli/state-file.h */
