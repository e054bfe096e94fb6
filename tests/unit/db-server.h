#ifndef TESTS_UNIT_DB_SERVER_H
#define TESTS_UNIT_DB_SERVER_H 1

/* An ovsdb-server of its own for a unit test, in a folder under /tmp, with the
 * database as `socknet db create` makes it. */

struct db_server {
    char dir[64];
    char *remote;
    int pid;
};

void db_server_start(struct db_server *);
/* Abruptly, and again. */
void db_server_kill(struct db_server *);
void db_server_run(struct db_server *);
/* While it does not run: gives it a new database. */
void db_server_forget(struct db_server *);
/* And removes its files. */
void db_server_stop(struct db_server *);

#endif /* tests/unit/db-server.h */
