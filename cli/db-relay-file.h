#ifndef SN_DB_RELAY_FILE_H
#define SN_DB_RELAY_FILE_H 1

/* Where a relay listens, and with which role.  ovsdb-server takes roles only
 * from a database, and the one that is relayed is not the relay's own: so a
 * small one beside it.  It has tables of roles as well, with nobody in them:
 * without them, whoever comes by TLS could write there and give himself
 * another role. */

/* For ovsdb-server's "--remote=db:". */
#define DB_RELAY_REMOTES "Socknet_Relay,Config,connections"

/* Makes 'file' anew.  'address' is as in "pssl:PORT:ADDRESS".  Returns NULL,
 * or an error that the caller frees. */
char *db_relay_file_create(const char *file, const char *address);

#endif /* cli/db-relay-file.h */
