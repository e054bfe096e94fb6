#ifndef SN_DB_TOOL_H
#define SN_DB_TOOL_H 1

/* The programs of OVSDB that socknet runs for `socknet db`.  Each function
 * returns NULL or an error that the caller frees, and in any case
 * '*ret_output', which the caller frees too. */

/* "ovsdb-tool ARG1 ARG2 ..." ('args' ends in NULL), which can read 'input'
 * (may be NULL) as the file PROGRAM_INPUT. */
char *db_tool(const char *const args[], const char *input,
              char **ret_output);

/* The same of ovsdb-client, which asks any member of a cluster and gives up
 * after a while. */
char *db_client(const char *const args[], const char *input,
                char **ret_output);

#endif /* cli/db-tool.h */
