#ifndef SN_DB_OPTIONS_H
#define SN_DB_OPTIONS_H 1

/* What `socknet db` was called with, and its subcommands that are not about a
 * file alone. */

#include <stdbool.h>
#include <sys/types.h>
#include "svec.h"

struct db_options {
    const char *db;             /* "unix:FILE": where it is served. */
    bool db_given;              /* By an option. */
    const char *pki;            /* Folder, or NULL: no TLS. */
    const char *name;           /* Of the certificate, or NULL: the usual. */
    const char *listen;         /* An address, or NULL. */
    const char *from;           /* init: a file.  relay: a remote. */
    const char *remote;         /* join: addresses of members. */
    int timeout_ms;
    bool json;
    bool detach;
    mode_t umask;               /* As it was before this program's. */
    struct svec passed;         /* Options for ovsdb-server. */
};

/* Each returns NULL, or an error that the caller frees. */

/* db-server.c: these become ovsdb-server, and return only if that fails. */
char *db_serve(const char *file, const struct db_options *);
char *db_relay(const struct db_options *);

/* db-member.c */
char *db_init(const char *file, const struct db_options *);
char *db_join(const char *file, const struct db_options *);
char *db_leave(const struct db_options *);
char *db_kick(const char *server, const struct db_options *);

/* db-copy.c */
char *db_backup(const char *backup, const struct db_options *);
char *db_restore(const char *backup, const char *file);
char *db_upgrade(const struct db_options *);
char *db_compact(const struct db_options *);

/* db-show.c: the exit code in '*ret_status'. */
char *db_status(const struct db_options *, int *ret_status);

/* db-files.c */

/* The three of a server of TLS. */
struct db_keys {
    char *private_key;
    char *certificate;
    char *ca_cert;
    char *send_ca;              /* Sent along, or NULL. */
};

/* The default name of a member: this host's. */
char *db_member_name(const struct db_options *);
/* 'member': those of the cluster's authority. */
char *db_keys_find(const struct db_options *, bool member, struct db_keys *);
void db_keys_destroy(struct db_keys *);

/* Whether 'address' can be written into "ssl:ADDRESS:PORT": "192.0.2.1" or
 * "[2001:db8::1]".  'option' is for the error. */
char *db_check_address(const char *option, const char *address);
/* NULL if the server at 'db' is a member of a cluster, or ('or_alone') alone:
 * no relay. */
char *db_check_model(const char *db, bool or_alone);
/* Folders above 'file'. */
char *db_make_parent(const char *file);
/* Makes 'file', which must not exist, from nothing or 'from'. */
char *db_create_file(const char *file, const char *from);

#endif /* cli/db-options.h */
