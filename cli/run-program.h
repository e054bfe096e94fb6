#ifndef SN_RUN_PROGRAM_H
#define SN_RUN_PROGRAM_H 1

/* Running the system's OVSDB programs. */

#include <stddef.h>

/* Finds 'name' on PATH or in the folders for administrators' programs.
 * Returns NULL if it is not installed; caller frees. */
char *program_find(const char *name);

/* Runs 'argv' (argv[0] a path; ends in NULL).  What is in 'input' (may be
 * NULL) can be read by the program as the file "/dev/fd/3".  Returns NULL and
 * what it printed in '*ret_output', or, if it failed, an error made of what it
 * printed.  The caller frees both. */
char *program_run(const char *const argv[], const char *input,
                  char **ret_output);

#define PROGRAM_INPUT "/dev/fd/3"

#endif /* cli/run-program.h */
