#ifndef SN_DB_TORN_H
#define SN_DB_TORN_H 1

/* The file of a database of its own is a log (ovsdb(5)): a line "OVSDB JSON
 * LENGTH SHA1" and so many bytes, for each transaction.  Where a server or the
 * whole host died while it wrote the last one, ovsdb-server goes on without
 * that, which nobody was told is done; ovsdb-tool refuses the file. */

#include <sys/types.h>

/* Cuts off the last transaction if it is not whole; '*ret_cut' is how many
 * bytes that were.  Leaves a file alone that a server has open, one that is
 * damaged elsewhere, and what is no such log.  Returns NULL or an error that
 * the caller frees. */
char *db_torn_cut(const char *file, off_t *ret_cut);

#endif /* cli/db-torn.h */
