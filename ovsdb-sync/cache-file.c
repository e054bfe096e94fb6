#include <config.h>

#include "ovsdb-sync/cache-file.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "openvswitch/vlog.h"
#include "ovsdb-sync/cache-schema.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(cache_file);

/* Raise with every change of schemas/cache.sql. */
#define CACHE_VERSION 1
/* "snet": tells our file from any other SQLite file. */
#define CACHE_ID 0x736e6574

enum statement { PUT, REMOVE, SET, GET, READ, N_STATEMENTS };

static const char *const statement_text[N_STATEMENTS] = {
    [PUT] = "INSERT OR REPLACE INTO rows(name, uuid, columns) VALUES (?,?,?)",
    [REMOVE] = "DELETE FROM rows WHERE uuid = ?",
    [SET] = "INSERT OR REPLACE INTO meta VALUES (?, ?)",
    [GET] = "SELECT value FROM meta WHERE key = ?",
    [READ] = "SELECT name, uuid, columns FROM rows",
};

struct cache_file {
    char *path;
    sqlite3 *db;
    sqlite3_stmt *statements[N_STATEMENTS];
    char *error;                /* First one since cache_file_begin(). */
};

static char *
file_error(const struct cache_file *f)
{
    return xasprintf("%s: %s", f->path, sqlite3_errmsg(f->db));
}

static bool
file_exec(struct cache_file *f, const char *sql)
{
    return sqlite3_exec(f->db, sql, NULL, NULL, NULL) == SQLITE_OK;
}

/* The first column of the first row that 'sql' gives, or NULL. */
static char *
file_query(struct cache_file *f, const char *sql)
{
    sqlite3_stmt *stmt;
    char *value = NULL;

    if (sqlite3_prepare_v2(f->db, sql, -1, &stmt, NULL) == SQLITE_OK
        && sqlite3_step(stmt) == SQLITE_ROW) {
        const char *text = (const char *) sqlite3_column_text(stmt, 0);
        value = xstrdup(text ? text : "");
    }
    sqlite3_finalize(stmt);
    return value;
}

static int64_t
file_query_int(struct cache_file *f, const char *sql)
{
    char *text = file_query(f, sql);
    int64_t value = text ? strtoll(text, NULL, 10) : -1;

    free(text);
    return value;
}

/* The folders above 'path': who starts first on a host finds none. */
static char *
make_folders(const char *path)
{
    char *dir = dir_name(path);
    char *error = NULL;

    if (mkdir(dir, 0700) && errno == ENOENT && strcmp(dir, "/")
        && strcmp(dir, ".")) {
        error = make_folders(dir);
        if (!error && mkdir(dir, 0700)) {
            error = xasprintf("%s: %s", dir, ovs_strerror(errno));
        }
    } else if (access(dir, F_OK)) {
        error = xasprintf("%s: %s", dir, ovs_strerror(errno));
    }
    free(dir);
    return error;
}

/* Files that SQLite makes beside it get the same mode. */
static char *
file_create(const char *path)
{
    char *error = make_folders(path);
    struct stat st;

    if (error) {
        return error;
    }
    int fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0 || fstat(fd, &st)) {
        error = xasprintf("%s: %s", path, ovs_strerror(errno));
    } else if (!S_ISREG(st.st_mode) || st.st_uid != geteuid()) {
        error = xasprintf("%s: not a file of this user", path);
    } else if (st.st_mode & 077 && fchmod(fd, 0600)) {
        error = xasprintf("%s: %s", path, ovs_strerror(errno));
    }
    if (fd >= 0) {
        close(fd);
    }
    return error;
}

static void
file_disconnect(struct cache_file *f)
{
    for (size_t i = 0; i < N_STATEMENTS; i++) {
        sqlite3_finalize(f->statements[i]);
        f->statements[i] = NULL;
    }
    sqlite3_close(f->db);
    f->db = NULL;
}

/* Returns NULL, or what is wrong with the file's contents. */
static char *
file_check(struct cache_file *f)
{
    int64_t version = file_query_int(f, "PRAGMA user_version");
    int64_t id = file_query_int(f, "PRAGMA application_id");

    if (version < 0 || id < 0) {
        return xstrdup(sqlite3_errmsg(f->db));
    } else if (version == 0 && id == 0
               && file_query_int(f, "SELECT count(*) FROM sqlite_master")
                  == 0) {
        char *sql = xasprintf("BEGIN; %s; PRAGMA application_id = %d; "
                              "PRAGMA user_version = %d; COMMIT",
                              cache_schema, CACHE_ID, CACHE_VERSION);
        bool ok = file_exec(f, sql);

        free(sql);
        return ok ? NULL : xstrdup(sqlite3_errmsg(f->db));
    } else if (id != CACHE_ID || version != CACHE_VERSION) {
        return xstrdup("it was made by another version");
    }

    char *verdict = file_query(f, "PRAGMA quick_check(1)");
    if (verdict && !strcmp(verdict, "ok")) {
        free(verdict);
        return NULL;
    }
    return verdict ? verdict : xstrdup(sqlite3_errmsg(f->db));
}

/* 'alone': nobody else can have it open, and what SQLite otherwise has in a
 * file beside it, for all, is in memory. */
static char *
file_connect(struct cache_file *f, bool alone)
{
    char *error = NULL;

    if (sqlite3_open_v2(f->path, &f->db,
                        SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOFOLLOW, NULL)) {
        return xstrdup(f->db ? sqlite3_errmsg(f->db) : "out of memory");
    }
    sqlite3_busy_timeout(f->db, 100);
    if (alone) {
        file_exec(f, "PRAGMA locking_mode = EXCLUSIVE");
    }
    /* With the write-ahead log, a crash can cost the last changes, never the
     * file; and a change costs no wait for the disk. */
    if (!file_exec(f, "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL")
        || (error = file_check(f)) != NULL) {
        return error ? error : xstrdup(sqlite3_errmsg(f->db));
    }
    for (size_t i = 0; i < N_STATEMENTS; i++) {
        if (sqlite3_prepare_v2(f->db, statement_text[i], -1,
                               &f->statements[i], NULL) != SQLITE_OK) {
            return xstrdup(sqlite3_errmsg(f->db));
        }
    }
    return NULL;
}

void
cache_file_unlink(const char *path)
{
    static const char *const suffixes[] = { "", "-wal", "-shm" };

    for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++) {
        char *name = xasprintf("%s%s", path, suffixes[i]);
        unlink(name);
        free(name);
    }
}

/* Keeps one damaged file for whoever wants to know why. */
static void
file_set_aside(const struct cache_file *f)
{
    char *aside = xasprintf("%s.bad", f->path);

    if (rename(f->path, aside)) {
        VLOG_WARN("%s: %s", aside, ovs_strerror(errno));
    }
    cache_file_unlink(f->path);
    free(aside);
}

/* A file that is busy or a disk that is full is not damaged. */
static bool
file_is_bad(const struct cache_file *f)
{
    int error = sqlite3_errcode(f->db);

    return error != SQLITE_BUSY && error != SQLITE_FULL
           && error != SQLITE_CANTOPEN && error != SQLITE_READONLY
           && error != SQLITE_IOERR && error != SQLITE_PERM;
}

/* What is in the file can be read without room for anything beside it. */
static bool
file_lacks_room(const struct cache_file *f)
{
    int error = sqlite3_errcode(f->db);

    return (error == SQLITE_IOERR || error == SQLITE_FULL
            || error == SQLITE_CANTOPEN);
}

char *
cache_file_open(const char *path, struct cache_file **ret_file)
{
    struct cache_file *f = xzalloc(sizeof *f);
    char *error = file_create(path);
    char *why = NULL;

    f->path = xstrdup(path);
    if (!error) {
        why = file_connect(f, false);
    }
    if (why && file_lacks_room(f)) {
        free(why);
        file_disconnect(f);
        why = file_connect(f, true);
    }
    if (why && file_is_bad(f)) {
        VLOG_WARN("%s: %s; it is moved to %s.bad and begun anew", path, why,
                  path);
        free(why);
        file_disconnect(f);
        file_set_aside(f);
        error = file_create(path);
        why = error ? NULL : file_connect(f, false);
    }
    if (why) {
        error = xasprintf("%s: %s", path, why);
        free(why);
    }
    if (error) {
        cache_file_close(f);
        return error;
    }
    *ret_file = f;
    return NULL;
}

void
cache_file_close(struct cache_file *f)
{
    if (f) {
        file_disconnect(f);
        free(f->error);
        free(f->path);
        free(f);
    }
}

char *
cache_file_read(struct cache_file *f, cache_file_row_cb *cb, void *aux)
{
    sqlite3_stmt *stmt = f->statements[READ];
    int status;

    while ((status = sqlite3_step(stmt)) == SQLITE_ROW) {
        const char *s[3];

        for (int i = 0; i < 3; i++) {
            s[i] = (const char *) sqlite3_column_text(stmt, i);
            s[i] = s[i] ? s[i] : "";
        }
        cb(s[0], s[1], s[2], aux);
    }
    char *error = status == SQLITE_DONE ? NULL : file_error(f);
    sqlite3_reset(stmt);
    return error;
}

static void
file_note_error(struct cache_file *f)
{
    if (!f->error) {
        f->error = file_error(f);
    }
}

static void
file_step(struct cache_file *f, sqlite3_stmt *stmt)
{
    if (sqlite3_step(stmt) != SQLITE_DONE) {
        file_note_error(f);
    }
    sqlite3_reset(stmt);
    sqlite3_clear_bindings(stmt);
}

void
cache_file_begin(struct cache_file *f)
{
    free(f->error);
    f->error = NULL;
    if (!file_exec(f, "BEGIN IMMEDIATE")) {
        file_note_error(f);
    }
}

void
cache_file_put(struct cache_file *f, const char *table, const char *uuid,
               const char *columns)
{
    sqlite3_stmt *stmt = f->statements[PUT];

    sqlite3_bind_text(stmt, 1, table, -1, SQLITE_STATIC);
    sqlite3_bind_text(stmt, 2, uuid, -1, SQLITE_STATIC);
    sqlite3_bind_text(stmt, 3, columns, -1, SQLITE_STATIC);
    file_step(f, stmt);
}

void
cache_file_remove(struct cache_file *f, const char *uuid)
{
    sqlite3_bind_text(f->statements[REMOVE], 1, uuid, -1, SQLITE_STATIC);
    file_step(f, f->statements[REMOVE]);
}

void
cache_file_set(struct cache_file *f, const char *key, int64_t value)
{
    sqlite3_bind_text(f->statements[SET], 1, key, -1, SQLITE_STATIC);
    sqlite3_bind_int64(f->statements[SET], 2, value);
    file_step(f, f->statements[SET]);
}

char *
cache_file_commit(struct cache_file *f)
{
    char *error;

    if (!f->error && !file_exec(f, "COMMIT")) {
        file_note_error(f);
    }
    error = f->error;
    f->error = NULL;
    if (error) {
        file_exec(f, "ROLLBACK");
    }
    return error;
}

int64_t
cache_file_get(struct cache_file *f, const char *key)
{
    sqlite3_stmt *stmt = f->statements[GET];
    int64_t value = 0;

    sqlite3_bind_text(stmt, 1, key, -1, SQLITE_STATIC);
    if (sqlite3_step(stmt) == SQLITE_ROW) {
        value = sqlite3_column_int64(stmt, 0);
    }
    sqlite3_reset(stmt);
    return value;
}
