-- What a daemon keeps of the central database, so that a host which starts
-- without it comes up as it last was.  The version is PRAGMA user_version, set
-- by ovsdb-sync/cache-file.c: raise it there with every change here.

-- 'connected': when the database was last heard (seconds since 1970).
CREATE TABLE meta (
    key TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) WITHOUT ROWID;

-- A row of the central database; its columns as OVSDB's JSON (RFC 7047,
-- section 5.1), without those that have their default value.
CREATE TABLE rows (
    uuid TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    columns TEXT NOT NULL
) WITHOUT ROWID;
